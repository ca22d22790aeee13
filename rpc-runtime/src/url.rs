//! Transport URLs: `driver://[user[:password]@]host[:port][,…][/virtual_host][?option=value&…]` (wire: section 9.1).

use std::{fmt, str::FromStr};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::{TransportError, TransportErrorKind, logging::guarded};

/// What would mean something else in a virtual host, unless it is the first `/`.
const IN_PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'%').add(b'?').add(b'#');
/// What would mean something else in a host's name.
const IN_HOST: &AsciiSet = &IN_PATH.add(b',').add(b'@').add(b'/').add(b'[').add(b']');

/// A transport URL, checked. `Display` and `Debug` show a URL of the same brokers, without logins and options.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct TransportUrl {
    scheme: Scheme,
    hosts: Vec<Host>,
    virtual_host: String,
    /// Options by their original's names.
    query: Vec<(String, String)>,
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
    /// Whether the URL says the port.
    has_port: bool,
    /// Whether the URL says who logs in.
    has_login: bool,
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

    /// Secures the connections, or not, as an option says. The port changes with it where the URL names none.
    pub(crate) fn set_tls(&mut self, tls: bool) -> Result<(), TransportError> {
        match &mut self.scheme {
            Scheme::Rabbit { tls: true } if !tls => {
                Err(malformed("its driver means TLS, and the option `ssl` is off"))
            }
            Scheme::Rabbit { tls: secured } => {
                *secured = tls;
                let unsaid = self.hosts.iter_mut().filter(|host| !host.has_port);
                unsaid.for_each(|host| host.port = default_port(tls));
                Ok(())
            }
            Scheme::Memory => Ok(()),
        }
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

fn decode(text: &str) -> Result<String, TransportError> {
    match percent_decode_str(text).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(malformed("a percent-encoded part is not UTF-8")),
    }
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

/// Reads options. What comes more than once is one value with commas, as in the original.
fn options(query: &str) -> Result<Vec<(String, String)>, TransportError> {
    let mut options: Vec<(String, String)> = Vec::new();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        let (name, value) = (decode(name)?, decode(&value.replace('+', " "))?);
        match options.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => {
                values.push(',');
                values.push_str(&value);
            }
            None => options.push((name, value)),
        }
    }
    Ok(options)
}

impl FromStr for TransportUrl {
    type Err = TransportError;

    fn from_str(url: &str) -> Result<Self, TransportError> {
        let (scheme, rest) =
            url.split_once("://").ok_or_else(|| malformed("it has no `driver://`"))?;
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let scheme = driver(scheme)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let query = options(query)?;
        let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
        if scheme == Scheme::Memory {
            return Ok(Self { scheme, hosts: Vec::new(), virtual_host: decode(rest)?, query });
        }
        let mut hosts: Vec<Host> = hosts
            .split(',')
            .filter(|host| !host.is_empty())
            .map(|host| Host::parse(host, scheme))
            .collect::<Result<_, _>>()?;
        if hosts.is_empty() {
            hosts.push(Host::parse("localhost", scheme)?);
        }
        let with_login = hosts.iter().filter(|host| host.has_login).count();
        if (1..hosts.len()).contains(&with_login) {
            let what = "some hosts of the transport URL have no login; trying `guest` there";
            guarded(|| tracing::warn!("{what}"));
        }
        if hosts.iter().any(|host| host.user.is_empty()) {
            return Err(malformed("a login has no user"));
        }
        // Absent, `/` and `//` all mean the virtual host `/`; any other path is a name without its first slash.
        let virtual_host = if path.is_empty() { "/".to_owned() } else { decode(path)? };
        if virtual_host.len() > 255 {
            return Err(malformed("its virtual host has more than 255 bytes"));
        }
        Ok(Self { scheme, hosts, virtual_host, query })
    }
}

impl Host {
    fn parse(text: &str, scheme: Scheme) -> Result<Self, TransportError> {
        let (login, address) = match text.rsplit_once('@') {
            Some((login, address)) => (Some(login), address),
            None => (None, text),
        };
        let login = login.filter(|login| !login.is_empty());
        let has_login = login.is_some();
        let (user, password) = match login {
            Some(login) => {
                let (user, password) = login.split_once(':').unwrap_or((login, ""));
                (decode(user)?, decode(password)?)
            }
            None => ("guest".to_owned(), "guest".to_owned()),
        };
        let (name, port) = match address.strip_prefix('[') {
            Some(literal) => {
                let (name, port) = literal
                    .split_once(']')
                    .ok_or_else(|| malformed("an IPv6 address has no `]`"))?;
                (name, port.strip_prefix(':').or((!port.is_empty()).then_some(port)))
            }
            None => match address.split_once(':') {
                Some((name, port)) => (name, Some(port)),
                None => (address, None),
            },
        };
        let has_port = port.is_some();
        let port = match port {
            // Its text may be a part of a password.
            Some(port) => port.parse().map_err(|_| {
                malformed("a port is no number from 0 to 65535 (in a password, `/`, `?`, `#`, `,` and `@` are written `%XX`)")
            })?,
            None => default_port(scheme == (Scheme::Rabbit { tls: true })),
        };
        let name = if name.is_empty() { "localhost".to_owned() } else { decode(name)? };
        Ok(Self { name, port, has_port, has_login, user, password })
    }
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
        let name = utf8_percent_encode(&self.name, IN_HOST);
        match self.name.contains(':') {
            true => write!(f, "[{name}]:{}", self.port),
            false => write!(f, "{name}:{}", self.port),
        }
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
    fn no_text_of_a_url_shows_a_password() {
        let url = parse("rabbit://user:canary@h:1,u:canary@i/v");
        assert_eq!(format!("{url} {url:?} {:?}", url.hosts).matches("canary").count(), 0);
        assert_eq!(url.to_string(), "rabbit://h:1,i:5672/v");
    }

    #[test]
    fn what_is_printed_of_a_url_is_a_url_of_the_same_brokers() {
        for (url, shown) in [
            ("rabbit://u:p@h/?ssl=1", "rabbit://h:5672/"),
            ("amqps://%5B%3A%2F:1,[::1]/%2Fv", "rabbit+tls://[%5B:%2F]:1,[::1]:5671/%2Fv"),
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
        assert_eq!(options, [("a", "1,2"), ("b", "x& y"), ("c", "")]);
        assert_eq!(url.virtual_host(), "v");
    }

    #[test]
    fn an_option_secures_a_url_and_moves_its_port() {
        let mut url = parse("rabbit://a,b:7/");
        url.set_tls(true).expect("a URL that does not say");
        assert_eq!(url.to_string(), "rabbit+tls://a:5671,b:7/");
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
            "rabbit://[::1",
            "rabbit://%ff",
            "rabbit://:canary@h",
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
