//! The receiver of the stock daemon, recorded against a scripted peer, replayed against ours.
//!
//! Lines `> hex` are datagrams to the daemon, `< hex` datagrams from it, in time order without
//! times. What the daemon says without being spoken to is due to its alive timer, so the replay
//! lets time pass exactly when the next expected datagram does not come at once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{FTFW, Side, World, config, describe, ftfw, notrack, peer, tcp};
use engine::config::{Config, FtfwConfig, Mode, StartupResync};
use engine::flow::{Flow, L4Key, ProtoState, Protocol, Status, Synproxy};
use engine::input::{EventKind, Input, KernelInput, LinkEvent, Origin};
use engine::output::{KernelOp, Output};
use engine::time::{Instant, UnixTime};
use engine::{Engine, Seed};

enum Line {
    To(Vec<u8>),
    From(Vec<u8>),
    /// `counters now: lost L before B malformed M; external entries E`.
    Counters([u64; 4]),
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .trim()
        .bytes()
        .map(|digit| (digit as char).to_digit(16).unwrap() as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn lines(transcript: &str) -> Vec<Line> {
    let numbers = |text: &str| -> Vec<u64> {
        text.split(|c: char| !c.is_ascii_digit())
            .filter_map(|word| word.parse().ok())
            .collect()
    };
    let parse = |line: &str| {
        if let Some(hex) = line.strip_prefix("> ") {
            return Some(Line::To(bytes(hex)));
        }
        if let Some(hex) = line.strip_prefix("< ") {
            return Some(Line::From(bytes(hex)));
        }
        let counters = line.strip_prefix("# counters now: ")?;
        Some(Line::Counters(numbers(counters).try_into().unwrap()))
    };
    transcript.lines().filter_map(parse).collect()
}

/// One engine whose kernel is empty, and what it said that nobody has read yet.
struct Daemon {
    engine: Engine,
    now: Instant,
    said: Vec<u8>,
}

impl Daemon {
    fn new(config: Config, first_seq: u32) -> Self {
        let wall = UnixTime::from_secs(u64::from(first_seq));
        let engine = Engine::new(config, Seed(1), wall, Instant::START);
        let mut daemon = Self {
            engine,
            now: Instant::START,
            said: Vec::new(),
        };
        daemon.drain();
        daemon
    }

    fn input(&mut self, input: Input<'_>) {
        self.engine.handle_input(input, self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send(channel, payload) => {
                    self.said.extend(&payload);
                    self.engine
                        .handle_input(Input::Link(channel, LinkEvent::Sent(payload)), self.now);
                }
                Output::Kernel(KernelOp::Dump { id, .. }) => {
                    let ended = KernelInput::DumpEnded {
                        dump: id,
                        error: None,
                    };
                    self.engine.handle_input(Input::Kernel(ended), self.now);
                }
                Output::Kernel(_) | Output::Reply(..) | Output::Report(_) => {}
            }
        }
    }

    fn wait(&mut self) {
        let (at, _) = self
            .engine
            .poll_timeout()
            .expect("the alive timer is always armed");
        self.now = at;
        self.engine.handle_timeout(at);
        self.drain();
    }

    fn counters(&mut self) -> [u64; 4] {
        use engine::input::{ClientId, Request, StatsTopic};
        use engine::output::Reply;
        self.engine.handle_input(
            Input::Request(ClientId(1), Request::Statistics(StatsTopic::Flows)),
            self.now,
        );
        let mut counters = None;
        while let Some(output) = self.engine.poll_output() {
            if let Output::Reply(_, Reply::Statistics(_, statistics)) = output {
                let receive = statistics.receive;
                let malformed = receive.malformed();
                counters = Some([
                    receive.lost_as_stock,
                    receive.before,
                    malformed,
                    statistics.external.live,
                ]);
            }
        }
        counters.unwrap()
    }

    /// Replays `lines`; panics at the first difference.
    fn replay(&mut self, lines: &[Line]) {
        for (number, line) in lines.iter().enumerate() {
            match line {
                Line::To(payload) => self.input(peer(payload)),
                Line::From(expected) => {
                    if self.said.is_empty() {
                        self.wait();
                    }
                    let said: Vec<u8> = self.said.drain(..expected.len().min(self.said.len())).collect();
                    let context = format!(
                        "line {number}: {} instead of {}",
                        describe(&said),
                        describe(expected)
                    );
                    assert_eq!(&said, expected, "{context}");
                }
                Line::Counters(expected) => {
                    assert!(
                        self.said.is_empty(),
                        "line {number}: said too much: {}",
                        describe(&self.said)
                    );
                    assert_eq!(
                        &self.counters(),
                        expected,
                        "line {number}: lost, before, malformed, external entries"
                    );
                }
            }
        }
    }
}

fn first_seq(lines: &[Line]) -> u32 {
    let first = lines.iter().find_map(|line| match line {
        Line::From(payload) => Some(payload),
        Line::To(_) | Line::Counters(_) => None,
    });
    u32::from_be_bytes(first.unwrap()[4..8].try_into().unwrap())
}

fn is_hello(line: &Line) -> bool {
    matches!(line, Line::To(payload) if payload[1] & 0x20 != 0)
}

#[test]
fn the_receiver_answers_as_the_stock_receiver_until_the_peer_restarts() {
    let all = lines(include_str!("vectors/transcript-ftfw-receiver.txt"));
    let restart = all.iter().position(is_hello).unwrap();
    let mode = FtfwConfig {
        ack_window: 5.try_into().unwrap(),
        resend_queue_len_max: 4.try_into().unwrap(),
        ..FTFW
    };
    let mut daemon = Daemon::new(config(Mode::Ftfw(mode)), first_seq(&all));
    daemon.replay(&all[..restart]);
    // Where the stock daemon waits for its timer, ours asks the new process for its flows at once.
    let Line::To(hello) = &all[restart] else {
        unreachable!("a HELLO comes from the peer")
    };
    daemon.input(peer(hello));
    assert_eq!(describe(&daemon.said), "RESYNC seq 1795209469 HELLO_BACK");
}

#[test]
fn hello_is_said_until_it_is_answered() {
    let all = lines(include_str!("vectors/transcript-ftfw-hello-stale.txt"));
    let greeted = all.iter().position(is_hello).unwrap();
    let mode = FtfwConfig {
        startup_resync: StartupResync::On,
        ..FTFW
    };
    let mut daemon = Daemon::new(config(Mode::Ftfw(mode)), first_seq(&all));
    daemon.replay(&all[..greeted]);
}

#[test]
fn notrack_takes_what_the_stock_receiver_takes() {
    let all = lines(include_str!("vectors/transcript-notrack-receiver.txt"));
    let local = all
        .iter()
        .rposition(|line| matches!(line, Line::Counters(_)))
        .unwrap();
    let mut daemon = Daemon::new(notrack(), first_seq(&all));
    daemon.replay(&all[..=local]);
    for port in [2000, 2001] {
        let udp = local_udp(port);
        daemon.input(Input::Kernel(KernelInput::Flow {
            kind: EventKind::New,
            origin: Origin::NotUs,
            flow: &udp,
        }));
    }
    daemon.replay(&all[local + 1..]);
}

/// The flows of the transcript: made with the `conntrack` tool, so mark and SYN proxy are known.
fn local_udp(port: u16) -> Flow {
    let mut flow = tcp(port);
    flow.orig.addrs = engine::flow::Addrs::V4 {
        src: [10, 1, 1, 1].into(),
        dst: [10, 2, 2, 2].into(),
    };
    flow.orig.proto = Protocol::UDP;
    flow.orig.key = L4Key::Ports { src: port, dst: 53 };
    flow.reply = Some(flow.orig.mirrored());
    flow.status = Some(Status::SEEN_REPLY | Status::CONFIRMED);
    (flow.timeout_secs, flow.mark) = (Some(300), Some(0));
    (flow.proto, flow.synproxy) = (ProtoState::None, Some(Synproxy::ZERO));
    flow
}

#[test]
fn the_window_is_acknowledged_as_by_the_stock_receiver_after_a_timer_ack() {
    let mut world = World::new(ftfw());
    world.advance(2_500);
    for port in 1..=1_000 {
        world.event(Side::A, EventKind::New, &tcp(port));
    }
    let acks = world
        .take_trace()
        .lines()
        .filter(|line| line.contains("b→a  ACK"))
        .count();
    assert!(acks >= 3, "1,000 messages force an ACK every 300, {acks} seen");
}
