//! A request while it is written: a method, its arguments, its context, in the form that the client's cap asks for.

use std::{any::Any, fmt, sync::Arc, time::Duration};

use rpc_idl::Version;
use serde::Serialize;
use uuid::Uuid;

use super::Options;
use crate::{
    CallError, Transport,
    call::{Call, Cast, Ready},
    caps::Retry,
    context::deadline_of,
    envelope::{RequestWriter, Tail, write_context},
};

/// A request while a generated stub writes it: the method, then its arguments, then the context.
///
/// Everything is written into the message at once. What cannot be written or may not be sent shows when the request
/// is awaited.
#[must_use = "a request does nothing until it is awaited"]
pub struct Request {
    pub(super) transport: Transport,
    pub(super) options: Arc<Options>,
    pub(super) method: &'static str,
    pub(super) writer: RequestWriter,
    /// The lowest version that has the method and every argument set so far.
    pub(super) needed: Version,
    /// The version that the message carries. `None`: the one that is needed.
    pub(super) sent_as: Option<Version>,
    pub(super) fanout: bool,
    /// The host that the arguments say.
    pub(super) host: Option<Arc<str>>,
    pub(super) timeout: Option<Duration>,
    pub(super) monitor: Option<Duration>,
    pub(super) retry: Retry,
    pub(super) error: Option<CallError>,
}

impl Request {
    /// Says that the method came with this minor version.
    pub fn since(mut self, minor: u64) -> Self {
        let since = Version::new(self.needed.major(), minor);
        if since > self.needed {
            self.needed = since;
        }
        self
    }

    /// Says that the message carries this minor version, whatever is needed: what deployed servers expect.
    pub fn sent_as(mut self, minor: u64) -> Self {
        // What an old name was sent as counts more.
        self.sent_as.get_or_insert_with(|| Version::new(self.needed.major(), minor));
        self
    }

    /// Whether the cap is older than this minor version, so that something has to be as it was before.
    #[must_use]
    pub fn is_before(&self, minor: u64) -> bool {
        !self.options.cap.allows(&Version::new(self.needed.major(), minor))
    }

    /// Goes on with what `write` makes of it.
    pub fn with(self, write: impl FnOnce(Self) -> Self) -> Self {
        write(self)
    }

    /// Writes an argument in the form that it has since this minor version.
    pub fn arg_since<V: Serialize>(self, name: &str, minor: u64, value: V) -> Self {
        self.since(minor).arg(name, value)
    }

    /// Sets how long the method's server may be silent. Zero: as long as it likes.
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
        let mut context = Vec::new();
        if let Err(error) = write_context(ctx, &mut context) {
            self.error.get_or_insert(CallError::Encode(error));
        }
        let what = self.method;
        LaterRequest { request: self, context, inherited: deadline_of(ctx), what }
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
    inherited: Option<std::time::Instant>,
    /// What needs the version that the request has come to.
    what: &'static str,
}

impl LaterRequest {
    /// Writes an argument that came with this minor version.
    pub fn arg<V: Serialize>(mut self, name: &'static str, minor: u64, value: V) -> Self {
        let needed = Version::new(self.request.needed.major(), minor);
        if needed > self.request.needed {
            self.request.needed = needed;
            self.what = name;
        }
        self.request = self.request.arg(name, value);
        self
    }

    /// Writes an argument that came with this minor version, unless the cap is older.
    pub fn arg_or_drop<V: Serialize>(self, name: &'static str, minor: u64, value: V) -> Self {
        let needed = Version::new(self.request.needed.major(), minor);
        if self.request.options.cap.allows(&needed) { self.arg(name, minor, value) } else { self }
    }

    /// Whether the cap is older than this minor version, so that something has to be as it was before.
    #[must_use]
    pub fn is_before(&self, minor: u64) -> bool {
        self.request.is_before(minor)
    }

    /// Goes on with what `write` makes of it.
    pub fn with(self, write: impl FnOnce(Self) -> Self) -> Self {
        write(self)
    }

    /// Makes it a call.
    pub fn call<R, const IS_RESULT: bool>(self) -> Call<R, IS_RESULT> {
        let msg_id = Uuid::new_v4();
        Call::new(self.ready(Some(msg_id)))
    }

    /// Makes it a cast.
    pub fn cast(self) -> Cast {
        Cast::new(self.ready(None))
    }

    fn ready(self, msg_id: Option<Uuid>) -> Result<Ready, CallError> {
        let Self { request, context, inherited, what } = self;
        let options = &request.options;
        if let Some(error) = request.error {
            return Err(error);
        }
        if !options.cap.allows(&request.needed) {
            let what = if what == request.method {
                format!("`{what}`")
            } else {
                format!("`{}` of `{}`", what, request.method)
            };
            return Err(CallError::VersionCap {
                what,
                needed: request.needed,
                cap: options.cap.clone(),
            });
        }
        let unique_id = Uuid::new_v4();
        let monitor = options.monitor.or(request.monitor);
        let monitor = monitor.filter(|silence| msg_id.is_some() && !silence.is_zero());
        let tail = Tail {
            namespace: options.namespace.as_deref(),
            version: options
                .versioned
                .then_some(request.sent_as.as_ref().unwrap_or(&request.needed)),
            call: msg_id.map(|id| (id, request.transport.replies().queue())),
            monitor,
            unique_id,
            context: &context,
        };
        let body = request.writer.finish(&tail).map_err(CallError::Encode)?;
        let route = match request.host {
            _ if request.fanout => options.to_every_host(),
            Some(host) if options.host.is_none() && !options.fanout => options.to_host(&host),
            _ => options.route.clone(),
        };
        let timeout =
            options.timeout.or(request.timeout).unwrap_or_else(|| request.transport.timeout());
        let retry = options.retry.unwrap_or(request.retry);
        Ok(Ready {
            transport: request.transport,
            method: request.method,
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

impl fmt::Debug for LaterRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaterRequest").field("method", &self.request.method).finish_non_exhaustive()
    }
}
