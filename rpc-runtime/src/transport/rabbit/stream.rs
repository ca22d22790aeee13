//! Where a server reads on in the stream that fanout casts come by.
//!
//! A stream keeps what has been read, so the reader says where to begin: at the end for a server that starts, so that
//! nothing is run that was said before it was there, and after what has been taken care of for one that comes back.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::StreamExt as _;
use lapin::{
    BasicProperties,
    types::{AMQPValue, FieldTable},
};
use tokio::time::timeout;

use super::amqp::{Connection, Fault};

/// The header that says where in the stream a message is.
const OFFSET: &str = "x-stream-offset";
/// How long it may take until a lost connection is noticed, at the most.
const UNNOTICED: Duration = Duration::from_secs(60);

/// How long the broker may take for the next message of a stream's last chunk.
const LAST_CHUNK_PAUSE: Duration = Duration::from_millis(100);
/// The number of messages of that chunk that are looked at.
const LAST_CHUNK_PREFETCH: u16 = 10_000;

/// What has been read of one stream.
#[derive(Default)]
pub(super) struct Reading(Mutex<State>);

#[derive(Default)]
struct State {
    /// What has come and is not taken care of.
    open: BTreeSet<i64>,
    last: Option<i64>,
    /// Whether the next message is the first of a consumer.
    is_fresh: bool,
    /// The first offset behind all messages that are older than the first consumer, where known.
    begin: Option<i64>,
    /// When the first consumer began, and when it had ended.
    first: (Option<SystemTime>, Option<SystemTime>),
    /// Since when everything may be new, if offsets mean nothing any more.
    since: Option<SystemTime>,
}

impl State {
    /// Returns where to read on.
    fn position(&self) -> AMQPValue {
        let next = self.open.first().copied().or(self.last.map(|last| last.saturating_add(1)));
        let next = next.or(self.begin);
        match (self.since, next, self.first) {
            (Some(since), ..) => time(since),
            (None, Some(offset), _) => AMQPValue::LongLongInt(offset),
            // Nothing came until the connection was lost, and the stream was empty before. So any
            // time from the beginning to then will do. One in the middle allows for clocks that
            // differ.
            (None, None, (Some(began), Some(ended))) => {
                let lived = ended.duration_since(began).unwrap_or_default();
                time(began + lived.saturating_sub(UNNOTICED) / 2)
            }
            _ => AMQPValue::LongString("next".into()),
        }
    }
}

impl Reading {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The arguments of a consumer that reads on.
    ///
    /// What was not taken care of comes again, and maybe some of what was: the server knows those by their ids.
    pub(super) fn resume(&self) -> FieldTable {
        let mut state = self.lock();
        state.is_fresh = true;
        let mut arguments = FieldTable::default();
        arguments.insert(OFFSET.into(), state.position());
        arguments
    }

    /// A consumer of `stream` has begun. Behind the first one, the end of the stream is looked up:
    /// if the connection is lost before a message comes, the next consumer begins there. A time
    /// would do only to the second.
    pub(super) async fn began(&self, connection: &Arc<Connection>, stream: &str) {
        if self.lock().first.0.is_some() {
            return;
        }
        // If the connection is lost meanwhile, only the time is known.
        let last = last_offset(connection, stream).await.unwrap_or_default();
        self.begin(last);
    }

    fn begin(&self, last: Option<i64>) {
        let mut state = self.lock();
        state.begin = last.map(|last| last.saturating_add(1));
        state.first.0 = Some(SystemTime::now());
    }

    /// A consumer has ended, with its connection.
    pub(super) fn ended(&self) {
        self.lock().first.1.get_or_insert_with(SystemTime::now);
    }

    /// The stream itself went: what comes is from a new one, or from a copy of it.
    pub(super) fn moved(&self) {
        let since = Some(SystemTime::now() - Duration::from_secs(5));
        *self.lock() = State { since, ..State::default() };
    }

    /// A message came. Returns where it is.
    pub(super) fn read(&self, properties: &BasicProperties) -> Option<i64> {
        let offset = offset(properties)?;
        let mut state = self.lock();
        if std::mem::take(&mut state.is_fresh) {
            // They come in order: what was open before this one is not there any more.
            state.open = state.open.split_off(&offset);
            state.since = None;
        }
        state.open.insert(offset);
        state.last = state.last.max(Some(offset));
        Some(offset)
    }

    /// A message has been taken care of.
    pub(super) fn done(&self, offset: i64) {
        self.lock().open.remove(&offset);
    }
}

/// Returns where in its stream a message is.
fn offset(properties: &BasicProperties) -> Option<i64> {
    match properties.headers().as_ref()?.inner().get(OFFSET)? {
        AMQPValue::LongLongInt(offset) => Some(*offset),
        _ => None,
    }
}

/// Returns the offset of a stream's last message, by reading the last chunk. `None`: the stream is
/// empty. RabbitMQ reports no number of messages of a stream.
async fn last_offset(connection: &Arc<Connection>, stream: &str) -> Result<Option<i64>, Fault> {
    let channel = connection.channel().await?;
    channel.qos(LAST_CHUNK_PREFETCH).await?;
    let mut arguments = FieldTable::default();
    arguments.insert(OFFSET.into(), AMQPValue::LongString("last".into()));
    let mut chunk = channel.consume(stream, "last", false, arguments).await?;
    let mut last = None;
    while let Ok(Some(message)) = timeout(LAST_CHUNK_PAUSE, chunk.next()).await {
        last = last.max(offset(&message.properties));
    }
    channel.close().await;
    Ok(last)
}

fn time(time: SystemTime) -> AMQPValue {
    AMQPValue::Timestamp(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(offset: i64) -> BasicProperties {
        let mut headers = FieldTable::default();
        headers.insert(OFFSET.into(), AMQPValue::LongLongInt(offset));
        BasicProperties::default().with_headers(headers)
    }

    fn from(reading: &Reading) -> AMQPValue {
        reading.resume().inner().get(OFFSET).cloned().expect("an argument")
    }

    #[test]
    fn a_reader_begins_at_the_end_and_reads_on_after_what_is_done() {
        let reading = Reading::default();
        assert_eq!(from(&reading), AMQPValue::LongString("next".into()));
        for offset in [7, 8, 9] {
            assert_eq!(reading.read(&message(offset)), Some(offset));
        }
        reading.done(7);
        reading.done(9);
        assert_eq!(from(&reading), AMQPValue::LongLongInt(8), "8 is still to be done");
        reading.read(&message(8));
        reading.done(8);
        assert_eq!(from(&reading), AMQPValue::LongLongInt(10));
    }

    #[test]
    fn attempts_that_fail_change_nothing() {
        let reading = Reading::default();
        from(&reading);
        reading.begin(None);
        for offset in [7, 8] {
            reading.read(&message(offset));
        }
        reading.ended();
        for _ in 0..3 {
            assert_eq!(from(&reading), AMQPValue::LongLongInt(7));
        }
        // The broker has thrown 7 away meanwhile.
        reading.read(&message(8));
        reading.done(8);
        assert_eq!(from(&reading), AMQPValue::LongLongInt(9));
    }

    #[test]
    fn a_reader_that_has_read_nothing_goes_on_from_before_it_was_cut_off() {
        let reading = Reading::default();
        from(&reading);
        let before = SystemTime::now() - Duration::from_secs(1);
        reading.begin(None);
        reading.ended();
        for _ in 0..3 {
            let AMQPValue::Timestamp(at) = from(&reading) else { panic!("no time") };
            let began = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
            let earliest = before.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
            assert!((earliest..=began).contains(&at));
        }
    }

    #[test]
    fn a_reader_that_has_read_nothing_goes_on_behind_what_was_there_before() {
        let reading = Reading::default();
        from(&reading);
        reading.begin(Some(41));
        reading.ended();
        assert_eq!(from(&reading), AMQPValue::LongLongInt(42));
        reading.read(&message(42));
        reading.done(42);
        assert_eq!(from(&reading), AMQPValue::LongLongInt(43));
        reading.moved();
        assert!(matches!(from(&reading), AMQPValue::Timestamp(1..)), "it is another stream");
    }

    #[test]
    fn a_reader_that_has_read_nothing_allows_for_clocks_that_differ() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        for (lived, position) in [(0, 1000), (60, 1000), (100, 1020), (3600, 2770)] {
            let first = (Some(at(1000)), Some(at(1000 + lived)));
            let state = State { first, ..State::default() };
            assert_eq!(state.position(), AMQPValue::Timestamp(position), "after {lived} s");
        }
    }

    #[test]
    fn what_is_still_open_counts_until_the_stream_is_past_it() {
        let reading = Reading::default();
        for offset in [3, 4, 5] {
            reading.read(&message(offset));
        }
        reading.done(4);
        assert_eq!(from(&reading), AMQPValue::LongLongInt(3));
        // It comes again from there on, with what is open still open.
        reading.read(&message(3));
        reading.done(3);
        assert_eq!(from(&reading), AMQPValue::LongLongInt(5));
        reading.read(&message(5));
        reading.read(&message(6));
        [5, 6].into_iter().for_each(|offset| reading.done(offset));
        assert_eq!(from(&reading), AMQPValue::LongLongInt(7));
    }

    #[test]
    fn offsets_of_a_stream_that_went_mean_nothing() {
        let reading = Reading::default();
        reading.read(&message(500));
        reading.moved();
        assert!(matches!(from(&reading), AMQPValue::Timestamp(1..)));
        let AMQPValue::Timestamp(since) = from(&reading) else { panic!("until something comes") };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        assert!(
            (now - 60..=now - 4).contains(&since),
            "a little before it went: {since}, now {now}"
        );
        reading.read(&message(0));
        reading.done(0);
        assert_eq!(from(&reading), AMQPValue::LongLongInt(1));
    }

    #[test]
    fn a_message_of_another_queue_has_no_offset() {
        assert_eq!(Reading::default().read(&BasicProperties::default()), None);
    }
}
