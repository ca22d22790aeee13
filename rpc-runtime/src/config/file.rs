//! The options of configuration files and of the environment, with references replaced.

use std::{collections::BTreeMap, ffi::OsString, path::Path, sync::Arc};

use super::{lines, wrong};
use crate::{
    TransportError, TransportErrorKind,
    options::{self, origin::Origin},
};

/// The section of options that belong to no other.
pub(super) const DEFAULT: &str = "DEFAULT";
/// How deep values may stand for each other: deeper ones are a circle.
const DEPTH: usize = 100;
/// How many values one value may stand for altogether.
const REFERENCES: usize = 10_000;

/// All options of all files, in order, and the variables that win over them.
#[derive(Default)]
pub(super) struct Files {
    entries: Vec<Entry>,
    files: usize,
    /// Variables of the form `OS_<GROUP>__<OPTION>`.
    variables: BTreeMap<String, OsString>,
}

/// An option of a file.
pub(super) struct Entry {
    pub(super) origin: Origin,
    /// The number of its file.
    file: usize,
    /// In lower case, except `DEFAULT`.
    pub(super) section: String,
    pub(super) name: String,
    /// The text in the file, without the blanks and quotes around it.
    raw: String,
}

/// A value before it is known what it stands for.
struct Setting<'a> {
    origin: Origin,
    section: String,
    raw: &'a str,
}

/// The value of an option, with what it stands for. It may be a secret.
#[derive(Clone)]
pub(super) struct Value {
    pub(super) origin: Origin,
    pub(super) text: String,
}

/// A section and an option in it.
pub(super) type Name<'a> = (&'a str, &'a str);

impl Files {
    /// Adds variables. Those of another form are passed over.
    pub(super) fn variables(&mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) {
        let named = variables.into_iter().filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            (name.starts_with("OS_") && name.contains("__")).then_some((name, value))
        });
        self.variables.extend(named);
    }

    /// Reads a file, or all files of a directory that end in `.conf`.
    pub(super) fn load(&mut self, path: &Path) -> Result<(), TransportError> {
        let cannot = |error: std::io::Error| {
            let what = format!("cannot read {}", path.display());
            TransportError::caused(TransportErrorKind::Configuration, what, &error)
        };
        if !path.is_dir() {
            return self.read(path);
        }
        let files = std::fs::read_dir(path).and_then(|files| {
            files.map(|file| file.map(|file| file.path())).collect::<Result<Vec<_>, _>>()
        });
        let mut files = files.map_err(cannot)?;
        files.retain(|file| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            name.ends_with(".conf") && !name.starts_with('.')
        });
        files.sort();
        files.iter().try_for_each(|file| self.read(file))
    }

    fn read(&mut self, path: &Path) -> Result<(), TransportError> {
        let bytes = std::fs::read(path).map_err(|error| {
            let what = format!("cannot read {}", path.display());
            TransportError::caused(TransportErrorKind::Configuration, what, &error)
        })?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let line = 1 + valid.iter().filter(|byte| **byte == b'\n').count();
            wrong(format!("{}:{line}: the file is not UTF-8", path.display()))
        })?;
        self.parse(&path.display().to_string(), text)
    }

    /// Adds the text of a file.
    pub(super) fn parse(&mut self, file: &str, text: &str) -> Result<(), TransportError> {
        let assignments = lines::read(text)
            .map_err(|refused| wrong(format!("{file}:{}: {}", refused.line, refused.reason)))?;
        let (path, file): (Arc<str>, _) = (file.into(), self.files);
        self.files += 1;
        self.entries.extend(assignments.into_iter().map(|option| Entry {
            origin: Origin::Line {
                file: Arc::clone(&path),
                line: option.line,
                section: option.section.into(),
                name: option.name.into(),
            },
            file,
            section: match option.section {
                DEFAULT => DEFAULT.to_owned(),
                section => section.to_lowercase(),
            },
            name: option.name.to_owned(),
            raw: option.value,
        }));
        Ok(())
    }

    /// Lists the options of all files.
    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Lists the names of the variables.
    pub(super) fn variable_names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    /// Returns the value of an option, by its current or a former name: from the environment, or
    /// from the last file that sets it. The environment has no former names.
    pub(super) fn last(&self, names: &[Name<'_>]) -> Result<Option<Value>, TransportError> {
        self.find(names)?.map(|setting| self.value(&setting)).transpose()
    }

    /// Returns all values of an option. A variable is one value.
    pub(super) fn all(&self, names: &[Name<'_>]) -> Result<Vec<Value>, TransportError> {
        if let Some(setting) = self.variable(names)? {
            return Ok(vec![self.value(&setting)?]);
        }
        let is_named = |entry: &&Entry| names.contains(&(&*entry.section, &*entry.name));
        let found = self.entries.iter().filter(is_named);
        found.map(|entry| self.value(&entry.setting())).collect()
    }

    fn find(&self, names: &[Name<'_>]) -> Result<Option<Setting<'_>>, TransportError> {
        if let Some(setting) = self.variable(names)? {
            return Ok(Some(setting));
        }
        let found = (0..self.files).rev().find_map(|file| {
            names.iter().find_map(|(section, name)| {
                self.entries.iter().rev().find(|entry| {
                    entry.file == file && entry.section == *section && entry.name == *name
                })
            })
        });
        Ok(found.map(Entry::setting))
    }

    fn variable(&self, names: &[Name<'_>]) -> Result<Option<Setting<'_>>, TransportError> {
        let Some((section, name)) = names.first() else { return Ok(None) };
        let variable = variable_of((section, name));
        let Some((variable, value)) = self.variables.get_key_value(&variable) else {
            return Ok(None);
        };
        let Some(raw) = value.to_str() else {
            return Err(wrong(format!("{variable}: the variable is not UTF-8")));
        };
        let origin = Origin::Variable(variable.as_str().into());
        Ok(Some(Setting { origin, section: (*section).to_owned(), raw }))
    }

    fn value(&self, setting: &Setting<'_>) -> Result<Value, TransportError> {
        let mut left = REFERENCES;
        let text = self
            .substituted(setting, DEPTH, &mut left)
            .map_err(|reason| wrong(format!("{}: {reason}", setting.origin.setting())))?;
        Ok(Value { origin: setting.origin.clone(), text })
    }

    /// Replaces each `$name` by its value. An error leaves the name out, as it may be a part of a
    /// password.
    fn substituted(
        &self,
        setting: &Setting<'_>,
        depth: usize,
        left: &mut usize,
    ) -> Result<String, String> {
        let raw = setting.raw.replace(r"\$", "$$");
        let (mut text, mut rest) = (String::new(), raw.as_str());
        while let Some((before, after)) = rest.split_once('$') {
            text.push_str(before);
            let Some((name, after)) = reference(after) else {
                text.push('$');
                // `$$` is one, and any other that names nothing is itself.
                rest = after.strip_prefix('$').unwrap_or(after);
                continue;
            };
            *left = left
                .checked_sub(1)
                .filter(|_| depth > 0)
                .ok_or("options stand for each other in a circle")?;
            let referred = self
                .referred(&setting.section, name)?
                .ok_or("it stands for an option that is not set: write `$$` for a `$`")?;
            text.push_str(&self.substituted(&referred, depth - 1, left)?);
            rest = after;
        }
        text.push_str(rest);
        Ok(text)
    }

    /// Finds the option of a reference: `group.name`, or a name of the same section or of
    /// `[DEFAULT]`.
    fn referred(&self, section: &str, name: &str) -> Result<Option<Setting<'_>>, String> {
        let find = |name| self.find(&[name]).map_err(|error| error.to_string());
        match name.split_once('.') {
            // The name of a group has no capital letters, which excludes `DEFAULT`.
            Some((group, _)) if group.chars().any(char::is_uppercase) => Ok(None),
            Some((group, name)) => find((group, name)),
            None => match find((section, name))? {
                Some(found) => Ok(Some(found)),
                None => find((DEFAULT, name)),
            },
        }
    }
}

impl Entry {
    fn setting(&self) -> Setting<'_> {
        Setting { origin: self.origin.clone(), section: self.section.clone(), raw: &self.raw }
    }
}

/// Returns the variable that sets an option.
pub(super) fn variable_of((section, name): Name<'_>) -> String {
    format!("OS_{}__{}", section.to_uppercase(), name.to_uppercase())
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

impl Value {
    /// Reads a whole number, from `least`. `None` if the text is blank, which the original reads as
    /// not set.
    pub(super) fn number(&self, least: u32) -> Result<Option<u32>, TransportError> {
        if self.is_blank() {
            return Ok(None);
        }
        let number = options::whole(&self.text).filter(|number| *number >= least.into());
        match number {
            Some(number) => Ok(Some(u32::try_from(number).unwrap_or(u32::MAX))),
            None => Err(self.misspelt(&format!("a whole number from {least}"))),
        }
    }

    pub(super) fn flag(&self) -> Result<bool, TransportError> {
        options::flag(&self.text).ok_or_else(|| self.misspelt("`true` or `false`"))
    }

    /// Reads a number of retries. `None`: without an end, as any number below zero is in the
    /// original.
    pub(super) fn retries(&self) -> Result<Option<u32>, TransportError> {
        match options::whole(&self.text) {
            Some(..0) => Ok(None),
            Some(times) => Ok(Some(u32::try_from(times).unwrap_or(u32::MAX))),
            None if self.is_blank() => Ok(None),
            None => Err(self.misspelt("a whole number, or -1 for ever")),
        }
    }

    pub(super) fn is_blank(&self) -> bool {
        self.text.chars().all(options::is_blank)
    }

    pub(super) fn misspelt(&self, form: &str) -> TransportError {
        let value = self.text.escape_debug();
        wrong(format!("{} cannot be `{value}`: expected {form}", self.origin.setting()))
    }
}
