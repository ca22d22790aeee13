//! The releases of RabbitMQ that tests can ask for, and the version of a broker.

use std::{fmt, str::FromStr};

use clap::{Args, ValueEnum};

use super::Broker;
use crate::Error;

/// The RabbitMQ that a task wants.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Choice {
    /// The RabbitMQ release. Default: the installed one, or the one in Docker.
    #[arg(long = "rabbitmq", value_name = "RELEASE")]
    pub(crate) release: Option<Release>,
    /// Refuses queues that are neither durable nor exclusive, which is the default of upstream's
    /// 4.3.
    #[arg(long, requires = "release")]
    pub(crate) deny_transient: bool,
}

/// A release that a task can ask for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Release {
    /// As in Debian bookworm.
    #[value(name = "3.10")]
    V3_10,
    /// As in Debian trixie.
    #[value(name = "4.0")]
    V4_0,
    /// 4.3 or later, as in Debian sid.
    #[value(name = "4.3")]
    V4_3,
}

/// A version of RabbitMQ, without what a distribution appends to it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Choice {
    /// Rejects a combination that no broker offers.
    pub(crate) fn check(self) -> Result<(), Error> {
        match self.release {
            Some(Release::V3_10) if self.deny_transient => Err(
                "RabbitMQ 3.10 cannot deny transient queues: use --deny-transient with 4.0 or 4.3"
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }

    /// Whether a broker satisfies the choice.
    pub(super) fn fits(self, broker: &Broker) -> bool {
        let Some(release) = self.release else { return true };
        broker.version.is_some_and(|version| release.includes(version))
            && broker.denies_transient == self.deny_transient
    }

    /// Returns the lines of a node's configuration for this choice.
    ///
    /// Upstream's 4.3 denies transient queues by default, and Debian's permits them. The setting
    /// is always written, so that a choice means the same on both.
    pub(super) fn settings(self) -> String {
        match self.release {
            None | Some(Release::V3_10) => String::new(),
            Some(Release::V4_0 | Release::V4_3) => format!(
                "deprecated_features.permit.transient_nonexcl_queues = {}\n",
                !self.deny_transient
            ),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.release {
            Some(release) => write!(f, "RabbitMQ {release}")?,
            None => f.write_str("RabbitMQ")?,
        }
        f.write_str(if self.deny_transient { ", transient queues denied" } else { "" })
    }
}

impl Release {
    /// Returns the Debian suite that has it.
    pub(super) fn suite(self) -> &'static str {
        match self {
            Self::V3_10 => "bookworm",
            Self::V4_0 => "trixie",
            Self::V4_3 => "sid",
        }
    }

    /// Whether a version is of this release. `sid` moves on, so 4.3 includes later ones.
    pub(super) fn includes(self, version: Version) -> bool {
        let series = (version.major, version.minor);
        match self {
            Self::V3_10 => series == (3, 10),
            Self::V4_0 => series == (4, 0),
            Self::V4_3 => series >= (4, 3),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V3_10 => "3.10",
            Self::V4_0 => "4.0",
            Self::V4_3 => "4.3",
        })
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut numbers = text[..end].split('.').map(str::parse);
        match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor)), patch) => {
                let patch = patch.and_then(Result::ok).unwrap_or_default();
                Ok(Self { major, minor, patch })
            }
            _ => Err(format!("`{text}` is not a version of RabbitMQ")),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().expect("a version")
    }

    #[test]
    fn a_version_is_read_without_what_a_distribution_appends() {
        for (text, read) in [
            ("4.3.6", "4.3.6"),
            ("4.3.6-1", "4.3.6"),
            ("3.10.8-1.1+deb12u1", "3.10.8"),
            ("4.0.5~rc1\n", "4.0.5"),
            ("4.4", "4.4.0"),
        ] {
            assert_eq!(version(text).to_string(), read);
        }
        for text in ["", "4", "four.three", "-1.0", "..", "4294967296.0"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
        assert!(version("4.10.0") > version("4.3.6"));
    }

    #[test]
    fn a_release_includes_its_own_series_and_4_3_also_what_follows() {
        for (release, is, is_not) in [
            (
                Release::V3_10,
                &["3.10.8", "3.10.25"][..],
                &["3.1.0", "3.9.9", "3.13.7", "4.0.5"][..],
            ),
            (Release::V4_0, &["4.0.0", "4.0.9"], &["3.13.7", "4.1.0", "4.3.6"]),
            (Release::V4_3, &["4.3.0", "4.10.1", "5.0.0"], &["3.10.8", "4.0.5", "4.2.9"]),
        ] {
            assert!(is.iter().all(|text| release.includes(version(text))), "{release}");
            assert!(!is_not.iter().any(|text| release.includes(version(text))), "{release}");
        }
    }

    #[test]
    fn only_a_release_with_the_setting_gets_it_and_always_in_words() {
        let choice = |release, deny_transient| Choice { release, deny_transient };
        let setting = "deprecated_features.permit.transient_nonexcl_queues";
        assert_eq!(Choice::default().settings(), "");
        assert_eq!(choice(Some(Release::V3_10), false).settings(), "");
        for release in [Release::V4_0, Release::V4_3].map(Some) {
            assert_eq!(choice(release, false).settings(), format!("{setting} = true\n"));
            assert_eq!(choice(release, true).settings(), format!("{setting} = false\n"));
            assert_eq!(choice(release, true).check(), Ok(()));
        }
        assert!(choice(Some(Release::V3_10), true).check().is_err());
    }

    #[test]
    fn a_broker_fits_by_its_version_and_by_what_it_denies() {
        let broker = |version: Option<&str>, denies_transient| Broker {
            url: String::new(),
            control: None,
            origin: String::new(),
            version: version.map(|text| text.parse().expect("a version")),
            denies_transient,
        };
        let choice = Choice { release: Some(Release::V4_3), deny_transient: true };
        assert!(choice.fits(&broker(Some("4.3.6"), true)));
        assert!(!choice.fits(&broker(Some("4.3.6"), false)));
        assert!(!choice.fits(&broker(Some("4.0.5"), true)));
        assert!(!choice.fits(&broker(None, true)));
        assert!(Choice::default().fits(&broker(None, false)));
    }
}
