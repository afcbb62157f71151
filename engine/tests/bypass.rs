//! Without an internal cache: events go to the link at once, and the kernel answers for the rest.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{Side, World, expecting, ftp, notrack, tcp};
use engine::config::{Config, OwnFlows};
use engine::filter::{Filter, List, Policy};
use engine::flow::{Flow, Protocol};
use engine::input::{CacheName, EventKind, Input, KernelInput, Origin, Request, Table};

fn bypassing() -> World {
    bypassing_with(notrack())
}

fn bypassing_with(config: Config) -> World {
    let config = Config {
        own_flows: OwnFlows::Bypassed,
        ..config
    };
    let mut world = World::new(config);
    world.advance(2_500);
    world.take_trace();
    world
}

fn external(world: &mut World) -> usize {
    world.dump(Side::B, CacheName::External).len()
}

#[test]
fn every_event_is_a_message_at_once_and_nothing_stays() {
    let mut world = bypassing();
    for (kind, message) in [
        (EventKind::New, "CT_NEW(1)"),
        (EventKind::Update, "CT_UPD(1)"),
        (EventKind::Destroy, "CT_DEL(1)"),
    ] {
        world.event(Side::A, kind, &tcp(1));
        let trace = world.take_trace();
        assert!(trace.contains(message), "{trace}");
    }
    assert_eq!(external(&mut world), 0);
    for kind in [EventKind::Update, EventKind::Destroy] {
        world.event(Side::A, kind, &tcp(2));
    }
    let trace = world.take_trace();
    assert!(
        trace.contains("CT_UPD(2)") && trace.contains("CT_DEL(2)"),
        "whatever came before: {trace}"
    );
}

#[test]
fn what_we_did_to_the_kernel_is_not_told() {
    let mut world = bypassing();
    let ours = Input::Kernel(KernelInput::Flow {
        kind: EventKind::New,
        origin: Origin::Us,
        flow: &tcp(1),
    });
    world.input(Side::A, ours);
    world.advance(3_000);
    assert_eq!(external(&mut world), 0);
}

#[test]
fn a_bulk_tells_the_whole_table_as_new() {
    for by_peer in [false, true] {
        let mut world = bypassing();
        for port in 1..=3 {
            let kernel = world.kernels.get_mut(&Side::A).unwrap();
            kernel.flows.insert((tcp(port).orig, None), tcp(port));
        }
        if by_peer {
            world.request(Side::B, Request::RequestResync);
        } else {
            world.request(Side::A, Request::Bulk);
        }
        let trace = world.take_trace();
        assert!(trace.contains("CT_NEW(3)"), "{trace}");
        assert!(!trace.contains("sending bulk update"), "{trace}");
        assert_eq!(external(&mut world), 3);
    }
}

#[test]
fn a_dump_prints_the_table_of_the_kernel() {
    let mut world = bypassing();
    let flow = Flow {
        mark: Some(7),
        ..tcp(1)
    };
    let kernel = world.kernels.get_mut(&Side::A).unwrap();
    kernel.flows.insert((flow.orig, None), flow);
    let lines = world.dump(Side::A, CacheName::Internal);
    assert!(
        lines.len() == 1 && lines[0].starts_with("tcp      6 432000 ESTABLISHED"),
        "{lines:?}"
    );
}

#[test]
fn a_flush_of_caches_leaves_the_kernel_alone_and_a_reread_is_unsupported() {
    let mut world = bypassing();
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.reports.clear();
    world.request(Side::A, Request::FlushCache(None));
    world.request(Side::A, Request::FlushCache(Some(CacheName::Internal)));
    assert_eq!(world.kernels[&Side::A].flows.len(), 1);
    let client = world.request(Side::A, Request::ResyncKernel(Table::Flows));
    assert!(world.ended.contains(&client));
    let last = world.reports.last().map(String::as_str);
    assert_eq!(last, Some("a: report: resync is unsupported in this mode"));
}

#[test]
fn a_takeover_puts_the_flows_of_the_peer_into_the_kernel() {
    let mut world = bypassing();
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.request(Side::B, Request::Commit(Table::Flows));
    assert_eq!(world.kernels[&Side::B].flows.len(), 1);
}

#[test]
fn lost_events_are_told_and_nothing_is_read_again() {
    let mut world = bypassing();
    world.reports.clear();
    world.input(Side::A, Input::Kernel(KernelInput::Overrun));
    world.advance(60_000);
    assert!(
        world.reports[0].contains("there is no internal cache"),
        "{:?}",
        world.reports
    );
    assert_eq!(world.reports.len(), 1);
}

#[test]
fn an_expectation_is_a_message_once_the_kernel_has_named_its_master() {
    let mut world = bypassing_with(expecting(notrack()));
    world.kernel(Side::A, EventKind::New, &tcp(1));
    for (kind, message) in [
        (EventKind::New, "EXP_NEW(5001)"),
        (EventKind::Update, "EXP_UPD(5001)"),
    ] {
        world.expect(Side::A, kind, &ftp(1, 5_001));
        let trace = world.take_trace();
        assert!(trace.contains(message), "{trace}");
    }
    let external = |world: &mut World| world.dump_table(Side::B, CacheName::External, Table::Expectations);
    assert_eq!(external(&mut world).len(), 1);
    // A master that ends takes what it foretold along, and may be gone when the kernel tells of that.
    world.kernel(Side::A, EventKind::Destroy, &tcp(1));
    world.expect(Side::A, EventKind::Destroy, &ftp(1, 5_001));
    assert!(world.take_trace().contains("EXP_DEL(5001)"));
    assert_eq!(external(&mut world).len(), 0);
}

#[test]
fn an_expectation_before_its_master_waits_for_it() {
    let mut world = bypassing_with(expecting(notrack()));
    for port in [5_001, 5_002] {
        world.expect(Side::A, EventKind::New, &ftp(1, port));
    }
    world.expect(Side::A, EventKind::Destroy, &ftp(1, 5_002));
    assert!(!world.take_trace().contains("EXP_NEW"), "there is no master");
    world.kernel(Side::A, EventKind::New, &tcp(1));
    let trace = world.take_trace();
    assert!(trace.contains("EXP_NEW(5001)"), "{trace}");
    assert!(!trace.contains("EXP_NEW(5002)"), "it has ended: {trace}");
}

#[test]
fn what_a_flow_foretells_that_the_filter_excludes_is_not_told() {
    let list = List {
        policy: Policy::Ignore,
        entries: vec![Protocol::TCP],
    };
    let filter = Filter::new(Some(list), None, None);
    let mut world = bypassing_with(Config {
        filter,
        ..expecting(notrack())
    });
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.expect(Side::A, EventKind::New, &ftp(1, 5_001));
    let trace = world.take_trace();
    assert!(!trace.contains("EXP_NEW"), "{trace}");
}

#[test]
fn a_bulk_and_a_dump_read_the_expectations_of_the_kernel() {
    let mut world = bypassing_with(expecting(notrack()));
    let kernel = world.kernels.get_mut(&Side::A).unwrap();
    kernel.flows.insert((tcp(1).orig, None), tcp(1));
    for port in [5_001, 5_002] {
        let expectation = ftp(1, port);
        kernel.expectations.insert(expectation.tuple, expectation);
    }
    world.request(Side::B, Request::RequestResync);
    let trace = world.take_trace();
    let place = |what: &str| trace.find(what).unwrap_or_else(|| panic!("no {what} in {trace}"));
    assert!(
        place("CT_NEW(1)") < place("EXP_NEW(5001)"),
        "flows first: {trace}"
    );
    assert!(trace.contains("EXP_NEW(5002)"), "{trace}");
    let lines = world.dump_table(Side::A, CacheName::Internal, Table::Expectations);
    assert!(
        lines.len() == 2 && lines[0].starts_with("300 proto=6"),
        "{lines:?}"
    );
    assert_eq!(
        world
            .reports
            .iter()
            .filter(|line| line.contains("refused"))
            .count(),
        0
    );
}

#[test]
fn a_flush_of_expectations_reads_nothing_into_a_cache() {
    let mut world = bypassing_with(expecting(notrack()));
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.expect(Side::A, EventKind::New, &ftp(1, 5_001));
    let client = world.request(Side::A, Request::FlushKernel(Table::Expectations));
    assert!(world.ended.contains(&client));
    assert_eq!(world.kernels[&Side::A].expectations.len(), 0);
    world.advance(10_000);
    let lines = world.dump_table(Side::A, CacheName::Internal, Table::Expectations);
    assert_eq!(lines, [""; 0]);
}
