//! Live tests with the original library: its clients against our servers, our clients against its servers.

mod from_python;
mod to_python;

use std::process::Stdio;

use tests::{World, required, soon};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// A Python program of this folder that runs: a line in, a line out. It ends when this is dropped.
struct Peer {
    _process: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// Starts a program and waits until it is ready. `None` where there is no Python for it.
    async fn start(program: &str, world: &World, args: &[&str]) -> Option<Self> {
        let python = required("RPC_TEST_PYTHON")?;
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/interop");
        let mut process = Command::new(python)
            .arg(format!("{folder}/{program}"))
            // The one spelling of the scheme that the original knows.
            .arg(world.url().replacen("amqp://", "rabbit://", 1))
            .arg(world.topic())
            .args(args)
            .current_dir(folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("PYTHONWARNINGS", "ignore")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("Python runs");
        let input = process.stdin.take().expect("a pipe");
        let output = BufReader::new(process.stdout.take().expect("a pipe")).lines();
        let mut peer = Self { _process: process, input, output };
        assert_eq!(peer.line().await, "ready");
        Some(peer)
    }

    async fn line(&mut self) -> String {
        let line = soon("a line from Python", self.output.next_line()).await;
        line.expect("Python prints text").expect("Python still runs")
    }

    /// Sends a command, and returns the answer.
    async fn ask(&mut self, command: serde_json::Value) -> serde_json::Value {
        let line = format!("{command}\n");
        self.input.write_all(line.as_bytes()).await.expect("Python reads");
        serde_json::from_str(&self.line().await).expect("Python answers with JSON")
    }
}
