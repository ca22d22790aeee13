//! Proof that a server refused a request before its method began.
//!
//! A failure's class proves nothing: a method may raise `TypeError` itself, or pass on the failure
//! of a call of its own. A server of this library marks its reply with a header, which no method
//! can set. A server of the original marks nothing, but sends a traceback, whose last frame says
//! whether its dispatcher or the method raised.

use rpc_idl::Version;

use crate::{Failure, failure::DISPATCHER};

/// The header of a reply that carries a failure: whether the server refused the request.
pub(crate) const HEADER: &str = "x-rpc-refused";

/// Why a server refused a request, whose method has not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It serves no such version. If it serves another one of that namespace, this is the nearest.
    Version(Option<Version>),
    /// It has the version, but not the method.
    Method,
    /// The arguments or the context do not fit.
    Arguments,
}

/// The header's value, of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Refused(Refusal),
    /// The method may have begun. The failure may be another server's, with that server's
    /// traceback.
    MayHaveBegun,
}

impl Mark {
    /// Marks a failure.
    pub(crate) fn of(refusal: Option<Refusal>) -> Self {
        refusal.map_or(Self::MayHaveBegun, Self::Refused)
    }

    /// Returns the header's value.
    pub(crate) fn text(self) -> String {
        match self {
            Self::MayHaveBegun => "no".to_owned(),
            Self::Refused(Refusal::Method) => "method".to_owned(),
            Self::Refused(Refusal::Arguments) => "arguments".to_owned(),
            Self::Refused(Refusal::Version(None)) => "version".to_owned(),
            Self::Refused(Refusal::Version(Some(serves))) => format!("version {serves}"),
        }
    }

    /// Reads the header's value. A value that is not known proves nothing.
    pub(crate) fn parse(text: &str) -> Self {
        Self::Refused(match text {
            "method" => Refusal::Method,
            "arguments" => Refusal::Arguments,
            "version" => Refusal::Version(None),
            _ => match text.strip_prefix("version ").map(str::parse) {
                Some(Ok(serves)) => Refusal::Version(Some(serves)),
                _ => return Self::MayHaveBegun,
            },
        })
    }
}

/// Returns why a server refused a request for `method` of `version`, if its failure is proof of
/// that.
pub(crate) fn proven(
    mark: Option<Mark>,
    failure: &Failure,
    method: &str,
    version: Version,
) -> Option<Refusal> {
    match mark {
        Some(Mark::Refused(refusal)) => Some(refusal),
        Some(Mark::MayHaveBegun) => None,
        None => by_traceback(failure, method, version),
    }
}

/// The two files of the original through which a request comes to its method.
const SERVER_FILE: &str = "/oslo_messaging/rpc/server.py";
const DISPATCHER_FILE: &str = "/oslo_messaging/rpc/dispatcher.py";
/// The one line of the dispatcher that calls a method.
const CALLS_METHOD: &str = "result = func(ctxt, **new_args)";

/// Looks for proof in what a server of the original sends.
///
/// Its traceback has to be that of one exception, through the server and the dispatcher alone: a
/// method's own frame, a decorator's, or the frames of a dispatcher that a method calls would be
/// there, too. Tracebacks inside of messages are not read, and a frame without its source line
/// proves nothing.
fn by_traceback(failure: &Failure, method: &str, version: Version) -> Option<Refusal> {
    let [head, frames @ .., end] = failure.traceback() else { return None };
    let (module, class, message) = (failure.module(), failure.class(), failure.message());
    let said = end.strip_suffix('\n')?.strip_suffix(message)?.strip_suffix(": ")?;
    let own_name = said.strip_prefix(module).and_then(|rest| rest.strip_prefix('.'));
    if head != "Traceback (most recent call last):\n" || own_name.unwrap_or(said) != class {
        return None;
    }
    let frames: Vec<_> = frames.iter().map(|frame| Frame::parse(frame)).collect::<Option<_>>()?;
    let dispatching = frames.iter().skip_while(|frame| frame.file.ends_with(SERVER_FILE));
    let mut last = None;
    for frame in dispatching {
        if !frame.file.ends_with(DISPATCHER_FILE) {
            return None;
        }
        last = Some(frame.source?);
    }
    let source = last?;
    match (module, class) {
        (DISPATCHER, "NoSuchMethod") => {
            let of_method =
                message.strip_prefix("Endpoint does not support RPC method ")? == method;
            (of_method && source.starts_with("raise NoSuchMethod(")).then_some(Refusal::Method)
        }
        (DISPATCHER, "UnsupportedVersion") => {
            let said = message.strip_prefix("Endpoint does not support RPC version ")?;
            let (of_version, of_method) = said.split_once(". Attempted method: ")?;
            let is_own = of_method == method && of_version == version.to_string();
            let is_raised = source.starts_with("raise UnsupportedVersion(");
            (is_own && is_raised).then_some(Refusal::Version(None))
        }
        ("builtins", "TypeError") => {
            let is_called = source == CALLS_METHOD && is_misfit(message, method);
            is_called.then_some(Refusal::Arguments)
        }
        _ => None,
    }
}

/// Whether Python says that the arguments do not fit a function of this name. A class that is
/// called for a method may have run its `__new__`, and is refused by the name of its `__init__`.
fn is_misfit(message: &str, method: &str) -> bool {
    let Some((function, what)) = message.split_once("() ") else { return false };
    let name = function.rsplit('.').next();
    let begins = ["got ", "missing ", "takes "].iter().any(|word| what.starts_with(word));
    name == Some(method) && begins && !message.contains('\n')
}

/// A frame of a traceback, as Python prints it.
struct Frame<'a> {
    file: &'a str,
    /// The line of the source. Python leaves it out where it cannot read the file.
    source: Option<&'a str>,
}

impl<'a> Frame<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (file, place) = lines.next()?.strip_prefix("  File \"")?.split_once("\", line ")?;
        let (line, _function) = place.split_once(", in ")?;
        line.parse::<u32>().ok()?;
        let source = lines.next().map(str::trim);
        // Newer releases of Python underline the expression.
        let is_mark = |line: &str| line.bytes().all(|byte| matches!(byte, b' ' | b'^' | b'~'));
        lines.all(is_mark).then_some(Self { file, source })
    }
}

#[cfg(test)]
mod tests;
