//! RabbitMQ's programs: their paths, and the shell text that runs them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    debian,
    release::{Choice, Release, Version},
    shared,
    shell::quoted,
};
use crate::{
    Error,
    process::{Packages, find, install},
};

const RABBITMQ: Packages = Packages {
    apt: &["rabbitmq-server"],
    dnf: &["rabbitmq-server"],
    apk: &["rabbitmq-server"],
    brew: &["rabbitmq"],
};

/// The folders of the programs themselves. The search path has distributions' wrappers, which
/// change the user.
const PLACES: [&str; 3] = ["/usr/lib/rabbitmq/bin", "/opt/homebrew/sbin", "/usr/local/sbin"];

/// Enters a folder with a system of its own: `$0` is the folder, `$1` a folder that both systems
/// see under the same path, and the rest is the command.
///
/// The mounts exist in a mount namespace. They end with the last process in it, and no other
/// process sees them.
const ENTER: &str = r#"set -e
mount -t proc proc "$0/proc"
mkdir -p "$0$1"
mount --bind "$1" "$0$1"
shift
exec chroot "$0" "$@""#;

/// The command that creates a mount namespace.
pub(super) const UNSHARE: &str = "unshare --mount --propagation private";
/// The environment of a program in a system of its own.
pub(super) const SURROUNDINGS: &str =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8";

/// The programs of one release.
#[derive(Debug)]
pub(super) struct Programs {
    /// The folder of `rabbitmq-server` and `rabbitmqctl`, as its own system sees it.
    place: PathBuf,
    /// The folder with a system of its own, if they are in one.
    root: Option<PathBuf>,
}

impl Programs {
    /// Returns the programs of a system in a folder.
    pub(super) fn below(root: PathBuf) -> Self {
        Self { place: PathBuf::from(PLACES[0]), root: Some(root) }
    }

    /// Returns shell text that replaces itself with one of RabbitMQ's programs, with the script's
    /// arguments.
    pub(super) fn exec(&self, program: &str, environment: &[(&str, String)]) -> String {
        self.becoming(&self.place.join(program), environment, "\"$@\"")
    }

    /// Returns shell text that replaces itself with the port mapper, if one is installed.
    pub(super) fn epmd(&self, port: u16) -> Option<String> {
        let epmd = match &self.root {
            Some(_) => PathBuf::from("/usr/bin/epmd"),
            None => find("epmd")?,
        };
        Some(self.becoming(&epmd, &[], &format!("-port {port} -address 127.0.0.1")))
    }

    fn becoming(&self, program: &Path, environment: &[(&str, String)], args: &str) -> String {
        let program = quoted(&program.display().to_string());
        let pairs = environment.iter().map(|(key, value)| format!("{key}={}", quoted(value)));
        let Some(root) = &self.root else {
            let exports: String = pairs.map(|pair| format!("export {pair}\n")).collect();
            return format!("{exports}exec {program} {args}");
        };
        let pairs = pairs.collect::<Vec<_>>().join(" ");
        let words = [ENTER, &root.display().to_string(), &shared().display().to_string()];
        let words = words.map(quoted).join(" ");
        format!(
            "exec {UNSHARE} sh -c {words} \
             env -i -C \"$PWD\" {SURROUNDINGS} {pairs} {program} {args}"
        )
    }
}

/// Returns the programs for a choice, and installs them if necessary.
pub(super) fn provide(choice: Choice) -> Result<Programs, Error> {
    match choice.release {
        None => any(),
        Some(release) => installed(release).map_or_else(|| debian::install(release), Ok),
    }
}

/// Returns the programs of a release, if they are installed.
pub(super) fn installed(release: Release) -> Option<Programs> {
    let here = look().filter(|place| version(place).is_some_and(|found| release.includes(found)));
    here.map(|place| Programs { place, root: None }).or_else(|| debian::kept(release))
}

/// Returns the version of the programs in a folder, by the name of RabbitMQ's own plugin, which
/// every package has beside them. `rabbitmqctl version` would leave a port mapper behind.
fn version(place: &Path) -> Option<Version> {
    let server = place.join("rabbitmq-server").canonicalize().ok()?;
    let plugins = fs::read_dir(server.parent()?.with_file_name("plugins")).ok()?;
    let mut names = plugins.flatten().map(|entry| entry.file_name());
    names.find_map(|name| name.to_str()?.strip_prefix("rabbit-")?.parse().ok())
}

/// Returns the installed programs of any release, and installs some if necessary.
fn any() -> Result<Programs, Error> {
    if let Some(place) = look() {
        return Ok(Programs { place, root: None });
    }
    eprintln!("RabbitMQ is not installed here.");
    install(&RABBITMQ)?;
    let place = look().ok_or(
        "rabbitmq-server was installed, but is not where it should be: put it on the path",
    )?;
    Ok(Programs { place, root: None })
}

fn look() -> Option<PathBuf> {
    let on_path = find("rabbitmq-server").and_then(|program| program.parent().map(Path::to_owned));
    PLACES
        .iter()
        .map(PathBuf::from)
        .chain(on_path)
        .find(|place| place.join("rabbitmq-server").is_file())
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::symlink, process::Command};

    use super::*;
    use crate::process::{output, state};

    #[test]
    fn programs_have_the_version_of_the_plugin_beside_them() {
        let folder = state().join(format!("programs-{}", std::process::id()));
        let (bin, real) = (folder.join("bin"), folder.join("lib/server"));
        for part in
            ["sbin", "plugins/rabbit_common-9.9.9", "plugins/rabbit-4.3.6", "plugins/ra-1.2.3"]
        {
            fs::create_dir_all(real.join(part)).expect("a folder");
        }
        fs::create_dir_all(&bin).expect("a folder");
        fs::write(real.join("sbin/rabbitmq-server"), "").expect("a file");
        symlink(real.join("sbin/rabbitmq-server"), bin.join("rabbitmq-server")).expect("a link");
        assert_eq!(version(&bin).map(|found| found.to_string()).as_deref(), Some("4.3.6"));
        assert_eq!(version(&folder), None);
        fs::remove_dir_all(&folder).expect("the folder");
    }

    #[test]
    fn an_installed_program_runs_directly_with_its_environment_and_arguments() {
        let programs = Programs { place: "/usr/bin".into(), root: None };
        let text = programs.exec("printenv", &[("A", "it's {1,2}".to_owned())]);
        let mut command = Command::new("sh");
        let said = output(command.args(["-c", &text, "sh", "A"]));
        assert_eq!(said.as_deref(), Ok("it's {1,2}\n"));
    }

    #[test]
    fn a_program_of_a_folder_is_entered_with_nothing_but_its_own_environment() {
        let programs = Programs::below("/srv/a b".into());
        let text = programs.exec("rabbitmqctl", &[("HOME", "/h".to_owned())]);
        assert!(text.starts_with("exec unshare --mount --propagation private sh -c "), "{text}");
        assert!(text.contains(" '/srv/a b' "), "{text}");
        let tail = format!("{SURROUNDINGS} HOME='/h' '/usr/lib/rabbitmq/bin/rabbitmqctl' \"$@\"");
        assert!(text.ends_with(&format!("env -i -C \"$PWD\" {tail}")), "{text}");
        let epmd = programs.epmd(4369).expect("a port mapper");
        assert!(epmd.ends_with("'/usr/bin/epmd' -port 4369 -address 127.0.0.1"), "{epmd}");
    }
}
