//! A string's text, with what its escapes stand for: read in one pass, whatever is in it.
//!
//! Texts within texts have an escape every few bytes. So whole words are copied, of which only the bytes before the
//! next escape count, and no call is made for a piece.

use std::borrow::Cow;

use super::scan::{InString, Special, WORD, plain};

/// How many bytes of a piece are copied a word at a time before it is taken for a long one.
const SHORT: usize = 2 * WORD;

/// Reads `text`, which is one string and nothing else. `None` if it is not.
///
/// It is borrowed if it has no escapes, and copied once if it has.
pub(crate) fn string(text: &str) -> Option<Cow<'_, str>> {
    let behind = text.trim_matches([' ', '\n', '\r', '\t']).strip_prefix('"')?;
    let special = super::scan::find::<InString>(behind.as_bytes())?;
    match behind.as_bytes()[special] {
        b'"' => (special + 1 == behind.len()).then_some(Cow::Borrowed(&behind[..special])),
        b'\\' => {
            let (string, end) = unescaped(behind.as_bytes())?;
            (end == behind.len()).then_some(Cow::Owned(string))
        }
        _ => None,
    }
}

/// Reads the string whose opening quote stands before `bytes`. Returns its text, and where its closing quote ends.
///
/// `None` if it is no string of JSON, or not UTF-8.
pub(crate) fn unescaped(bytes: &[u8]) -> Option<(String, usize)> {
    // An escape is longer than what it stands for. A word is copied as a whole.
    let mut text = vec![0; bytes.len() + WORD];
    let (mut read, mut written) = (0, 0);
    loop {
        let length = piece(&bytes[read..], &mut text[written..]);
        (read, written) = (read + length, written + length);
        match *bytes.get(read)? {
            b'"' => break,
            b'\\' => {}
            _ => return None,
        }
        let plain = match *bytes.get(read + 1)? {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'n' => b'\n',
            b't' => b'\t',
            b'r' => b'\r',
            b'b' => 0x8,
            b'f' => 0xc,
            b'u' => {
                let (character, length) = unicode(&bytes[read + 2..])?;
                written += character.encode_utf8(&mut text[written..]).len();
                read += 2 + length;
                continue;
            }
            _ => return None,
        };
        text[written] = plain;
        (read, written) = (read + 2, written + 1);
    }
    text.truncate(written);
    // What an escape stands for is whole, so that it mends nothing that is not UTF-8 beside it.
    Some((String::from_utf8(text).ok()?, read + 1))
}

/// Copies what stands before the first special byte. Returns how much that is.
#[inline(always)]
fn piece(bytes: &[u8], text: &mut [u8]) -> usize {
    let mut at = 0;
    while let Some(word) = bytes[at..].first_chunk::<WORD>() {
        text[at..at + WORD].copy_from_slice(word);
        let marks = InString::marks(u64::from_le_bytes(*word));
        if marks != 0 {
            return at + marks.trailing_zeros() as usize / WORD;
        }
        at += WORD;
        if at == SHORT {
            let long = plain::<InString>(&bytes[at..]);
            text[at..at + long].copy_from_slice(&bytes[at..at + long]);
            at += long;
        }
    }
    for &byte in &bytes[at..] {
        if InString::is(byte) {
            break;
        }
        text[at] = byte;
        at += 1;
    }
    at
}

/// Reads what stands behind `\u`: a unit, or both halves of a surrogate pair. A half on its own is U+FFFD. Returns how
/// many bytes it takes, too.
fn unicode(bytes: &[u8]) -> Option<(char, usize)> {
    let first = unit(bytes)?;
    if let (0xd800..=0xdbff, Some(behind)) = (first, bytes[4..].strip_prefix(b"\\u")) {
        let second = unit(behind)?;
        if let Some(character) = joined(first, second) {
            return Some((character, 10));
        }
    }
    Some((char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER), 4))
}

/// Reads the four digits of a unit.
pub(super) fn unit(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk::<4>()?.iter().try_fold(0, |unit: u16, &digit| {
        Some(unit << 4 | u16::try_from(char::from(digit).to_digit(16)?).ok()?)
    })
}

/// Joins the halves of a surrogate pair, if they are that.
pub(super) fn joined(high: u16, low: u16) -> Option<char> {
    char::decode_utf16([high, low]).next()?.ok().filter(|character| *character > '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::from_str;

    /// Checks that a string is read as the reader that says what is wrong reads it.
    fn same(text: &str) {
        let slowly = from_str::<String>(text).ok();
        assert_eq!(string(text).as_deref(), slowly.as_deref(), "{text:?}");
    }

    #[test]
    fn pieces_of_any_length_come_whole_with_any_escape_between_them() {
        let escapes =
            [r#"\""#, r"\\", r"\/", r"\b\f\n\r\t", r"\u00e9", r"\ud83d\ude00", r"\ud800", ""];
        for (escape, length) in escapes.iter().flat_map(|escape| (0..120).map(move |n| (escape, n)))
        {
            for with in ["x", "é"] {
                let piece = with.repeat(length);
                let text = format!("\"{piece}{escape}{piece}{escape}\"");
                assert!(string(&text).is_some(), "{text}");
                same(&text);
            }
        }
    }

    #[test]
    fn what_is_no_string_is_none_at_any_place() {
        for wrong in ["\0", "\u{1f}", "\"", "\\", "\\x", "\\u", "\\u12", "\\u12g4", "\\ud800\\u12"]
        {
            for before in 0..40 {
                let text = format!("\"{}{wrong}", "x".repeat(before));
                let behind = format!("{text}{}\"", "\\n".repeat(before));
                assert!(wrong == "\"" || string(&text).is_none(), "{text:?}");
                same(&text);
                same(&behind);
            }
        }
    }

    #[test]
    fn it_ends_at_its_own_quote() {
        let read = |bytes: &[u8]| unescaped(bytes);
        assert_eq!(read(br#"a\"b", "c""#), Some(("a\"b".to_owned(), 5)));
        assert_eq!(read(br#"""#), Some((String::new(), 1)));
        assert_eq!(read(b"a"), None);
        assert_eq!(read(b""), None);
    }

    #[test]
    fn what_is_not_utf_8_is_mended_by_no_escape() {
        for escape in [r"\u0080", r"\u00e9", r"\ud800", r"\n"] {
            for bytes in [&b"\xc3"[..], b"\xa9", b"\xf0\x9f", b"\xff"] {
                for order in [[bytes, escape.as_bytes()], [escape.as_bytes(), bytes]] {
                    assert_eq!(unescaped(&[&order.concat()[..], b"\""].concat()), None);
                }
            }
        }
    }
}
