//! Measurements, and statistics over them.

use std::collections::BTreeMap;

use super::subject::Cell;

/// One measurement.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    /// Operations a second: answered calls; casts and notifications that servers have handled.
    pub(super) rate: f64,
    /// The median and the 99th percentile of an operation's time, in µs.
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// Computing time for each operation, in µs.
    pub(super) client: Option<f64>,
    pub(super) server: Option<f64>,
    pub(super) broker: Option<f64>,
    /// The peak memory of a client and a server, in MiB.
    pub(super) client_peak: Option<f64>,
    pub(super) server_peak: Option<f64>,
}

/// All measurements, by cell, subject and round.
#[derive(Debug, Default)]
pub(super) struct Samples(BTreeMap<(Cell, String), BTreeMap<usize, Sample>>);

impl Samples {
    pub(super) fn add(&mut self, cell: Cell, subject: &str, round: usize, sample: Sample) {
        self.0.entry((cell, subject.to_owned())).or_default().insert(round, sample);
    }

    /// Returns the measured cells, sorted.
    pub(super) fn cells(&self) -> Vec<Cell> {
        let mut cells: Vec<_> = self.0.keys().map(|(cell, _)| *cell).collect();
        cells.dedup();
        cells
    }

    /// Returns the median of a figure over the rounds.
    pub(super) fn median(
        &self,
        cell: Cell,
        subject: &str,
        figure: impl Fn(&Sample) -> Option<f64>,
    ) -> Option<f64> {
        let rounds = self.0.get(&(cell, subject.to_owned()))?;
        median(rounds.values().filter_map(figure).collect())
    }

    /// Returns the median of the ratios of each round. A change of the machine affects both
    /// subjects of a round.
    pub(super) fn ratio(
        &self,
        cell: Cell,
        subject: &str,
        base: &str,
        figure: impl Fn(&Sample) -> f64,
    ) -> Option<f64> {
        let rounds = |name: &str| self.0.get(&(cell, name.to_owned()));
        let (own, base) = (rounds(subject)?, rounds(base)?);
        let ratios = own.iter().filter_map(|(round, sample)| {
            let base = figure(base.get(round)?);
            (base > 0.0).then(|| figure(sample) / base)
        });
        median(ratios.collect())
    }
}

/// Returns the middle value, or the mean of the two in the middle.
pub(super) fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let (low, high) = (figures.len().checked_sub(1)? / 2, figures.len() / 2);
    Some((figures[low] + figures[high]) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::{
        super::subject::{Cell, Kind},
        Sample, Samples,
    };

    #[test]
    fn a_ratio_is_the_median_over_rounds_that_have_both() {
        let cell = Cell { kind: Kind::Call, in_flight: 1, body: 64 };
        let mut samples = Samples::default();
        for (round, (own, base)) in [(10.0, 5.0), (30.0, 10.0), (8.0, 8.0)].into_iter().enumerate()
        {
            samples.add(cell, "own", round, Sample { rate: own, ..Sample::default() });
            samples.add(cell, "base", round, Sample { rate: base, ..Sample::default() });
        }
        samples.add(cell, "own", 3, Sample { rate: 1000.0, ..Sample::default() });
        assert_eq!(samples.ratio(cell, "own", "base", |sample| sample.rate), Some(2.0));
        assert_eq!(samples.ratio(cell, "own", "nobody", |sample| sample.rate), None);
        assert_eq!(samples.median(cell, "own", |sample| Some(sample.rate)), Some(20.0));
        assert_eq!(samples.cells(), [cell]);
    }
}
