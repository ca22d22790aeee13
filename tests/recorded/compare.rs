//! Compares what this library's client sends with what the Python client sent.

use std::{collections::BTreeSet, fmt::Debug, time::Duration};

use rpc_runtime::{
    AnyHost, Api, CallError, CallResult, Client, Context, Transport, Unchecked, Version,
};
use serde_json::Value;
use tests::{
    World,
    comparable::sorted,
    overheard::{Overheard, Request},
};

use crate::recording::{Inputs, Outcome, Sent, Step, read};

/// Makes the call of a step with this library's client.
pub(crate) trait Calls {
    type Api: Api;

    /// Makes the call that the Python client names `call`.
    async fn call(client: &Capped<Self::Api>, ctx: &Context, call: &str, given: &Inputs) -> Ended;
}

/// A client that has every method, and checks its cap with each call.
pub(crate) type Capped<A> = <A as Api>::Client<Unchecked, AnyHost>;

/// Whether a request was sent.
#[derive(Debug, PartialEq)]
pub(crate) enum Ended {
    Left,
    Refused,
}

/// Returns whether a request was sent. No server is bound, so no call is answered.
pub(crate) fn ended<T: Debug, E: Debug>(result: CallResult<T, E>) -> Ended {
    match result {
        Ok(_) | Err(CallError::Unroutable { .. }) => Ended::Left,
        Err(CallError::VersionCap { .. } | CallError::MissingHost { .. }) => Ended::Refused,
        Err(other) => panic!("neither sent nor refused: {other:?}"),
    }
}

/// An intended difference between the clients.
pub(crate) struct Difference {
    pub(crate) step: &'static str,
    /// The caps of the difference, both included.
    pub(crate) caps: (&'static str, &'static str),
    pub(crate) what: What,
}

#[derive(Debug, PartialEq)]
pub(crate) enum What {
    /// Only this library's request is sent; Python's client refuses it or fails.
    OnlyOurs,
    /// Only Python's request is sent; this library refuses it.
    OnlyTheirs,
}

/// Makes every call of a file under every cap of the interface, and checks that each request equals
/// the recorded one. All `differences` have to exist, and no others may.
pub(crate) async fn assert_equal<C: Calls>(file: &str, differences: &[Difference]) {
    let recording = read(file);
    let interface = <C::Api as Api>::INTERFACE;
    assert_eq!(recording.newest, interface.version.to_string(), "the newest version");
    let transport =
        World::memory().connect(|builder| builder.timeout(Duration::from_secs(60))).await;
    let mut heard = Overheard::on(&transport);
    let (mut compared, mut found, mut wrong) = (0, BTreeSet::new(), Vec::new());
    for step in &recording.steps {
        for cap in caps::<C::Api>() {
            let ours = make::<C>(&transport, &mut heard, step, cap).await;
            compared += 1;
            let what = difference(step.outcome(cap), ours.as_ref());
            let mut listed = differences.iter();
            let listed = listed.position(|one| one.step == step.name && within(one.caps, cap));
            match (what, listed) {
                (None, None) => {}
                (Some(what), Some(at)) if what.is(&differences[at].what) => {
                    found.insert(at);
                }
                (what, _) => {
                    let told = what.map_or_else(|| "no difference".to_owned(), |what| what.told());
                    wrong.push(format!("{} under {cap}: {told}", step.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
    let gone = differences.iter().enumerate().filter(|(at, _)| !found.contains(at));
    let gone: Vec<_> = gone.map(|(_, one)| one.step).collect();
    assert!(gone.is_empty(), "these differences do not exist: {gone:?}");
    println!("{file}: {compared} calls compared, {} known differences", differences.len());
}

/// Returns every possible cap of a client.
pub(crate) fn caps<A: Api>() -> impl Iterator<Item = Version> {
    let interface = A::INTERFACE;
    let majors = interface.previous.into_iter().chain([interface.version]);
    let all = majors.flat_map(|newest| {
        (0..=newest.minor()).map(move |minor| Version::new(newest.major(), minor))
    });
    all.filter(|cap| *cap >= interface.oldest)
}

fn within((first, last): (&str, &str), cap: Version) -> bool {
    let of = |text: &str| text.parse::<Version>().expect("a version");
    (of(first)..=of(last)).contains(&cap)
}

/// Makes a call. Returns its request, if one was sent.
async fn make<C: Calls>(
    transport: &Transport,
    heard: &mut Overheard,
    step: &Step,
    cap: Version,
) -> Option<Request> {
    let client = Client::<C::Api, <C::Api as Api>::Latest, AnyHost>::new(transport).unchecked(cap);
    let ended = C::call(&client, &Context::new(), &step.call, &step.inputs).await;
    let mut requests = heard.requests();
    let what = format!("{} under {cap}", step.name);
    assert_eq!(requests.len(), usize::from(ended == Ended::Left), "{what}: {requests:?}");
    requests.pop()
}

/// A difference between two outcomes, intended or not.
enum Found {
    /// With Python's exception.
    OnlyOurs(Option<String>),
    OnlyTheirs,
    Parts(Vec<(&'static str, String)>),
}

impl Found {
    /// Whether it is the listed difference. Requests that differ in parts are never listed.
    fn is(&self, what: &What) -> bool {
        match self {
            Self::OnlyOurs(_) => *what == What::OnlyOurs,
            Self::OnlyTheirs => *what == What::OnlyTheirs,
            Self::Parts(_) => false,
        }
    }

    fn told(&self) -> String {
        match self {
            Self::OnlyOurs(raised) => format!("only ours is sent, Python: {raised:?}"),
            Self::OnlyTheirs => "only Python's is sent".to_owned(),
            Self::Parts(parts) => format!("{parts:?}"),
        }
    }
}

fn difference(theirs: &Outcome, ours: Option<&Request>) -> Option<Found> {
    let (theirs, raised) = match theirs {
        Outcome::Sent { sent } => (sent.first(), None),
        Outcome::Refused { refused } => (None, Some(refused.class.clone())),
    };
    match (theirs, ours) {
        (None, None) => None,
        (None, Some(_)) => Some(Found::OnlyOurs(raised)),
        (Some(_), None) => Some(Found::OnlyTheirs),
        (Some(theirs), Some(ours)) => {
            let parts: Vec<_> = differing(theirs, ours).collect();
            (!parts.is_empty()).then_some(Found::Parts(parts))
        }
    }
}

/// Returns the parts in which two requests differ.
fn differing(theirs: &Sent, ours: &Request) -> impl Iterator<Item = (&'static str, String)> {
    let seconds = |seconds: Option<u64>| seconds.map_or(Value::Null, Into::into);
    let text = |text: Option<&str>| text.map_or(Value::Null, Into::into);
    let (exchange, key) = match (&theirs.server, theirs.fanout) {
        (_, true) => (format!("{}_fanout", theirs.topic), String::new()),
        (Some(server), false) => ("openstack".to_owned(), format!("{}.{server}", theirs.topic)),
        (None, false) => ("openstack".to_owned(), theirs.topic.clone()),
    };
    let is_call = ours.message.contains_key("_msg_id");
    let expires = ours.expiration.as_deref().and_then(|text| text.parse::<u64>().ok());
    // The rest of the time to live when the request is published.
    let timeout = expires.map(|milliseconds| milliseconds.div_ceil(1000));
    let kind = if is_call { "call" } else { "cast" };
    let pairs = [
        ("kind", theirs.kind.as_str().into(), kind.into()),
        ("method", theirs.method.as_str().into(), ours.method().into()),
        ("args", sorted(&theirs.args), sorted(ours.args())),
        ("version", text(theirs.version.as_deref()), text(ours.version())),
        ("namespace", text(theirs.namespace.as_deref()), text(ours.namespace())),
        ("exchange", exchange.into(), ours.exchange.as_str().into()),
        ("routing key", key.into(), ours.routing_key.as_str().into()),
        ("timeout", seconds(theirs.timeout), seconds(timeout)),
        (
            "monitor",
            seconds(theirs.monitor),
            ours.message.get("_timeout").cloned().unwrap_or_default(),
        ),
    ];
    let differing =
        pairs.into_iter().filter(|(_, theirs, ours): &(_, Value, Value)| theirs != ours);
    differing.map(|(part, theirs, ours)| (part, apart(&theirs, &ours)))
}

/// Describes how two values differ, briefly.
fn apart(theirs: &Value, ours: &Value) -> String {
    let (Value::Object(left), Value::Object(right)) = (theirs, ours) else {
        return format!("{theirs}, ours {ours}");
    };
    let names: BTreeSet<_> = left.keys().chain(right.keys()).collect();
    let differing = names.into_iter().filter(|name| left.get(*name) != right.get(*name));
    let differing = differing.map(|name| match (left.get(name), right.get(name)) {
        (Some(theirs), Some(ours)) => format!("{name}: {}", apart(theirs, ours)),
        (Some(theirs), None) => format!("{name}: {theirs}, ours has none"),
        (None, ours) => format!("{name}: none, ours {ours:?}"),
    });
    format!("{{{}}}", differing.collect::<Vec<_>>().join("; "))
}
