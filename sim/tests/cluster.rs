//! Virtual clusters: what the engine promises holds in each of them, and the checks notice if not.
#![expect(
    clippy::panic,
    reason = "a run that did not hold ends the test with its replay line"
)]

use std::panic;

use sim::{Failure, Outcome, PlantedBug, Seed, run};

/// Runs one world; the line that replays it stands below whatever goes wrong.
fn run_or_replay(seed: Seed, bug: Option<PlantedBug>) -> Outcome {
    panic::catch_unwind(|| run(seed, bug)).unwrap_or_else(|_| panic!("an engine has panicked\n{seed}"))
}

fn check(seeds: std::ops::Range<u64>) {
    let mut n_taken_over = 0;
    for seed in seeds.map(Seed) {
        let outcome = run_or_replay(seed, None);
        if let Err(failure) = outcome.result {
            let n_lines = outcome.trace.lines().count();
            let end: Vec<&str> = outcome.trace.lines().skip(n_lines.saturating_sub(40)).collect();
            panic!("{seed}\n{}\n{failure}\n{seed}", end.join("\n"));
        }
        n_taken_over += outcome.n_taken_over;
    }
    assert!(
        n_taken_over > 0,
        "no failover in any of these worlds had a flow to save"
    );
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [0, 7, 42, u64::MAX].map(Seed) {
        let (first, second) = (run_or_replay(seed, None), run_or_replay(seed, None));
        assert!(
            first.trace.lines().count() > 20,
            "a world in which nothing happens"
        );
        let difference = first
            .trace
            .lines()
            .zip(second.trace.lines())
            .find(|(a, b)| a != b);
        assert_eq!(difference, None, "the first line that differs\n{seed}");
        assert_eq!(first.trace.len(), second.trace.len(), "{seed}");
        assert_eq!(first.result, second.result, "{seed}");
    }
}

#[test]
fn the_first_sixteen_worlds_hold() {
    check(0..16);
}

#[test]
fn the_second_sixteen_worlds_hold() {
    check(16..32);
}

#[test]
fn the_third_sixteen_worlds_hold() {
    check(32..48);
}

#[test]
fn the_fourth_sixteen_worlds_hold() {
    check(48..64);
}

/// Runs worlds with a bug until one does not hold; says how it failed.
fn caught(bug: PlantedBug) -> Option<Failure> {
    (0..16).find_map(|seed| run_or_replay(Seed(seed), Some(bug)).result.err())
}

#[test]
fn a_node_that_swallows_acknowledgements_comes_to_no_rest() {
    let failure = caught(PlantedBug::AcksSwallowed);
    assert!(matches!(failure, Some(Failure::NoProgress(_))), "{failure:?}");
}

#[test]
fn a_node_that_swallows_ends_of_flows_is_caught() {
    let failure = caught(PlantedBug::EndsSwallowed);
    assert!(
        matches!(&failure, Some(Failure::Wrong(what)) if what.contains("cache")),
        "{failure:?}"
    );
}

#[test]
fn a_node_that_swallows_overruns_is_caught() {
    let failure = caught(PlantedBug::OverrunsSwallowed);
    assert!(
        matches!(&failure, Some(Failure::Wrong(what)) if what.contains("cache")),
        "{failure:?}"
    );
}

#[test]
fn a_takeover_without_translation_is_caught() {
    let failure = caught(PlantedBug::TranslationForgotten);
    assert!(
        matches!(&failure, Some(Failure::Wrong(what)) if what.contains("reply tuple")),
        "{failure:?}"
    );
}

#[test]
fn a_datagram_that_is_too_long_is_caught() {
    let failure = caught(PlantedBug::DatagramsTooLong);
    assert!(
        matches!(&failure, Some(Failure::Wrong(what)) if what.contains("bytes")),
        "{failure:?}"
    );
}
