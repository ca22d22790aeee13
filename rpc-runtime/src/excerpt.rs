//! What a peer wrote, where people read it: in one line, and no longer than is of use.

use std::{borrow::Cow, error::Error, fmt};

/// Text of a peer's for a log line or an error: escaped, so that it cannot pass for lines of its
/// own or speak to a terminal, and cut. Quotes and backslashes stay, so an excerpt of an excerpt
/// reads the same.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Excerpt<'a>(pub(crate) &'a str);

impl Excerpt<'_> {
    /// How many bytes are shown at most, escapes apart.
    const LONGEST: usize = 200;
}

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = begin(self.0, Self::LONGEST);
        for part in shown.split_inclusive(PLAIN) {
            let plain = part.strip_suffix(PLAIN).unwrap_or(part);
            plain.escape_debug().fmt(f)?;
            f.write_str(&part[plain.len()..])?;
        }
        if shown.len() < self.0.len() {
            write!(f, "… ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}

/// Characters that `escape_debug` escapes although they harm no line.
const PLAIN: [char; 3] = ['"', '\'', '\\'];

/// An error and all that caused it, in one line. Many errors repeat their cause in their own text;
/// here it is there once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Causes<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut error, mut said) = (self.0, self.0.to_string());
        Excerpt(&said).fmt(f)?;
        while let Some(cause) = error.source() {
            let text = cause.to_string();
            if !said.contains(&text) {
                write!(f, ": {}", Excerpt(&text))?;
                said = text;
            }
            error = cause;
        }
        Ok(())
    }
}

/// Returns `text` in full if it has at most `most` bytes, and its beginning otherwise.
pub(crate) fn cut(text: &str, most: usize) -> Cow<'_, str> {
    let shown = begin(text, most);
    if shown.len() == text.len() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{shown}… ({} bytes)", text.len()))
}

fn begin(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_one_line_without_controls() {
        let shown = Excerpt("add\r\nERROR all is lost\u{1b}[31m\0\u{202e}").to_string();
        assert_eq!(shown, r"add\r\nERROR all is lost\u{1b}[31m\0\u{202e}");
    }

    #[test]
    fn an_error_is_told_with_what_caused_it() {
        #[derive(Debug, thiserror::Error)]
        #[error("a driver failed")]
        struct Failed(#[source] std::io::Error);
        let failed = Failed(std::io::Error::other("no\nspace"));
        assert_eq!(Causes(&failed).to_string(), r"a driver failed: no\nspace");
    }

    #[test]
    fn a_cause_that_an_error_repeats_is_told_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("IO error: {0}")]
        struct Wordy(#[source] std::io::Error);
        #[derive(Debug, thiserror::Error)]
        #[error("cannot connect")]
        struct Failed(#[source] Wordy);
        let failed = Failed(Wordy(std::io::Error::other("refused")));
        assert_eq!(Causes(&failed).to_string(), "cannot connect: IO error: refused");
    }

    #[test]
    fn an_excerpt_of_an_excerpt_reads_the_same() {
        let once = Excerpt("it's \"a\" \\ b\n\u{1b}").to_string();
        assert_eq!(once, r#"it's "a" \ b\n\u{1b}"#);
        assert_eq!(Excerpt(&once).to_string(), once);
    }

    #[test]
    fn what_is_long_is_cut_between_characters() {
        let long = "é".repeat(70_000);
        assert_eq!(Excerpt(&long).to_string(), format!("{}… (140000 bytes)", "é".repeat(100)));
        assert_eq!(cut(&long, 5), "éé… (140000 bytes)");
        assert!(matches!(cut("short", 5), Cow::Borrowed("short")));
    }
}
