//! Transport URLs: `driver://[user[:password]@]host[:port][,…][/virtual_host][?option=value&…]` (wire: section 9.1).

use std::{fmt, str::FromStr};

use percent_encoding::percent_decode_str;

use crate::{TransportError, TransportErrorKind};

/// A transport URL, checked. `Display` and `Debug` show no password.
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

    /// The options, decoded, in order.
    pub(crate) fn query(&self) -> &[(String, String)] {
        &self.query
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

impl FromStr for TransportUrl {
    type Err = TransportError;

    fn from_str(url: &str) -> Result<Self, TransportError> {
        let (scheme, rest) =
            url.split_once("://").ok_or_else(|| malformed("it has no `driver://`"))?;
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "memory" => Scheme::Memory,
            "rabbit" | "amqp" => Scheme::Rabbit { tls: false },
            "rabbit+tls" | "amqps" => Scheme::Rabbit { tls: true },
            other => {
                let known = "expected `rabbit`, `amqp`, `rabbit+tls`, `amqps` or `memory`";
                return Err(malformed(format_args!(
                    "unknown driver `{}`; {known}",
                    other.escape_debug()
                )));
            }
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let query = query
            .split('&')
            .filter(|option| !option.is_empty())
            .map(|option| {
                let (name, value) = option.split_once('=').unwrap_or((option, ""));
                Ok((decode(name)?, decode(&value.replace('+', " "))?))
            })
            .collect::<Result<_, TransportError>>()?;
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
        // Absent, `/` and `//` all mean the virtual host `/`; any other path is a name without its first slash.
        let virtual_host = if path.is_empty() { "/".to_owned() } else { decode(path)? };
        Ok(Self { scheme, hosts, virtual_host, query })
    }
}

impl Host {
    fn parse(text: &str, scheme: Scheme) -> Result<Self, TransportError> {
        let (login, address) = match text.rsplit_once('@') {
            Some((login, address)) => (Some(login), address),
            None => (None, text),
        };
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
        let port = match port {
            Some(port) => port
                .parse()
                .map_err(|_| malformed(format_args!("`{}` is no port", port.escape_debug())))?,
            None if scheme == (Scheme::Rabbit { tls: true }) => 5671,
            None => 5672,
        };
        let name = if name.is_empty() { "localhost".to_owned() } else { decode(name)? };
        Ok(Self { name, port, user, password })
    }
}

impl fmt::Display for TransportUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Scheme::Memory => write!(f, "memory://{}", self.virtual_host),
            Scheme::Rabbit { tls } => {
                f.write_str(if tls { "rabbit+tls://" } else { "rabbit://" })?;
                for (at, host) in self.hosts.iter().enumerate() {
                    write!(f, "{}{host}", if at == 0 { "" } else { "," })?;
                }
                write!(f, "/{}", self.virtual_host.strip_prefix('/').unwrap_or(&self.virtual_host))
            }
        }
    }
}

impl fmt::Display for Host {
    /// The address, without the login.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.name.contains(':') {
            write!(f, "[{}]:{}", self.name, self.port)
        } else {
            write!(f, "{}:{}", self.name, self.port)
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
    fn options_are_decoded() {
        let url = parse("rabbit://h/v?a=1&&b=x%26+y&c#fragment");
        let options: Vec<_> = url.query.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(options, [("a", "1"), ("b", "x& y"), ("c", "")]);
        assert_eq!(url.virtual_host(), "v");
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for url in
            ["h:1", "kombu://h", "rabbit://h:x", "rabbit://h:", "rabbit://[::1", "rabbit://%ff"]
        {
            let error = url.parse::<TransportUrl>().expect_err(url);
            assert_eq!(error.kind(), TransportErrorKind::Configuration);
        }
    }
}
