//! What can change, and what that means for who is deployed.

use std::fmt;

use crate::Version;

/// A kind of change. Its [`id`](Self::id) is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rule {
    /// The trait has another name, which never crosses the wire.
    InterfaceRenamed,
    /// The version is another one.
    VersionRaised,
    /// The version is an older one than before.
    VersionLowered,
    /// Servers listen on another topic.
    TopicChanged,
    /// Servers listen on another exchange.
    ExchangeChanged,
    /// Requests carry another namespace.
    NamespaceChanged,
    /// Servers take requests of a namespace no longer.
    LegacyNamespaceRemoved,
    /// Servers take requests of one more namespace.
    LegacyNamespaceAdded,
    /// Servers no longer take the major before, or not all of it.
    PreviousDropped,
    /// Servers take the major before, or more of it.
    PreviousAdded,
    /// Clients can be capped at other versions.
    SupportChanged,
    /// Requests carry another version.
    SendChanged,
    /// An operator's alias has gone, or stands for another version.
    PinChanged,
    /// There is one more alias for operators.
    PinAdded,
    /// Hosts are keys of addresses, or no longer.
    AddressChanged,
    /// A method has gone.
    MethodRemoved,
    /// There is a new method in a version that was released before it.
    MethodAddedLate,
    /// There is a new method in a new version.
    MethodAdded,
    /// A method has another name on the wire.
    MethodRenamed,
    /// A method came with another version than before.
    MethodSinceChanged,
    /// A call is a cast now.
    CallBecameCast,
    /// A cast is a call now.
    CastBecameCall,
    /// A method went to one server, and goes to all, or the reverse.
    FanoutChanged,
    /// Callers may choose not to wait, or no longer.
    EitherChanged,
    /// A method returns another type.
    ReplyChanged,
    /// A method goes to another host, or another topic.
    TargetChanged,
    /// Servers answer to a name no longer.
    AliasRemoved,
    /// Servers answer to one more name.
    AliasAdded,
    /// Servers refuse arguments that they ignored.
    ExtraRefused,
    /// Servers ignore arguments that they refused.
    ExtraIgnored,
    /// What a method was under older caps is said otherwise.
    HistoryChanged,
    /// An argument has gone.
    ArgumentRemoved,
    /// There is a new argument in a version that was released without it.
    ArgumentAdded,
    /// There is a new argument in a new version.
    ArgumentAddedLater,
    /// An argument has another name on the wire.
    ArgumentRenamed,
    /// Servers refuse requests without an argument that they did without.
    ArgumentRequired,
    /// Servers do without an argument that they required.
    ArgumentOptional,
    /// An argument came with another version than before.
    ArgumentSinceChanged,
    /// An argument is sent until another version than before.
    ArgumentUntilChanged,
    /// An argument has another type, or another form.
    ArgumentTypeChanged,
    /// An argument always has another value, or its caller says it now.
    ConstantChanged,
    /// A line is written otherwise, which nobody notices.
    LineChanged,
}

impl Rule {
    /// All rules, in the order of what they are about.
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

    /// Returns the rule's name, which stays what it is.
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
    /// What has changed: the method, or the argument and its method; empty for the interface itself.
    pub subject: String,
    /// How it has changed.
    pub what: String,
    /// Whether it may be, and if not, what would make it so.
    pub legal: Legal,
}

/// Whether a change may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Legal {
    /// No deployed peer notices.
    Now,
    /// Not in a released version; with this one it is legal if it is written so.
    With {
        /// The first version that may have it.
        version: Version,
        /// How it is written.
        form: String,
    },
    /// Only with a new major version, which peers of the old one do not understand.
    NewMajor {
        /// That version.
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
