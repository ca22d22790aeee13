//! A broker that blocks publishers for a while, because its memory is full. These tests have their
//! own program, because the alarm affects every other test.

mod listening;

use std::time::Duration;

use rpc_runtime::{CallError, ConnectionState, Context, Event, Role, TransportErrorKind, rpc_api};
use tests::{Log, World, eventually, heard::Heard, rabbitmqctl, soon};
use tokio::sync::Mutex;

/// Doubles.
#[rpc_api(topic = "alarm", version = "1.0")]
trait Doubler {
    /// Doubles.
    async fn double(&self, ctx: Context, n: u32) -> u32;
}

struct Server {
    ran: Log<u32>,
}

impl Doubler for Server {
    async fn double(&self, _: Context, n: u32) -> u32 {
        self.ran.push(n);
        n * 2
    }
}

/// A raised alarm. Dropping it lifts the alarm, even after a failed test.
struct Alarm;

impl Alarm {
    /// Sets the broker's memory limit to zero. Returns `None` if the broker cannot be controlled.
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

/// The alarm affects the whole broker, so one test runs at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn calls_end_in_time_while_the_broker_takes_nothing_and_go_on_afterwards() {
    let Some(world) = World::rabbit() else { return };
    let _alone = ALONE.lock().await;
    let heard = Heard::default();
    let _guard = heard.listen();
    let transport = world.transport().await;
    let ran = Log::default();
    let service = DoublerServer::new(Server { ran: ran.clone() });
    let server = world.serve(&transport, "h", service).await;
    let mut events = transport.events();
    let (client, ctx) = (world.client::<doubler::Api>(&transport), Context::new());
    assert_eq!(client.double(&ctx, 1_u32).await.expect("an answer"), 2);

    let Some(alarm) = Alarm::raise().await else { return };
    let hasty = client.prepare().timeout(Duration::from_secs(1)).client();
    let error =
        soon("the deadline", hasty.double(&ctx, 2_u32)).await.expect_err("the broker is blocked");
    assert!(matches!(error, CallError::DeadlineExceeded { sent: true, .. }), "{error:?}");
    let blocked = async {
        while !matches!(transport.state().publishing, ConnectionState::Blocked { .. }) {
            let event = events.next().await.expect("it goes on");
            assert!(!matches!(event, Event::Lost { role: Role::Consuming, .. }), "{event:?}");
        }
    };
    soon("the reason", blocked).await;
    let error =
        soon("the deadline", hasty.double(&ctx, 3_u32)).await.expect_err("the broker is blocked");
    let CallError::Unavailable(why) = &error else { panic!("{error:?}") };
    assert_eq!(why.kind(), TransportErrorKind::Blocked);
    assert!(why.to_string().contains("memory") && !error.may_have_run(), "{why}");
    let patient = tokio::spawn(client.double(&ctx, 4_u32));
    let said = |text: &str| heard.lines().iter().any(|line| line.contains(text));
    eventually("the line about the alarm", || said("blocks this connection")).await;
    assert!(!patient.is_finished(), "its time is not over");

    alarm.lift().await;
    let answer = soon("the answer", patient).await.expect("no panic");
    assert_eq!(answer.expect("an answer after the alarm"), 8);
    assert_eq!(client.double(&ctx, 5_u32).await.expect("an answer"), 10);
    assert_eq!(ran.events(), [1, 4, 5], "a call whose caller timed out did not run");
    assert!(transport.state().is_up() && transport.metrics().blocked > 0);
    server.shutdown(Duration::from_secs(10)).await.expect("nothing runs");
}
