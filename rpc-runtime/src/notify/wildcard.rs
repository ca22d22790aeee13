//! Patterns with wildcards, as Python's `fnmatch` has them: in the original's rules for notifications.

/// See the module: `*` is any text, `?` any character, `[a-z]` one of a set, `[!a-z]` one of no set. It is for a whole text, and
/// everything is a pattern: a bracket that is never closed is one to be met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// Any text.
    Any,
    /// Any character.
    One,
    Char(char),
    /// A character of a set, or of none of it.
    Of {
        is_negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        let text: Vec<char> = text.chars().collect();
        let (mut pieces, mut at) = (Vec::new(), 0);
        while let Some(&next) = text.get(at) {
            at += 1;
            pieces.push(match next {
                '*' => Piece::Any,
                '?' => Piece::One,
                '[' => match set(&text[at..]) {
                    Some((set, length)) => {
                        at += length;
                        set
                    }
                    None => Piece::Char('['),
                },
                other => Piece::Char(other),
            });
        }
        pieces.dedup_by(|next, last| matches!((next, last), (Piece::Any, Piece::Any)));
        Self(pieces)
    }

    /// Whether all of `text` is like this.
    pub(super) fn matches(&self, text: &str) -> bool {
        let (mut at, mut rest) = (0, text.chars());
        // Where to go on if what comes does not fit: behind the last piece for any text, which then takes one more.
        let mut again = None;
        loop {
            let mut ahead = rest.clone();
            match (self.0.get(at), ahead.next()) {
                (Some(Piece::Any), _) => {
                    at += 1;
                    again = Some((at, rest.clone()));
                    continue;
                }
                (None, None) => return true,
                (Some(piece), Some(next)) if piece.takes(next) => {
                    at += 1;
                    rest = ahead;
                    continue;
                }
                (_, None) => return false,
                _ => {}
            }
            let Some((after, taken)) = &mut again else { return false };
            taken.next();
            (at, rest) = (*after, taken.clone());
        }
    }
}

impl Piece {
    fn takes(&self, next: char) -> bool {
        match self {
            Self::Any | Self::One => true,
            Self::Char(own) => *own == next,
            Self::Of { is_negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&next)) != *is_negated
            }
        }
    }
}

/// Reads a set behind its opening bracket, and returns how many characters that took. `None` if it is never closed.
fn set(text: &[char]) -> Option<(Piece, usize)> {
    let is_negated = text.first() == Some(&'!');
    let begin = usize::from(is_negated);
    // A closing bracket that comes first is one of the set.
    let end = begin + 1 + text.get(begin + 1..)?.iter().position(|next| *next == ']')?;
    let (mut inside, mut ranges) = (&text[begin..end], Vec::new());
    loop {
        inside = match inside {
            [] => break,
            // One whose end comes before its beginning has nothing in it.
            [first, '-', last, rest @ ..] => {
                ranges.push((*first, *last));
                rest
            }
            [only, rest @ ..] => {
                ranges.push((*only, *only));
                rest
            }
        };
    }
    Some((Piece::Of { is_negated, ranges }, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sets, and what of some characters Python's `fnmatch.fnmatchcase` finds in them.
    const SETS: &[(&str, &str)] = &[
        ("[]]", "]"),
        ("[]a]", "a]"),
        ("[!]]", "abcdefgzAZ[-^!*?\\&|~.59é\n"),
        ("[!a]", "bcdefgzAZ[]-^!*?\\&|~.59é\n"),
        ("[!]a]", "bcdefgzAZ[-^!*?\\&|~.59é\n"),
        ("[a-c]", "abc"),
        ("[!a-c]", "defgzAZ[]-^!*?\\&|~.59é\n"),
        ("[c-a]", ""),
        ("[!c-a]", "abcdefgzAZ[]-^!*?\\&|~.59é\n"),
        ("[a-]", "a-"),
        ("[-a]", "a-"),
        ("[!-a]", "bcdefgzAZ[]^!*?\\&|~.59é\n"),
        ("[a-c-e]", "abce-"),
        ("[--a]", "aAZ[]-^?\\.59"),
        ("[a--]", ""),
        ("[^a]", "a^"),
        ("[[a]", "a["),
        ("[*?]", "*?"),
        ("[a&&b]", "ab&"),
        ("[a|b~]", "ab|~"),
        ("[\\]", "\\"),
        ("[\\a]", "a\\"),
        ("[z-ab-d]", "bcd"),
        ("[a-ce-g]", "abcefg"),
        ("[!!]", "abcdefgzAZ[]-^*?\\&|~.59é\n"),
        ("[é]", "é"),
        ("[a\nb]", "ab\n"),
        ("[0-9.]", ".59"),
        ("[z-a-c]", "c-"),
        ("[a-c--e]", "abcdeAZ[]-^?\\.59"),
        ("[-a-]", "a-"),
    ];

    #[test]
    fn sets_have_in_them_what_python_finds_there() {
        let some = "abcdefgzAZ[]-^!*?\\&|~.59é\n";
        for (pattern, expected) in SETS {
            let is_in = |next: &char| Pattern::new(pattern).matches(&next.to_string());
            assert_eq!(some.chars().filter(is_in).collect::<String>(), *expected, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_is_for_a_whole_text_as_in_python() {
        let texts = [
            "",
            "a",
            "ab",
            "abc",
            "a.b",
            "compute.",
            "compute.x.y",
            "volume.create.end",
            "[a",
            "[!]",
            "a\\x",
            "a\nb",
            "[",
            "...",
        ];
        for (pattern, expected) in [
            ("", &[""][..]),
            ("*", &texts),
            ("**", &texts),
            ("?", &["a", "["]),
            ("a*", &["a", "ab", "abc", "a.b", "a\\x", "a\nb"]),
            ("*b", &["ab", "a.b", "a\nb"]),
            ("a*b*c", &["abc"]),
            ("a?b", &["a.b", "a\nb"]),
            ("A*", &[]),
            ("compute.**", &["compute.", "compute.x.y"]),
            ("volume.*.end", &["volume.create.end"]),
            ("*.*.*", &["compute.x.y", "volume.create.end", "..."]),
            ("*[cd]*", &["abc", "compute.", "compute.x.y", "volume.create.end"]),
            ("[", &["["]),
            ("[a", &["[a"]),
            ("*[", &["["]),
            ("[!]", &["[!]"]),
            ("[]", &[]),
            ("a\\*", &["a\\x"]),
        ] {
            let matched: Vec<_> =
                texts.into_iter().filter(|text| Pattern::new(pattern).matches(text)).collect();
            assert_eq!(matched, expected, "{pattern}");
        }
    }

    #[test]
    fn many_wildcards_take_no_longer_than_they_have_to() {
        let pattern = Pattern::new(&"*a".repeat(500));
        assert!(pattern.matches(&"a".repeat(5000)) && !pattern.matches(&"ab".repeat(2500)));
    }
}
