//! One connection through the proxy: a reader and a writer for each direction.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{
        mpsc::{self, UnboundedReceiver, UnboundedSender},
        watch,
    },
    time::{Instant, sleep_until},
};

use super::{
    Shared, Way,
    frame::{Cutter, Unit, method},
    link::{Conditions, Fate},
    rule::Action,
};
use crate::raw::short;

/// A part of the output in one direction.
pub(super) enum Chunk {
    Bytes(Vec<u8>, Instant),
    /// The sender has closed its side.
    End,
    Reset,
}

impl Chunk {
    pub(super) fn bytes(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes, Instant::now())
    }
}

/// The proxy's side of a connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) number: u64,
    /// The client's properties.
    label: Mutex<String>,
    pub(super) conditions: watch::Sender<[Conditions; 2]>,
    fate: watch::Sender<Fate>,
    pub(super) to: [UnboundedSender<Chunk>; 2],
}

/// The receiving ends of the output, one for each direction.
pub(super) type Outlets = [UnboundedReceiver<Chunk>; 2];

impl Link {
    pub(super) fn new(number: u64, conditions: [Conditions; 2]) -> (Arc<Self>, Outlets) {
        let ((up, to_broker), (down, to_client)) =
            (mpsc::unbounded_channel(), mpsc::unbounded_channel());
        let link = Self {
            number,
            label: Mutex::default(),
            conditions: watch::Sender::new(conditions),
            fate: watch::Sender::new(Fate::Live),
            to: [up, down],
        };
        (Arc::new(link), [to_broker, to_client])
    }

    pub(super) fn end(&self, fate: Fate) {
        self.fate.send_replace(fate);
    }

    pub(super) fn label(&self) -> String {
        self.label.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn fate(&self) -> Fate {
        let mut fate = self.fate.subscribe();
        fate.wait_for(|fate| *fate != Fate::Live).await.map_or(Fate::Close, |fate| *fate)
    }

    /// Waits until the conditions of one direction satisfy `is_so`.
    async fn until(&self, side: usize, is_so: impl Fn(&Conditions) -> bool) {
        let mut conditions = self.conditions.subscribe();
        // `self` holds the sender.
        let _ = conditions.wait_for(|both| is_so(&both[side])).await;
    }

    /// Writes nothing to a client, until it disconnects or this link's fate is set.
    pub(super) async fn hang(&self, mut client: TcpStream) {
        let mut sink = tokio::io::sink();
        let fate = tokio::select! {
            fate = self.fate() => fate,
            _ = tokio::io::copy(&mut client, &mut sink) => Fate::Close,
        };
        if fate != Fate::Close {
            let _ = client.set_zero_linger();
        }
    }

    /// Relays both directions, subject to rules and conditions.
    pub(super) async fn serve(
        self: &Arc<Self>,
        shared: &Shared,
        client: TcpStream,
        broker: TcpStream,
        outlets: Outlets,
    ) {
        let [to_broker, to_client] = outlets;
        let (mut from_client, mut client) = client.into_split();
        let (mut from_broker, mut broker) = broker.into_split();
        let both = async {
            tokio::join!(
                self.read(Way::Up, shared, &mut from_client),
                self.write(Way::Up, shared, to_broker, &mut broker),
                self.read(Way::Down, shared, &mut from_broker),
                self.write(Way::Down, shared, to_client, &mut client),
            )
        };
        let fate = tokio::select! {
            fate = self.fate() => fate,
            _ = both => Fate::Close,
        };
        if matches!(fate, Fate::Reset | Fate::Zombie) {
            let _ = client.as_ref().set_zero_linger();
            client.forget();
            drop(from_client);
        } else {
            drop((client, from_client));
        }
        match fate {
            Fate::Reset => {
                let _ = broker.as_ref().set_zero_linger();
                broker.forget();
            }
            Fate::Zombie => {
                let mut fate = self.fate.subscribe();
                // The proxy discards all that the broker still sends.
                let mut sink = tokio::io::sink();
                tokio::select! {
                    _ = tokio::io::copy(&mut from_broker, &mut sink) => {}
                    _ = fate.wait_for(|fate| *fate != Fate::Zombie) => {}
                }
            }
            Fate::Live | Fate::Close => {}
        }
    }

    async fn read(&self, way: Way, shared: &Shared, source: &mut OwnedReadHalf) {
        let (side, mut cutter) = (way.sides()[0], Cutter::new(way));
        let mut buffer = vec![0; 64 * 1024];
        loop {
            self.until(side, |now| !now.is_unread).await;
            let ended = match source.read(&mut buffer).await {
                Ok(0) => Chunk::End,
                Err(_) => Chunk::Reset,
                Ok(count) => {
                    for unit in cutter.feed(&buffer[..count]) {
                        self.pass(way, shared, unit);
                    }
                    continue;
                }
            };
            if let Some(rest) = cutter.rest() {
                self.send(way, rest.bytes);
            }
            let _ = self.to[side].send(ended);
            return;
        }
    }

    fn send(&self, way: Way, bytes: Vec<u8>) {
        // Fails only after the writer, and so the connection, has ended.
        let _ = self.to[way.sides()[0]].send(Chunk::bytes(bytes));
    }

    fn reset(&self, way: Way) {
        let _ = self.to[way.sides()[0]].send(Chunk::Reset);
    }

    /// Applies the rules to a frame.
    fn pass(&self, way: Way, shared: &Shared, unit: Unit) {
        if unit.name == "connection.start-ok" {
            *self.label.lock().unwrap_or_else(PoisonError::into_inner) =
                String::from_utf8_lossy(&unit.bytes).into_owned();
        }
        let verdict = shared.judge(way, &self.label(), &unit);
        shared.seen.note(way, unit.name);
        let Some((rule, action)) = verdict else { return self.send(way, unit.bytes) };
        let mut bytes = unit.bytes;
        match action {
            Action::Pass => self.send(way, bytes),
            Action::Drop => {}
            Action::Duplicate => {
                self.send(way, bytes.clone());
                self.send(way, bytes);
            }
            Action::Hold => rule.hold(self.to[way.sides()[0]].clone(), bytes),
            Action::Delay(by) => {
                let to = self.to[way.sides()[0]].clone();
                tokio::spawn(async move {
                    tokio::time::sleep(by).await;
                    let _ = to.send(Chunk::bytes(bytes));
                });
            }
            Action::Mutate(change) => {
                change(&mut bytes);
                self.send(way, bytes);
            }
            Action::Answer(answer) => self.send(way.back(), answer),
            Action::Refuse(code, text) => {
                let channel = u16::from_be_bytes([bytes[1], bytes[2]]);
                let reason = [&code.to_be_bytes()[..], &short(text.as_bytes()), &[0; 4]].concat();
                self.send(way.back(), method(channel, "channel.close", &reason));
            }
            Action::Append(more) => {
                self.send(way, bytes);
                self.send(way, more);
            }
            Action::ResetBefore => self.reset(way),
            Action::ResetAfter => {
                self.send(way, bytes);
                self.reset(way);
            }
            Action::Cut(at) => {
                bytes.truncate(at);
                self.send(way, bytes);
                self.reset(way);
            }
            Action::Stop => {
                self.conditions.send_modify(|both| both[way.sides()[0]].is_swallowed = true);
            }
        }
        rule.fire();
    }

    async fn write(
        &self,
        way: Way,
        shared: &Shared,
        mut chunks: UnboundedReceiver<Chunk>,
        target: &mut OwnedWriteHalf,
    ) {
        let side = way.sides()[0];
        let mut is_shut = false;
        loop {
            let chunk = tokio::select! {
                biased;
                () = self.until(side, |now| now.is_ended), if !is_shut => {
                    is_shut = true;
                    let _ = target.shutdown().await;
                    continue;
                }
                chunk = chunks.recv() => chunk,
            };
            self.until(side, |now| !now.is_kept || now.is_ended).await;
            if self.conditions.borrow()[side].is_swallowed {
                continue;
            }
            match chunk {
                Some(Chunk::Bytes(..)) if is_shut => {}
                Some(Chunk::Bytes(bytes, came)) => {
                    let (latency, jitter) = {
                        let now = &self.conditions.borrow()[side];
                        (now.latency, now.jitter)
                    };
                    if !latency.is_zero() || !jitter.is_zero() {
                        sleep_until(came + latency + jitter.mul_f64(shared.draw())).await;
                    }
                    if !self.put(side, &bytes, target).await {
                        return self.end(Fate::Reset);
                    }
                }
                Some(Chunk::End) => {
                    let _ = target.shutdown().await;
                    return;
                }
                Some(Chunk::Reset) => return self.end(Fate::Reset),
                None => return,
            }
        }
    }

    /// Writes under the conditions of this direction. Returns whether the connection continues.
    async fn put(&self, side: usize, mut bytes: &[u8], target: &mut OwnedWriteHalf) -> bool {
        while !bytes.is_empty() {
            let now = self.conditions.borrow()[side].clone();
            let size = now.allow(bytes.len());
            let (part, rest) = bytes.split_at(size);
            if size == 0 || target.write_all(part).await.is_err() {
                return false;
            }
            if let Some(bandwidth) = now.bandwidth {
                let takes = f64::from(u32::try_from(size).unwrap_or(u32::MAX))
                    / f64::from(u32::try_from(bandwidth.max(1)).unwrap_or(u32::MAX));
                tokio::time::sleep(Duration::from_secs_f64(takes)).await;
            }
            bytes = rest;
        }
        true
    }
}
