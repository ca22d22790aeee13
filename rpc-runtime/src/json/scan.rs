//! Finding the next byte that is special, fast where most are not.

/// How many bytes are looked at one word at a time before it is taken for a long text, and how many at once from then on.
const SHORT: usize = 48;
const LONG: usize = 32;
/// How many bytes are in a word.
pub(super) const WORD: usize = 8;

/// Which bytes are special.
pub(super) trait Special {
    /// Whether this one is.
    fn is(byte: u8) -> bool;

    /// Returns a word whose first byte that is not 0 is where the first special byte of `word` is. Later ones may be
    /// anything.
    fn marks(word: u64) -> u64;
}

/// What ends a string's plain part: a quote, a backslash, and what has to be escaped.
pub(super) struct InString;

/// The same, and what is not ASCII or has no form in print.
pub(super) struct InAscii;

/// Returns the same byte in each place of a word.
const fn each(byte: u8) -> u64 {
    u64::from_le_bytes([byte; WORD])
}

/// Marks bytes that are less than `limit`, 128 at the most.
///
/// What is less borrows from the place above, which may be marked for it; the first mark is right.
fn less(word: u64, limit: u8) -> u64 {
    word.wrapping_sub(each(limit)) & !word & each(0x80)
}

impl Special for InString {
    #[inline(always)]
    fn is(byte: u8) -> bool {
        byte < 0x20 || byte == b'"' || byte == b'\\'
    }

    #[inline(always)]
    fn marks(word: u64) -> u64 {
        less(word, 0x20) | less(word ^ each(b'"'), 1) | less(word ^ each(b'\\'), 1)
    }
}

impl Special for InAscii {
    #[inline(always)]
    fn is(byte: u8) -> bool {
        InString::is(byte) || byte >= 0x7f
    }

    #[inline(always)]
    fn marks(word: u64) -> u64 {
        let above = (word | word.wrapping_add(each(1))) & each(0x80);
        InString::marks(word) | above
    }
}

/// Returns the place of the first byte that is special.
///
/// Texts inside of messages are short pieces between escapes, or long and plain. Short ones are looked at a word at a time. Of long
/// ones so many bytes are looked at in one go, without asking which: the compiler makes vector instructions of that.
#[inline(always)]
pub(super) fn find<S: Special>(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk() {
        let marks = S::marks(u64::from_le_bytes(*word));
        if marks != 0 {
            return Some(bytes.len() - rest.len() + marks.trailing_zeros() as usize / WORD);
        }
        rest = behind;
        if bytes.len() - rest.len() == SHORT {
            rest = &rest[plain::<S>(rest)..];
        }
    }
    let ahead = rest.iter().position(|&byte| S::is(byte))?;
    Some(bytes.len() - rest.len() + ahead)
}

/// Returns how many bytes at the beginning are surely plain.
#[inline(always)]
pub(super) fn plain<S: Special>(bytes: &[u8]) -> usize {
    let is_plain = |chunk: &&[u8]| !chunk.iter().fold(false, |found, &byte| found | S::is(byte));
    bytes.chunks_exact(LONG).take_while(is_plain).count() * LONG
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_special_byte_is_found_wherever_it_is() {
        for length in 0..SHORT + 3 * LONG + 2 {
            let plain = vec![b'x'; length];
            assert_eq!(find::<InString>(&plain), None);
            assert_eq!(find::<InAscii>(&plain), None);
            for first in 0..length {
                for second in [first, length - 1] {
                    let mut bytes = plain.clone();
                    bytes[second] = 0;
                    bytes[first] = b'"';
                    assert_eq!(find::<InString>(&bytes), Some(first), "of {length}");
                    assert_eq!(find::<InAscii>(&bytes), Some(first), "of {length}");
                }
            }
        }
    }

    #[test]
    fn whatever_stands_beside_it_each_byte_is_what_it_is() {
        let beside =
            [0, 1, 0x1f, b' ', b'!', b'"', b'#', b'[', b'\\', b']', 0x7e, 0x7f, 0x80, 0xff];
        for byte in 0..=u8::MAX {
            for (before, after) in beside.iter().flat_map(|a| beside.map(|b| (*a, b))) {
                let bytes = [b'x', before, byte, after, b'x', b'x', b'x', b'x', b'x'];
                let first = |is: fn(u8) -> bool| bytes.iter().position(|&byte| is(byte));
                assert_eq!(find::<InString>(&bytes), first(InString::is), "{bytes:?}");
                assert_eq!(find::<InAscii>(&bytes), first(InAscii::is), "{bytes:?}");
            }
        }
    }
}
