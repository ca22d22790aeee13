//! What ends a broker when the task that uses it ends, however that ends.
//!
//! A shell of its own process group waits for its input to close, which happens when this process lets go of the other
//! end or dies, and then runs what it finds in a file.

use std::{
    fs,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use super::removal;
use crate::Error;

/// See the module.
pub(super) struct Watchdog {
    shell: Child,
    /// Closed to end the broker.
    leash: Option<ChildStdin>,
    script: PathBuf,
    folder: PathBuf,
}

impl Watchdog {
    /// Starts to watch. What is in `folder` goes at the end.
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

    /// Says what to do at the end.
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

/// Returns the shell's script. Its last command deletes the folder, and gives the shell its status.
fn watch(folder: &Path) -> String {
    format!("cat >/dev/null; if [ -f \"$0\" ]; then sh \"$0\"; fi\n{}", removal::script(&[folder]))
}
