//! How long each pure part takes.

use std::{hint::black_box, time::Duration};

use criterion::Criterion;
use rpc_runtime::measured::PARTS;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
        .configure_from_args();
    for part in PARTS {
        let mut run = (part.prepare)();
        criterion.bench_function(part.name, |bencher| bencher.iter(|| black_box(run())));
    }
    criterion.final_summary();
}
