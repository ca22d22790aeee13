//! The broker behind a proxy that reads AMQP frames.
//!
//! It can be cut off for a while, or say nothing while it goes on to listen. And it can be as RabbitMQ 4.3 is by default, which takes no queue that is neither
//! durable nor exclusive: who declares one has the connection closed, with the broker's own words.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tests::World;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// Class and method of `queue.declare`.
const QUEUE_DECLARE: [u8; 4] = [0, 50, 0, 10];
const DURABLE: u8 = 2;
const EXCLUSIVE: u8 = 4;
const REFUSAL: &str = "INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated.";

/// See the module. It lives as long as the test's runtime.
pub(crate) struct Proxy {
    port: u16,
    refused: Arc<AtomicUsize>,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// What the broker says is kept back.
    Silent,
    Cut,
}

impl Proxy {
    /// Passes everything on, or refuses transient queues.
    pub(crate) async fn start(world: &World, refuses_transient: bool) -> Self {
        let broker = authority(world).rsplit('@').next().expect("an address").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let refused = Arc::new(AtomicUsize::new(0));
        let (state, current) = watch::channel(State::Open);
        let count = Arc::clone(&refused);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if *current.borrow() == State::Cut {
                    continue;
                }
                let broker = TcpStream::connect(&broker).await.expect("a broker");
                let count = refuses_transient.then(|| Arc::clone(&count));
                let (mut current, speaks) = (current.clone(), current.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = serve(client, broker, count, speaks) => {}
                        _ = current.wait_for(|state| *state == State::Cut) => {}
                    }
                });
            }
        });
        Self { port, refused, state }
    }

    /// Ends all connections, and takes none.
    pub(crate) fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Passes on what clients say, and nothing of what the broker says.
    pub(crate) fn silence(&self) {
        self.state.send_replace(State::Silent);
    }

    /// Takes connections again.
    pub(crate) fn mend(&self) {
        self.state.send_replace(State::Open);
    }

    /// The world's URL, by this proxy.
    pub(crate) fn url(&self, world: &World) -> String {
        let authority = authority(world);
        let login = authority.rsplit_once('@').map_or("", |(login, _)| login);
        let through = format!("{login}@127.0.0.1:{}", self.port);
        world.url().replacen(&authority, &through, 1)
    }

    /// How many queues were refused.
    pub(crate) fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }
}

fn authority(world: &World) -> String {
    let rest = world.url().split("://").nth(1).expect("an authority");
    rest.split('/').next().expect("an authority").to_owned()
}

/// Passes everything on, until a queue is refused.
async fn serve(
    client: TcpStream,
    broker: TcpStream,
    refused: Option<Arc<AtomicUsize>>,
    state: watch::Receiver<State>,
) {
    let ((from_client, mut to_client), (mut from_broker, to_broker)) =
        (client.into_split(), broker.into_split());
    let answers = pass_answers(&mut from_broker, &mut to_client, state);
    let requests = pass_requests(from_client, to_broker, refused.is_some());
    let (_, is_refused) = tokio::join!(answers, requests);
    if let (Some(refused), Some(())) = (refused, is_refused) {
        refused.fetch_add(1, Ordering::Relaxed);
        // The broker has answered all before, and its side is closed now.
        let _ = to_client.write_all(&close()).await;
    }
}

/// Passes on what the broker says, while it may speak.
async fn pass_answers(
    broker: &mut OwnedReadHalf,
    client: &mut OwnedWriteHalf,
    mut state: watch::Receiver<State>,
) -> Option<()> {
    let mut answer = vec![0; 64 * 1024];
    loop {
        let read = broker.read(&mut answer).await.ok().filter(|read| *read > 0)?;
        state.wait_for(|state| *state == State::Open).await.ok()?;
        client.write_all(&answer[..read]).await.ok()?;
    }
}

/// Passes the client's frames on. Returns something if one of them is refused.
async fn pass_requests(
    mut client: OwnedReadHalf,
    mut broker: OwnedWriteHalf,
    refuses_transient: bool,
) -> Option<()> {
    let mut header = [0; 8];
    client.read_exact(&mut header).await.ok()?;
    broker.write_all(&header).await.ok()?;
    loop {
        // Type, channel, size, payload, end.
        let mut frame = vec![0; 7];
        client.read_exact(&mut frame).await.ok()?;
        let size = u32::from_be_bytes([frame[3], frame[4], frame[5], frame[6]]);
        frame.resize(7 + usize::try_from(size).expect("small") + 1, 0);
        client.read_exact(&mut frame[7..]).await.ok()?;
        if refuses_transient && is_transient_queue(&frame[7..]) {
            return Some(());
        }
        broker.write_all(&frame).await.ok()?;
    }
}

fn is_transient_queue(payload: &[u8]) -> bool {
    // Class, method, a reserved short, the name with its length, flags.
    if payload.get(..4) != Some(&QUEUE_DECLARE) {
        return false;
    }
    let flags = payload[7 + usize::from(payload[6])];
    flags & (DURABLE | EXCLUSIVE) == 0
}

/// The frame `connection.close` with code 541.
fn close() -> Vec<u8> {
    let mut payload = vec![0, 10, 0, 50];
    payload.extend(541_u16.to_be_bytes());
    payload.push(REFUSAL.len().try_into().expect("short"));
    payload.extend(REFUSAL.as_bytes());
    payload.extend(QUEUE_DECLARE);
    let mut frame = vec![1, 0, 0];
    frame.extend(u32::try_from(payload.len()).expect("short").to_be_bytes());
    frame.extend(payload);
    frame.push(0xCE);
    frame
}
