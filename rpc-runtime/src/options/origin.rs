//! The origins of settings, for errors and for the line that announces a connection.

#[cfg(feature = "config")]
use std::sync::Arc;
use std::{collections::BTreeMap, fmt};

use crate::TransportError;
#[cfg(feature = "config")]
use crate::TransportErrorKind;

/// The origin of a setting. It displays as `default`, `URL`, `file:line`, or a variable's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nothing sets it.
    Default,
    /// The URL that a program passes.
    #[default]
    Url,
    /// A line of a configuration file, with the section and the option as they are spelled there.
    #[cfg(feature = "config")]
    Line { file: Arc<str>, line: usize, section: Arc<str>, name: Arc<str> },
    /// A variable of the environment.
    #[cfg(feature = "config")]
    Variable(Arc<str>),
}

/// The origins of a transport's settings, and the errors of invalid ones.
#[derive(Clone, Default)]
pub(crate) struct Origins {
    pub(crate) url: Origin,
    /// By the original's names, in their current spelling.
    pub(crate) options: BTreeMap<&'static str, Origin>,
    /// Why there is no URL.
    pub(crate) no_url: Option<TransportError>,
    /// Invalid options. Only a broker's transport reads them, so only its start fails.
    pub(crate) invalid: BTreeMap<&'static str, TransportError>,
}

impl Origins {
    /// Returns where an option comes from.
    pub(crate) fn of(&self, option: &str) -> &Origin {
        self.options.get(option).unwrap_or(&Origin::Default)
    }
}

impl Origin {
    /// Prefixes an error with the setting that causes it. An argument of the program has no name.
    pub(crate) fn blame(&self, error: &TransportError) -> TransportError {
        match self {
            Self::Default | Self::Url => error.clone(),
            #[cfg(feature = "config")]
            Self::Line { .. } | Self::Variable(_) => {
                let what = format!("{}: {error}", self.setting());
                TransportError::new(TransportErrorKind::Configuration, what)
            }
        }
    }

    /// Returns how a file spells the option.
    pub(crate) fn spelling(&self) -> Option<&str> {
        match self {
            #[cfg(feature = "config")]
            Self::Line { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Names the setting: a line with section and option, or a variable.
    #[cfg(feature = "config")]
    pub(crate) fn setting(&self) -> String {
        match self {
            Self::Line { section, name, .. } => format!("{self}, [{section}] {name}"),
            Self::Default | Self::Url | Self::Variable(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Url => f.write_str("URL"),
            #[cfg(feature = "config")]
            Self::Line { file, line, .. } => write!(f, "{file}:{line}"),
            #[cfg(feature = "config")]
            Self::Variable(name) => f.write_str(name),
        }
    }
}
