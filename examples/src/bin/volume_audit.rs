//! A service that consumes the notifications of volumes, and prints how much storage each project
//! uses.
//!
//! `cargo run -p examples --bin volume_audit` follows a simulated Cinder on the embedded broker.
//! With `--url rabbit://user:password@host:5672/` it follows a real one until Ctrl-C. It has its
//! own queue, so other listeners do not miss anything.

use std::{
    collections::BTreeMap,
    error::Error,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use clap::Parser;
use examples::Report;
use rpc_runtime::{
    Context, NotificationListener, Notifier, Transport, notification, notify::Metadata,
};
use serde::{Deserialize, Serialize};

/// Prints how much storage the volumes of each project use.
#[derive(Parser)]
struct Options {
    /// The broker's URL.
    #[arg(long, default_value = "memory://volume-audit")]
    url: String,
    /// The exchange of the service that publishes the notifications.
    #[arg(long, default_value = "cinder")]
    exchange: String,
    /// The topic of its notifications.
    #[arg(long, default_value = "notifications")]
    topic: String,
}

/// The fields of Cinder's notification about a volume that this program reads. Others are ignored.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Usage {
    volume_id: String,
    tenant_id: String,
    /// In GiB.
    size: u64,
}

#[notification(event_type = "volume.create.end")]
#[derive(Deserialize, Serialize)]
struct Created(Usage);

#[notification(event_type = "volume.resize.end")]
#[derive(Deserialize, Serialize)]
struct Resized(Usage);

#[notification(event_type = "volume.delete.end")]
#[derive(Deserialize, Serialize)]
struct Deleted(Usage);

/// The existing volumes, by id.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<BTreeMap<String, Usage>>>);

impl Ledger {
    /// Records a volume that was created or resized. A redelivered notification changes nothing.
    fn note(&self, metadata: &Metadata, usage: Usage) {
        println!("{:24} {} {} GiB", metadata.event_type, usage.volume_id, usage.size);
        self.lock().insert(usage.volume_id.clone(), usage);
    }

    fn forget(&self, metadata: &Metadata, usage: &Usage) {
        println!("{:24} {}", metadata.event_type, usage.volume_id);
        self.lock().remove(&usage.volume_id);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Usage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut projects = BTreeMap::<_, (u64, u64)>::new();
        let volumes = self.lock();
        for usage in volumes.values() {
            let (count, size) = projects.entry(&usage.tenant_id).or_default();
            (*count, *size) = (*count + 1, *size + usage.size);
        }
        writeln!(f, "{:12} {:>8} {:>8}", "project", "volumes", "GiB")?;
        projects
            .into_iter()
            .try_for_each(|(id, (count, size))| writeln!(f, "{id:12} {count:>8} {size:>8}"))
    }
}

/// Publishes the notifications of a few volumes, as Cinder does.
async fn pretend(transport: &Transport, topic: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let cinder = Notifier::builder(transport).publisher_id("volume.host-1").topic(topic).build();
    let ctx = Context::new().with("user_id", "demo").with("auth_token", "not in any notification");
    let usage = |volume: u8, project: &str, size| Usage {
        volume_id: format!("volume-{volume}"),
        tenant_id: project.to_owned(),
        size,
    };
    // Most notifications are emitted without waiting for their confirm.
    cinder.emit(&ctx, &Created(usage(1, "red", 10)));
    cinder.emit(&ctx, &Created(usage(2, "red", 5)));
    cinder.emit(&ctx, &Created(usage(3, "blue", 40)));
    cinder.emit(&ctx, &Resized(usage(2, "red", 20)));
    cinder.info(&ctx, "volume.attach.end", &usage(1, "red", 10));
    cinder.emit(&ctx, &Deleted(usage(1, "red", 10))).await?;
    cinder.flush().await;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Report> {
    let options = Options::parse();
    let is_pretence = options.url.starts_with("memory://");
    let transport = Transport::builder(&options.url)
        .control_exchange(options.exchange.as_str())
        .connect()
        .await?;
    let ledger = Ledger::default();
    let [created, resized, deleted] = [(); 3].map(|()| ledger.clone());
    let (told, mut deletions) = tokio::sync::mpsc::unbounded_channel();
    let listener = NotificationListener::builder(&transport)
        .topic(options.topic.as_str())
        .pool("volume-audit")
        // In the order of delivery.
        .concurrency(1)
        .on(move |metadata, Created(usage)| {
            created.note(&metadata, usage);
            async {}
        })
        .on(move |metadata, Resized(usage)| {
            resized.note(&metadata, usage);
            async {}
        })
        .on(move |metadata, Deleted(usage)| {
            deleted.forget(&metadata, &usage);
            let _ = told.send(());
            async {}
        });
    let listener = listener.bind().await?.run();
    if is_pretence {
        pretend(&transport, &options.topic).await?;
        let last = tokio::time::timeout(Duration::from_secs(10), deletions.recv()).await?;
        last.ok_or("the listener has ended")?;
    } else {
        tokio::signal::ctrl_c().await?;
    }
    listener.shutdown(Duration::from_secs(10)).await?;
    println!("\n{ledger}");
    transport.close().await;
    Ok(())
}
