//! The macros of `rpc-runtime`. Depend on that crate, which re-exports them.

mod expand;
#[cfg(test)]
mod golden;
mod notification;
mod remote_error;
mod unset;
mod versioned_object;

use proc_macro::TokenStream;

/// Generates a typed client and a server from a trait.
///
/// ```text
/// #[rpc_api(topic = "cinder-scheduler", version = "3.12")]
/// pub trait Scheduler {
///     /// No return type: a cast.
///     async fn create_volume(
///         &self,
///         ctx: Context,
///         volume: Volume,
///         #[arg(since = "3.10")] backup_id: Option<Uuid>,
///     );
///     /// A return type: a call.
///     #[rpc(since = "3.8", timeout = "5s")]
///     async fn get_pools(
///         &self,
///         ctx: Context,
///         filters: Option<Filters>,
///     ) -> Result<Vec<Pool>, SchedulerError>;
/// }
/// ```
///
/// The macro generates `SchedulerClient`, `SchedulerServer<impl Scheduler>`, and a module
/// `scheduler` with the version markers `V3_0` … `V3_12`, the traits `AtLeastV3_1` …, and the
/// interface as data, `INTERFACE`.
///
/// Implementors write `async fn`. `&self` comes first, then the context, then the arguments, by
/// their names on the wire.
///
/// # On the trait
/// - `topic = "…"` (this or the next is required): the routing key that its servers listen on
/// - `topic = runtime`: only a caller knows the topic, and passes it to `Client::on_topic`
/// - `version = "MAJOR.MINOR"` (required): the version that this definition describes
/// - `exchange = "…"`: the control exchange; default: the transport's
/// - `namespace = "…"`: the namespace that requests carry; default: no namespace
/// - `legacy_namespaces = ["…", None]`: further namespaces that its servers accept; `None` stands
///   for a request without a namespace
/// - `since = "3.4"`: the oldest version that a client can be capped at; default: the first
/// - `send = "3.0"`: the version that requests carry; default: the lowest that has what a request
///   uses
/// - `previous(version = "5.13", send = "5.0")`: the previous major, which its servers still
///   accept, and which its clients can be capped at
/// - `aliases(wallaby = "6.0", "2023.1" = "6.2")`: names that an operator may pin instead of a
///   version: `Interface::pin`, `SharedCap`
/// - `address = path`: a function, `AddressFn`, that derives topic and host from a key and the cap;
///   hosts are keys then
/// - `mock`, `mock(test)`: also generates a mock, always or under a `cfg`: see `rpc_runtime::mock`
/// - `crate = ::path`: the runtime's path; default: `::rpc_runtime`
///
/// # On a method: `#[rpc(…)]`
/// - `since = "3.8"`: the version that added it; default: the first, `MAJOR.0`
/// - `send = "3.0"`: the version that its requests carry, whatever they use, because deployed
///   servers expect it
/// - `name = "…"`: its name on the wire
/// - `before("3.3", name = "…", send = "3.0")`: under a cap below 3.3, requests carry the old name
///   and that version; servers accept both names; may be repeated
/// - `before("4.3", rewrite = path)`: under a cap below 4.3, that function writes its arguments:
///   `fn(Request, &A, &B, …) -> Request`, with all arguments of the method's own version
/// - `alias = "…"`, `alias = ["…", "…"]`: further names under which servers run it
/// - `fanout`: always a cast to every server
/// - `host`: callable only on a client that names a host: `client.prepare().server(host)`
/// - `host = "backup.host"`: sends the request to the host that this expression over the arguments
///   yields, unless the client names one
/// - `topic = "…"`, `topic_since = "6.5"`: its own topic, used from that cap on, unless the client
///   names one
/// - `cast`: a cast although it returns something, so that a server can log its error
/// - `call`: a call although it returns nothing: its caller waits until it has run
/// - `either`: a call, and a cast through a second stub: `stop(…)` and `stop_cast(…)`
/// - `timeout = "5s"`: its own default timeout: `ms`, `s`, `m` or `h`, or a path to a `Duration`
///   that each call reads
/// - `monitor = "60s"`: its own default for `prepare().monitor(…)`: how long its server may be
///   silent, at least two seconds
/// - `extra = "ignore"`: its servers ignore unknown arguments; default: `"refuse"`
/// - `expected(NotFound, "Conflict")`: the classes of errors that are expected outcomes, which
///   servers log quietly; they log others as errors; default: all that it declares
/// - `idempotent`: may be sent again, and run again, after a lost connection left open whether it
///   ran
/// - `ack = "late"`: acknowledged after it has run, so it runs at least once; default: `"early"`: a
///   call runs at most once, a cast at most once on each server
/// - `manual`: not a request, but a method of the client with the body written here, over
///   `self.prepare()`; it also takes `since`
///
/// # On an argument: `#[arg(…)]`
/// - `since = "3.10"`: the version that added it; it is a setter of the request instead of a
///   parameter
/// - `or = "drop"`: a client whose cap is not proven (`unchecked`) omits it under an older cap;
///   default: `"error"`: the client does not send the request, unless the value is nothing or the
///   `default`
/// - `required`: with `since` and `or`: a parameter all the same, because current servers reject a
///   request without it; `or` says what happens under an older cap
/// - `name = "…"`: its name on the wire
/// - `default`, `default = expr`: the value that a server uses if the peer did not send one
/// - `with = path`: the module whose `serialize` and `deserialize` write and read it, like serde's
///   `with`
/// - `before("3.5", name = "…", with = path)`: under a cap below 3.5, it has its old name, and the
///   form that `fn(&T) -> U` returns; servers accept the old name, too; may be repeated
/// - `until = "3.6"`, `value = expr`: not sent from that cap on; with `value`, the caller does not
///   give it
/// - `route`: serves only the method's `host = "…"`: not sent, and not an argument of the server's
///   method
/// - `constant = expr`: always sent with this value, and not a parameter of the stub; with `since`,
///   only from that cap on
/// - `rest`: a map that stands for all arguments that are not named here
#[proc_macro_attribute]
pub fn rpc_api(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::rpc_api(attribute.into(), item.into()).into()
}

/// Makes an error type cross the wire: each variant of an enum is a class in a Python module.
///
/// - `#[remote(module = "cinder.exception")]`, on the enum or a variant: the module of the classes
/// - `#[remote(class = "…")]`, on a variant: the class; default: the variant's name
/// - `#[remote(other)]`, on one variant with one field of type `Failure`: receives every failure of
///   another class. A server's refusal with proof is a variant of `CallError` instead
/// - `#[remote(name = "…")]`, on a named field: its keyword
/// - `#[remote(default)]`, on a field: its type's default is used if the peer did not send it
///
/// Named fields are the exception's keyword arguments, unnamed ones its positional arguments. The
/// message is the error's `Display` text, so the type must implement `Display`.
#[proc_macro_derive(RemoteError, attributes(remote))]
pub fn derive_remote_error(item: TokenStream) -> TokenStream {
    remote_error::derive(item.into()).into()
}

/// Makes a struct a class of versioned objects. Its named fields are the class's fields.
///
/// ```text
/// #[leave_out_unset]
/// #[derive(Serialize, Deserialize, VersionedObject)]
/// #[object(namespace = "cinder", version = "1.9")]
/// struct Volume {
///     id: String,
///     status: Field<Option<String>>,
/// }
/// ```
///
/// - `namespace = "…"` (required): the project that the class belongs to
/// - `version = "MAJOR.MINOR"` (required): the version of the class that the fields describe
/// - `name = "…"`: the class; default: the struct's name
/// - `prefix = "…"`: the prefix of the members' names; default: `versioned_object`
/// - `crate = ::path`: the runtime's path; default: `::rpc_runtime`
///
/// Serde decides the names and forms of the fields, so the struct also derives `Serialize` and
/// `Deserialize`.
#[proc_macro_derive(VersionedObject, attributes(object))]
pub fn derive_versioned_object(item: TokenStream) -> TokenStream {
    versioned_object::derive(item.into()).into()
}

/// Makes a type the payload of notifications of one event type.
///
/// ```text
/// #[notification(event_type = "volume.create.end", priority = "info")]
/// #[derive(Serialize, Deserialize)]
/// struct VolumeCreated {
///     volume_id: Uuid,
///     size: u64,
/// }
/// ```
///
/// - `event_type = "…"` (required): the event type
/// - `priority = "info"`: one of `audit`, `debug`, `info`, `warn`, `error`, `critical`, `sample`;
///   default: `info`
/// - `crate = ::path`: the runtime's path; default: `::rpc_runtime`
///
/// A notifier requires the type's `Serialize`, a listener its `Deserialize`.
#[proc_macro_attribute]
pub fn notification(attribute: TokenStream, item: TokenStream) -> TokenStream {
    notification::notification(attribute.into(), item.into()).into()
}

/// Makes serde omit the unset fields of a struct: those whose type is spelled `Field<…>`.
///
/// The attribute stands above the derives. It adds
/// `#[serde(default, skip_serializing_if = "Field::is_unset")]` to each such field.
/// `crate = ::path` is the runtime's path, if that is not `::rpc_runtime`.
#[proc_macro_attribute]
pub fn leave_out_unset(attribute: TokenStream, item: TokenStream) -> TokenStream {
    unset::leave_out(attribute.into(), item.into()).into()
}
