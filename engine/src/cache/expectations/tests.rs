//! Both caches of expectations, and the table under them.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use proptest::prelude::*;

use super::*;
use crate::cache::{CacheFull, FlowKey, HashKey, Liveness, Teller};
use crate::flow::{Expectation, arbitrary};
use crate::input::EventKind;
use crate::testing::ftp;
use crate::time::Instant;

const SECOND_10: Instant = Instant::from_millis(10_000);
const SECOND_20: Instant = Instant::from_millis(20_000);

const LEN_MAX: NonZeroU32 = NonZeroU32::new(3).unwrap();
const HASH_KEY: HashKey = HashKey(1, 2);

/// Brings the expectation of port 1 into a state: `None` for unknown.
fn internal_with(state: Option<Liveness>) -> InternalExpectations {
    let mut cache = InternalExpectations::new(LEN_MAX, HASH_KEY);
    let events: &[EventKind] = match state {
        None => &[],
        Some(Liveness::New) => &[EventKind::New],
        Some(Liveness::Alive) => &[EventKind::New, EventKind::Update],
        Some(Liveness::Dead) => &[EventKind::New, EventKind::Destroy],
    };
    for kind in events {
        cache.apply(*kind, &ftp(21, 1), SECOND_10);
    }
    cache
}

fn of_port_21() -> FlowKey {
    ExpectKey::of(&ftp(21, 1)).master_key()
}

#[test]
fn the_end_of_an_expectation_that_is_not_there_is_counted_at_both_sides() {
    let mut internal = InternalExpectations::new(LEN_MAX, HashKey(1, 2));
    internal.apply(EventKind::Destroy, &ftp(1, 1), SECOND_10);
    assert_eq!(internal.stats().destroy_not_found, 1);
    let mut external = ExternalExpectations::new(LEN_MAX, HashKey(1, 2));
    let applied = external.apply(EventKind::Destroy, &ftp(1, 1), Teller::default(), SECOND_10);
    assert_eq!((applied, external.stats().destroy_not_found), (Ok(false), 1));
}

#[test]
fn every_event_in_every_state_leaves_the_expectation_as_told() {
    use EventKind::{Destroy, New, Update};
    use Liveness::{Alive, Dead};
    let table = [
        (None, New, Some(Liveness::New), true),
        (None, Update, Some(Liveness::New), true),
        (None, Destroy, None, false),
        (Some(Liveness::New), New, Some(Liveness::New), true),
        (Some(Liveness::New), Update, Some(Alive), true),
        (Some(Liveness::New), Destroy, Some(Dead), true),
        (Some(Alive), New, Some(Liveness::New), true),
        (Some(Alive), Update, Some(Alive), true),
        (Some(Alive), Destroy, Some(Dead), true),
        (Some(Dead), New, Some(Liveness::New), true),
        (Some(Dead), Update, Some(Liveness::New), true),
        (Some(Dead), Destroy, Some(Dead), false),
    ];
    for (state, kind, want, is_told) in table {
        let context = alloc::format!("{kind:?} in state {state:?}, want {want:?}");
        let mut cache = internal_with(state);
        let change = cache.apply(kind, &ftp(21, 1), SECOND_20);
        assert_eq!(
            matches!(change, ExpectChange::Expectation(_)),
            is_told,
            "{context}"
        );
        let after = cache.find(&ExpectKey::of(&ftp(21, 1)));
        assert_eq!(
            after.map(|id| cache.bookkeeping(id).liveness()),
            want,
            "{context}"
        );
        let is_found = cache.living_of_master(&of_port_21()).is_some();
        let is_live = want.is_some_and(|want| want != Dead);
        assert_eq!(is_found, is_live, "{context}: its master finds it");
        cache.check_invariants();
    }
}

#[test]
fn what_one_update_says_the_next_may_leave_out() {
    let mut cache = internal_with(Some(Liveness::New));
    let told = Expectation {
        class: Some(3),
        function: None,
        ..ftp(21, 1)
    };
    let ExpectChange::Expectation(id) = cache.apply(EventKind::Update, &told, SECOND_20) else {
        panic!("an update is told")
    };
    assert_eq!(cache.expectation(id), told);
    let bookkeeping = cache.bookkeeping(id);
    assert_eq!((bookkeeping.since_secs, bookkeeping.updated_secs), (10, 20));
}

#[test]
fn full_caches_refuse_and_count() {
    let mut internal = internal_with(None);
    let mut external = ExternalExpectations::new(LEN_MAX, HASH_KEY);
    for port in 1..=3 {
        internal.apply(EventKind::New, &ftp(21, port), Instant::START);
        assert_eq!(
            external.apply(EventKind::New, &ftp(21, port), Teller::default(), Instant::START),
            Ok(false)
        );
    }
    assert_eq!(
        internal.apply(EventKind::New, &ftp(21, 4), Instant::START),
        ExpectChange::Full
    );
    let full = CacheFull { len_max: LEN_MAX };
    assert_eq!(
        external.apply(EventKind::New, &ftp(21, 4), Teller::default(), Instant::START),
        Err(full)
    );
    for stats in [internal.stats(), external.stats()] {
        assert_eq!((stats.live, stats.created, stats.create_failed_full), (3, 3, 1));
    }
}

#[test]
fn what_waits_for_its_master_is_taken_once_and_the_oldest_gives_way() {
    let mut cache = internal_with(None);
    for port in 1..=65 {
        cache.hold(&ftp(port, 1));
    }
    cache.apply(EventKind::Destroy, &ftp(9, 1), Instant::START);
    let mut taken = |port| {
        let master = ExpectKey::of(&ftp(port, 1)).master_key();
        cache.take_held(&master).is_some()
    };
    assert!(!taken(1), "64 have room");
    assert!(!taken(9), "it has ended before its master began");
    assert!(taken(2));
    assert!(!taken(2));
    assert!(taken(65));
}

#[test]
fn a_dump_that_brings_only_another_timeout_is_no_news() {
    let mut cache = internal_with(Some(Liveness::New));
    let dumped = |timeout_secs, class| Expectation {
        timeout_secs: Some(timeout_secs),
        class: Some(class),
        ..ftp(21, 1)
    };
    assert!(!cache.apply_dumped(&dumped(7, 0), SECOND_20).1);
    assert_eq!(cache.stats().updated, 0, "a comparison is no update");
    assert!(cache.apply_dumped(&dumped(6, 1), SECOND_20).1);
    assert!(cache.apply_dumped(&ftp(21, 2), SECOND_20).1, "it was not known");
}

#[test]
fn what_the_kernel_adds_to_one_of_ours_is_no_news() {
    let mut cache = internal_with(None);
    let ours = Expectation {
        id: None,
        ..ftp(21, 1)
    };
    cache.apply(EventKind::New, &ours, SECOND_10);
    assert!(!cache.apply_dumped(&ftp(21, 1), SECOND_20).1);
    let changed = Expectation {
        class: Some(1),
        ..ftp(21, 1)
    };
    assert!(
        cache.apply_dumped(&changed, SECOND_20).1,
        "the kernel has spoken of it before"
    );
}

#[test]
fn the_end_of_a_master_is_the_end_of_its_expectations_alone() {
    let mut external = ExternalExpectations::new(LEN_MAX, HASH_KEY);
    for (master, port) in [(21, 1), (22, 2), (21, 3)] {
        assert_eq!(
            external.apply(
                EventKind::New,
                &ftp(master, port),
                Teller::default(),
                Instant::START
            ),
            Ok(false)
        );
    }
    external.remove_of_master(&of_port_21());
    let left = external.first_from(0).map(|id| external.expectation(id));
    assert_eq!(left, Some(ftp(22, 2)));
    assert_eq!((external.stats().live, external.stats().destroyed), (1, 2));
}

/// Something done to a table.
#[derive(Clone, Debug)]
enum Step {
    Put(Box<Expectation>),
    Kill(usize),
    Remove(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => arbitrary::expectation().prop_map(|one| Step::Put(one.into())),
        2 => (1..4_u16, 1..4_u16).prop_map(|(master, port)| Step::Put(ftp(master, port).into())),
        1 => any::<usize>().prop_map(Step::Kill),
        1 => any::<usize>().prop_map(Step::Remove),
    ]
}

proptest! {
    #[test]
    fn the_table_is_a_map_that_finds_the_living_by_their_master(
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut table = ExpectTable::new(NonZeroU32::new(1_000).unwrap(), HASH_KEY);
        let mut model = BTreeMap::<ExpectKey, (Expectation, bool)>::new();
        for step in steps {
            let nth = |n: usize, model: &BTreeMap<ExpectKey, _>| {
                model.keys().copied().nth(n.checked_rem(model.len()).unwrap_or(0))
            };
            match step {
                Step::Put(expectation) => {
                    let key = ExpectKey::of(&expectation);
                    match table.find(&key) {
                        Some(id) => table.overwrite(id, &expectation, Liveness::New, 0),
                        None => drop(table.insert(&expectation, 0).unwrap()),
                    }
                    model.insert(key, (*expectation, true));
                }
                Step::Kill(n) => if let Some(key) = nth(n, &model) {
                    table.mark_dead(table.find(&key).unwrap());
                    model.get_mut(&key).unwrap().1 = false;
                }
                Step::Remove(n) => if let Some(key) = nth(n, &model) {
                    table.remove(table.find(&key).unwrap());
                    model.remove(&key);
                }
            }
            table.check_invariants();
        }
        let walk = core::iter::successors(table.first_from(0), |id| table.first_from(id.slot() + 1));
        let mut walked: Vec<_> = walk.map(|id| (table.key(id), table.expectation(id))).collect();
        walked.sort_by_key(|(key, _)| *key);
        let wanted: Vec<_> = model.iter().map(|(key, (expectation, _))| (*key, expectation.clone())).collect();
        prop_assert_eq!(walked, wanted);
        for key in model.keys() {
            let master = key.master_key();
            let has_living = model.iter().any(|(key, (_, is_live))| *is_live && key.master_key() == master);
            prop_assert_eq!(table.living_of_master(&master).is_some(), has_living);
        }
    }
}
