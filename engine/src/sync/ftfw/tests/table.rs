//! Every state of a machine with one peer × every message, against the rules told one by one.

use super::*;

/// Our greeting.
const OURS: [Hello; 3] = [Hello::Init, Hello::Say, Hello::Done];

/// What stands of the peer's numbers: nothing, or message 100 was the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Record {
    Nothing,
    /// All is acknowledged.
    NoRun,
    /// Message 100 is to be acknowledged.
    Run,
    /// The same, and one more makes a window.
    RunAlmostFull,
}
const RECORDS: [Record; 4] = [Record::Nothing, Record::NoRun, Record::Run, Record::RunAlmostFull];

/// The peer's greeting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Theirs {
    Silent,
    Said,
    /// Answered just now: the peer may not have it yet.
    Answered,
    /// Answered so long ago that the peer must have it.
    Heard,
}
const THEIRS: [Theirs; 4] = [Theirs::Silent, Theirs::Said, Theirs::Answered, Theirs::Heard];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Data,
    Ack,
    Nack,
    Resync,
    Alive,
}
const EVENTS: [Event; 5] = [Event::Data, Event::Ack, Event::Nack, Event::Resync, Event::Alive];

/// The next message, one behind a gap, the last one again.
const SEQS: [u32; 3] = [101, 104, 100];
const NOW: Instant = Instant::from_millis(1_000);

#[derive(Clone, Copy, Debug)]
struct State {
    record: Record,
    ours: Hello,
    theirs: Theirs,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    event: Event,
    seq: u32,
    says_hello: bool,
    answers: bool,
}

/// What a message brings about.
#[derive(Debug, PartialEq, Eq)]
struct Effect {
    bulk: Option<BulkCause>,
    is_taken: bool,
    /// As [`Bench::tell`] does.
    told: String,
    /// On the next message of ours.
    says_hello: bool,
    answers: bool,
    /// What the alive timer tells then.
    alive: String,
}

#[test]
fn every_message_in_every_state_has_the_effect_that_the_rules_tell() {
    let mut n_pairs = 0;
    for state in states() {
        for message in messages() {
            let context = alloc::format!("{state:?} × {message:?}");
            assert_eq!(effect(state, message), wanted(state, message), "{context}");
            n_pairs += 1;
        }
    }
    // Who has sent nothing has not greeted.
    assert_eq!(n_pairs, (3 * 4 + 1) * 3 * 60);
}

fn states() -> impl Iterator<Item = State> {
    let all = RECORDS.into_iter().flat_map(|record| {
        THEIRS
            .into_iter()
            .flat_map(move |theirs| OURS.map(|ours| State { record, ours, theirs }))
    });
    all.filter(|state| state.record != Record::Nothing || state.theirs == Theirs::Silent)
}

fn messages() -> impl Iterator<Item = Message> + Clone {
    let flags = [(false, false), (true, false), (false, true), (true, true)];
    EVENTS.into_iter().flat_map(move |event| {
        SEQS.into_iter().flat_map(move |seq| {
            flags.map(|(says_hello, answers)| Message {
                event,
                seq,
                says_hello,
                answers,
            })
        })
    })
}

/// What the rules want, in the words of docs/sync-protocol.md.
fn wanted(state: State, message: Message) -> Effect {
    let Message { event, seq, .. } = message;
    let has_record = state.record != Record::Nothing;
    let is_before = has_record && seq == 100;
    let is_after = has_record && seq == 104;
    // A greeting is a new process, unless it goes on with one that has not heard us.
    let restarted = match state.theirs {
        _ if !message.says_hello => None,
        Theirs::Silent => Some(BulkCause::PeerRestarted),
        Theirs::Said | Theirs::Answered if !is_before && !is_after => None,
        Theirs::Said | Theirs::Answered | Theirs::Heard => Some(BulkCause::PeerMayHaveRestarted),
    };
    let is_taken = !is_before || restarted.is_some();
    let is_gap = is_after && restarted != Some(BulkCause::PeerRestarted);
    let asked = (event == Event::Resync && is_taken).then_some(BulkCause::PeerAsked);

    // What waited for an old process is void.
    let (resent, n_waiting) = match event {
        _ if restarted.is_some() => ("", 0),
        Event::Ack if is_taken => ("", 3),
        Event::Nack if is_taken => ("RESYNC RESYNC ", 3),
        Event::Data | Event::Ack | Event::Nack | Event::Resync | Event::Alive => ("", 5),
    };
    let was_open = matches!(state.record, Record::Run | Record::RunAlmostFull);
    // A process that goes on in sequence may be the same: what it has sent is acknowledged.
    let is_another = restarted == Some(BulkCause::PeerRestarted) || (restarted.is_some() && is_before);
    let is_new_count = is_another && was_open;
    // The run, from its first message to the last, and what closes it.
    let from = if was_open && !is_new_count { 100 } else { seq };
    let (acknowledged, run) = if !is_taken {
        (String::new(), was_open.then_some((100, 100)))
    } else if is_gap {
        let closed = if was_open { "ACK 100-100 " } else { "" };
        (alloc::format!("{closed}NACK 101-103"), Some((seq, seq)))
    } else if state.record == Record::RunAlmostFull && !is_new_count {
        (alloc::format!("ACK {from}-{seq}"), None)
    } else {
        (String::new(), Some((from, seq)))
    };
    let told = alloc::format!("{resent}{acknowledged}");
    Effect {
        bulk: restarted.or(asked),
        is_taken,
        told: alloc::format!("{} | {n_waiting} wait", told.trim_end()),
        says_hello: match state.ours {
            Hello::Init => true,
            Hello::Say => !message.answers,
            Hello::Done => false,
        },
        answers: message.says_hello || state.theirs == Theirs::Said,
        alive: run.map_or("ALIVE".into(), |(from, to)| alloc::format!("ACK {from}-{to}")),
    }
}

/// What a machine does.
fn effect(state: State, message: Message) -> Effect {
    let mut bench = bench_in(state);
    let outcome = bench.receive_at(SenderId::FIRST, &bytes(message), NOW);
    // What is resent leaves the queue of what waits.
    let told = bench.tell();
    let flags = bench.ftfw.next_flags(Seq(1_000), NOW);
    bench.ftfw.alive(&mut bench.queues);
    let alive = bench.tell();
    let (alive, _) = alive.split_once(" |").unwrap();
    Effect {
        bulk: outcome.bulk,
        is_taken: outcome.verdict != Verdict::Dropped,
        told,
        says_hello: flags.contains(Flags::HELLO),
        answers: flags.contains(Flags::HELLO_BACK),
        alive: alive.into(),
    }
}

/// A machine in a state, with messages 200 to 204 unacknowledged; it got there by messages of its peer.
fn bench_in(state: State) -> Bench {
    let mut bench = Bench::new();
    bench.ftfw.receptions = BySender::default();
    let greets = state.theirs != Theirs::Silent;
    if state.record != Record::Nothing {
        let peer = bench.ftfw.receptions.of(SenderId::FIRST);
        let (position, _) = if greets {
            peer.greet(Seq(100), false, &mut bench.stats, Instant::START)
        } else {
            peer.follow(Seq(100), false, &mut bench.stats)
        };
        peer.take(Seq(100), position, WINDOW, &mut bench.queues);
        match state.record {
            Record::Nothing | Record::Run => {}
            Record::NoRun => (peer.run_from, peer.n_unforced) = (None, 0),
            Record::RunAlmostFull => peer.n_unforced = WINDOW - 1,
        }
        let answered = match state.theirs {
            Theirs::Silent | Theirs::Said => None,
            Theirs::Answered => Some(NOW),
            Theirs::Heard => Some(Instant::START),
        };
        if let Some(at) = answered {
            assert!(peer.answer(at), "{state:?}");
        }
    }
    bench.ftfw.hello = state.ours;
    bench
}

fn bytes(message: Message) -> Vec<u8> {
    let mut flags = Flags::NONE;
    if message.says_hello {
        flags = flags | Flags::HELLO;
    }
    if message.answers {
        flags = flags | Flags::HELLO_BACK;
    }
    let range = |from, to| SeqRange {
        from: Seq(from),
        to: Seq(to),
    };
    let told = match message.event {
        Event::Data => return data_with(flags, message.seq),
        Event::Ack => ControlMessage::Ack(range(201, 202)),
        Event::Nack => ControlMessage::Nack(range(203, 900)),
        Event::Resync => ControlMessage::Resync,
        Event::Alive => ControlMessage::Alive,
    };
    control(told, flags, message.seq)
}
