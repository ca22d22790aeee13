//! Behaviour of a real broker: properties, declarations, returns, lost connections, foreign
//! messages.

mod adopted;
mod connections;
mod farewell;
mod forged;
mod hostile;
mod kinds;
mod known_bugs;
mod layout;
mod own_queues;
mod poison;
mod strangers;
mod tls;

/// The interface of these tests.
mod adder {
    use rpc_runtime::{Context, rpc_api};
    use tests::Log;

    /// Adds, and records each run.
    #[rpc_api(topic = "adder", version = "1.0")]
    pub(crate) trait Adder {
        /// Adds, after a while.
        async fn add(&self, ctx: Context, a: u64, b: u64) -> u64;
        /// The same, and may be repeated.
        #[rpc(idempotent)]
        async fn add_again(&self, ctx: Context, a: u64, b: u64) -> u64;
        /// Records a number.
        async fn note(&self, ctx: Context, a: u64);
    }

    /// The server of [`Adder`].
    #[derive(Clone, Default)]
    pub(crate) struct Slow {
        pub(crate) ran: Log<u64>,
        pub(crate) takes: std::time::Duration,
    }

    impl Adder for Slow {
        async fn add(&self, _: Context, a: u64, b: u64) -> u64 {
            self.ran.push(a);
            tokio::time::sleep(self.takes).await;
            a + b
        }

        async fn add_again(&self, ctx: Context, a: u64, b: u64) -> u64 {
            self.add(ctx, a, b).await
        }

        async fn note(&self, _: Context, a: u64) {
            self.ran.push(a);
        }
    }
}

/// Another service that happens to have the topic of these tests.
mod neighbour {
    use rpc_runtime::{Context, rpc_api};

    /// Moves.
    #[rpc_api(topic = "adder", version = "1.0", exchange = "another")]
    pub(crate) trait Neighbour {
        /// Moves.
        async fn move_house(&self, ctx: Context);
    }
}

use lapin::{
    options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions},
    types::{FieldTable, ShortString},
};
use tests::{World, rabbitmqctl, unique};

/// Opens a bare AMQP channel to the world's broker, as a foreign client would.
async fn stranger(world: &World) -> lapin::Channel {
    let virtual_host = if world.virtual_host() == "/" { "%2f" } else { world.virtual_host() };
    let url = world.url().replacen("rabbit://", "amqp://", 1);
    let authority =
        url.split("://").nth(1).and_then(|rest| rest.split('/').next()).expect("an authority");
    let properties = lapin::ConnectionProperties::default();
    let connection =
        lapin::Connection::connect(&format!("amqp://{authority}/{virtual_host}"), properties).await;
    connection.expect("a connection").create_channel().await.expect("a channel")
}

/// Binds a queue that receives a copy of each message to `exchange` with `key`.
async fn eavesdrop(world: &World, exchange: &str, key: &str) -> lapin::Consumer {
    let channel = stranger(world).await;
    let queue = ShortString::from(unique("copy"));
    let declare =
        QueueDeclareOptions { durable: true, auto_delete: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.clone(), declare, FieldTable::default()).await.expect("declared");
    if !exchange.is_empty() {
        let bound = channel.queue_bind(
            queue.clone(),
            exchange.into(),
            key.into(),
            QueueBindOptions::default(),
            FieldTable::default(),
        );
        bound.await.expect("bound");
    }
    let consume = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    channel
        .basic_consume(queue, "".into(), consume, FieldTable::default())
        .await
        .expect("consuming")
}

/// Returns the names of a virtual host's queues that contain `part`, sorted.
async fn queues(world: &World, part: &str) -> Option<Vec<String>> {
    let list =
        ["--quiet", "list_queues", "--vhost", world.virtual_host(), "name", "--no-table-headers"];
    let names = rabbitmqctl(&list).await?;
    let mut names: Vec<_> =
        names.lines().filter(|name| name.contains(part)).map(str::to_owned).collect();
    names.sort_unstable();
    Some(names)
}
