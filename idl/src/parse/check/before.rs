//! The rules of `before(…)`: the form of a method or an argument under older caps.

use syn::{Ident, LitStr};

use super::{path, version_of, wire_name};
use crate::parse::{Before, Entries, Errors, Since, Versions};

/// The entries that are allowed, and an example.
struct Rules {
    known: &'static [&'static str],
    /// The entry that names a function.
    function: &'static str,
    example: &'static str,
}

/// Reads a method's former forms, oldest first.
pub(crate) fn method_before(
    entries: &mut Entries,
    versions: &Versions,
    since: Since,
    errors: &mut Errors,
) -> Vec<Before> {
    let rules = Rules {
        known: &["name", "send", "rewrite"],
        function: "rewrite",
        example: "name = \"old_name\"",
    };
    before(entries, &rules, versions, since, errors)
}

/// Reads an argument's former forms, oldest first.
pub(crate) fn argument_before(
    entries: &mut Entries,
    versions: &Versions,
    since: Since,
    errors: &mut Errors,
) -> Vec<Before> {
    let rules =
        Rules { known: &["name", "with"], function: "with", example: "name = \"old_name\"" };
    before(entries, &rules, versions, since, errors)
}

fn before(
    entries: &mut Entries,
    rules: &Rules,
    versions: &Versions,
    since: Since,
    errors: &mut Errors,
) -> Vec<Before> {
    let mut all: Vec<Before> = Vec::new();
    for (text, mut list) in entries.versioned_lists("before", rules.known, errors) {
        let Some(version) = version_before(&text, &all, versions, since, errors) else { continue };
        if list.is_empty() {
            let example = rules.example;
            errors.at(&text, format!("say what it was: write `before(\"3.5\", {example})`"));
            continue;
        }
        let name = list.text("name", errors);
        let name =
            name.map(|name| wire_name(Some(name.clone()), &Ident::new("_", name.span()), errors));
        let send = version_of("send", list.text("send", errors), versions, errors);
        let with = path(rules.function, list.value(rules.function), "old_form", errors);
        if name.is_some() || send.is_some() || with.is_some() {
            all.push(Before { version, name, send, with });
        }
    }
    all.sort_by_key(|before| before.version.version);
    all
}

/// Reads the version before which the form was another.
fn version_before(
    text: &LitStr,
    all: &[Before],
    versions: &Versions,
    since: Since,
    errors: &mut Errors,
) -> Option<Since> {
    let version = version_of("before", Some(text.clone()), versions, errors)?;
    let value = text.value();
    if version.version <= since.version {
        let own = since.version;
        errors.at(text, format!("there is no older form before {value}: it came with {own}"));
        return None;
    }
    if all.iter().any(|other| other.version.version == version.version) {
        errors.at(text, format!("there are two entries before {value}: keep one"));
        return None;
    }
    Some(version)
}
