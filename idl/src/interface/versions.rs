//! The versions of an interface: which server serves which request, what a cap allows, and which
//! version a request carries.

use super::Interface;
use crate::{Version, version::excerpt};

/// A pin that is neither a version nor one of the interface's aliases.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{pin}` is neither a version nor an alias of {interface}: write MAJOR.MINOR{known}")]
pub struct UnknownPin {
    pin: String,
    interface: String,
    known: String,
}

impl Interface<'_> {
    /// Whether its servers serve a request of this version, which may be of their own major or of
    /// the previous one.
    #[must_use]
    pub fn serves(&self, requested: Version) -> bool {
        self.version.serves(requested)
            || self.previous.is_some_and(|previous| previous.serves(requested))
    }

    /// Whether a server of version `cap` has an item that `version` added.
    ///
    /// Within a major, the rule is that of [`Version::serves`]. Across two majors that the
    /// interface speaks, a server of the newer one has everything of the older: 6.0 is 5.13 without
    /// the parts that were removed.
    #[must_use]
    pub fn has(&self, cap: Version, version: Version) -> bool {
        self.speaks(cap.major()) && self.speaks(version.major()) && cap >= version
    }

    /// Whether servers accept requests of this major version.
    #[must_use]
    pub fn speaks(&self, major: u64) -> bool {
        self.version.major() == major
            || self.previous.is_some_and(|previous| previous.major() == major)
    }

    /// Returns the first version of the oldest major that it speaks. Items that name no version
    /// were added by it.
    #[must_use]
    pub fn first(&self) -> Version {
        Version::new(self.previous.unwrap_or(self.version).major(), 0)
    }

    /// Returns the version that a request carries which uses items added by `needed`, for a server
    /// of version `cap`: the lowest version of the cap's major that has them.
    #[must_use]
    pub fn lowest(&self, cap: Version, needed: Version) -> Version {
        if needed.major() < cap.major() && self.speaks(cap.major()) {
            return Version::new(cap.major(), 0);
        }
        needed
    }

    /// Reads the version that an operator pinned: `MAJOR.MINOR`, or an alias.
    ///
    /// # Errors
    /// If the text is neither. The error lists the aliases.
    pub fn pin(&self, text: &str) -> Result<Version, UnknownPin> {
        if let Some((_, version)) = self.aliases.iter().find(|(alias, _)| *alias == text) {
            return Ok(*version);
        }
        text.parse().map_err(|_| {
            let aliases: Vec<_> = self.aliases.iter().map(|(alias, _)| *alias).collect();
            let known = match aliases.is_empty() {
                true => String::new(),
                false => format!(", or one of {}", aliases.join(", ")),
            };
            let pin = excerpt(text);
            UnknownPin { pin, interface: self.name.to_owned(), known }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().expect("a version")
    }

    #[test]
    fn a_newer_major_has_all_of_the_one_before_that_is_still_spoken() {
        let two = Interface::new("Compute", (6, 5)).previous((5, 13));
        let one = Interface::new("Scheduler", (3, 12));
        for (interface, cap, wanted, has) in [
            (&one, "3.5", "3.5", true),
            (&one, "3.5", "3.6", false),
            (&one, "3.5.1", "3.5", true),
            (&one, "4.0", "3.5", false),
            (&one, "2.9", "2.1", false),
            (&two, "6.0", "5.13", true),
            (&two, "5.13", "6.0", false),
            (&two, "5.4", "5.3", true),
            (&two, "7.0", "5.3", false),
        ] {
            assert_eq!(interface.has(version(cap), version(wanted)), has, "{cap} {wanted}");
        }
        for (cap, needed, lowest) in
            [("6.5", "5.3", "6.0"), ("6.5", "6.2", "6.2"), ("5.9", "5.3", "5.3")]
        {
            assert_eq!(two.lowest(version(cap), version(needed)), version(lowest));
        }
        assert!(two.serves(version("5.13")) && two.serves(version("6.5")));
        assert!(!two.serves(version("5.14")) && !one.serves(version("2.0")));
    }

    #[test]
    fn a_pin_is_a_version_or_an_alias() {
        let aliases = [("zed", Version::new(6, 1)), ("2023.1", Version::new(6, 2))];
        let interface = Interface::new("Compute", (6, 5)).aliases(&aliases);
        assert_eq!(interface.pin("zed"), Ok(version("6.1")));
        assert_eq!(interface.pin("2023.1"), Ok(version("6.2")));
        assert_eq!(interface.pin("6.3"), Ok(version("6.3")));
        let error = interface.pin("zebra").expect_err("no such release").to_string();
        assert!(error.contains("`zebra`") && error.contains("zed, 2023.1"), "{error}");
    }
}
