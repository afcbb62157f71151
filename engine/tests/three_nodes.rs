//! Three nodes in one multicast group: each has its own place in what the others remember.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeSet;

use common::{DOWN, FTFW, Fate, Side, World, check, config, ftfw, link, notrack, tcp};
use engine::config::{Config, FtfwConfig, Mode};
use engine::input::{CacheName, Channel, EventKind, Request, StatsTopic};
use proptest::prelude::*;

const SIDES: [Side; 3] = [Side::A, Side::B, Side::C];

/// Clocks that are days apart: no number can be taken for another node's.
const FAR: u64 = 400_000;
/// Clocks that agree: all nodes count through the same numbers.
const SAME: u64 = 0;

fn ports(world: &mut World, side: Side) -> BTreeSet<u16> {
    let lines = world.dump(side, CacheName::External);
    let port = |line: &String| line.split("sport=").nth(1)?.split(' ').next()?.parse().ok();
    lines.iter().map(|line| port(line).unwrap()).collect()
}

/// The flows of all kernels but that of one node.
fn of_others(world: &World, side: Side) -> BTreeSet<u16> {
    let others = world.kernels.iter().filter(|(other, _)| **other != side);
    let flows = others.flat_map(|(_, kernel)| kernel.flows.keys());
    flows.map(|(tuple, _)| tuple.ports().unwrap().0).collect()
}

fn counter(world: &mut World, side: Side, name: &str) -> u64 {
    let trace = world.take_trace();
    let client = world.request(side, Request::Statistics(StatsTopic::Network));
    world.put_trace(trace);
    let text = String::from_utf8(world.replies.remove(&client).unwrap()).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
    line.unwrap().trim_end_matches(',').parse().unwrap()
}

#[test]
fn three_nodes_greet_and_acknowledge_each_other() {
    let mut world = World::group(ftfw(), FAR);
    world.advance(3_500);
    check("three_nodes_greet", world);
}

#[test]
fn what_one_of_two_has_missed_is_resent_though_the_other_has_acknowledged_it() {
    for apart_secs in [FAR, SAME] {
        let mut world = World::group(ftfw(), apart_secs);
        world.advance(4_500);
        world.take_trace();
        world.fate(|from, to| match (from, to) {
            (Side::A, Side::C) => Fate::Lost,
            _ => Fate::Arrives,
        });
        world.kernel(Side::A, EventKind::New, &tcp(1));
        world.heal();
        world.advance(3_000);
        assert_eq!(ports(&mut world, Side::B), BTreeSet::from([1]));
        assert_eq!(ports(&mut world, Side::C), BTreeSet::from([1]));
        let name = if apart_secs == FAR {
            "three_nodes_loss"
        } else {
            "three_nodes_loss_in_step"
        };
        check(name, world);
    }
}

#[test]
fn a_third_node_that_comes_later_learns_all_and_tells_all() {
    let mut world = World::group(ftfw(), FAR);
    for (n, side) in (1..).zip(SIDES) {
        world.kernel(side, EventKind::New, &tcp(n));
    }
    world.advance(2_500);
    world.take_trace();
    world.start(Side::C, ftfw_group());
    assert!(ports(&mut world, Side::C).is_empty());
    world.advance(3_000);
    for side in SIDES {
        assert_eq!(ports(&mut world, side), of_others(&world, side), "{side:?}");
    }
    check("three_nodes_restart", world);
}

fn ftfw_group() -> Config {
    let mut config = ftfw();
    config.links[0].reach = engine::config::Reach::Group;
    config
}

#[test]
fn the_flows_of_a_dead_node_outlive_the_restart_of_another() {
    let mut world = World::group(ftfw(), FAR);
    for (n, side) in (1..).zip(SIDES) {
        world.kernel(side, EventKind::New, &tcp(n));
    }
    world.kernel(Side::C, EventKind::New, &tcp(30));
    world.advance(2_500);
    world.fate(|from, to| match (from, to) {
        (Side::B, _) | (_, Side::B) => Fate::Lost,
        _ => Fate::Arrives,
    });
    world.advance(1_000);
    let kernel = world.kernels.get_mut(&Side::C).unwrap();
    kernel.flows.retain(|_, flow| flow.id != Some(30));
    world.start(Side::C, ftfw_group());
    world.advance(60_000);
    assert_eq!(
        ports(&mut world, Side::A),
        BTreeSet::from([2, 3]),
        "B is dead and not heard of, what C has not named again is gone"
    );
}

#[test]
fn a_node_that_was_cut_off_gets_a_bulk_for_what_others_acknowledged_meanwhile() {
    let mut world = World::group(ftfw(), FAR);
    world.advance(2_500);
    world.fate(|from, to| match (from, to) {
        (Side::C, _) | (_, Side::C) => Fate::Lost,
        _ => Fate::Arrives,
    });
    world.advance(20_000);
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.kernel(Side::A, EventKind::New, &tcp(2));
    world.kernel(Side::A, EventKind::Update, &tcp(2));
    world.advance(3_000);
    assert_eq!(ports(&mut world, Side::B), BTreeSet::from([1, 2]));
    world.heal();
    world.reports.clear();
    world.advance(3_000);
    assert_eq!(ports(&mut world, Side::C), BTreeSet::from([1, 2]));
    let lost = "a: report: the other node misses messages that are no longer in the resend queue: \
                it gets a bulk update";
    assert!(
        world.reports.iter().any(|report| report == lost),
        "{:#?}",
        world.reports
    );
}

#[test]
fn each_keeps_its_place_when_all_go_to_another_link() {
    let links = Config {
        links: vec![link("sync0"), link("sync1")],
        ..ftfw()
    };
    let mut world = World::group(links, FAR);
    world.advance(4_500);
    for (n, side) in (1..).zip(SIDES) {
        world.kernel(side, EventKind::New, &tcp(n));
    }
    world.take_trace();
    world.interface(Side::A, Channel(0), DOWN);
    world.kernel(Side::B, EventKind::New, &tcp(20));
    world.kernel(Side::A, EventKind::New, &tcp(10));
    world.advance(4_000);
    for side in SIDES {
        assert_eq!(ports(&mut world, side), of_others(&world, side), "{side:?}");
        assert_eq!(counter(&mut world, side, "known"), 2, "{side:?}");
    }
    check("three_nodes_two_links", world);
}

#[test]
fn losses_are_counted_for_each_sender() {
    let mut world = World::group(notrack(), FAR);
    world.advance(2_500);
    for (n, side) in (1..).zip(SIDES) {
        world.kernel(side, EventKind::New, &tcp(n));
    }
    world.advance(3_000);
    for side in SIDES {
        assert_eq!(counter(&mut world, side, "lost"), 0, "{side:?}");
        assert_eq!(counter(&mut world, side, "before"), 0, "{side:?}");
    }
}

#[test]
fn a_flood_of_senders_is_bounded_told_and_harmless_to_who_was_there() {
    let mut world = World::group(ftfw(), FAR);
    world.advance(2_500);
    let seq = |n: u32| (n ^ 0x5555_0000).to_be_bytes();
    for n in 0..500_u32 {
        let mut alive = [0x1a, 0x10, 0, 8, 0, 0, 0, 0];
        alive[4..].copy_from_slice(&seq(n));
        let source = std::net::IpAddr::V4(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n));
        world.input(
            Side::A,
            engine::input::Input::Peer {
                channel: Channel(0),
                source,
                payload: &alive,
            },
        );
    }
    world.kernel(Side::B, EventKind::New, &tcp(2));
    world.advance(20_000);
    assert_eq!(ports(&mut world, Side::A), BTreeSet::from([2]));
    assert_eq!(counter(&mut world, Side::A, "known"), 32);
    assert_eq!(counter(&mut world, Side::A, "evicted"), 500 - 30);
    assert_eq!(
        counter(&mut world, Side::A, "lost"),
        0,
        "nobody who was there was forgotten"
    );
    let is_told = |report: &String| report.contains("more than 32 nodes");
    assert!(world.reports.iter().any(is_told), "{:#?}", world.reports);
}

#[test]
fn a_peer_that_goes_on_asking_gets_a_bulk_from_time_to_time() {
    for apart in [FAR, SAME] {
        let mut world = World::group(ftfw(), apart);
        world.kernel(Side::A, EventKind::New, &tcp(1));
        world.advance(10_000);
        world.reports.clear();
        for _ in 0..600 {
            world.request(Side::B, Request::RequestResync);
            world.advance(100);
        }
        let begun = |report: &&String| *report == "a: report: sending bulk update";
        let n_bulks = world.reports.iter().filter(begun).count();
        assert!((12..=16).contains(&n_bulks), "{n_bulks} in a minute");
    }
}

/// Something that happens to a group.
#[derive(Clone, Debug)]
enum Scene {
    Kernel(Side, EventKind, u16),
    Pass(u64),
}

fn scene() -> impl Strategy<Value = Scene> {
    let side = prop_oneof![Just(Side::A), Just(Side::B), Just(Side::C)];
    let kind = prop_oneof![
        Just(EventKind::New),
        Just(EventKind::Update),
        Just(EventKind::Destroy)
    ];
    prop_oneof![
        4 => (side, kind, 0..6_u16).prop_map(|(side, kind, port)| Scene::Kernel(side, kind, port)),
        1 => (1..1_500_u64).prop_map(Scene::Pass),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        8 => Just(Fate::Arrives),
        2 => Just(Fate::Lost),
        1 => Just(Fate::Doubled),
        1 => Just(Fate::Late),
    ]
}

/// Each node has flows of its own: those of two nodes never have one tuple.
fn play(world: &mut World, scenes: &[Scene], fates: &[Fate]) {
    let mut fates: Vec<Fate> = fates.iter().rev().copied().collect();
    world.fate(move |_, _| fates.pop().unwrap_or(Fate::Arrives));
    for scene in scenes {
        match scene {
            Scene::Kernel(side, kind, port) => {
                let flow = tcp(100 * (1 + *side as u16) + port);
                let is_there = world.kernels[side].flows.contains_key(&(flow.orig, flow.zone));
                if is_there != (*kind == EventKind::New) {
                    world.kernel(*side, *kind, &flow);
                }
            }
            Scene::Pass(millis) => world.advance(*millis),
        }
    }
}

fn ftfw_of_a_small_window() -> Config {
    config(Mode::Ftfw(FtfwConfig {
        ack_window: 3.try_into().unwrap(),
        ..FTFW
    }))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn ftfw_converges_in_a_group_once_nothing_is_lost(
        scenes in prop::collection::vec(scene(), 0..40),
        fates in prop::collection::vec(fate(), 0..200),
        config in prop_oneof![Just(ftfw()), Just(ftfw_of_a_small_window())],
        apart_secs in prop_oneof![Just(FAR), Just(SAME), Just(7), 0..70_000_u64],
    ) {
        let mut world = World::group(config, apart_secs);
        play(&mut world, &scenes, &fates);
        world.heal();
        world.advance(60_000);
        for side in SIDES {
            let (known, wanted) = (ports(&mut world, side), of_others(&world, side));
            prop_assert_eq!(known, wanted, "at {:?}\n{}", side, world.take_trace());
            prop_assert_eq!(counter(&mut world, side, "known"), 2);
        }
    }

    /// Nothing is resent: a last bulk of each tells what was lost, but not what ended unheard.
    #[test]
    fn notrack_knows_at_least_what_lives_after_a_bulk_of_each(
        scenes in prop::collection::vec(scene(), 0..40),
        fates in prop::collection::vec(fate(), 0..100),
        apart_secs in prop_oneof![Just(FAR), Just(SAME)],
    ) {
        let mut world = World::group(notrack(), apart_secs);
        play(&mut world, &scenes, &fates);
        world.heal();
        world.advance(60_000);
        for side in SIDES {
            world.request(side, Request::Bulk);
        }
        world.advance(1_000);
        for side in SIDES {
            let (known, wanted) = (ports(&mut world, side), of_others(&world, side));
            prop_assert!(known.is_superset(&wanted), "at {side:?}: {known:?}, not {wanted:?}");
        }
    }
}
