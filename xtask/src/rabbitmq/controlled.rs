//! Nodes that tests kill, stop and restart: a single one, and a cluster of three.
//!
//! This file only prepares them. A test starts them by a script that calls this program, so a run
//! that does not use them does not wait for them. Before a node runs, the id of its process group
//! is in a file of its folder, where the watchdog finds it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use clap::Subcommand;

use super::{
    Choice, answers, certificates, docker, last_lines,
    node::{self, Extras, in_folder},
    programs::{self, Programs},
    removal, shell,
    watchdog::Watchdog,
};
use crate::{
    Error,
    process::{output, run, succeeds_within, wait_for},
};

/// How long a node may take to come up or go down.
const LIMIT: Duration = Duration::from_secs(120);

/// An order of a test for a node.
#[derive(Clone, Subcommand)]
pub(crate) enum Order {
    /// Starts the node, unless it runs. Does not wait until it is up.
    Start,
    /// Waits until clients can connect.
    Wait,
    /// Stops the node cleanly, and waits for its end.
    Stop,
    /// Kills the node, and waits until none of its processes is left.
    Kill,
    /// Suspends the node: its connections stay open, and it does nothing.
    Pause,
    /// Resumes the node.
    Resume,
    /// Prints the URL for clients.
    Url,
    /// Prints the address for clients with TLS, and the folder of the certificates.
    Secured,
    /// Prints the node's Erlang name.
    Name,
    /// Prints the path of the log.
    Log,
    /// Runs `rabbitmqctl`.
    Ctl {
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

/// The prepared nodes. Those that run end when this value is dropped, or when this process dies.
pub(crate) struct Nodes {
    /// The control script of the single node.
    single: PathBuf,
    /// The control scripts of the cluster's nodes.
    cluster: [PathBuf; 3],
    _watchdog: Watchdog,
}

impl Nodes {
    /// Writes the files of four nodes. It does not start them.
    pub(crate) fn prepare(choice: Choice) -> Result<Self, Error> {
        let programs = programs::provide(choice).map_err(|error| match docker::answers() {
            true => format!(
                "faults and clusters need {choice} on this machine, because Docker serves only \
                 the common broker: {error}"
            ),
            false => error,
        })?;
        let name = format!("faults-{}", std::process::id());
        let folder = super::folder(&name);
        let mut watchdog = Watchdog::start(&folder)?;
        watchdog.arm(&end(&folder))?;
        let [epmd] = node::free_ports()?;
        let home = folder.join("home");
        let cookie = format!("{name}-{epmd}");
        fs::create_dir_all(&home)
            .and_then(|()| fs::write(folder.join("epmd"), epmd.to_string()))
            .and_then(|()| write_secret(&home.join(".erlang.cookie"), &cookie))
            .map_err(|error| format!("cannot write below {}: {error}", folder.display()))?;
        if let Some(epmd) = programs.epmd(epmd) {
            let start = format!("echo $$ >group\n{epmd}");
            shell::write(&folder.join("start-epmd"), &in_folder(&folder, &start))?;
        }
        let node = |part: &str, extras: &Extras<'_>| {
            prepare(&programs, &folder.join(part), &format!("{name}-{part}"), epmd, extras)
        };
        let single = folder.join("single");
        let [secured] = node::free_ports()?;
        fs::create_dir_all(&single)
            .map_err(|error| format!("cannot make {}: {error}", single.display()))?;
        certificates::write(&single)?;
        fs::write(single.join("secured"), secured.to_string())
            .map_err(|error| format!("cannot write below {}: {error}", single.display()))?;
        let settings = choice.settings() + &certificates::settings(&single, secured);
        let plugins = "rabbitmq_auth_mechanism_ssl";
        let single = node("single", &Extras { settings: &settings, plugins, ..Extras::default() })?;
        // The nodes of a cluster should soon notice a silent one.
        let settings = &(choice.settings() + "cluster_partition_handling = pause_minority\n");
        let arguments = " -kernel net_ticktime 5";
        let member = |part| node(part, &Extras { settings, arguments, ..Extras::default() });
        let cluster = [member("one")?, member("two")?, member("three")?];
        Ok(Self { single, cluster, _watchdog: watchdog })
    }

    /// Passes the single node's script to a test program.
    pub(crate) fn tell(&self, command: &mut Command) {
        command.env("RPC_TEST_NODE", &self.single);
    }

    /// Passes the cluster's scripts to a test program.
    pub(crate) fn tell_cluster(&self, command: &mut Command) {
        let cluster: Vec<_> = self.cluster.iter().map(|path| path.display().to_string()).collect();
        command.env("RPC_TEST_CLUSTER", cluster.join(":"));
    }
}

/// Prepares one node, and returns its control script.
fn prepare(
    programs: &Programs,
    folder: &Path,
    name: &str,
    epmd: u16,
    extras: &Extras<'_>,
) -> Result<PathBuf, Error> {
    let arguments = extras.arguments;
    let [port, distribution] = node::free_ports()?;
    fs::create_dir_all(folder)
        .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    node::write_files(folder, port, extras)?;
    let home = folder.with_file_name("home");
    let mut environment = node::environment(name, folder, port, distribution, epmd);
    for (key, value) in &mut environment {
        match *key {
            "HOME" => *value = home.display().to_string(),
            // An idle node does not busy-wait, because others share its processor.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS" => {
                *value = format!("{value}{arguments} +sbwt none +sbwtdcpu none +sbwtdio none");
            }
            _ => {}
        }
    }
    let here = folder.display();
    // The group is recorded before the node starts. If the folder is deleted, nothing starts.
    let start = format!("echo $$ >group\n{}", programs.exec("rabbitmq-server", &environment));
    shell::write(&folder.join("start"), &in_folder(folder, &start))?;
    let ctl = in_folder(folder, &programs.exec("rabbitmqctl", &environment));
    shell::write(&folder.join("rabbitmqctl"), &ctl)?;
    let facts = format!("{port}\nrpc-{name}@localhost");
    fs::write(folder.join("facts"), facts)
        .map_err(|error| format!("cannot write below {here}: {error}"))?;
    let control = folder.join("control");
    let this = std::env::current_exe()
        .map_err(|error| format!("cannot tell which program this is: {error}"))?;
    shell::write(&control, &format!("exec '{}' node '{here}' \"$@\"", this.display()))?;
    Ok(control)
}

/// Writes a file that only its owner may read, as Erlang demands for its cookie.
fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o400))
}

/// Returns the script that ends every node. It moves the folder first, so that nothing starts
/// meanwhile.
fn end(folder: &Path) -> String {
    let here = folder.display();
    let moved = PathBuf::from(format!("{here}.gone"));
    format!(
        "mv '{here}' '{here}.gone'\n\
         for round in 1 2 3; do\n\
         for group in '{here}.gone'/group '{here}.gone'/*/group; do\n\
         [ -f \"$group\" ] && kill -s KILL -- \"-$(cat \"$group\")\" 2>/dev/null\n\
         done\n\
         sleep 0.2\n\
         done\n\
         {}",
        removal::script(&[&moved, folder])
    )
}

/// Carries out a test's order for the node of a folder.
pub(crate) fn obey(folder: &Path, order: Order) -> Result<(), Error> {
    let facts = fs::read_to_string(folder.join("facts"))
        .map_err(|error| format!("there is no node in {}: {error}", folder.display()))?;
    let (port, name) = facts.split_once('\n').unwrap_or((&facts, ""));
    match order {
        Order::Start => start(folder),
        Order::Wait => await_connections(folder, port),
        Order::Stop => {
            output(Command::new(folder.join("rabbitmqctl")).arg("shutdown"))?;
            gone(folder)
        }
        Order::Kill => {
            signal(folder, "KILL")?;
            gone(folder)
        }
        Order::Pause => signal(folder, "STOP"),
        Order::Resume => signal(folder, "CONT"),
        Order::Ctl { args } => run(Command::new(folder.join("rabbitmqctl")).args(args)),
        Order::Url => {
            println!("amqp://guest:guest@127.0.0.1:{port}/");
            Ok(())
        }
        Order::Secured => {
            let port = fs::read_to_string(folder.join("secured"))
                .map_err(|error| format!("the node does not listen with TLS: {error}"))?;
            println!("127.0.0.1:{port}\n{}", folder.display());
            Ok(())
        }
        Order::Name => {
            println!("{name}");
            Ok(())
        }
        Order::Log => {
            println!("{}", folder.join("log").display());
            Ok(())
        }
    }
}

fn start(folder: &Path) -> Result<(), Error> {
    // Two concurrent starts would each create a node, and the watchdog would know only one of them.
    let _lock = locked(&folder.join("lock"))?;
    if group(folder).is_some_and(|group| runs(&group)) {
        return Ok(());
    }
    epmd(&folder.with_file_name(""))?;
    // The file of an ended group must not be mistaken for the new one.
    let _ = fs::remove_file(folder.join("group"));
    node::spawn(&mut Command::new(folder.join("start")), &folder.join("log"))?;
    let known = wait_for(LIMIT, || group(folder));
    known.map(drop).ok_or_else(|| "the node's shell does not start".to_owned())
}

/// Waits for a lock, which is held until the returned file is dropped.
fn locked(path: &Path) -> Result<fs::File, Error> {
    let cannot = |error: std::io::Error| format!("cannot lock {}: {error}", path.display());
    let file = fs::File::create(path).map_err(cannot)?;
    file.lock().map_err(cannot)?;
    Ok(file)
}

/// Starts the port mapper of all nodes, unless it runs. Without it, nodes would start one that
/// nothing ends.
fn epmd(folder: &Path) -> Result<(), Error> {
    let port = fs::read_to_string(folder.join("epmd"))
        .map_err(|error| format!("no port for epmd: {error}"))?;
    let address = format!("127.0.0.1:{port}");
    // After two concurrent starts, the recorded process would be the second one, and the running
    // one the first.
    let _lock = locked(&folder.join("epmd-lock"))?;
    if answers(&address) {
        return Ok(());
    }
    let start = folder.join("start-epmd");
    if !start.is_file() {
        return Err("`epmd` is not on the path: it comes with Erlang".to_owned());
    }
    node::spawn(&mut Command::new(start), &folder.join("epmd-log"))?;
    let up = wait_for(LIMIT, || answers(&address).then_some(()));
    up.ok_or_else(|| "epmd does not come up".to_owned())
}

fn group(folder: &Path) -> Option<String> {
    let group = fs::read_to_string(folder.join("group")).ok()?.trim().to_owned();
    (!group.is_empty()).then_some(group)
}

/// Whether a process of a group runs.
fn runs(group: &str) -> bool {
    let mut kill = Command::new("kill");
    kill.args(["-s", "0", "--", &format!("-{group}")]);
    succeeds_within(&mut kill, Duration::from_secs(5))
}

fn signal(folder: &Path, name: &str) -> Result<(), Error> {
    let group = group(folder).ok_or("the node does not run")?;
    output(Command::new("kill").args(["-s", name, "--", &format!("-{group}")])).map(drop)
}

/// Waits until none of a node's processes is left.
fn gone(folder: &Path) -> Result<(), Error> {
    let Some(group) = group(folder) else { return Ok(()) };
    wait_for(LIMIT, || (!runs(&group)).then_some(()))
        .ok_or_else(|| format!("process group {group} does not end"))?;
    fs::remove_file(folder.join("group")).map_err(|error| format!("cannot forget it: {error}"))
}

fn await_connections(folder: &Path, port: &str) -> Result<(), Error> {
    let address = format!("127.0.0.1:{port}");
    let up = wait_for(LIMIT, || {
        if !group(folder).is_some_and(|group| runs(&group)) {
            return Some(false);
        }
        answers(&address).then_some(true)
    });
    if up == Some(true) {
        return Ok(());
    }
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    Err(format!("the node does not come up; the end of its log:\n{}", last_lines(&log, 30)))
}
