//! What becomes of messages whose channel is gone.
//!
//! Some surely did not leave, and are sent again. Some may have left, and are sent again where that is harmless. And one may
//! be what made the broker close the channel: it would do so for ever.

use std::sync::Arc;

use super::{
    super::{
        amqp::Fault,
        homeless::Missing,
        queue::{Job, ReplyJob},
        session::{Fallen, Flight, Landing, Owner},
        suspects::Suspicion,
        topology::Cause,
    },
    Event, GRACE, Publisher, REBUILT,
};
use crate::{
    TransportError, TransportErrorKind,
    caps::Retry,
    pending::{Outcome, Outgoing},
};

/// A message over which the broker may have closed its channel. `left` says whether it may have left.
struct Accused {
    flight: Flight,
    fault: Fault,
    left: bool,
}

impl Publisher {
    /// Decides about messages whose channel is gone. What is sent again keeps its order.
    pub(super) fn fall(&mut self, mut fallen: Vec<Fallen>) {
        fallen.sort_unstable_by_key(|one| one.number);
        let (accused, others) = accuse(fallen);
        let trial = self.suspects.end_trial();
        match <[Accused; 1]>::try_from(accused) {
            Ok([one]) => self.convict(one, trial),
            Err(accused) => accused.into_iter().for_each(|one| self.suspect(one)),
        }
        // Each goes ahead of those that are there.
        for (flight, left) in others.into_iter().rev() {
            if left { self.lost(flight) } else { self.again(flight, false) }
        }
    }

    /// Queues a message again. `left` says whether it may have left before.
    pub(super) fn again(&mut self, flight: Flight, left: bool) {
        let job = match flight.owner {
            Owner::Request(request) if request.retry == Retry::Never => {
                request.end(Outcome::Unsent(crate::transport::disconnected(&self.observer)));
                return;
            }
            Owner::Request(request) => {
                request.put_back(flight.message, left);
                Job::Request(request)
            }
            Owner::Reply(rest) => Job::Reply(ReplyJob { message: flight.message, rest }),
        };
        self.queue.push_front(job);
    }

    /// Decides about a message that may have left without a confirm.
    fn lost(&mut self, flight: Flight) {
        match &flight.owner {
            _ if flight.may_be_repeated() => self.again(flight, true),
            Owner::Reply(_) => {}
            Owner::Request(call) if call.is_call => {
                self.later(GRACE, Event::GiveUp(Arc::clone(call)));
            }
            Owner::Request(hasty) if hasty.is_notification => {
                hasty.end(Outcome::Unsent(crate::transport::disconnected(&self.observer)));
            }
            Owner::Request(cast) => _ = cast.end(Outcome::Interrupted),
        }
    }

    /// Keeps a message until what it goes to is there again. `left` says whether it may have left before.
    pub(super) fn hold(&mut self, flight: Flight, missing: Missing, left: bool) {
        let Flight { owner: Owner::Request(request), message } = flight else {
            // The default exchange of replies cannot be missing.
            return self.again(flight, left);
        };
        if let Missing::Queue { key, .. } = &missing
            && request.retry == Retry::Never
        {
            let why = format!("the broker has no queue `{key}` at the moment");
            request.end(Outcome::Unsent(TransportError::new(TransportErrorKind::Refused, why)));
            return;
        }
        self.await_again(&missing);
        request.put_back(message, left);
        self.homeless.hold(&missing, request);
    }

    /// Lets what comes wait for something that is not there.
    fn await_again(&mut self, missing: &Missing) {
        if self.homeless.miss(missing) {
            self.later(REBUILT, Event::Rehouse(missing.clone()));
        }
    }

    /// Decides about the one message over which the broker has closed its channel. It was not routed.
    fn convict(&mut self, Accused { flight, fault, .. }: Accused, trial: Option<Suspicion>) {
        if let Some(missing) = missing(&fault, &flight.message) {
            return self.hold(flight, missing, false);
        }
        let Flight { owner, message } = flight;
        match owner {
            Owner::Reply(rest) => ReplyJob { message, rest }.refused(&fault),
            Owner::Request(request) => {
                let why = self.refusal(&fault, &message);
                // The first copy would have been refused in the same words.
                if let Some(trial) = trial.filter(|trial| *trial.words == *fault.words()) {
                    request.unrepeat(trial.was_repeated);
                }
                request.end(Outcome::Unsent(why));
            }
        }
    }

    /// Decides about one of several messages over which the broker may have closed their channel.
    fn suspect(&mut self, Accused { flight, fault, left }: Accused) {
        let may_be_repeated = !left || flight.may_be_repeated();
        if let Some(missing) = missing(&fault, &flight.message) {
            if may_be_repeated {
                return self.hold(flight, missing, left);
            }
            self.await_again(&missing);
            return self.lost(flight);
        }
        if !may_be_repeated {
            return self.lost(flight);
        }
        let Flight { owner, message } = flight;
        let mut suspicion = Suspicion { words: fault.words().into(), was_repeated: false };
        let job = match owner {
            // Nobody may publish there.
            Owner::Request(request) if request.is_notification && is_denied(&fault, &message) => {
                request.end(Outcome::Unsent(self.refusal(&fault, &message)));
                return;
            }
            Owner::Request(request) => {
                suspicion.was_repeated = request.is_repeated();
                request.put_back(message, left);
                Job::Request(request)
            }
            Owner::Reply(rest) => Job::Reply(ReplyJob { message, rest }),
        };
        self.suspects.push(job, suspicion);
    }

    /// Says why the broker takes no message like this.
    fn refusal(&self, fault: &Fault, message: &Outgoing) -> TransportError {
        let exchange = message.route.exchange.name();
        let (exchange_name, key) = (exchange.to_owned(), Arc::clone(&message.route.routing_key));
        let why = fault.clone();
        self.layout.quiet.defer(Cause::Refused, move |left_out| {
            let exchange = exchange_name;
            tracing::warn!(exchange, %key, fault = %why, left_out, "the broker refuses a message");
        });
        fault.caused(TransportErrorKind::Refused, format!("cannot publish to `{exchange}`"))
    }
}

impl Flight {
    /// Whether it may be sent again although it may have left: a caller ignores a second reply.
    fn may_be_repeated(&self) -> bool {
        match &self.owner {
            Owner::Reply(rest) => !rest.once,
            Owner::Request(request) => request.retry == Retry::Ambiguous,
        }
    }
}

/// Finds out over which messages the broker can have closed their channel. Of the others it says whether they may have left.
///
/// The broker reads a message to its end before it judges it. And if what it says names a place or a size, it means a message
/// of that.
fn accuse(fallen: Vec<Fallen>) -> (Vec<Accused>, Vec<(Flight, bool)>) {
    let left = |one: &Fallen| matches!(one.landing, Landing::Closed { left: true, .. });
    let one_left = fallen.iter().any(left);
    let suspected = |one: &Fallen| match &one.landing {
        Landing::Closed { fault, left } => {
            (*left || !one_left).then(|| is_named(fault, &one.flight.message))
        }
        _ => None,
    };
    let one_is_named = fallen.iter().any(|one| suspected(one) == Some(true));
    let (mut accused, mut others) = (Vec::new(), Vec::new());
    for one in fallen {
        let is_accused = suspected(&one).is_some_and(|is_named| is_named || !one_is_named);
        let Fallen { flight, landing, .. } = one;
        match landing {
            Landing::Closed { fault, left } if is_accused => {
                accused.push(Accused { flight, fault, left });
            }
            Landing::Unsent | Landing::Closed { left: false, .. } => others.push((flight, false)),
            _ => others.push((flight, true)),
        }
    }
    (accused, others)
}

/// Whether what the broker says names where a message goes, or how large it is.
fn is_named(fault: &Fault, message: &Outgoing) -> bool {
    let (exchange, key) = (message.route.exchange.name(), &message.route.routing_key);
    let place = match fault.says("access to topic '") {
        true => format!("topic '{key}' in exchange '{exchange}'"),
        false => format!("exchange '{exchange}'"),
    };
    fault.says(&place) || fault.says(&format!("message size {} is larger", message.body.len()))
}

/// Returns what is not there, if that is why the broker closed the channel.
fn missing(fault: &Fault, message: &Outgoing) -> Option<Missing> {
    let exchange = message.route.exchange.name();
    let is_missing = fault.says(&format!("no exchange '{exchange}'"));
    is_missing.then(|| Missing::Exchange(exchange.to_owned()))
}

/// Whether the broker says that nobody like us may publish to where a message goes.
fn is_denied(fault: &Fault, message: &Outgoing) -> bool {
    fault.says("access to ") && is_named(fault, message)
}
