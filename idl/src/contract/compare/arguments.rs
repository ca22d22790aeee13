//! Compares the arguments of a method.

use super::Comparison;
use crate::{
    Version,
    contract::{
        Argument, Signature,
        rules::{Legal, Rule},
        text::argument as shown,
    },
};

impl Comparison<'_> {
    pub(super) fn arguments(&mut self, was: &Signature, is: &Signature) {
        let new = |old: &Argument| {
            let find = |is_it: &dyn Fn(&Argument) -> bool| {
                is.arguments.iter().find(|argument| is_it(argument))
            };
            find(&|argument| argument.name == old.name)
                .or_else(|| find(&|argument| argument.answers_to(&old.name)))
                .or_else(|| find(&|argument| old.answers_to(&argument.name)))
        };
        // A function writes the arguments for deployed servers.
        let is_rewritten =
            is.before.iter().any(|before| before.is_converted && self.is_new(before.version));
        let takes_any = is.ignores_extra || is.arguments.iter().any(|one| one.is_rest);
        for old in &was.arguments {
            match new(old) {
                Some(argument) => self.argument(is, old, argument, is_rewritten),
                None if takes_any && !old.required => {
                    let what = format!("`{}` is not read any more", shown(old));
                    self.note(Rule::ArgumentRemoved, &subject(is, old), what, Legal::Now);
                }
                None => {
                    let what = match takes_any {
                        true => format!("deployed servers require `{}`", shown(old)),
                        false => format!("deployed clients send `{}`, and are refused", shown(old)),
                    };
                    let legal = self.with_next("keep it, with `#[arg(until = \"{}\", default)]`");
                    self.note(Rule::ArgumentRemoved, &subject(is, old), what, legal);
                }
            }
        }
        for argument in &is.arguments {
            let mut old = was.arguments.iter();
            if old.any(|old| new(old).is_some_and(|other| other.name == argument.name)) {
                continue;
            }
            let since = argument.since.unwrap_or(is.since);
            if self.is_new(since) || argument.is_rest {
                let what = shown(argument);
                self.note(Rule::ArgumentAddedLater, &subject(is, argument), what, Legal::Now);
            } else if is_rewritten && !argument.required {
                let what = "a function writes the arguments for deployed servers";
                self.note(Rule::ArgumentAddedLater, &subject(is, argument), what, Legal::Now);
            } else {
                let what = format!("servers of {} refuse it", self.old.version);
                let legal = self.with_next("`#[arg(since = \"{}\")]`");
                self.note(Rule::ArgumentAdded, &subject(is, argument), what, legal);
            }
        }
    }

    fn argument(&mut self, method: &Signature, was: &Argument, is: &Argument, is_rewritten: bool) {
        let subject = subject(method, is);
        self.name(Rule::ArgumentRenamed, &subject, (&was.name, "arg"), (&is.name, &is.before));
        if (&was.type_name, &was.with) != (&is.type_name, &is.with) {
            let what = format!("it was `{}`, and is `{}`", was.type_name, is.type_name);
            let is_read = was.with == is.with && is.reads(&was.type_name);
            let legal = if is_read && is_rewritten { Legal::Now } else { self.new_major() };
            self.note(Rule::ArgumentTypeChanged, &subject, what, legal);
        }
        if !was.required && is.required {
            let what = "deployed clients may leave it out";
            let legal = self.with_next("keep its `default`");
            self.note(Rule::ArgumentRequired, &subject, what, legal);
        } else if was.required && !is.required {
            let what = "new servers do without it; clients send it to old ones";
            self.note(Rule::ArgumentOptional, &subject, what, Legal::Now);
        }
        if was.since != is.since {
            let said = |since: Option<Version>| since.unwrap_or(method.since);
            let what = format!(
                "it was added in {}, and is now declared for {}",
                said(was.since),
                said(is.since)
            );
            let legal = self.new_major();
            self.note(Rule::ArgumentSinceChanged, &subject, what, legal);
        }
        if was.until != is.until {
            let is_new = is.until.is_none_or(|until| self.is_new(until));
            let is_owed = was.required && !is_new;
            let what = "the version in which it stops being sent has changed";
            let legal = match is_owed {
                true => self.with_next("`#[arg(until = \"{}\")]`"),
                false => Legal::Now,
            };
            self.note(Rule::ArgumentUntilChanged, &subject, what, legal);
        }
        if was.constant != is.constant {
            let what = "its constant value was added, removed or changed";
            self.note(Rule::ConstantChanged, &subject, what, Legal::Now);
        }
        let released = |argument: &Argument| {
            let old = argument.before.iter().filter(|before| !self.is_new(before.version));
            old.cloned().collect::<Vec<_>>()
        };
        if released(was) != released(is) {
            let what = "its declared form under released versions has changed, but servers of those know the old form";
            let legal = self.new_major();
            self.note(Rule::HistoryChanged, &subject, what, legal);
        }
    }
}

fn subject(method: &Signature, argument: &Argument) -> String {
    format!("`{}` of `{}`", argument.name, method.name)
}
