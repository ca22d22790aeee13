//! The rules of a method's `#[rpc(…)]`.

use proc_macro2::Span;
use syn::{
    Expr, ExprLit, Ident, Lit, LitStr, Token, ext::IdentExt as _, parse::Parser as _,
    punctuated::Punctuated,
};

use super::{name_of_topic, version_of, wire_name};
use crate::{
    Ack, Kind,
    parse::{Entries, Errors, Since, Timeout, Versions, signature::Parts},
};

/// Reads whether a method is a call or a cast, and whether its caller may choose.
pub(crate) fn kind(entries: &mut Entries, parts: &mut Parts, errors: &mut Errors) -> (Kind, bool) {
    let fanout = entries.flag("fanout", errors);
    let (cast, call) = (entries.flag("cast", errors), entries.flag("call", errors));
    let either = entries.flag("either", errors);
    if let Some(span) = call {
        if let Some(other) = fanout.or(cast) {
            errors.under(other, "a `call` has an answer, and this has none: keep one of them");
        } else if parts.output.is_none() {
            parts.output = Some(syn::parse_quote_spanned!(span=> ()));
        }
    }
    if let (Some(_), Some(output)) = (fanout, &parts.output) {
        errors.at(output, "a fanout cast has no answer: take the return type away, or `fanout`");
    }
    let either = choice(either, fanout.or(cast), parts, errors);
    let kind = match (fanout, cast, &parts.output) {
        (Some(_), ..) => Kind::Fanout,
        (None, Some(_), _) | (None, None, None) => Kind::Cast,
        (None, None, Some(_)) => Kind::Call,
    };
    (kind, either)
}

/// Checks a method whose caller may choose not to wait.
fn choice(either: Option<Span>, other: Option<Span>, parts: &Parts, errors: &mut Errors) -> bool {
    let Some(span) = either else { return false };
    if other.is_some() {
        errors.under(
            span,
            "`either` makes a call and a cast of a method: take `cast` or `fanout` away",
        );
        return false;
    }
    if parts.output.is_none() {
        errors.under(
            span,
            "`either` is for a method with an answer: write what it returns, `-> ()` if nothing",
        );
        return false;
    }
    true
}

/// Reads `host`, or `host = "…"` with an expression over the arguments. Returns whether the client
/// must name the host, and the expression. A fanout cast can have a host only as the key of an
/// address.
pub(crate) fn host(
    entries: &mut Entries,
    kind: Kind,
    has_address: bool,
    errors: &mut Errors,
) -> (bool, Option<Expr>) {
    const FORM: &str = "write `host` for a host that the client names, or `host = \"argument.field\"` for one that an argument says";
    let Some((name, value)) = entries.value("host") else { return (false, None) };
    let is_key = has_address && value.is_some();
    if kind == Kind::Fanout && !is_key {
        errors.at(&name, "`fanout` goes to every server, `host` to one: keep one of them");
    }
    let text = match value {
        None => return (true, None),
        Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => text,
        Some(other) => {
            errors.at(&other, FORM);
            return (false, None);
        }
    };
    let Ok(expr) = text.parse::<Expr>() else {
        errors.at(&text, FORM);
        return (false, None);
    };
    (false, Some(expr))
}

/// Reads the method's own topic, and the first version that uses it.
pub(crate) fn method_topic(
    entries: &mut Entries,
    versions: &Versions,
    errors: &mut Errors,
) -> Option<(String, Option<Since>)> {
    let since_text = entries.text("topic_since", errors);
    let since = version_of("topic_since", since_text.clone(), versions, errors);
    let Some(topic) = entries.text("topic", errors) else {
        if let Some(text) = since_text {
            errors.at(&text, "`topic_since` goes with `topic`: say which topic that is");
        }
        return None;
    };
    name_of_topic(&topic, errors);
    Some((topic.value(), since))
}

/// Reads `expected(NoValidBackend, "VolumeNotFound")`: the classes of errors that are expected
/// outcomes.
pub(crate) fn expected(entries: &mut Entries, kind: Kind, errors: &mut Errors) -> Vec<String> {
    const FORM: &str = "expected(NoValidBackend, \"VolumeNotFound\")";
    let Some((name, tokens)) = entries.tokens("expected", FORM, errors) else { return Vec::new() };
    if kind == Kind::Fanout {
        errors.at(
            &name,
            "`expected` is for methods that can fail, and a fanout cast returns nothing",
        );
        return Vec::new();
    }
    let parsed = Punctuated::<Expr, Token![,]>::parse_terminated.parse2(tokens);
    let (mut classes, parsed) = (Vec::new(), errors.ok(parsed));
    if parsed.as_ref().is_some_and(Punctuated::is_empty) {
        errors.at(&name, format!("say which errors: write `{FORM}`"));
    }
    for class in parsed.unwrap_or_default() {
        match &class {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => classes.push(text.value()),
            Expr::Path(path) if !path.path.segments.is_empty() => {
                classes
                    .extend(path.path.segments.last().map(|last| last.ident.unraw().to_string()));
            }
            other => errors.at(other, format!("an error's class is a name: write `{FORM}`")),
        }
    }
    classes
}

/// Reads how long a method's server may be silent.
pub(crate) fn monitor(
    value: Option<(Ident, Option<Expr>)>,
    kind: Kind,
    errors: &mut Errors,
) -> Option<Timeout> {
    let name = value.as_ref().map(|(name, _)| name.clone())?;
    if kind != Kind::Call {
        errors.at(&name, "`monitor` is for calls: no caller waits for a cast to end");
        return None;
    }
    time("monitor", value, errors)
}

/// Reads whether unknown arguments are ignored.
pub(crate) fn extra(text: Option<LitStr>, errors: &mut Errors) -> bool {
    let Some(text) = text else { return false };
    match text.value().as_str() {
        "ignore" => return true,
        "refuse" => {}
        other => errors.at(
            &text,
            format!(
                "`{other}` does not say what to do with extra arguments: write \"ignore\" or \"refuse\""
            ),
        ),
    }
    false
}

/// Reads `alias = "…"` or `alias = ["…", "…"]`.
pub(crate) fn aliases(entry: Option<(Ident, Option<Expr>)>, errors: &mut Errors) -> Vec<String> {
    const FORM: &str =
        "write `alias = \"old_name\"`, or a list of names: `alias = [\"older\", \"oldest\"]`";
    let Some((name, value)) = entry else { return Vec::new() };
    let texts = match value {
        Some(Expr::Array(list)) => list.elems.into_iter().collect(),
        Some(one) => vec![one],
        None => {
            errors.at(&name, FORM);
            Vec::new()
        }
    };
    let mut aliases = Vec::new();
    for text in texts {
        match text {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
                aliases.push(wire_name(Some(text), &name, errors));
            }
            other => errors.at(&other, FORM),
        }
    }
    aliases
}

/// Reads a duration that a method declares.
pub(crate) fn time(
    what: &str,
    value: Option<(Ident, Option<Expr>)>,
    errors: &mut Errors,
) -> Option<Timeout> {
    let (name, value) = value?;
    match value {
        Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => match nanoseconds(&text.value()) {
            Some(nanoseconds) => Some(Timeout::Literal { text: text.value(), nanoseconds }),
            None => {
                let value = text.value();
                errors.at(&text, format!("`{value}` is not a time above zero: write \"250ms\", \"5s\", \"2m\" or \"1h\""));
                None
            }
        },
        Some(expr @ (Expr::Path(_) | Expr::Call(_) | Expr::MethodCall(_))) => {
            Some(Timeout::Expr(expr))
        }
        Some(other) => {
            let message = format!("`{what}` is a text such as \"5s\", or a path to a `Duration`");
            errors.at(&other, message);
            None
        }
        None => {
            errors.at(&name, format!("`{what}` needs a value: write `{what} = \"5s\"`"));
            None
        }
    }
}

fn nanoseconds(text: &str) -> Option<u64> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let scale = match unit {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(scale).filter(|&nanoseconds| nanoseconds > 0)
}

/// Reads when a request is acknowledged.
pub(crate) fn ack(text: Option<LitStr>, errors: &mut Errors) -> Ack {
    let Some(text) = text else { return Ack::Early };
    match text.value().as_str() {
        "early" => {}
        "late" => return Ack::Late,
        other => errors.at(
            &text,
            format!("`{other}` is not a way to acknowledge: write \"early\" or \"late\""),
        ),
    }
    Ack::Early
}
