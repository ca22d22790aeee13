//! Reads a contract from text.

use std::str::FromStr;

use super::{Argument, Contract, Signature, Was};
use crate::{Kind, Version};

/// The error for a text that is not a contract.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the contract: {what}")]
pub struct ParseError {
    line: usize,
    what: String,
}

type Parsed<T> = Result<T, String>;

impl FromStr for Contract {
    type Err = ParseError;

    /// Reads the output of [`write`](super::write()). Lines that begin with `#` are comments.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut contract = Self {
            name: String::new(),
            topic: None,
            exchange: None,
            namespace: None,
            legacy_namespaces: Vec::new(),
            version: Version::new(0, 0),
            previous: None,
            oldest: Version::new(0, 0),
            send: Vec::new(),
            pins: Vec::new(),
            has_address: false,
            methods: Vec::new(),
        };
        let mut oldest = None;
        for (at, line) in text.lines().enumerate() {
            let line = line.trim_end();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            contract.read(line, &mut oldest).map_err(|what| ParseError { line: at + 1, what })?;
        }
        if contract.name.is_empty() || contract.version == Version::new(0, 0) {
            let what = "`interface …` and `version …` are missing".to_owned();
            return Err(ParseError { line: 1, what });
        }
        contract.oldest = oldest.unwrap_or_else(|| contract.first());
        Ok(contract)
    }
}

impl Contract {
    fn read(&mut self, line: &str, oldest: &mut Option<Version>) -> Parsed<()> {
        let mut words = Words(line);
        if line.starts_with(|c: char| c.is_ascii_digit()) {
            self.methods.push(method(&mut words)?);
            return Ok(());
        }
        match words.word() {
            "interface" => self.name = words.word().to_owned(),
            "version" => self.version = words.version()?,
            "topic" if words.0.trim() == "runtime" => words.0 = "",
            "topic" => self.topic = Some(words.quoted()?),
            "exchange" => self.exchange = Some(words.quoted()?),
            "namespace" => self.namespace = Some(words.quoted()?),
            "legacy" => {
                words.expect("namespace")?;
                let is_none = words.take("none");
                self.legacy_namespaces.push(if is_none { None } else { Some(words.quoted()?) });
            }
            "previous" => self.previous = Some(words.version()?),
            "since" => *oldest = Some(words.version()?),
            "sent" => {
                words.expect("as")?;
                self.send.push(words.version()?);
            }
            "alias" => self.pins.push((words.quoted()?, words.version()?)),
            "addressed" => {
                words.expect("by")?;
                words.expect("key")?;
                self.has_address = true;
            }
            other => return Err(format!("`{other}` begins no line of a contract")),
        }
        words.end()
    }
}

/// Reads the line of a method.
fn method(words: &mut Words<'_>) -> Parsed<Signature> {
    let since = words.version()?;
    let kind = match words.word() {
        "call" => Kind::Call,
        "cast" => Kind::Cast,
        "fanout" => Kind::Fanout,
        other => return Err(format!("`{other}` is neither `call`, `cast` nor `fanout`")),
    };
    let open = words.0.find('(').ok_or("a method has its arguments in parentheses")?;
    let name = words.0[..open].trim().to_owned();
    let (inside, rest) = enclosed(&words.0[open..])?;
    words.0 = rest;
    let arguments = split(inside, ',').map(argument).collect::<Parsed<_>>()?;
    let mut parts = split(words.0, ';');
    let reply = parts.next().unwrap_or_default().trim();
    let reply = reply.strip_prefix("->").unwrap_or(reply).trim().to_owned();
    let mut method = Signature {
        name,
        since,
        kind,
        either: false,
        host: false,
        host_from: String::new(),
        topic: None,
        send: None,
        ignores_extra: false,
        aliases: Vec::new(),
        before: Vec::new(),
        arguments,
        reply,
    };
    parts.try_for_each(|part| method.read(&mut Words(part)))?;
    words.0 = "";
    Ok(method)
}

impl Signature {
    /// Reads one of the properties behind the return type.
    fn read(&mut self, words: &mut Words<'_>) -> Parsed<()> {
        match words.word() {
            "or" => {
                words.expect("cast")?;
                self.either = true;
            }
            "for" => {
                words.expect("one")?;
                words.expect("host")?;
                self.host = true;
            }
            "host" => self.host_from = words.quoted()?,
            "topic" => {
                let topic = words.quoted()?;
                words.expect("since")?;
                self.topic = Some((topic, words.version()?));
            }
            "sent" => {
                words.expect("as")?;
                self.send = Some(words.version()?);
            }
            "was" => self.before.push(was(words)?),
            "alias" => self.aliases.push(words.word().to_owned()),
            "ignores" => {
                words.expect("extra")?;
                self.ignores_extra = true;
            }
            other => return Err(format!("`{other}` says nothing of a method")),
        }
        words.end()
    }
}

/// Reads an argument.
fn argument(text: &str) -> Parsed<Argument> {
    let text = text.trim();
    let (name, rest) = text
        .split_once(": ")
        .ok_or_else(|| format!("`{text}` is not an argument: write name and type"))?;
    let (is_rest, name) = match name.strip_prefix("...") {
        Some(name) => (true, name),
        None => (false, name),
    };
    let (name, required) = match name.strip_suffix('?') {
        Some(name) => (name, false),
        None => (name, !is_rest),
    };
    let said = ["since", "until", "was", "always", "by"];
    let type_ends = said.iter().filter_map(|word| outside(rest, &format!(" {word} "))).min();
    let (type_name, rest) = rest.split_at(type_ends.unwrap_or(rest.len()));
    let mut argument = Argument {
        name: name.to_owned(),
        type_name: type_name.to_owned(),
        since: None,
        until: None,
        before: Vec::new(),
        required,
        constant: String::new(),
        with: String::new(),
        is_rest,
    };
    let mut words = Words(rest);
    while !words.0.trim().is_empty() {
        match words.word() {
            "since" => argument.since = Some(words.version()?),
            "until" => argument.until = Some(words.version()?),
            "was" => argument.before.push(was(&mut words)?),
            "always" => argument.constant = words.quoted()?,
            "by" => argument.with = words.quoted()?,
            other => return Err(format!("`{other}` says nothing of an argument")),
        }
    }
    Ok(argument)
}

/// Reads what follows a `was`.
fn was(words: &mut Words<'_>) -> Parsed<Was> {
    let name = words.word().to_owned();
    let mut send = None;
    if words.take("sent") {
        words.expect("as")?;
        send = Some(words.version()?);
    }
    let is_converted = words.take("converted");
    words.expect("before")?;
    Ok(Was { version: words.version()?, name, send, is_converted })
}

/// The unread part of a line.
struct Words<'a>(&'a str);

impl<'a> Words<'a> {
    fn word(&mut self) -> &'a str {
        let text = self.0.trim_start();
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        self.0 = rest;
        word
    }

    /// Consumes the next word if it is the wanted one.
    fn take(&mut self, wanted: &str) -> bool {
        let before = self.0;
        let is_there = self.word() == wanted;
        if !is_there {
            self.0 = before;
        }
        is_there
    }

    fn expect(&mut self, wanted: &str) -> Parsed<()> {
        let word = self.word();
        if word == wanted { Ok(()) } else { Err(format!("expected `{wanted}`, not `{word}`")) }
    }

    fn version(&mut self) -> Parsed<Version> {
        self.word().parse().map_err(|error: crate::ParseVersionError| error.to_string())
    }

    /// Consumes a text in quotes, as `Debug` writes it.
    fn quoted(&mut self) -> Parsed<String> {
        let text = self.0.trim_start();
        let inside = text.strip_prefix('"').ok_or("expected a text in quotes")?;
        let end = closing_quote(inside).ok_or("a text in quotes has no end")?;
        self.0 = &inside[end + 1..];
        unescaped(&inside[..end])
    }

    fn end(&self) -> Parsed<()> {
        let rest = self.0.trim();
        if rest.is_empty() { Ok(()) } else { Err(format!("`{rest}` is too much")) }
    }
}

/// Returns where a text in quotes ends; its opening quote has been removed.
fn closing_quote(inside: &str) -> Option<usize> {
    let mut is_escaped = false;
    inside.char_indices().find_map(|(at, c)| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends.then_some(at)
    })
}

/// Reverses the escapes of `Debug`.
fn unescaped(text: &str) -> Parsed<String> {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        plain.push(match chars.next() {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('0') => '\0',
            Some('u') => {
                let digits: String =
                    chars.by_ref().skip_while(|c| *c == '{').take_while(|c| *c != '}').collect();
                let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                code.ok_or_else(|| format!("`\\u{{{digits}}}` is not a character"))?
            }
            Some(c @ ('\\' | '"' | '\'')) => c,
            _ => return Err("an escape without meaning".to_owned()),
        });
    }
    Ok(plain)
}

/// Returns the characters outside of brackets and quotes, with their positions.
fn outer(text: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut depth, mut is_quoted, mut is_escaped, mut last) = (0_i32, false, false, ' ');
    text.char_indices().filter(move |(_, c)| {
        if is_quoted {
            is_quoted = *c != '"' || is_escaped;
            is_escaped = *c == '\\' && !is_escaped;
            return false;
        }
        match c {
            '"' => is_quoted = true,
            '(' | '[' | '{' | '<' => depth += 1,
            // The `>` of an arrow is not a bracket.
            '>' if last == '-' => {}
            ')' | ']' | '}' | '>' => depth -= 1,
            _ => {}
        }
        last = *c;
        depth == 0 && !is_quoted
    })
}

/// Splits at each `at` outside of brackets and quotes. An empty text has no parts.
fn split(text: &str, at: char) -> impl Iterator<Item = &str> {
    let ends: Vec<_> = outer(text).filter(|(_, c)| *c == at).map(|(place, _)| place).collect();
    let starts: Vec<_> = std::iter::once(0).chain(ends.iter().map(|end| end + 1)).collect();
    let ends = ends.into_iter().chain([text.len()]);
    let parts = starts.into_iter().zip(ends).map(move |(start, end)| &text[start..end]);
    parts.filter(move |_| !text.trim().is_empty())
}

/// Splits a text into the inside of its leading parentheses and the rest.
fn enclosed(text: &str) -> Parsed<(&str, &str)> {
    let close = outer(text).find(|(_, c)| *c == ')').map(|(at, _)| at);
    let close = close.ok_or("the arguments have no closing parenthesis")?;
    Ok((&text[1..close], &text[close + 1..]))
}

/// Returns the first position of `wanted` outside of brackets and quotes.
fn outside(text: &str, wanted: &str) -> Option<usize> {
    outer(text).map(|(at, _)| at).find(|at| text[*at..].starts_with(wanted))
}
