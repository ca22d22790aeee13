//! Version caps and targets as types: what the compiler knows of a client.

use std::fmt::Debug;

use rpc_idl::{Interface, Version};

use crate::{AddressFn, Client};

/// Names a generated interface in types. `#[rpc_api]` implements it.
pub trait Api: Debug + Send + Sync + 'static {
    /// The generated client.
    type Client<C: Cap, T: Target>: std::ops::Deref<Target = Client<Self, C, T>>;
    /// The marker of the newest version.
    type Latest: Pinned<Api = Self>;
    /// The interface as data.
    const INTERFACE: &'static Interface<'static>;
    /// What makes topic and host of a key, if the interface says so.
    const ADDRESS: Option<AddressFn> = None;

    /// Makes a generated client of its options.
    fn client<C: Cap, T: Target>(client: Client<Self, C, T>) -> Self::Client<C, T>;
}

/// A client's version cap: a pinned version, [`Negotiated`], or [`Unchecked`].
pub trait Cap: Debug + Send + Sync + 'static {}

/// A version cap that the compiler knows, such as `scheduler::V3_5`.
pub trait Pinned: Cap {
    /// The interface that this is a version of.
    type Api: Api;
    /// The version.
    const VERSION: Version;
}

#[diagnostic::do_not_recommend]
impl<P: Pinned + Debug + Send + Sync + 'static> Cap for P {}

/// A cap that is known only at run time. Newer methods do not compile until [`Client::narrow`] has proven the cap.
#[derive(Clone, Copy, Debug)]
pub enum Negotiated {}

/// A cap that is known only at run time and judged at each send, as the original library does: everything compiles,
/// and what goes beyond the cap is [`CallError::VersionCap`](crate::CallError::VersionCap) before anything leaves.
#[derive(Clone, Copy, Debug)]
pub enum Unchecked {}

impl Cap for Negotiated {}
impl Cap for Unchecked {}

/// Whom a client's requests are for: [`AnyHost`], [`OneHost`] or [`EveryHost`].
pub trait Target: Debug + Send + Sync + 'static {}

/// Any one server of the topic.
#[derive(Clone, Copy, Debug)]
pub enum AnyHost {}

/// The server on the host that `prepare().server(…)` named.
#[derive(Clone, Copy, Debug)]
pub enum OneHost {}

/// Every server of the topic, after `prepare().fanout()`. Such a client can only cast.
#[derive(Clone, Copy, Debug)]
pub enum EveryHost {}

impl Target for AnyHost {}
impl Target for OneHost {}
impl Target for EveryHost {}

/// Targets of which one server answers. Needed by every call.
#[diagnostic::on_unimplemented(
    message = "this method is a call, but this client casts to every server",
    label = "a fanned-out client offers casts only",
    note = "make the call on a client without `.fanout()`"
)]
pub trait Answers: Target {}

#[diagnostic::do_not_recommend]
impl Answers for AnyHost {}
#[diagnostic::do_not_recommend]
impl Answers for OneHost {}

/// Targets that name a host. Needed by methods marked `#[rpc(host)]`.
#[diagnostic::on_unimplemented(
    message = "this method is for one host, but this client does not name one",
    label = "for which host?",
    note = "name the host first: `client.prepare().server(host)`"
)]
pub trait NamesHost: Target {}

#[diagnostic::do_not_recommend]
impl NamesHost for OneHost {}

/// Targets that do not name a host. Needed by methods marked `#[rpc(fanout)]`, which go to every server.
#[diagnostic::on_unimplemented(
    message = "this method goes to every server, but this client names a host",
    label = "always a fanout cast",
    note = "make the cast on a client without `.server(…)`"
)]
pub trait NotOneHost: Target {}

#[diagnostic::do_not_recommend]
impl NotOneHost for AnyHost {}
#[diagnostic::do_not_recommend]
impl NotOneHost for EveryHost {}

/// What decides whether a request may be sent twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retry {
    /// A request that surely did not leave is sent when the connection is back; one that may have left is not
    /// repeated. The default of methods that are not marked `#[rpc(idempotent)]`.
    #[default]
    Unsent,
    /// A request that may have left is repeated, too, with the same id: a server of this library runs it once if
    /// both copies reach it, but two servers of one topic may each run one. The default of idempotent methods.
    Ambiguous,
    /// Nothing is sent later than at once: without a connection the request fails.
    Never,
}
