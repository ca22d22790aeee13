//! Secrets are planted everywhere, then all output is searched: log lines and spans at every level,
//! errors with their sources, and `Debug` output. The test has its own program, whose only
//! subscriber covers all threads.

mod everything;

use std::{error::Error, time::Duration};

use everything::Everything;
use rpc_runtime::{CallError, Config, Context, RabbitOptions, RemoteError, Transport, rpc_api};
use tests::{World, eventually, rabbitmqctl, soon, unique};
use tokio::net::TcpListener;

/// A part of every secret.
const CANARY: &str = "canary";

/// The errors of a vault.
#[derive(Debug, thiserror::Error, RemoteError)]
#[remote(module = "vault.errors")]
enum Refused {
    #[error("the password of {user} is wrong")]
    WrongPassword { user: String, password: String },
}

/// Stores secrets.
#[rpc_api(topic = "vault", version = "1.0")]
trait Vault {
    /// Returns a secret.
    async fn open(&self, ctx: Context, user: String, password: String) -> Result<String, Refused>;
    /// Receives a secret.
    async fn store(&self, ctx: Context, secret: String);
    /// Panics with a secret.
    async fn burst(&self, ctx: Context, password: String) -> ();
}

/// The vault, called through a wrong definition.
#[rpc_api(topic = "vault", version = "1.0")]
trait Mistaken {
    /// The server returns text.
    async fn open(&self, ctx: Context, user: String, password: String) -> u32;
    /// The server takes text.
    async fn store(&self, ctx: Context, secret: Vec<String>) -> ();
    /// The server has no argument `pin`.
    async fn burst(&self, ctx: Context, pin: String) -> ();
}

struct Bank(Everything);

impl Vault for Bank {
    async fn open(&self, ctx: Context, user: String, password: String) -> Result<String, Refused> {
        self.0.note("a context", format!("{ctx:?}"));
        match user.as_str() {
            "wrong" => Err(Refused::WrongPassword { user, password }),
            _ => Ok("canary-result".to_owned()),
        }
    }

    async fn store(&self, _: Context, _: String) {}

    async fn burst(&self, _: Context, password: String) {
        // Bypasses the panic hook, whose output is the application's own.
        std::panic::resume_unwind(Box::new(password));
    }
}

/// Records an error and all its sources, in `Display` and `Debug`.
fn note_error(everything: &Everything, what: &str, error: &(dyn Error + 'static)) {
    let mut cause = Some(error);
    while let Some(error) = cause {
        everything.note(what, format!("{error} {error:?}"));
        cause = error.source();
    }
}

/// Confidential values that a request carries.
fn context() -> Context {
    Context::new()
        .with("auth_token", "canary-token")
        .with("service_catalog", ["canary-catalog"])
        .with("admin_password", "canary-context")
}

/// Uses each part once, successfully and unsuccessfully.
async fn use_all(everything: &Everything, world: &World, transport: &Transport) {
    let bank = VaultServer::new(Bank(everything.clone()));
    let builder = world.server(transport, "h").serve(bank);
    everything.note("a server's builder", format!("{builder:?}"));
    let server = builder.bind().await.expect("bound");
    everything.note("a server", format!("{server:?}"));
    let server = server.run();
    everything.note("a server that runs", format!("{server:?}"));
    let (client, ctx) = (world.client::<vault::Api>(transport), context());
    let call = client.open(&ctx, "u", "canary-password");
    everything.note("a client and a call", format!("{client:?} {call:?} {transport:?}"));
    assert_eq!(soon("an answer", call).await.expect("an answer"), "canary-result");
    let cast = client.store(&ctx, "canary-stored");
    everything.note("a cast", format!("{cast:?}"));
    soon("its confirm", cast).await.expect("confirmed");
    client.prepare().fanout().store(&ctx, "canary-stored").await.expect("confirmed");
    let monitored = client.prepare().monitor(Duration::from_secs(5));
    everything.note("a prepared client", format!("{monitored:?}"));
    monitored.open(&ctx, "u", "canary-password").await.expect("an answer");

    let error = client.open(&ctx, "wrong", "canary-password").await.expect_err("it is refused");
    assert!(matches!(&error, CallError::Method(Refused::WrongPassword { .. })), "{error:?}");
    everything.note("the method's own error", error.to_string());
    let error = client.burst(&ctx, "canary-password").await.expect_err("it panics");
    note_error(everything, "a panic", &error);
    let absent = client.prepare().server("absent");
    let error = absent.open(&ctx, "u", "canary-password").await.expect_err("no server is bound");
    note_error(everything, "no server", &error);
    let large = format!("canary-{}", "x".repeat(17 << 20));
    let error = client.store(&ctx, large).await.expect_err("it is too large");
    note_error(everything, "too large", &error);

    let mistaken = world.client::<mistaken::Api>(transport);
    let error = mistaken.open(&ctx, "u", "canary-password").await.expect_err("the result is text");
    note_error(everything, "a result of another type", &error);
    let secrets = ["canary-list".to_owned()];
    let error =
        mistaken.store(&ctx, secrets.as_slice()).await.expect_err("the argument has to be text");
    note_error(everything, "an argument of another type", &error);
    let error = mistaken.burst(&ctx, "canary-pin").await.expect_err("there is no pin");
    note_error(everything, "an unknown argument", &error);
    if let Some(broker) = transport.memory() {
        let mut published = broker.observe();
        client.open(&ctx, "u", "canary-password").await.expect("an answer");
        while let Ok(published) = published.try_recv() {
            everything.note("what is published", format!("{published:?}"));
        }
    }
    server.shutdown(Duration::from_secs(10)).await.expect("nothing runs");
}

/// Transports that cannot connect, and invalid URLs.
async fn fail_to_connect(everything: &Everything, address: &str) {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = silent.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((peer, _)) = silent.accept().await {
            drop(peer)
        }
    });
    for url in [
        format!("rabbit://guest:canary-wrong@{address}/"),
        "rabbit://guest:canary-unreachable@127.0.0.1:1/".to_owned(),
        format!("rabbit://guest:canary-ended@127.0.0.1:{port}/"),
        "rabbit://guest:canary-host@no-such-host.invalid:5672,guest:canary-host@127.0.0.1:1/"
            .to_owned(),
        "rabbit://guest:canary-slash/more@127.0.0.1:5672/".to_owned(),
        "rabbit://guest:canary-hash#more@127.0.0.1:5672/".to_owned(),
        "rabbit://guest:canary%ff@127.0.0.1:5672/".to_owned(),
        "rabbit://:canary-nobody@127.0.0.1:5672/".to_owned(),
        "rabbit:guest:canary-driver@127.0.0.1:5672/".to_owned(),
        "rabbit+canary driver://guest:canary@127.0.0.1:5672/".to_owned(),
    ] {
        let builder = Transport::builder(&url);
        everything.note("a builder", format!("{builder:?}"));
        let error = soon("its end", builder.connect()).await.expect_err("it cannot connect");
        note_error(everything, "no connection", &error);
    }
}

/// Files with confidential contents.
async fn fail_with_files(everything: &Everything) {
    let folder = std::env::temp_dir().join(unique("secrets"));
    std::fs::create_dir(&folder).expect("a folder");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((peer, _)) = listener.accept().await {
            drop(peer)
        }
    });
    let pem = "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5canary\n-----END PRIVATE KEY-----\ncanary\n";
    for (name, text) in [("key.pem", pem), ("bad.pem", "canary-key, no PEM"), ("ca.pem", pem)] {
        std::fs::write(folder.join(name), text).expect("a file");
    }
    for key in ["key.pem", "bad.pem", "absent.pem"] {
        let options = RabbitOptions::default()
            .tls_authority(folder.join("ca.pem"))
            .tls_identity(folder.join(key), folder.join(key));
        everything.note("options", format!("{options:?}"));
        let url = format!("amqps://guest:canary-tls@127.0.0.1:{port}/");
        let builder = Transport::builder(&url).rabbit(options);
        let error = soon("its end", builder.connect()).await.expect_err("there is no key");
        note_error(everything, "no key", &error);
    }
    for text in [
        "[DEFAULT]\ntransport_url = rabbit://u:canary-file@h:5672/\n",
        "[DEFAULT]\ntransport_url = rabbit://u:canary-file@h:canary-port/\n",
        "[DEFAULT]\nmy_password = canary-var\ntransport_url = rabbit://u:$my_password@h:x/\n",
        "[DEFAULT]\ntransport_url = rabbit://u:canary-$nothing@h/\n",
        "[DEFAULT]\nrpc_response_timeout = soon\n[oslo_messaging_notifications]\ntransport_url = rabbit://u:canary@h/\n",
        "[keystone_authtoken]\npassword = canary-other\n[oslo_messaging_rabbit]\nrabbit_password = canary-old\n",
        "[oslo_messaging_rabbit]\nrabbit_password = canary-old\nrabbit_quorum_queue = perhaps\n",
        "canary-line without a section\n",
        "[DEFAULT\ncanary = 1\n",
    ] {
        let file = folder.join("service.conf");
        std::fs::write(&file, text).expect("a file");
        match Config::load(&file) {
            Ok(config) => {
                everything
                    .note("a configuration", format!("{config:?} {:?}", config.notifications()));
                everything.note("its transport", format!("{:?}", config.transport()));
            }
            Err(error) => note_error(everything, "no configuration", &error),
        }
    }
    std::fs::remove_dir_all(&folder).expect("it is ours");
}

/// Logs in, changes the password, and cuts the connections.
async fn lose_the_password(everything: &Everything, world: &World) -> Option<()> {
    let user = unique("user");
    rabbitmqctl(&["add_user", &user, "canary-login"]).await?;
    let host = world.virtual_host();
    rabbitmqctl(&["set_permissions", "--vhost", host, &user, ".*", ".*", ".*"]).await?;
    let url = world.url().replacen("guest:guest", &format!("{user}:canary-login"), 1);
    let transport = Transport::connect(&url).await.expect("it is the password");
    use_all(everything, world, &transport).await;
    rabbitmqctl(&["change_password", &user, "another"]).await?;
    world.cut_connections(&transport).await;
    let refused = || everything.lines().iter().any(|line| line.contains("refused the login"));
    eventually("a refused login", refused).await;
    let client = world.client::<vault::Api>(&transport);
    let hasty = client.prepare().timeout(Duration::from_millis(300));
    let error = hasty.open(&context(), "u", "canary-password").await.expect_err("no connection");
    note_error(everything, "no connection", &error);
    transport.close().await;
    rabbitmqctl(&["delete_user", &user]).await.map(drop)
}

/// Whether a line contains a secret: as text, or byte by byte as numbers.
fn tells(line: &str) -> bool {
    let numbers: Vec<_> = CANARY.bytes().map(|byte| byte.to_string()).collect();
    line.to_ascii_lowercase().contains(CANARY) || line.contains(&numbers.join(", "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_log_line_error_or_debug_output_contains_a_secret() {
    let everything = Everything::listen();
    let memory = World::memory();
    use_all(&everything, &memory, &memory.transport().await).await;
    fail_with_files(&everything).await;
    if let Some(world) = World::rabbit() {
        let address = world.url().rsplit('@').next().and_then(|rest| rest.split('/').next());
        fail_to_connect(&everything, address.expect("an address")).await;
        if let Some(world) = world.alone().await {
            lose_the_password(&everything, &world).await;
        }
    }
    let lines = everything.lines();
    assert!(lines.len() > 100, "lines are recorded");
    // The parts that handle secrets have logged something.
    for part in ["rpc.client", "rpc.server", "MethodPanicked", "a context"] {
        assert!(lines.iter().any(|line| line.contains(part)), "no line has {part}");
    }
    let shown = |line: &String| line.chars().take(600).collect::<String>();
    let telling: Vec<_> = lines.iter().filter(|line| tells(line)).map(shown).collect();
    assert!(telling.is_empty(), "{telling:#?}");
}
