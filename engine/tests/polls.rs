//! Where the kernel's table is polled, its events are not needed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::time::Duration;

use common::{Side, World, expecting, ftfw, ftp, tcp};
use engine::config::{Config, PeerFlows};
use engine::flow::Flow;
use engine::input::{CacheName, Request, Table};

/// A pair of which both poll every ten seconds, and that have greeted each other.
fn polling() -> World {
    polling_with(ftfw())
}

fn polling_with(config: Config) -> World {
    let config = Config {
        poll_period: Some(Duration::from_secs(10)),
        ..config
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

/// A pair in the same way, each of which puts what the other tells into its kernel.
fn polling_without_external_cache() -> World {
    polling_with(Config {
        peer_flows: PeerFlows::Injected,
        ..expecting(ftfw())
    })
}

#[test]
fn what_the_peer_put_into_a_polled_table_is_not_told_back() {
    let mut world = polling_without_external_cache();
    put(&mut world, &tcp(1));
    let kernel = world.kernels.get_mut(&Side::A).unwrap();
    kernel.expectations.insert(ftp(1, 5_001).tuple, ftp(1, 5_001));
    world.advance(10_000);
    assert_eq!(world.kernels[&Side::B].flows.len(), 1);
    assert_eq!(world.kernels[&Side::B].expectations.len(), 1);
    // The kernel gives it an identifier, and its time runs down.
    let identified = world.kernels.get_mut(&Side::B).unwrap().flows.values_mut();
    identified.for_each(|flow| (flow.id, flow.timeout_secs) = (Some(77), Some(431_990)));
    world.take_trace();
    world.advance(30_000);
    let trace = world.take_trace();
    assert!(
        !trace.contains("b→a  CT") && !trace.contains("b→a  EXP"),
        "{trace}"
    );
    for table in [Table::Flows, Table::Expectations] {
        assert_eq!(world.dump_table(Side::B, CacheName::Internal, table), [""; 0]);
    }
    // Nor is its end, which the time of our kernel says and not the peer.
    world.kernels.get_mut(&Side::B).unwrap().flows.clear();
    world.advance(60_000);
    assert_eq!(world.kernels[&Side::A].flows.len(), 1);
    let trace = world.take_trace();
    assert!(!trace.contains("b→a  CT"), "{trace}");
}

#[test]
fn what_traffic_of_ours_changed_in_a_polled_table_is_our_own() {
    let mut world = polling_without_external_cache();
    for port in 1..=3 {
        put(&mut world, &tcp(port));
    }
    world.advance(20_000);
    let flows = &mut world.kernels.get_mut(&Side::B).unwrap().flows;
    for (flow, port) in flows.values_mut().zip(1_u32..) {
        flow.id = Some(70 + port);
    }
    world.advance(10_000);
    // One is changed, and in the place of one there is another.
    let flows = &mut world.kernels.get_mut(&Side::B).unwrap().flows;
    flows.get_mut(&(tcp(1).orig, None)).unwrap().mark = Some(7);
    flows.get_mut(&(tcp(2).orig, None)).unwrap().id = Some(99);
    world.take_trace();
    world.advance(10_000);
    let trace = world.take_trace();
    assert_eq!(world.dump(Side::B, CacheName::Internal).len(), 2, "{trace}");
    assert!(
        trace.contains("CT_NEW(1)") && trace.contains("CT_NEW(2)"),
        "{trace}"
    );
    assert!(!trace.contains("(3)"), "{trace}");
    assert_eq!(world.kernels[&Side::A].flows[&(tcp(1).orig, None)].mark, Some(7));
    // From here on its end is news.
    world.kernels.get_mut(&Side::B).unwrap().flows.clear();
    world.advance(10_000);
    let trace = world.take_trace();
    assert!(
        trace.contains("CT_DEL(1)") && !trace.contains("CT_DEL(3)"),
        "{trace}"
    );
}

#[test]
fn what_the_peer_goes_on_telling_stays_its_own() {
    let mut world = polling_without_external_cache();
    put(&mut world, &tcp(1));
    world.advance(20_000);
    let marked = Flow {
        mark: Some(7),
        ..tcp(1)
    };
    put(&mut world, &marked);
    world.advance(30_000);
    assert_eq!(world.kernels[&Side::B].flows[&(tcp(1).orig, None)].mark, Some(7));
    assert_eq!(world.dump(Side::B, CacheName::Internal), [""; 0]);
    world.kernels.get_mut(&Side::A).unwrap().flows.clear();
    world.advance(20_000);
    assert_eq!(world.kernels[&Side::B].flows.len(), 0);
}

#[test]
fn a_reread_by_hand_takes_what_the_peer_put_into_a_polled_table() {
    let mut world = polling_without_external_cache();
    put(&mut world, &tcp(1));
    world.advance(20_000);
    assert_eq!(world.dump(Side::B, CacheName::Internal), [""; 0]);
    world.request(Side::B, Request::ResyncKernel(Table::Both));
    assert_eq!(world.dump(Side::B, CacheName::Internal).len(), 1);
    assert!(world.take_trace().contains("b→a  CT_NEW(1)"));
}
