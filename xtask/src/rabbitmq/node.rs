//! A private RabbitMQ node: with its own name, ports, cookie and folders, on loopback only, beside
//! other nodes.

use std::{
    fs::{self, File},
    hash::{BuildHasher as _, RandomState},
    net::TcpListener,
    ops::Range,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use super::{Broker, Started, answers, last_lines, programs::Programs, removal, shell};
use crate::{
    Error,
    process::{step, wait_for},
};

pub(super) fn start(
    programs: &Programs,
    settings: &str,
    name: &str,
    folder: &Path,
    arm: &mut impl FnMut(&str) -> Result<(), Error>,
) -> Result<Started, Error> {
    let [port, distribution, epmd_port] = free_ports()?;
    let environment = environment(name, folder, port, distribution, epmd_port);
    write_files(folder, port, &Extras { settings, ..Extras::default() })?;
    let (control, server) = (folder.join("rabbitmqctl"), folder.join("start"));
    shell::write(&control, &in_folder(folder, &programs.exec("rabbitmqctl", &environment)))?;
    shell::write(&server, &in_folder(folder, &programs.exec("rabbitmq-server", &environment)))?;

    step("starting a private RabbitMQ node", || {
        let log = folder.join("log");
        let mut groups = Vec::new();
        // The node would start a port mapper that outlives it. This one is started here, so that it
        // can be ended.
        if let Some(epmd) = programs.epmd(epmd_port) {
            groups.push(spawn(Command::new("sh").args(["-c", &epmd]), &log)?.id());
            arm(&end(&groups, folder))?;
            // Once it listens, the node does not start another.
            wait_for(Duration::from_secs(10), || {
                answers(&format!("127.0.0.1:{epmd_port}")).then_some(())
            });
        }
        let mut server = spawn(&mut Command::new(server), &log)?;
        groups.push(server.id());
        arm(&end(&groups, folder))?;
        await_start(&mut server, port, &log)?;
        let origin = format!("private node {name}, port {port}");
        let url = format!("amqp://guest:guest@127.0.0.1:{port}/");
        let broker =
            Broker { url, control: Some(control), origin, version: None, denies_transient: false };
        Ok(Started { broker, end: end(&groups, folder) })
    })
}

/// Returns the script that ends the process groups that were started here. They are killed, because
/// nothing in them requires a clean stop.
fn end(groups: &[u32], folder: &Path) -> String {
    // Twice, because a program may have been starting another one during the first round.
    let kill: String = groups
        .iter()
        .rev()
        .map(|group| format!("kill -s KILL -- -{group} 2>/dev/null\n"))
        .collect();
    format!("{kill}sleep 0.2\n{kill}{}", removal::script(&[folder]))
}

/// Returns shell text that runs in a folder, where crash dumps are written.
pub(super) fn in_folder(folder: &Path, text: &str) -> String {
    format!("cd {} || exit\n{text}", shell::quoted(&folder.display().to_string()))
}

/// The ports that nodes choose from. Systems assign ephemeral ports above these, so a node that
/// restarts finds its port still free.
const PORTS: Range<u16> = 20_000..32_000;

/// Finds ports that are free now, on loopback.
pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N], Error> {
    let (random, mut ports) = (RandomState::new(), PORTS.collect::<Vec<_>>());
    ports.sort_unstable_by_key(|port| random.hash_one(port));
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let free: Vec<_> = ports.into_iter().filter(is_free).take(N).collect();
    free.try_into().map_err(|_| format!("no {N} free ports of {PORTS:?} on loopback"))
}

/// Returns the environment that keeps a node apart from all others.
pub(super) fn environment(
    name: &str,
    folder: &Path,
    port: u16,
    distribution: u16,
    epmd: u16,
) -> Vec<(&'static str, String)> {
    let within = |file: &str| folder.join(file).display().to_string();
    vec![
        ("RABBITMQ_NODENAME", format!("rpc-{name}@localhost")),
        ("RABBITMQ_NODE_PORT", port.to_string()),
        ("RABBITMQ_DIST_PORT", distribution.to_string()),
        ("RABBITMQ_MNESIA_BASE", within("mnesia")),
        ("RABBITMQ_LOG_BASE", within("logs")),
        ("RABBITMQ_CONFIG_FILE", within("rabbitmq")),
        ("RABBITMQ_CONF_ENV_FILE", within("none")),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", within("plugins")),
        ("RABBITMQ_PID_FILE", within("pid")),
        (
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-kernel inet_dist_use_interface {127,0,0,1}".to_owned(),
        ),
        ("ERL_EPMD_PORT", epmd.to_string()),
        ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
        ("HOME", within("home")),
    ]
}

/// The settings of one node beyond the common ones.
#[derive(Default)]
pub(super) struct Extras<'a> {
    /// More lines of its configuration.
    pub(super) settings: &'a str,
    /// The names of its plugins, separated by commas.
    pub(super) plugins: &'a str,
    /// More arguments for Erlang.
    pub(super) arguments: &'a str,
}

/// Writes the files that a node reads when it starts.
pub(super) fn write_files(folder: &Path, port: u16, extras: &Extras<'_>) -> Result<(), Error> {
    let Extras { settings, plugins, .. } = extras;
    let config = format!(
        "listeners.tcp.1 = 127.0.0.1:{port}\nlog.console = true\nlog.console.level = info\n{settings}"
    );
    let written = fs::create_dir_all(folder.join("home"))
        .and_then(|()| fs::write(folder.join("rabbitmq.conf"), config))
        .and_then(|()| fs::write(folder.join("plugins"), format!("[{plugins}].\n")));
    written.map_err(|error| format!("cannot write below {}: {error}", folder.display()))
}

/// Starts a program in its own process group, which Ctrl-C does not reach.
pub(super) fn spawn(command: &mut Command, log: &Path) -> Result<Child, Error> {
    let cannot = |error: std::io::Error| format!("cannot write {}: {error}", log.display());
    let out = File::options().create(true).append(true).open(log).map_err(cannot)?;
    let errors = out.try_clone().map_err(cannot)?;
    command.process_group(0);
    // Crash dumps are written beside the log.
    if let Some(folder) = log.parent() {
        command.current_dir(folder);
    }
    let child = command.stdin(Stdio::null()).stdout(out).stderr(errors).spawn();
    child.map_err(|error| {
        format!("cannot run `{}`: {error}", command.get_program().to_string_lossy())
    })
}

/// Waits until clients can connect; the listener opens after the node has booted.
fn await_start(server: &mut Child, port: u16, log: &Path) -> Result<(), Error> {
    let address = format!("127.0.0.1:{port}");
    let up = wait_for(Duration::from_secs(120), || {
        if matches!(server.try_wait(), Ok(Some(_))) {
            return Some(false);
        }
        answers(&address).then_some(true)
    });
    if up == Some(true) {
        return Ok(());
    }
    let text = fs::read_to_string(log).unwrap_or_default();
    Err(format!(
        "the RabbitMQ node does not come up; the end of its log:\n{}",
        last_lines(&text, 30)
    ))
}
