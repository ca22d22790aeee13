//! Transport URLs: `driver://[user[:password]@]host[:port][,…][/virtual_host][?option=value&…]` (wire: section 9.1).
//!
//! A URL is split as Python's `urlsplit` splits it, and each part is read as the original reads it.

use std::{fmt, str::FromStr};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::{
    TransportError, TransportErrorKind,
    logging::guarded,
    options::{origin::Origin, whole},
};

/// What would mean something else in a virtual host, unless it is the first `/`.
const IN_PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'?').add(b'#');
/// What would mean something else in a host's name.
const IN_HOST: &AsciiSet = &IN_PATH.add(b',').add(b'@').add(b'/').add(b'[').add(b']');
/// The same for a name that is no IPv6 address.
const IN_NAME: &AsciiSet = &IN_HOST.add(b':');

/// A transport URL, checked. `Display` and `Debug` show a URL of the same brokers, without logins and options.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TransportUrl {
    scheme: Scheme,
    hosts: Vec<Host>,
    virtual_host: String,
    /// Options by their original's names.
    query: Vec<(String, String)>,
    /// The setting that the URL comes from.
    origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    Memory,
    Rabbit { tls: bool },
}

/// One broker of a URL, and how to log in there.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) port: u16,
    /// Whether the URL names the host.
    has_name: bool,
    /// Whether the URL names the user.
    has_user: bool,
    pub(crate) user: String,
    pub(crate) password: String,
}

impl TransportUrl {
    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    #[cfg(feature = "rabbit")]
    pub(crate) fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The options, decoded, each once.
    pub(crate) fn query(&self) -> &[(String, String)] {
        &self.query
    }

    /// Secures the connections, or not, as an option says. The ports stay, as in the original.
    pub(crate) fn set_tls(&mut self, tls: bool) -> Result<(), TransportError> {
        match &mut self.scheme {
            Scheme::Rabbit { tls: true } if !tls => {
                Err(malformed("its driver means TLS, and the option `ssl` is off"))
            }
            Scheme::Rabbit { tls: secured } => {
                *secured = tls;
                Ok(())
            }
            Scheme::Memory => Ok(()),
        }
    }

    /// Remembers where the URL comes from.
    pub(crate) fn from(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// Says where a host of this address and its user were configured.
    #[cfg(feature = "rabbit")]
    pub(crate) fn origins(&self, address: &str) -> (String, String) {
        let host = self.hosts.iter().find(|host| host.to_string() == address);
        let origin = |given: fn(&Host) -> bool| {
            let origin = if host.is_some_and(given) { &self.origin } else { &Origin::Default };
            origin.to_string()
        };
        (origin(|host| host.has_name), origin(|host| host.has_user))
    }

    /// RabbitMQ's virtual host; the name of an embedded broker.
    pub(crate) fn virtual_host(&self) -> &str {
        &self.virtual_host
    }
}

fn malformed(what: impl fmt::Display) -> TransportError {
    TransportError::new(
        TransportErrorKind::Configuration,
        format!("malformed transport URL: {what}"),
    )
}

/// Decodes `%XX`. Invalid UTF-8 becomes `U+FFFD`, as in the original.
fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn default_port(tls: bool) -> u16 {
    if tls { 5671 } else { 5672 }
}

/// Reads a driver. What follows a `+` chooses the original's way of talking to the broker, which is one here.
fn driver(name: &str) -> Result<Scheme, TransportError> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "memory" | "fake" | "kombu+memory" => Scheme::Memory,
        "rabbit" | "amqp" | "rabbit+amqp" | "rabbit+pyamqp" | "kombu+rabbit" | "kombu+amqp"
        | "kombu+pyamqp" => Scheme::Rabbit { tls: false },
        "rabbit+tls" | "amqps" => Scheme::Rabbit { tls: true },
        other => {
            // What is no driver's name may be anything, also a password.
            let is_name = other.chars().all(|c| c.is_ascii_alphanumeric() || c == '+');
            let what = if is_name { other } else { "…" };
            return Err(malformed(format_args!(
                "unknown driver `{what}`; expected `rabbit`, `amqp`, `rabbit+tls`, `amqps` or `memory`"
            )));
        }
    })
}

/// Reads options. Several values of one are joined by commas, and empty ones do not count, as in
/// the original.
fn options(query: &str) -> Vec<(String, String)> {
    let mut options: Vec<(String, String)> = Vec::new();
    for option in query.split('&') {
        let Some((name, value)) = option.split_once('=').filter(|(_, value)| !value.is_empty())
        else {
            continue;
        };
        let decode = |text: &str| decode(&text.replace('+', " "));
        let (name, value) = (decode(name), decode(value));
        match options.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => {
                values.push(',');
                values.push_str(&value);
            }
            None => options.push((name, value)),
        }
    }
    options
}

/// The parts of a URL, not decoded.
struct Parts<'a> {
    scheme: &'a str,
    /// Logins, hosts and ports.
    hosts: &'a str,
    /// The virtual host, with its first slash.
    path: &'a str,
    query: &'a str,
}

impl<'a> Parts<'a> {
    /// Splits a URL that has no blanks in front and no tabs or newlines.
    fn of(url: &'a str) -> Result<Self, TransportError> {
        let is_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let (scheme, rest) = url
            .split_once(':')
            .filter(|(scheme, _)| scheme.starts_with(|c: char| c.is_ascii_alphabetic()))
            .filter(|(scheme, _)| scheme.chars().all(is_scheme))
            .ok_or_else(|| malformed("it has no `driver://`"))?;
        let (hosts, rest) = match rest.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len())),
            None => ("", rest),
        };
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        Ok(Self { scheme, hosts, path, query })
    }
}

/// Removes the characters that `urlsplit` removes: control characters and blanks in front, and
/// every tab and end of a line. A URL in a file may go on over several lines, and a variable often
/// ends in one.
fn cleaned(url: &str) -> String {
    url.trim_start_matches(|c| c <= ' ').replace(['\t', '\r', '\n'], "")
}

/// Characters that Unicode's compatible form (NFKC) writes with one of `/?#@:`, which delimit a
/// host. Python refuses them, so that a host cannot mean another one.
const DELIMITERS_IN_DISGUISE: &[char] = &[
    '\u{2047}', '\u{2048}', '\u{2049}', '\u{2100}', '\u{2101}', '\u{2105}', '\u{2106}', '\u{2a74}',
    '\u{fe13}', '\u{fe16}', '\u{fe55}', '\u{fe56}', '\u{fe5f}', '\u{fe6b}', '\u{ff03}', '\u{ff0f}',
    '\u{ff1a}', '\u{ff1f}', '\u{ff20}',
];

/// Checks logins, hosts and ports as a whole: the original looks at the first brackets alone.
fn check_hosts(hosts: &str) -> Result<(), TransportError> {
    if hosts.contains(DELIMITERS_IN_DISGUISE) {
        return Err(malformed("a host has a character that stands for `/`, `?`, `#`, `@` or `:`"));
    }
    if hosts.contains('[') != hosts.contains(']') {
        return Err(malformed("an IPv6 address has `[` or `]`, and not both"));
    }
    let Some((_, rest)) = hosts.split_once('[') else { return Ok(()) };
    let literal = rest.split_once(']').map_or(rest, |(literal, _)| literal);
    if is_future_address(literal) || is_v6(literal) {
        return Ok(());
    }
    Err(malformed(
        "what is in brackets is no IPv6 address (in a login, `[` and `]` are written `%5B` and `%5D`)",
    ))
}

/// Whether this is an IPv6 address, with or without a zone behind `%`.
fn is_v6(literal: &str) -> bool {
    let (address, zone) = literal.split_once('%').unwrap_or((literal, "zone"));
    !zone.is_empty() && !zone.contains('%') && address.parse::<std::net::Ipv6Addr>().is_ok()
}

/// Whether this is the form that URLs keep for addresses of later versions.
fn is_future_address(literal: &str) -> bool {
    let parts = literal.strip_prefix('v').and_then(|rest| rest.split_once('.'));
    parts.is_some_and(|(version, rest)| {
        let is_version = !version.is_empty() && version.chars().all(|c| c.is_ascii_hexdigit());
        is_version && !rest.is_empty()
    })
}

impl FromStr for TransportUrl {
    type Err = TransportError;

    fn from_str(url: &str) -> Result<Self, TransportError> {
        let url = cleaned(url);
        let parts = Parts::of(&url)?;
        let scheme = driver(parts.scheme)?;
        let (query, origin) = (options(parts.query), Origin::Url);
        if scheme == Scheme::Memory {
            let virtual_host = decode(&format!("{}{}", parts.hosts, parts.path));
            return Ok(Self { scheme, hosts: Vec::new(), virtual_host, query, origin });
        }
        check_hosts(parts.hosts)?;
        let hosts = parts.hosts.split(',').filter(|host| !host.is_empty());
        let mut hosts: Vec<Host> =
            hosts.map(|host| Host::parse(host, scheme)).collect::<Result<_, _>>()?;
        if hosts.is_empty() {
            hosts.push(Host::parse("", scheme)?);
        }
        let with_user = hosts.iter().filter(|host| host.has_user).count();
        if (1..hosts.len()).contains(&with_user) {
            let what = "some hosts of the transport URL have no login; trying `guest` there";
            guarded(|| tracing::warn!("{what}"));
        }
        // Absent, `/` and `//` all mean the virtual host `/`; any other path is a name without its first slash.
        let virtual_host = match parts.path.strip_prefix('/') {
            Some("") | None => "/".to_owned(),
            Some(name) => decode(name),
        };
        if virtual_host.len() > 255 {
            return Err(malformed("its virtual host has more than 255 bytes"));
        }
        Ok(Self { scheme, hosts, virtual_host, query, origin })
    }
}

impl Host {
    /// Reads one host. A part that is missing or empty has its default: `guest`, `localhost`, and
    /// the driver's port.
    fn parse(text: &str, scheme: Scheme) -> Result<Self, TransportError> {
        let (login, address) = text.rsplit_once('@').unwrap_or(("", text));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (name, port) = address_parts(address)?;
        let port = match port.map(read_port).transpose()? {
            Some(0) | None => default_port(scheme == (Scheme::Rabbit { tls: true })),
            Some(port) => port,
        };
        let or = |text: &str, default: &str| match text {
            "" => default.to_owned(),
            text => decode(text),
        };
        Ok(Self {
            has_name: !name.is_empty(),
            has_user: !user.is_empty(),
            name: or(name, "localhost"),
            port,
            user: or(user, "guest"),
            password: or(password, "guest"),
        })
    }
}

/// Splits a name and a port. Without brackets, several colons are an IPv6 address without a port.
fn address_parts(address: &str) -> Result<(&str, Option<&str>), TransportError> {
    let Some(literal) = address.strip_prefix('[') else {
        return match address.split_once(':') {
            Some((name, port)) if !port.contains(':') => Ok((name, Some(port))),
            Some(_) if !is_v6(address) => {
                Err(malformed("an address with several colons is no IPv6 address"))
            }
            _ => Ok((address, None)),
        };
    };
    match literal.split_once(']') {
        Some((name, rest)) if !rest.contains(']') => Ok((name, rest.split(':').nth(1))),
        _ => Err(malformed("an IPv6 address has no `]`, or several")),
    }
}

/// Reads a port. Its text may be a part of a password, so an error leaves it out.
fn read_port(text: &str) -> Result<u16, TransportError> {
    whole(text).and_then(|port| u16::try_from(port).ok()).ok_or_else(|| {
        malformed(
            "a port is not a number from 0 to 65535 (in a password, `/`, `?`, `#`, `,` and `@` are written `%XX`)",
        )
    })
}

impl fmt::Display for TransportUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Scheme::Memory => {
                write!(f, "memory://{}", utf8_percent_encode(&self.virtual_host, IN_PATH))
            }
            Scheme::Rabbit { tls } => {
                f.write_str(if tls { "rabbit+tls://" } else { "rabbit://" })?;
                for (at, host) in self.hosts.iter().enumerate() {
                    write!(f, "{}{host}", if at == 0 { "" } else { "," })?;
                }
                let path = utf8_percent_encode(&self.virtual_host, IN_PATH).to_string();
                match path.strip_prefix('/') {
                    None => write!(f, "/{path}"),
                    Some("") => f.write_str("/"),
                    Some(rest) => write!(f, "/%2F{rest}"),
                }
            }
        }
    }
}

impl fmt::Display for Host {
    /// The address, without the login.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let literal = utf8_percent_encode(&self.name, IN_HOST).to_string();
        if is_v6(&literal) {
            return write!(f, "[{literal}]:{}", self.port);
        }
        write!(f, "{}:{}", utf8_percent_encode(&self.name, IN_NAME), self.port)
    }
}

impl fmt::Debug for TransportUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> TransportUrl {
        url.parse().unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn virtual_hosts_are_read_as_the_original_reads_them() {
        for (url, virtual_host) in [
            ("rabbit://h", "/"),
            ("rabbit://h/", "/"),
            ("rabbit://h//", "/"),
            ("rabbit://h/%2F", "/"),
            ("rabbit://h/v", "v"),
            ("rabbit://h/v/w", "v/w"),
            ("rabbit://h/wire/", "wire/"),
        ] {
            assert_eq!(parse(url).virtual_host, virtual_host, "{url}");
        }
    }

    #[test]
    fn each_host_has_its_own_login() {
        let url = parse("rabbit://u:p%40ss@a:1,b,v@ss:x@[::1]:2,/");
        let hosts: Vec<_> = url
            .hosts
            .iter()
            .map(|host| (&*host.name, host.port, &*host.user, &*host.password))
            .collect();
        assert_eq!(
            hosts,
            [("a", 1, "u", "p@ss"), ("b", 5672, "guest", "guest"), ("::1", 2, "v@ss", "x")]
        );
        assert_eq!(parse("rabbit://").hosts[0].name, "localhost");
        assert_eq!(parse("amqps://h").hosts[0].port, 5671);
    }

    #[test]
    fn a_part_of_a_login_that_is_missing_is_guest() {
        for (url, user, password) in [
            ("rabbit://h", "guest", "guest"),
            ("rabbit://@h", "guest", "guest"),
            ("rabbit://u@h", "u", "guest"),
            ("rabbit://u:@h", "u", "guest"),
            ("rabbit://:p@h", "guest", "p"),
        ] {
            let host = &parse(url).hosts[0];
            assert_eq!((&*host.user, &*host.password), (user, password), "{url}");
        }
    }

    #[test]
    fn blanks_in_front_and_ends_of_lines_are_no_part_of_a_url() {
        let url = parse("\n \u{1}rabbit://u:p@a,\nu2:p2\t@b\r\n/nova\n");
        assert_eq!(url.to_string(), "rabbit://a:5672,b:5672/nova");
        assert_eq!((&*url.hosts[1].user, &*url.hosts[1].password), ("u2", "p2"));
        assert_eq!(parse("rabbit://h/v ").virtual_host, "v ", "a blank behind is a part of it");
    }

    #[test]
    fn addresses_and_ports_are_read_as_the_original_reads_them() {
        for (url, shown) in [
            ("rabbit://fe80::1:7", "[fe80::1:7]:5672"),
            ("rabbit://[::1]7", "[::1]:5672"),
            ("rabbit://[::1]:7:8", "[::1]:7"),
            ("rabbit://h:0", "h:5672"),
            ("rabbit://h: +5_6 ", "h:56"),
            ("rabbit:h", "localhost:5672"),
        ] {
            assert_eq!(parse(url).hosts[0].to_string(), shown, "{url}");
        }
    }

    #[test]
    fn no_text_of_a_url_shows_a_password() {
        let url = parse("rabbit://user:canary@h:1,u:canary@i/v");
        assert_eq!(format!("{url} {url:?} {:?}", url.hosts).matches("canary").count(), 0);
        assert_eq!(url.to_string(), "rabbit://h:1,i:5672/v");
    }

    #[test]
    fn what_is_printed_of_a_url_is_a_url_of_the_same_brokers() {
        for (url, shown) in [
            ("rabbit://u:p@h/?ssl=1", "rabbit://h:5672/"),
            ("amqps://%5B%3A%2F:1,[::1]/%2Fv", "rabbit+tls://%5B%3A%2F:1,[::1]:5671/%2Fv"),
            ("rabbit://a%2Cb%40c/v%3Fw%23%20x/y", "rabbit://a%2Cb%40c:5672/v%3Fw%23%20x/y"),
            ("rabbit://h///", "rabbit://h:5672/%2F/"),
            ("memory://a%3Fb/c", "memory://a%3Fb/c"),
        ] {
            let read = parse(url);
            assert_eq!(read.to_string(), shown, "{url}");
            let again = parse(shown);
            assert_eq!(
                (again.virtual_host(), again.to_string()),
                (read.virtual_host(), read.to_string())
            );
        }
    }

    #[test]
    fn options_are_decoded() {
        let url = parse("rabbit://h/v?a=1&&b=x%26+y&c&a=2#fragment");
        let options: Vec<_> = url.query.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(options, [("a", "1,2"), ("b", "x& y")]);
        assert_eq!(url.virtual_host(), "v");
    }

    #[test]
    fn an_option_secures_a_url_and_leaves_its_ports() {
        let mut url = parse("rabbit://a,b:7/");
        url.set_tls(true).expect("a URL that does not say");
        assert_eq!(url.to_string(), "rabbit+tls://a:5672,b:7/");
        assert!(parse("amqps://a").set_tls(false).is_err(), "they contradict each other");
    }

    #[test]
    fn drivers_are_those_of_the_original() {
        let plain = Scheme::Rabbit { tls: false };
        for (url, scheme) in [
            ("rabbit://", plain),
            ("RABBIT://h", plain),
            ("rabbit+pyamqp://h", plain),
            ("kombu+amqp://h", plain),
            ("kombu+memory://", Scheme::Memory),
            ("fake://", Scheme::Memory),
            ("amqps://h", Scheme::Rabbit { tls: true }),
        ] {
            assert_eq!(parse(url).scheme, scheme, "{url}");
        }
    }

    #[test]
    fn what_is_malformed_is_refused_without_a_password() {
        for url in [
            "h:1",
            "kombu://h",
            "rabbit+tsl://h",
            "rabbit://h:x",
            "rabbit://h:",
            "rabbit://h:65536",
            "rabbit://h:-1",
            "rabbit://[::1",
            "rabbit://[::1]]",
            "rabbit://[1.2.3.4]",
            "rabbit://u:canary[@h",
            "rabbit://u:canary[x]@h",
            "rabbit://u:canary@h\u{ff0f}i",
            "rabbit://u:canary/y@h",
            "rabbit://u:canary#y@h",
            "rabbit://u:x,y:canary@h",
            "u:canary@h://",
        ] {
            let error = url.parse::<TransportUrl>().expect_err(url);
            assert_eq!(error.kind(), TransportErrorKind::Configuration);
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
}
