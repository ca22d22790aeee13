//! Connections whose bytes pass the guard before lapin sees them.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use async_rs::{
    Runtime, Tokio,
    traits::{Executor, Reactor, RuntimeKit},
    util::Task,
};
use futures_util::{AsyncRead, AsyncWrite, Stream, task::AtomicWaker};
use lapin::{
    Connection, ConnectionProperties,
    tcp::{AMQPUriTcpExt as _, AsyncTcpStream, OwnedTLSConfig},
    uri::AMQPUri,
};
use tokio::time::timeout;

use super::guard::Guard;

/// How much is read from a socket at a time.
const PORTION: usize = 64 * 1024;

/// Connects, with TLS if the URI says so. Dropping the future ends the connection.
pub(super) async fn connect(
    uri: AMQPUri,
    properties: ConnectionProperties,
    tls: OwnedTLSConfig,
    limit: Duration,
) -> lapin::Result<(Connection, Switch)> {
    let switch = Switch::default();
    let wire = Arc::clone(&switch.0);
    let connect = async move |uri: AMQPUri, _: Runtime<Guarding>| {
        let plain = Runtime::tokio_current();
        // Who waits for the whole may have gone by then, and leave nobody to end this.
        let connecting = timeout(limit, uri.connect_with_config_async(tls.as_ref(), &plain));
        let stream = connecting.await.map_err(io::Error::from)??;
        Ok(AsyncTcpStream::Plain(Guarded::new(stream, Arc::clone(&wire))))
    };
    let runtime = Runtime::new(Guarding(Tokio::current()));
    let connection = Connection::connector(uri, runtime, connect, properties).await?;
    Ok((connection, switch))
}

/// Ends a connection for sure, when it is turned off or dropped: lapin's own way waits for the peer, and its thread with
/// it.
#[derive(Default)]
pub(super) struct Switch(Arc<Wire>);

#[derive(Default)]
struct Wire {
    is_off: AtomicBool,
    reader: AtomicWaker,
    writer: AtomicWaker,
}

impl Switch {
    pub(super) fn turn_off(&self) {
        self.0.is_off.store(true, Ordering::Release);
        self.0.reader.wake();
        self.0.writer.wake();
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        self.turn_off();
    }
}

impl Wire {
    /// Fails once it is off; until then `waker` is woken when it is turned off.
    fn check(&self, waker: &AtomicWaker, cx: &Context<'_>) -> io::Result<()> {
        waker.register(cx.waker());
        if self.is_off.load(Ordering::Acquire) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

/// A stream to a broker, of which lapin reads what the guard lets through.
pub(super) struct Guarded {
    stream: AsyncTcpStream<<Tokio as Reactor>::TcpStream>,
    wire: Arc<Wire>,
    guard: Guard,
    received: Box<[u8]>,
    /// What may be read, from `at` on.
    passed: Vec<u8>,
    at: usize,
}

impl Guarded {
    fn new(stream: AsyncTcpStream<<Tokio as Reactor>::TcpStream>, wire: Arc<Wire>) -> Self {
        let received = vec![0; PORTION].into_boxed_slice();
        Self { stream, wire, guard: Guard::default(), received, passed: Vec::new(), at: 0 }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.wire.check(&this.wire.reader, cx)?;
        // What arrives may be the beginning of a frame that is looked at as a whole: then nothing passes yet.
        while this.at == this.passed.len() {
            this.passed.clear();
            this.at = 0;
            let count = ready!(Pin::new(&mut this.stream).poll_read(cx, &mut this.received))?;
            if count == 0 {
                return Poll::Ready(Ok(0));
            }
            let repaired = this.guard.feed(&this.received[..count], &mut this.passed);
            if repaired > 0 {
                tracing::warn!(
                    frames = repaired,
                    "frames came that cannot be read: texts are mended, and messages without properties refused"
                );
            }
        }
        let count = buf.len().min(this.passed.len() - this.at);
        buf[..count].copy_from_slice(&this.passed[this.at..this.at + count]);
        this.at += count;
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.wire.check(&self.wire.writer, cx)?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.wire.check(&self.wire.writer, cx)?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.wire.check(&self.wire.writer, cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

/// Tokio, but for the type of its streams, which is how lapin learns that of ours.
#[derive(Clone, Debug)]
pub(super) struct Guarding(Tokio);

impl RuntimeKit for Guarding {}

impl Executor for Guarding {
    type Task<T: Send + 'static> = <Tokio as Executor>::Task<T>;

    fn block_on<T, F: Future<Output = T>>(&self, f: F) -> T {
        self.0.block_on(f)
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        &self,
        f: F,
    ) -> Task<Self::Task<T>> {
        self.0.spawn(f)
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(
        &self,
        f: F,
    ) -> Task<Self::Task<T>> {
        self.0.spawn_blocking(f)
    }
}

impl Reactor for Guarding {
    type TcpStream = Guarded;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: io::Read + io::Write + Send + 'static>(
        &self,
        _: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        // Nobody brings sockets of his own.
        Err::<Guarded, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, dur: Duration) -> Self::Sleep {
        self.0.sleep(dur)
    }

    fn interval(&self, dur: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(dur)
    }

    fn tcp_connect_addr(
        &self,
        addr: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let connecting = self.0.tcp_connect_addr(addr);
        async move { Ok(Guarded::new(AsyncTcpStream::Plain(connecting.await?), Arc::default())) }
    }
}
