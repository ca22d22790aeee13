//! Section A: transports with several hosts, some of which refuse the connection.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream};
use rpc_runtime::{
    CallError, ConnectionState, Context, Event, RabbitOptions, Transport, TransportErrorKind,
};
use tests::{
    World,
    authority::{Authority, Front},
    eventually,
    heard::Heard,
    node::Shared,
    proxy::Proxy,
    soon, unique,
};
use tokio::net::{TcpListener, TcpSocket};

use crate::{
    connecting::AT_ONCE,
    refused::user,
    scene::{adder, good},
};

/// The state of a host when a transport connects to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Up,
    Down,
    Silent,
    LoginRefused,
    /// The user has no permission for the virtual host.
    WrongVirtualHost,
    /// The broker has no such virtual host.
    MissingVirtualHost,
    WrongCertificate,
}

impl State {
    const ALL: [Self; 7] = [
        Self::Up,
        Self::Down,
        Self::Silent,
        Self::LoginRefused,
        Self::WrongVirtualHost,
        Self::MissingVirtualHost,
        Self::WrongCertificate,
    ];

    /// Returns the error's kind and a part of its text, for this host alone. `None` if it is up.
    fn fails(self) -> Option<(TransportErrorKind, &'static str)> {
        use TransportErrorKind::{Refused, Tls, Unreachable};
        match self {
            Self::Up => None,
            Self::Down => Some((Unreachable, "Connection refused")),
            Self::Silent => Some((Unreachable, "no answer within 1s")),
            Self::LoginRefused => Some((Refused, "ACCESS_REFUSED")),
            Self::WrongVirtualHost => Some((Refused, "access to vhost")),
            Self::MissingVirtualHost => Some((Refused, "not found")),
            Self::WrongCertificate => Some((Tls, "certificate")),
        }
    }
}

/// Returns every combination of two and of three states.
fn combinations() -> Vec<Vec<State>> {
    let mut all = Vec::new();
    for one in State::ALL {
        for two in State::ALL.into_iter().filter(|two| one <= *two) {
            all.push(vec![one, two]);
            all.extend(State::ALL.into_iter().filter(|t| two <= *t).map(|t| vec![one, two, t]));
        }
    }
    all
}

/// The brokers that hosts of all states point to.
struct Field {
    shared: Shared,
    /// A virtual host that the other broker does not have.
    world: World,
    /// A user without permissions for the world's virtual host.
    poor: String,
    other_broker: String,
    ours: Authority,
    others: Authority,
    options: RabbitOptions,
}

/// A host of a URL: its credentials and address, and the proxy or listener behind it.
struct Host {
    login: String,
    address: String,
    _kept: Option<Arc<dyn Send + Sync>>,
}

impl Field {
    async fn new() -> Option<Self> {
        let (shared, other) = (Shared::take().await?, World::rabbit()?);
        let world = shared.node.world_alone().await;
        let poor = unique("user");
        shared.node.ctl(&["add_user", &poor, "poor"]).await;
        let (ours, others) = (Authority::new(), Authority::new());
        // The node's certificate is from another authority, which clients trust as well.
        let (_, folder) = shared.node.secured().await;
        let read = |file| std::fs::read_to_string(file).expect("a certificate");
        let both = read(folder.join("ca.pem")) + &read(ours.file("ca.pem"));
        std::fs::write(ours.file("both.pem"), both).expect("a file");
        let options = RabbitOptions::default().tls_authority(ours.file("both.pem"));
        let options = options.connect_timeout(Duration::from_secs(1));
        let other_broker = address(other.url());
        Some(Self { shared, world, poor, other_broker, ours, others, options })
    }

    async fn host(&self, state: State) -> Host {
        let node = &self.shared.node;
        let front = async |broker: &str, authority: &Authority| {
            let front = Front::start(broker, &authority.certify("127.0.0.1"), None).await;
            front.address().to_owned()
        };
        let (own, plain) = (&self.ours, address(node.url()));
        let mut kept: Option<Arc<dyn Send + Sync>> = None;
        let mut login = "guest:guest".to_owned();
        let address = match state {
            State::Up => node.secured().await.0,
            State::Down => {
                // A bound port without a listener: connections are refused, and the system gives it
                // to no other process.
                let socket = TcpSocket::new_v4().expect("a socket");
                socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
                let address = socket.local_addr().expect("an address").to_string();
                kept = Some(Arc::new(socket));
                address
            }
            State::Silent => {
                // The system accepts connections, and no process reads them.
                let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
                let address = listener.local_addr().expect("an address").to_string();
                kept = Some(Arc::new(listener));
                address
            }
            State::LoginRefused => {
                login = "guest:canary".to_owned();
                front(&plain, own).await
            }
            State::WrongVirtualHost => {
                login = format!("{}:poor", self.poor);
                front(&plain, own).await
            }
            State::MissingVirtualHost => front(&self.other_broker, own).await,
            State::WrongCertificate => front(&plain, &self.others).await,
        };
        Host { login, address, _kept: kept }
    }

    async fn hosts(&self, states: &[State]) -> Vec<Host> {
        let mut hosts = Vec::new();
        for state in states {
            hosts.push(self.host(*state).await);
        }
        hosts
    }

    /// Connects to hosts in these states. Returns the result, the hosts, and how long that took.
    async fn connect(
        &self,
        states: &[State],
        patience: Option<Duration>,
    ) -> (Result<Transport, rpc_runtime::TransportError>, Vec<Host>, Duration) {
        let hosts = self.hosts(states).await;
        let list: Vec<_> =
            hosts.iter().map(|host| format!("{}@{}", host.login, host.address)).collect();
        let url = format!("amqps://{}/{}", list.join(","), self.world.virtual_host());
        let mut builder = Transport::builder(&url).rabbit(self.options.clone());
        if let Some(patience) = patience {
            builder = builder.wait_for_broker(patience);
        }
        let begun = Instant::now();
        let connected = soon("an end", builder.connect()).await;
        (connected, hosts, begun.elapsed())
    }

    /// Connects to hosts none of which is up, checks the error, and returns how long that took.
    async fn fails(&self, states: &[State], patience: Option<Duration>) -> Duration {
        let (connected, hosts, took) = self.connect(states, patience).await;
        let error = connected.expect_err("no host accepts the connection");
        let text = error.to_string();
        let mut kinds = Vec::new();
        for (state, host) in states.iter().zip(&hosts) {
            let (kind, words) = state.fails().expect("it is not up");
            assert!(text.contains(&host.address), "{states:?}: no {}: {text}", host.address);
            assert!(text.contains(words), "{states:?}: no {words:?}: {text}");
            kinds.push(kind);
        }
        let order =
            [TransportErrorKind::Tls, TransportErrorKind::Refused, TransportErrorKind::Unreachable];
        let expected = order.into_iter().find(|kind| kinds.contains(kind));
        assert_eq!(Some(error.kind()), expected, "{states:?}: {text}");
        assert!(!text.contains("canary") && !text.contains("poor"), "{text}");
        took
    }

    /// Deletes the user.
    async fn end(self) {
        self.shared.node.ctl(&["delete_user", &self.poor]).await;
    }
}

/// Returns the address of a URL with one host.
fn address(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a20_an_error_names_each_host_and_has_the_kind_that_is_least_likely_to_pass() {
    let Some(field) = Field::new().await else { return };
    let all = combinations().into_iter().filter(|states| !states.contains(&State::Up));
    let fails = |states: Vec<State>| {
        let field = &field;
        async move { field.fails(&states, None).await }
    };
    let took: Vec<_> = stream::iter(all).map(fails).buffer_unordered(8).collect().await;
    assert_eq!(took.len(), 21 + 56);
    field.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a20_a_host_that_serves_is_taken_whatever_the_others_do() {
    let Some(field) = Field::new().await else { return };
    let all = combinations().into_iter().filter(|states| states.contains(&State::Up));
    let connects = |states: Vec<State>| {
        let field = &field;
        async move {
            let (connected, hosts, _) = field.connect(&states, None).await;
            let transport = connected.unwrap_or_else(|error| panic!("{states:?}: {error}"));
            let state = transport.state();
            assert!(state.is_up(), "{states:?}: {state:?}");
            for refusing in &state.refusing {
                let of = states.iter().zip(&hosts).find(|(_, host)| host.address == refusing.host);
                let fails = of.and_then(|(state, _)| state.fails());
                let kind = refusing.error.kind();
                assert_eq!(fails.map(|(kind, _)| kind), Some(kind), "{states:?}: {refusing:?}");
                assert_ne!(kind, TransportErrorKind::Unreachable, "{refusing:?}");
            }
            transport.close().await;
            !state.refusing.is_empty()
        }
    };
    let reported: Vec<_> = stream::iter(all).map(connects).buffer_unordered(8).collect().await;
    assert_eq!(reported.len(), 7 + 28);
    assert!(reported.contains(&true), "some transports tried a refusing host first");
    field.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a20_a_broker_is_waited_for_as_long_as_the_reason_of_any_host_may_pass() {
    const PATIENCE: Duration = Duration::from_secs(4);
    let Some(field) = Field::new().await else { return };
    let all = combinations().into_iter().filter(|states| !states.contains(&State::Up));
    let waits = |states: Vec<State>| {
        let field = &field;
        async move {
            let took = field.fails(&states, Some(PATIENCE)).await;
            let may_pass = [State::Down, State::Silent].iter().any(|state| states.contains(state));
            match may_pass {
                true => assert!(took >= PATIENCE, "{states:?}: {took:?}"),
                false => assert!(took < PATIENCE, "{states:?}: {took:?}"),
            }
        }
    };
    stream::iter(all).map(waits).buffer_unordered(16).collect::<()>().await;
    field.end().await;
}

/// Two proxies for the node, with a user each. The first user's password can be changed.
struct Pair {
    shared: Shared,
    name: String,
    world: World,
    proxies: [Proxy; 2],
    url: String,
}

impl Pair {
    async fn new() -> Option<Self> {
        let shared = Shared::take().await?;
        let (name, world) = user(&shared.node, [".*", ".*", ".*"]).await;
        let proxies = [Proxy::start(&world).await, Proxy::start(&world).await];
        let [one, other] = proxies.each_ref().map(Proxy::address);
        let url = format!("rabbit://{name}:first@{one},guest:guest@{other}/");
        Some(Self { shared, name, world, proxies, url })
    }

    async fn set_password(&self, password: &str) {
        self.shared.node.ctl(&["change_password", &self.name, password]).await;
    }

    fn addresses(&self) -> [String; 2] {
        self.proxies.each_ref().map(|proxy| proxy.address().to_string())
    }

    /// Connects until the first host has refused and the second serves. The hosts are shuffled, so
    /// the first one is not always tried.
    async fn refused_by_the_first(&self, options: &RabbitOptions) -> Transport {
        let refused = async {
            loop {
                let builder = Transport::builder(&self.url).rabbit(options.clone());
                let transport = builder.connect().await.expect("the second host");
                if !transport.state().refusing.is_empty() {
                    return transport;
                }
                transport.close().await;
            }
        };
        soon("a host that refuses, beside one that serves", refused).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a21_a_host_that_refuses_the_login_is_asked_slowly_while_the_other_is_down() {
    let Some(pair) = Pair::new().await else { return };
    pair.set_password("second").await;
    let often = Duration::from_millis(100);
    let options = RabbitOptions::default().retry_interval(Duration::from_millis(20), often);
    let transport = pair.refused_by_the_first(&options).await;
    let [refusing, down] = &pair.proxies;
    down.reset_new();
    down.present().reset();
    // The pauses of a host that refuses grow over time.
    let window = Duration::from_secs(5);
    tokio::time::sleep(window).await;
    let before = pair.proxies.each_ref().map(Proxy::attempts);
    tokio::time::sleep(window).await;
    let [asked, tried] = [refusing.attempts() - before[0], down.attempts() - before[1]];
    assert!((1..50).contains(&asked), "{asked} logins in {window:?}");
    assert!(tried > 50 && tried > 2 * asked, "{tried} attempts at the host that is down, {asked}");
    // The host that comes back is retried as soon as if it were alone.
    down.open().await;
    let begun = Instant::now();
    eventually("a connection", || transport.state().is_up()).await;
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a21_state_and_call_errors_name_every_host_with_its_reason() {
    let Some(pair) = Pair::new().await else { return };
    pair.set_password("second").await;
    let transport = pair.refused_by_the_first(&RabbitOptions::default()).await;
    pair.proxies[1].refuse().await;
    pair.proxies[1].present().reset();
    let both = |text: &str| {
        let [refusing, down] = pair.addresses();
        let refused = text.contains(&format!("{refusing} refused the login"));
        refused && text.contains(&format!("cannot connect to {down}"))
    };
    let named = |state: ConnectionState| match state {
        ConnectionState::Connecting { error: Some(error), .. } => {
            assert_eq!(error.kind(), TransportErrorKind::Refused, "{error}");
            both(&error.to_string())
        }
        _ => false,
    };
    eventually("both names", || {
        let state = transport.state();
        named(state.publishing) && named(state.consuming)
    })
    .await;
    let client = pair.world.client::<adder::Api>(&transport);
    let hurried = client.prepare().timeout(Duration::from_millis(200)).client();
    let error = hurried.add(&Context::new(), 1, 2).await.expect_err("there is no connection");
    assert!(both(&error.to_string()), "{error}");
    let CallError::DeadlineExceeded { sent: false, no_connection: Some(why), .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(why.kind(), TransportErrorKind::Refused);
}

#[tokio::test]
async fn fault_a22_a_host_that_refuses_while_another_serves_is_reported_until_it_serves() {
    let heard = Heard::default();
    let _guard = heard.listen();
    let Some(pair) = Pair::new().await else { return };
    pair.set_password("second").await;
    let transport = pair.refused_by_the_first(&RabbitOptions::default()).await;
    let [refusing, _] = pair.addresses();
    let state = transport.state();
    assert!(state.is_up(), "{state:?}");
    let [report] = &state.refusing[..] else { panic!("{state:?}") };
    assert_eq!((&report.host, report.error.kind()), (&refusing, TransportErrorKind::Refused));
    assert!(report.error.to_string().contains("ACCESS_REFUSED"), "{report:?}");
    let warnings = || {
        let lines = heard.lines().into_iter();
        lines.filter(|line| {
            line.contains("a host refuses the connection") && line.contains(&refusing)
        })
    };
    // Earlier transports may have warned, too, once each.
    eventually("a warning", || warnings().count() > 0).await;

    let mut events = transport.events();
    let attempts = pair.proxies[0].attempts();
    while pair.proxies[0].attempts() < attempts + 4 {
        pair.proxies[1].present().reset();
        soon("a loss", async { while !matches!(events.next().await, Some(Event::Lost { .. })) {} })
            .await;
        eventually("a connection", || transport.state().is_up()).await;
    }
    assert_eq!(warnings().count(), 1, "{:?}", warnings().collect::<Vec<_>>());
    assert_eq!(transport.state().refusing.len(), 1);

    pair.set_password("first").await;
    let mut events = transport.events();
    let accepted = async {
        loop {
            pair.proxies[1].present().reset();
            match events.next().await {
                Some(Event::HostRefused { host, .. }) => panic!("{host} has been reported"),
                Some(Event::HostRefusesNoMore { host }) => return host,
                _ => {}
            }
        }
    };
    assert_eq!(soon("its end", accepted).await, refusing);
    assert!(transport.state().refusing.is_empty());
    eventually("a line", || {
        heard.lines().iter().any(|l| l.contains("refuses the connection no more"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_a22_the_report_of_a_host_ends_when_it_does_not_answer_any_more() {
    let Some(pair) = Pair::new().await else { return };
    pair.set_password("second").await;
    let transport = pair.refused_by_the_first(&RabbitOptions::default()).await;
    pair.proxies[0].refuse().await;
    let ended = async {
        while !transport.state().refusing.is_empty() {
            pair.proxies[1].present().reset();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon("the end of the report", ended).await;
    eventually("a connection", || transport.state().is_up()).await;
    let slow = crate::scene::Slow::default();
    let serving = pair.world.connect(|builder| builder);
    pair.set_password("first").await;
    let serving = serving.await;
    let _server = pair.world.serve(&serving, "h", crate::scene::AdderServer::new(slow)).await;
    good(&pair.world.client::<adder::Api>(&transport), 1).await;
}
