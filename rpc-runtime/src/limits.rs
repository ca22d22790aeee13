//! How large a message may be, whoever sent it.

use std::fmt;

/// What one message may cost. A receiver refuses what is more, and a sender does not send it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Bytes on the wire.
    pub(crate) message: usize,
    /// Bytes once a compressed body is unpacked.
    pub(crate) unpacked: usize,
    /// Values of its JSON, those in lists and objects included. A few bytes of text become many of memory.
    pub(crate) values: usize,
}

impl Limits {
    /// What RabbitMQ 4 takes by default.
    pub(crate) const MESSAGE: usize = 16 << 20;
    /// Four times that: a few compressed bytes can claim to be any size.
    pub(crate) const UNPACKED: usize = 64 << 20;
    pub(crate) const VALUES: usize = 1_000_000;

    /// The limit that an option names.
    pub(crate) fn named(&mut self, option: &str) -> Option<&mut usize> {
        match option {
            "message_limit" => Some(&mut self.message),
            "unpacked_limit" => Some(&mut self.unpacked),
            "value_limit" => Some(&mut self.values),
            _ => None,
        }
    }

    /// Whether a message of these sizes may be sent: as it was written, and as it goes over the wire.
    pub(crate) fn check(&self, written: usize, sent: usize) -> Result<(), TooLarge> {
        if written > self.unpacked {
            return Err(TooLarge { size: written, limit: self.unpacked });
        }
        if sent > self.message {
            return Err(TooLarge { size: sent, limit: self.message });
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { message: Self::MESSAGE, unpacked: Self::UNPACKED, values: Self::VALUES }
    }
}

/// A message is larger than it may be. Both are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge {
    pub(crate) size: usize,
    pub(crate) limit: usize,
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes, where {} are allowed", self.size, self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_may_be_as_large_as_the_limit_and_no_larger() {
        let limits = Limits { message: 10, unpacked: 20, values: 1 };
        assert_eq!(limits.check(20, 10), Ok(()));
        assert_eq!(limits.check(20, 11), Err(TooLarge { size: 11, limit: 10 }));
        assert_eq!(limits.check(21, 5), Err(TooLarge { size: 21, limit: 20 }));
    }
}
