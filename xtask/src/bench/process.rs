//! One end of a measurement: a program that reads orders line by line, and the resources that a
//! process uses.

use std::{
    fs,
    io::{BufRead as _, BufReader, Lines, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use crate::Error;

/// The program. It ends when this value is dropped.
pub(super) struct Program {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts the program, and waits until it is ready.
    pub(super) fn start(name: &str, command: &mut Command) -> Result<Self, Error> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("cannot run {name}: {error}"))?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let output = output.ok_or("a program has no output")?;
        let name = name.to_owned();
        let mut this = Self { name, child, input, lines: BufReader::new(output).lines() };
        match this.line()?.as_str() {
            "ready" => Ok(this),
            other => Err(format!("{} said `{other}` instead of `ready`", this.name)),
        }
    }

    /// Sends an order, and returns the answer.
    pub(super) fn ask(&mut self, order: &str) -> Result<String, Error> {
        let input = self.input.as_mut().ok_or("a program has no input")?;
        writeln!(input, "{order}").map_err(|error| format!("{} is gone: {error}", self.name))?;
        self.line()
    }

    fn line(&mut self) -> Result<String, Error> {
        match self.lines.next() {
            Some(Ok(line)) => Ok(line),
            _ => Err(format!("{} has ended", self.name)),
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The program ends at the end of its input.
        self.input = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the time that a process has spent computing. `None` if the system has no `/proc`.
pub(super) fn computing(process: u32) -> Option<Duration> {
    /// Clock ticks a second, on every Linux.
    const TICKS: f64 = 100.0;
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name stands in brackets and may contain any character.
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11).map(str::parse::<f64>);
    let (user, system) = (fields.next()?.ok()?, fields.next()?.ok()?);
    Some(Duration::from_secs_f64((user + system) / TICKS))
}

/// Resets the peak of a process's memory.
pub(super) fn forget_peak(process: u32) {
    // Without permission, the figure is the peak since the process started.
    let _ = fs::write(format!("/proc/{process}/clear_refs"), "5");
}

/// Returns the peak of a process's memory, in KiB.
pub(super) fn peak(process: u32) -> Option<u64> {
    kib(process, "VmHWM:")
}

/// Returns a process's memory, in KiB.
pub(super) fn resident(process: u32) -> Option<u64> {
    kib(process, "VmRSS:")
}

fn kib(process: u32, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Returns the local ports of a process's connections.
pub(super) fn connections(process: u32) -> Option<Vec<u16>> {
    let files = fs::read_dir(format!("/proc/{process}/fd")).ok()?;
    let links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    let own: Vec<_> = links
        .filter_map(|link| {
            Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    let tables =
        ["tcp", "tcp6"].map(|table| fs::read_to_string(format!("/proc/{process}/net/{table}")));
    let ports = tables.into_iter().flatten().flat_map(|table| established(&table, &own));
    Some(ports.collect())
}

/// Returns the local ports of a table's established connections that use one of these sockets.
fn established(table: &str, sockets: &[String]) -> Vec<u16> {
    /// The kernel's number of that state.
    const ESTABLISHED: &str = "01";
    let port = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (near, state, socket) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let is_own = *state == ESTABLISHED && sockets.iter().any(|own| own == socket);
        let (_, port) = near.rsplit_once(':').filter(|_| is_own)?;
        u16::from_str_radix(port, 16).ok()
    };
    table.lines().filter_map(port).collect()
}

/// Returns how many files a process may open.
pub(super) fn files_limit(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/limits")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::established;

    #[test]
    fn only_established_connections_of_the_process_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:1628 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11 1 0 100 0\n\
            1: 0100007F:9C40 0100007F:1628 01 00000000:00000000 00:00000000 00000000     0        0 12 1 0 20 4\n\
            2: 0100007F:9C41 0100007F:1628 01 00000000:00000000 00:00000000 00000000     0        0 13 1 0 20 4\n\
            3: 0100007F:9C42 0100007F:1628 06 00000000:00000000 00:00000000 00000000     0        0 14 1 0 20 4\n";
        let own = ["11", "12", "14"].map(str::to_owned);
        assert_eq!(established(table, &own), [40000]);
    }
}
