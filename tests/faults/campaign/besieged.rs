//! The server of the siege, which counts how often it ran each number, and clients that check each
//! answer.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use rpc_runtime::{CallError, CallResult, Context, rpc_api};

use tests::Log;

use crate::scene::SLACK;

/// Requests of every sort.
#[rpc_api(topic = "besieged", version = "1.0")]
pub(super) trait Besieged {
    /// Answers; acknowledged before the method runs.
    async fn early(&self, ctx: Context, number: u64) -> u64;
    /// The same, and may be repeated.
    #[rpc(idempotent)]
    async fn early_again(&self, ctx: Context, number: u64) -> u64;
    /// Answers; acknowledged after the reply.
    #[rpc(ack = "late")]
    async fn late(&self, ctx: Context, number: u64) -> u64;
    /// The same, and may be repeated.
    #[rpc(ack = "late", idempotent)]
    async fn late_again(&self, ctx: Context, number: u64) -> u64;
    /// Runs at most once.
    async fn note(&self, ctx: Context, number: u64);
    /// Runs at least once.
    #[rpc(ack = "late")]
    async fn note_late(&self, ctx: Context, number: u64);
}

/// Returns the answer to a number. No other number has a similar one.
pub(super) fn answer(number: u64) -> u64 {
    number.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23)
}

/// How often each number ran, and on which server. Each server has a handle.
#[derive(Clone)]
pub(super) struct Runs {
    counts: Arc<[AtomicU8]>,
    /// Each run of a number that may run at most once: the number, the server, the time.
    once: Log<(u64, usize, Instant)>,
    server: usize,
}

impl Runs {
    pub(super) fn of(numbers: u64) -> Self {
        Self {
            counts: (0..numbers).map(|_| Default::default()).collect(),
            once: Log::default(),
            server: 0,
        }
    }

    /// Returns the second server's handle.
    pub(super) fn second(&self) -> Self {
        Self { server: 1, ..self.clone() }
    }

    fn place(&self, number: u64) -> &AtomicU8 {
        &self.counts[usize::try_from(number).expect("a number of this campaign")]
    }

    pub(super) fn count(&self, number: u64) -> u8 {
        self.place(number).load(Ordering::Acquire)
    }

    /// Returns numbers that ran more often than their sort allows, each with its servers and times.
    pub(super) fn repeated(&self) -> BTreeMap<u64, Vec<(usize, Instant)>> {
        let mut runs = BTreeMap::<_, Vec<_>>::new();
        for (number, server, at) in self.once.events() {
            runs.entry(number).or_default().push((server, at));
        }
        runs.retain(|_, runs| runs.len() > 1);
        runs
    }

    /// Runs a number that may run at most once.
    async fn once(&self, number: u64) -> u64 {
        self.once.push((number, self.server, Instant::now()));
        self.run(number).await
    }

    /// Runs a number. One in four takes a moment, so that some method is always running.
    async fn run(&self, number: u64) -> u64 {
        self.place(number).fetch_add(1, Ordering::AcqRel);
        if number.is_multiple_of(4) {
            tokio::time::sleep(Duration::from_millis(number % 29)).await;
        }
        answer(number)
    }
}

impl Besieged for Runs {
    async fn early(&self, _: Context, number: u64) -> u64 {
        self.once(number).await
    }

    async fn early_again(&self, _: Context, number: u64) -> u64 {
        self.run(number).await
    }

    async fn late(&self, _: Context, number: u64) -> u64 {
        self.run(number).await
    }

    async fn late_again(&self, _: Context, number: u64) -> u64 {
        self.run(number).await
    }

    async fn note(&self, _: Context, number: u64) {
        self.once(number).await;
    }

    async fn note_late(&self, _: Context, number: u64) {
        self.run(number).await;
    }
}

/// A sort of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Early,
    EarlyAgain,
    Late,
    LateAgain,
    Cast,
    LateCast,
}

impl Sort {
    /// Returns the sort of call for a number.
    pub(super) fn call(number: u64) -> Self {
        [Self::Early, Self::EarlyAgain, Self::Late, Self::LateAgain][(number % 4) as usize]
    }

    /// Whether a request of this sort may run at most once.
    pub(super) fn is_once(self) -> bool {
        matches!(self, Self::Early | Self::Cast)
    }

    pub(super) fn is_call(self) -> bool {
        !matches!(self, Self::Cast | Self::LateCast)
    }
}

/// How a request ended.
pub(super) struct Ended {
    pub(super) number: u64,
    pub(super) sort: Sort,
    pub(super) at: Instant,
    pub(super) begun: Instant,
    pub(super) timeout: Duration,
    /// `None` if the request succeeded.
    pub(super) error: Option<CallError>,
}

impl Ended {
    /// Returns a label for the outcome.
    pub(super) fn kind(&self) -> &'static str {
        match &self.error {
            None => "well",
            Some(CallError::DeadlineExceeded { sent: true, .. }) => "DeadlineExceeded, sent",
            Some(CallError::DeadlineExceeded { .. }) => "DeadlineExceeded, not sent",
            Some(CallError::Interrupted) => "Interrupted",
            Some(CallError::Unroutable { .. }) => "Unroutable",
            Some(CallError::NoConsumer { .. }) => "NoConsumer",
            Some(CallError::Refused) => "Refused",
            Some(CallError::Unavailable(_)) => "Unavailable",
            Some(CallError::Failure(_)) => "Failure",
            Some(other) => panic!("request {}: {other:?}", self.number),
        }
    }

    /// Returns how much later than its deadline the request ended.
    pub(super) fn lateness(&self) -> Duration {
        (self.at - self.begun).saturating_sub(self.timeout)
    }
}

/// Makes one request, and checks the value that it returns.
pub(super) async fn request(
    client: &BesiegedClient,
    sort: Sort,
    number: u64,
    timeout: Duration,
) -> Ended {
    let begun = Instant::now();
    let client = client.prepare().timeout(timeout).client();
    let ctx = Context::new();
    let made = async {
        match sort {
            Sort::Early => client.early(&ctx, number).await,
            Sort::EarlyAgain => client.early_again(&ctx, number).await,
            Sort::Late => client.late(&ctx, number).await,
            Sort::LateAgain => client.late_again(&ctx, number).await,
            Sort::Cast => accepted(client.note(&ctx, number).await, number),
            Sort::LateCast => accepted(client.note_late(&ctx, number).await, number),
        }
    };
    let ended = tokio::time::timeout(timeout + SLACK, made).await;
    let ended = ended.unwrap_or_else(|_| panic!("{sort:?} {number} has not ended by its deadline"));
    let at = Instant::now();
    let error = match ended {
        Ok(value) => {
            assert_eq!(value, answer(number), "the answer to another request");
            None
        }
        Err(error) => Some(error),
    };
    Ended { number, sort, at, begun, timeout, error }
}

fn accepted(confirmed: CallResult<()>, number: u64) -> CallResult<u64> {
    confirmed.map(|()| answer(number))
}
