//! Notifications on every transport: listeners receive what notifiers emit, once, and nothing is
//! lost.

mod batches;
mod emitting;
mod hasty;
mod listening;
mod panics;
mod paused;

use std::sync::Arc;

use rpc_runtime::{
    NotificationListener, Notifier, Transport, memory, notification,
    notify::{ListenerBuilder, Metadata, NotifierBuilder, Payload},
};
use serde::{Deserialize, Serialize};
use tests::{Log, World, eventually, proxy::Proxy};
use tokio::sync::Notify;

/// An event with a type.
#[notification(event_type = "volume.create.end")]
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
struct VolumeCreated {
    volume_id: String,
    size: u64,
}

/// An event with another priority.
#[notification(event_type = "volume.create.error", priority = "error")]
#[derive(Debug, Deserialize, Serialize)]
struct VolumeFailed {
    volume_id: String,
}

fn created(size: u64) -> VolumeCreated {
    VolumeCreated { volume_id: format!("v{size}"), size }
}

/// Returns a notifier for this test's topic.
fn emits(world: &World, transport: &Transport) -> NotifierBuilder {
    Notifier::builder(transport).publisher_id("volume.host-1").topic(world.topic())
}

/// Returns a listener on this test's topic.
fn listens(world: &World, transport: &Transport) -> ListenerBuilder {
    NotificationListener::builder(transport).topic(world.topic())
}

/// Records notifications.
#[derive(Clone, Default)]
struct Heard {
    events: Log<(Metadata, VolumeCreated)>,
    others: Log<(Metadata, Payload)>,
    gate: Arc<Notify>,
}

impl Heard {
    /// Makes a listener record events, and all other notifications.
    fn all(&self, builder: ListenerBuilder) -> ListenerBuilder {
        let (events, others) = (self.events.clone(), self.others.clone());
        builder
            .on(move |metadata, event: VolumeCreated| {
                events.push((metadata, event));
                async {}
            })
            .otherwise(move |metadata, payload| {
                others.push((metadata, payload));
                async {}
            })
    }

    /// Returns the sizes of the volumes, in order of arrival.
    fn sizes(&self) -> Vec<u64> {
        self.events.events().into_iter().map(|(_, event)| event.size).collect()
    }

    /// Returns the sizes, sorted.
    fn sorted(&self) -> Vec<u64> {
        let mut sizes = self.sizes();
        sizes.sort_unstable();
        sizes
    }
}

/// A switch between a transport and its broker.
enum Switch {
    Memory(memory::Broker),
    Rabbit(Proxy),
}

impl Switch {
    async fn connect(world: &World) -> (Transport, Self) {
        if world.is_memory() {
            let transport = world.transport().await;
            let broker = transport.memory().expect("it is embedded");
            return (transport, Self::Memory(broker));
        }
        let proxy = Proxy::start(world).await;
        let transport = Transport::connect(&proxy.url(world)).await.expect("connected");
        (transport, Self::Rabbit(proxy))
    }

    /// Disconnects the broker, and waits until the transport knows.
    async fn off(&self, transport: &Transport) {
        match self {
            Self::Memory(broker) => broker.disconnect(),
            Self::Rabbit(proxy) => {
                proxy.refuse().await;
                proxy.present().reset();
            }
        }
        let is_up = || transport.state().publishing.is_up() || transport.state().consuming.is_up();
        eventually("the loss to be known", || !is_up()).await;
    }

    async fn on(&self) {
        match self {
            Self::Memory(broker) => broker.reconnect(),
            Self::Rabbit(proxy) => proxy.open().await,
        }
    }
}
