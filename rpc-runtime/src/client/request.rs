//! A request while it is written: a method, its arguments, its context, in the form that the client's cap asks for.

use std::{any::Any, fmt, sync::Arc, time::Duration};

use rpc_idl::Version;
use serde::{Serialize, ser::Error as _};

use super::Options;
use crate::{
    Address, CallError, Transport,
    call::{Call, Cast, Ready},
    caps::Retry,
    clock::Instant,
    context::deadline_of,
    envelope::{RequestWriter, Tail, write_context},
    ids::new_ids,
    json,
    pending::Route,
};

/// The shortest silence that a caller may limit its server to. A server of the original sends
/// heartbeats at half of the limit's whole seconds, and none below one second (wire: section 3.5).
const SHORTEST_MONITOR: Duration = Duration::from_secs(2);

/// The version of a request without one (wire: section 6.4).
const UNVERSIONED: Version = Version::new(1, 0);

/// What a method was called before a version, and the version that its requests carried, if not the lowest.
pub type NameBefore = ((u64, u64), &'static str, Option<(u64, u64)>);

/// A request while a generated stub writes it: the method, then its arguments, then the context.
///
/// Everything is written into the message at once. What cannot be written or may not be sent shows when the request
/// is awaited. Versions are told as `(major, minor)`.
#[must_use = "a request does nothing until it is awaited"]
pub struct Request {
    pub(super) transport: Transport,
    pub(super) options: Arc<Options>,
    /// The client's cap, as it was when the request began.
    pub(super) cap: Version,
    pub(super) method: &'static str,
    /// The method's name in the message.
    pub(super) name: &'static str,
    pub(super) writer: RequestWriter,
    /// The lowest version that has the method and every argument set so far.
    pub(super) needed: Version,
    /// The version that the message carries. `None`: the one that is needed.
    pub(super) sent_as: Option<Version>,
    pub(super) fanout: bool,
    /// The method's own topic, where it has that.
    pub(super) topic: Option<&'static str>,
    /// The host that the arguments say.
    pub(super) host: Option<Arc<str>>,
    pub(super) timeout: Option<Duration>,
    pub(super) monitor: Option<Duration>,
    pub(super) retry: Retry,
    pub(super) error: Option<CallError>,
}

impl Request {
    /// Says that the method came with this version.
    pub fn since(mut self, version: (u64, u64)) -> Self {
        self.needs(version);
        self
    }

    /// Notes what is needed. Returns whether that is more than before.
    fn needs(&mut self, (major, minor): (u64, u64)) -> bool {
        let version = Version::new(major, minor);
        let is_more = version > self.needed;
        if is_more {
            self.needed = version;
        }
        is_more
    }

    /// Says that a message of this major carries this version, whatever is needed: what deployed servers expect.
    pub fn sent_as(mut self, (major, minor): (u64, u64)) -> Self {
        // What an old name was sent as counts more, and a method's more than its interface's.
        if major == self.cap.major() {
            self.sent_as.get_or_insert(Version::new(major, minor));
        }
        self
    }

    /// Whether the cap is older than this version, so that something has to be as it was before.
    #[must_use]
    pub fn is_before(&self, (major, minor): (u64, u64)) -> bool {
        !self.options.interface.has(self.cap, Version::new(major, minor))
    }

    /// Goes on with what `write` makes of it.
    pub fn with(self, write: impl FnOnce(Self) -> Self) -> Self {
        write(self)
    }

    /// Writes an argument in the form that it has since this version.
    pub fn arg_since<V: Serialize>(self, name: &str, version: (u64, u64), value: V) -> Self {
        self.since(version).arg(name, value)
    }

    /// Writes an argument that came with this version, unless the cap is older.
    pub fn arg_or_drop<V: Serialize>(self, name: &str, version: (u64, u64), value: V) -> Self {
        if self.is_before(version) { self } else { self.arg_since(name, version, value) }
    }

    /// Writes each entry of a map as an argument. None of them may be called like one of `named`.
    pub fn rest<M: Serialize>(mut self, map: M, named: &[&str]) -> Self {
        if let Err(error) = self.write_rest(&map, named) {
            self.error.get_or_insert(CallError::Encode(error));
        }
        self
    }

    fn write_rest<M: Serialize>(
        &mut self,
        map: &M,
        named: &[&str],
    ) -> Result<(), serde_json::Error> {
        let text = json::text(map)?;
        let mut written = Ok(());
        json::object(&text, |name, value| {
            if written.is_err() {
                return;
            }
            written = if named.contains(&&*name) || matches!(&*name, "self" | "ctxt") {
                let message = format!("the argument `{name}` is one of the method's own");
                Err(serde_json::Error::custom(message))
            } else {
                self.writer.raw_arg(&name, value)
            };
        })?;
        written
    }

    /// Says that the method has a topic of its own from this version on, unless the client names one.
    pub fn topic(mut self, topic: &'static str, version: (u64, u64)) -> Self {
        if !self.options.is_topic_named && !self.is_before(version) {
            self.topic = Some(topic);
        }
        self
    }

    /// Sets how long the method's server may be silent, two seconds at least. Zero sets no limit.
    pub fn monitor(mut self, silence: Duration) -> Self {
        self.monitor = Some(silence);
        self
    }

    /// Sets the method's own timeout.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the request to every server, whatever the client's target.
    pub fn fanout(mut self) -> Self {
        self.fanout = true;
        self
    }

    /// Addresses the host that an argument says, unless the client names one itself.
    pub fn to_host(mut self, host: Option<Arc<str>>) -> Self {
        if host.is_none() && self.options.host.is_none() && !self.options.fanout {
            self.error.get_or_insert(CallError::MissingHost { method: self.method });
        }
        self.host = host;
        self
    }

    /// Says that running the method twice does no harm.
    pub fn idempotent(mut self) -> Self {
        self.retry = Retry::Ambiguous;
        self
    }

    /// Writes an argument.
    pub fn arg<V: Serialize>(mut self, name: &str, value: V) -> Self {
        if let Err(error) = self.writer.arg(name, &value) {
            self.error.get_or_insert(CallError::Encode(error));
        }
        self
    }

    /// Makes it a call.
    pub fn call<R, const IS_RESULT: bool>(
        self,
        ctx: &(impl Serialize + Any),
    ) -> Call<R, IS_RESULT> {
        self.later(ctx).call()
    }

    /// Makes it a cast.
    pub fn cast(self, ctx: &(impl Serialize + Any)) -> Cast {
        self.later(ctx).cast()
    }

    /// Writes the context, and leaves the arguments open for those that came in later versions.
    pub fn later<C: Serialize + Any>(mut self, ctx: &C) -> LaterRequest {
        // Room for what a service sends of its user: growing would cost more than all the rest of it.
        let mut context = Vec::with_capacity(256);
        if let Err(error) = write_context(ctx, &mut context) {
            self.error.get_or_insert(CallError::Encode(error));
        }
        match self.options.choice.as_ref().map(|choice| choice.choose(ctx)) {
            None | Some(Ok(None)) => {}
            Some(Ok(Some(transport))) => self.transport = transport,
            Some(Err(error)) => _ = self.error.get_or_insert(CallError::Unavailable(error)),
        }
        let what = self.method;
        LaterRequest { request: self, context, inherited: deadline_of(ctx), what }
    }

    /// Returns where it goes.
    fn route(&self) -> Route {
        let options = &*self.options;
        let said = self.host.as_ref().filter(|_| options.host.is_none());
        let is_plain = self.topic.is_none() && said.is_none() && !self.fanout;
        if is_plain && (options.address.is_none() || options.host.is_none()) {
            return options.route.clone();
        }
        let topic = self.topic.map_or_else(|| Arc::clone(&options.topic), Into::into);
        let key = options.host.as_ref().or(said).cloned();
        let Address { topic, host } = match (options.address, key) {
            (Some(address), Some(key)) => address(&topic, &key, self.cap),
            (_, host) => Address { topic, host },
        };
        if self.fanout || options.fanout {
            return options.to_every_host(&topic);
        }
        options.to_one(&topic, host.as_deref())
    }

    /// Returns the version that is lacking, if the cap does not allow what is needed.
    fn lacking(&self) -> Option<Version> {
        let interface = self.options.interface;
        let needed = self.needed.max(interface.oldest);
        (!interface.has(self.cap, needed)).then_some(needed)
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("method", &self.method).finish_non_exhaustive()
    }
}

/// A request whose later arguments may still be set.
#[must_use = "a request does nothing until it is awaited"]
pub struct LaterRequest {
    request: Request,
    context: Vec<u8>,
    inherited: Option<Instant>,
    /// What needs the version that the request has come to.
    what: &'static str,
}

impl LaterRequest {
    /// Says that the request is one of this version: older servers would miss something.
    pub fn since(mut self, version: (u64, u64)) -> Self {
        self.request.needs(version);
        self
    }

    /// Writes an argument that came with this version. Where the cap does not allow it, nothing (`None`, say) is left
    /// out, and anything else keeps the request from being sent.
    pub fn arg<V: Serialize>(mut self, name: &'static str, version: (u64, u64), value: V) -> Self {
        if self.is_before(version) && json::text(&value).is_ok_and(|text| text == "null") {
            return self;
        }
        if self.request.needs(version) {
            self.what = name;
        }
        self.request = self.request.arg(name, value);
        self
    }

    /// Writes an argument that came with this version, as [`arg`](Self::arg) does. Leaving it out is as good as
    /// `default`, since that is what servers take then: so where the cap does not allow it, that is left out, too.
    pub fn arg_or_default<V: Serialize, D: Serialize>(
        self,
        name: &'static str,
        version: (u64, u64),
        value: V,
        default: impl FnOnce() -> D,
    ) -> Self {
        if self.is_before(version) && is_same(&value, &default()) {
            return self;
        }
        self.arg(name, version, value)
    }

    /// Writes an argument that came with this version, unless the cap is older.
    pub fn arg_or_drop<V: Serialize>(
        self,
        name: &'static str,
        version: (u64, u64),
        value: V,
    ) -> Self {
        if self.is_before(version) { self } else { self.arg(name, version, value) }
    }

    /// Whether the cap is older than this version, so that something has to be as it was before.
    #[must_use]
    pub fn is_before(&self, version: (u64, u64)) -> bool {
        self.request.is_before(version)
    }

    /// Goes on with what `write` makes of it.
    pub fn with(self, write: impl FnOnce(Self) -> Self) -> Self {
        write(self)
    }

    /// Makes it a call.
    pub fn call<R, const IS_RESULT: bool>(self) -> Call<R, IS_RESULT> {
        Call::new(self.ready(true))
    }

    /// Makes it a cast.
    pub fn cast(self) -> Cast {
        Cast::new(self.ready(false))
    }

    fn ready(self, is_call: bool) -> Result<Ready, CallError> {
        let Self { request, context, inherited, what } = self;
        let options = &request.options;
        if let Some(error) = request.error {
            return Err(error);
        }
        if let Some(needed) = request.lacking() {
            let what = match what == request.method {
                true => format!("`{what}`"),
                false => format!("`{what}` of `{}`", request.method),
            };
            return Err(CallError::VersionCap { what, needed, cap: request.cap });
        }
        let route = request.route();
        let lowest = options.interface.lowest(request.cap, request.needed);
        let [unique_id, msg_id] = new_ids();
        let msg_id = is_call.then_some(msg_id);
        let monitor = options.monitor.or(request.monitor);
        let monitor = monitor.filter(|silence| msg_id.is_some() && !silence.is_zero());
        let monitor = monitor.map(|silence| silence.max(SHORTEST_MONITOR));
        let queue = msg_id.map(|_| request.transport.replies().queue());
        let tail = Tail {
            namespace: options.namespace.as_deref(),
            version: options.versioned.then(|| request.sent_as.unwrap_or(lowest)),
            call: msg_id.zip(queue.as_deref()),
            monitor,
            unique_id,
            context: &context,
        };
        let body = request.writer.finish(&tail).map_err(CallError::Encode)?;
        let timeout =
            options.timeout.or(request.timeout).unwrap_or_else(|| request.transport.timeout());
        let retry = options.retry.unwrap_or(request.retry);
        let version = tail.version.unwrap_or(UNVERSIONED);
        Ok(Ready {
            transport: request.transport,
            method: request.method,
            name: request.name,
            version,
            route,
            body,
            unique_id,
            msg_id,
            timeout,
            inherited,
            retry,
            monitor,
        })
    }
}

/// Whether two values are the same on the wire.
fn is_same(value: &impl Serialize, other: &impl Serialize) -> bool {
    let other = json::text(other);
    json::text(value).is_ok_and(|text| other.is_ok_and(|other| text == other))
}

impl fmt::Debug for LaterRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaterRequest").field("method", &self.request.method).finish_non_exhaustive()
    }
}
