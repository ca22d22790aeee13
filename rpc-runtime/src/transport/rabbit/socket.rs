//! Connections whose bytes pass the guard before lapin sees them, and the gate before the broker does.

use std::{
    future::{Future, ready},
    io,
    net::{IpAddr, SocketAddr, ToSocketAddrs as _},
    pin::{Pin, pin},
    sync::{
        Arc, LazyLock, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{self, Context, Poll, Waker},
    time::Duration,
};

use async_rs::{
    Runtime, Tokio,
    traits::{Executor, Reactor, RuntimeKit},
    util::Task,
};
use futures_util::{
    AsyncRead, AsyncWrite, FutureExt as _, Stream, future::BoxFuture, task::AtomicWaker,
};
use lapin::{
    Connection, ConnectionProperties,
    tcp::{AsyncTcpStream, OwnedTLSConfig},
    uri::{AMQPScheme, AMQPUri},
};
use socket2::{SockRef, Socket, TcpKeepalive};
use tokio::{
    net::TcpStream,
    sync::oneshot,
    time::{timeout, timeout_at},
};
use tracing::Dispatch;

use super::{
    gate::{Fate, Gate, Parts},
    guard::Guard,
    hush::silence_lapins_thread,
    runtime::spawn_thread,
    standstill::Standstill,
    tcp::Tcp,
    thread::{Driving, Thread, Waited},
};
use crate::{clock::Instant, logging, quiet::Quiet};

/// How much is read from a socket at a time.
const PORTION: usize = 64 * 1024;
/// How often the system asks a silent peer whether it is there; the least that it waits for what it has sent.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// Whom a connection with TLS trusts, who it is, and whom it expects.
#[derive(Default)]
pub(super) struct Security {
    pub(super) config: OwnedTLSConfig,
    /// The name in the broker's certificate, where that is not its host's.
    pub(super) server_name: Option<String>,
}

/// Connects by `until`, with TLS if the URI says so. Turning `switch` off ends the attempt.
pub(super) async fn connect(
    uri: AMQPUri,
    properties: ConnectionProperties,
    tls: Security,
    switch: &Switch,
    thread: &Thread,
    largest: usize,
    until: Instant,
) -> lapin::Result<Connection> {
    let wire = Arc::clone(&switch.0);
    let view = View { largest, subscriber: logging::subscriber() };
    let tokio = Tokio::default().with_handle(thread.handle().clone());
    let guarding = Guarding { tokio, thread: thread.clone() };
    // It goes with lapin's thread, wherever that ends.
    let driving = Mutex::new(Some(Driving(thread.clone())));
    let connect = async move |uri: AMQPUri, _: Runtime<Guarding>| {
        let connecting = timeout_at(until, secured(&uri, &tls, &wire, until));
        let stream = connecting.await.map_err(io::Error::from)??;
        let driving = driving.lock().unwrap_or_else(PoisonError::into_inner).take();
        let driving = driving.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted))?;
        let wire = Arc::clone(&wire);
        Ok(AsyncTcpStream::Plain(Guarded::new(stream, wire, view.clone(), driving)))
    };
    let connecting = Connection::connector(uri, Runtime::new(guarding), connect, properties);
    thread.nudging(pin!(connecting)).await
}

async fn secured(
    uri: &AMQPUri,
    tls: &Security,
    wire: &Wire,
    until: Instant,
) -> io::Result<Secured> {
    let host = &uri.authority.host;
    let heartbeat = Duration::from_secs(uri.query.heartbeat.unwrap_or(0).into());
    let stream = dial(host, uri.authority.port, heartbeat, until).await?;
    wire.hold(&stream)?;
    let stream = AsyncTcpStream::Plain(Tcp(stream));
    match uri.scheme {
        AMQPScheme::AMQP => Ok(stream),
        AMQPScheme::AMQPS => {
            let name = tls.server_name.as_deref().unwrap_or(host);
            stream.into_tls(name, tls.config.as_ref()).await
        }
    }
}

/// Connects to the first address of a host that answers. Names are looked up anew each time. An
/// address that does not answer leaves as much time to each of those behind it.
async fn dial(host: &str, port: u16, heartbeat: Duration, until: Instant) -> io::Result<TcpStream> {
    let mut failed = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let addresses = lookup(host, port).await?;
    for (address, left) in addresses.iter().zip((1..=addresses.len()).rev()) {
        let share = until.saturating_duration_since(Instant::now());
        let share = share / u32::try_from(left).unwrap_or(u32::MAX);
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return tuned(stream, heartbeat),
            Ok(Err(error)) => failed = error,
            Err(late) => failed = late.into(),
        }
    }
    Err(failed)
}

/// Looks a name up. An address needs no thread for that; a name needs one, and fails if the system
/// has none to give.
async fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![(address, port).into()]);
    }
    let (found, addresses) = oneshot::channel();
    let host = host.to_owned();
    spawn_thread("rpc-lookup", move || {
        let addresses = (host.as_str(), port).to_socket_addrs();
        // An attempt that was given up has no use for them.
        let _ = found.send(addresses.map(Iterator::collect));
    })?;
    addresses.await.unwrap_or_else(|_| Err(io::ErrorKind::AddrNotAvailable.into()))
}

/// Lets the system notice a peer that is gone, also where AMQP has nothing to say.
fn tuned(stream: TcpStream, heartbeat: Duration) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some((2 * heartbeat).max(KEEPALIVE)))?;
    Ok(stream)
}

/// Ends a connection for sure, when it is turned off or dropped: lapin's own way waits for the peer, and its thread with
/// it.
#[derive(Debug, Default)]
pub(super) struct Switch(Arc<Wire>);

#[derive(Debug, Default)]
struct Wire {
    is_off: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
    /// The socket, to decide how it ends.
    socket: Mutex<Option<Socket>>,
    /// When something was last received, in milliseconds since [`START`].
    heard: AtomicU64,
    /// Whether messages come by it whose age matters.
    is_timed: AtomicBool,
    /// When the standstill began after which the last bytes were read, in milliseconds since
    /// [`START`], plus one. 0: there was none.
    unread: AtomicU64,
}

/// What times are counted from.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

fn millis(time: Instant) -> u64 {
    let since = time.saturating_duration_since(*START);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl Switch {
    pub(super) fn turn_off(&self) {
        self.0.is_off.store(true, Ordering::Release);
        self.0.reader.wake();
        self.0.writer.wake();
        drop(self.0.socket().take());
    }

    /// Turns off, and throws away what the system has not sent yet.
    pub(super) fn reset(&self) {
        if let Some(socket) = &*self.0.socket() {
            // A socket that is gone already has nothing to throw away.
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
        self.turn_off();
    }

    /// From now on the age of what is read matters.
    pub(super) fn time(&self) {
        self.0.is_timed.store(true, Ordering::Relaxed);
    }

    /// Returns since when the last bytes may have waited unread, because their thread stood still.
    /// Only tasks of that thread know which messages those were.
    pub(super) fn unread_since(&self) -> Option<Instant> {
        let millis = self.0.unread.load(Ordering::Relaxed).checked_sub(1)?;
        START.checked_add(Duration::from_millis(millis))
    }

    /// Whether the peer has sent nothing since then.
    pub(super) fn is_silent_since(&self, time: Instant) -> bool {
        self.0.heard.load(Ordering::Relaxed) <= millis(time)
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.turn_off();
    }
}

impl Wire {
    fn socket(&self) -> MutexGuard<'_, Option<Socket>> {
        self.socket.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps hold of a stream's socket.
    fn hold(&self, stream: &TcpStream) -> io::Result<()> {
        let mut held = self.socket();
        if self.is_off.load(Ordering::Acquire) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        *held = Some(SockRef::from(stream).try_clone()?);
        Ok(())
    }

    /// Fails once it is off; until then `waker` is woken when it is turned off.
    fn check(&self, waker: &AtomicWaker, cx: &Context<'_>) -> io::Result<()> {
        waker.register(cx.waker());
        if self.is_off.load(Ordering::Acquire) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

/// A connection's bytes, as they come out of TLS if there is any.
type Secured = AsyncTcpStream<Tcp>;

/// A stream to a broker, of which lapin reads what the guard lets through, and which it writes to as the gate lets it.
pub(super) struct Guarded {
    stream: Secured,
    wire: Arc<Wire>,
    guard: Guard,
    gate: Gate,
    quiet: Quiet<Cause>,
    subscriber: Dispatch,
    received: Box<[u8]>,
    /// What may be read, from `at` on.
    passed: Vec<u8>,
    at: usize,
    /// Whether lapin has bytes that it has not looked at.
    has_given: bool,
    /// Whether bytes came so fast that no task could run.
    is_flooded: bool,
    standstill: Standstill,
    /// Wakes lapin's thread when there is room to write.
    writable: Option<Waker>,
    driving: Driving,
}

/// What the guard has to do with messages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    Unreadable,
    TooLarge,
}

impl Guarded {
    fn new(stream: Secured, wire: Arc<Wire>, view: View, driving: Driving) -> Self {
        let View { largest, subscriber } = view;
        Self {
            stream,
            wire,
            guard: Guard::new(largest),
            gate: Gate::default(),
            quiet: Quiet::new(),
            subscriber,
            received: vec![0; PORTION].into_boxed_slice(),
            passed: Vec::new(),
            at: 0,
            has_given: false,
            is_flooded: false,
            standstill: Standstill::new(),
            writable: None,
            driving,
        }
    }

    /// Receives what lapin may see. What arrives may be the beginning of a frame that is looked at as a whole: then nothing
    /// passes yet.
    fn receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.check(&self.wire.reader, cx)?;
        let now = Instant::now();
        let is_timed = self.wire.is_timed.load(Ordering::Relaxed);
        if is_timed && self.standstill.look(now) {
            let since = self.standstill.since();
            self.wire.unread.store(since.map_or(0, |since| millis(since) + 1), Ordering::Relaxed);
        }
        while self.at == self.passed.len() {
            self.passed.clear();
            self.at = 0;
            let read = Pin::new(&mut self.stream).poll_read(cx, &mut self.received);
            if read.is_pending() && is_timed {
                self.standstill.empty(cx);
            }
            let count = task::ready!(read)?;
            if count == 0 {
                // lapin would wait for more until somebody ends it, where there was no login yet.
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            self.wire.heard.store(millis(now), Ordering::Relaxed);
            let repaired = self.guard.feed(&self.received[..count], &mut self.passed);
            if repaired > 0 || self.guard.has_refused() {
                let refused = self.guard.refused();
                self.report(repaired, refused);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Sends the first of what lapin has to write, or throws it away. Returns how much that was.
    fn send(&mut self, cx: &Context<'_>, parts: Parts<'_>) -> Poll<io::Result<usize>> {
        self.wire.check(&self.wire.writer, cx)?;
        silence_lapins_thread();
        let passes = match self.gate.look(parts) {
            Some(Fate::Passes(count)) => count,
            Some(Fate::Dropped(count)) => return Poll::Ready(Ok(count)),
            None => return Poll::Ready(Err(io::ErrorKind::InvalidInput.into())),
        };
        let waker = self.writing(cx);
        let (mut cx, stream) = (Context::from_waker(&waker), Pin::new(&mut self.stream));
        let [first, second] = parts;
        let sent = match passes.checked_sub(first.len()) {
            None | Some(0) => stream.poll_write(&mut cx, &first[..passes]),
            Some(rest) => {
                let both = [first, &second[..rest]].map(io::IoSlice::new);
                stream.poll_write_vectored(&mut cx, &both)
            }
        };
        if let Poll::Ready(Ok(count)) = sent {
            self.gate.passed(count);
        }
        sent
    }

    /// Returns a context that wakes lapin's thread wherever it waits.
    fn writing(&mut self, cx: &Context<'_>) -> Waker {
        let thread = &self.driving.0;
        self.writable.get_or_insert_with(|| thread.waker(cx.waker().clone())).clone()
    }

    /// Logs what the guard has done, to the subscriber of the task that connected.
    fn report(&self, repaired: usize, refused: usize) {
        logging::for_subscriber(&self.subscriber, || {
            if repaired > 0 {
                self.quiet.defer(Cause::Unreadable, move |left_out| {
                    let what = "frames came that cannot be read: texts are mended, and messages without properties refused";
                    tracing::warn!(frames = repaired, left_out, "{what}");
                });
            }
            if refused > 0 {
                self.quiet.defer(Cause::TooLarge, move |left_out| {
                    let what = "messages came that are larger than they may be: they are refused, and their bodies left out";
                    tracing::warn!(messages = refused, left_out, "{what}");
                });
            }
        });
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        silence_lapins_thread();
        if this.at == this.passed.len() {
            // lapin looks at what it has before it comes again, and it comes again only if it is woken.
            if std::mem::take(&mut this.has_given) {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let thread = this.driving.0.clone();
            match thread.wait(this.is_flooded, |cx| this.receive(cx)) {
                Some(Waited::Came { what, at_once }) => {
                    this.is_flooded = at_once;
                    what?;
                }
                Some(Waited::Nudged) => {
                    this.is_flooded = false;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                None => return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
            }
        }
        let count = buf.len().min(this.passed.len() - this.at);
        buf[..count].copy_from_slice(&this.passed[this.at..this.at + count]);
        this.at += count;
        this.has_given = true;
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().send(cx, [buf, &[]])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut parts = bufs.iter().map(|part| &**part);
        self.get_mut().send(cx, std::array::from_fn(|_| parts.next().unwrap_or_default()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.check(&self.wire.writer, cx)?;
        let waker = self.writing(cx);
        Pin::new(&mut self.stream).poll_flush(&mut Context::from_waker(&waker))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// Tokio, but for the type of its streams, which is how lapin learns that of ours.
#[derive(Clone, Debug)]
pub(super) struct Guarding {
    tokio: Tokio,
    thread: Thread,
}

/// How a stream looks at what comes: the largest message that it lets through, in bytes, and
/// the subscriber that hears of the others.
#[derive(Clone, Debug)]
struct View {
    largest: usize,
    subscriber: Dispatch,
}

impl RuntimeKit for Guarding {}

impl Executor for Guarding {
    type Task<T: Send + 'static> = <Tokio as Executor>::Task<T>;

    fn block_on<T, F: Future<Output = T>>(&self, f: F) -> T {
        silence_lapins_thread();
        let mut f = pin!(f);
        // Once it is over, there is only what needs no driving.
        self.thread.block_on(f.as_mut()).unwrap_or_else(|| self.tokio.block_on(f))
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        f: F,
    ) -> Task<Self::Task<T>> {
        self.tokio.spawn(self.thread.for_lapin(f))
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        f: F,
    ) -> Task<Self::Task<T>> {
        self.tokio.spawn_blocking(f)
    }
}

impl Reactor for Guarding {
    type TcpStream = Guarded;
    type Sleep = BoxFuture<'static, ()>;

    fn register<H: io::Read + io::Write + Send + 'static>(
        &self,
        _: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        // Nobody brings sockets of his own.
        Err::<Guarded, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, dur: Duration) -> Self::Sleep {
        self.thread.sleep(dur).boxed()
    }

    fn interval(&self, dur: Duration) -> impl Stream<Item = std::time::Instant> + Send + 'static {
        self.tokio.interval(dur)
    }

    fn tcp_connect_addr(
        &self,
        _: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        // Nobody dials but `connect`.
        ready(Err(io::ErrorKind::Unsupported.into()))
    }
}
