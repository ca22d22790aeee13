//! Connections whose bytes pass the guard before lapin sees them.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use async_rs::{
    Runtime, Tokio,
    traits::{Executor, Reactor, RuntimeKit},
    util::Task,
};
use futures_util::{AsyncRead, AsyncWrite, Stream};
use lapin::{
    Connection, ConnectionProperties,
    tcp::{AMQPUriTcpExt as _, AsyncTcpStream, OwnedTLSConfig},
    uri::AMQPUri,
};

use super::guard::Guard;

/// How much is read from a socket at a time.
const PORTION: usize = 64 * 1024;

/// Connects, with TLS if the URI says so.
pub(super) async fn connect(
    uri: AMQPUri,
    properties: ConnectionProperties,
    tls: OwnedTLSConfig,
) -> lapin::Result<Connection> {
    let connect = async move |uri: AMQPUri, _: Runtime<Guarding>| {
        let plain = Runtime::tokio_current();
        let stream = uri.connect_with_config_async(tls.as_ref(), &plain).await?;
        Ok(AsyncTcpStream::Plain(Guarded::new(stream)))
    };
    let runtime = Runtime::new(Guarding(Tokio::current()));
    Connection::connector(uri, runtime, connect, properties).await
}

/// A stream to a broker, of which lapin reads what the guard lets through.
pub(super) struct Guarded {
    stream: AsyncTcpStream<<Tokio as Reactor>::TcpStream>,
    guard: Guard,
    received: Box<[u8]>,
    /// What may be read, from `at` on.
    passed: Vec<u8>,
    at: usize,
}

impl Guarded {
    fn new(stream: AsyncTcpStream<<Tokio as Reactor>::TcpStream>) -> Self {
        let received = vec![0; PORTION].into_boxed_slice();
        Self { stream, guard: Guard::default(), received, passed: Vec::new(), at: 0 }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
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
                    messages = repaired,
                    "messages came whose properties cannot be read: they are refused"
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
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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
        async move { Ok(Guarded::new(AsyncTcpStream::Plain(connecting.await?))) }
    }
}
