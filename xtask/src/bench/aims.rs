//! The aims for this library's speed, and whether they are reached.

use std::fmt::Write as _;

use super::{
    samples::{Sample, Samples},
    subject::{Cell, Kind},
};

/// An aim, relative to another subject in the same rounds.
struct Aim {
    what: &'static str,
    kind: Kind,
    in_flight: usize,
    subject: &'static str,
    base: &'static str,
    wanted: Wanted,
}

/// The compared figure, and the aim for it.
#[derive(Clone, Copy)]
enum Wanted {
    /// At least this multiple of the base's operations a second.
    Rate(f64),
    /// The base's median time is at least this multiple of ours.
    Faster(f64),
    /// The client computes at most this many µs more for an operation than the base's.
    Client(f64),
}

const BODY: usize = 64;

const AIMS: [Aim; 13] = [
    aim("calls", Kind::Call, 64, "lapin-guarded", Wanted::Rate(1.3)),
    aim("calls", Kind::Call, 512, "lapin-guarded", Wanted::Rate(1.3)),
    aim("calls", Kind::Call, 64, "lapin-envelope", Wanted::Rate(1.1)),
    aim("calls", Kind::Call, 512, "lapin-envelope", Wanted::Rate(1.1)),
    aim("one call at a time", Kind::Call, 1, "lapin-guarded", Wanted::Faster(1.0)),
    aim("calls", Kind::Call, 64, "oslo", Wanted::Rate(25.0)),
    aim("one call at a time", Kind::Call, 1, "oslo", Wanted::Faster(4.0)),
    aim("calls", Kind::Call, 64, "lapin-binary", Wanted::Client(10.0)),
    aim("casts", Kind::Cast, 64, "lapin-window", Wanted::Rate(1.3)),
    aim("fanout casts to ten", Kind::Fanout, 64, "lapin-window", Wanted::Rate(1.3)),
    aim("notifications", Kind::Notification, 64, "lapin-guarded", Wanted::Rate(1.3)),
    in_memory(1),
    in_memory(64),
];

const fn aim(
    what: &'static str,
    kind: Kind,
    in_flight: usize,
    base: &'static str,
    wanted: Wanted,
) -> Aim {
    Aim { what, kind, in_flight, subject: "ours", base, wanted }
}

const fn in_memory(in_flight: usize) -> Aim {
    Aim {
        subject: "ours-memory",
        ..aim("calls in memory", Kind::Call, in_flight, "tarpc-memory", Wanted::Rate(1.0))
    }
}

impl Aim {
    fn cell(&self) -> Cell {
        Cell { kind: self.kind, in_flight: self.in_flight, body: BODY }
    }

    /// Returns the measured figure. `None` if one of the two subjects was not measured.
    fn found(&self, samples: &Samples) -> Option<f64> {
        let cell = self.cell();
        let client = |subject| samples.median(cell, subject, |sample: &Sample| sample.client);
        match self.wanted {
            Wanted::Rate(_) => samples.ratio(cell, self.subject, self.base, |sample| sample.rate),
            Wanted::Faster(_) => samples.ratio(cell, self.base, self.subject, |sample| sample.p50),
            Wanted::Client(_) => Some(client(self.subject)? - client(self.base)?),
        }
    }

    fn row(&self, found: f64) -> String {
        let at = format!("{}, {} in flight, to `{}`", self.what, self.in_flight, self.base);
        let (measure, wanted, found, missed) = match self.wanted {
            Wanted::Rate(wanted) => {
                ("operations a second", format!("{wanted:.1}×"), found, 1.0 - found / wanted)
            }
            Wanted::Faster(wanted) => (
                "median time, the other's to ours",
                format!("{wanted:.1}×"),
                found,
                1.0 - found / wanted,
            ),
            Wanted::Client(most) => (
                "client's computing time",
                format!("+{most:.0} µs"),
                found,
                if found > most { found / most - 1.0 } else { 0.0 },
            ),
        };
        let found = match self.wanted {
            Wanted::Client(_) => format!("{found:+.0} µs"),
            _ => format!("{found:.2}×"),
        };
        let verdict = match missed {
            missed if missed <= 0.0 => "reached".to_owned(),
            missed => format!("missed by {:.0} %", (missed * 100.0).max(1.0)),
        };
        format!("| {at} | {measure} | {wanted} | {found} | {verdict} |")
    }
}

/// Returns a table of the aims that were measured; empty if none was.
pub(super) fn table(samples: &Samples) -> String {
    let mut text = String::new();
    for aim in &AIMS {
        let Some(found) = aim.found(samples) else { continue };
        if text.is_empty() {
            text += "\n## Aims\n\nBodies of 64 B.\n\n| of what | measured in | aim | found | |\n|---|---|---|---|---|\n";
        }
        let _ = writeln!(text, "{}", aim.row(found));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(of: &[(&str, usize, Sample)]) -> Samples {
        let mut samples = Samples::default();
        for (subject, in_flight, sample) in of {
            let cell = Cell { kind: Kind::Call, in_flight: *in_flight, body: BODY };
            samples.add(cell, subject, 0, sample.clone());
        }
        samples
    }

    fn sample(rate: f64, p50: f64, client: f64) -> Sample {
        Sample { rate, p50, client: Some(client), ..Sample::default() }
    }

    #[test]
    fn an_aim_is_reached_or_missed_by_so_much() {
        let text = table(&samples(&[
            ("ours", 64, sample(13_000.0, 1.0, 31.0)),
            ("lapin-guarded", 64, sample(10_000.0, 1.0, 1.0)),
            ("lapin-envelope", 64, sample(20_000.0, 1.0, 1.0)),
            ("lapin-binary", 64, sample(1.0, 1.0, 16.0)),
            ("ours", 1, sample(1.0, 500.0, 1.0)),
            ("lapin-guarded", 1, sample(1.0, 400.0, 1.0)),
            ("oslo", 1, sample(1.0, 2000.0, 1.0)),
        ]));
        let verdicts: Vec<_> = text
            .lines()
            .filter(|line| line.contains("in flight"))
            .map(|line| line.split('|').rev().nth(1).unwrap_or("").trim())
            .collect();
        let expected = ["reached", "missed by 41 %", "missed by 20 %", "reached", "missed by 50 %"];
        assert_eq!(verdicts, expected, "{text}");
    }

    #[test]
    fn what_was_not_measured_is_not_judged() {
        assert!(table(&samples(&[("ours", 64, sample(1.0, 1.0, 1.0))])).is_empty());
    }
}
