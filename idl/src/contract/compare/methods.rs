//! Compares methods.

use super::Comparison;
use crate::{
    Kind, Version,
    contract::{
        Contract, Signature, Was,
        rules::{Legal, Rule},
        text::line,
    },
};

impl Comparison<'_> {
    pub(super) fn methods(&mut self) {
        let (old, new) = (self.old, self.new);
        for was in &old.methods {
            match successor(was, new) {
                Some(is) => self.method(was, is),
                None => {
                    let what = format!("`{}` was removed, and deployed clients call it", line(was));
                    let legal = self.new_major();
                    self.note(Rule::MethodRemoved, &was.name, what, legal);
                }
            }
        }
        for is in &new.methods {
            let mut old = old.methods.iter();
            if old.any(|was| successor(was, new).is_some_and(|other| other.name == is.name)) {
                continue;
            }
            if self.is_new(is.since) {
                self.note(Rule::MethodAdded, &is.name, line(is), Legal::Now);
            } else {
                let what = format!("servers of {} were released without it", self.old.version);
                let legal = self.with_next("`#[rpc(since = \"{}\")]`");
                self.note(Rule::MethodAddedLate, &is.name, what, legal);
            }
        }
    }

    fn method(&mut self, was: &Signature, is: &Signature) {
        let (name, known) = (is.name.as_str(), self.changes.len());
        self.name(Rule::MethodRenamed, name, (&was.name, "rpc"), (&is.name, &is.before));
        if was.since != is.since {
            let what =
                format!("it was added in {}, and is now declared for {}", was.since, is.since);
            let legal = self.new_major();
            self.note(Rule::MethodSinceChanged, name, what, legal);
        }
        self.kind(was, is);
        if was.reply != is.reply && !was.reply.is_empty() && !is.reply.is_empty() {
            let what = format!("it returned `{}`, and returns `{}`", was.reply, is.reply);
            let legal = self.new_major();
            self.note(Rule::ReplyChanged, name, what, legal);
        }
        self.target(was, is);
        self.names(was, is);
        if was.ignores_extra != is.ignores_extra {
            let (rule, what, legal) = match was.ignores_extra {
                true => (Rule::ExtraRefused, "it refuses unknown arguments", self.new_major()),
                false => (Rule::ExtraIgnored, "it ignores unknown arguments", Legal::Now),
            };
            self.note(rule, name, what, legal);
        }
        self.arguments(was, is);
        if self.changes.len() == known && line(was) != line(is) {
            let what =
                format!("`{}` is written `{}`, without an effect on peers", line(was), line(is));
            self.note(Rule::LineChanged, name, what, Legal::Now);
        }
    }

    /// Notes a change of the wire name that servers of the released version know. `attribute` is
    /// the attribute that can keep the old name.
    pub(super) fn name(
        &mut self,
        rule: Rule,
        subject: &str,
        (was, attribute): (&str, &str),
        (is, before): (&str, &[Was]),
    ) {
        let released = before.iter().find(|before| self.is_new(before.version));
        // The name that clients send to the released version now.
        let sent = released.map_or(is, |before| before.name.as_str());
        if was == is && was == sent {
            return;
        }
        let what = format!("it was `{was}`, the name that servers of {} know", self.old.version);
        let form = format!("`#[{attribute}(before(\"{{}}\", name = \"{was}\"))]`");
        let legal = if was == sent { Legal::Now } else { self.with_next(&form) };
        self.note(rule, subject, what, legal);
    }

    fn kind(&mut self, was: &Signature, is: &Signature) {
        let (rule, what) = match (was.kind, is.kind) {
            (Kind::Call, Kind::Cast) if is.reply.is_empty() => {
                (Rule::CallBecameCast, "deployed callers wait for its answer")
            }
            // Callers that still wait get the return value.
            (Kind::Call, Kind::Cast) => {
                let what = "new clients no longer wait; those that do are still answered";
                return self.note(Rule::CallBecameCast, &is.name, what, Legal::Now);
            }
            (Kind::Cast, Kind::Call) if is.reply == "()" => {
                let what = "new clients wait until it has run; deployed servers answer them";
                return self.note(Rule::CastBecameCall, &is.name, what, Legal::Now);
            }
            (Kind::Cast, Kind::Call) => {
                (Rule::CastBecameCall, "deployed servers return no value that callers could read")
            }
            (Kind::Fanout, Kind::Call | Kind::Cast) => {
                (Rule::FanoutChanged, "all servers got it, and one does now")
            }
            (Kind::Call | Kind::Cast, Kind::Fanout) => {
                (Rule::FanoutChanged, "one server got it, and all do now")
            }
            _ if was.either != is.either => {
                let what = "whether its caller may choose not to wait has changed";
                return self.note(Rule::EitherChanged, &is.name, what, Legal::Now);
            }
            _ => return,
        };
        let legal = self.new_major();
        self.note(rule, &is.name, what, legal);
    }

    fn target(&mut self, was: &Signature, is: &Signature) {
        if was.topic != is.topic {
            let since = is.topic.as_ref().map(|(_, since)| *since);
            let is_new = since.is_some_and(|since| self.is_new(since)) && was.topic.is_none();
            let what = "it has another topic, on which deployed servers do not listen";
            let legal = match is_new {
                true => Legal::Now,
                false => self.with_next("`topic_since = \"{}\"`"),
            };
            self.note(Rule::TargetChanged, &is.name, what, legal);
        }
        if (was.host, &was.host_from) != (is.host, &is.host_from) {
            let what = "its host is determined differently";
            self.note(Rule::TargetChanged, &is.name, what, Legal::Now);
        }
        if was.send != is.send {
            let said = |send: Option<Version>| {
                send.map_or_else(|| "the interface's version".to_owned(), |send| send.to_string())
            };
            let what = format!("requests carried {}, and carry {}", said(was.send), said(is.send));
            // The version that requests carry to released servers now. Servers always serve the
            // lowest that fits.
            let released = is.before.iter().find(|before| self.is_new(before.version));
            let of_interface = self.new.send.iter().find(|send| send.major() == was.since.major());
            let sent =
                released.and_then(|before| before.send).or(is.send).or(of_interface.copied());
            let is_taken = sent.is_none_or(|sent| sent <= was.since || Some(sent) == was.send);
            let kept = was.send.unwrap_or(was.since);
            let form = format!("`#[rpc(before(\"{{}}\", send = \"{kept}\"))]`");
            let legal = if is_taken { Legal::Now } else { self.with_next(&form) };
            self.note(Rule::SendChanged, &is.name, what, legal);
        }
    }

    fn names(&mut self, was: &Signature, is: &Signature) {
        let old = was.aliases.iter().chain(was.before.iter().map(|before| &before.name));
        for gone in old.filter(|alias| !is.answers_to(alias)) {
            let what = format!("deployed clients call it `{gone}`");
            let form = format!("keep it: `alias = \"{gone}\"`");
            let legal = self.with_next(&form);
            self.note(Rule::AliasRemoved, &is.name, what, legal);
        }
        for added in is.aliases.iter().filter(|alias| !was.answers_to(alias)) {
            self.note(Rule::AliasAdded, &is.name, format!("`{added}`"), Legal::Now);
        }
        let of = |method: &Signature| {
            let old = method.before.iter().filter(|before| !self.is_new(before.version));
            old.cloned().collect::<Vec<_>>()
        };
        if of(was) != of(is) {
            let what = "its declared form under released versions has changed, but servers of those know the old form";
            let legal = self.new_major();
            self.note(Rule::HistoryChanged, &is.name, what, legal);
        }
        let is_rewritten = |method: &Signature| {
            method.before.iter().any(|before| before.is_converted && self.is_new(before.version))
        };
        if is_rewritten(is) && was.name == is.name {
            let what = "a function writes its arguments for deployed servers";
            self.note(Rule::HistoryChanged, &is.name, what, Legal::Now);
        }
    }
}

/// Returns the method's successor: the method of its name, one that has it as an old name or alias,
/// or one whose name it had.
fn successor<'n>(was: &Signature, new: &'n Contract) -> Option<&'n Signature> {
    let find = |is_it: &dyn Fn(&Signature) -> bool| new.methods.iter().find(|is| is_it(is));
    find(&|is| is.name == was.name)
        .or_else(|| find(&|is| is.answers_to(&was.name)))
        .or_else(|| find(&|is| was.answers_to(&is.name)))
}
