//! The users whose counters of redeliveries are believed.
//!
//! Every publisher can set any header, and a high counter makes a message a dead letter: a durable
//! write. So a copy that counts carries AMQP's property `user-id`, which the broker compares with
//! the login, and refuses if it differs; only users with the tag `impersonator` may set another's.
//! A counter is believed if its `user-id` is a name that this transport logs in with. A login by
//! certificate has a name that only the broker knows, so such a copy carries none, and no counter
//! is believed.

use lapin::BasicProperties;

use crate::{Login, RabbitOptions, url::TransportUrl};

/// The users whose counters are believed.
#[derive(Debug, Default)]
pub(super) struct Trust(Vec<String>);

impl Trust {
    pub(super) fn new(url: &TransportUrl, options: &RabbitOptions) -> Self {
        let own = url.hosts().iter().filter(|_| is_named(options.login));
        let mut users: Vec<_> = own.map(|host| host.user.clone()).collect();
        users.extend(options.trusted_users.iter().cloned());
        users.sort_unstable();
        users.dedup();
        Self(users)
    }

    /// Whether the broker has verified that a message is by one of these users.
    pub(super) fn covers(&self, properties: &BasicProperties) -> bool {
        let user = properties.user_id().as_ref();
        user.is_some_and(|user| self.0.iter().any(|known| *known == user.as_str()))
    }
}

/// Whether the name that logs in is the user's for the broker, too.
pub(super) fn is_named(login: Login) -> bool {
    match login {
        Login::Plain | Login::AmqPlain => true,
        Login::External | Login::CrDemo => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(url: &str, options: &RabbitOptions, user: Option<&str>) -> bool {
        let trust = Trust::new(&url.parse().expect("a URL"), options);
        let properties = BasicProperties::default();
        trust.covers(&match user {
            Some(user) => properties.with_user_id(user.into()),
            None => properties,
        })
    }

    #[test]
    fn a_counter_is_believed_of_the_logins_of_the_url_and_of_the_users_that_are_named() {
        let url = "rabbit://a:x@one,b:y@two/";
        let options = RabbitOptions::default();
        for (user, is_believed) in [
            (Some("a"), true),
            (Some("b"), true),
            (Some("c"), false),
            (Some(""), false),
            (None, false),
        ] {
            assert_eq!(covers(url, &options, user), is_believed, "{user:?}");
        }
        let options = options.trusted_users(["c"]);
        assert!(covers(url, &options, Some("c")) && covers(url, &options, Some("a")));
    }

    #[test]
    fn the_name_in_the_url_is_nobodys_where_a_certificate_logs_in() {
        let options = RabbitOptions::default().login(Login::External);
        assert!(!covers("rabbit://a:x@one/", &options, Some("a")));
        assert!(covers("rabbit://a:x@one/", &options.trusted_users(["CN=a"]), Some("CN=a")));
    }
}
