//! What `#[rpc(…)]` says of a method.

use proc_macro2::Span;
use syn::{Expr, ExprLit, Ident, Lit, LitStr};

use super::wire_name;
use crate::{
    Ack, Kind,
    parse::{Errors, Timeout, signature::Parts},
};

/// Reads `host`, or `host = "…"` with an expression over the arguments. Returns where it is written, and the expression.
pub(crate) fn host(
    entry: Option<(Ident, Option<Expr>)>,
    errors: &mut Errors,
) -> (Option<Span>, Option<Expr>) {
    const FORM: &str = "write `host` for a host that the client names, or `host = \"argument.field\"` for one that an argument says";
    let Some((name, value)) = entry else { return (None, None) };
    let text = match value {
        None => return (Some(name.span()), None),
        Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => text,
        Some(other) => {
            errors.at(&other, FORM);
            return (None, None);
        }
    };
    match text.parse::<Expr>() {
        Ok(expr) => (Some(name.span()), Some(expr)),
        Err(_) => {
            errors.at(&text, FORM);
            (None, None)
        }
    }
}

/// Checks a method that a caller may wait for or not.
pub(crate) fn either(
    either: Option<Span>,
    other: Option<Span>,
    parts: &Parts,
    errors: &mut Errors,
) -> bool {
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

/// Checks that a method's target makes sense.
pub(crate) fn addressing(
    fanout: Option<Span>,
    host: Option<Span>,
    parts: &Parts,
    errors: &mut Errors,
) {
    let Some(span) = fanout else { return };
    if host.is_some() {
        errors.under(span, "`fanout` goes to every server, `host` to one: keep one of them");
    }
    if let Some(output) = &parts.output {
        errors.at(output, "a fanout cast has no answer: take the return type away, or `fanout`");
    }
}

/// Reads how long a method's server may be silent.
pub(crate) fn monitor(
    value: Option<(Ident, Option<Expr>)>,
    kind: Kind,
    errors: &mut Errors,
) -> Option<Timeout> {
    let name = value.as_ref().map(|(name, _)| name.clone())?;
    if kind != Kind::Call {
        errors.at(&name, "`monitor` is for calls: nobody waits for a cast to end");
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
                "`{other}` is nothing to do with extra arguments: write \"ignore\" or \"refuse\""
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

/// Reads a time that a method has.
pub(crate) fn time(
    what: &str,
    value: Option<(Ident, Option<Expr>)>,
    errors: &mut Errors,
) -> Option<Timeout> {
    let (name, value) = value?;
    match value {
        Some(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => {
            match nanoseconds(&text.value()) {
                Some(nanoseconds) => Some(Timeout::Literal(nanoseconds)),
                None => {
                    let value = text.value();
                    errors.at(&text, format!("`{value}` is no time above zero: write \"250ms\", \"5s\", \"2m\" or \"1h\""));
                    None
                }
            }
        }
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
        other => errors
            .at(&text, format!("`{other}` is no way to acknowledge: write \"early\" or \"late\"")),
    }
    Ack::Early
}
