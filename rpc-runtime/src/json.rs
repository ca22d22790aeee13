//! JSON as Python's `json.dumps` writes it, and the escaping that nests one JSON text in another.
//!
//! Peers accept any legal JSON. The form is kept all the same, so that a trace, a size limit or a byte-for-byte
//! comparison cannot tell this library from the original (wire: separators `", "` and `": "`, ASCII only).

use std::io;

use serde::Serialize;
use serde_json::ser::Formatter;

/// Appends `value` to `out`, the way `json.dumps` would.
pub(crate) fn write<T: Serialize + ?Sized>(
    out: impl io::Write,
    value: &T,
) -> Result<(), serde_json::Error> {
    value.serialize(&mut serde_json::Serializer::with_formatter(out, Python))
}

/// Returns `value` as text, the way `json.dumps` would.
pub(crate) fn text<T: Serialize + ?Sized>(value: &T) -> Result<String, serde_json::Error> {
    let mut out = Vec::with_capacity(128);
    write(&mut out, value)?;
    String::from_utf8(out).map_err(serde::ser::Error::custom)
}

/// Writes into a JSON string literal: what passes through is escaped.
pub(crate) struct Escaped<'a>(pub(crate) &'a mut Vec<u8>);

impl io::Write for Escaped<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut plain = 0;
        for (at, &byte) in bytes.iter().enumerate() {
            if byte >= 0x20 && byte != b'"' && byte != b'\\' {
                continue;
            }
            self.0.extend_from_slice(&bytes[plain..at]);
            plain = at + 1;
            match byte {
                b'"' | b'\\' => self.0.extend_from_slice(&[b'\\', byte]),
                // Only a context value that a peer sent with line breaks between its tokens comes here.
                control => write!(self.0, "\\u{control:04x}")?,
            }
        }
        self.0.extend_from_slice(&bytes[plain..]);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The separators, escapes and number forms of `json.dumps`.
struct Python;

impl Formatter for Python {
    fn begin_array_value<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.bytes().position(|byte| byte >= 0x7f) {
            let (plain, escaped) = rest.split_at(at);
            out.write_all(plain.as_bytes())?;
            let mut chars = escaped.chars();
            for unit in chars.next().into_iter().flat_map(|c| c.encode_utf16(&mut [0; 2]).to_vec())
            {
                write!(out, "\\u{unit:04x}")?;
            }
            rest = chars.as_str();
        }
        out.write_all(rest.as_bytes())
    }

    fn write_f64<W: io::Write + ?Sized>(&mut self, out: &mut W, value: f64) -> io::Result<()> {
        out.write_all(float(value).as_bytes())
    }

    fn write_f32<W: io::Write + ?Sized>(&mut self, out: &mut W, value: f32) -> io::Result<()> {
        // The shortest text that reads back as this `f32` is the shortest `f64` near it, too.
        out.write_all(
            float(value.to_string().parse().unwrap_or_else(|_| f64::from(value))).as_bytes(),
        )
    }
}

/// Returns Python's `repr` of a float: positional from 1e-4 up to 1e16, else with an exponent of two digits or more.
fn float(value: f64) -> String {
    let exponent = format!("{value:e}");
    let Some((digits, power)) = exponent.split_once('e') else { return exponent };
    match power.parse::<i32>() {
        Ok(power) if value != 0.0 && !(-4..16).contains(&power) => {
            format!("{digits}e{}{:02}", if power < 0 { '-' } else { '+' }, power.abs())
        }
        _ => format!("{value:?}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn floats_are_written_as_python_does() {
        for (value, python) in [
            (1.5, "1.5"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.25e-7, "1.25e-07"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e300, "1e+300"),
        ] {
            assert_eq!(float(value), python);
        }
        assert_eq!(text(&0.1_f32).expect("a float is JSON"), "0.1");
    }

    #[test]
    fn text_is_ascii_with_surrogate_pairs() {
        assert_eq!(
            text("é\u{1f600}\u{7f}\n\"").expect("text is JSON"),
            r#""\u00e9\ud83d\ude00\u007f\n\"""#
        );
    }

    #[test]
    fn separators_have_blanks() {
        let value = serde_json::json!({"a": [1, 2], "b": {}});
        assert_eq!(text(&value).expect("JSON"), r#"{"a": [1, 2], "b": {}}"#);
    }

    #[test]
    fn escaped_text_reads_back() {
        let inner = "{\"a\":\n\"\\u00e9\\\\\"}";
        let mut out = b"\"".to_vec();
        Escaped(&mut out).write_all(inner.as_bytes()).expect("a Vec takes everything");
        out.push(b'"');
        assert_eq!(serde_json::from_slice::<String>(&out).expect("a string"), inner);
    }
}
