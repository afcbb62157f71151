//! The configuration: a file of a person, and a megabyte of anything.

use std::hint::black_box;
use std::time::Duration;

use conf_grammar::{parse, render, render_json};
use criterion::{Criterion, Throughput};

#[path = "../conf-grammar/tests/garbage/shapes.rs"]
mod shapes;

/// The longest of the valid samples.
const SAMPLE: &[u8] = include_bytes!("../conf-grammar/tests/samples/valid-13-helper-all.conf");

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("configuration");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    let files = shapes::all()
        .into_iter()
        .chain([("a valid sample".to_owned(), SAMPLE.to_vec())]);
    for (name, source) in files {
        group.throughput(Throughput::Bytes(source.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| answer(black_box(&source))));
    }
    group.finish();
    criterion.final_summary();
}

/// All that a check of a file does: what it says to people, and to programs.
fn answer(source: &[u8]) -> usize {
    let outcome = parse("conntrackd.conf", source);
    let text = render(&outcome.diagnostics, &outcome.file_name, source);
    let json = render_json(&outcome.diagnostics, &outcome.file_name, source);
    text.len() + json.len()
}
