use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;

fn id(slot: u32) -> SlotId {
    SlotId::at(slot).unwrap()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Takes all that is due, in turns of any length.
fn take_due(wheel: &mut TimerWheel, now_ms: u64) -> Vec<u32> {
    let now = Instant::from_millis(now_ms);
    core::iter::from_fn(|| wheel.pop_due(now).map(SlotId::slot)).collect()
}

#[test]
fn a_deadline_is_rounded_up_to_the_next_tick_and_not_met_before() {
    let mut wheel = TimerWheel::new(ms(60_999));
    wheel.arm(id(7), Instant::from_millis(10_050), ms(1_200));
    assert_eq!(wheel.next_deadline(), Some(Instant::from_millis(11_400)));
    assert_eq!(take_due(&mut wheel, 11_399), []);
    assert_eq!(take_due(&mut wheel, 11_400), [7]);
    assert_eq!((wheel.next_deadline(), wheel.len()), (None, 0));
}

#[test]
fn of_equal_deadlines_the_one_set_first_is_met_first() {
    let mut wheel = TimerWheel::new(ms(2_000));
    for slot in [5, 1, 3] {
        wheel.arm(id(slot), Instant::START, ms(1_000));
    }
    wheel.arm(id(9), Instant::START, ms(400));
    wheel.arm(id(5), Instant::START, ms(1_000));
    assert_eq!(take_due(&mut wheel, 5_000), [9, 1, 3, 5]);
}

#[test]
fn what_is_not_taken_in_one_turn_is_announced_for_the_next() {
    let mut wheel = TimerWheel::new(ms(2_000));
    for slot in 0..3 {
        wheel.arm(id(slot), Instant::START, ms(1_000));
    }
    let now = Instant::from_millis(1_000);
    assert_eq!(wheel.pop_due(now), Some(id(0)));
    wheel.end_turn(now);
    assert_eq!(wheel.next_deadline(), Some(Instant::from_millis(1_001)));
    wheel.cancel(id(2));
    assert_eq!(take_due(&mut wheel, 1_001), [1]);
    assert_eq!(wheel.next_deadline(), None);
}

#[test]
fn the_longest_lead_is_served_with_a_coarser_tick() {
    let secs_max = Duration::from_secs(2_147_483_647);
    let mut wheel = TimerWheel::new(secs_max);
    wheel.arm(id(0), Instant::START, secs_max);
    let at = wheel.next_deadline().unwrap();
    let late = at.saturating_since(Instant::START.saturating_add(secs_max));
    assert!(late <= secs_max / 16_000, "{late:?} late");
    assert!(wheel.memory_bytes() < 300_000, "{} bytes", wheel.memory_bytes());
    wheel.arm(id(1), Instant::from_micros(u64::MAX), secs_max);
    assert_eq!(wheel.len(), 2);
}

#[derive(Clone, Debug)]
enum Op {
    Arm(u32, u64),
    Cancel(u32),
    /// Time passes, and this many of the slots that are due are taken.
    Pass(u64, usize),
    Clear,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        8 => (0..12_u32, 0..=3_000_u64).prop_map(|(slot, lead)| Op::Arm(slot, lead)),
        2 => (0..12_u32).prop_map(Op::Cancel),
        6 => (0..4_000_u64, 0..8_usize).prop_map(|(millis, n_taken)| Op::Pass(millis, n_taken)),
        1 => Just(Op::Clear),
    ]
}

proptest! {
    /// The model: the tick of each slot, and the order in which they were set.
    #[test]
    fn the_wheel_meets_deadlines_as_a_sorted_map_does(ops in prop::collection::vec(op(), 0..120)) {
        let mut wheel = TimerWheel::new(ms(3_000));
        let mut model: BTreeMap<u32, (u64, usize)> = BTreeMap::new();
        let mut now_ms = 0;
        for (nth, op) in ops.into_iter().enumerate() {
            match op {
                Op::Arm(slot, lead_ms) => {
                    wheel.arm(id(slot), Instant::from_millis(now_ms), ms(lead_ms));
                    let tick = (now_ms + lead_ms).div_ceil(200).max(now_ms / 200 + 1);
                    model.insert(slot, (tick, nth));
                }
                Op::Cancel(slot) => {
                    wheel.cancel(id(slot));
                    model.remove(&slot);
                }
                Op::Pass(millis, n_taken) => {
                    now_ms += millis;
                    let now = Instant::from_millis(now_ms);
                    let mut wanted: Vec<_> = model.iter()
                        .filter(|(_, (tick, _))| tick * 200 <= now_ms)
                        .map(|(slot, at)| (*at, *slot))
                        .collect();
                    wanted.sort_unstable();
                    let wanted: Vec<u32> = wanted.into_iter().map(|(_, slot)| slot).take(n_taken).collect();
                    let mut taken = vec![];
                    while taken.len() < n_taken && let Some(slot) = wheel.pop_due(now) {
                        taken.push(slot.slot());
                    }
                    wheel.end_turn(now);
                    prop_assert_eq!(&taken, &wanted);
                    for slot in taken {
                        model.remove(&slot);
                    }
                }
                Op::Clear => {
                    wheel.clear();
                    model.clear();
                }
            }
            prop_assert_eq!(usize::try_from(wheel.len()).unwrap(), model.len());
            prop_assert_eq!(wheel.next_deadline().is_some(), !model.is_empty());
            let earliest = model.values().map(|(tick, _)| tick * 200).min();
            if let Some(at) = earliest.filter(|at| *at > now_ms) {
                prop_assert_eq!(wheel.next_deadline(), Some(Instant::from_millis(at)));
            }
        }
    }
}
