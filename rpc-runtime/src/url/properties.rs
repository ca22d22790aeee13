//! Over random URLs: what is written into one is read out of it, and what is printed shows where, not who.

use percent_encoding::NON_ALPHANUMERIC;
use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::json::properties::any_text;

/// A host of a URL, in its parts.
#[derive(Clone, Debug)]
struct Part {
    name: String,
    is_literal: bool,
    port: Option<u16>,
    login: Option<(String, Option<String>)>,
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn host() -> impl Strategy<Value = Part> {
    let name = prop_oneof![
        "[a-z0-9.-]{1,12}".prop_map(|name| (name, false)),
        any::<std::net::Ipv6Addr>().prop_map(|address| (address.to_string(), true)),
        any_text().prop_filter("a name", |name| !name.is_empty()).prop_map(|name| (name, false)),
    ];
    // Nothing else of a URL has a capital letter in it.
    let user = any_text().prop_filter("a user", |user| !user.is_empty());
    let login = (user, option::of("[A-Z]{9}"));
    (name, option::of(any::<u16>()), option::of(login))
        .prop_map(|((name, is_literal), port, login)| Part { name, is_literal, port, login })
}

impl Part {
    fn write(&self) -> String {
        let login = match &self.login {
            Some((user, Some(password))) => format!("{}:{}@", encoded(user), encoded(password)),
            Some((user, None)) => format!("{}@", encoded(user)),
            None => String::new(),
        };
        let name = if self.is_literal { format!("[{}]", self.name) } else { encoded(&self.name) };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{login}{name}{port}")
    }

    fn check(&self, host: &Host, tls: bool) -> Result<(), TestCaseError> {
        prop_assert_eq!(&host.name, &self.name);
        prop_assert_eq!(host.port, self.port.unwrap_or(if tls { 5671 } else { 5672 }));
        let (user, password) = self.login.clone().unzip();
        let or_guest = |part: Option<String>| part.unwrap_or_else(|| "guest".to_owned());
        let meant = (or_guest(user), or_guest(password.flatten()));
        prop_assert_eq!((&host.user, &host.password), (&meant.0, &meant.1));
        Ok(())
    }
}

/// Options with a value, of which no two have one name.
fn query() -> impl Strategy<Value = Vec<(String, String)>> {
    let value = any_text().prop_filter("a value", |value| !value.is_empty());
    prop::collection::btree_map(any_text(), value, 0..4)
        .prop_map(|options| options.into_iter().collect())
}

proptest! {
    #[test]
    fn every_part_of_a_url_is_read_back(
        driver in prop::sample::select(vec!["rabbit", "AMQP", "kombu+pyamqp", "amqps", "Rabbit+TLS"]),
        hosts in vec(host(), 1..4), path in option::of(any_text()), query in query(),
    ) {
        let written: Vec<_> = hosts.iter().map(Part::write).collect();
        let option = |(name, value): &(String, String)| format!("{}={}", encoded(name), encoded(value));
        let options: Vec<_> = query.iter().map(option).collect();
        let path_text = path.as_deref().map(|path| format!("/{}", encoded(path))).unwrap_or_default();
        let text = format!("{driver}://{}{path_text}?{}", written.join(","), options.join("&"));
        let url: TransportUrl = text.parse().expect("a URL");
        let tls = driver.ends_with('s') || driver.ends_with('S');
        prop_assert_eq!(url.scheme(), Scheme::Rabbit { tls });
        prop_assert_eq!(url.hosts().len(), hosts.len());
        hosts.iter().zip(url.hosts()).try_for_each(|(part, host)| part.check(host, tls))?;
        let name = path.filter(|path| !path.is_empty()).unwrap_or_else(|| "/".into());
        prop_assert_eq!(url.virtual_host(), &*name);
        prop_assert_eq!(url.query(), &*query);
    }

    #[test]
    fn what_is_printed_leads_to_the_same_brokers_and_shows_no_password(
        tls in any::<bool>(), hosts in vec(host(), 1..4), path in any_text(),
    ) {
        let written: Vec<_> = hosts.iter().map(Part::write).collect();
        let driver = if tls { "amqps" } else { "amqp" };
        let url: TransportUrl = format!("{driver}://{}/{}", written.join(","), encoded(&path)).parse().expect("a URL");
        let shown = format!("{url}");
        prop_assert_eq!(format!("{url:?}"), shown.clone());
        for password in hosts.iter().filter_map(|host| host.login.as_ref()?.1.as_ref()) {
            prop_assert!(!shown.contains(password), "{}", shown);
        }
        let again: TransportUrl = shown.parse().expect("what is printed is a URL");
        prop_assert_eq!(again.scheme(), url.scheme());
        prop_assert_eq!(again.virtual_host(), url.virtual_host());
        let address = |url: &TransportUrl| -> Vec<_> {
            url.hosts().iter().map(|host| (host.name.clone(), host.port)).collect()
        };
        prop_assert_eq!(address(&again), address(&url));
        prop_assert_eq!(again.to_string(), shown);
    }

    #[test]
    fn an_embedded_broker_is_found_by_any_name(name in any_text()) {
        let url: TransportUrl = format!("memory://{}", encoded(&name)).parse().expect("a URL");
        prop_assert_eq!((url.scheme(), url.virtual_host()), (Scheme::Memory, &*name));
        let again: TransportUrl = url.to_string().parse().expect("what is printed is a URL");
        prop_assert_eq!(again.virtual_host(), &*name);
    }
}
