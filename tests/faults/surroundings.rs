//! A program whose environment a test breaks: its log, threads, files, clock, and host names.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use tests::unique;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
};

/// A user for the program alone: the system does not limit root's threads.
const USER: &str = "47123";
/// The broker's name in the program's own hosts file.
const HOST: &str = "broker.test";
/// How long a state may take to name its cause, and a call to be answered. Generous, because
/// machines are shared.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A part of the environment that breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// The log's reader has gone: each line panics.
    Log,
    /// The system denies new threads.
    Threads,
    /// The process may open no file.
    Files,
    /// The wall clock jumps by a day.
    Clock,
    /// The name of the broker is unknown.
    Name,
}

impl Cause {
    /// Words of the state and the last event. `None` if the cause does no harm.
    pub(crate) fn words(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Log | Self::Clock => None,
            Self::Threads => Some(&["Resource temporarily unavailable"]),
            Self::Files => Some(&["Too many open files"]),
            Self::Name => Some(&["failed to lookup address", "Name or service not known"]),
        }
    }
}

/// A program and its environment.
pub(crate) struct Patient {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    log: Option<tokio::task::JoinHandle<ChildStderr>>,
    folder: PathBuf,
    /// Whether the program has its own hosts file.
    pub(crate) has_names: bool,
    pub(crate) has_clock: bool,
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// Returns the path of libfaketime, if `cargo xtask test` found it.
fn faketime() -> Option<String> {
    std::env::var("RPC_TEST_FAKETIME").ok().filter(|library| !library.is_empty())
}

/// Copies the program to a new folder, where any user may run it. Returns both.
fn copied() -> (PathBuf, PathBuf) {
    let folder = std::env::temp_dir().join(unique("alive"));
    fs::create_dir(&folder).expect("a folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let program = folder.join("alive");
    fs::copy(env!("CARGO_BIN_EXE_alive"), &program).expect("the program");
    (folder, program)
}

/// Drains a log, so that its writer never blocks, until the task is aborted.
fn read_away(mut log: ChildStderr) -> tokio::task::JoinHandle<ChildStderr> {
    tokio::spawn(async move {
        let mut nowhere = tokio::io::sink();
        // The stream ends with the program.
        let _ = tokio::io::copy(&mut log, &mut nowhere).await;
        log
    })
}

impl Patient {
    /// Starts `tests/src/bin/alive.rs`, and waits until it is ready.
    pub(crate) async fn start(url: &str, topic: &str) -> Self {
        let (folder, program) = copied();
        let (hosts, order, clock) =
            (folder.join("hosts"), folder.join("nsswitch.conf"), folder.join("clock"));
        fs::write(&hosts, format!("127.0.0.1 localhost {HOST}\n")).expect("a file");
        fs::write(&order, "passwd: files\ngroup: files\nhosts: files\n").expect("a file");
        fs::write(&clock, "+0").expect("a file");
        for file in [&hosts, &order, &clock] {
            fs::set_permissions(file, fs::Permissions::from_mode(0o644)).expect("it is ours");
        }
        // Without its own hosts file, the program connects to the broker's address.
        let has_names = is_root();
        let url = if has_names { url.replacen("127.0.0.1", HOST, 1) } else { url.to_owned() };
        let mut command = match has_names {
            true => {
                let script = format!(
                    "mount --bind '{hosts}' /etc/hosts && mount --bind '{order}' /etc/nsswitch.conf && \
                     exec setpriv --reuid={USER} --regid={USER} --clear-groups \"$@\"",
                    hosts = hosts.display(),
                    order = order.display(),
                );
                let mut command = Command::new("unshare");
                command.args(["--mount", "--propagation", "private", "sh", "-c", &script, "sh"]);
                command.arg("env");
                command
            }
            false => Command::new("env"),
        };
        let library = faketime();
        let has_clock = library.is_some();
        if let Some(library) = library {
            // For the program only: libfaketime's locks belong to the user that created them.
            command.arg(format!("LD_PRELOAD={library}"));
            command.arg(format!("FAKETIME_TIMESTAMP_FILE={}", clock.display()));
            command.args(["FAKETIME_NO_CACHE=1", "DONT_FAKE_MONOTONIC=1"]);
        }
        command.arg(&program);
        command.args([url.as_str(), topic]).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let orders = child.stdin.take().expect("its input");
        let answers = BufReader::new(child.stdout.take().expect("its output")).lines();
        let log = child.stderr.take().map(read_away);
        let mut patient = Self { child, orders, answers, log, folder, has_names, has_clock };
        assert_eq!(patient.answer().await, "ready");
        patient
    }

    /// Starts a program that may have no more threads than its runtime. Returns its output.
    pub(crate) async fn starts_without_threads(url: &str, topic: &str) -> String {
        // The main thread, two of the runtime, and the one that reads orders.
        const THREADS: u32 = 4;
        let (folder, program) = copied();
        // A new user, because the limit counts the threads of all programs of a user.
        let user = fastrand::u32(50_000..60_000).to_string();
        let mut command = Command::new("prlimit");
        command.arg(format!("--nproc={THREADS}:")).arg("setpriv");
        command.args([format!("--reuid={user}"), format!("--regid={user}")]);
        command.arg("--clear-groups").arg(&program).args([url, topic]);
        let output = command.stdin(Stdio::null()).output().await.expect("it ends");
        let _ = fs::remove_dir_all(folder);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    async fn answer(&mut self) -> String {
        let answer = tokio::time::timeout(PATIENCE + PATIENCE, self.answers.next_line()).await;
        answer.expect("an answer in time").expect("its output").expect("it lives")
    }

    pub(crate) async fn ask(&mut self, order: &str) -> String {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.expect("it listens");
        self.answer().await
    }

    /// Sets a limit of the process, as its user, because root may lack the permission.
    async fn limit(&self, what: &str, to: &str) {
        let process = self.child.id().expect("it runs").to_string();
        let mut command = match self.has_names {
            true => {
                let mut command = Command::new("setpriv");
                command.args([&format!("--reuid={USER}"), &format!("--regid={USER}")]);
                command.args(["--clear-groups", "prlimit"]);
                command
            }
            false => Command::new("prlimit"),
        };
        let limit = format!("--{what}={to}:");
        let done = command.args(["--pid", &process, &limit]).status().await;
        assert!(done.expect("`prlimit` is there").success());
    }

    fn set_clock(&self, to: &str) {
        let next = self.folder.join("clock.next");
        fs::write(&next, to).expect("a file");
        fs::set_permissions(&next, fs::Permissions::from_mode(0o644)).expect("it is ours");
        // Atomically, because the program may read the file at any time.
        fs::rename(next, self.folder.join("clock")).expect("its clock");
    }

    pub(crate) async fn begin(&mut self, cause: Cause, rng: &mut fastrand::Rng) {
        match cause {
            Cause::Log => {
                if let Some(log) = self.log.take() {
                    log.abort();
                    // Aborting the task closes the reading end of the pipe.
                    let _ = log.await;
                }
            }
            Cause::Threads => self.limit("nproc", "1").await,
            Cause::Files => self.limit("nofile", "3").await,
            Cause::Clock => {
                self.set_clock(if rng.bool() { "+1d" } else { "-1d" });
            }
            Cause::Name => {
                fs::write(self.folder.join("hosts"), "127.0.0.1 localhost\n").expect("its hosts");
            }
        }
    }

    pub(crate) async fn end(&mut self, cause: Cause) {
        match cause {
            // Cannot be undone; the next program has another log.
            Cause::Log => {}
            Cause::Threads => self.limit("nproc", "500").await,
            Cause::Files => self.limit("nofile", "1024").await,
            Cause::Clock => self.set_clock("+0"),
            Cause::Name => {
                let hosts = format!("127.0.0.1 localhost {HOST}\n");
                fs::write(self.folder.join("hosts"), hosts).expect("its hosts");
            }
        }
    }

    /// Waits until the state and the last event name the cause.
    pub(crate) async fn names(&mut self, words: &[&str]) {
        let begun = Instant::now();
        loop {
            let answer = self.ask("state").await;
            let mut parts = answer.split(" | ");
            let (up, state, event) = (parts.next(), parts.next(), parts.next());
            let is_named = |text: Option<&str>| {
                text.is_some_and(|text| words.iter().any(|words| text.contains(words)))
            };
            if up == Some("down") && is_named(state) && is_named(event) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "nothing names {words:?}: {answer}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Makes a call that has to succeed. Returns how long that took.
    pub(crate) async fn well(&mut self) -> Duration {
        let begun = Instant::now();
        let answer = self.ask(&format!("call {}", PATIENCE.as_millis())).await;
        assert_eq!(answer, "42", "{:?}", self.ask("state").await);
        begun.elapsed()
    }

    /// Returns the outcomes of the program's own calls: successes, errors, wrong answers.
    pub(crate) async fn counts(&mut self) -> [u64; 3] {
        let answer = self.ask("counts").await;
        let mut counts = answer.split(' ').map(|count| count.parse().expect("a number"));
        std::array::from_fn(|_| counts.next().expect("three"))
    }
}

impl Drop for Patient {
    fn drop(&mut self) {
        // A leftover folder is small, and below the system's temporary folder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
