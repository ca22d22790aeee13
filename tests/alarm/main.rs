//! A broker that takes no messages for a while, because it has no memory left. Alone in its program: others would be
//! held up, too.

use std::time::Duration;

use rpc_runtime::{CallError, Context, rpc_api};
use tests::{World, eventually, heard::Heard, rabbitmqctl, soon};

/// Doubles.
#[rpc_api(topic = "alarm", version = "1.0")]
trait Doubler {
    /// Doubles.
    async fn double(&self, ctx: Context, n: u32) -> u32;
}

struct Server;

impl Doubler for Server {
    async fn double(&self, _: Context, n: u32) -> u32 {
        n * 2
    }
}

/// Lifts the alarm, also from a test that fails.
struct Alarm;

impl Alarm {
    /// Lets the broker find that all memory is used. `None` where it cannot be controlled.
    async fn raise() -> Option<Self> {
        let alarm = Self;
        rabbitmqctl(&["set_vm_memory_high_watermark", "0"]).await.map(|_| alarm)
    }

    async fn lift(self) {
        rabbitmqctl(&["set_vm_memory_high_watermark", "0.6"]).await;
        std::mem::forget(self);
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Ok(program) = std::env::var("RPC_TEST_RABBITMQCTL") {
            let args = ["set_vm_memory_high_watermark", "0.6"];
            let _ = std::process::Command::new(program).args(args).output();
        }
    }
}

#[tokio::test]
async fn calls_end_in_time_while_the_broker_takes_nothing_and_go_on_afterwards() {
    let Some(world) = World::rabbit() else { return };
    let heard = Heard::default();
    let _guard = heard.listen();
    let transport = world.transport().await;
    let server = world.serve(&transport, "h", DoublerServer::new(Server)).await;
    let (client, ctx) = (world.client::<doubler::Api>(&transport), Context::new());
    assert_eq!(client.double(&ctx, 1_u32).await.expect("an answer"), 2);

    let Some(alarm) = Alarm::raise().await else { return };
    let hasty = client.prepare().timeout(Duration::from_secs(1)).double(&ctx, 2_u32);
    let error = soon("the deadline", hasty).await.expect_err("the broker takes nothing");
    assert!(matches!(error, CallError::DeadlineExceeded { .. }), "{error:?}");
    let patient = tokio::spawn(client.double(&ctx, 3_u32));
    let said = |text: &str| heard.lines().iter().any(|line| line.contains(text));
    eventually("to be told why", || said("the broker takes no messages")).await;
    assert!(!patient.is_finished(), "it has time left");

    alarm.lift().await;
    let answer = soon("the answer", patient).await.expect("no panic");
    assert_eq!(answer.expect("it has waited"), 6);
    assert_eq!(client.double(&ctx, 4_u32).await.expect("an answer"), 8);
    assert!(!said("lost the connection"), "{:#?}", heard.lines());
    server.shutdown(Duration::from_secs(10)).await.expect("nothing runs");
}
