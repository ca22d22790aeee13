//! Mocks: clients for the tests of whoever calls an interface, without a broker.
//!
//! `#[rpc_api(…, mock)]` makes one beside the client: `SchedulerMock` for the trait `Scheduler`. It answers what it was told
//! to, notes what it was asked, and says what was not as expected. Requests are written and read as on the wire, so that
//! versions, caps and types are what they are with a broker.
//!
//! ```
//! use rpc_runtime::{Context, rpc_api};
//!
//! #[rpc_api(topic = "stock", version = "1.1", mock)]
//! trait Stock {
//!     async fn count(&self, ctx: Context, item: String) -> u32;
//!     #[rpc(since = "1.1")]
//!     async fn reserve(&self, ctx: Context, item: String, #[arg(default)] for_whom: Option<String>);
//! }
//!
//! /// What is to be tested.
//! async fn buy(stock: &StockClient, item: &str) -> bool {
//!     let ctx = Context::new();
//!     let is_there = stock.count(&ctx, item).await.is_ok_and(|count| count > 0);
//!     is_there && stock.reserve(&ctx, item, "alice").await.is_ok()
//! }
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! let stock = StockMock::new();
//! stock.on_count(|_, item| if item == "bolt" { 3 } else { 0 }).times(2);
//! stock.on_reserve(|_, _, _| {}).times(1);
//! assert!(buy(&stock.client(), "bolt").await);
//! assert!(!buy(&stock.client(), "nut").await);
//!
//! stock.verify();
//! let reserved = stock.calls_of("reserve");
//! assert_eq!(reserved[0].arg::<String>("for_whom").as_deref(), Some("alice"));
//! # }
//! ```

use std::{
    cell::Cell,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context as TaskContext, Poll},
};

use rpc_idl::{Interface, Version};
use serde::de::DeserializeOwned;

use crate::{
    Api, Args, Dispatch, Failure, Service, Transport,
    dispatch::{self, AnyService},
    envelope::Request,
    json,
    pending::Route,
    sync::lock,
    transport::in_process::Witness,
};

/// The module of the failure that answers a request for which a mock has no answer.
const MODULE: &str = "rpc_runtime.mock";

/// What a generated mock is made of: its answers, and the calls that it has got.
pub struct Mock<A>(Arc<Inner<A>>);

struct Inner<A> {
    answers: A,
    calls: Arc<Calls>,
}

#[derive(Default)]
struct Calls(Mutex<Vec<RecordedCall>>);

impl<A> Mock<A> {
    /// Makes a mock of these answers.
    #[must_use]
    pub fn new(answers: A) -> Self {
        Self(Arc::new(Inner { answers, calls: Arc::default() }))
    }

    /// Returns its answers.
    #[must_use]
    pub fn answers(&self) -> &A {
        &self.0.answers
    }

    /// Returns what it was asked so far, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<RecordedCall> {
        lock(&self.0.calls.0).clone()
    }

    /// Returns what it was asked of one method, by its name on the wire.
    #[must_use]
    pub fn calls_of(&self, method: &str) -> Vec<RecordedCall> {
        let calls = self.calls().into_iter();
        calls.filter(|call| call.method == method).collect()
    }

    /// Returns a transport over which every client calls `service`, while this mock notes it.
    #[must_use]
    pub fn transport<I: Api, S: Send + Sync + 'static>(&self, service: Service<I, S>) -> Transport
    where
        Service<I, S>: Dispatch<I>,
    {
        let witness: Arc<dyn Witness> = Arc::clone(&self.0.calls) as _;
        Transport::instead_of_a_broker(Arc::new(Answering(service)), Some(witness))
    }

    /// Checks that methods were called as often as expected, and that no call went without an answer.
    ///
    /// # Panics
    /// If not. It says what was wrong.
    #[track_caller]
    pub fn verify(&self, methods: &[(&str, &dyn Counted)]) {
        let mut wrong = Vec::new();
        for (name, counted) in methods {
            let (called, expected) = counted.counts();
            if let Some(expected) = expected.filter(|expected| *expected != called) {
                wrong.push(format!(
                    "`{name}` was called {called} times, and expected {expected} times"
                ));
            }
            let unanswered = counted.unanswered();
            if unanswered > 0 {
                wrong.push(format!("`{name}` was called {unanswered} times without an answer"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("; "));
    }
}

impl<A: Default> Default for Mock<A> {
    fn default() -> Self {
        Self::new(A::default())
    }
}

impl<A> Clone for Mock<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A> fmt::Debug for Mock<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mock").field("calls", &self.calls()).finish_non_exhaustive()
    }
}

/// A call or cast that a mock has got.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RecordedCall {
    /// The method's name on the wire.
    pub method: String,
    /// The version that the request carried.
    pub version: Option<Version>,
    /// The exchange that it was sent to.
    pub exchange: String,
    /// Its routing key: the topic, or the topic, a dot and the host; empty for a fanout cast.
    pub routing_key: String,
    /// Whether somebody waits for an answer.
    pub is_call: bool,
    /// The arguments as JSON, by their names on the wire.
    args: Vec<(String, String)>,
}

impl RecordedCall {
    /// Reads an argument by its name on the wire. `None` if it was not sent, or is no `T`.
    #[must_use]
    pub fn arg<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let (_, value) = self.args.iter().find(|(own, _)| own == name)?;
        json::from_str(value).ok()
    }

    /// Returns the names of the arguments, in the order in which they were sent.
    pub fn arg_names(&self) -> impl Iterator<Item = &str> {
        self.args.iter().map(|(name, _)| name.as_str())
    }
}

impl Witness for Calls {
    fn hear(&self, route: &Route, request: &Request<'_>) {
        let args = request.args().unwrap_or_default().into_iter();
        lock(&self.0).push(RecordedCall {
            method: request.method().unwrap_or_default().into_owned(),
            version: request.version().and_then(|version| version.parse().ok()),
            exchange: route.exchange.name().to_owned(),
            routing_key: route.routing_key.to_string(),
            is_call: request.caller().is_some(),
            args: args.map(|(name, value)| (name.into_owned(), value.to_owned())).collect(),
        });
    }
}

/// What a mock does for one method: a function `F` of the user's, such as `dyn FnMut(Context, u32) -> u32 + Send`.
pub struct Answer<F: ?Sized>(Mutex<Told<F>>);

struct Told<F: ?Sized> {
    called: usize,
    unanswered: usize,
    expected: Option<usize>,
    answer: Option<Box<F>>,
}

impl<F: ?Sized> Answer<F> {
    /// Sets what is done from now on.
    pub fn set(&self, answer: Box<F>) -> Expectation<'_>
    where
        F: Send,
    {
        let before = lock(&self.0).answer.replace(answer);
        // Its destructor is the user's, and may ask the mock.
        drop(before);
        Expectation(self)
    }

    /// Does it. Without an answer it never ends, and the mock says why in its place.
    pub async fn answer<R>(&self, call: impl FnOnce(&mut F) -> R) -> R {
        let returned = {
            let mut told = lock(&self.0);
            told.called += 1;
            let returned = told.answer.as_mut().map(|answer| call(answer));
            told.unanswered += usize::from(returned.is_none());
            returned
        };
        match returned {
            Some(returned) => returned,
            None => {
                UNANSWERED.set(true);
                std::future::pending().await
            }
        }
    }
}

impl<F: ?Sized> Default for Answer<F> {
    fn default() -> Self {
        let told = Told { called: 0, unanswered: 0, expected: None, answer: None };
        Self(Mutex::new(told))
    }
}

impl<F: ?Sized> fmt::Debug for Answer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("called", &self.counts().0).finish_non_exhaustive()
    }
}

/// What is expected of a method.
#[derive(Debug)]
pub struct Expectation<'m>(&'m dyn Counted);

impl Expectation<'_> {
    /// Expects so many calls until the mock is verified. Default: any number.
    pub fn times(self, calls: usize) {
        self.0.expect(calls);
    }
}

/// How often a method was called, and how often that is expected.
pub trait Counted: fmt::Debug {
    /// Returns both.
    fn counts(&self) -> (usize, Option<usize>);

    /// Returns how many calls found no answer.
    fn unanswered(&self) -> usize;

    /// Expects so many calls.
    fn expect(&self, calls: usize);
}

impl<F: ?Sized> Counted for Answer<F> {
    fn counts(&self) -> (usize, Option<usize>) {
        let told = lock(&self.0);
        (told.called, told.expected)
    }

    fn unanswered(&self) -> usize {
        lock(&self.0).unanswered
    }

    fn expect(&self, calls: usize) {
        lock(&self.0).expected = Some(calls);
    }
}

thread_local! {
    /// Whether the method that is being polled has no answer.
    static UNANSWERED: Cell<bool> = const { Cell::new(false) };
}

/// A service of answers: where there is none, the caller is told.
struct Answering<S>(S);

impl<S: AnyService> AnyService for Answering<S> {
    fn interface(&self) -> &'static Interface<'static> {
        self.0.interface()
    }

    fn run<'a>(&'a self, args: Args<'a>) -> dispatch::Running<'a> {
        let method = args.method();
        Box::pin(Watched { running: self.0.run(args), method })
    }
}

struct Watched<'a> {
    running: dispatch::Running<'a>,
    method: &'a str,
}

impl Future for Watched<'_> {
    type Output = dispatch::Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Self::Output> {
        UNANSWERED.set(false);
        let polled = self.running.as_mut().poll(cx);
        if polled.is_pending() && UNANSWERED.take() {
            let message = format!("the mock has no answer for `{}`", self.method);
            return Poll::Ready(Err(Failure::of(&message, MODULE, "NoAnswer")));
        }
        polled
    }
}
