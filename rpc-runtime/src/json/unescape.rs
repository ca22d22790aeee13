//! A string's text, with what its escapes stand for: read in one pass, whatever is in it.
//!
//! Texts within texts have an escape every few bytes. So whole words are copied, of which only the bytes before the
//! next escape count, and no call is made for a piece.

use std::borrow::Cow;

use super::scan::{InString, Special, WORD, find, plain};

/// How many words of a piece are copied one at a time before it is taken for a long one.
const SHORT: usize = 6;

/// Reads `text`, which is one string and nothing else. `None` if it is not.
///
/// It is borrowed if it has no escapes, and copied once if it has.
pub(crate) fn string(text: &str) -> Option<Cow<'_, str>> {
    let behind = text.trim_matches([' ', '\n', '\r', '\t']).strip_prefix('"')?;
    let special = find::<InString>(behind.as_bytes())?;
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
    let all = text.len();
    let (mut rest, mut room) = (bytes, &mut *text);
    let end = loop {
        plain_part(&mut rest, &mut room);
        rest = match rest {
            [b'"', end @ ..] => break end,
            [b'\\', b'u', behind @ ..] => {
                let (character, behind) = unicode(behind)?;
                let length = character.encode_utf8(room).len();
                room = &mut room[length..];
                behind
            }
            [b'\\', escape, behind @ ..] => {
                let (first, others) = room.split_first_mut()?;
                *first = PLAIN[usize::from(*escape)];
                if *first == 0 {
                    return None;
                }
                room = others;
                behind
            }
            _ => return None,
        };
    };
    let (written, read) = (all - room.len(), bytes.len() - end.len());
    text.truncate(written);
    // What an escape stands for is whole, so that it mends nothing that is not UTF-8 beside it.
    Some((String::from_utf8(text).ok()?, read))
}

/// What the byte behind a backslash stands for. 0: nothing.
const PLAIN: [u8; 256] = {
    let mut plain = [0; 256];
    plain[b'"' as usize] = b'"';
    plain[b'\\' as usize] = b'\\';
    plain[b'/' as usize] = b'/';
    plain[b'b' as usize] = 0x8;
    plain[b'f' as usize] = 0xc;
    plain[b'n' as usize] = b'\n';
    plain[b'r' as usize] = b'\r';
    plain[b't' as usize] = b'\t';
    plain
};

/// Moves what stands before the first special byte, and everything there is if none is special.
#[inline(always)]
fn plain_part(rest: &mut &[u8], room: &mut &mut [u8]) {
    let mut words = 0;
    while let (Some(word), Some(place)) = (rest.first_chunk(), room.first_chunk_mut()) {
        *place = *word;
        let marks = InString::marks(u64::from_le_bytes(*word));
        let length = marks.trailing_zeros() as usize / WORD;
        advance(rest, room, length);
        if marks != 0 {
            return;
        }
        words += 1;
        if words == SHORT {
            let length = plain::<InString>(rest);
            room[..length].copy_from_slice(&rest[..length]);
            advance(rest, room, length);
        }
    }
    let length = rest.iter().position(|&byte| InString::is(byte)).unwrap_or(rest.len());
    room[..length].copy_from_slice(&rest[..length]);
    advance(rest, room, length);
}

#[inline(always)]
fn advance(rest: &mut &[u8], room: &mut &mut [u8], length: usize) {
    *rest = &rest[length..];
    *room = &mut std::mem::take(room)[length..];
}

/// Reads what stands behind `\u`: a unit, or both halves of a surrogate pair. A half on its own is U+FFFD. Returns what
/// stands behind it, too.
fn unicode(bytes: &[u8]) -> Option<(char, &[u8])> {
    let first = unit(bytes)?;
    let behind = &bytes[4..];
    if let (0xd800..=0xdbff, Some(second)) = (first, behind.strip_prefix(b"\\u"))
        && let Some(character) = joined(first, unit(second)?)
    {
        return Some((character, &second[4..]));
    }
    Some((char::from_u32(first.into()).unwrap_or(char::REPLACEMENT_CHARACTER), behind))
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
