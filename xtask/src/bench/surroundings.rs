//! The circumstances of a measurement.

use std::fs;

use super::machine;
use crate::{process::root, rabbitmq::Broker};

/// Returns date, versions and machine.
pub(super) fn of(broker: &Broker) -> Vec<(&'static str, String)> {
    let lock = fs::read_to_string(root().join("Cargo.lock")).unwrap_or_default();
    let lapin = lock.split("name = \"lapin\"\nversion = \"").nth(1);
    let lapin = lapin.and_then(|rest| rest.split('"').next()).unwrap_or("unknown");
    let control = broker.control.as_ref().map(|control| control.display().to_string());
    let rabbit = control.map_or_else(
        || "unknown".to_owned(),
        |control| machine::said(&control, &["eval", "io:format(\"~s\", [rabbit_misc:version()])."]),
    );
    vec![
        ("date", machine::date()),
        ("revision", machine::revision()),
        ("compiler", machine::compiler()),
        ("lapin", lapin.to_owned()),
        ("RabbitMQ", rabbit.trim_end_matches("ok").to_owned()),
        ("system", machine::system()),
        (
            "processor",
            format!("{}, shared by clients, servers and the broker", machine::processor()),
        ),
    ]
}
