//! What one client has called, and what has to be true of it whatever its version.

use std::collections::BTreeSet;

use rpc_runtime::{Interface, Kind};
use serde_json::Value;

use crate::{
    drive::{End, Returned, Sent, Step},
    received::{Place, Received},
};

/// The calls of a client that is capped at 3.`minor`, and what arrived of them.
pub(crate) struct Run {
    pub(crate) minor: u64,
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
    pub(crate) received: Vec<Received>,
    places: Vec<Place>,
}

impl Run {
    pub(crate) fn new(minor: u64, steps: &[Step], end: &End, places: &[Place]) -> Self {
        let cap = format!("3.{minor}");
        let steps = steps.iter().filter(|step| step.cap == cap).cloned().collect();
        Self { minor, steps, end: end.clone(), received: Vec::new(), places: places.to_vec() }
    }

    /// Notes what arrived of it.
    pub(crate) fn with(mut self, received: &[Received]) -> Self {
        let cap = format!("3.{}", self.minor);
        self.received = received.iter().filter(|one| one.cap == cap).cloned().collect();
        self
    }

    /// Returns how many requests have to arrive.
    pub(crate) fn expected(&self) -> usize {
        self.sent().map(|(_, sent)| self.listeners(sent)).sum()
    }

    fn sent(&self) -> impl Iterator<Item = (&Step, &Sent)> {
        self.steps.iter().filter_map(|step| Some((step, step.sent.as_ref()?)))
    }

    /// Returns how many servers have to get a request.
    fn listeners(&self, sent: &Sent) -> usize {
        if sent.fanout { self.places.iter().filter(|place| hears(place, sent)).count() } else { 1 }
    }

    /// Checks that each request arrived where it should, as it was sent, that its answer came back, and that nothing
    /// else arrived.
    pub(crate) fn assert_all_arrived(&self) {
        for (step, sent) in self.sent() {
            self.assert_arrived(&step.step, sent, step.answer.as_ref());
        }
        assert_eq!(self.received.len(), self.expected(), "something arrived that was not sent");
    }

    fn assert_arrived(&self, name: &str, sent: &Sent, answer: Option<&Returned>) {
        let arrived: Vec<_> = self.received.iter().filter(|one| one.step == name).collect();
        let what = format!("{name} of 3.{}", self.minor);
        assert_eq!(arrived.len(), self.listeners(sent), "{what} arrived as {arrived:?}");
        let places: BTreeSet<_> = arrived.iter().map(|one| &one.at).collect();
        assert_eq!(places.len(), arrived.len(), "{what} came twice to one server: {places:?}");
        for one in arrived {
            assert_request(&what, sent, one);
            assert_arguments(&what, sent, one);
            if let Some(answer) = answer.filter(|_| sent.awaited && !sent.converted) {
                assert_eq!(sorted(&answer.value), sorted(&one.reply), "what {what} returned");
            }
        }
    }

    /// Checks that `interface` dates methods and arguments as Cinder's API does.
    pub(crate) fn assert_dated(&self, interface: &Interface<'_>) {
        for step in &self.steps {
            let (what, name) = (format!("{} of 3.{}", step.step, self.minor), &step.call);
            match &step.sent {
                Some(sent) => self.assert_known(&what, sent, interface),
                None => {
                    let method = interface.method(name).expect(name);
                    assert!(method.since.minor() > self.minor, "{what} was refused");
                }
            }
        }
    }

    /// Checks that a request is one of this version, with all arguments that came until then.
    fn assert_known(&self, what: &str, sent: &Sent, interface: &Interface<'_>) {
        let method = interface.method(&sent.method).expect(what);
        assert!(method.since.minor() <= self.minor, "{what} was not refused");
        assert_eq!(method.kind == Kind::Fanout, sent.fanout, "whether {what} is a fanout cast");
        assert!(method.kind == Kind::Call || !sent.awaited, "{what} is a call");
        for parameter in method.parameters {
            let (name, is_sent) = (parameter.name, sent.args.contains_key(parameter.name));
            let since = parameter.since.unwrap_or(method.since).minor();
            assert!(!is_sent || since <= self.minor, "{name} of {what} was sent");
            let is_later = parameter.since.is_some() && since <= self.minor;
            assert!(!is_later || is_sent, "{name} of {what} was not sent");
        }
    }

    /// Checks that every method of the API was called, and that its version is ours.
    pub(crate) fn assert_complete(&self, interface: &Interface<'_>) {
        let called: BTreeSet<_> = self.steps.iter().map(|step| &step.call).collect();
        assert_eq!(called, self.end.methods.iter().collect(), "the methods of Cinder's API");
        assert_eq!(self.end.newest, interface.version.to_string(), "the version of Cinder's API");
    }

    /// Returns the methods of `interface` that nobody has asked for.
    pub(crate) fn unused<'i>(&self, interface: &Interface<'i>) -> Vec<&'i str> {
        let all = interface.methods.iter().map(|method| method.name);
        all.filter(|name| self.received.iter().all(|one| one.method != *name)).collect()
    }

    /// Returns the calls that the API refused by raising `class`. What is not sent has to be refused.
    pub(crate) fn refused(&self, class: &str) -> Vec<&str> {
        let refused = self.steps.iter().filter(|step| step.sent.is_none());
        let of_class = refused.filter(|step| match &step.error {
            Some(error) => error.class == class,
            None => panic!("{} of 3.{} was not refused", step.step, self.minor),
        });
        of_class.map(|step| step.step.as_str()).collect()
    }

    /// Returns the calls that were sent and failed, with what Python raised.
    pub(crate) fn failed(&self) -> Vec<(&str, &str, &str)> {
        let failed = self.sent().filter_map(|(step, _)| Some((step, step.error.as_ref()?)));
        failed.map(|(step, error)| (&*step.step, &*error.class, &*error.text)).collect()
    }

    /// Returns the calls that returned something, with its type.
    pub(crate) fn answered(&self) -> Vec<(&str, &str)> {
        let answered = self.steps.iter().filter_map(|step| Some((step, step.answer.as_ref()?)));
        let kinds = answered.map(|(step, answer)| (&*step.step, &*answer.kind));
        kinds.filter(|(_, kind)| *kind != "NoneType").collect()
    }
}

/// Whether a server listens where a request goes: on its topic or, unless it is for all, on that of its host.
fn hears(place: &Place, sent: &Sent) -> bool {
    let Place { topic, host, .. } = place;
    *topic == sent.to || !sent.fanout && format!("{topic}.{host}") == sent.to
}

fn assert_request(what: &str, sent: &Sent, one: &Received) {
    assert!(hears(&one.at, sent), "{what} went to {}, and came to {:?}", sent.to, one.at);
    assert_eq!(one.method, sent.method, "the method of {what}");
    assert_eq!(one.ctx.deadline().is_some(), sent.awaited, "whether {what} is a call");
    assert_eq!(one.ctx.user_id().as_deref(), Some("alice"), "the user of {what}");
    assert_eq!(one.ctx.project_id().as_deref(), Some("héron"), "the project of {what}");
    assert_eq!(one.ctx.roles(), ["member"], "the roles of {what}");
}

/// Checks that arguments arrived as they were sent, and that those that were not are what stands for nothing.
fn assert_arguments(what: &str, sent: &Sent, one: &Received) {
    for (name, value) in &sent.args {
        assert_eq!(one.args.get(name).map(sorted), Some(sorted(value)), "{name} of {what}");
    }
    for (name, value) in &one.args {
        let is_nothing = matches!(value, Value::Null | Value::Bool(false));
        assert!(is_nothing || sent.args.contains_key(name), "{name} of {what} is {value}");
    }
}

/// Brings into an order what has none: the names of the fields that an object's holder has changed.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(entries) => {
            entries.iter().map(|(key, value)| (key.clone(), changes(key, sorted(value)))).collect()
        }
        other => other.clone(),
    }
}

fn changes(key: &str, mut value: Value) -> Value {
    if let (true, Value::Array(names)) = (key.ends_with(".changes"), &mut value) {
        names.sort_by_key(Value::to_string);
    }
    value
}
