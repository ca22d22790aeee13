//! Files in the form of `oslo.config`, and what their values stand for.
//!
//! `rust-ini` reads lines, sections, names and values; what is particular to `oslo.config` is here.

use std::{path::Path, rc::Rc};

use ini::{Ini, ParseOption};

use super::wrong;
use crate::{TransportError, options};

/// A backslash at a line's end is text for `oslo.config`, and joins lines for `rust-ini`: this mark, that is no
/// character, keeps it from the end.
const MARK: char = '\u{e000}';
/// How many values may stand for each other.
const DEPTH: usize = 8;

/// All options of all files, in order.
#[derive(Default)]
pub(super) struct Files(Vec<Entry>);

struct Entry {
    file: Rc<str>,
    section: String,
    name: String,
    /// As it stands in the file.
    raw: String,
}

/// The value of an option, with what it stands for.
pub(super) struct Value {
    /// Where it was found: file, section and name.
    origin: String,
    pub(super) text: String,
}

impl Files {
    /// Reads a file, or all files of a directory that end in `.conf`.
    pub(super) fn load(&mut self, path: &Path) -> Result<(), TransportError> {
        let cannot = |error: std::io::Error| {
            let what = format!("cannot read {}", path.display());
            TransportError::caused(crate::TransportErrorKind::Configuration, what, &error)
        };
        if !path.is_dir() {
            let text = std::fs::read_to_string(path).map_err(cannot)?;
            return self.parse(&path.display().to_string(), &text);
        }
        let files = std::fs::read_dir(path).and_then(|files| {
            files.map(|file| file.map(|file| file.path())).collect::<Result<Vec<_>, _>>()
        });
        let mut files = files.map_err(cannot)?;
        files.retain(|file| file.extension().is_some_and(|end| end == "conf") && !file.is_dir());
        files.sort();
        files.iter().try_for_each(|file| self.load(file))
    }

    pub(super) fn parse(&mut self, file: &str, text: &str) -> Result<(), TransportError> {
        let form = ParseOption {
            enabled_quote: false,
            enabled_escape: false,
            enabled_indented_mutiline_value: true,
            ..ParseOption::default()
        };
        let marked: Vec<_> = text.lines().map(marked).collect();
        let ini = Ini::load_from_str_opt(&marked.join("\n"), form).map_err(|error| {
            // Its message may quote the line.
            wrong(format!("{file} is malformed at line {}", error.line))
        })?;
        let file: Rc<str> = file.into();
        for (section, options) in &ini {
            let Some(section) = section else {
                if options.is_empty() {
                    continue;
                }
                return Err(wrong(format!("{file} has an option before its first section")));
            };
            for (name, value) in options {
                if section.contains('\n') || name.contains('\n') {
                    return Err(wrong(format!(
                        "{file}, [{}]: a line is no option, comment or section",
                        section.lines().next().unwrap_or_default()
                    )));
                }
                self.0.push(Entry {
                    file: Rc::clone(&file),
                    section: section.to_owned(),
                    name: name.replace('-', "_"),
                    raw: unquoted(&value.replace(MARK, "")).to_owned(),
                });
            }
        }
        Ok(())
    }

    fn entries(&self, section: &str) -> impl DoubleEndedIterator<Item = &Entry> {
        self.0.iter().filter(move |entry| entry.section.eq_ignore_ascii_case(section))
    }

    /// Returns the names that a section has, each once.
    pub(super) fn names(&self, section: &str) -> Vec<&str> {
        let mut names: Vec<_> = self.entries(section).map(|entry| &*entry.name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Returns the last value of the first of `names` that there is: an option, and what it was called before. An empty
    /// one is as good as none.
    pub(super) fn last(
        &self,
        section: &str,
        names: &[&str],
    ) -> Result<Option<Value>, TransportError> {
        let found = names
            .iter()
            .find_map(|name| self.entries(section).rev().find(|entry| entry.name == *name));
        let value = found.map(|entry| self.value(entry)).transpose()?;
        Ok(value.filter(|value| !value.text.is_empty()))
    }

    /// Returns all values of an option.
    pub(super) fn all(&self, section: &str, name: &str) -> Result<Vec<Value>, TransportError> {
        let found = self.entries(section).filter(|entry| entry.name == name);
        found.map(|entry| self.value(entry)).collect()
    }

    /// Says of a URL's error where the URL is: in the last file that has one.
    pub(super) fn blame(&self, section: &str, error: &TransportError) -> TransportError {
        match self.entries(section).rev().find(|entry| entry.name == "transport_url") {
            Some(entry) => wrong(format!("{}: {error}", entry.origin())),
            None => wrong(error.to_string()),
        }
    }

    fn value(&self, entry: &Entry) -> Result<Value, TransportError> {
        let text = self
            .substituted(entry, &entry.raw, DEPTH)
            .map_err(|reason| wrong(format!("{}: {reason}", entry.origin())))?;
        Ok(Value { origin: entry.origin(), text })
    }

    /// Puts in what `$name` stands for. An error does not name it: it may be a part of a password.
    fn substituted(&self, at: &Entry, raw: &str, depth: usize) -> Result<String, &'static str> {
        let raw = raw.replace(r"\$", "$$");
        let (mut text, mut rest) = (String::new(), raw.as_str());
        while let Some((before, after)) = rest.split_once('$') {
            text.push_str(before);
            let Some((name, after)) = reference(after) else {
                text.push('$');
                // `$$` is one, and any other that names nothing is itself.
                rest = after.strip_prefix('$').unwrap_or(after);
                continue;
            };
            let depth = depth.checked_sub(1).ok_or("options stand for each other in a circle")?;
            let entry = self
                .referred(&at.section, name)
                .ok_or("it stands for an option that no file sets: write `$$` for a `$`")?;
            text.push_str(&self.substituted(entry, &entry.raw, depth)?);
            rest = after;
        }
        text.push_str(rest);
        Ok(text)
    }

    /// Finds what a name stands for: `group.name`, or a name of the same section, or of `[DEFAULT]`.
    fn referred(&self, section: &str, name: &str) -> Option<&Entry> {
        let find = |section: &str, name: &str| {
            self.entries(section).rev().find(|entry| entry.name == name)
        };
        match name.split_once('.') {
            Some((group, name)) => find(group, name),
            None => find(section, name).or_else(|| find("DEFAULT", name)),
        }
    }
}

fn marked(line: &str) -> String {
    if line.ends_with('\\') { format!("{line}{MARK}") } else { line.to_owned() }
}

/// Takes quotes off that are around a value. Of a value with several lines, they would be around the first.
fn unquoted(value: &str) -> &str {
    let value = value.trim();
    ['"', '\'']
        .into_iter()
        .find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(value)
}

/// Splits a name off that `text` begins with, in braces or without. `None` if there is none.
fn reference(text: &str) -> Option<(&str, &str)> {
    let is_start = |c: char| c == '_' || c.is_ascii_alphabetic();
    let is_part = |c: char| is_start(c) || c == '.' || c.is_ascii_digit();
    let braced = text.strip_prefix('{');
    let name = braced.unwrap_or(text);
    if !name.starts_with(is_start) {
        return None;
    }
    let end = name.find(|c| !is_part(c)).unwrap_or(name.len());
    let (name, rest) = name.split_at(end);
    match braced {
        Some(_) => rest.strip_prefix('}').map(|rest| (name, rest)),
        None => Some((name, rest)),
    }
}

impl Entry {
    fn origin(&self) -> String {
        format!("{}, [{}] {}", self.file, self.section, self.name)
    }
}

impl Value {
    /// The text, unless it is empty.
    pub(super) fn text(self) -> Option<String> {
        (!self.text.is_empty()).then_some(self.text)
    }

    /// A whole number, from `least`.
    pub(super) fn number(&self, least: u32) -> Result<u32, TransportError> {
        let number = self.text.parse().ok().filter(|number| *number >= least);
        number.ok_or_else(|| self.misspelt(&format!("a whole number from {least}")))
    }

    pub(super) fn flag(&self) -> Result<bool, TransportError> {
        options::flag(&self.text).ok_or_else(|| self.misspelt("`true` or `false`"))
    }

    /// How often something is tried again. `None`: for ever, which the original says with any number below zero.
    pub(super) fn retries(&self) -> Result<Option<u32>, TransportError> {
        match self.text.parse::<i64>() {
            Ok(..0) => Ok(None),
            Ok(times) => Ok(Some(u32::try_from(times).unwrap_or(u32::MAX))),
            Err(_) => Err(self.misspelt("a whole number, or -1 for ever")),
        }
    }

    fn misspelt(&self, form: &str) -> TransportError {
        let value = self.text.escape_debug();
        wrong(format!("{} cannot be `{value}`: expected {form}", self.origin))
    }

    /// Says where an error comes from.
    pub(super) fn blame(&self, error: &TransportError) -> TransportError {
        wrong(format!("{}: {error}", self.origin))
    }
}
