//! Interface versions, and the rule that decides which server serves which request.

use std::{fmt, str::FromStr};

/// The version of an interface or of a request: `MAJOR.MINOR`, or `MAJOR.MINOR.REVISION`.
///
/// ```
/// use rpc_idl::Version;
///
/// let server: Version = "3.12".parse()?;
/// assert!(server.serves(Version::new(3, 8)));
/// assert!(!server.serves(Version::new(2, 0)));
/// # Ok::<(), rpc_idl::ParseVersionError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u64,
    minor: u64,
    revision: u64,
}

impl Version {
    /// Creates `major.minor`.
    #[must_use]
    pub const fn new(major: u64, minor: u64) -> Self {
        Self::with_revision(major, minor, 0)
    }

    /// Creates `major.minor.revision`.
    #[must_use]
    pub const fn with_revision(major: u64, minor: u64, revision: u64) -> Self {
        Self { major, minor, revision }
    }

    /// Returns the major part: versions of different majors do not understand each other.
    #[must_use]
    pub const fn major(self) -> u64 {
        self.major
    }

    /// Returns the minor part, which grows with each addition.
    #[must_use]
    pub const fn minor(self) -> u64 {
        self.minor
    }

    /// Returns the revision; 0 if none was given.
    #[must_use]
    pub const fn revision(self) -> u64 {
        self.revision
    }

    /// Whether a server of this version serves a request of version `requested`: the same major,
    /// and a minor and revision that are not newer. This is `version_is_compatible` of
    /// oslo.messaging.
    #[must_use]
    pub fn serves(self, requested: Self) -> bool {
        self.major == requested.major && self >= requested
    }

    /// Whether a client with this version cap may send a request of version `requested`. The rule
    /// is that of [`serves`](Self::serves): a cap stands for the oldest server that may receive the
    /// request.
    #[must_use]
    pub fn allows(self, requested: Self) -> bool {
        self.serves(requested)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.revision == 0 { Ok(()) } else { write!(f, ".{}", self.revision) }
    }
}

/// Returns the beginning of a text on one line, for an error. The text may come from a peer.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 100;
    let more = if text.chars().nth(LONGEST).is_some() { "…" } else { "" };
    let shown: String = text.chars().take(LONGEST).collect();
    format!("{}{more}", shown.escape_debug())
}

/// The error for a text that is not a version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a version: expected MAJOR.MINOR or MAJOR.MINOR.REVISION, such as 2.1")]
pub struct ParseVersionError {
    text: String,
}

impl FromStr for Version {
    type Err = ParseVersionError;

    /// Reads what the original reads. Each part is parsed as by Python's `int`, so leading zeros
    /// and surrounding blanks are allowed; a fourth part and all after it are ignored.
    fn from_str(text: &str) -> Result<Self, ParseVersionError> {
        let malformed = || ParseVersionError { text: excerpt(text) };
        let mut parts = text.split('.').map(|part| {
            let digits = part.trim();
            digits
                .parse()
                .ok()
                .filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))
                .ok_or_else(malformed)
        });
        let major = parts.next().ok_or_else(malformed)??;
        let minor = parts.next().ok_or_else(malformed)??;
        Ok(Self::with_revision(major, minor, parts.next().transpose()?.unwrap_or(0)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_version() -> impl Strategy<Value = Version> {
        let part = || prop_oneof![0..4_u64, any::<u64>()];
        (part(), part(), part())
            .prop_map(|(major, minor, rest)| Version::with_revision(major, minor, rest))
    }

    proptest! {
        #[test]
        fn every_version_reads_back(version in any_version(), zeros in "0{0,3}", blank in "[ \t]{0,2}") {
            prop_assert_eq!(version.to_string().parse(), Ok(version));
            let (major, minor, rest) = (version.major(), version.minor(), version.revision());
            let odd = format!("{blank}{zeros}{major}{blank}.{zeros}{minor}{blank}.{rest}.more");
            prop_assert_eq!(odd.parse(), Ok(version));
        }

        #[test]
        fn who_serves_whom_is_the_originals_rule(own in any_version(), requested in any_version()) {
            let newer = requested.minor() > own.minor()
                || requested.minor() == own.minor() && requested.revision() > own.revision();
            let serves = own.major() == requested.major() && !newer;
            prop_assert_eq!((own.serves(requested), own.allows(requested)), (serves, serves));
        }

        #[test]
        fn no_text_but_a_version_is_one(text in "[ 0-9+-]{0,3}(\\.[ 0-9a+-]{0,3}){0,3}") {
            let is_number = |part: &str| {
                let digits = part.trim();
                !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
            };
            let parts: Vec<_> = text.split('.').take(3).collect();
            let is_version = parts.len() > 1 && parts.iter().all(|part| is_number(part));
            prop_assert_eq!(text.parse::<Version>().is_ok(), is_version, "{}", text);
        }
    }

    fn version(text: &str) -> Version {
        text.parse().expect("a version")
    }

    #[test]
    fn a_newer_minor_or_revision_is_not_served() {
        for (own, requested, served) in [
            ("1.5", "1.5", true),
            ("1.5", "1.4", true),
            ("1.5", "1.6", false),
            ("1.5", "1.5.1", false),
            ("1.5.2", "1.5.1", true),
            ("1.10", "1.9", true),
            ("6.4", "5.3", false),
            ("1.5", "2.0", false),
            ("1.5.0", "1.4.9", true),
        ] {
            assert_eq!(version(own).serves(version(requested)), served, "{own} {requested}");
            assert_eq!(version(own).allows(version(requested)), served, "{own} {requested}");
        }
    }

    #[test]
    fn versions_read_and_write() {
        for (text, shown) in [
            ("1.0", "1.0"),
            ("01.00", "1.0"),
            (" 1.2", "1.2"),
            ("1.2.3", "1.2.3"),
            ("1.2.0.x", "1.2"),
        ] {
            assert_eq!(version(text).to_string(), shown);
        }
        for text in
            ["", "1", "1.", "1.x", "-1.0", "+1.0", "1.2.x", "None", "99999999999999999999.0"]
        {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }
}
