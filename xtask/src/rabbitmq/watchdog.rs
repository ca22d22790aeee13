//! Ends a broker when the task that uses it ends in any way.
//!
//! A shell in its own process group waits until its input closes, which happens when this process
//! drops the other end or dies. The shell then runs the script in a file.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use super::removal;
use crate::Error;

/// The shell, and the files that it will run and delete.
pub(super) struct Watchdog {
    shell: Child,
    /// Closed to end the broker.
    leash: Option<ChildStdin>,
    script: PathBuf,
    folder: PathBuf,
}

impl Watchdog {
    /// Starts the shell. At the end it deletes `folder`.
    pub(super) fn start(folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder)
            .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        let script = folder.join("end.sh");
        let mut shell = Command::new("sh")
            .args(["-c", &watch(folder)])
            .arg(&script)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("cannot run `sh`: {error}"))?;
        let leash = shell.stdin.take();
        Ok(Self { shell, leash, script, folder: folder.to_owned() })
    }

    /// Sets the script that runs at the end.
    pub(super) fn arm(&mut self, end: &str) -> Result<(), Error> {
        fs::write(&self.script, end)
            .map_err(|error| format!("cannot write {}: {error}", self.script.display()))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.leash.take());
        if !self.shell.wait().is_ok_and(|status| status.success()) {
            let folder = self.folder.display();
            eprintln!("{folder} was not deleted: see what is mounted below it");
        }
    }
}

/// Returns the shell's script. Its last command deletes the folder, and its status is the shell's.
fn watch(folder: &Path) -> String {
    format!("cat >/dev/null; if [ -f \"$0\" ]; then sh \"$0\"; fi\n{}", removal::script(&[folder]))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        process::{state, succeeds_within, wait_for},
        rabbitmq::{programs::UNSHARE, shell::quoted},
    };

    #[test]
    fn a_watchdog_that_is_let_go_kills_and_deletes_and_spares_what_a_process_had_mounted() {
        let mut probe = Command::new("sh");
        probe.args(["-c", &format!("{UNSHARE} true")]);
        if !succeeds_within(&mut probe, Duration::from_secs(10)) {
            eprintln!("SKIPPED: this machine makes no mount namespaces");
            return;
        }
        let folder = state().join(format!("watchdog-{}", std::process::id()));
        let (kept, node) = (folder.join("kept"), folder.join("node"));
        for path in [&kept, &node.join("inside")] {
            fs::create_dir_all(path).expect("a folder");
        }
        fs::write(kept.join("file"), "").expect("a file");
        let mut watchdog = Watchdog::start(&node).expect("a watchdog");

        let inside = "mount --bind \"$0\" \"$1/inside\" && : >\"$1/up\" && exec sleep 1000";
        let paths = [&kept, &node].map(|path| quoted(&path.display().to_string())).join(" ");
        let script = format!("exec {UNSHARE} sh -c {} {paths}", quoted(inside));
        let mut process =
            Command::new("sh").args(["-c", &script]).process_group(0).spawn().expect("a process");
        watchdog.arm(&format!("kill -s KILL -- -{}", process.id())).expect("an order");
        let up = wait_for(Duration::from_secs(30), || node.join("up").exists().then_some(()));

        // Dropping has the same effect as the death of this process.
        drop(watchdog);
        let ended = process.wait().expect("its end");
        assert!(up.is_some() && !ended.success(), "{ended}");
        assert!(!node.exists() && kept.join("file").exists());
        removal::remove(&folder).expect("the folder");
    }
}
