//! Consoles and diagnostics of an instance.

use rpc_runtime::Context;

use super::{Client, Given};
use crate::compare::{Ended, ended};

pub(super) async fn call(
    client: &Client,
    ctx: &Context,
    call: &str,
    given: &Given<'_>,
) -> Option<Ended> {
    let instance = || given.instance();
    let kind = || given.text("console_type");
    Some(match call {
        "get_console_output" => {
            let length = given.get::<Option<u64>>("tail_length");
            ended(client.get_console_output(ctx, instance(), length).await)
        }
        "get_vnc_console" => ended(client.get_vnc_console(ctx, instance(), kind()).await),
        "get_spice_console" => ended(client.get_spice_console(ctx, instance(), kind()).await),
        "get_mks_console" => ended(client.get_mks_console(ctx, instance(), kind()).await),
        "get_serial_console" => ended(client.get_serial_console(ctx, instance(), kind()).await),
        "validate_console_port" => {
            let port = given.text("port");
            ended(client.validate_console_port(ctx, instance(), port, kind()).await)
        }
        "get_diagnostics" => ended(client.get_diagnostics(ctx, instance()).await),
        "get_instance_diagnostics" => ended(client.get_instance_diagnostics(ctx, instance()).await),
        _ => return None,
    })
}
