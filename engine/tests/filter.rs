//! What a filter excludes is never cached, sent or flushed; what it kept once leaves when it ends.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{Side, World, ftfw, tcp};
use engine::config::Config;
use engine::filter::{Filter, List, Network, Policy};
use engine::flow::{Flow, ProtoState, Protocol, Tcp, TcpState};
use engine::input::{CacheName, EventKind, Request, StatsTopic, Table};
use std::net::IpAddr;

fn protocols(policy: Policy, protocol: Protocol) -> Filter {
    let entries = vec![protocol];
    Filter::new(Some(List { policy, entries }), None, None)
}

fn open_streams_alone() -> Filter {
    let list = List {
        policy: Policy::Accept,
        entries: vec![TcpState::ESTABLISHED],
    };
    Filter::new(None, None, Some(list))
}

fn filtered(filter: Filter) -> Config {
    Config { filter, ..ftfw() }
}

/// A flow of UDP from `port`.
fn udp(port: u16) -> Flow {
    let mut flow = tcp(port);
    flow.orig.proto = Protocol::UDP;
    Flow {
        reply: Some(flow.orig.mirrored()),
        proto: ProtoState::None,
        ..flow
    }
}

fn in_state(port: u16, state: TcpState) -> Flow {
    Flow {
        proto: ProtoState::Tcp(Tcp::in_state(state)),
        ..tcp(port)
    }
}

/// Adds a flow to the kernel of a node without an event.
fn put(world: &mut World, side: Side, flow: &Flow) {
    let kernel = world.kernels.get_mut(&side).unwrap();
    kernel.flows.insert((flow.orig, flow.zone), flow.clone());
}

fn internal(world: &mut World, side: Side) -> Vec<String> {
    world.dump(side, CacheName::Internal)
}

fn counter(world: &mut World, side: Side, name: &str) -> u64 {
    let client = world.request(side, Request::Statistics(StatsTopic::Counters));
    let text = String::from_utf8(world.replies.remove(&client).unwrap()).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix(name))
        .unwrap();
    line.trim_matches([':', ' ', ',']).parse().unwrap()
}

#[test]
fn an_excluded_flow_is_never_cached_sent_or_flushed() {
    let mut world = World::new(ftfw());
    world.advance(2_500);
    put(&mut world, Side::A, &tcp(1));
    put(&mut world, Side::A, &udp(2));
    world.start(Side::A, filtered(protocols(Policy::Ignore, Protocol::UDP)));
    assert_eq!(internal(&mut world, Side::A).len(), 1, "the first reading");
    for kind in [EventKind::New, EventKind::Update] {
        world.kernel(Side::A, kind, &udp(3));
    }
    world.kernel(Side::A, EventKind::New, &tcp(4));
    world.kernel(Side::A, EventKind::Destroy, &udp(2));
    assert_eq!(internal(&mut world, Side::A).len(), 2, "events");
    assert_eq!(counter(&mut world, Side::A, "events_filtered"), 3);
    world.request(Side::A, Request::ResyncKernel(Table::Flows));
    assert_eq!(internal(&mut world, Side::A).len(), 2, "a re-read");
    world.advance(2_500);
    let sent = world.dump(Side::B, CacheName::External);
    assert_eq!(sent.len(), 2, "{sent:#?}");
    world.request(Side::A, Request::FlushKernel(Table::Flows));
    let left: Vec<_> = world.kernels[&Side::A].flows.values().collect();
    assert_eq!(left, [&udp(3)], "a flush leaves it alone");
    assert_eq!(counter(&mut world, Side::A, "ghosts"), 0);
}

#[test]
fn what_the_peer_sends_is_committed_and_not_cached() {
    let lan = Network::new(IpAddr::from([10, 0, 0, 0]), 8).unwrap();
    let list = List {
        policy: Policy::Ignore,
        entries: vec![lan],
    };
    let mut world = World::new(ftfw());
    world.start(Side::B, filtered(Filter::new(None, Some(list), None)));
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.advance(2_500);
    assert_eq!(world.dump(Side::B, CacheName::External).len(), 1);
    world.request(Side::B, Request::Commit(Table::Flows));
    assert_eq!(world.kernels[&Side::B].flows.len(), 1);
    world.advance(2_500);
    assert_eq!(internal(&mut world, Side::B), Vec::<String>::new());
}

#[test]
fn a_flow_stays_in_its_last_kept_state_until_it_ends() {
    let mut world = World::new(filtered(open_streams_alone()));
    world.advance(2_500);
    world.kernel(Side::A, EventKind::New, &in_state(1, TcpState::SYN_SENT));
    assert_eq!(internal(&mut world, Side::A).len(), 0);
    world.kernel(Side::A, EventKind::Update, &in_state(1, TcpState::ESTABLISHED));
    world.kernel(Side::A, EventKind::Update, &in_state(1, TcpState::TIME_WAIT));
    let is_as_kept = |lines: Vec<String>| matches!(&lines[..], [line] if line.contains("ESTABLISHED"));
    assert!(is_as_kept(internal(&mut world, Side::A)));
    world.request(Side::A, Request::ResyncKernel(Table::Flows));
    assert!(is_as_kept(internal(&mut world, Side::A)), "it is no ghost");
    world.advance(2_500);
    assert!(is_as_kept(world.dump(Side::B, CacheName::External)));
    world.kernel(Side::A, EventKind::Destroy, &in_state(1, TcpState::TIME_WAIT));
    world.advance(2_500);
    assert_eq!(internal(&mut world, Side::A).len(), 0);
    assert_eq!(
        world.dump(Side::B, CacheName::External).len(),
        0,
        "its end is told"
    );
    assert_eq!(counter(&mut world, Side::A, "events_filtered"), 2);
}

#[test]
fn an_excluded_flow_with_another_id_ends_the_one_that_is_cached() {
    let again = || Flow {
        id: Some(77),
        ..in_state(1, TcpState::SYN_SENT)
    };
    let by_event = |world: &mut World| world.kernel(Side::A, EventKind::New, &again());
    let by_dump = |world: &mut World| {
        put(world, Side::A, &again());
        world.request(Side::A, Request::ResyncKernel(Table::Flows));
    };
    let both: [&dyn Fn(&mut World); 2] = [&by_event, &by_dump];
    for heard in both {
        let mut world = World::new(filtered(open_streams_alone()));
        world.kernel(Side::A, EventKind::New, &tcp(1));
        world.advance(2_500);
        assert_eq!(world.dump(Side::B, CacheName::External).len(), 1);
        heard(&mut world);
        world.advance(2_500);
        assert_eq!(internal(&mut world, Side::A).len(), 0);
        assert_eq!(world.dump(Side::B, CacheName::External).len(), 0);
    }
}
