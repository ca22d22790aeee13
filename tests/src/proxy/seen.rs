//! Counts of frames that reached the proxy.

use std::collections::BTreeMap;

use tokio::sync::watch;

use super::Way;
use crate::SOON;

/// Counts of frames by direction and name, whatever happened to them.
#[derive(Debug)]
pub(super) struct Seen(watch::Sender<BTreeMap<(Way, &'static str), u64>>);

impl Default for Seen {
    fn default() -> Self {
        Self(watch::Sender::new(BTreeMap::new()))
    }
}

impl Seen {
    pub(super) fn note(&self, way: Way, name: &'static str) {
        self.0.send_modify(|counts| *counts.entry((way, name)).or_default() += 1);
    }

    pub(super) fn count(&self, way: Way, name: &str) -> u64 {
        count(&self.0.borrow(), way, name)
    }

    pub(super) async fn until(&self, way: Way, name: &str, times: u64) {
        let mut counts = self.0.subscribe();
        let reached = counts.wait_for(|counts| count(counts, way, name) >= times);
        if tokio::time::timeout(SOON, reached).await.is_err() {
            panic!(
                "not within {SOON:?}: {times} times {name} {way:?}; seen: {:?}",
                self.0.borrow()
            );
        }
    }
}

fn count(counts: &BTreeMap<(Way, &'static str), u64>, way: Way, name: &str) -> u64 {
    let meant =
        counts.iter().filter(|((w, n), _)| way.sides().contains(&w.sides()[0]) && *n == name);
    meant.map(|(_, count)| count).sum()
}
