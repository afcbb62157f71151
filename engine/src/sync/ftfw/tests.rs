//! Every message in every position, and what the queues become of it.

mod table;

use super::*;
use crate::cache::HashKey;
use crate::config::StartupResync;
use crate::wire::{self, Change, EncodeOptions, Timeouts, WindowScales, encode_control, encode_flow};
use alloc::string::String;
use alloc::vec::Vec;
use core::num::{NonZeroU16, NonZeroU32};

const WINDOW: u16 = 5;

/// A machine that has taken message 100, with messages 200 to 204 unacknowledged.
struct Bench {
    ftfw: Ftfw,
    queues: Queues,
    internal: InternalCache,
    stats: ReceiveStats,
    present: SenderSet,
}

impl Bench {
    fn new() -> Self {
        let config = FtfwConfig {
            ack_window: NonZeroU16::new(WINDOW).unwrap(),
            resend_queue_len_max: NonZeroU32::new(100).unwrap(),
            startup_resync: StartupResync::Off,
        };
        let mut ftfw = Ftfw::new(config);
        let peer = ftfw.receptions.of(SenderId::FIRST);
        peer.tracker.store(Seq(100));
        (peer.run_from, peer.n_unforced) = (Some(Seq(100)), 1);
        let mut queues = Queues::default();
        for seq in 200..205 {
            queues.push_tx(Element::Control(ControlMessage::Resync));
            let (node, _) = queues.pop_tx().unwrap();
            queues.push_resend(node, Seq(seq));
        }
        let internal = InternalCache::new(NonZeroU32::new(10).unwrap(), HashKey(1, 2));
        Self {
            ftfw,
            queues,
            internal,
            stats: ReceiveStats::default(),
            present: [SenderId::FIRST].into_iter().collect(),
        }
    }

    fn receive(&mut self, bytes: &[u8]) -> Outcome {
        self.receive_from(SenderId::FIRST, bytes)
    }

    fn receive_from(&mut self, from: SenderId, bytes: &[u8]) -> Outcome {
        self.receive_at(from, bytes, Instant::START)
    }

    fn receive_at(&mut self, from: SenderId, bytes: &[u8], now: Instant) -> Outcome {
        let message = wire::messages(bytes).next().unwrap().unwrap();
        let heard = Heard {
            from,
            present: self.present,
            now,
            next_seq: Seq(1_000),
        };
        let outcome = self.ftfw.receive(
            &message,
            heard,
            &mut self.queues,
            &mut self.internal,
            &mut self.stats,
        );
        self.queues.check_invariants();
        outcome
    }

    /// Tells what is to be sent and how many elements still wait.
    fn tell(&mut self) -> String {
        let mut told = Vec::new();
        while let Some((node, element)) = self.queues.pop_tx() {
            self.queues.free(node);
            told.push(match element {
                Element::Flow(_) => "flow".into(),
                Element::Expectation(_) => "expectation".into(),
                Element::Control(ControlMessage::Alive) => "ALIVE".into(),
                Element::Control(ControlMessage::Resync) => "RESYNC".into(),
                Element::Control(ControlMessage::Ack(range)) => {
                    alloc::format!("ACK {}-{}", range.from.0, range.to.0)
                }
                Element::Control(ControlMessage::Nack(range)) => {
                    alloc::format!("NACK {}-{}", range.from.0, range.to.0)
                }
            });
        }
        alloc::format!("{} | {} wait", told.join(" "), self.queues.resend_len())
    }
}

fn control(message: ControlMessage, hello: Flags, seq: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_control(&mut bytes, message, hello, Seq(seq));
    bytes
}

fn data(seq: u32) -> Vec<u8> {
    data_with(Flags::NONE, seq)
}

fn data_with(flags: Flags, seq: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let flow = crate::testing::tcp(1, crate::flow::TcpState::ESTABLISHED);
    let options = EncodeOptions {
        timeouts: Timeouts::Send,
        window_scales: WindowScales::Omit,
    };
    encode_flow(&mut bytes, Change::New, flags, Seq(seq), &flow, options);
    bytes
}

#[test]
fn every_message_in_every_position_is_answered_as_told() {
    use ControlMessage::{Ack, Alive, Nack, Resync};
    let range = |from, to| SeqRange {
        from: Seq(from),
        to: Seq(to),
    };
    let asked = Some(BulkCause::PeerAsked);
    let (data_at, at) = (data, |message| move |seq| control(message, Flags::NONE, seq));
    type Make<'a> = &'a dyn Fn(u32) -> Vec<u8>;
    let (ack, nack) = (at(Ack(range(201, 202))), at(Nack(range(203, 900))));
    let (resync, alive) = (at(Resync), at(Alive));
    let messages: [(&str, Make<'_>, &str, u32, Option<BulkCause>); 5] = [
        ("data", &data_at, "", 5, None),
        ("ACK", &ack, "", 3, None),
        ("NACK", &nack, "RESYNC RESYNC ", 3, None),
        ("RESYNC", &resync, "", 5, asked),
        ("ALIVE", &alive, "", 5, None),
    ];
    for (name, make, resent, waiting, bulk) in messages {
        for (position, seq) in [("in sequence", 101), ("after", 104), ("before", 100)] {
            let mut bench = Bench::new();
            let outcome = bench.receive(&make(seq));
            let context = alloc::format!("{name} {position}");
            let want = match position {
                "in sequence" => alloc::format!("{} | {waiting} wait", resent.trim_end()),
                "after" => alloc::format!("{resent}ACK 100-100 NACK 101-103 | {waiting} wait"),
                _ => " | 5 wait".into(),
            };
            assert_eq!(bench.tell(), want, "{context}");
            let is_taken = position != "before";
            assert_eq!(outcome.bulk, bulk.filter(|_| is_taken), "{context}");
            assert_eq!(outcome.verdict != Verdict::Dropped, is_taken, "{context}");
        }
    }
}

#[test]
fn hello_frees_what_waited_whatever_its_number() {
    for seq in [100, 101, 104, 7] {
        let mut bench = Bench::new();
        let outcome = bench.receive(&control(ControlMessage::Alive, Flags::HELLO, seq));
        assert_eq!(outcome.bulk, Some(BulkCause::PeerRestarted), "seq {seq}");
        assert_eq!(
            bench.tell(),
            " | 0 wait",
            "seq {seq}: no gap is seen in a new process"
        );
        assert!(
            bench
                .ftfw
                .next_flags(Seq(1_000), Instant::START)
                .contains(Flags::HELLO_BACK)
        );
        assert!(
            !bench
                .ftfw
                .next_flags(Seq(1_000), Instant::START)
                .contains(Flags::HELLO_BACK),
            "one answer a HELLO"
        );
    }
}

#[test]
fn an_acknowledgement_of_what_was_not_sent_begins_the_greeting_anew() {
    for (to, is_said) in [(999, false), (1_000, true)] {
        let mut bench = Bench::new();
        bench.ftfw.hello = Hello::Done;
        let range = SeqRange {
            from: Seq(200),
            to: Seq(to),
        };
        bench.receive(&control(ControlMessage::Ack(range), Flags::NONE, 101));
        let flags = bench.ftfw.next_flags(Seq(1_000), Instant::START);
        assert_eq!(
            flags.contains(Flags::HELLO),
            is_said,
            "next is 1000, ACK up to {to}"
        );
    }
}

#[test]
fn a_window_of_one_still_forces_acknowledgements_after_a_loss() {
    let mut bench = Bench::new();
    bench.ftfw.config.ack_window = NonZeroU16::MIN;
    bench.receive(&data(104));
    bench.tell();
    bench.receive(&data(105));
    assert_eq!(bench.tell(), "ACK 104-105 | 5 wait");
}

#[test]
fn the_alive_timer_acknowledges_without_restoring_the_credit() {
    let mut bench = Bench::new();
    bench.ftfw.alive(&mut bench.queues);
    assert_eq!(bench.tell(), "ACK 100-100 | 5 wait");
    bench.ftfw.alive(&mut bench.queues);
    assert_eq!(bench.tell(), "ALIVE | 5 wait");
    for seq in 101..=104 {
        bench.receive(&data(seq));
    }
    assert_eq!(
        bench.tell(),
        "ACK 101-104 | 5 wait",
        "four more make five since the last forced one"
    );
}

#[test]
fn a_full_resend_queue_drops_its_oldest_and_remembers_that_a_flow_is_lost() {
    let mut bench = Bench::new();
    bench.ftfw.config.resend_queue_len_max = NonZeroU32::new(5).unwrap();
    for seq in 205..=206 {
        let node = bench.queues.push_tx(Element::Control(ControlMessage::Resync));
        bench.queues.pop_tx();
        let element = Element::Control(ControlMessage::Resync);
        bench.ftfw.sent(
            Sent {
                node,
                seq: Seq(seq),
                element,
            },
            &mut bench.queues,
            &mut bench.internal,
        );
    }
    assert_eq!((bench.ftfw.overflowed(), bench.queues.resend_len()), (2, 5));
    assert_eq!(bench.queues.oldest_sent().unwrap().seq, Seq(202));
    bench.ftfw.dropped = Some((Seq(190), Seq(195)));
    let nack = |from, to| {
        control(
            ControlMessage::Nack(SeqRange {
                from: Seq(from),
                to: Seq(to),
            }),
            Flags::NONE,
            101,
        )
    };
    assert_eq!(
        bench.receive(&nack(180, 192)).bulk,
        Some(BulkCause::LostBeyondResend)
    );
}

const SECOND: SenderId = SenderId::for_test(1);

/// A bench with a second peer that has acknowledged before and has sent up to number `last`.
fn bench_of_two(last: u32) -> Bench {
    let mut bench = Bench::new();
    bench.present.insert(SECOND);
    bench.ftfw.acknowledging = bench.present;
    bench.ftfw.receptions.of(SECOND).tracker.store(Seq(last));
    bench.ftfw.looked_at = Some(Seq(1_000));
    bench
}

fn look(bench: &mut Bench, living: SenderSet) -> Stale {
    let look = Look {
        len_max: 10,
        next_seq: Seq(1_000),
        present: bench.present,
        living,
    };
    bench
        .ftfw
        .resend_stale(look, &mut bench.queues, &mut bench.internal)
}

#[test]
fn of_two_peers_both_must_acknowledge_and_what_is_doubtful_waits() {
    const FAR: u32 = 9_000_000;
    const NEAR: u32 = 300;
    let all = (200, 204);
    // Numbers of the second peer, who acknowledges what, then: how many wait at once, and after a look.
    type Acks<'a> = &'a [(u8, (u32, u32))];
    let table: [(u32, Acks<'_>, u32, u32); 8] = [
        (FAR, &[(0, all)], 5, 5),
        (FAR, &[(0, all), (1, all)], 0, 0),
        (FAR, &[(0, all), (1, (200, 201))], 3, 3),
        (FAR, &[(0, all), (0, all)], 5, 5),
        (FAR, &[(0, (FAR - 5, FAR)), (1, all)], 5, 5),
        (NEAR, &[(0, all), (1, all)], 5, 0),
        (NEAR, &[(0, all)], 5, 5),
        (NEAR, &[(0, all), (1, (203, 204))], 5, 3),
    ];
    for (last, acks, at_once, after_a_look) in table {
        let mut bench = bench_of_two(last);
        for (n, (from, (first, to))) in (1..).zip(acks) {
            let id = SenderId::for_test(*from);
            let seq = if *from == 0 { 100 + n } else { last + n };
            let range = SeqRange {
                from: Seq(*first),
                to: Seq(*to),
            };
            // Otherwise the numbers of the first are near to ours.
            if last == FAR && *from == 1 {
                bench
                    .ftfw
                    .receptions
                    .of(SenderId::FIRST)
                    .tracker
                    .store(Seq(FAR / 2));
            }
            bench.receive_from(id, &control(ControlMessage::Ack(range), Flags::NONE, seq));
        }
        let context = alloc::format!("second at {last}, {acks:?}");
        bench.tell();
        assert_eq!(bench.queues.resend_len(), at_once, "{context}");
        look(&mut bench, SenderSet::EMPTY);
        let resent = bench.tell();
        let n_resent = u32::try_from(resent.matches("RESYNC").count()).unwrap();
        assert_eq!(n_resent, after_a_look, "{context}: {resent}");
    }
}

#[test]
fn what_only_a_silent_peer_lacks_is_neither_resent_nor_forgotten_until_it_is_given_up() {
    let mut bench = bench_of_two(9_000_000);
    let range = SeqRange {
        from: Seq(200),
        to: Seq(204),
    };
    let ack = ControlMessage::Ack(range);
    bench.receive(&control(ack, Flags::NONE, 101));
    let first_alone = [SenderId::FIRST].into_iter().collect();
    assert!(!look(&mut bench, first_alone).asks_again);
    assert_eq!(bench.tell(), " | 5 wait");
    bench.present = first_alone;
    look(&mut bench, first_alone);
    assert_eq!(bench.tell(), " | 0 wait");
    bench.present.insert(SECOND);
    let alive = control(ControlMessage::Alive, Flags::NONE, 9_000_001);
    assert_eq!(
        bench.receive_from(SECOND, &alive).bulk,
        Some(BulkCause::LostBeyondResend)
    );
    let alive = control(ControlMessage::Alive, Flags::NONE, 9_000_002);
    assert_eq!(
        bench.receive_from(SECOND, &alive).bulk,
        None,
        "one bulk is enough"
    );
}

#[test]
fn a_greeting_of_one_of_two_leaves_what_waits_for_the_other() {
    let mut bench = bench_of_two(9_000_000);
    let outcome = bench.receive_from(SECOND, &control(ControlMessage::Alive, Flags::HELLO, 77));
    assert_eq!(outcome.bulk, Some(BulkCause::PeerRestarted));
    assert_eq!(bench.tell(), " | 5 wait");
}

#[test]
fn hello_is_said_until_both_have_answered_or_one_takes_too_long() {
    let says_hello = |bench: &mut Bench, ms: u64| {
        let flags = bench.ftfw.next_flags(Seq(1_000), Instant::from_millis(ms));
        flags.contains(Flags::HELLO)
    };
    let answer = |seq| control(ControlMessage::Alive, Flags::HELLO_BACK, seq);
    let mut bench = bench_of_two(9_000_000);
    assert!(says_hello(&mut bench, 0));
    bench.receive(&answer(101));
    assert!(says_hello(&mut bench, 3_000), "the second has not answered");
    assert!(!says_hello(&mut bench, 3_001), "it has had its time");
    let mut bench = bench_of_two(9_000_000);
    assert!(says_hello(&mut bench, 0));
    bench.receive(&answer(101));
    bench.receive_from(SECOND, &answer(9_000_001));
    assert!(!says_hello(&mut bench, 1));
}
