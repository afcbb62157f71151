//! Expectations of the peer go into the kernel as they are told, behind their masters.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{Side, World, expecting, ftfw, ftp, notrack, tcp};
use engine::config::{Config, PeerFlows};
use engine::flow::{Expectation, Flow};
use engine::input::{CacheName, EventKind, Request, StatsTopic, Table};
use engine::seq::Seq;
use engine::wire::{
    Change, Content, EncodeOptions, Flags, Timeouts, WindowScales, encode_expectation, encode_flow, messages,
};

const OPTIONS: EncodeOptions = EncodeOptions {
    timeouts: Timeouts::Send,
    window_scales: WindowScales::Omit,
};

fn injecting(config: Config) -> World {
    let config = Config {
        peer_flows: PeerFlows::Injected,
        ..expecting(config)
    };
    let mut world = World::new(config);
    world.advance(2_500);
    world.take_trace();
    world.reports.clear();
    world
}

/// Ports that the kernel of B expects a connection to.
fn expected(world: &World) -> Vec<u16> {
    let expectations = world.kernels[&Side::B].expectations.values();
    expectations
        .filter_map(|expectation| Some(expectation.tuple.ports()?.1))
        .collect()
}

/// The counters of B, in the words of the engine.
fn counters(world: &mut World) -> String {
    let client = world.request(Side::B, Request::Statistics(StatsTopic::Expectations));
    let text = String::from_utf8(world.replies.remove(&client).unwrap()).unwrap();
    let (_, rest) = text.split_once("inject_expect: Some").unwrap();
    let of_injection = rest.split('}').next().unwrap();
    let fields = of_injection.lines().map(str::trim);
    let counted = fields.filter(|field| field.contains(": ") && !field.ends_with(": 0,"));
    counted.collect::<Vec<_>>().join(" ")
}

enum Told {
    Flow(Change, Flow),
    Expectation(Change, Expectation),
}

/// All of it reaches B in one datagram, before its kernel is asked for anything.
fn tell_at_once(world: &mut World, told: &[Told]) {
    let mut payload = Vec::new();
    for (told, seq) in told.iter().zip(1..) {
        match told {
            Told::Flow(change, flow) => {
                encode_flow(&mut payload, *change, Flags::NONE, Seq(seq), flow, OPTIONS);
            }
            Told::Expectation(change, expectation) => {
                encode_expectation(&mut payload, *change, Flags::NONE, Seq(seq), expectation, OPTIONS);
            }
        }
    }
    world.datagram(Side::B, &payload);
}

#[test]
fn the_kernel_has_what_the_peer_foretells_and_no_cache_has_it() {
    for config in [ftfw(), notrack()] {
        let mut world = injecting(config);
        world.kernel(Side::A, EventKind::New, &tcp(1));
        for port in [5_001, 5_002] {
            world.expect(Side::A, EventKind::New, &ftp(1, port));
        }
        assert_eq!(expected(&world), [5_001, 5_002]);
        world.expect(Side::A, EventKind::Destroy, &ftp(1, 5_001));
        assert_eq!(expected(&world), [5_002]);
        // A comparison of the table with the internal cache leaves the peer's alone.
        world.advance(600_000);
        for cache in [CacheName::Internal, CacheName::External] {
            assert_eq!(world.dump_table(Side::B, cache, Table::Expectations), [""; 0]);
        }
        assert_eq!(counters(&mut world), "created: 2, destroyed: 1,");
        assert_eq!(world.reports, [""; 0]);
    }
}

#[test]
fn one_that_is_told_again_takes_the_place_of_what_is_there() {
    let mut world = injecting(ftfw());
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.expect(Side::A, EventKind::New, &ftp(1, 5_001));
    world.request(Side::B, Request::RequestResync);
    world.advance(2_000);
    assert_eq!(expected(&world), [5_001]);
    assert_eq!(counters(&mut world), "created: 2,");
    assert_eq!(world.kernels[&Side::B].flows.len(), 1);
}

#[test]
fn of_what_waits_the_last_word_counts_and_a_master_goes_first() {
    use Change::{Delete, New};
    use Told::{Expectation, Flow};
    let mut world = injecting(notrack());
    tell_at_once(
        &mut world,
        &[
            Flow(New, tcp(1)),
            Expectation(New, ftp(1, 5_001)),
            Expectation(New, ftp(1, 5_002)),
            Flow(New, tcp(2)),
            Expectation(New, ftp(2, 5_003)),
            Expectation(Delete, ftp(1, 5_001)),
            // Another master with the same tuple: what was told of the first one is gone with it.
            Flow(Delete, tcp(2)),
            Flow(New, tcp(2)),
            Expectation(New, ftp(2, 5_003)),
        ],
    );
    assert_eq!(expected(&world), [5_002, 5_003]);
    assert_eq!(counters(&mut world), "created: 2,");
    assert!(
        !world.reports.iter().any(|line| line.contains("exp entry")),
        "nothing was refused: {:?}",
        world.reports
    );
}

#[test]
fn one_without_master_is_refused_told_and_taken_when_the_master_comes() {
    let mut world = injecting(ftfw());
    world.lose(|from, payload| {
        let is_flow = |message: Result<engine::wire::MessageView<'_>, _>| {
            matches!(message.unwrap().content(), Ok(Content::Flow(_)))
        };
        from == Side::A && messages(payload).any(is_flow)
    });
    world.kernel(Side::A, EventKind::New, &tcp(1));
    world.expect(Side::A, EventKind::New, &ftp(1, 5_001));
    assert_eq!(expected(&world), [0; 0]);
    assert_eq!(counters(&mut world), "create_failed: 1,");
    let refused = |line: &String| line.starts_with("b: report: could not add new exp entry: ");
    assert!(world.reports.iter().any(refused), "{:?}", world.reports);
    world.heal();
    world.advance(3_000);
    assert_eq!(expected(&world), [5_001], "the master was told again");
    assert_eq!(counters(&mut world), "created: 1, create_failed: 1,");
}

#[test]
fn what_waited_for_a_master_in_vain_is_not_made_of_its_successor() {
    use Change::{Delete, New};
    for end in [
        Told::Expectation(Delete, ftp(1, 5_001)),
        Told::Flow(Delete, tcp(1)),
    ] {
        let mut world = injecting(notrack());
        tell_at_once(&mut world, &[Told::Expectation(New, ftp(1, 5_001))]);
        tell_at_once(&mut world, &[end]);
        tell_at_once(&mut world, &[Told::Flow(New, tcp(1))]);
        assert_eq!(expected(&world), [0; 0]);
        assert_eq!(world.kernels[&Side::B].flows.len(), 1);
    }
}

#[test]
fn of_more_than_may_wait_the_peer_is_asked_again() {
    let config = Config {
        cache_len_max: std::num::NonZeroU32::new(2).unwrap(),
        ..notrack()
    };
    let mut world = injecting(config);
    let told: Vec<_> = (1..=5)
        .map(|port| Told::Expectation(Change::Delete, ftp(1, port)))
        .collect();
    tell_at_once(&mut world, &told);
    assert_eq!(counters(&mut world), "dropped: 3,");
    let asks = |line: &String| line.contains("2 expectations of the other node wait for the kernel");
    assert!(world.reports.iter().any(asks), "{:?}", world.reports);
}
