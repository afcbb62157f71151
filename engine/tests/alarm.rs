//! ALARM between two nodes: refreshes, what they heal, and the end of what nobody speaks of.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::num::NonZeroU16;

use common::{Side, World, alarm, check, tcp};
use engine::Timer;
use engine::config::{Config, Limits};
use engine::flow::{Flow, ProtoState, Tcp, TcpState};
use engine::input::{CacheName, EventKind, Request, StatsTopic, Table};

fn external(world: &mut World) -> Vec<String> {
    world.dump(Side::B, CacheName::External)
}

/// Tells in the story what B knows.
fn tell_external(world: &mut World) {
    let name = |line: &String| {
        line.split_whitespace()
            .skip(3)
            .take(4)
            .collect::<Vec<_>>()
            .join(" ")
    };
    let flows: Vec<String> = external(world).iter().map(name).collect();
    world.tell(Side::B, &format!("external cache: {flows:?}"));
}

fn closing(port: u16) -> Flow {
    Flow {
        proto: ProtoState::Tcp(Tcp::in_state(TcpState::FIN_WAIT)),
        ..tcp(port)
    }
}

#[test]
fn a_refresh_heals_a_loss_and_an_expiry_a_lost_end() {
    let mut world = World::new(alarm());
    world.lose(|_, _| true);
    world.kernel(Side::A, EventKind::New, &tcp(1));
    tell_external(&mut world);
    world.heal();
    world.kernel(Side::A, EventKind::New, &tcp(2));
    world.kernel(Side::A, EventKind::Update, &closing(2));
    world.advance(4_000);
    assert_eq!(external(&mut world).len(), 2, "the first flow was told again");
    tell_external(&mut world);
    world.lose(|_, _| true);
    world.kernel(Side::A, EventKind::Destroy, &tcp(1));
    world.heal();
    world.advance(4_000);
    assert_eq!(external(&mut world).len(), 2, "nobody has told the end");
    world.advance(2_000);
    let left = external(&mut world);
    assert!(left.len() == 1 && left[0].contains("sport=2 "), "{left:#?}");
    tell_external(&mut world);
    check("alarm", world);
}

#[test]
fn a_flow_that_never_changed_is_told_again_as_new_and_one_that_did_as_update() {
    let mut world = World::new(alarm());
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.kernel(Side::A, EventKind::New, &tcp(2));
    world.kernel(Side::A, EventKind::Update, &closing(2));
    world.take_trace();
    world.advance(3_200);
    let trace = world.take_trace();
    assert!(
        trace.contains("CT_NEW(1)") && trace.contains("CT_UPD(2)"),
        "{trace}"
    );
    assert!(
        !trace.contains("CT_UPD(1)") && !trace.contains("CT_NEW(2)"),
        "{trace}"
    );
}

#[test]
fn what_a_kernel_has_at_start_and_what_is_committed_is_told_by_refreshes_alone() {
    let mut world = World::new(alarm());
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.start(Side::A, alarm());
    world.request(Side::B, Request::Commit(Table::Flows));
    world.take_trace();
    world.advance(1_000);
    let silent = world.take_trace();
    assert!(!silent.contains("CT_"), "no refresh is due so early: {silent}");
    world.advance(2_400);
    let trace = world.take_trace();
    for told in ["a→b  CT_NEW(1)", "b→a  CT_"] {
        assert!(trace.contains(told), "{told} in {trace}");
    }
}

#[test]
fn requests_of_other_modes_are_answered_and_do_nothing() {
    let mut world = World::new(alarm());
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.take_trace();
    world.reports.clear();
    for request in [Request::RequestResync, Request::Bulk] {
        let client = world.request(Side::A, request);
        assert!(world.ended.contains(&client), "{request:?}");
    }
    world.advance(1_000);
    let trace = world.take_trace();
    assert!(!trace.contains('→'), "{trace}");
    assert!(world.reports.is_empty(), "{:?}", world.reports);
}

#[test]
fn a_flush_takes_all_deadlines_back() {
    let mut world = World::new(alarm());
    world.kernel(Side::A, EventKind::New, &tcp(1));
    assert_eq!(world.node(Side::A).poll_timeout().unwrap().1, Timer::Refresh);
    assert_eq!(world.node(Side::B).poll_timeout().unwrap().1, Timer::Expiry);
    for side in [Side::A, Side::B] {
        world.request(side, Request::FlushCache(None));
        assert_eq!(world.node(side).poll_timeout(), None);
    }
    world.request(Side::A, Request::ResyncKernel(Table::Flows));
    world.advance(3_200);
    assert_eq!(external(&mut world).len(), 1, "a re-read flow is refreshed");
}

#[test]
fn an_entry_shows_how_long_it_lives() {
    let mut world = World::new(alarm());
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.lose(|_, _| true);
    world.advance(2_000);
    let lines = external(&mut world);
    assert!(lines[0].ends_with("[ASSURED] [expires in 3s]"), "{lines:#?}");
    let lines = world.dump(Side::A, CacheName::Internal);
    assert!(lines[0].ends_with("[ASSURED]"), "{lines:#?}");
}

#[test]
fn many_that_end_together_end_in_turns_and_are_counted() {
    const N_FLOWS: u16 = 50;
    let limits = Limits {
        bulk_turn_len_max: NonZeroU16::new(8).unwrap(),
        ..Limits::default()
    };
    let mut world = World::new(Config { limits, ..alarm() });
    for port in 0..N_FLOWS {
        world.kernel(Side::A, EventKind::New, &tcp(port));
    }
    world.lose(|_, _| true);
    world.advance(4_999);
    let mut lens = vec![external(&mut world).len()];
    for _ in 0..7 {
        world.advance(1);
        lens.push(external(&mut world).len());
    }
    assert_eq!(lens, [50, 42, 34, 26, 18, 10, 2, 0]);
    let client = world.request(Side::B, Request::Statistics(StatsTopic::Flows));
    let stats = String::from_utf8(world.replies[&client].clone()).unwrap();
    assert!(stats.contains("expired: 50"), "{stats}");
}
