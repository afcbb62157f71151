//! Stories of two nodes, told as traces that a reviewer can read (`traces/`).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{DOWN, FTFW, RUNS, Side, World, alarm, check, config, ftfw, link, notrack, peer_on, tcp};
use engine::config::{Config, FtfwConfig, Mode, StartupResync};
use engine::flow::{Flow, HelperName, Nat, ProtoState, Status, Tcp, TcpState, Tuple};
use engine::input::{CacheName, Channel, Errno, EventKind, Input, KernelInput, Request, StatsTopic, Table};
use engine::wire::{self, Content};
use std::net::IpAddr;

fn external(world: &mut World) -> Vec<String> {
    world.dump(Side::B, CacheName::External)
}

fn is_data(payload: &[u8]) -> bool {
    wire::messages(payload)
        .flatten()
        .any(|message| matches!(message.content(), Ok(Content::Flow(_))))
}

#[test]
fn two_nodes_greet_and_acknowledge() {
    let mut world = World::new(ftfw());
    world.advance(3_500);
    check("greeting", world);
}

#[test]
fn a_flow_is_born_changes_and_dies() {
    let mut world = World::new(ftfw());
    world.advance(2_500);
    world.take_trace();
    world.kernel(Side::A, EventKind::New, &tcp(40_000));
    assert_eq!(external(&mut world).len(), 1);
    let closing = ProtoState::Tcp(Tcp::in_state(TcpState::FIN_WAIT));
    world.kernel(
        Side::A,
        EventKind::Update,
        &Flow {
            proto: closing,
            ..tcp(40_000)
        },
    );
    world.advance(500);
    world.kernel(Side::A, EventKind::Destroy, &tcp(40_000));
    world.advance(1_500);
    assert!(external(&mut world).is_empty());
    check("life_of_a_flow", world);
}

#[test]
fn a_lost_flow_is_resent_in_its_present_state() {
    let mut world = World::new(ftfw());
    world.advance(2_500);
    world.take_trace();
    let mut n_data = 0;
    world.lose(move |from, payload| {
        n_data += u32::from(from == Side::A && is_data(payload));
        n_data <= 2 && from == Side::A && is_data(payload)
    });
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.kernel(Side::A, EventKind::New, &tcp(2));
    world.kernel(Side::A, EventKind::New, &tcp(3));
    world.kernel(Side::A, EventKind::Destroy, &tcp(2));
    world.advance(1_200);
    assert_eq!(external(&mut world).len(), 2);
    check("loss", world);
}

#[test]
fn a_restarted_peer_is_told_everything_unasked() {
    let mut world = World::new(ftfw());
    for port in 1..=3 {
        world.kernel(Side::A, EventKind::New, &tcp(port));
    }
    world.advance(2_500);
    world.take_trace();
    world.start(Side::B, ftfw());
    assert!(external(&mut world).is_empty());
    world.advance(1_500);
    assert_eq!(external(&mut world).len(), 3);
    check("peer_restart", world);
}

#[test]
fn what_died_while_the_daemon_was_away_leaves_the_peer() {
    let mut world = World::new(ftfw());
    for port in 1..=3 {
        world.kernel(Side::A, EventKind::New, &tcp(port));
    }
    world.advance(2_500);
    let kernel = world.kernels.get_mut(&Side::A).unwrap();
    kernel.flows.retain(|_, flow| flow.id != Some(2));
    world.start(Side::A, ftfw());
    world.advance(1_500);
    assert_eq!(
        external(&mut world).len(),
        3,
        "nobody told that the second is gone"
    );
    world.advance(20_000);
    let left = external(&mut world);
    assert_eq!(
        left.len(),
        2,
        "what the new process did not name is dropped: {left:#?}"
    );
}

#[test]
fn a_nack_for_flows_that_left_the_resend_queue_brings_a_bulk() {
    let small = FtfwConfig {
        resend_queue_len_max: 4.try_into().unwrap(),
        ..FTFW
    };
    let mut world = World::new(config(Mode::Ftfw(small)));
    world.advance(2_500);
    world.take_trace();
    world.lose(|from, payload| from == Side::A && is_data(payload));
    for port in 1..=10 {
        world.kernel(Side::A, EventKind::New, &tcp(port));
    }
    world.heal();
    world.advance(10_000);
    assert_eq!(external(&mut world).len(), 10, "{}", world.take_trace());
    check("lost_beyond_resend", world);
}

#[test]
fn notrack_shows_that_it_lives_and_tells_its_flows_once() {
    let mut world = World::new(notrack());
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.advance(2_500);
    world.request(Side::B, Request::RequestResync);
    world.advance(1_500);
    check("notrack", world);
}

#[test]
fn a_startup_resync_fetches_what_the_peer_has() {
    let mut world = World::new(ftfw());
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.advance(2_500);
    world.take_trace();
    let asking = FtfwConfig {
        startup_resync: StartupResync::On,
        ..FTFW
    };
    world.start(Side::B, config(Mode::Ftfw(asking)));
    world.advance(500);
    assert_eq!(external(&mut world).len(), 1);
    check("startup_resync", world);
}

#[test]
fn a_flow_that_nobody_told_of_during_a_commit_is_found_after_it() {
    let mut world = World::new(ftfw());
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.advance(2_500);
    world.request(Side::B, Request::Commit(Table::Both));
    let kernel = world.kernels.get_mut(&Side::B).unwrap();
    kernel.flows.insert((tcp(2).orig, None), tcp(2));
    world.advance(1_500);
    let internal = world.dump(Side::B, CacheName::Internal);
    assert_eq!(internal.len(), 2, "{internal:?}");
    let external = world.dump(Side::A, CacheName::External);
    assert_eq!(external.len(), 1, "{external:?}");
    assert!(external[0].contains("sport=2 "), "{external:?}");
}

#[test]
fn a_re_read_by_hand_tells_the_peer_what_an_overrun_hid() {
    let mut world = World::new(ftfw());
    world.advance(2_500);
    let kernel = world.kernels.get_mut(&Side::A).unwrap();
    kernel.flows.insert((tcp(1).orig, None), tcp(1));
    world.input(Side::A, Input::Kernel(KernelInput::Overrun));
    world.request(Side::A, Request::ResyncKernel(Table::Both));
    world.advance(1_000);
    assert_eq!(external(&mut world).len(), 1, "{}", world.take_trace());
}

#[test]
fn a_bulk_that_takes_long_loses_no_flow_of_a_restarted_node() {
    let small = FtfwConfig {
        resend_queue_len_max: 4.try_into().unwrap(),
        ..FTFW
    };
    let mut world = World::new(config(Mode::Ftfw(small)));
    for port in 1..=100 {
        world.kernel(Side::A, EventKind::New, &tcp(port));
    }
    world.advance(2_500);
    world.start(Side::A, config(Mode::Ftfw(small)));
    for second in 0..60 {
        world.advance(1_000);
        assert_eq!(external(&mut world).len(), 100, "after {second} seconds");
    }
}

/// What node B's kernel makes of packets that come before the commit.
fn stray(orig: Tuple) -> Flow {
    Flow {
        orig,
        reply: Some(orig.mirrored()),
        id: Some(999),
        ..tcp(1)
    }
}

#[test]
fn what_packets_left_in_the_way_of_a_flow_gives_way_to_it() {
    let mut world = World::new(ftfw());
    let plain = tcp(1);
    let mut translated = tcp(2);
    let public = IpAddr::from([203, 0, 113, 1]);
    translated.reply = translated.reply.map(|reply| {
        let nat = Nat {
            snat: Some(public),
            ..Nat::NONE
        };
        nat.applied_to(reply)
    });
    translated.status = translated
        .status
        .map(|status| status | Status::SRC_NAT | Status::SRC_NAT_DONE);
    world.advance(2_500);
    for flow in [&plain, &translated] {
        world.kernel(Side::A, EventKind::New, flow);
        // The answer of the server comes first; nobody translates it back.
        world.kernel(Side::B, EventKind::New, &stray(flow.reply.unwrap()));
    }
    let untranslated = stray(translated.orig);
    world.kernel(Side::B, EventKind::New, &untranslated);
    world.request(Side::B, Request::Commit(Table::Both));
    world.advance(1_000);
    let flows: Vec<_> = world.kernels[&Side::B].flows.values().collect();
    let tuples: Vec<_> = flows.iter().map(|flow| (flow.orig, flow.reply)).collect();
    assert_eq!(
        tuples,
        [(plain.orig, plain.reply), (translated.orig, translated.reply)],
        "{}",
        world.take_trace()
    );
    assert_eq!(
        world.dump(Side::B, CacheName::Internal).len(),
        2,
        "the strays are gone"
    );
    assert_eq!(
        world.dump(Side::A, CacheName::External).len(),
        1,
        "the peer hears that the strays are gone, and what took the place of a flow it knew"
    );
}

#[test]
fn a_commit_into_a_full_cache_is_reported() {
    let config = Config {
        cache_len_max: 3.try_into().unwrap(),
        ..ftfw()
    };
    let mut world = World::new(config);
    for port in 1..=3 {
        world.kernel(Side::A, EventKind::New, &tcp(port));
        world.kernel(Side::B, EventKind::New, &tcp(10 + port));
    }
    world.advance(2_500);
    world.request(Side::B, Request::Commit(Table::Both));
    let full = "b: report: the internal cache is full at 3 entries: 3 were not replicated; raise HashLimit";
    assert!(
        world.reports.iter().any(|report| report == full),
        "{:#?}",
        world.reports
    );
}

#[test]
fn a_takeover_moves_the_flows_into_the_kernel_and_back_to_the_peer() {
    let mut world = World::new(ftfw());
    for port in 1..=3 {
        world.kernel(Side::A, EventKind::New, &tcp(port));
    }
    world
        .kernels
        .get_mut(&Side::B)
        .unwrap()
        .flows
        .insert((tcp(3).orig, None), tcp(3));
    world
        .kernels
        .get_mut(&Side::B)
        .unwrap()
        .refuses
        .insert(2, Errno::ENOMEM);
    world.advance(2_500);
    world.take_trace();
    for request in [
        Request::Commit(Table::Both),
        Request::FlushCache(None),
        Request::ResyncKernel(Table::Both),
        Request::Bulk,
    ] {
        let client = world.request(Side::B, request);
        assert!(world.ended.contains(&client), "{request:?} is answered");
    }
    world.advance(1_000);
    assert_eq!(world.kernels[&Side::B].flows.len(), 2);
    assert_eq!(
        world.dump(Side::A, CacheName::External).len(),
        2,
        "the new primary told the new backup"
    );
    check("takeover", world);
}

#[test]
fn two_nodes_with_a_window_of_one_come_to_rest() {
    let narrow = FtfwConfig {
        ack_window: 1.try_into().unwrap(),
        ..FTFW
    };
    let mut world = World::new(config(Mode::Ftfw(narrow)));
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.advance(10_000);
    let n_messages = world.take_trace().matches(" seq ").count();
    assert!(n_messages < 100, "{n_messages} messages in ten idle seconds");
}

fn with_helper(port: u16) -> Flow {
    Flow {
        helper: HelperName::from_bytes(b"ftp").ok(),
        ..tcp(port)
    }
}

#[test]
fn a_new_flow_inherits_nothing_from_one_with_its_tuple_whose_end_was_lost() {
    let mut world = World::new(ftfw());
    world.advance(2_500);
    world.kernel(Side::A, EventKind::New, &with_helper(1));
    world.lose(|_, _| true);
    let next = Flow {
        id: Some(77),
        ..tcp(1)
    };
    world.kernel(Side::A, EventKind::Destroy, &with_helper(1));
    world.kernel(Side::A, EventKind::New, &next);
    world.kernel(Side::A, EventKind::Update, &next);
    world.heal();
    world.advance(10_000);
    let lines = external(&mut world);
    assert!(!lines[0].contains("helper"), "{lines:#?}");
}

#[test]
fn an_update_with_another_id_is_about_another_flow() {
    let mut world = World::new(ftfw());
    world.kernel(Side::A, EventKind::New, &with_helper(1));
    let next = Flow {
        id: Some(77),
        ..tcp(1)
    };
    world.event(Side::A, EventKind::Update, &next);
    let lines = world.dump(Side::A, CacheName::Internal);
    assert!(!lines[0].contains("helper"), "{lines:#?}");
}

#[test]
fn a_dumped_flow_with_another_id_is_another_flow() {
    let mut world = World::new(ftfw());
    world.kernel(Side::A, EventKind::New, &with_helper(1));
    let next = Flow {
        id: Some(77),
        ..tcp(1)
    };
    let kernel = world.kernels.get_mut(&Side::A).unwrap();
    kernel.flows.insert((next.orig, None), next);
    world.request(Side::A, Request::ResyncKernel(Table::Flows));
    let lines = world.dump(Side::A, CacheName::Internal);
    assert!(!lines[0].contains("helper"), "{lines:#?}");
}

#[test]
fn masters_that_are_expected_themselves_are_committed_before_their_children() {
    let mut world = World::new(ftfw());
    let of = |port: u16, master: u16| Flow {
        master: Some(tcp(master).orig),
        ..tcp(port)
    };
    for flow in [tcp(1), of(2, 1), of(4, 3), of(3, 2)] {
        world.kernel(Side::A, EventKind::New, &flow);
    }
    world.advance(2_500);
    world.request(Side::B, Request::Commit(Table::Flows));
    for port in 2..=4 {
        let flow = &world.kernels[&Side::B].flows[&(tcp(port).orig, None)];
        assert!(flow.master.is_some(), "{port} has lost its master");
    }
}

#[test]
fn a_master_whose_own_master_is_gone_keeps_its_child() {
    let mut world = World::new(ftfw());
    let of = |port: u16, master: u16| Flow {
        master: Some(tcp(master).orig),
        ..tcp(port)
    };
    for flow in [of(2, 1), of(3, 2)] {
        world.kernel(Side::A, EventKind::New, &flow);
    }
    world.advance(2_500);
    world.request(Side::B, Request::Commit(Table::Flows));
    let master = |port: u16| world.kernels[&Side::B].flows[&(tcp(port).orig, None)].master;
    assert_eq!((master(2), master(3)), (None, Some(tcp(2).orig)));
}

#[test]
fn flows_that_left_the_resend_queue_are_told_even_if_nobody_asks_for_them() {
    let small = FtfwConfig {
        resend_queue_len_max: 4.try_into().unwrap(),
        ..FTFW
    };
    let mut world = World::new(config(Mode::Ftfw(small)));
    world.advance(2_500);
    world.lose(|from, payload| from == Side::A && is_data(payload));
    for port in 1..=10 {
        world.kernel(Side::A, EventKind::New, &tcp(port));
    }
    let is_nack = |message: wire::MessageView<'_>| matches!(message.content(), Ok(Content::Nack(_)));
    world.lose(move |from, payload| from == Side::B && wire::messages(payload).flatten().any(is_nack));
    world.advance(20_000);
    assert_eq!(external(&mut world).len(), 10, "{}", world.take_trace());
}

/// Two nodes with two links, both up.
fn with_two_links(mode: Config) -> World {
    let links = vec![link("sync0"), link("sync1")];
    let mut world = World::new(Config { links, ..mode });
    world.advance(2_500);
    world.take_trace();
    world
}

#[test]
fn the_other_link_carries_on_and_what_was_lost_is_resent() {
    let mut world = with_two_links(ftfw());
    // Nobody has heard yet that the cable is cut.
    world.lose(|_, _| true);
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.kernel(Side::A, EventKind::New, &tcp(2));
    world.heal();
    world.interface(Side::A, Channel(0), DOWN);
    world.kernel(Side::A, EventKind::New, &tcp(3));
    world.kernel(Side::B, EventKind::New, &tcp(4));
    assert_eq!(external(&mut world).len(), 3);
    assert_eq!(world.dump(Side::A, CacheName::External).len(), 1);
    // What comes back is not gone back to.
    world.interface(Side::A, Channel(0), RUNS);
    world.advance(1_200);
    world.interface(Side::A, Channel(1), DOWN);
    world.kernel(Side::A, EventKind::Destroy, &tcp(3));
    world.advance(1_200);
    assert_eq!(external(&mut world).len(), 2);
    check("two_links", world);
}

#[test]
fn a_node_follows_its_peer_to_the_link_that_works() {
    let mut world = with_two_links(ftfw());
    // A switch on the way has failed: a's interface has lost its carrier, b's has not.
    world.interface(Side::A, Channel(0), DOWN);
    world.advance(1_200);
    world.kernel(Side::B, EventKind::New, &tcp(1));
    assert_eq!(world.dump(Side::A, CacheName::External).len(), 1);
    check("following", world);
}

#[test]
fn a_way_that_breaks_unseen_is_left_and_what_was_lost_on_it_is_resent() {
    let mut world = with_two_links(ftfw());
    world.cut(Channel(0));
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.advance(9_000);
    assert!(
        external(&mut world).is_empty(),
        "a stock peer may be busy for long"
    );
    world.advance(3_000);
    assert_eq!(external(&mut world).len(), 1);
    world.kernel(Side::B, EventKind::New, &tcp(2));
    assert_eq!(world.dump(Side::A, CacheName::External).len(), 1);
    world.take_trace();
    // Nor is it left again, or gone back to.
    world.advance(60_000);
    assert!(!world.take_trace().contains("dedicated link"));
}

#[test]
fn signs_of_life_that_were_never_given_are_not_missed() {
    let mut world = with_two_links(alarm());
    world.advance(200_000);
    assert!(!world.take_trace().contains("dedicated link"));
}

#[test]
fn what_comes_late_by_another_link_is_not_followed() {
    let late = |world: &mut World, payload: &[u8]| {
        world.input(Side::B, peer_on(Channel(1), payload));
        let client = world.request(Side::B, Request::Statistics(StatsTopic::Link));
        let statistics = String::from_utf8(world.replies.remove(&client).unwrap()).unwrap();
        statistics.contains("active_channel: Channel(\n        0,")
    };
    let mut world = with_two_links(ftfw());
    // ALIVE of an old number, of another version, with flags that are no message, and cut off.
    for payload in [
        [0x1a, 0x10, 0, 8, 0, 0, 0, 1],
        [0x2a, 0x10, 0, 8, 0, 0, 9, 9],
        [0x1a, 0x01, 0, 8, 0, 0, 9, 9],
        [0x1a, 0x10, 0, 9, 0, 0, 9, 9],
    ] {
        assert!(late(&mut world, &payload), "{payload:x?}");
    }
    assert!(!late(&mut world, &[0x1a, 0x10, 0, 8, 0, 0, 9, 9]));
}
