//! Stories of expectations: foretold, replicated, committed, forgotten.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;

use common::{Side, World, check, expecting, ftfw, ftp, notrack, tcp};
use engine::config::{Config, ExpectationSync};
use engine::flow::{Expectation, Flow, HelperName, Nat, SeqAdj, SeqAdjPair, Status};
use engine::input::{CacheName, EventKind, Input, KernelInput, Request, StatsTopic, Table};
use engine::wire::{self, Content};

fn expectations(world: &mut World, side: Side, cache: CacheName) -> Vec<String> {
    world.dump_table(side, cache, Table::Expectations)
}

#[test]
fn an_expectation_is_foretold_committed_and_fulfilled() {
    let mut world = World::new(expecting(ftfw()));
    world.advance(2_500);
    world.take_trace();
    world.kernel(Side::A, EventKind::New, &tcp(40_000));
    world.expect(Side::A, EventKind::New, &ftp(40_000, 5_001));
    world.expect(Side::A, EventKind::New, &ftp(40_000, 5_002));
    world.expect(Side::A, EventKind::Destroy, &ftp(40_000, 5_001));
    world.advance(2_000);
    let ours = expectations(&mut world, Side::A, CacheName::Internal);
    assert_eq!(ours.len(), 1);
    assert_eq!(expectations(&mut world, Side::B, CacheName::External), ours);
    world.request(Side::B, Request::Commit(Table::Both));
    assert_eq!(expectations(&mut world, Side::B, CacheName::Internal), ours);
    let committed: Vec<_> = world.kernels[&Side::B].expectations.values().cloned().collect();
    let left = Expectation {
        timeout_secs: Some(298),
        id: None,
        ..ftp(40_000, 5_002)
    };
    assert_eq!(committed, [left], "it has lived for two seconds");
    check("expectation", world);
}

#[test]
fn expectations_that_exist_are_replaced_by_a_commit_and_failures_are_counted() {
    let mut world = World::new(expecting(ftfw()));
    world.kernel(Side::A, EventKind::New, &tcp(1));
    for port in 1..=300 {
        world.expect(Side::A, EventKind::New, &ftp(1, port));
    }
    world.advance(2_500);
    world.request(Side::B, Request::Commit(Table::Both));
    world.request(Side::B, Request::Commit(Table::Expectations));
    let committed = |n, failed: &str| {
        format!("b: report: Committed {n} new expectations\n{failed}commit has taken 0.000000 seconds")
    };
    let of_expectations = |world: &World| -> Vec<String> {
        let is_one = |line: &&String| line.contains("new expectations");
        world.reports.iter().filter(is_one).cloned().collect()
    };
    let all = committed(300, "");
    assert_eq!(of_expectations(&world), [all.clone(), all.clone()]);
    world.kernels.insert(Side::B, common::Kernel::default());
    world.request(Side::B, Request::Commit(Table::Expectations));
    let none = committed(0, "300 expectations can't be committed\n");
    assert_eq!(of_expectations(&world), [all.clone(), all, none]);
    let failure = "b: report: commit-create: No such file or directory";
    let n_failures = world.reports.iter().filter(|line| *line == failure).count();
    assert_eq!(n_failures, 1, "the first of each error is logged");
}

#[test]
fn an_expectation_whose_time_is_over_is_not_committed() {
    let mut world = World::new(expecting(ftfw()));
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.expect(Side::A, EventKind::New, &ftp(1, 1));
    world.lose(|_, _| true);
    world.advance(300_000);
    world.request(Side::B, Request::Commit(Table::Both));
    assert_eq!(world.kernels[&Side::B].flows.len(), 1);
    assert_eq!(world.kernels[&Side::B].expectations.len(), 0);
}

#[test]
fn an_expectation_ends_whatever_went_before() {
    let mut world = World::new(expecting(ftfw()));
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.expect(Side::A, EventKind::New, &ftp(1, 1));
    world.expect(Side::A, EventKind::New, &ftp(1, 2));
    world.kernel(Side::A, EventKind::Destroy, &tcp(1));
    world.advance(3_000);
    for (side, cache) in [(Side::A, CacheName::Internal), (Side::B, CacheName::External)] {
        let left = expectations(&mut world, side, cache);
        assert!(left.is_empty(), "they went with their master: {left:?}");
    }
    world.expect(Side::A, EventKind::Destroy, &ftp(1, 1));
    world.kernel(Side::A, EventKind::New, &tcp(2));
    world.expect(Side::A, EventKind::New, &ftp(2, 3));
    world.request(Side::A, Request::FlushCache(Some(CacheName::Internal)));
    world.expect(Side::A, EventKind::Destroy, &ftp(2, 3));
    world.advance(3_000);
    for (side, cache) in [(Side::A, CacheName::Internal), (Side::B, CacheName::External)] {
        let left = expectations(&mut world, side, cache);
        assert!(left.is_empty(), "its master was not known any more: {left:?}");
    }
}

#[test]
fn an_expectation_that_is_told_before_its_master_waits_for_it() {
    let mut world = World::new(expecting(notrack()));
    world.expect(Side::A, EventKind::New, &ftp(1, 1));
    assert!(expectations(&mut world, Side::A, CacheName::Internal).is_empty());
    world.kernel(Side::A, EventKind::New, &tcp(1));
    assert_eq!(expectations(&mut world, Side::B, CacheName::External).len(), 1);
}

#[test]
fn only_expectations_of_listed_helpers_are_told() {
    let list = ExpectationSync::Helpers(Box::new(["sip".into()]));
    let mut world = World::new(Config {
        expectations: list,
        ..ftfw()
    });
    world.kernel(Side::A, EventKind::New, &tcp(1));
    let sip = Expectation {
        helper: HelperName::from_bytes(b"SIP-5070").ok(),
        ..ftp(1, 2)
    };
    world.expect(Side::A, EventKind::New, &ftp(1, 1));
    world.expect(Side::A, EventKind::New, &sip);
    assert_eq!(expectations(&mut world, Side::B, CacheName::External).len(), 1);
    let client = world.request(Side::A, Request::Statistics(StatsTopic::Runtime));
    let statistics = String::from_utf8(world.replies.remove(&client).unwrap()).unwrap();
    assert!(statistics.contains("events_filtered: 1,"), "{statistics}");
}

#[test]
fn a_re_read_finds_expectations_that_came_and_went_without_an_event() {
    for (request, wait_ms) in [(Some(Request::ResyncKernel(Table::Both)), 0), (None, 30_000)] {
        let mut world = World::new(expecting(ftfw()));
        world.kernel(Side::A, EventKind::New, &tcp(1));
        world.expect(Side::A, EventKind::New, &ftp(1, 1));
        let kernel = world.kernels.get_mut(&Side::A).unwrap();
        kernel.expectations.clear();
        let missed = ftp(1, 2);
        kernel.expectations.insert(missed.tuple, missed);
        world.input(Side::A, Input::Kernel(KernelInput::Overrun));
        let client = request.map(|request| world.request(Side::A, request));
        world.advance(wait_ms + 3_000);
        let ours = expectations(&mut world, Side::A, CacheName::Internal);
        assert!(ours.len() == 1 && ours[0].contains("dport=2 "), "{ours:?}");
        assert_eq!(expectations(&mut world, Side::B, CacheName::External), ours);
        let ghost = "a: report: 1 expectations had ended without an event and were removed";
        let n_ghosts = world.reports.iter().filter(|line| *line == ghost).count();
        assert_eq!(n_ghosts, 1, "{:#?}", world.reports);
        if let Some(client) = client {
            let n_ends = world.ended.iter().filter(|ended| **ended == client).count();
            assert_eq!(n_ends, 1, "one end for two tables");
        }
    }
}

#[test]
fn a_flush_of_the_kernel_takes_both_tables_and_is_not_told() {
    let mut world = World::new(expecting(ftfw()));
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.expect(Side::A, EventKind::New, &ftp(1, 1));
    world.advance(2_500);
    let client = world.request(Side::A, Request::FlushKernel(Table::Both));
    let kernel = &world.kernels[&Side::A];
    assert!(kernel.flows.is_empty() && kernel.expectations.is_empty());
    assert!(expectations(&mut world, Side::A, CacheName::Internal).is_empty());
    assert_eq!(expectations(&mut world, Side::B, CacheName::External).len(), 1);
    assert_eq!(world.ended.iter().filter(|ended| **ended == client).count(), 1);
    world.request(Side::B, Request::FlushCache(None));
    assert!(expectations(&mut world, Side::B, CacheName::External).is_empty());
}

#[test]
fn expectations_that_a_restarted_peer_does_not_name_are_dropped() {
    let mut world = World::new(expecting(ftfw()));
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.expect(Side::A, EventKind::New, &ftp(1, 1));
    world.expect(Side::A, EventKind::New, &ftp(1, 2));
    world.advance(2_500);
    let gone = ftp(1, 1).tuple;
    world
        .kernels
        .get_mut(&Side::A)
        .unwrap()
        .expectations
        .remove(&gone);
    world.start(Side::A, expecting(ftfw()));
    world.advance(20_000);
    let left = expectations(&mut world, Side::B, CacheName::External);
    assert!(left.len() == 1 && left[0].contains("dport=2 "), "{left:?}");
}

#[test]
fn without_replicated_expectations_their_commands_do_nothing() {
    let mut world = World::new(ftfw());
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.expect(Side::A, EventKind::New, &ftp(1, 1));
    assert!(expectations(&mut world, Side::A, CacheName::Internal).is_empty());
    world.take_trace();
    world.reports.clear();
    for request in [
        Request::Commit(Table::Expectations),
        Request::FlushKernel(Table::Expectations),
        Request::ResyncKernel(Table::Expectations),
        Request::Statistics(StatsTopic::Expectations),
    ] {
        let client = world.request(Side::A, request);
        assert_eq!(world.ended.last(), Some(&client), "{request:?}");
        assert!(!world.replies.contains_key(&client), "{request:?}");
    }
    assert_eq!(world.reports, Vec::<String>::new());
    assert_eq!(world.kernels[&Side::A].expectations.len(), 1);
}

/// The flow from `port`, with its source translated.
fn translated(port: u16) -> Flow {
    let flow = tcp(port);
    let gateway = Nat {
        snat: Some(IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1))),
        ..Nat::NONE
    };
    Flow {
        reply: Some(gateway.applied_to(flow.orig.mirrored())),
        status: flow.status.map(|status| status | Status::SRC_NAT_DONE),
        ..flow
    }
}

/// The same once the kernel shifts its sequence numbers by `offset`.
fn adjusted(port: u16, offset: u32) -> Flow {
    let flow = translated(port);
    let shifted_by = |offset_after| SeqAdj {
        correction_pos: 1,
        offset_before: 0,
        offset_after,
    };
    Flow {
        status: flow.status.map(|status| status | Status::SEQ_ADJUST),
        seq_adj: Some(SeqAdjPair {
            orig: shifted_by(0),
            reply: shifted_by(offset),
        }),
        ..flow
    }
}

/// What was told of sequence adjustments, offset by offset: 0 for a flow that has none.
fn listen_for_offsets(world: &mut World) -> Rc<RefCell<Vec<u32>>> {
    let told = Rc::<RefCell<Vec<u32>>>::default();
    let log = Rc::clone(&told);
    world.lose(move |_, payload| {
        for message in wire::messages(payload).flatten() {
            if let Ok(Content::Flow(_)) = message.content() {
                let flow = wire::decode_flow(message.body, 0).unwrap().flow;
                let offset = flow.seq_adj.map_or(0, |pair| pair.reply.offset_after);
                log.borrow_mut().push(offset);
            }
        }
        false
    });
    told
}

#[test]
fn a_sequence_adjustment_is_read_back_when_a_helper_rewrites_the_master() {
    for config in [expecting(ftfw()), ftfw()] {
        let mut world = World::new(config);
        world.advance(2_500);
        let told = listen_for_offsets(&mut world);
        world.kernel(Side::A, EventKind::New, &translated(1));
        world.expect(Side::A, EventKind::New, &ftp(1, 1));
        let kernel = world.kernels.get_mut(&Side::A).unwrap();
        kernel.flows.insert((tcp(1).orig, None), adjusted(1, 5));
        world.advance(1_000);
        assert_eq!(*told.borrow(), [0, 5]);
        world.expect(Side::A, EventKind::New, &ftp(1, 2));
        world.advance(1_000);
        assert_eq!(*told.borrow(), [0, 5], "it has not changed");
    }
}

#[test]
fn a_flow_whose_status_says_adjusted_is_told_once_it_is_known_by_how_much() {
    let mut world = World::new(ftfw());
    world.advance(2_500);
    let told = listen_for_offsets(&mut world);
    world.kernel(Side::A, EventKind::New, &translated(1));
    let half = Flow {
        seq_adj: None,
        ..adjusted(1, 5)
    };
    let kernel = world.kernels.get_mut(&Side::A).unwrap();
    kernel.flows.insert((tcp(1).orig, None), adjusted(1, 5));
    world.event(Side::A, EventKind::Update, &half);
    world.event(Side::A, EventKind::Update, &half);
    world.advance(1_000);
    assert_eq!(*told.borrow(), [0, 5], "never half of it");
    let kernel = world.kernels.get_mut(&Side::A).unwrap();
    kernel.flows.insert((tcp(1).orig, None), adjusted(1, 7));
    world.event(Side::A, EventKind::Update, &half);
    world.advance(1_000);
    assert_eq!(
        *told.borrow(),
        [0, 5, 5, 7],
        "what is known is told at once, what is new a moment later"
    );
}

#[test]
fn a_flow_that_ends_before_it_is_read_back_is_told_to_end() {
    let mut world = World::new(ftfw());
    world.kernel(Side::A, EventKind::New, &translated(1));
    let half = Flow {
        seq_adj: None,
        ..adjusted(1, 5)
    };
    world.event(Side::A, EventKind::Update, &half);
    world.kernel(Side::A, EventKind::Destroy, &half);
    world.advance(1_000);
    assert!(world.dump(Side::B, CacheName::External).is_empty());
}

#[test]
fn an_expectation_that_a_dump_shows_before_its_master_waits_for_it() {
    let mut world = World::new(expecting(ftfw()));
    world.advance(2_500);
    let expectation = ftp(1, 1);
    let kernel = world.kernels.get_mut(&Side::A).unwrap();
    kernel.expectations.insert(expectation.tuple, expectation);
    world.request(Side::A, Request::ResyncKernel(Table::Expectations));
    assert!(expectations(&mut world, Side::A, CacheName::Internal).is_empty());
    let kernel = world.kernels.get_mut(&Side::A).unwrap();
    kernel.flows.insert((tcp(1).orig, None), tcp(1));
    world.request(Side::A, Request::ResyncKernel(Table::Flows));
    assert_eq!(expectations(&mut world, Side::A, CacheName::Internal).len(), 1);
}

#[test]
fn a_re_read_keeps_an_expectation_whose_master_was_flushed_from_the_cache() {
    let mut world = World::new(expecting(ftfw()));
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.expect(Side::A, EventKind::New, &ftp(1, 1));
    world.request(Side::A, Request::FlushCache(Some(CacheName::Internal)));
    world.request(Side::A, Request::ResyncKernel(Table::Expectations));
    world.advance(3_000);
    for (side, cache) in [(Side::A, CacheName::Internal), (Side::B, CacheName::External)] {
        assert_eq!(expectations(&mut world, side, cache).len(), 1);
    }
}
