//! Tables of figures.

use std::{fmt, time::Duration};

/// A table that a campaign prints at its end.
pub(super) struct Table {
    title: &'static str,
    rows: Vec<(String, String)>,
}

impl Table {
    pub(super) fn new(title: &'static str) -> Self {
        Self { title, rows: Vec::new() }
    }

    pub(super) fn row(&mut self, what: impl fmt::Display, figure: impl fmt::Display) {
        self.rows.push((what.to_string(), figure.to_string()));
    }

    /// Prints the table in one piece, because other tests print, too.
    pub(super) fn print(&self) {
        let rows: String =
            self.rows.iter().map(|(what, figure)| format!("| {what} | {figure} |\n")).collect();
        println!("\n| {} | |\n|---|---|\n{rows}", self.title);
    }
}

/// Durations of one kind.
#[derive(Default)]
pub(super) struct Times(Vec<Duration>);

impl Times {
    /// Returns the duration that this share does not exceed. Zero without durations.
    pub(super) fn share(&self, share: f64) -> Duration {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index into a short list"
        )]
        let at = (self.0.len() as f64 * share).ceil() as usize;
        self.0.get(at.saturating_sub(1)).copied().unwrap_or_default()
    }

    pub(super) fn max(&self) -> Duration {
        self.share(1.0)
    }
}

impl FromIterator<Duration> for Times {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        let mut times: Vec<_> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |share| self.share(share).as_millis();
        let (half, most, nearly) = (millis(0.5), millis(0.95), millis(0.99));
        let (count, max) = (self.0.len(), self.max().as_millis());
        write!(f, "p50 {half} ms, p95 {most} ms, p99 {nearly} ms, max {max} ms, of {count}")
    }
}
