//! Where the kernel's table is polled, its events are not needed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::Duration;

use common::{Side, World, ftfw, tcp};
use engine::config::Config;
use engine::flow::Flow;
use engine::input::{CacheName, Request, Table};

/// A pair of which both poll every ten seconds, and that have greeted each other.
fn polling() -> World {
    let config = Config {
        poll_period: Some(Duration::from_secs(10)),
        ..ftfw()
    };
    let mut world = World::new(config);
    world.advance(2_500);
    world.take_trace();
    world
}

/// A flow is in the kernel of A, and nobody tells.
fn put(world: &mut World, flow: &Flow) {
    let kernel = world.kernels.get_mut(&Side::A).unwrap();
    kernel.flows.insert((flow.orig, flow.zone), flow.clone());
}

#[test]
fn what_began_changed_and_ended_without_events_is_told_at_the_next_poll() {
    let mut world = polling();
    put(&mut world, &tcp(1));
    world.advance(10_000);
    assert!(world.take_trace().contains("CT_NEW(1)"));

    let marked = Flow {
        mark: Some(7),
        ..tcp(1)
    };
    put(&mut world, &marked);
    world.advance(10_000);
    assert!(world.take_trace().contains("CT_UPD(1)"));
    assert!(world.dump(Side::B, CacheName::External)[0].contains("mark=7"));

    world.kernels.get_mut(&Side::A).unwrap().flows.clear();
    world.advance(10_000);
    assert!(world.take_trace().contains("CT_DEL(1)"));
    assert!(world.dump(Side::B, CacheName::External).is_empty());
    assert!(
        !world.reports.iter().any(|line| line.contains("without an event")),
        "it is nothing to report: {:?}",
        world.reports
    );
}

#[test]
fn what_did_not_change_is_not_told_again() {
    let mut world = polling();
    put(&mut world, &tcp(1));
    world.advance(10_000);
    world.take_trace();
    let aged = Flow {
        timeout_secs: Some(431_000),
        ..tcp(1)
    };
    put(&mut world, &aged);
    world.advance(30_000);
    let trace = world.take_trace();
    assert!(!trace.contains("(1)"), "its timeout runs down: {trace}");
}

#[test]
fn equal_tuples_in_two_zones_are_two_flows_at_every_poll() {
    let mut world = polling();
    for zone in [1, 2] {
        let flow = Flow {
            zone: Some(zone),
            ..tcp(1)
        };
        put(&mut world, &flow);
    }
    world.advance(10_000);
    world.take_trace();
    world.advance(30_000);
    assert_eq!(world.dump(Side::B, CacheName::External).len(), 2);
    let trace = world.take_trace();
    assert!(!trace.contains("(1)"), "neither comes and goes: {trace}");
}

#[test]
fn what_a_reread_by_hand_brings_is_told_as_no_event_did() {
    let mut world = polling();
    put(&mut world, &tcp(1));
    world.request(Side::A, Request::ResyncKernel(Table::Both));
    assert!(world.take_trace().contains("CT_NEW(1)"));
    assert_eq!(world.dump(Side::B, CacheName::External).len(), 1);
    world.kernels.get_mut(&Side::A).unwrap().flows.clear();
    world.request(Side::A, Request::ResyncKernel(Table::Both));
    assert!(world.take_trace().contains("CT_DEL(1)"));
}
