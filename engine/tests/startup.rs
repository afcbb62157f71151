//! The start: what happens while the kernel's table is read for the first time is not missed.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{Side, World, ftfw, tcp};
use engine::flow::{Flow, ProtoState, Tcp, TcpState};
use engine::input::{CacheName, EventKind};

/// The source ports in the lines of a dump, and whether that side has closed.
fn known(lines: &[String]) -> Vec<(u16, bool)> {
    let port = |line: &str| {
        let (_, rest) = line.split_once("sport=").unwrap();
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    let is_closing = |line: &str| line.contains("CLOSE_WAIT");
    let mut known: Vec<_> = lines.iter().map(|line| (port(line), is_closing(line))).collect();
    known.sort();
    known
}

/// A dump that is older than the events that arrive before it: a flow began, one changed, one ended.
#[test]
fn what_happens_between_the_subscription_and_the_first_dump_is_not_missed() {
    let mut world = World::new(ftfw());
    let closing = Flow {
        proto: ProtoState::Tcp(Tcp::in_state(TcpState::CLOSE_WAIT)),
        ..tcp(2)
    };
    let kernel = world.kernels.get_mut(&Side::A).unwrap();
    for port in [1, 2, 3] {
        kernel.flows.insert((tcp(port).orig, None), tcp(port));
    }
    world.meanwhile = vec![
        (EventKind::Update, closing),
        (EventKind::Destroy, tcp(3)),
        (EventKind::New, tcp(4)),
        (EventKind::New, tcp(5)),
        (EventKind::Destroy, tcp(5)),
    ];
    world.start(Side::A, ftfw());
    world.advance(2_500);
    let want = [(1, false), (2, true), (4, false)];
    for (side, cache) in [(Side::A, CacheName::Internal), (Side::B, CacheName::External)] {
        assert_eq!(known(&world.dump(side, cache)), want, "{side:?}");
    }
}
