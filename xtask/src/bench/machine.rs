//! The machine, the compiler and the revision of a measurement.

use std::{fs, process::Command};

use crate::process::{output, root};

/// Returns the first line of a program's output.
pub(super) fn said(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    let text = output(command.current_dir(root()).args(arguments)).unwrap_or_default();
    text.lines().next().unwrap_or("unknown").trim().to_owned()
}

pub(super) fn date() -> String {
    said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])
}

pub(super) fn revision() -> String {
    said("git", &["describe", "--always", "--dirty"])
}

pub(super) fn compiler() -> String {
    said("rustc", &["--version"])
}

pub(super) fn system() -> String {
    said("uname", &["-srm"])
}

/// Returns the processor's name and the number of cores.
pub(super) fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{model}, {cores} cores")
}
