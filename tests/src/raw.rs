//! A publisher that writes its own frames, for messages that no AMQP library would send.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::World;

/// The flag of the content type, which is the first of a message's properties.
pub const CONTENT_TYPE: u16 = 1 << 15;
/// The flag of the headers.
pub const HEADERS: u16 = 1 << 13;

/// How much of a body fits one frame.
const PART: usize = 128 * 1024 - 8;
/// How much is written at once.
const PORTION: usize = 64 * 1024;

/// A connection with one open channel.
#[derive(Debug)]
pub struct Raw {
    stream: TcpStream,
    unsent: Vec<u8>,
}

impl Raw {
    /// Connects to the world's broker.
    ///
    /// # Panics
    /// If that fails.
    pub async fn connect(world: &World) -> Self {
        let (_, rest) = world.url().split_once("://").expect("a URL");
        let (credentials, rest) = rest.split_once('@').expect("credentials");
        let (user, password) = credentials.split_once(':').expect("a password");
        let address = rest.split('/').next().expect("an address");
        let stream = TcpStream::connect(address).await.expect("a broker");
        let mut raw = Self { stream, unsent: b"AMQP\0\0\x09\x01".to_vec() };
        raw.expect([10, 10]).await;
        let login = format!("\0{user}\0{password}");
        let start =
            [&[0, 0, 0, 0][..], &short(b"PLAIN"), &long(login.as_bytes()), &short(b"en_US")];
        raw.method(0, [10, 11], &start.concat());
        let mut tune = raw.expect([10, 30]).await;
        // No heartbeats.
        tune.truncate(6);
        tune.extend([0, 0]);
        raw.method(0, [10, 31], &tune);
        let open = [short(world.virtual_host().as_bytes()), vec![0, 0]].concat();
        raw.method(0, [10, 40], &open);
        raw.expect([10, 41]).await;
        raw.method(1, [20, 10], &[0]);
        raw.expect([20, 11]).await;
        raw
    }

    /// Publishes a message. `properties` are raw bytes, after the flags that announce them.
    ///
    /// # Panics
    /// If the broker has closed the connection.
    pub async fn publish(
        &mut self,
        exchange: &str,
        key: &[u8],
        (flags, properties): (u16, &[u8]),
        body: &[u8],
    ) {
        let publish = [&[0, 0][..], &short(exchange.as_bytes()), &short(key), &[0]].concat();
        self.method(1, [60, 40], &publish);
        let size = u64::try_from(body.len()).expect("small").to_be_bytes();
        let header = [&[0, 60, 0, 0][..], &size, &flags.to_be_bytes(), properties].concat();
        self.frame(2, 1, &header);
        for part in body.chunks(PART) {
            self.frame(3, 1, part);
            self.write(PORTION).await;
        }
    }

    /// Waits until the broker has processed everything.
    ///
    /// # Panics
    /// If the broker has closed the connection.
    pub async fn settle(&mut self) {
        // The broker answers this method after it has processed everything before it.
        self.method(1, [60, 10], &[0, 0, 0, 0, 0, 0, 0]);
        self.expect([60, 11]).await;
    }

    /// Waits until the broker has processed everything, and disconnects.
    ///
    /// # Panics
    /// If the broker has closed the connection.
    pub async fn close(mut self) {
        self.method(1, [20, 40], &[0, 200, 0, 0, 0, 0, 0]);
        self.expect([20, 41]).await;
    }

    fn method(&mut self, channel: u8, [class, method]: [u8; 2], arguments: &[u8]) {
        let payload = [&[0, class, 0, method][..], arguments].concat();
        self.frame(1, channel, &payload);
    }

    fn frame(&mut self, kind: u8, channel: u8, payload: &[u8]) {
        let size = u32::try_from(payload.len()).expect("small").to_be_bytes();
        self.unsent.extend_from_slice(&[kind, 0, channel]);
        self.unsent.extend_from_slice(&size);
        self.unsent.extend_from_slice(payload);
        self.unsent.push(0xCE);
    }

    /// Writes the buffer if it holds more than `more_than` bytes.
    async fn write(&mut self, more_than: usize) {
        if self.unsent.len() > more_than {
            self.stream.write_all(&self.unsent).await.expect("sent");
            self.unsent.clear();
        }
    }

    /// Waits for a method from the broker, and returns its arguments.
    async fn expect(&mut self, [class, method]: [u8; 2]) -> Vec<u8> {
        self.write(0).await;
        let mut head = [0; 7];
        self.stream.read_exact(&mut head).await.expect("a frame");
        let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
        let mut payload = vec![0; usize::try_from(size).expect("small") + 1];
        self.stream.read_exact(&mut payload).await.expect("a frame");
        payload.pop();
        let arguments = payload.split_off(4);
        assert_eq!(payload, [0, class, 0, method], "{}", String::from_utf8_lossy(&arguments));
        arguments
    }
}

/// Encodes a short string: at most 255 bytes, after their length.
///
/// # Panics
/// If the text is longer.
#[must_use]
pub fn short(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).expect("short")], text].concat()
}

/// Encodes a long string: bytes after their length.
///
/// # Panics
/// If there are more than four GiB.
#[must_use]
pub fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).expect("small").to_be_bytes()[..], bytes].concat()
}

/// Encodes headers with `depth` nested tables (`F`) or lists (`A`).
#[must_use]
pub fn nested(depth: usize, kind: u8) -> Vec<u8> {
    let inside = (1..depth).fold(Vec::new(), |inside, _| match kind {
        b'F' => [&short(b"k")[..], b"F", &long(&inside)].concat(),
        _ => [&b"A"[..], &long(&inside)].concat(),
    });
    match kind {
        b'F' => long(&inside),
        _ => long(&[&short(b"k")[..], b"A", &long(&inside)].concat()),
    }
}

/// Returns the broker's process ids of the connections to the world's virtual host. Empty without
/// `rabbitmqctl`.
pub async fn connections(world: &World) -> Vec<String> {
    let list = ["--quiet", "list_connections", "vhost", "pid"];
    let list = crate::rabbitmqctl(&list).await.unwrap_or_default();
    let own = list.lines().filter(|line| line.starts_with(world.virtual_host()));
    let mut own: Vec<_> = own.map(str::to_owned).collect();
    own.sort_unstable();
    own
}
