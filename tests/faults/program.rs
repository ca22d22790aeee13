//! Programs of the test suite, controlled through standard input and output.

use std::process::Stdio;

use tests::{held::Held, soon};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// A running program.
pub(crate) struct Program {
    child: Child,
    say: ChildStdin,
    heard: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts the program at `path` with a broker and a topic, and waits until it is ready.
    pub(crate) async fn start(path: &str, url: &str, topic: &str) -> Self {
        Self::begin(Command::new(path), url, topic).await
    }

    /// Starts `tests/src/bin/peer.rs` with environment variables.
    pub(crate) async fn peer_with(
        url: &str,
        topic: &str,
        settings: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_peer"));
        command.envs(settings);
        Self::begin(command, url, topic).await
    }

    async fn begin(mut command: Command, url: &str, topic: &str) -> Self {
        command.args([url, topic]).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("the program");
        let say = child.stdin.take().expect("its input");
        let heard = BufReader::new(child.stdout.take().expect("its output")).lines();
        let mut program = Self { child, say, heard };
        assert_eq!(program.hear().await, "ready");
        program
    }

    /// Starts `tests/src/bin/peer.rs`.
    pub(crate) async fn peer(url: &str, topic: &str) -> Self {
        Self::start(env!("CARGO_BIN_EXE_peer"), url, topic).await
    }

    pub(crate) async fn say(&mut self, line: &str) {
        self.say.write_all(format!("{line}\n").as_bytes()).await.expect("it reads its input");
    }

    /// Returns the next line of output, which has to arrive soon.
    pub(crate) async fn hear(&mut self) -> String {
        soon("a line of output", self.hear_whenever()).await
    }

    /// Returns the next line of output, however long that takes.
    pub(crate) async fn hear_whenever(&mut self) -> String {
        self.heard.next_line().await.expect("its output").expect("a line")
    }

    /// Returns the process id.
    pub(crate) fn process(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Returns the resources of the process.
    pub(crate) fn held(&self) -> Held {
        Held::of(self.process()).expect("it runs")
    }

    /// Sends a signal to the process.
    pub(crate) async fn signal(&self, name: &str) {
        let process = self.process().to_string();
        let done = Command::new("kill").args(["-s", name, &process]).status().await;
        assert!(done.expect("a signal").success());
    }

    /// Waits for the exit, and returns whether it was a success.
    pub(crate) async fn ended(&mut self) -> bool {
        soon("its end", self.child.wait()).await.expect("its status").success()
    }
}
