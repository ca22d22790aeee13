//! The macros of `rpc-runtime`, which re-exports them: depend on that crate.

mod expand;
#[cfg(test)]
mod golden;
mod notification;
mod remote_error;
mod unset;
mod versioned_object;

use proc_macro::TokenStream;

/// Makes a typed client and a server of a trait.
///
/// ```text
/// #[rpc_api(topic = "cinder-scheduler", version = "3.12")]
/// pub trait Scheduler {
///     /// No return type: a cast.
///     async fn create_volume(&self, ctx: Context, volume: Volume, #[arg(since = "3.10")] backup_id: Option<Uuid>);
///     /// A return type: a call.
///     #[rpc(since = "3.8", timeout = "5s")]
///     async fn get_pools(&self, ctx: Context, filters: Option<Filters>) -> Result<Vec<Pool>, SchedulerError>;
/// }
/// ```
///
/// From it come `SchedulerClient`, `SchedulerServer<impl Scheduler>`, and a module `scheduler` with the version
/// markers `V3_0` … `V3_12`, the traits `AtLeastV3_1` …, and the interface as data, `INTERFACE`.
///
/// Implementors write `async fn`. `&self` comes first, then the context, then the arguments, by their names on the
/// wire.
///
/// # On the trait
/// | Attribute | Meaning |
/// |---|---|
/// | `topic = "…"`, `topic = runtime` | the routing key that its servers listen on, or that only a caller knows it: `Client::on_topic`; required |
/// | `version = "MAJOR.MINOR"` | the version that this definition describes; required |
/// | `exchange = "…"` | the control exchange; default: the transport's |
/// | `namespace = "…"` | the namespace that requests carry; default: none |
/// | `legacy_namespaces = ["…", None]` | further namespaces that its servers take requests from; `None` is having none |
/// | `since = "3.4"` | the oldest version that a client can be capped at; default: the first |
/// | `send = "3.0"` | the version that requests carry; default: the lowest that has what they use |
/// | `previous(version = "5.13", send = "5.0")` | the major before, which its servers take, too, and its clients can be capped at |
/// | `aliases(wallaby = "6.0", "2023.1" = "6.2")` | names that an operator may pin in place of a version: `Interface::pin`, `SharedCap` |
/// | `address = path` | what makes topic and host of a key and of the cap: an `AddressFn`; hosts are keys then |
/// | `mock`, `mock(test)` | makes a mock, too, always or under a `cfg`: see `rpc_runtime::mock` |
/// | `crate = ::path` | where the runtime lives; default: `::rpc_runtime` |
///
/// # On a method: `#[rpc(…)]`
/// | Attribute | Meaning |
/// |---|---|
/// | `since = "3.8"` | the version that added it; default: the first, `MAJOR.0` |
/// | `send = "3.0"` | the version that its requests carry, whatever they use: what deployed servers expect |
/// | `name = "…"` | its name on the wire |
/// | `before("3.3", name = "…", send = "3.0")` | under a cap below 3.3 it goes by its old name, with that version; servers take both; may be repeated |
/// | `before("4.3", rewrite = path)` | under a cap below 4.3 that function writes its arguments: `fn(Request, &A, &B, …) -> Request`, with all that came with the method |
/// | `alias = "…"`, `alias = ["…", "…"]` | further names that its servers answer to |
/// | `fanout` | always a cast to every server |
/// | `host` | only on a client that names a host: `client.prepare().server(host)` |
/// | `host = "backup.host"` | goes to the host that an expression over the arguments says, unless the client names one |
/// | `topic = "…"`, `topic_since = "6.5"` | has a topic of its own, from that cap on, unless the client names one |
/// | `cast` | a cast although it returns something, so that a server can log its error |
/// | `call` | a call although it returns nothing: its caller waits until it has run |
/// | `either` | a call, and a cast by a second stub: `stop(…)` and `stop_cast(…)` |
/// | `timeout = "5s"` | its own default timeout: `ms`, `s`, `m` or `h`, or a path to a `Duration` read at each call |
/// | `monitor = "60s"` | its own default for `prepare().monitor(…)`: how long its server may be silent, two seconds at least |
/// | `extra = "ignore"` | its servers ignore arguments that they do not know; default: `"refuse"` |
/// | `expected(NotFound, "Conflict")` | the classes of its errors that are business, and logged quietly; others are logged as errors; default: all that it declares |
/// | `idempotent` | may be sent again, and run again, after a lost connection left open whether it ran |
/// | `ack = "late"` | acknowledged after it has run: it runs at least once; default: `"early"`: a call at most once, a cast at most once by each server |
/// | `manual` | no request, but a method of the client with the body that is written here, over `self.prepare()`; takes `since` besides |
///
/// # On an argument: `#[arg(…)]`
/// | Attribute | Meaning |
/// |---|---|
/// | `since = "3.10"` | the version that added it: a setter of the request instead of a parameter |
/// | `or = "drop"` | a client whose cap is not proven (`unchecked`) leaves it out where it came too late; default: `"error"`, the request is not sent unless the value is nothing, or the `default` |
/// | `required` | with `since` and `or`: a parameter all the same, because servers of today refuse a request without it; `or` says what becomes of it under any older cap |
/// | `name = "…"` | its name on the wire |
/// | `default`, `default = expr` | what a server takes where a peer does not send it |
/// | `with = path` | the module whose `serialize` and `deserialize` write and read it, as serde's `with` |
/// | `before("3.5", name = "…", with = path)` | under a cap below 3.5 it has its old name, and the form that `fn(&T) -> U` makes of it; servers take the old name, too; may be repeated |
/// | `until = "3.6"`, `value = expr` | not sent any more from that cap on; with `value`, its caller is not asked |
/// | `route` | only there for the method's `host = "…"`: not sent, and not among the server's arguments |
/// | `constant = expr` | always sent with this value, and no parameter of the stub; with `since`, only from that cap on |
/// | `rest` | a map that stands for all arguments without a name here |
#[proc_macro_attribute]
pub fn rpc_api(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::rpc_api(attribute.into(), item.into()).into()
}

/// Makes an error type cross the wire: each variant of an enum is a class in a module.
///
/// | Attribute | Where | Meaning |
/// |---|---|---|
/// | `#[remote(module = "cinder.exception")]` | the enum, or a variant | the module of the classes |
/// | `#[remote(class = "…")]` | a variant | the class; default: the variant's name |
/// | `#[remote(other)]` | one variant, with one field of type `Failure` | takes every failure of another class. A server's refusal with proof is a variant of `CallError` instead |
/// | `#[remote(name = "…")]` | a named field | its keyword |
/// | `#[remote(default)]` | a field | takes its default where a peer does not send it |
///
/// Named fields are the exception's keyword arguments, unnamed ones its positional arguments. The message is how the
/// error displays, so the type also implements `Display`.
#[proc_macro_derive(RemoteError, attributes(remote))]
pub fn derive_remote_error(item: TokenStream) -> TokenStream {
    remote_error::derive(item.into()).into()
}

/// Makes a struct a class of versioned objects: its named fields are the class's fields.
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
/// | Attribute | Meaning |
/// |---|---|
/// | `namespace = "…"` | the project that the class belongs to; required |
/// | `version = "MAJOR.MINOR"` | the version of the class that the fields describe; required |
/// | `name = "…"` | the class; default: the struct's name |
/// | `prefix = "…"` | what the members begin with; default: `versioned_object` |
/// | `crate = ::path` | where the runtime lives; default: `::rpc_runtime` |
///
/// Names and forms of the fields are serde's: the struct derives `Serialize` and `Deserialize`, too.
#[proc_macro_derive(VersionedObject, attributes(object))]
pub fn derive_versioned_object(item: TokenStream) -> TokenStream {
    versioned_object::derive(item.into()).into()
}

/// Makes a type what is told of one kind of event: the payload of its notifications.
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
/// | Attribute | Meaning |
/// |---|---|
/// | `event_type = "…"` | what happened |
/// | `priority = "info"` | how much it matters: `audit`, `debug`, `info`, `warn`, `error`, `critical`, `sample`; default: `info` |
/// | `crate = ::path` | where the runtime lives; default: `::rpc_runtime` |
///
/// A notifier needs the type's `Serialize`, a listener its `Deserialize`.
#[proc_macro_attribute]
pub fn notification(attribute: TokenStream, item: TokenStream) -> TokenStream {
    notification::notification(attribute.into(), item.into()).into()
}

/// Has serde leave out the fields of a struct that are unset: those whose type is spelled `Field<…>`.
///
/// It stands above the derives, and writes `#[serde(default, skip_serializing_if = "Field::is_unset")]` at each of them.
/// `crate = ::path` says where the runtime lives, if not at `::rpc_runtime`.
#[proc_macro_attribute]
pub fn leave_out_unset(attribute: TokenStream, item: TokenStream) -> TokenStream {
    unset::leave_out(attribute.into(), item.into()).into()
}
