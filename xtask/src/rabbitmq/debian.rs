//! RabbitMQ of another Debian suite, in a folder with a system of its own, by `debootstrap`.
//!
//! The folder is kept between runs. Its stamp is written last, so an interrupted installation is
//! repeated.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use super::{
    programs::{Programs, SURROUNDINGS, UNSHARE},
    release::{Release, Version},
    removal,
    shell::quoted,
};
use crate::{
    Error,
    process::{self, Packages, find, install as install_packages, output, state, step},
};

const DEBOOTSTRAP: Packages = Packages {
    apt: &["debootstrap", "debian-archive-keyring"],
    dnf: &["debootstrap"],
    apk: &["debootstrap"],
    brew: &[],
};

/// The mirror, if the machine's configuration does not name one.
const MIRROR: &str = "http://deb.debian.org/debian";
/// The keys that `debootstrap` trusts.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// The file below a system's folder that records the installed version.
const STAMP: &str = "rabbitmq-version";

/// Returns the programs of a release that is already installed.
pub(super) fn kept(release: Release) -> Option<Programs> {
    let root = folder(release);
    let version = stamp(&root)?;
    release.includes(version).then(|| Programs::below(root))
}

/// Installs a release.
pub(super) fn install(release: Release) -> Result<Programs, Error> {
    possible(release)?;
    let (root, suite) = (folder(release), release.suite());
    // If two runs need it, the second waits and finds it installed.
    let lock = lock(suite)?;
    if let Some(programs) = kept(release) {
        return Ok(programs);
    }
    if find("debootstrap").is_none() {
        install_packages(&DEBOOTSTRAP)?;
    }
    step(format_args!("installing RabbitMQ {release} from Debian {suite}"), || {
        removal::remove(&root)?;
        let script = script(&root, suite, &mirror());
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec {UNSHARE} sh -c {}", quoted(&script))]);
        // The script inherits the lock, so other runs wait until its last process has ended.
        process::output_reading(&mut command, lock)
    })?;
    let version = stamp(&root).ok_or("the installed RabbitMQ does not tell its version")?;
    eprintln!("RabbitMQ {version} of Debian {suite} is in {}", root.display());
    if !release.includes(version) {
        return Err(format!("Debian {suite} has RabbitMQ {version}, which is not {release}"));
    }
    Ok(Programs::below(root))
}

/// Fails with the reason if this machine cannot install a release.
fn possible(release: Release) -> Result<(), Error> {
    let is_debian = find("apt-get").is_some() && Path::new("/etc/debian_version").exists();
    let is_root = output(Command::new("id").arg("-u")).is_ok_and(|user| user.trim() == "0");
    let mut unshare = Command::new("sh");
    unshare.args(["-c", &format!("{UNSHARE} true")]);
    let reason = if !is_debian {
        "this machine does not run Debian"
    } else if !is_root {
        "this user is not root"
    } else if !process::succeeds_within(&mut unshare, Duration::from_secs(10)) {
        "this machine makes no mount namespaces"
    } else {
        return Ok(());
    };
    Err(format!(
        "cannot install RabbitMQ {release} by debootstrap, because {reason}: install \
         rabbitmq-server {release}, or start Docker, or run this as root on Debian"
    ))
}

fn folder(release: Release) -> PathBuf {
    state().join(format!("debian-{}", release.suite()))
}

fn stamp(root: &Path) -> Option<Version> {
    fs::read_to_string(root.join(STAMP)).ok()?.parse().ok()
}

fn lock(suite: &str) -> Result<File, Error> {
    let path = state().join(format!("debian-{suite}.lock"));
    let locked = fs::create_dir_all(state()).and_then(|()| File::create(&path)).and_then(|file| {
        file.lock()?;
        Ok(file)
    });
    locked.map_err(|error| format!("cannot lock {}: {error}", path.display()))
}

/// Returns the script that installs RabbitMQ below a folder. It mounts only in its own mount
/// namespace.
///
/// A mirror may be an old snapshot, so the signatures of its lists are checked but not their dates.
fn script(root: &Path, suite: &str, mirror: &str) -> String {
    let (root, mirror) = (quoted(&root.display().to_string()), quoted(mirror));
    format!(
        r#"set -e
debootstrap --variant=minbase --keyring={KEYRING} {suite} {root} {mirror}
cp -L /etc/resolv.conf /etc/hosts {root}/etc/
# No package starts its service.
printf '#!/bin/sh\nexit 101\n' >{root}/usr/sbin/policy-rc.d
chmod 755 {root}/usr/sbin/policy-rc.d
mountpoint -q {root}/proc || mount -t proc proc {root}/proc
inside() {{ chroot {root} env -i {SURROUNDINGS} DEBIAN_FRONTEND=noninteractive "$@"; }}
inside apt-get --quiet -o Acquire::Check-Valid-Until=false update
inside apt-get --quiet --yes --no-install-recommends install rabbitmq-server
inside apt-get clean
inside dpkg-query --show --showformat '${{Version}}' rabbitmq-server >{root}/{STAMP}.new
mv {root}/{STAMP}.new {root}/{STAMP}
"#
    )
}

/// Returns the mirror that this machine already uses.
fn mirror() -> String {
    let more = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
    let mut files: Vec<_> = more.map(|entry| entry.path()).collect();
    files.sort_unstable();
    files.insert(0, PathBuf::from("/etc/apt/sources.list"));
    let mut texts = files.iter().filter_map(|file| fs::read_to_string(file).ok());
    texts.find_map(|text| mirror_in(&text)).unwrap_or_else(|| MIRROR.to_owned())
}

/// Finds Debian's archive in a list of sources, in either of its two formats.
fn mirror_in(text: &str) -> Option<String> {
    let sources = text.lines().filter(|line| line.starts_with("URIs:") || line.starts_with("deb "));
    let mut words = sources.flat_map(str::split_whitespace);
    let is_archive =
        |word: &str| word.starts_with("http") && word.trim_end_matches('/').ends_with("/debian");
    words.find(|word| is_archive(word)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_the_one_of_the_archive_in_either_format() {
        let fresh = "Types: deb\n# http://snapshot.debian.org/archive/debian/2025\n\
                     URIs: http://one.example/debian\nSuites: bookworm\n";
        let old = "# deb http://no.example/debian x main\n\
                   deb http://security.debian.org/debian-security bookworm-security main\n\
                   deb [arch=amd64] https://two.example/mirror/debian/ bookworm main\n";
        assert_eq!(mirror_in(fresh).as_deref(), Some("http://one.example/debian"));
        assert_eq!(mirror_in(old).as_deref(), Some("https://two.example/mirror/debian/"));
        assert_eq!(mirror_in("URIs: http://security.debian.org/debian-security\n"), None);
        assert_eq!(mirror_in("deb file:/srv/debian bookworm main\n"), None);
    }

    #[test]
    fn the_stamp_is_the_last_thing_that_an_installation_writes() {
        let text = script(Path::new("/srv/a b"), "sid", "http://one.example/debian");
        let last = text.lines().last().expect("a line");
        assert_eq!(last, "mv '/srv/a b'/rabbitmq-version.new '/srv/a b'/rabbitmq-version");
        assert!(text.starts_with("set -e\n"), "{text}");
        assert!(text.contains("sid '/srv/a b' 'http://one.example/debian'\n"), "{text}");
    }
}
