//! The calls of one client, and what holds for every client version.

use std::collections::{BTreeMap, BTreeSet};

use rpc_runtime::{Interface, Kind, Version};
use serde_json::Value;
use tests::comparable::sorted;

use crate::{
    drive::{End, Returned, Sent, Step},
    received::{Place, Received},
};

/// The calls of a capped client, and the requests that arrived.
pub(crate) struct Run {
    interface: &'static Interface<'static>,
    pub(crate) cap: Version,
    pub(crate) steps: Vec<Step>,
    pub(crate) end: End,
    pub(crate) received: Vec<Received>,
    places: Vec<Place>,
}

impl Run {
    pub(crate) fn new(
        interface: &'static Interface<'static>,
        cap: Version,
        steps: &[Step],
        end: &End,
        places: &[Place],
    ) -> Self {
        let name = cap.to_string();
        let steps = steps.iter().filter(|step| step.cap == name).cloned().collect();
        let (end, places) = (end.clone(), places.to_vec());
        Self { interface, cap, steps, end, received: Vec::new(), places }
    }

    /// Adds the requests that arrived.
    pub(crate) fn with(mut self, received: &[Received]) -> Self {
        let cap = self.cap.to_string();
        self.received = received.iter().filter(|one| one.cap == cap).cloned().collect();
        self
    }

    /// Returns the number of requests that have to arrive.
    pub(crate) fn expected(&self) -> usize {
        self.sent().map(|(_, sent)| self.listeners(sent)).sum()
    }

    fn sent(&self) -> impl Iterator<Item = (&Step, &Sent)> {
        self.steps.iter().filter_map(|step| Some((step, step.sent.as_ref()?)))
    }

    /// Returns how many servers have to receive a request.
    fn listeners(&self, sent: &Sent) -> usize {
        if sent.fanout { self.places.iter().filter(|place| hears(place, sent)).count() } else { 1 }
    }

    /// Checks that each request arrived at the right servers, as it was sent, that its reply was
    /// returned, and that nothing else arrived.
    pub(crate) fn assert_all_arrived(&self) {
        for (step, sent) in self.sent() {
            self.assert_arrived(&step.step, sent, step.answer.as_ref());
        }
        assert_eq!(self.received.len(), self.expected(), "something arrived that was not sent");
    }

    fn assert_arrived(&self, name: &str, sent: &Sent, answer: Option<&Returned>) {
        let arrived: Vec<_> = self.received.iter().filter(|one| one.step == name).collect();
        let what = format!("{name} of {}", self.cap);
        assert_eq!(arrived.len(), self.listeners(sent), "{what} arrived as {arrived:?}");
        let places: BTreeSet<_> = arrived.iter().map(|one| &one.at).collect();
        assert_eq!(places.len(), arrived.len(), "{what} came twice to one server: {places:?}");
        for one in arrived {
            self.assert_request(&what, sent, one);
            self.assert_arguments(&what, sent, one);
            if let Some(answer) = answer.filter(|_| sent.awaited && !sent.converted) {
                assert_eq!(sorted(&answer.value), sorted(&one.reply), "what {what} returned");
            }
        }
    }

    /// Checks that the interface gives methods and arguments the same versions as Cinder's API,
    /// except methods that the API calls regardless of the cap.
    pub(crate) fn assert_dated(&self, unasked: &[&str]) {
        for step in &self.steps {
            let (what, name) = (format!("{} of {}", step.step, self.cap), &step.call);
            match &step.sent {
                Some(sent) => self.assert_known(&what, sent, unasked),
                None => {
                    let method = self.interface.method(name).expect(name);
                    assert!(method.since > self.cap, "{what} was refused");
                }
            }
        }
    }

    /// Checks that a request has this version, and all arguments that existed by then.
    fn assert_known(&self, what: &str, sent: &Sent, unasked: &[&str]) {
        let method = self.interface.method(&sent.method).expect(what);
        let is_unasked = unasked.contains(&method.name);
        assert!(method.since <= self.cap || is_unasked, "{what} was not refused");
        assert_eq!(method.kind == Kind::Fanout, sent.fanout, "whether {what} is a fanout cast");
        assert!(method.kind == Kind::Call || !sent.awaited, "{what} is a call");
        for parameter in method.parameters {
            let name = parameter.name;
            let is_sent = parameter.names().any(|name| sent.args.contains_key(name));
            let since = parameter.since.unwrap_or(method.since);
            assert!(!is_sent || since <= self.cap || is_unasked, "{name} of {what} was sent");
            let is_later = parameter.since.is_some() && since <= self.cap;
            assert!(!is_later || is_sent, "{name} of {what} was not sent");
        }
    }

    /// Checks that every method of the API was called, and that its version is the interface's.
    pub(crate) fn assert_complete(&self) {
        let called: BTreeSet<_> = self.steps.iter().map(|step| &step.call).collect();
        assert_eq!(called, self.end.methods.iter().collect(), "the methods of Cinder's API");
        let version = self.interface.version.to_string();
        assert_eq!(self.end.newest, version, "the version of Cinder's API");
    }

    /// Returns the methods of the interface that no call used.
    pub(crate) fn unused(&self) -> Vec<&'static str> {
        let all = self.interface.methods.iter().map(|method| method.name);
        all.filter(|name| self.received.iter().all(|one| one.method != *name)).collect()
    }

    /// Returns the calls that the API refused by raising `class`. Fails if a call was neither sent
    /// nor refused.
    pub(crate) fn refused(&self, class: &str) -> Vec<&str> {
        let refused = self.steps.iter().filter(|step| step.sent.is_none());
        let of_class = refused.filter(|step| match &step.error {
            Some(error) => error.class == class,
            None => panic!("{} of {} was not refused", step.step, self.cap),
        });
        of_class.map(|step| step.step.as_str()).collect()
    }

    /// Returns the calls that were sent and failed, with Python's exception.
    pub(crate) fn failed(&self) -> Vec<(&str, &str, &str)> {
        let failed = self.sent().filter_map(|(step, _)| Some((step, step.error.as_ref()?)));
        failed.map(|(step, error)| (&*step.step, &*error.class, &*error.text)).collect()
    }

    /// Returns the calls that returned a value, with its type.
    pub(crate) fn answered(&self) -> Vec<(&str, &str)> {
        let answered = self.steps.iter().filter_map(|step| Some((step, step.answer.as_ref()?)));
        let kinds = answered.map(|(step, answer)| (&*step.step, &*answer.kind));
        kinds.filter(|(_, kind)| *kind != "NoneType").collect()
    }

    fn assert_request(&self, what: &str, sent: &Sent, one: &Received) {
        assert!(hears(&one.at, sent), "{what} went to {}, and came to {:?}", sent.to, one.at);
        let method = self.interface.method(&sent.method).map(|method| method.name);
        assert_eq!(Some(&*one.method), method, "the method of {what}");
        assert_eq!(one.ctx.deadline().is_some(), sent.awaited, "whether {what} is a call");
        assert_eq!(one.ctx.user_id().as_deref(), Some("alice"), "the user of {what}");
        assert_eq!(one.ctx.project_id().as_deref(), Some("héron"), "the project of {what}");
        assert_eq!(one.ctx.roles(), ["member"], "the roles of {what}");
    }

    /// Checks that arguments arrived as they were sent, under their current names, and that all
    /// others are null or false.
    fn assert_arguments(&self, what: &str, sent: &Sent, one: &Received) {
        let method = self.interface.method(&sent.method).expect(what);
        let known = |name: &str| method.parameter(name).map(|parameter| parameter.name);
        let args = sent.args.iter().map(|(name, value)| (known(name).expect(what), value));
        let args: BTreeMap<_, _> = args.collect();
        for (name, value) in &args {
            assert_eq!(one.args.get(*name).map(sorted), Some(sorted(value)), "{name} of {what}");
        }
        for (name, value) in &one.args {
            let is_nothing = matches!(value, Value::Null | Value::Bool(false));
            assert!(is_nothing || args.contains_key(&**name), "{name} of {what} is {value}");
        }
    }
}

/// Whether a server receives a request: through its topic or, unless it is a fanout cast, through
/// its host.
fn hears(place: &Place, sent: &Sent) -> bool {
    let Place { topic, host, .. } = place;
    *topic == sent.to || !sent.fanout && format!("{topic}.{host}") == sent.to
}
