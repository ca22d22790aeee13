//! The meaning of RabbitMQ's reply codes and texts, from 3.10 to 4.3.
//!
//! A code alone says little: 406 is a queue with other arguments, a message that is too large, or a
//! limit. The texts differ between releases in details only, so each is known by how it begins and
//! ends. Names of users, virtual hosts and queues stand in between, and decide nothing.
//!
//! An error of the broker reaches the user in the broker's words, behind what failed: "cannot
//! declare the queue `q`", or for a connection the host and [`Meaning::at_host`].

use crate::TransportErrorKind::{
    self, Configuration, Disconnected, LimitReached, Mismatch, NotFound, Refused, TimedOut,
};

/// The meaning of an error of the broker. The kind decides whether it
/// [may pass](TransportErrorKind::may_pass).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meaning {
    pub(super) kind: TransportErrorKind,
    /// The host's part in an attempt to connect that ends this way. `None`: such an error ends no
    /// attempt, or says nothing of the host.
    pub(super) at_host: Option<&'static str>,
}

/// A text of the broker's, and what it means.
struct Row {
    code: u16,
    /// How the text begins, behind the name of the code.
    begins: &'static str,
    ends: &'static str,
    meaning: Meaning,
}

/// Makes a row for errors of channels, and of connections in use.
const fn row(code: u16, begins: &'static str, ends: &'static str, kind: TransportErrorKind) -> Row {
    Row { code, begins, ends, meaning: Meaning { kind, at_host: None } }
}

/// Makes a row for errors that end an attempt to connect.
const fn host(
    code: u16,
    begins: &'static str,
    ends: &'static str,
    kind: TransportErrorKind,
    at_host: &'static str,
) -> Row {
    Row { code, begins, ends, meaning: Meaning { kind, at_host: Some(at_host) } }
}

const LOGIN: &str = "refused the login";
const MECHANISM: &str = "offers no such way to log in";
const VIRTUAL_HOST: &str = "refused the virtual host";
const FULL: &str = "takes no more connections";

/// Of several rows that fit a text, the first counts. Each code ends with the row for whatever else
/// it may say.
const ROWS: &[Row] = &[
    // CONTENT_TOO_LARGE
    row(311, "", "", Refused),
    // CONNECTION_FORCED: an operator, maintenance, or the node's shutdown.
    row(320, "", "", Disconnected),
    // INVALID_PATH
    row(402, "", "", Refused),
    // ACCESS_REFUSED. Logins, also those of users who may only come from the broker's machine:
    host(403, "Login was refused", "", Refused, LOGIN),
    // Rights to exchanges, queues and topics: "access to …" in 3.10, "configure access to …" later;
    // reserved names; the default, internal and system exchanges; and queues that another consumer
    // has for itself, which may pass, but not soon.
    row(403, "", "", Refused),
    // NOT_FOUND: exchanges and queues; queues whose process or node is down, or has no leader.
    row(404, "", "", NotFound),
    // RESOURCE_LOCKED: another connection's exclusive queue, or a protected one.
    row(405, "", "", Refused),
    // PRECONDITION_FAILED. An exchange or queue of that name is different:
    row(406, "inequivalent arg '", "", Mismatch),
    // Limits of queues in a virtual host or a cluster, and of exchanges:
    row(406, "cannot declare ", " is reached", LimitReached),
    // Options that this broker does not support:
    row(406, "invalid arg '", "", Configuration),
    row(406, "invalid property '", "", Configuration),
    row(406, "invalid type '", "", Configuration),
    row(406, "unknown exchange type '", "", Configuration),
    row(406, "invalid exchange type '", "", Configuration),
    row(406, "Cannot declare a server-named queue", "", Configuration),
    row(406, "Queue name prefix '", "", Configuration),
    row(406, "Exceeded max value for x-stream", "", Configuration),
    row(406, "Invalid type for x-stream", "", Configuration),
    row(406, "Invalid value for x-stream", "", Configuration),
    row(406, "consumer prefetch count is not set", "", Configuration),
    row(406, "fast reply consumer does not exist", "", Configuration),
    row(406, "reply consumer ", "", Configuration),
    // Another node may have the stream:
    row(406, "queue '", "does not have a replica on the local node", NotFound),
    // Acknowledgements that come too late, or twice. The broker redelivers the messages.
    row(406, "delivery acknowledgement on channel ", "", TimedOut),
    row(406, "unknown delivery tag ", "", Disconnected),
    // lapin's own words for a confirm that it does not know:
    row(406, "invalid ack received for inexistant", "", Disconnected),
    row(406, "invalid nack received for inexistant", "", Disconnected),
    // Messages: too large, with another user's name, of no valid expiration, to an exchange whose
    // plugin is missing.
    row(406, "", "", Refused),
    // FRAME_ERROR, SYNTAX_ERROR
    row(501, "", "", Disconnected),
    row(502, "", "", Disconnected),
    // COMMAND_INVALID
    host(503, "unknown authentication mechanism '", "", Refused, MECHANISM),
    host(503, "invalid authentication mechanism '", "", Refused, MECHANISM),
    row(503, "", "", Disconnected),
    // CHANNEL_ERROR, UNEXPECTED_FRAME
    row(504, "", "", Disconnected),
    row(505, "", "", Disconnected),
    // RESOURCE_ERROR: a stream or its coordinator is not there at the moment.
    row(506, "", "", Disconnected),
    // NOT_ALLOWED. Limits of a node, a virtual host and a user:
    host(530, "connection refused", " is reached", LimitReached, FULL),
    host(530, "access to vhost '", " is reached", LimitReached, FULL),
    row(530, "number of channels opened ", "", LimitReached),
    row(530, "reached maximum (", " of consumers per channel", LimitReached),
    // The broker's own data is not to be had at the moment:
    row(530, "access to vhost '", "connection limit cannot be queried, timeout", TimedOut),
    host(530, "access to vhost '", "", Refused, VIRTUAL_HOST),
    host(530, "vhost ", " not found", Refused, "has no such virtual host"),
    host(530, "negotiated ", "", Refused, "refused what was negotiated"),
    // A consumer's tag is used twice, or a secret was not renewed.
    row(530, "", "", Refused),
    // NOT_IMPLEMENTED: streams without `basic.get`, and the like.
    row(540, "", "", Configuration),
    // INTERNAL_ERROR
    host(541, "access to vhost '", "is down", Disconnected, "has its virtual host down"),
    // A metadata store that timed out, a queue that cannot be made or consumed, or a feature that
    // is not permitted: of those, transient queues are declared durable from then on.
    row(541, "", "", Disconnected),
];

/// Returns the meaning of an error of the broker. An unknown error is taken for the connection's.
pub(super) fn meaning(code: u16, text: &str) -> Meaning {
    // The name of the code comes first. Errors that lapin makes have none.
    let said = match text.split_once(" - ") {
        Some((name, said)) if name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_') => said,
        _ => text,
    };
    let fits = |row: &&Row| {
        row.code == code && said.starts_with(row.begins) && said.trim_end().ends_with(row.ends)
    };
    let unknown = Meaning { kind: Disconnected, at_host: None };
    ROWS.iter().find(fits).map_or(unknown, |row| row.meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts as brokers send them, with the kind, and what the user reads of a host.
    const TEXTS: &[(u16, &str, TransportErrorKind, Option<&str>)] = &[
        (
            320,
            "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
            Disconnected,
            None,
        ),
        (
            403,
            "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details \
             see the broker logfile.",
            Refused,
            Some(LOGIN),
        ),
        (
            403,
            "ACCESS_REFUSED - access to queue 'q' in vhost '/' refused for user 'u'",
            Refused,
            None,
        ),
        (
            403,
            "ACCESS_REFUSED - configure access to queue 'q' in vhost '/' refused for user 'u'",
            Refused,
            None,
        ),
        (
            403,
            "ACCESS_REFUSED - write access to topic 't' in exchange 'e' in vhost '/' refused for \
             user 'u'",
            Refused,
            None,
        ),
        (
            403,
            "ACCESS_REFUSED - queue name 'amq.q' contains reserved prefix 'amq.*'",
            Refused,
            None,
        ),
        (403, "ACCESS_REFUSED - operation not permitted on the default exchange", Refused, None),
        (403, "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use", Refused, None),
        (404, "NOT_FOUND - no exchange 'e' in vhost '/'", NotFound, None),
        (
            404,
            "NOT_FOUND - home node 'rabbit@a' of durable queue 'q' in vhost '/' is down or \
             inaccessible",
            NotFound,
            None,
        ),
        (
            404,
            "NOT_FOUND - failed to perform operation on queue 'q' in vhost '/' due to timeout",
            NotFound,
            None,
        ),
        (
            405,
            "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'. It \
             could be originally declared on another connection or the exclusive property value \
             does not match that of the original declaration.",
            Refused,
            None,
        ),
        (
            406,
            "PRECONDITION_FAILED - inequivalent arg 'x-expires' for queue 'limit is reached' in \
             vhost '/': received none but current is the value '1' of type 'signedint'",
            Mismatch,
            None,
        ),
        (
            406,
            "PRECONDITION_FAILED - cannot declare queue 'q': queue limit in vhost '/' (3) is \
             reached",
            LimitReached,
            None,
        ),
        (
            406,
            "PRECONDITION_FAILED - cannot declare queue 'q': queue limit in cluster (3) is reached",
            LimitReached,
            None,
        ),
        (
            406,
            "PRECONDITION_FAILED - cannot declare exchange 'e' in vhost '/': exchange limit of 9 is \
             reached",
            LimitReached,
            None,
        ),
        (
            406,
            "PRECONDITION_FAILED - invalid arg 'x-max-priority' for queue 'q' in vhost '/' of queue \
             type rabbit_quorum_queue",
            Configuration,
            None,
        ),
        (
            406,
            "PRECONDITION_FAILED - invalid property 'auto-delete' for queue 'q' in vhost '/'",
            Configuration,
            None,
        ),
        (406, "PRECONDITION_FAILED - unknown exchange type 'x-odd'", Configuration, None),
        (
            406,
            "PRECONDITION_FAILED - queue 'q' in vhost '/' does not have a replica on the local node",
            NotFound,
            None,
        ),
        (
            406,
            "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. Timeout value \
             used: 1800000 ms. This timeout value can be configured, see consumers doc guide to \
             learn more",
            TimedOut,
            None,
        ),
        (406, "PRECONDITION_FAILED - unknown delivery tag 7", Disconnected, None),
        (
            406,
            "invalid ack received for inexistant delivery_tag 7 on channel 1, current is 3",
            Disconnected,
            None,
        ),
        (
            406,
            "PRECONDITION_FAILED - message size 16777217 is larger than configured max size 16777216",
            Refused,
            None,
        ),
        (
            406,
            "PRECONDITION_FAILED - user_id property set to 'a' but authenticated user was 'b'",
            Refused,
            None,
        ),
        (
            406,
            "PRECONDITION_FAILED - invalid expiration 'soon': {leftover_string,\"soon\"}",
            Refused,
            None,
        ),
        (501, "FRAME_ERROR - type 65, all octets = <<>>", Disconnected, None),
        (
            503,
            "COMMAND_INVALID - unknown authentication mechanism 'EXTERNAL'",
            Refused,
            Some(MECHANISM),
        ),
        (503, "COMMAND_INVALID - unimplemented method", Disconnected, None),
        (504, "CHANNEL_ERROR - expected 'channel.open'", Disconnected, None),
        (
            506,
            "RESOURCE_ERROR - Stream coordinator unavailable for queue 's' in vhost '/'",
            Disconnected,
            None,
        ),
        (
            530,
            "NOT_ALLOWED - access to vhost 'v' refused for user 'u': connection limit (0) is reached",
            LimitReached,
            Some(FULL),
        ),
        (
            530,
            "NOT_ALLOWED - connection refused for user 'u': user connection limit (0) is reached",
            LimitReached,
            Some(FULL),
        ),
        (
            530,
            "NOT_ALLOWED - connection refused: node connection limit (0) is reached",
            LimitReached,
            Some(FULL),
        ),
        (
            530,
            "NOT_ALLOWED - number of channels opened (8) has reached the negotiated channel_max (8)",
            LimitReached,
            None,
        ),
        (
            530,
            "NOT_ALLOWED - number of channels opened for user 'u' has reached the maximum allowed \
             user limit of (1)",
            LimitReached,
            None,
        ),
        (
            530,
            "NOT_ALLOWED - number of channels opened on node 'rabbit@a' has reached the maximum \
             allowed limit of 1",
            LimitReached,
            None,
        ),
        (530, "NOT_ALLOWED - reached maximum (1) of consumers per channel", LimitReached, None),
        (
            530,
            "NOT_ALLOWED - access to vhost 'v' refused for user 'u': connection limit cannot be \
             queried, timeout",
            TimedOut,
            None,
        ),
        (
            530,
            "NOT_ALLOWED - access to vhost 'no limit' refused for user 'limit'",
            Refused,
            Some(VIRTUAL_HOST),
        ),
        (
            530,
            "NOT_ALLOWED - access to vhost 'v' refused for user 'u' by backend \
             rabbit_auth_backend_http: denied",
            Refused,
            Some(VIRTUAL_HOST),
        ),
        (
            530,
            "NOT_ALLOWED - vhost the limit is reached not found",
            Refused,
            Some("has no such virtual host"),
        ),
        (530, "NOT_ALLOWED - attempt to reuse consumer tag '1'", Refused, None),
        (
            540,
            "NOT_IMPLEMENTED - basic.get not supported by stream queues queue 's' in vhost '/'",
            Configuration,
            None,
        ),
        (541, "INTERNAL_ERROR", Disconnected, None),
        (
            541,
            "INTERNAL_ERROR - access to vhost 'v' refused for user 'u': vhost 'v' is down",
            Disconnected,
            Some("has its virtual host down"),
        ),
        (
            541,
            "INTERNAL_ERROR - Feature `transient_nonexcl_queues` is deprecated.\nIts use is not \
             permitted per the configuration",
            Disconnected,
            None,
        ),
        (599, "ODD - a code of tomorrow", Disconnected, None),
    ];

    #[test]
    fn texts_of_brokers_mean_what_the_table_says() {
        for (code, text, kind, at_host) in TEXTS {
            let meant = Meaning { kind: *kind, at_host: *at_host };
            assert_eq!(meaning(*code, text), meant, "{code} {text}");
        }
    }

    #[test]
    fn every_code_ends_with_a_row_for_the_rest_and_no_row_is_hidden() {
        for (place, row) in ROWS.iter().enumerate() {
            let same = ROWS[..place].iter().filter(|other| other.code == row.code);
            for other in same {
                let hides = row.begins.starts_with(other.begins) && row.ends.ends_with(other.ends);
                assert!(!hides, "{} {:?} is hidden by {:?}", row.code, row.begins, other.begins);
            }
            let last = ROWS.iter().rfind(|other| other.code == row.code);
            assert!(last.is_some_and(|last| last.begins.is_empty() && last.ends.is_empty()));
        }
        assert!(ROWS.is_sorted_by_key(|row| row.code));
    }
}
