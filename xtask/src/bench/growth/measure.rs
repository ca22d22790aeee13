//! Measures one size of a growing quantity. Each size has its own processes, so that none carries
//! over memory.

use std::{
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use super::super::{
    load::{count, figure, process_of},
    process::{Program, computing, connections, files_limit, forget_peak, peak, resident},
};
use crate::{
    Error,
    process::{output, wait_for},
    rabbitmq::Broker,
};

/// The largest measured body: a message at its default limit, less its envelope.
pub(super) const LARGEST: u32 = (16 << 20) - (64 << 10);

/// From this number of calls in flight on, memory per call is meaningful.
const MANY: u32 = 1000;
/// How many seconds of calls fill all buffers of the connections. The time does not depend on the
/// number of calls in flight.
const UNTIL_USED: f64 = 1.0;
/// How many calls are in flight where that is not the growing quantity, and before memory is
/// counted; and the same for large bodies and fanout casts.
const CALLS: u32 = 64;
const FEW: u32 = 4;
/// From this size on, a body is large.
const LARGE: u32 = 256 << 10;
/// How long the programs run before each measurement, in seconds.
const WARM_UP: f64 = 0.2;
/// From this number of servers on, the broker takes a while to delete what they leave.
const MUCH: u32 = 50;
/// How long the broker may take to delete the queues of an ended process.
const LEFT_BEHIND: Duration = Duration::from_secs(15);

/// How long broker and server receive no requests while their idle load is measured.
const IDLE: Duration = Duration::from_secs(1);

/// The figures of one size.
pub(super) struct Found {
    /// In the order of the columns.
    pub(super) figures: Vec<Option<f64>>,
    pub(super) notes: Vec<String>,
}

/// The programs to start, and the broker.
pub(super) struct Growth {
    program: PathBuf,
    broker: Broker,
    /// The broker's process, if it runs on this machine.
    broker_process: Option<u32>,
    /// How long each size is measured, in seconds.
    seconds: f64,
    /// How many sizes have been measured.
    measured: u32,
}

/// The processes of one size.
struct Pair {
    name: String,
    server: Program,
    client: Program,
}

impl Growth {
    pub(super) fn new(program: &Path, broker: &Broker, is_quick: bool) -> Self {
        let seconds = if is_quick { 0.5 } else { 2.0 };
        Self {
            program: program.to_owned(),
            broker: broker.clone(),
            broker_process: process_of(broker),
            seconds,
            measured: 0,
        }
    }

    fn start(&self, end: &str, name: &str) -> Result<Program, Error> {
        let mut command = Command::new(&self.program);
        command.args(["grow", end, &self.broker.url, name]);
        Program::start(&format!("the {end} end"), &mut command)
    }

    /// Starts processes under a name that nothing else at the broker has.
    fn pair(&mut self) -> Result<Pair, Error> {
        self.measured += 1;
        let name = format!("growth-{}-{}", std::process::id(), self.measured);
        let (server, client) = (self.start("serve", &name)?, self.start("load", &name)?);
        Ok(Pair { name, server, client })
    }

    /// Ends the processes. After many servers, waits until the broker has deleted their queues.
    fn end(&self, pair: Pair, servers: u32) {
        let Pair { name, server, client } = pair;
        drop((server, client));
        let control = self.broker.control.as_ref().filter(|_| servers >= MUCH);
        let Some(control) = control else { return };
        // Queues that remain cost the broker little, so a failure is ignored.
        let _ = wait_for(LEFT_BEHIND, || {
            let queues =
                output(Command::new(control).args(["list_queues", "--quiet", "name"])).ok()?;
            (!queues.contains(&name)).then_some(())
        });
    }

    pub(super) fn hosts(&mut self, servers: u32) -> Result<Found, Error> {
        self.servers("hosts", servers)
    }

    pub(super) fn topics(&mut self, topics: u32) -> Result<Found, Error> {
        self.servers("topics", topics)
    }

    fn servers(&mut self, many: &str, servers: u32) -> Result<Found, Error> {
        let mut pair = self.pair()?;
        let server = pair.server.id();
        let before = resident(server);
        let bound = ask(&mut pair.server, &format!("bind {many} {servers}"))?;
        let seconds = figure(&bound, "seconds")?;
        let each = f64::from(servers);
        let more = resident(server).zip(before).map(|(after, before)| kib(after, before) / each);
        let [broker_idle, server_idle] = idle([self.broker_process, Some(server)]);
        let order = |seconds| format!("call {many} {servers} {CALLS} 64 {seconds}");
        ask(&mut pair.client, &order(WARM_UP))?;
        let found = ask(&mut pair.client, &order(self.seconds))?;
        let ports = connections(server);
        let at_broker = ports.as_deref().and_then(|ports| self.at_broker(ports));
        let notes = limits(&bound, server, servers, at_broker);
        let figures = vec![
            Some(rate(&found)?),
            Some(seconds),
            Some(seconds * 1e3 / each),
            ports.as_ref().map(|ports| f64::from(u32::try_from(ports.len()).unwrap_or(u32::MAX))),
            at_broker.map(|at_broker| f64::from(at_broker.channels)),
            more,
            broker_idle,
            server_idle,
            Some(figure(&found, "p50")?),
            Some(figure(&found, "p99")?),
        ];
        self.end(pair, servers);
        Ok(Found { figures, notes })
    }

    pub(super) fn fanout(&mut self, servers: u32) -> Result<Found, Error> {
        let mut pair = self.pair()?;
        ask(&mut pair.server, &format!("bind hosts {servers}"))?;
        let order = |seconds| format!("fanout hosts {servers} {FEW} 64 {seconds}");
        let warm = figure(&ask(&mut pair.client, &order(WARM_UP))?, "operations")?;
        let copies = |casts: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
            let casts = casts as u64;
            u64::from(servers) * casts
        };
        count(&ask(&mut pair.server, &format!("await {}", copies(warm)))?)?;
        let begun = Instant::now();
        let found = ask(&mut pair.client, &order(self.seconds))?;
        let casts = figure(&found, "operations")?;
        let wanted = copies(warm) + copies(casts);
        let handled = count(&ask(&mut pair.server, &format!("await {wanted}"))?)?;
        let took = begun.elapsed().as_secs_f64();
        if handled < wanted {
            return Err(format!("{} of {wanted} deliveries are missing", wanted - handled));
        }
        let figures = vec![
            Some(casts / took),
            Some(casts * f64::from(servers) / took),
            Some(figure(&found, "p50")?),
            Some(figure(&found, "p99")?),
        ];
        self.end(pair, servers);
        Ok(Found { figures, notes: Vec::new() })
    }

    pub(super) fn body(&mut self, bytes: u32) -> Result<Found, Error> {
        let in_flight = if bytes < LARGE { CALLS } else { FEW };
        let mut pair = self.pair()?;
        ask(&mut pair.server, "bind topics 1")?;
        let order = |seconds| format!("call topics 1 {in_flight} {bytes} {seconds}");
        ask(&mut pair.client, &order(WARM_UP))?;
        let found = ask(&mut pair.client, &order(self.seconds))?;
        let (client, server) = (peak(pair.client.id()), peak(pair.server.id()));
        let rate = rate(&found)?;
        let figures = vec![
            Some(rate),
            Some(2.0 * f64::from(bytes) * rate / 1e6),
            Some(f64::from(in_flight)),
            Some(figure(&found, "p50")? / 1e3),
            Some(figure(&found, "p99")? / 1e3),
            client.map(|client| kib(client, 0) / 1024.0),
            server.map(|server| kib(server, 0) / 1024.0),
        ];
        self.end(pair, 1);
        let is_largest = bytes == LARGEST;
        let note = format!(
            "{LARGEST}: a message has 16 MiB at most by default (`message_limit`), its envelope included."
        );
        Ok(Found { figures, notes: is_largest.then_some(note).into_iter().collect() })
    }

    pub(super) fn in_flight(&mut self, calls: u32) -> Result<Found, Error> {
        let mut pair = self.pair()?;
        let bound = ask(&mut pair.server, "bind topics 1")?;
        let order = |calls, seconds| format!("call topics 1 {calls} 64 {seconds}");
        ask(&mut pair.client, &order(CALLS, UNTIL_USED))?;
        let (found, all) = self.growing(&mut pair.client, &order(calls, self.seconds), calls)?;
        let mut other = self.start("load", &pair.name)?;
        ask(&mut other, &order(CALLS, UNTIL_USED))?;
        let (_, own) = self.growing(&mut other, &format!("hold {calls} 64"), calls)?;
        let figures = vec![
            Some(rate(&found)?),
            all.zip(own).map(|(all, own)| all - own),
            own,
            Some(figure(&found, "task")?),
            Some(figure(&found, "p50")? / 1e3),
            Some(figure(&found, "p99")? / 1e3),
            peak(pair.client.id()).map(|peak| kib(peak, 0) / 1024.0),
        ];
        drop(other);
        self.end(pair, 1);
        let prefetch = figure(&bound, "prefetch")?;
        let note = format!(
            "The server works on {prefetch:.0} calls at once (`concurrency`); what else is in flight waits at the broker."
        );
        Ok(Found { figures, notes: vec![note] })
    }

    /// Lets a program allocate. Returns its answer, and the additional peak of its memory, in bytes
    /// per call beyond those that it had in flight before.
    fn growing(
        &self,
        program: &mut Program,
        order: &str,
        calls: u32,
    ) -> Result<(String, Option<f64>), Error> {
        let (process, before) = (program.id(), resident(program.id()));
        forget_peak(process);
        let answer = ask(program, order)?;
        let more = peak(process).zip(before).map(|(peak, before)| kib(peak, before) * 1024.0);
        let others = f64::from(calls.saturating_sub(CALLS));
        Ok((answer, more.filter(|_| calls >= MANY).map(|more| more / others)))
    }

    /// Asks the broker about the connections from these ports.
    fn at_broker(&self, ports: &[u16]) -> Option<AtBroker> {
        let columns = ["list_connections", "--quiet", "peer_port", "channels", "channel_max"];
        let said = output(Command::new(self.broker.control.as_ref()?).args(columns)).ok()?;
        AtBroker::read(&said, ports)
    }
}

/// The broker's view of a process's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct AtBroker {
    /// Of all its connections.
    channels: u32,
    /// The limit of one connection.
    channel_max: u32,
}

impl AtBroker {
    /// Returns the channels of each server, and how many servers have room on a connection. `None`
    /// for few servers, because the process's own channels distort the result.
    fn room(self, servers: u32) -> Option<(u32, u32)> {
        let each = self.channels.checked_div(servers).filter(|each| servers >= 10 && *each > 0)?;
        Some((each, self.channel_max / each))
    }

    /// Reads lines of a connection's port, channels and channel limit.
    fn read(said: &str, ports: &[u16]) -> Option<Self> {
        let of_line = |line: &str| {
            let mut words = line.split_whitespace().map(str::parse::<u32>);
            let port = u16::try_from(words.next()?.ok()?).ok().filter(|port| ports.contains(port));
            port.and(Some(Self { channels: words.next()?.ok()?, channel_max: words.next()?.ok()? }))
        };
        said.lines().filter_map(of_line).reduce(|all, one| Self {
            channels: all.channels + one.channels,
            channel_max: all.channel_max.min(one.channel_max),
        })
    }
}

/// Returns notes on the limits to more servers.
fn limits(bound: &str, process: u32, servers: u32, at_broker: Option<AtBroker>) -> Vec<String> {
    let mut notes = Vec::new();
    if let Ok(prefetch) = figure(bound, "prefetch") {
        notes.push(format!(
            "Each server works on {prefetch:.0} calls at once (`concurrency`), and has that many fetched ahead of each of its queues."
        ));
    }
    if let Some((each, room)) = at_broker.and_then(|at_broker| at_broker.room(servers)) {
        let each = if each == 1 { "one channel".to_owned() } else { format!("{each} channels") };
        notes.push(format!(
            "A server takes {each} of one connection, so that a transport has room for about {room} (`channel_max`, as \
             agreed on with the broker)."
        ));
    }
    if let Some(files) = files_limit(process) {
        notes.push(format!("A process may have {files} files and sockets open."));
    }
    notes
}

/// Returns the share of a core that each process computes while it receives no requests, in
/// percent.
fn idle<const N: usize>(processes: [Option<u32>; N]) -> [Option<f64>; N] {
    let spent = || processes.map(|process| process.and_then(computing));
    let (begun, before) = (Instant::now(), spent());
    thread::sleep(IDLE);
    let (took, mut after) = (begun.elapsed().as_secs_f64(), spent().into_iter());
    before.map(|before| {
        let spent = after.next().flatten()?.checked_sub(before?)?;
        Some(100.0 * spent.as_secs_f64() / took)
    })
}

fn ask(program: &mut Program, order: &str) -> Result<String, Error> {
    let said = program.ask(order)?;
    match said.strip_prefix("failed: ") {
        Some(error) => Err(error.to_owned()),
        None => Ok(said),
    }
}

fn rate(found: &str) -> Result<f64, Error> {
    Ok(figure(found, "operations")? / figure(found, "seconds")?)
}

/// Returns the growth of memory in KiB.
fn kib(after: u64, before: u64) -> f64 {
    f64::from(u32::try_from(after.saturating_sub(before)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::AtBroker;

    #[test]
    fn only_connections_of_the_process_are_counted() {
        let said =
            "40000\t1001\t2047\n40001\t1\t2047\n50000\t7\t100\npeer_port\tchannels\tchannel_max\n";
        let of_two = Some(AtBroker { channels: 1002, channel_max: 2047 });
        assert_eq!(AtBroker::read(said, &[40000, 40001]), of_two);
        assert_eq!(AtBroker::read(said, &[1]), None);
    }

    #[test]
    fn channels_say_how_many_servers_have_room() {
        let at_broker = AtBroker { channels: 202, channel_max: 2047 };
        assert_eq!(at_broker.room(100), Some((2, 1023)));
        assert_eq!(at_broker.room(1), None);
        assert_eq!(at_broker.room(1000), None);
    }
}
