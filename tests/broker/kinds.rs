//! Kinds of the errors with which a broker refuses a connection.

use rpc_runtime::{Transport, TransportErrorKind};
use tests::{World, rabbitmqctl, soon, unique};

/// A user and a virtual host whose names contain words about limits, as do the broker's texts that
/// quote them.
struct Limits {
    user: String,
    virtual_host: String,
    address: String,
}

impl Limits {
    async fn new(world: &World) -> Option<Self> {
        let address = world.url().rsplit('@').next().unwrap_or_default().to_owned();
        let address = address.split('/').next().unwrap_or_default().to_owned();
        let user = unique("user-limit-is-reached");
        rabbitmqctl(&["add_user", &user, "pass"]).await?;
        let virtual_host = unique("connection-limit");
        rabbitmqctl(&["add_vhost", &virtual_host]).await?;
        Some(Self { user, virtual_host, address })
    }

    async fn ctl(&self, command: &str, of: &[&str], rest: &[&str]) {
        rabbitmqctl(&[&[command], of, rest].concat()).await.expect("it was there");
    }

    async fn fails(&self, virtual_host: &str, kind: TransportErrorKind, words: &str) {
        let url = format!("rabbit://{}:pass@{}/{virtual_host}", self.user, self.address);
        let error = soon("an end", Transport::connect(&url)).await.expect_err("it is refused");
        let text = error.to_string();
        assert_eq!(error.kind(), kind, "{text}");
        assert!(text.starts_with(&format!("{} {words}", self.address)), "{words}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_contain_words_of_limits_do_not_make_a_refusal_a_limit() {
    use TransportErrorKind::{LimitReached, Refused};

    let Some(world) = World::rabbit() else { return };
    let Some(limits) = Limits::new(&world).await else { return };
    let (user, virtual_host) = (limits.user.as_str(), limits.virtual_host.as_str());
    let none = r#"{"max-connections": 0}"#;
    limits.fails(virtual_host, Refused, "refused the virtual host: NOT_ALLOWED").await;
    let missing = "the-limit-is-reached";
    limits.fails(missing, Refused, "has no such virtual host: NOT_ALLOWED").await;

    let of = ["--vhost", virtual_host];
    limits.ctl("set_permissions", &of, &[user, ".*", ".*", ".*"]).await;
    limits.ctl("set_vhost_limits", &of, &[none]).await;
    let full = "takes no more connections: NOT_ALLOWED";
    limits.fails(virtual_host, LimitReached, full).await;
    limits.ctl("clear_vhost_limits", &of, &[]).await;
    limits.ctl("set_user_limits", &[user], &[none]).await;
    limits.fails(virtual_host, LimitReached, full).await;
    limits.ctl("change_password", &[user], &["another"]).await;
    limits.fails(virtual_host, Refused, "refused the login: ACCESS_REFUSED").await;

    limits.ctl("delete_user", &[user], &[]).await;
    limits.ctl("delete_vhost", &[virtual_host], &[]).await;
}
