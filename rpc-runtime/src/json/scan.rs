//! Finding the next byte that is special, fast where most are not.

/// How many bytes are looked at one by one before it is taken for a long text, and how many at once from then on.
const SHORT: usize = 16;
const LONG: usize = 32;

/// Returns the place of the first byte that is special.
///
/// Texts inside of messages are short pieces between escapes, or long and plain. Of the latter so many bytes are looked at in
/// one go, without asking which: the compiler makes vector instructions of that.
#[inline(always)]
pub(super) fn find(bytes: &[u8], is_special: impl Fn(u8) -> bool + Copy) -> Option<usize> {
    let (short, long) = bytes.split_at(bytes.len().min(SHORT));
    if let Some(at) = short.iter().position(|&byte| is_special(byte)) {
        return Some(at);
    }
    let is_plain =
        |chunk: &&[u8]| !chunk.iter().fold(false, |found, &byte| found | is_special(byte));
    let plain = long.chunks_exact(LONG).take_while(is_plain).count() * LONG;
    let at = long[plain..].iter().position(|&byte| is_special(byte))?;
    Some(short.len() + plain + at)
}

#[cfg(test)]
mod tests {
    use super::{LONG, SHORT, find};

    #[test]
    fn the_first_special_byte_is_found_wherever_it_is() {
        let is_special = |byte: u8| byte == b'"' || byte < 0x20;
        for length in 0..SHORT + 3 * LONG + 2 {
            let plain = vec![b'x'; length];
            assert_eq!(find(&plain, is_special), None);
            for first in 0..length {
                for second in [first, length - 1] {
                    let mut bytes = plain.clone();
                    bytes[second] = 0;
                    bytes[first] = b'"';
                    assert_eq!(find(&bytes, is_special), Some(first), "of {length}");
                }
            }
        }
    }
}
