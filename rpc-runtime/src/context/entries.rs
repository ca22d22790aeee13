//! The entries of a context, in one piece of memory that clones share.

use std::sync::Arc;

use smallvec::SmallVec;

/// Keys, and values as JSON text, in the order in which they came.
///
/// Both stand behind their lengths, and entry behind entry: a context comes with each request, and is mostly passed on
/// or dropped without a look. So it costs one allocation, and is looked through when somebody asks.
#[derive(Clone, Default)]
pub(super) struct Entries(Arc<[u8]>);

/// How many bytes a length has.
const LENGTH: usize = size_of::<usize>();
/// How many bytes are put together without asking for memory.
const USUAL: usize = 1024;

impl Entries {
    /// Returns each key with its value.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || Some((text(&mut rest)?, text(&mut rest)?)))
    }

    /// Returns the same with `key` set to `value`: in place of what it was, or behind all others.
    pub(super) fn with(&self, key: &str, value: &str) -> Self {
        let at = self.iter().position(|(known, _)| known == key);
        let others = self
            .iter()
            .enumerate()
            .filter(|(place, (known, _))| Some(*place) == at || *known != key);
        let set = others.map(|(_, (known, old))| (known, if known == key { value } else { old }));
        set.chain(at.is_none().then_some((key, value))).collect()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Entries {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(entries: I) -> Self {
        let mut bytes = SmallVec::<[u8; USUAL]>::new();
        for text in entries.into_iter().flat_map(|(key, value)| [key, value]) {
            bytes.extend_from_slice(&text.len().to_ne_bytes());
            bytes.extend_from_slice(text.as_bytes());
        }
        if bytes.is_empty() { Self::default() } else { Self(Arc::from(&*bytes)) }
    }
}

/// Takes a text from the beginning of `rest`. `None` where nothing is left.
fn text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let (length, behind) = rest.split_first_chunk::<LENGTH>()?;
    let (text, behind) = behind.split_at_checked(usize::from_ne_bytes(*length))?;
    *rest = behind;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_as_they_were_whatever_their_size() {
        let long = "x".repeat(2 * USUAL);
        let all = [("a", "1"), ("", "\"\""), ("é\0", "null"), ("long", &long), ("a", "[2]")];
        for count in 0..=all.len() {
            let entries: Entries = all[..count].iter().copied().collect();
            assert_eq!(entries.iter().collect::<Vec<_>>(), all[..count]);
        }
    }
}
