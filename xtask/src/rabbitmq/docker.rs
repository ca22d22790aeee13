//! A broker in Docker.

use std::{fs, path::Path, process::Command, time::Duration};

use super::{Broker, Choice, Started, shell};
use crate::{
    Error,
    process::{find, output, step, succeeds_within, wait_for},
};

/// The image if the task does not ask for a release.
const IMAGE: &str = "rabbitmq:3.13";
/// The file that the image reads after its own configuration.
const SETTINGS: &str = "/etc/rabbitmq/conf.d/90-tests.conf";

/// Whether a Docker engine answers; the client alone does not suffice.
pub(super) fn answers() -> bool {
    find("docker").is_some()
        && succeeds_within(Command::new("docker").arg("info"), Duration::from_secs(5))
}

/// Returns the image for a choice.
pub(super) fn image(choice: Choice) -> String {
    choice.release.map_or_else(|| IMAGE.to_owned(), |release| format!("rabbitmq:{release}"))
}

pub(super) fn start(
    image: &str,
    settings: &str,
    name: &str,
    folder: &Path,
    arm: &mut impl FnMut(&str) -> Result<(), Error>,
) -> Result<Started, Error> {
    let container = format!("rpc-{name}-{}", std::process::id());
    let end = format!("docker rm --force {container} >/dev/null 2>&1");
    arm(&end)?;
    let url = step(format_args!("starting {image} in Docker"), || {
        let create =
            ["create", "--rm", "--name", &container, "--publish", "127.0.0.1::5672", image];
        output(Command::new("docker").args(create))?;
        if !settings.is_empty() {
            // An engine on another machine cannot mount a file of this one.
            let file = folder.join("settings");
            fs::write(&file, settings)
                .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
            let place = format!("{container}:{SETTINGS}");
            output(Command::new("docker").arg("cp").arg(file).arg(place))?;
        }
        output(Command::new("docker").args(["start", &container]))?;
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
    })
    .inspect_err(|_| {
        // A private node replaces it, and nothing else would end the container.
        let _ = output(Command::new("sh").args(["-c", &end]));
    })?;
    let control = folder.join("rabbitmqctl");
    shell::write(&control, &format!("exec docker exec {container} rabbitmqctl \"$@\""))?;
    let origin = format!("container {container}");
    let broker =
        Broker { url, control: Some(control), origin, version: None, denies_transient: false };
    Ok(Started { broker, end })
}
