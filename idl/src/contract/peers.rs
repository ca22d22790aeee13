//! The peers of a contract: the requests that its clients send, and those that its servers accept.

use super::{Argument, Contract, Signature, Was};
use crate::{Interface, Version};

/// A request as a contract describes it: everything but the values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    /// The method's name on the wire.
    pub method: String,
    /// The version that it carries.
    pub version: Version,
    /// The namespace that it carries.
    pub namespace: Option<String>,
    /// The names of its arguments, with their types. A value that a function writes has no known
    /// type.
    pub arguments: Vec<(String, Option<String>)>,
}

impl Contract {
    /// Returns the requests of a client that is capped at `cap`. Each method is there twice: with
    /// every argument that the cap allows, and without those that a caller may omit. Methods whose
    /// arguments a function writes are left out.
    #[must_use]
    pub fn requests(&self, cap: Version) -> Vec<Form> {
        let rules = self.rules();
        if !rules.has(cap, self.oldest) {
            return Vec::new();
        }
        let known = self.methods.iter().filter(|method| rules.has(cap, method.since));
        let forms =
            known.flat_map(|method| [true, false].map(|all| self.form(&rules, method, cap, all)));
        forms.flatten().collect()
    }

    /// Checks that a server accepts a request.
    ///
    /// # Errors
    /// If it does not; the text gives the reason.
    pub fn takes(&self, form: &Form) -> Result<(), String> {
        let namespaces = self.legacy_namespaces.iter().chain([&self.namespace]);
        if namespaces.into_iter().all(|own| *own != form.namespace) {
            return Err(format!("no namespace {:?}", form.namespace));
        }
        if !self.rules().serves(form.version) {
            return Err(format!("{} is not served by {}", form.version, self.version));
        }
        let method = self.methods.iter().find(|method| method.answers_to(&form.method));
        let method = method.ok_or_else(|| format!("no method {}", form.method))?;
        for (name, type_name) in &form.arguments {
            method.takes(name, type_name.as_deref())?;
        }
        let given =
            |argument: &Argument| form.arguments.iter().any(|(name, _)| argument.answers_to(name));
        match method.arguments.iter().find(|argument| argument.required && !given(argument)) {
            Some(missing) => Err(format!("{} lacks {}", form.method, missing.name)),
            None => Ok(()),
        }
    }

    /// Returns an interface with these versions and nothing else, for its version rules.
    pub(super) fn rules(&self) -> Interface<'static> {
        let rules = Interface::new("", (self.version.major(), self.version.minor()));
        match self.previous {
            Some(previous) => rules.previous((previous.major(), previous.minor())),
            None => rules,
        }
    }

    fn form(
        &self,
        rules: &Interface<'_>,
        method: &Signature,
        cap: Version,
        all: bool,
    ) -> Option<Form> {
        let is_over = |was: &&Was| rules.has(cap, was.version);
        if method.before.iter().any(|was| was.is_converted && !is_over(&was)) {
            return None;
        }
        let passed = method.before.iter().filter(is_over).map(|was| was.version);
        let mut needed = passed.chain([method.since]).max().unwrap_or(method.since);
        let old = method.before.iter().find(|was| !is_over(was));
        let mut arguments = Vec::new();
        for argument in method.arguments.iter().filter(|argument| !argument.is_rest) {
            let is_known = argument.since.is_none_or(|since| rules.has(cap, since));
            let gone = argument.until.filter(|until| rules.has(cap, *until));
            // Older servers still require it.
            needed = gone.map_or(needed, |gone| needed.max(gone));
            let is_given = all || argument.since.is_none() || !argument.constant.is_empty();
            if !is_known || gone.is_some() || !is_given {
                continue;
            }
            let passed = argument.before.iter().filter(is_over).map(|was| was.version);
            needed = passed.chain(argument.since).fold(needed, Version::max);
            let form = argument.before.iter().find(|was| !is_over(was));
            arguments.push(match form {
                Some(was) => {
                    let type_name = (!was.is_converted).then(|| argument.type_name.clone());
                    (was.name.clone(), type_name)
                }
                None => (argument.name.clone(), Some(argument.type_name.clone())),
            });
        }
        let sent = old.and_then(|was| was.send).into_iter().chain(method.send);
        let sent = sent.chain(self.send.iter().copied()).find(|sent| sent.major() == cap.major());
        Some(Form {
            method: old.map_or_else(|| method.name.clone(), |was| was.name.clone()),
            version: sent.unwrap_or_else(|| rules.lowest(cap, needed)),
            namespace: self.namespace.clone(),
            arguments,
        })
    }
}

impl Signature {
    /// Checks that servers accept an argument of this name and type.
    fn takes(&self, name: &str, type_name: Option<&str>) -> Result<(), String> {
        let Some(argument) = self.arguments.iter().find(|argument| argument.answers_to(name))
        else {
            let takes_any =
                self.ignores_extra || self.arguments.iter().any(|argument| argument.is_rest);
            let refused = || format!("{} has no argument {name}", self.name);
            return if takes_any { Ok(()) } else { Err(refused()) };
        };
        match type_name {
            Some(other) if !argument.reads(other) => {
                Err(format!("{name} of {} does not read {other}", self.name))
            }
            _ => Ok(()),
        }
    }
}
