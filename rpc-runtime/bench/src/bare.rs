//! lapin alone, as somebody would use it who writes a service by hand.

use std::{
    collections::HashMap,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::StreamExt as _;
use lapin::{
    BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind,
    message::Delivery,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions,
        ConfirmSelectOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::{FieldTable, ShortString},
};
use tokio::sync::oneshot;

use crate::{
    Result,
    drive::{Clients, Counter, Found, Load, drive},
    item::{EXCHANGE, Item, Kind},
};

mod envelope;

/// What of the original's guarantees it has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variant {
    /// Its queue.
    queue: &'static str,
    /// Where requests go.
    exchange: &'static str,
    form: Form,
    /// Confirms of requests and replies, and acknowledgements of replies.
    confirms: bool,
    /// Whether requests are acknowledged before they are worked on.
    early: bool,
}

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// The arguments alone, as JSON.
    Plain,
    /// The original's envelope around them.
    Envelope,
    /// The arguments alone, as a server of kanin reads them.
    #[cfg(feature = "peers")]
    Protobuf,
}

impl Variant {
    pub(crate) fn of(subject: &str) -> Result<Self> {
        let plain = Self {
            queue: "bench-binary",
            exchange: EXCHANGE,
            form: Form::Plain,
            confirms: false,
            early: false,
        };
        let envelope = Self { queue: "bench-envelope", form: Form::Envelope, ..plain };
        Ok(match subject {
            "lapin-binary" => plain,
            "lapin-window" => Self { queue: "bench-window", confirms: true, early: true, ..plain },
            "lapin-envelope" => envelope,
            "lapin-guarded" => {
                Self { queue: "bench-guarded", confirms: true, early: true, ..envelope }
            }
            #[cfg(feature = "peers")]
            "kanin" => Self {
                queue: crate::peers::kanin::QUEUE,
                exchange: crate::peers::kanin::EXCHANGE,
                form: Form::Protobuf,
                ..plain
            },
            _ => return Err(format!("nothing is called `{subject}`").into()),
        })
    }

    fn fanout_exchange(self) -> String {
        format!("{}_fanout", self.queue)
    }

    fn request(self, id: &str, reply_queue: Option<&str>, item: &Item) -> Result<Vec<u8>> {
        match self.form {
            Form::Plain => Ok(serde_json::to_vec(item)?),
            Form::Envelope => envelope::request(id, reply_queue, item),
            #[cfg(feature = "peers")]
            Form::Protobuf => Ok(prost::Message::encode_to_vec(item)),
        }
    }
}

/// How many requests are fetched ahead.
const PREFETCH: u16 = 100;

/// Returns an address for lapin, which takes a path of `/` for a virtual host without a name.
pub(crate) fn address(url: &str) -> String {
    format!("{}/%2f", url.trim_end_matches('/'))
}

async fn connect(url: &str, variant: Variant) -> Result<Channel> {
    let connection = Connection::connect(&address(url), ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    if variant.confirms {
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
    }
    // It lives as long as the process.
    std::mem::forget(connection);
    Ok(channel)
}

/// Publishes, and waits for the confirm if there is one.
async fn publish(
    channel: &Channel,
    exchange: &str,
    key: &str,
    body: &[u8],
    properties: BasicProperties,
) -> Result<()> {
    let options = BasicPublishOptions::default();
    channel.basic_publish(exchange.into(), key.into(), options, body, properties).await?.await?;
    Ok(())
}

pub(crate) async fn serve(
    variant: Variant,
    url: &str,
    kind: Kind,
    counter: &Counter,
) -> Result<Box<dyn Send>> {
    let channel = connect(url, variant).await?;
    let queues = if kind == Kind::Fanout { Kind::FANOUT } else { 1 };
    for number in 0..queues {
        let queue = match kind {
            Kind::Fanout => format!("{}-{number}", variant.queue),
            _ => variant.queue.to_owned(),
        };
        declare(&channel, variant, &queue, kind == Kind::Fanout).await?;
        let consuming = channel.basic_consume(
            queue.clone().into(),
            queue.into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
        let mut consumer = consuming.await?;
        let (channel, counter) = (channel.clone(), counter.clone());
        tokio::spawn(async move {
            while let Some(Ok(delivery)) = consumer.next().await {
                counter.add_one();
                let channel = channel.clone();
                tokio::spawn(async move {
                    if let Err(error) = handle(variant, channel, delivery).await {
                        eprintln!("a request failed: {error}");
                    }
                });
            }
        });
    }
    Ok(Box::new(channel))
}

async fn declare(channel: &Channel, variant: Variant, queue: &str, fanout: bool) -> Result<()> {
    let options = QueueDeclareOptions { auto_delete: fanout, ..Default::default() };
    channel.queue_declare(queue.into(), options, FieldTable::default()).await?;
    let (exchange, kind) = match fanout {
        true => (variant.fanout_exchange(), ExchangeKind::Fanout),
        false => (variant.exchange.to_owned(), ExchangeKind::Topic),
    };
    let options = ExchangeDeclareOptions::default();
    channel
        .exchange_declare(exchange.as_str().into(), kind, options, FieldTable::default())
        .await?;
    let options = QueueBindOptions::default();
    channel
        .queue_bind(
            queue.into(),
            exchange.into(),
            variant.queue.into(),
            options,
            FieldTable::default(),
        )
        .await?;
    Ok(())
}

async fn handle(variant: Variant, channel: Channel, delivery: Delivery) -> Result<()> {
    if variant.early {
        delivery.ack(BasicAckOptions::default()).await?;
    }
    let answer = match variant.form {
        Form::Envelope => envelope::answer(&delivery.data)?,
        _ => {
            let item: Item = serde_json::from_slice(&delivery.data)?;
            let text = |text: &Option<ShortString>| text.as_ref().map(ToString::to_string);
            let queue = text(delivery.properties.reply_to());
            let id = text(delivery.properties.correlation_id()).unwrap_or_default();
            queue
                .map(|queue| Ok::<_, serde_json::Error>((queue, id, serde_json::to_vec(&item)?)))
                .transpose()?
        }
    };
    if let Some((queue, id, body)) = answer {
        let properties = BasicProperties::default().with_correlation_id(id.into());
        publish(&channel, "", &queue, &body, properties).await?;
    }
    if !variant.early {
        delivery.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}

/// What the calls of one client share.
struct Shared {
    variant: Variant,
    channel: Channel,
    reply_queue: String,
    waiting: Mutex<HashMap<String, oneshot::Sender<Vec<u8>>>>,
    next: AtomicU64,
}

#[derive(Clone)]
struct Bare(Arc<Shared>, Item);

pub(crate) async fn clients(variant: Variant, url: &str) -> Result<Box<dyn Clients>> {
    let channel = connect(url, variant).await?;
    let reply_queue = format!("reply_{}", uuid::Uuid::new_v4().simple());
    let options = QueueDeclareOptions { auto_delete: true, ..Default::default() };
    channel.queue_declare(reply_queue.as_str().into(), options, FieldTable::default()).await?;
    let options = BasicConsumeOptions { no_ack: !variant.confirms, ..Default::default() };
    let consuming = channel.basic_consume(
        reply_queue.as_str().into(),
        "1".into(),
        options,
        FieldTable::default(),
    );
    let mut consumer = consuming.await?;
    let shared = Arc::new(Shared {
        variant,
        channel,
        reply_queue,
        waiting: Mutex::default(),
        next: AtomicU64::new(0),
    });
    let replies = Arc::clone(&shared);
    tokio::spawn(async move {
        while let Some(Ok(delivery)) = consumer.next().await {
            replies.receive(&delivery);
            if variant.confirms {
                tokio::spawn(async move { delivery.ack(BasicAckOptions::default()).await });
            }
        }
    });
    Ok(Box::new(BareClients(shared)))
}

impl Shared {
    fn receive(&self, reply: &Delivery) {
        let id = match self.variant.form {
            Form::Envelope => envelope::id(&reply.data),
            _ => reply.properties.correlation_id().as_ref().map(ToString::to_string),
        };
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(caller) = id.and_then(|id| waiting.remove(&id)) {
            let _ = caller.send(reply.data.clone());
        }
    }

    async fn call(&self, item: &Item) -> Result<Item> {
        let id = match self.variant.form {
            Form::Envelope => uuid::Uuid::new_v4().simple().to_string(),
            _ => self.next.fetch_add(1, Ordering::Relaxed).to_string(),
        };
        let (caller, reply) = oneshot::channel();
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), caller);
        let body = self.variant.request(&id, Some(&self.reply_queue), item)?;
        let mut properties = BasicProperties::default().with_delivery_mode(2);
        if self.variant.form == Form::Envelope {
            properties = properties
                .with_content_type("application/json".into())
                .with_content_encoding("utf-8".into())
                .with_priority(0)
                .with_expiration("60000".into());
        } else {
            properties = properties
                .with_correlation_id(id.into())
                .with_reply_to(self.reply_queue.as_str().into());
        }
        publish(&self.channel, self.variant.exchange, self.variant.queue, &body, properties)
            .await?;
        let reply = reply.await?;
        match self.variant.form {
            Form::Plain => Ok(serde_json::from_slice(&reply)?),
            Form::Envelope => envelope::result(&reply),
            #[cfg(feature = "peers")]
            Form::Protobuf => Ok(prost::Message::decode(&reply[..])?),
        }
    }

    async fn cast(&self, exchange: &str, item: &Item) -> Result<()> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let body = self.variant.request(&id, None, item)?;
        let properties = BasicProperties::default().with_delivery_mode(2);
        publish(&self.channel, exchange, self.variant.queue, &body, properties).await
    }
}

struct BareClients(Arc<Shared>);

impl Clients for BareClients {
    fn drive(&self, load: Load) -> Pin<Box<dyn Future<Output = Result<Found>> + '_>> {
        let bare = Bare(Arc::clone(&self.0), Item::of(load.body));
        Box::pin(async move {
            match load.kind {
                Kind::Call | Kind::IdempotentCall => {
                    drive(load, &bare, |bare| async { bare.0.call(&bare.1).await.map(|_| bare) })
                        .await
                }
                Kind::Cast | Kind::Notification => {
                    drive(load, &bare, |bare| async {
                        bare.0.cast(bare.0.variant.exchange, &bare.1).await.map(|()| bare)
                    })
                    .await
                }
                Kind::Fanout => {
                    drive(load, &bare, |bare| async {
                        bare.0.cast(&bare.0.variant.fanout_exchange(), &bare.1).await.map(|()| bare)
                    })
                    .await
                }
            }
        })
    }
}
