//! The table of flows with a million of them in it.

use std::cell::RefCell;
use std::hint::black_box;
use std::num::NonZeroU32;

use benches::{ipv6, plain, source_nat};
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use engine::cache::{FlowCache, FlowId, FlowKey, HashKey};
use engine::flow::Flow;

const N_FLOWS: u32 = 1_000_000;
/// Operations between two readings of the clock.
const BATCH: BatchSize = BatchSize::NumIterations(1000);

/// A kind of flow, and how to make the n-th of it.
type Kind = (&'static str, fn(u32) -> Flow);

const KINDS: [Kind; 3] = [("plain", plain), ("ipv6", ipv6), ("source-nat", source_nat)];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, make) in KINDS {
        let mut group = criterion.benchmark_group(format!("cache/{name}"));
        group
            .throughput(Throughput::Elements(u64::from(N_FLOWS)))
            .sample_size(10);
        group.bench_function("fill", |bencher| bencher.iter(|| filled(make)));
        group.throughput(Throughput::Elements(1)).sample_size(50);
        let table = filled(make);
        eprintln!(
            "cache/{name}: {} bytes a flow",
            table.memory_bytes() / N_FLOWS as usize
        );
        single_operations(&mut group, &RefCell::new(table), make);
        group.finish();
    }
    criterion.final_summary();
}

fn single_operations(
    group: &mut BenchmarkGroup<'_, WallTime>,
    table: &RefCell<FlowCache>,
    make: fn(u32) -> Flow,
) {
    let mut numbers = scattered();
    let mut next = move || numbers.next().unwrap_or(0);
    group.bench_function("find", |bencher| {
        let flow = || make(next());
        bencher.iter_batched(flow, |flow| find(table, &flow), BATCH);
    });
    group.bench_function("update", |bencher| {
        let flow = || make(next());
        let update = |flow| {
            let id = find(table, &flow).expect("every flow is in the table");
            table.borrow_mut().merge(id, &flow, 1);
        };
        bencher.iter_batched(flow, update, BATCH);
    });
    group.bench_function("insert", |bencher| {
        let removed = || {
            let flow = make(next());
            let id = find(table, &flow).expect("every flow is in the table");
            table.borrow_mut().remove(id);
            flow
        };
        let insert = |flow| table.borrow_mut().insert(&flow, 1);
        bencher.iter_batched(removed, insert, BATCH);
    });
    group.bench_function("read", |bencher| {
        let id = || find(table, &make(next())).expect("every flow is in the table");
        bencher.iter_batched(id, |id| table.borrow().flow(id), BATCH);
    });
    group.bench_function("walk", |bencher| {
        let mut slot = 0;
        bencher.iter(|| {
            let table = table.borrow();
            let id = table.first_from(slot).or_else(|| table.first_from(0));
            slot = id.map_or(0, |id| id.slot() + 1);
            black_box(id.map(|id| table.flow(id)))
        });
    });
    // Numbers behind the others name flows that come and go: the table holds its million throughout.
    let mut fresh = N_FLOWS..;
    group.bench_function("remove", |bencher| {
        let inserted = || {
            let flow = make(fresh.next().unwrap_or(N_FLOWS));
            table
                .borrow_mut()
                .insert(&flow, 1)
                .expect("there is room for more")
        };
        bencher.iter_batched(inserted, |id| table.borrow_mut().remove(id), BATCH);
    });
}

fn find(table: &RefCell<FlowCache>, flow: &Flow) -> Option<FlowId> {
    table.borrow().find(&FlowKey::of(flow))
}

fn filled(make: fn(u32) -> Flow) -> FlowCache {
    let mut table = FlowCache::new(NonZeroU32::MAX, HashKey(1, 2));
    for n in 0..N_FLOWS {
        table.insert(&make(n), 0).expect("there is room for all");
    }
    table
}

/// Returns all numbers of flows again and again, neighbours far apart so that no cache helps.
fn scattered() -> impl Iterator<Item = u32> {
    const STEP: u32 = 618_033;
    std::iter::successors(Some(0), |n| Some((n + STEP) % N_FLOWS))
}
