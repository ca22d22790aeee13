//! Runs other programs, and shows progress.

use std::{
    fmt::Display,
    io::IsTerminal as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use indicatif::ProgressBar;

use crate::Error;

/// Returns the project's folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Returns the folder for files that tasks keep between runs.
pub(crate) fn state() -> PathBuf {
    root().join("target").join("xtask")
}

/// Returns a command that runs this cargo in the project's folder.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// Runs a command, and shows its output.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let status = command.status().map_err(|error| cannot_run(command, &error))?;
    if status.success() { Ok(()) } else { Err(format!("{} failed: {status}", shown(command))) }
}

/// Runs a command, and returns its output. The output is shown only if the command fails.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    output_reading(command, Stdio::null())
}

/// Like [`output`], but gives the command an input.
pub(crate) fn output_reading(
    command: &mut Command,
    input: impl Into<Stdio>,
) -> Result<String, Error> {
    let output = command.stdin(input).output().map_err(|error| cannot_run(command, &error))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{} failed: {}\n{}", shown(command), output.status, text(&output)))
}

/// Runs a command that may hang, and returns whether it succeeded in time.
pub(crate) fn succeeds_within(command: &mut Command, limit: Duration) -> bool {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    let until = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.success(),
            Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(50)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return false;
            }
        }
    }
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    format!("`{}`", words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "))
}

fn cannot_run(command: &Command, error: &std::io::Error) -> Error {
    format!("cannot run {}: {error}", shown(command))
}

/// Returns a program's path, if it is on the search path.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths).map(|path| path.join(program)).find(|path| path.is_file())
}

/// Does a longer piece of work, shows progress, and prints how long it took.
pub(crate) fn step<T>(
    what: impl Display,
    work: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Error> {
    let begun = Instant::now();
    let spinner = std::io::stderr().is_terminal().then(|| {
        let spinner = ProgressBar::new_spinner().with_message(what.to_string());
        spinner.enable_steady_tick(Duration::from_millis(100));
        spinner
    });
    if spinner.is_none() {
        eprintln!("… {what}");
    }
    let done = work();
    if let Some(spinner) = spinner {
        spinner.finish_and_clear();
    }
    let sign = if done.is_ok() { "ok" } else { "FAILED" };
    eprintln!("{sign:>6} {what} ({:.1} s)", begun.elapsed().as_secs_f64());
    done
}

/// Waits until `condition` returns a value.
pub(crate) fn wait_for<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let until = Instant::now() + limit;
    loop {
        if let Some(found) = condition() {
            return Some(found);
        }
        if Instant::now() >= until {
            return None;
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// Runs `work` on a thread, and stops waiting for it after `limit`.
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, result) = mpsc::channel();
    thread::spawn(move || done.send(work()));
    result.recv_timeout(limit).ok()
}

/// Installs packages by the first package manager that is found.
pub(crate) fn install(packages: &Packages) -> Result<(), Error> {
    let (manager, install, names): (&str, &[&str], &[&str]) = if find("apt-get").is_some() {
        ("apt-get", &["install", "--yes", "--no-install-recommends"], packages.apt)
    } else if find("dnf").is_some() {
        ("dnf", &["install", "--assumeyes"], packages.dnf)
    } else if find("apk").is_some() {
        ("apk", &["add"], packages.apk)
    } else if find("brew").is_some() {
        ("brew", &["install"], packages.brew)
    } else {
        return Err(format!(
            "found no known package manager: install {} by hand",
            packages.apt.join(" ")
        ));
    };
    let names = names.join(" ");
    step(format_args!("installing {names} with {manager}"), || {
        if manager == "apt-get" {
            output(privileged(manager)?.arg("update"))?;
        }
        output(privileged(manager)?.args(install).args(names.split(' '))).map(drop)
    })
    .map_err(|error| format!("{error}\ninstall {names} by hand, and run this again"))
}

/// A package's names, by package manager.
pub(crate) struct Packages {
    pub(crate) apt: &'static [&'static str],
    pub(crate) dnf: &'static [&'static str],
    pub(crate) apk: &'static [&'static str],
    pub(crate) brew: &'static [&'static str],
}

/// Returns a command that may change the system: as root, or with `sudo` if that requires no
/// password.
fn privileged(program: &str) -> Result<Command, Error> {
    let root = output(Command::new("id").arg("-u"))?.trim() == "0";
    let mut command = if root || program == "brew" {
        Command::new(program)
    } else if succeeds_within(Command::new("sudo").args(["-n", "true"]), Duration::from_secs(5)) {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", program]);
        sudo
    } else {
        return Err(format!("`{program}` needs root, and `sudo` asks for a password"));
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    Ok(command)
}
