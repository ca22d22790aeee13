//! A broker in Docker.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command, time::Duration};

use super::{Broker, Started};
use crate::{
    Error,
    process::{find, output, step, succeeds_within, wait_for},
};

const IMAGE: &str = "rabbitmq:3.13";

/// Whether an engine answers. The client alone is no engine.
pub(super) fn answers() -> bool {
    find("docker").is_some()
        && succeeds_within(Command::new("docker").arg("info"), Duration::from_secs(5))
}

pub(super) fn start(
    name: &str,
    folder: &Path,
    arm: &mut impl FnMut(&str) -> Result<(), Error>,
) -> Result<Started, Error> {
    let container = format!("rpc-{name}-{}", std::process::id());
    let end = format!("docker rm --force {container} >/dev/null 2>&1");
    arm(&end)?;
    let url = step(format_args!("starting {IMAGE} in Docker"), || {
        let run = [
            "run",
            "--detach",
            "--rm",
            "--name",
            &container,
            "--publish",
            "127.0.0.1::5672",
            IMAGE,
        ];
        output(Command::new("docker").args(run))?;
        let port = output(Command::new("docker").args(["port", &container, "5672/tcp"]))?;
        let address = port.lines().next().unwrap_or_default().trim().to_owned();
        let up = || {
            let check =
                ["exec", &container, "rabbitmq-diagnostics", "--quiet", "check_port_connectivity"];
            succeeds_within(Command::new("docker").args(check), Duration::from_secs(20))
                .then_some(())
        };
        wait_for(Duration::from_secs(120), up)
            .ok_or_else(|| format!("the container {container} does not come up"))?;
        Ok(format!("amqp://guest:guest@{address}/"))
    })?;
    let control = folder.join("rabbitmqctl");
    script(&control, &format!("exec docker exec {container} rabbitmqctl \"$@\""))?;
    Ok(Started {
        broker: Broker { url, control: Some(control), origin: format!("container {container}") },
        end,
    })
}

/// Writes a shell script that can be run.
pub(super) fn script(path: &Path, text: &str) -> Result<(), Error> {
    let written = fs::write(path, format!("#!/bin/sh\n{text}\n"))
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o755)));
    written.map_err(|error| format!("cannot write {}: {error}", path.display()))
}
