//! The lines of a configuration file, split as `oslo.config` splits them.
//!
//! Sections, options, comments and continued values. References in values are not replaced here.

use crate::options::is_blank;

/// An option, as a file assigns it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Assignment<'a> {
    /// The line that it begins on, from 1.
    pub(super) line: usize,
    pub(super) section: &'a str,
    pub(super) name: &'a str,
    /// Continued lines are joined by a newline.
    pub(super) value: String,
}

/// Why a file is refused. The line itself is left out, as it may hold a password.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) line: usize,
    pub(super) reason: &'static str,
}

/// Lists the options of a file, in its order.
pub(super) fn read(text: &str) -> Result<Vec<Assignment<'_>>, Malformed> {
    let mut assignments: Vec<Assignment<'_>> = Vec::new();
    let (mut section, mut continues) = (None, false);
    for (at, text) in lines(text).enumerate() {
        let (line, text) = (at + 1, text.trim_end_matches(is_blank));
        let refused = |reason| Err(Malformed { line, reason });
        if text.is_empty() {
            continues = false;
        } else if text.starts_with([' ', '\t']) {
            let Some(last) = assignments.last_mut().filter(|_| continues) else {
                return refused("the line is indented, and continues no option");
            };
            last.value.push('\n');
            last.value.push_str(text.trim_start_matches(is_blank));
        } else if let Some(name) = text.strip_prefix('[') {
            continues = false;
            section = match name.strip_suffix(']') {
                Some("") => return refused("the section has no name"),
                Some(name) => Some(name),
                None => return refused("the section has no `]` at the end of its line"),
            };
        } else if text.starts_with(['#', ';']) {
            continues = false;
        } else {
            let Some((name, value)) = text.split_once(['=', ':']) else {
                return refused(match text.starts_with('\u{feff}') {
                    true => "the file begins with a byte order mark",
                    false => "the line has no `=` or `:`, and is neither a section nor a comment",
                });
            };
            let (name, value) = (name.trim_matches(is_blank), unquoted(value).to_owned());
            let Some(section) = section else {
                return refused("the option comes before the first section");
            };
            if name.is_empty() {
                return refused("the option has no name");
            }
            assignments.push(Assignment { line, section, name, value });
            continues = true;
        }
    }
    Ok(assignments)
}

/// Splits at the three ends of lines that Python knows: `\n`, `\r\n` and `\r`.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r'))
}

/// Removes blanks, and then one pair of quotes. A single quote alone counts as a pair.
fn unquoted(value: &str) -> &str {
    let value = value.trim_matches(is_blank);
    let within = |quote| match value.strip_prefix(quote)? {
        "" => Some(""),
        rest => rest.strip_suffix(quote),
    };
    within('"').or_else(|| within('\'')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_goes_on_over_indented_lines() {
        let read = read("[a]\nb : 'c' \n\td\n  e = f\n\n[g]\nh=\n").expect("a file");
        let read: Vec<_> =
            read.iter().map(|o| (o.line, o.section, o.name, o.value.as_str())).collect();
        assert_eq!(read, [(2, "a", "b", "c\nd\ne = f"), (7, "g", "h", "")]);
    }

    #[test]
    fn a_refused_line_is_counted_and_not_quoted() {
        for (text, line, reason) in [
            ("[a]\r\n  b = c", 2, "indented"),
            ("[a]\rb = c\r# d\r  e", 4, "indented"),
            ("[a]\nb = c\n\n  d", 4, "indented"),
            ("[a\n", 1, "`]`"),
            ("\n[]", 2, "no name"),
            ("[a]\n= b", 2, "no name"),
            ("[a]\nb", 2, "no `=`"),
            ("a = b", 1, "first section"),
            ("\u{feff}[a]", 1, "byte order mark"),
        ] {
            let refused = read(text).expect_err(text);
            assert_eq!(refused.line, line, "{text}");
            assert!(refused.reason.contains(reason), "{text}: {refused:?}");
        }
    }
}
