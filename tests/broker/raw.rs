//! A publisher that writes its own frames, for what no AMQP library would send.

use tests::World;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A connection with one open channel.
pub(crate) struct Raw(TcpStream);

impl Raw {
    pub(crate) async fn connect(world: &World) -> Self {
        let (_, rest) = world.url().split_once("://").expect("a URL");
        let (credentials, rest) = rest.split_once('@').expect("credentials");
        let (user, password) = credentials.split_once(':').expect("a password");
        let address = rest.split('/').next().expect("an address");
        let mut raw = Self(TcpStream::connect(address).await.expect("a broker"));
        raw.0.write_all(b"AMQP\0\0\x09\x01").await.expect("sent");
        raw.expect([10, 10]).await;
        let login = format!("\0{user}\0{password}");
        let start =
            [&[0, 0, 0, 0][..], &short(b"PLAIN"), &long(login.as_bytes()), &short(b"en_US")];
        raw.method(0, [10, 11], &start.concat()).await;
        let mut tune = raw.expect([10, 30]).await;
        // No heartbeats.
        tune.truncate(6);
        tune.extend([0, 0]);
        raw.method(0, [10, 31], &tune).await;
        let open = [short(world.virtual_host().as_bytes()), vec![0, 0]].concat();
        raw.method(0, [10, 40], &open).await;
        raw.expect([10, 41]).await;
        raw.method(1, [20, 10], &[0]).await;
        raw.expect([20, 11]).await;
        raw
    }

    /// Publishes a message whose properties are these bytes, behind the flags of those that there are.
    pub(crate) async fn publish(
        &mut self,
        exchange: &str,
        key: &[u8],
        (flags, properties): (u16, &[u8]),
        body: &[u8],
    ) {
        let publish = [&[0, 0][..], &short(exchange.as_bytes()), &short(key), &[0]].concat();
        self.method(1, [60, 40], &publish).await;
        let size = u64::try_from(body.len()).expect("small").to_be_bytes();
        let header = [&[0, 60, 0, 0][..], &size, &flags.to_be_bytes(), properties].concat();
        self.frame(2, 1, &header).await;
        self.frame(3, 1, body).await;
    }

    /// Waits until the broker has taken everything, and ends.
    pub(crate) async fn close(mut self) {
        self.method(1, [20, 40], &[0, 200, 0, 0, 0, 0, 0]).await;
        self.expect([20, 41]).await;
    }

    async fn method(&mut self, channel: u8, [class, method]: [u8; 2], arguments: &[u8]) {
        let payload = [&[0, class, 0, method][..], arguments].concat();
        self.frame(1, channel, &payload).await;
    }

    async fn frame(&mut self, kind: u8, channel: u8, payload: &[u8]) {
        let size = u32::try_from(payload.len()).expect("small").to_be_bytes();
        let frame = [&[kind, 0, channel][..], &size, payload, &[0xCE]].concat();
        self.0.write_all(&frame).await.expect("sent");
    }

    /// Waits for a method of the broker's, and returns its arguments.
    async fn expect(&mut self, [class, method]: [u8; 2]) -> Vec<u8> {
        let mut head = [0; 7];
        self.0.read_exact(&mut head).await.expect("a frame");
        let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
        let mut payload = vec![0; usize::try_from(size).expect("small") + 1];
        self.0.read_exact(&mut payload).await.expect("a frame");
        payload.pop();
        let arguments = payload.split_off(4);
        assert_eq!(payload, [0, class, 0, method], "{}", String::from_utf8_lossy(&arguments));
        arguments
    }
}

/// A text of at most 255 bytes.
pub(crate) fn short(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).expect("short")], text].concat()
}

/// Bytes behind their number.
pub(crate) fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).expect("small").to_be_bytes()[..], bytes].concat()
}
