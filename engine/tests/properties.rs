//! What holds for every history: deadlines are announced, runs repeat, FT-FW and ALARM converge.
//! What holds in NOTRACK is in `notrack.rs`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::num::NonZeroU16;
use std::rc::Rc;
use std::time::Duration;

use common::{FTFW, Side, World, alarm, config, expecting, ftfw, ftp, notrack, peer, tcp};
use engine::config::{Config, FtfwConfig, Limits, Mode, OwnFlows, PeerFlows};
use engine::input::{
    CacheName, ClientId, DumpFormat, EventKind, Input, KernelInput, LinkEvent, Origin, Request, StatsTopic,
    Table,
};
use engine::output::{KernelOp, Output};
use engine::seq::Seq;
use engine::time::{Instant, UnixTime};
use engine::wire::{
    Change, ControlMessage, EncodeOptions, Flags, SeqRange, Timeouts, WindowScales, encode_control,
    encode_flow,
};
use engine::{Engine, Seed};
use proptest::prelude::*;

/// Something that happens to one engine.
#[derive(Clone, Debug)]
enum Step {
    Event(EventKind, u16),
    /// About what the flow from the first port foretells of the second.
    Expect(EventKind, u16, u16),
    Request(Request),
    Peer(Vec<u8>),
    Overrun,
}

fn event_kind() -> impl Strategy<Value = EventKind> {
    prop_oneof![
        Just(EventKind::New),
        Just(EventKind::Update),
        Just(EventKind::Destroy)
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let table = prop_oneof![Just(Table::Flows), Just(Table::Expectations), Just(Table::Both)];
    prop_oneof![
        table.clone().prop_map(Request::Commit),
        table.clone().prop_map(Request::ResyncKernel),
        table.prop_map(Request::FlushKernel),
        prop_oneof![
            Just(None),
            Just(Some(CacheName::Internal)),
            Just(Some(CacheName::External))
        ]
        .prop_map(Request::FlushCache),
        Just(Request::Bulk),
        Just(Request::RequestResync),
        Just(Request::SchedulePurge),
        Just(Request::Statistics(StatsTopic::ResendQueue)),
        Just(Request::Dump {
            cache: CacheName::Internal,
            table: Table::Flows,
            format: DumpFormat::Text
        }),
    ]
}

/// A control message with any flags and numbers near those of a running engine.
fn control_message() -> impl Strategy<Value = Vec<u8>> {
    let range = (0..40_u32, 0..40_u32).prop_map(|(from, to)| SeqRange {
        from: Seq(990 + from),
        to: Seq(990 + to),
    });
    let message = prop_oneof![
        Just(ControlMessage::Alive),
        Just(ControlMessage::Resync),
        range.clone().prop_map(ControlMessage::Ack),
        range.prop_map(ControlMessage::Nack),
    ];
    let hello = prop_oneof![
        4 => Just(Flags::NONE),
        1 => Just(Flags::HELLO),
        1 => Just(Flags::HELLO_BACK),
        1 => Just(Flags::HELLO | Flags::HELLO_BACK),
    ];
    (message, hello, 0..20_u32).prop_map(|(message, hello, seq)| {
        let mut bytes = Vec::new();
        encode_control(&mut bytes, message, hello, Seq(500 + seq));
        bytes
    })
}

/// A message about one of a few flows.
fn flow_message() -> impl Strategy<Value = Vec<u8>> {
    let change = prop_oneof![Just(Change::New), Just(Change::Update), Just(Change::Delete)];
    (change, 0..12_u16, 0..20_u32).prop_map(|(change, port, seq)| {
        let options = EncodeOptions {
            timeouts: Timeouts::Send,
            window_scales: WindowScales::Omit,
        };
        let mut bytes = Vec::new();
        encode_flow(
            &mut bytes,
            change,
            Flags::NONE,
            Seq(500 + seq),
            &tcp(port),
            options,
        );
        bytes
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (event_kind(), 0..12_u16).prop_map(|(kind, port)| Step::Event(kind, port)),
        2 => (event_kind(), 0..4_u16, 0..4_u16)
            .prop_map(|(kind, master, port)| Step::Expect(kind, master, port)),
        1 => request().prop_map(Step::Request),
        3 => control_message().prop_map(Step::Peer),
        2 => flow_message().prop_map(Step::Peer),
        1 => prop::collection::vec(any::<u8>(), 0..60).prop_map(Step::Peer),
        1 => Just(Step::Overrun),
    ]
}

/// Steps, each some milliseconds after the one before.
fn history() -> impl Strategy<Value = Vec<(u64, Step)>> {
    prop::collection::vec((0..1_500_u64, step()), 0..40)
}

/// Turns of one flow.
const TINY: Limits = Limits {
    batch_len_max: NonZeroU16::MIN,
    bulk_turn_len_max: NonZeroU16::MIN,
    reply_part_len: 1,
    dump_tombstones_max: 1,
};

fn modes() -> impl Strategy<Value = Config> {
    let small = FtfwConfig {
        ack_window: 3.try_into().unwrap(),
        resend_queue_len_max: 5.try_into().unwrap(),
        ..FTFW
    };
    let modes = prop_oneof![Just(ftfw()), Just(config(Mode::Ftfw(small))), Just(notrack())];
    let alarms = prop_oneof![
        Just(alarm()),
        Just(Config {
            limits: TINY,
            ..alarm()
        }),
    ];
    let injecting = |config| Config {
        peer_flows: PeerFlows::Injected,
        ..config
    };
    let polling = |config| Config {
        poll_period: Some(Duration::from_secs(2)),
        ..config
    };
    prop_oneof![
        modes.clone(),
        modes.clone().prop_map(expecting),
        modes.clone().prop_map(injecting),
        modes.prop_map(polling),
        alarms.clone(),
        alarms.prop_map(expecting),
        Just(Config {
            own_flows: OwnFlows::Bypassed,
            ..notrack()
        })
    ]
}

/// Drives an engine through a history and returns all it asked for, each with its time.
fn drive(
    config: &Config,
    history: &[(u64, Step)],
    next_wake: impl Fn(&Engine, Instant) -> Option<Instant>,
) -> Vec<(u64, String)> {
    let mut engine = Engine::new(
        config.clone(),
        Seed(3),
        UnixTime::from_secs(1_000),
        Instant::START,
    );
    let mut told = Vec::new();
    let mut now = Instant::START;
    drain(&mut engine, now, &mut told);
    let end = (3_000, Step::Request(Request::Statistics(StatsTopic::Flows)));
    for (wait_ms, step) in history.iter().chain([&end]) {
        let until = Instant::from_micros(now.as_micros() + wait_ms * 1_000);
        while let Some(at) = next_wake(&engine, now).filter(|at| *at <= until) {
            now = at;
            engine.handle_timeout(now);
            drain(&mut engine, now, &mut told);
        }
        now = until;
        apply(&mut engine, step, now);
        drain(&mut engine, now, &mut told);
    }
    told
}

fn apply(engine: &mut Engine, step: &Step, now: Instant) {
    match step {
        Step::Event(kind, port) => {
            let flow = tcp(*port);
            let event = KernelInput::Flow {
                kind: *kind,
                origin: Origin::NotUs,
                flow: &flow,
            };
            engine.handle_input(Input::Kernel(event), now);
        }
        Step::Expect(kind, master, port) => {
            let event = KernelInput::Expect {
                kind: *kind,
                origin: Origin::NotUs,
                expectation: &ftp(*master, *port),
            };
            engine.handle_input(Input::Kernel(event), now);
        }
        Step::Request(request) => engine.handle_input(Input::Request(ClientId(1), *request), now),
        Step::Peer(payload) => engine.handle_input(peer(payload), now),
        Step::Overrun => engine.handle_input(Input::Kernel(KernelInput::Overrun), now),
    }
}

fn drain(engine: &mut Engine, now: Instant, told: &mut Vec<(u64, String)>) {
    while let Some(output) = engine.poll_output() {
        told.push((now.as_micros(), format!("{output:?}")));
        match output {
            Output::Send(channel, payload) => {
                engine.handle_input(Input::Link(channel, LinkEvent::Sent(payload)), now);
            }
            Output::Kernel(KernelOp::Dump { id, .. }) => {
                let ended = KernelInput::DumpEnded {
                    dump: id,
                    error: None,
                };
                engine.handle_input(Input::Kernel(ended), now);
            }
            Output::Kernel(KernelOp::Batch(batch)) => {
                engine.handle_input(
                    Input::Kernel(KernelInput::BatchEnded { batch, failures: &[] }),
                    now,
                );
            }
            Output::Reply(..) | Output::Report(_) => {}
        }
    }
}

/// Something that happens to two nodes.
#[derive(Clone, Debug)]
enum Scene {
    Kernel(EventKind, u16),
    Expect(EventKind, u16, u16),
    Restart(Side),
    Pass(u64),
    /// A datagram that a node sent long ago comes to the other, once more or for the first time.
    Late(usize),
}

fn scene() -> impl Strategy<Value = Scene> {
    prop_oneof![
        8 => (event_kind(), 0..20_u16).prop_map(|(kind, port)| Scene::Kernel(kind, port)),
        4 => (event_kind(), 0..20_u16, 0..4_u16)
            .prop_map(|(kind, master, port)| Scene::Expect(kind, master, 100 * master + port)),
        1 => prop_oneof![Just(Side::A), Just(Side::B)].prop_map(Scene::Restart),
        4 => (1..1_500_u64).prop_map(Scene::Pass),
    ]
}

/// The same on a link that also doubles and delays datagrams.
fn scene_on_a_wild_link() -> impl Strategy<Value = Scene> {
    prop_oneof![4 => scene(), 1 => (0..200_usize).prop_map(Scene::Late)]
}

/// The same while both daemons live. What a dead one has sent and comes after its successor's first
/// message is another matter.
fn scene_of_two_lives() -> impl Strategy<Value = Scene> {
    scene_on_a_wild_link().prop_filter("both live", |scene| !matches!(scene, Scene::Restart(_)))
}

/// Plays scenes while datagrams are lost as `losses` says; what the kernel of A cannot do is left out.
fn play(config: &Config, scenes: &[Scene], losses: &[bool]) -> World {
    let mut world = World::new(config.clone());
    let mut losses: Vec<bool> = losses.iter().rev().copied().collect();
    let sent = Rc::new(RefCell::new(Vec::new()));
    let record = Rc::clone(&sent);
    world.lose(move |from, payload| {
        record.borrow_mut().push((from, payload.to_vec()));
        losses.pop().unwrap_or(false)
    });
    for scene in scenes {
        match scene {
            Scene::Kernel(kind, port) => {
                let flow = tcp(*port);
                let is_there = world.kernels[&Side::A]
                    .flows
                    .contains_key(&(flow.orig, flow.zone));
                if is_there != (*kind == EventKind::New) {
                    world.kernel(Side::A, *kind, &flow);
                }
            }
            Scene::Expect(kind, master, port) => {
                let (expectation, kernel) = (ftp(*master, *port), &world.kernels[&Side::A]);
                let has_master = kernel.flows.contains_key(&(expectation.master, None));
                let is_there = kernel.expectations.contains_key(&expectation.tuple);
                if has_master && is_there != (*kind == EventKind::New) {
                    world.expect(Side::A, *kind, &expectation);
                }
            }
            Scene::Restart(side) => {
                // Two starts within a second share sequence numbers, and nobody can tell them apart.
                let age = world.now.saturating_since(world.started[side]);
                world.advance(1_000_u64.saturating_sub(u64::try_from(age.as_millis()).unwrap()));
                world.start(*side, config.clone());
            }
            Scene::Pass(millis) => world.advance(*millis),
            Scene::Late(nth) => {
                let late = sent.borrow().get(*nth).cloned();
                if let Some((from, payload)) = late {
                    world.datagram(from.other(), &payload);
                }
            }
        }
    }
    world
}

fn ports(lines: &[String]) -> BTreeSet<u16> {
    numbers("sport=", lines)
}

/// The flows and the expectations in the kernel of A, by their ports.
fn in_kernel(world: &World) -> (BTreeSet<u16>, BTreeSet<u16>) {
    let kernel = &world.kernels[&Side::A];
    let flows = kernel.flows.keys().map(|(tuple, _)| tuple.ports().unwrap().0);
    let expectations = kernel.expectations.keys().map(|tuple| tuple.ports().unwrap().1);
    (flows.collect(), expectations.collect())
}

/// The flows and the expectations in the external cache of B, by their ports.
fn in_external(world: &mut World) -> (BTreeSet<u16>, BTreeSet<u16>) {
    let flows = ports(&world.dump(Side::B, CacheName::External));
    let expectations = world.dump_table(Side::B, CacheName::External, Table::Expectations);
    (flows, numbers("dport=", &expectations))
}

/// The first number of this name in each line.
fn numbers(name: &str, lines: &[String]) -> BTreeSet<u16> {
    let number = |line: &String| line.split(name).nth(1)?.split(' ').next()?.parse().ok();
    lines.iter().map(|line| number(line).unwrap()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn every_deadline_is_announced(config in modes(), history in history()) {
        let by_grid = drive(&config, &history, |_, now| Some(Instant::from_micros(now.as_micros() + 1_000)));
        let by_deadline = drive(&config, &history, |engine, _| engine.poll_timeout().map(|(at, _)| at));
        prop_assert_eq!(by_grid, by_deadline);
    }

    #[test]
    fn the_same_inputs_and_seed_give_the_same_bytes(config in modes(), history in history()) {
        let next = |engine: &Engine, _| engine.poll_timeout().map(|(at, _)| at);
        prop_assert_eq!(drive(&config, &history, next), drive(&config, &history, next));
    }

    #[test]
    fn ftfw_converges_once_nothing_is_lost(
        scenes in prop::collection::vec(scene(), 0..60),
        losses in prop::collection::vec(prop::bool::weighted(0.3), 0..200),
    ) {
        let mut world = play(&expecting(ftfw()), &scenes, &losses);
        world.heal();
        world.advance(60_000);
        prop_assert_eq!(in_kernel(&world), in_external(&mut world), "{}", world.take_trace());
    }

    #[test]
    fn ftfw_converges_after_any_loss_reordering_and_duplication(
        scenes in prop::collection::vec(scene_of_two_lives(), 0..60),
        losses in prop::collection::vec(prop::bool::weighted(0.3), 0..200),
    ) {
        let mut world = play(&expecting(ftfw()), &scenes, &losses);
        world.heal();
        world.advance(60_000);
        prop_assert_eq!(in_kernel(&world), in_external(&mut world), "{}", world.take_trace());
    }

    /// The limit is the one that the two times give: a flow that lives is told again in 3.2 s at the
    /// most, and one of which B hears nothing ends 5.2 s after its last message at the latest.
    #[test]
    fn alarm_converges_within_a_refresh_and_an_expiry_once_nothing_is_lost(
        scenes in prop::collection::vec(scene_on_a_wild_link(), 0..60),
        losses in prop::collection::vec(prop::bool::weighted(0.3), 0..200),
    ) {
        let mut world = play(&expecting(alarm()), &scenes, &losses);
        world.heal();
        world.advance(3_200 + 5_200);
        prop_assert_eq!(in_kernel(&world), in_external(&mut world), "{}", world.take_trace());
        prop_assert!(world.dump(Side::A, CacheName::External).is_empty());
    }
}
