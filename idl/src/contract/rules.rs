//! The kinds of change of an interface, and their consequences for deployed peers.

use std::fmt;

use crate::Version;

/// A kind of change. Its [`id`](Self::id) is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// The trait has another name. Names of traits never cross the wire.
    InterfaceRenamed,
    /// The version is newer.
    VersionRaised,
    /// The version is older.
    VersionLowered,
    /// Servers listen on another topic.
    TopicChanged,
    /// Servers listen on another exchange.
    ExchangeChanged,
    /// Requests carry another namespace.
    NamespaceChanged,
    /// Servers reject a namespace that they accepted.
    LegacyNamespaceRemoved,
    /// Servers accept one more namespace.
    LegacyNamespaceAdded,
    /// Servers no longer accept the previous major, or less of it.
    PreviousDropped,
    /// Servers accept the previous major, or more of it.
    PreviousAdded,
    /// Clients can be capped at other versions.
    SupportChanged,
    /// Requests carry another version.
    SendChanged,
    /// An alias for operators was removed, or stands for another version.
    PinChanged,
    /// Operators have one more alias.
    PinAdded,
    /// Hosts have become keys of addresses, or the reverse.
    AddressChanged,
    /// A method was removed.
    MethodRemoved,
    /// A released version has a new method.
    MethodAddedLate,
    /// A new version has a new method.
    MethodAdded,
    /// A method has another name on the wire.
    MethodRenamed,
    /// A method claims to be of another version than before.
    MethodSinceChanged,
    /// A call became a cast.
    CallBecameCast,
    /// A cast became a call.
    CastBecameCall,
    /// A method that one server ran is run by all, or the reverse.
    FanoutChanged,
    /// Whether callers may choose not to wait has changed.
    EitherChanged,
    /// A method returns another type.
    ReplyChanged,
    /// A method goes to another host, or another topic.
    TargetChanged,
    /// Servers no longer run a method under one of its names.
    AliasRemoved,
    /// Servers run a method under one more name.
    AliasAdded,
    /// Servers reject arguments that they ignored.
    ExtraRefused,
    /// Servers ignore arguments that they rejected.
    ExtraIgnored,
    /// The declared form of a method or an argument under older caps differs.
    HistoryChanged,
    /// An argument was removed.
    ArgumentRemoved,
    /// A released version has a new argument.
    ArgumentAdded,
    /// A new version has a new argument.
    ArgumentAddedLater,
    /// An argument has another name on the wire.
    ArgumentRenamed,
    /// Servers require an argument that was optional.
    ArgumentRequired,
    /// Servers no longer require an argument.
    ArgumentOptional,
    /// An argument claims to be of another version than before.
    ArgumentSinceChanged,
    /// The version in which an argument stops being sent has changed.
    ArgumentUntilChanged,
    /// An argument has another type, or is written in another form.
    ArgumentTypeChanged,
    /// An argument's constant value differs, or the caller gives the value now.
    ConstantChanged,
    /// A line is written differently, without an effect on peers.
    LineChanged,
}

impl Rule {
    /// All rules, grouped by subject.
    pub const ALL: &[Self] = &[
        Self::InterfaceRenamed,
        Self::VersionRaised,
        Self::VersionLowered,
        Self::TopicChanged,
        Self::ExchangeChanged,
        Self::NamespaceChanged,
        Self::LegacyNamespaceRemoved,
        Self::LegacyNamespaceAdded,
        Self::PreviousDropped,
        Self::PreviousAdded,
        Self::SupportChanged,
        Self::SendChanged,
        Self::PinChanged,
        Self::PinAdded,
        Self::AddressChanged,
        Self::MethodRemoved,
        Self::MethodAddedLate,
        Self::MethodAdded,
        Self::MethodRenamed,
        Self::MethodSinceChanged,
        Self::CallBecameCast,
        Self::CastBecameCall,
        Self::FanoutChanged,
        Self::EitherChanged,
        Self::ReplyChanged,
        Self::TargetChanged,
        Self::AliasRemoved,
        Self::AliasAdded,
        Self::ExtraRefused,
        Self::ExtraIgnored,
        Self::HistoryChanged,
        Self::ArgumentRemoved,
        Self::ArgumentAdded,
        Self::ArgumentAddedLater,
        Self::ArgumentRenamed,
        Self::ArgumentRequired,
        Self::ArgumentOptional,
        Self::ArgumentSinceChanged,
        Self::ArgumentUntilChanged,
        Self::ArgumentTypeChanged,
        Self::ConstantChanged,
        Self::LineChanged,
    ];

    /// Returns the rule's name, which is stable.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::InterfaceRenamed => "interface-renamed",
            Self::VersionRaised => "version-raised",
            Self::VersionLowered => "version-lowered",
            Self::TopicChanged => "topic-changed",
            Self::ExchangeChanged => "exchange-changed",
            Self::NamespaceChanged => "namespace-changed",
            Self::LegacyNamespaceRemoved => "legacy-namespace-removed",
            Self::LegacyNamespaceAdded => "legacy-namespace-added",
            Self::PreviousDropped => "previous-dropped",
            Self::PreviousAdded => "previous-added",
            Self::SupportChanged => "support-changed",
            Self::SendChanged => "send-changed",
            Self::PinChanged => "pin-changed",
            Self::PinAdded => "pin-added",
            Self::AddressChanged => "address-changed",
            Self::MethodRemoved => "method-removed",
            Self::MethodAddedLate => "method-added-late",
            Self::MethodAdded => "method-added",
            Self::MethodRenamed => "method-renamed",
            Self::MethodSinceChanged => "method-since-changed",
            Self::CallBecameCast => "call-became-cast",
            Self::CastBecameCall => "cast-became-call",
            Self::FanoutChanged => "fanout-changed",
            Self::EitherChanged => "either-changed",
            Self::ReplyChanged => "reply-changed",
            Self::TargetChanged => "target-changed",
            Self::AliasRemoved => "alias-removed",
            Self::AliasAdded => "alias-added",
            Self::ExtraRefused => "extra-refused",
            Self::ExtraIgnored => "extra-ignored",
            Self::HistoryChanged => "history-changed",
            Self::ArgumentRemoved => "argument-removed",
            Self::ArgumentAdded => "argument-added",
            Self::ArgumentAddedLater => "argument-added-later",
            Self::ArgumentRenamed => "argument-renamed",
            Self::ArgumentRequired => "argument-required",
            Self::ArgumentOptional => "argument-optional",
            Self::ArgumentSinceChanged => "argument-since-changed",
            Self::ArgumentUntilChanged => "argument-until-changed",
            Self::ArgumentTypeChanged => "argument-type-changed",
            Self::ConstantChanged => "constant-changed",
            Self::LineChanged => "line-changed",
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// A change of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its kind.
    pub rule: Rule,
    /// The changed item: the method, or the argument and its method; empty for the interface
    /// itself.
    pub subject: String,
    /// How it has changed.
    pub what: String,
    /// Whether the change is legal, and if not, what would make it so.
    pub legal: Legal,
}

/// Whether a change is legal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Legal {
    /// Deployed peers do not notice it.
    Now,
    /// Illegal in a released version; legal in this one if written as `form` says.
    With {
        /// The first version that may have the change.
        version: Version,
        /// How the change is written.
        form: String,
    },
    /// Legal only in a new major version, which peers of the old one do not understand.
    NewMajor {
        /// That major's first version.
        version: Version,
    },
}

impl Change {
    /// Whether a deployed peer would break.
    #[must_use]
    pub fn breaks(&self) -> bool {
        self.legal != Legal::Now
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.breaks() { "breaks deployed peers" } else { "safe" };
        write!(f, "{} ({verdict}): ", self.rule)?;
        if !self.subject.is_empty() {
            write!(f, "{}: ", self.subject)?;
        }
        f.write_str(&self.what)?;
        match &self.legal {
            Legal::Now => Ok(()),
            Legal::With { version, form } => write!(f, "; legal with {version}: {form}"),
            Legal::NewMajor { version } => {
                write!(f, "; legal only with a new major version, {version}")
            }
        }
    }
}
