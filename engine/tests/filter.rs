//! What a filter excludes is never cached, sent or flushed; what it kept once leaves when it ends.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{Side, World, ftfw, tcp};
use engine::config::Config;
use engine::filter::{Filter, List, Network, Policy, Verdict};
use engine::flow::{Flow, ProtoState, Protocol, Tcp, TcpState};
use engine::input::{CacheName, EventKind, Request, StatsTopic, Table};
use proptest::collection::vec;
use proptest::prelude::*;
use std::collections::BTreeSet;
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

/// The first such number in the statistics is that of the internal cache.
#[test]
fn the_end_of_a_flow_that_was_kept_out_is_no_failed_deletion() {
    let mut world = World::new(filtered(open_streams_alone()));
    let not_found = |world: &mut World| counter(world, Side::A, "destroy_not_found");
    world.kernel(Side::A, EventKind::New, &in_state(1, TcpState::SYN_SENT));
    world.kernel(Side::A, EventKind::Destroy, &in_state(1, TcpState::SYN_SENT));
    assert_eq!(not_found(&mut world), 0);
    world.event(Side::A, EventKind::Destroy, &in_state(2, TcpState::ESTABLISHED));
    assert_eq!(not_found(&mut world), 1);
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

/// What happens to the flow from one port.
#[derive(Clone, Copy, Debug)]
enum Happening {
    /// It ends, if there is one, and one in this state begins.
    Begins(TcpState),
    /// It changes into this state, if there is one.
    Becomes(TcpState),
    /// It ends, if there is one.
    Ends,
}

fn happening() -> impl Strategy<Value = Happening> {
    let state = || {
        prop_oneof![
            Just(TcpState::SYN_SENT),
            Just(TcpState::ESTABLISHED),
            Just(TcpState::TIME_WAIT)
        ]
    };
    prop_oneof![
        3 => state().prop_map(Happening::Begins),
        3 => state().prop_map(Happening::Becomes),
        2 => Just(Happening::Ends),
    ]
}

/// Changes the kernel of node A, with events or without. The mark tells which flow of a port it is.
fn happens(world: &mut World, port: u16, happening: Happening, is_heard: bool, mark: u32) {
    let known = world.kernels[&Side::A]
        .flows
        .get(&(tcp(port).orig, None))
        .cloned();
    let mut changes = Vec::new();
    if let (Happening::Begins(_) | Happening::Ends, Some(known)) = (happening, &known) {
        changes.push((EventKind::Destroy, known.clone()));
    }
    match (happening, known) {
        (Happening::Begins(state), _) => {
            let (id, mark) = (Some(mark), Some(mark));
            changes.push((
                EventKind::New,
                Flow {
                    id,
                    mark,
                    ..in_state(port, state)
                },
            ));
        }
        (Happening::Becomes(state), Some(known)) => {
            let (id, mark) = (known.id, known.mark);
            changes.push((
                EventKind::Update,
                Flow {
                    id,
                    mark,
                    ..in_state(port, state)
                },
            ));
        }
        (Happening::Becomes(_), None) | (Happening::Ends, _) => {}
    }
    for (kind, flow) in changes {
        if is_heard {
            world.kernel(Side::A, kind, &flow);
            continue;
        }
        let flows = &mut world.kernels.get_mut(&Side::A).unwrap().flows;
        match kind {
            EventKind::New | EventKind::Update => drop(flows.insert((flow.orig, None), flow)),
            EventKind::Destroy => drop(flows.remove(&(flow.orig, None))),
        }
    }
}

/// Port and mark of each line of a cache.
fn named(lines: &[String]) -> BTreeSet<(u16, u32)> {
    let number = |line: &str, name: &str| {
        let digits = line.split(name).nth(1).and_then(|rest| rest.split(' ').next());
        digits.unwrap_or_default().parse::<u32>().unwrap()
    };
    let name = |line: &String| (number(line, "sport=") as u16, number(line, "mark="));
    lines.iter().map(name).collect()
}

proptest! {
    #[test]
    fn whatever_is_lost_a_re_read_leaves_what_is_kept_and_no_ghost(
        history in vec((0..3_u16, happening(), prop::bool::weighted(0.7)), 0..40),
    ) {
        let filter = open_streams_alone();
        let mut world = World::new(filtered(filter.clone()));
        world.advance(2_500);
        for (mark, (port, happening, is_heard)) in (1..).zip(history) {
            happens(&mut world, port, happening, is_heard, mark);
        }
        world.request(Side::A, Request::ResyncKernel(Table::Flows));
        let cached = named(&internal(&mut world, Side::A));
        let name = |flow: &Flow| (flow.orig.ports().unwrap().0, flow.mark.unwrap());
        let living: BTreeSet<_> = world.kernels[&Side::A].flows.values().map(name).collect();
        let flows = world.kernels[&Side::A].flows.values();
        let kept: BTreeSet<_> = flows.filter(|flow| filter.judge(flow) == Verdict::Kept).map(name).collect();
        prop_assert!(cached.is_subset(&living), "cached {cached:?}, living {living:?}");
        prop_assert!(cached.is_superset(&kept), "cached {cached:?}, to be kept {kept:?}");
    }
}
