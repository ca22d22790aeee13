//! Deletes the folder of a node, but nothing that is mounted below it.

use std::{path::Path, process::Command};

use super::shell::quoted;
use crate::{Error, process::output};

/// Unmounts every mount below a folder, deepest first, and deletes the folder. If a mount remains,
/// the function prints that, deletes nothing and fails. Some versions of `rm` lack
/// `--one-file-system`.
const REMOVE: &str = r#"
mounts() {
    [ -r /proc/self/mountinfo ] || return 0
    # A space is `\040` there, and `\0040` to `printf`.
    sed 's/\\\([0-7][0-7][0-7]\)/\\0\1/g' /proc/self/mountinfo | while read -r _ _ _ _ point _; do
        point=$(printf '%b' "$point")
        case "$point" in "$1" | "$1"/*) printf '%s\n' "$point" ;; esac
    done | LC_ALL=C sort -r
}
remove() {
    [ -d "$1" ] || return 0
    real=$(cd "$1" && pwd -P) || return 1
    mounts "$real" | while IFS= read -r point; do umount "$point"; done
    if [ -n "$(mounts "$real")" ]; then
        echo "not deleted, because something is mounted below it: $1" >&2
        return 1
    fi
    if rm --help 2>&1 | grep -q -e --one-file-system; then
        rm -rf --one-file-system "$1"
    else
        rm -rf "$1"
    fi
}
"#;

/// Returns a shell script that deletes folders. Its exit status says whether all of them were
/// deleted.
pub(super) fn script(folders: &[&Path]) -> String {
    let removals = folders
        .iter()
        .map(|folder| format!("remove {} || kept=1\n", quoted(&folder.display().to_string())));
    format!("{REMOVE}kept=0\n{}[ \"$kept\" = 0 ]\n", removals.collect::<String>())
}

/// Deletes a folder, if it exists.
pub(super) fn remove(folder: &Path) -> Result<(), Error> {
    output(Command::new("sh").args(["-c", &script(&[folder])])).map(drop)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;
    use crate::process::{state, succeeds_within};

    /// Returns a new folder with a space in its name, because mount tables escape spaces.
    fn folder(name: &str) -> PathBuf {
        let folder = state().join("removal").join(format!("{name} {}", std::process::id()));
        fs::create_dir_all(folder.join("kept/inside")).expect("a folder");
        fs::create_dir_all(folder.join("node/a/b")).expect("a folder");
        fs::write(folder.join("kept/inside/file"), "").expect("a file");
        folder.canonicalize().expect("a path")
    }

    /// Runs a script that mounts. If this machine does not allow that, prints so and returns
    /// `None`.
    fn mounting(script: &str) -> Option<std::process::Output> {
        let root: &[&str] = &["--mount", "--propagation", "private"];
        let user: &[&str] = &["--user", "--map-root-user", "--mount", "--propagation", "private"];
        let usable = [root, user].into_iter().find(|way| {
            let probe = "mount --bind /tmp /mnt";
            let mut unshare = Command::new("unshare");
            unshare.args(*way).args(["sh", "-c", probe]);
            succeeds_within(&mut unshare, std::time::Duration::from_secs(10))
        });
        let Some(way) = usable else {
            eprintln!("SKIPPED: this machine makes no mount namespaces");
            return None;
        };
        Some(
            Command::new("unshare")
                .args(way)
                .args(["sh", "-c", script])
                .output()
                .expect("`unshare`"),
        )
    }

    #[test]
    fn a_folder_is_deleted_and_a_missing_one_is_no_failure() {
        let folder = folder("plain");
        assert_eq!(remove(&folder), Ok(()));
        assert!(!folder.exists());
        assert_eq!(remove(&folder), Ok(()));
    }

    #[test]
    fn what_is_mounted_below_a_folder_is_unmounted_and_survives() {
        let folder = folder("mounted");
        let (kept, node) = (folder.join("kept"), folder.join("node"));
        let shown = |path: &Path| quoted(&path.display().to_string());
        let mount = format!(
            "mount --bind {kept} {a} && mount --bind {kept} {a}/inside &&",
            kept = shown(&kept),
            a = shown(&node.join("a")),
        );
        let Some(done) = mounting(&format!("{mount} {{ {}}}", script(&[&node]))) else { return };
        assert!(done.status.success(), "{done:?}");
        assert!(!node.exists());
        assert!(kept.join("inside/file").exists());
        assert_eq!(remove(&folder), Ok(()));
    }

    #[test]
    fn a_folder_is_not_deleted_while_a_mount_below_it_remains() {
        let folder = folder("busy");
        let (kept, node) = (folder.join("kept"), folder.join("node"));
        let shown = |path: &Path| quoted(&path.display().to_string());
        // A working folder inside the mount keeps it busy.
        let mount = format!(
            "mount --bind {kept} {a} && cd {a} &&",
            kept = shown(&kept),
            a = shown(&node.join("a")),
        );
        let Some(done) = mounting(&format!("{mount} {{ {}}}", script(&[&node]))) else { return };
        assert!(!done.status.success(), "{done:?}");
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(said.contains("not deleted, because something is mounted below it"), "{said}");
        assert!(kept.join("inside/file").exists());
        assert!(node.join("a/b").exists());
        assert_eq!(remove(&folder), Ok(()));
    }
}
