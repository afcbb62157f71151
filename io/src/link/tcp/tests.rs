use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use engine::wire;
use mio::{Events, Poll};

use super::super::{
    Buffers, DirectionCounters, Driven, InterfaceSpec, Link, LinkCounters, LinkSpec, Transport, TransportSpec,
};
use super::*;
use crate::control::statistics::{self, TcpConnection};
use crate::testing::{TwoNodes, enter_namespace};

const PORT: u16 = 3780;
const V4: [&str; 2] = ["127.0.0.1", "127.0.0.2"];
/// How many of the payloads kept the tests allow.
const QUEUE_LEN: u32 = 4;
const SMALL: Buffers = Buffers {
    send_len: Some(2_048),
    receive_len: Some(2_048),
};

fn spec(interface: &str, local: &str, peer: &str) -> LinkSpec {
    LinkSpec {
        interface: InterfaceSpec::Named(interface.to_owned()),
        transport: TransportSpec::Tcp(TcpSpec {
            local: local.parse().unwrap(),
            peer: peer.parse().unwrap(),
            port: PORT,
            error_queue_len: QUEUE_LEN,
        }),
        buffers: Buffers::default(),
    }
}

/// A message of `len` bytes whose number is `n`.
fn message(n: u32, len: u16) -> Vec<u8> {
    let mut bytes = vec![0x10, 0];
    bytes.extend(len.to_be_bytes());
    bytes.extend(n.to_be_bytes());
    bytes.resize(usize::from(len), 0);
    bytes
}

fn millis(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// A link with the poll that watches it and what came of it.
struct Node {
    link: Link,
    poll: Poll,
    now: Instant,
    /// Numbers of the messages received.
    received: Vec<u32>,
    /// First bytes of payloads that were given up.
    failed: Vec<Vec<u8>>,
}

impl Node {
    fn new(spec: &LinkSpec) -> Self {
        let poll = Poll::new().unwrap();
        let mut link = Link::open(spec).unwrap();
        let [receiver, sender, listener] = [0, 1, 2].map(Token);
        let tokens = Tokens {
            receiver,
            sender,
            listener,
        };
        link.watch(poll.registry(), tokens).unwrap();
        Self {
            link,
            poll,
            now: millis(0),
            received: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// On the loopback interface, this one of both.
    fn on_loopback(n: usize) -> Self {
        Self::new(&spec("lo", V4[n], V4[1 - n]))
    }

    /// One turn, without waiting for anything.
    fn turn(&mut self) {
        let mut events = Events::with_capacity(8);
        self.poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        for event in &events {
            self.link.wake(event.token());
        }
        let failed = &mut self.failed;
        self.link.drive(self.now, |sent| match sent {
            Sent::Now(_) | Sent::Later => {}
            Sent::Failed(payload, _) => failed.push(payload),
        });
        let received = &mut self.received;
        self.link.receive(3, |_, payload| {
            received.extend(wire::messages(payload).map(|message| message.unwrap().header.seq.0));
        });
    }

    fn send(&mut self, payload: Vec<u8>) {
        if let Sent::Failed(payload, _) = self.link.send(payload) {
            self.failed.push(payload);
        }
    }

    fn connections(&self) -> (bool, bool) {
        let statistics::Transport::Tcp { server, client } = self.link.transport() else {
            panic!("{:?} is no TCP link", self.link)
        };
        (
            server == TcpConnection::Connected,
            client == TcpConnection::Connected,
        )
    }

    fn tcp(&self) -> &TcpLink {
        let Transport::Tcp(tcp) = &self.link.transport else {
            panic!("{:?} is no TCP link", self.link)
        };
        tcp
    }
}

/// Turns both until a condition holds, and fails if it never does.
fn until(a: &mut Node, b: &mut Node, what: &str, holds: impl Fn(&Node, &Node) -> bool) {
    let clock = crate::clock::Clock::start();
    while !holds(a, b) {
        a.turn();
        b.turn();
        let waited = clock.now().saturating_since(Instant::START);
        assert!(
            waited < Duration::from_secs(20),
            "{what}: {a:?}, {b:?}",
            a = a.link,
            b = b.link
        );
    }
}

/// Turns one until a condition holds, and fails if it never does.
fn turn_until(node: &mut Node, what: &str, holds: impl Fn(&Node) -> bool) {
    let clock = crate::clock::Clock::start();
    while !holds(node) {
        node.turn();
        let waited = clock.now().saturating_since(Instant::START);
        assert!(waited < Duration::from_secs(20), "{what}: {:?}", node.link);
    }
}

fn connect(a: &mut Node, b: &mut Node) {
    // The second try of the first finds the second.
    a.turn();
    a.now = a.now.saturating_add(Duration::from_secs(1));
    until(a, b, "both connect", |a, b| {
        a.connections() == (true, true) && b.connections() == (true, true)
    });
}

#[test]
fn messages_arrive_in_order_in_both_directions() {
    let Some(nodes) = TwoNodes::wire() else { return };
    for [one, other] in [
        ["10.9.0.1", "10.9.0.2"],
        ["fd09::1", "fd09::2"],
        ["fe80::1", "fe80::2"],
    ] {
        let mut a = Node::new(&spec("sync0", one, other));
        let mut b = nodes.on(2, || Node::new(&spec("sync0", other, one)));
        // Sockets of the second node are made in its namespace.
        nodes.on(2, || b.turn());
        b.now = b.now.saturating_add(Duration::from_secs(1));
        let clock = crate::clock::Clock::start();
        while b.connections() != (true, true) || a.connections() != (true, true) {
            a.turn();
            nodes.on(2, || b.turn());
            assert!(clock.now() < millis(20_000), "{:?} {:?}", a.link, b.link);
        }
        for n in 0..20 {
            a.send([message(2 * n, 8), message(2 * n + 1, 76)].concat());
            b.send(message(n, 12));
        }
        until(&mut a, &mut b, "all arrive", |a, b| {
            (a.received.len(), b.received.len()) == (20, 40)
        });
        assert_eq!(a.received, (0..20).collect::<Vec<_>>(), "{one}");
        assert_eq!(b.received, (0..40).collect::<Vec<_>>(), "{one}");
        assert_eq!(a.link.counters().sent.bytes, 20 * 84);
        assert_eq!(b.link.counters().received.bytes, 20 * 84);
    }
}

#[test]
fn a_megabyte_through_small_buffers_keeps_its_framing() {
    if !enter_namespace() {
        return;
    }
    let [mut a, mut b] = [0, 1].map(|n| {
        Node::new(&LinkSpec {
            buffers: SMALL,
            ..spec("lo", V4[n], V4[1 - n])
        })
    });
    connect(&mut a, &mut b);
    let (n_payloads, mut len) = (1_000_u32, 8);
    for n in 0..n_payloads {
        a.send(message(n, len));
        // Lengths that no buffer is a multiple of.
        len = 8 + (len * 7 + 13) % 2_000;
    }
    assert!(a.link.n_waiting() > 0, "all found room at once");
    until(&mut a, &mut b, "all arrive", |_, b| {
        b.received.len() == usize::try_from(n_payloads).unwrap()
    });
    assert_eq!(b.received, (0..n_payloads).collect::<Vec<_>>());
    let LinkCounters { sent, .. } = a.link.counters();
    assert!(
        sent.packets > u64::from(n_payloads),
        "no write was short: {sent:?}"
    );
    assert_eq!((sent.errors, a.failed.len()), (0, 0));
}

#[test]
fn what_finds_no_connection_waits_and_the_oldest_gives_way() {
    if !enter_namespace() {
        return;
    }
    let mut a = Node::on_loopback(0);
    turn_until(&mut a, "nobody listens", |a| a.link.counters().sent.errors == 1);
    for n in 0..7 {
        a.send(message(n, 8));
    }
    assert_eq!(a.failed, [message(0, 8), message(1, 8), message(2, 8)]);
    let want = ErrorQueue {
        len: u64::from(QUEUE_LEN),
        len_max: u64::from(QUEUE_LEN),
        overflowed: 3,
    };
    assert_eq!(a.link.error_queue(), Some(want));
    assert_eq!(a.link.n_waiting(), 0, "nothing is worth waiting for at the end");
    let mut b = Node::on_loopback(1);
    a.now = millis(1_000);
    until(&mut a, &mut b, "the rest arrives", |_, b| b.received.len() == 4);
    assert_eq!(b.received, [3, 4, 5, 6]);
}

#[test]
fn connecting_is_tried_once_a_second_and_told_once() {
    if !enter_namespace() {
        return;
    }
    let mut a = Node::on_loopback(0);
    let mut n_told = 0;
    for n in 0..5 {
        a.now = millis(n * 1_000);
        let errors = n + 1;
        turn_until(&mut a, "an attempt fails", |a| {
            a.link.counters().sent.errors == errors
        });
        assert_eq!(a.link.deadline(), Some(millis((n + 1) * 1_000)));
        a.now = millis(n * 1_000 + 999);
        a.turn();
        assert_eq!(a.link.counters().sent.errors, errors, "none before its time");
        n_told += u32::from(matches!(a.link.take_news(), Some(LinkNews::Refused(_))));
    }
    assert_eq!(n_told, 1);
    let _listener = TcpListener::bind((V4[1], PORT)).unwrap();
    a.now = millis(5_000);
    turn_until(&mut a, "it connects", |a| a.connections().1);
    assert!(matches!(a.link.take_news(), Some(LinkNews::Connected)));
    assert_eq!(a.link.deadline(), None);
}

#[test]
fn an_attempt_that_nobody_answers_is_given_up() {
    let Some(nodes) = TwoNodes::wire() else { return };
    nodes.on(2, || crate::testing::ip("address del 10.9.0.2/24 dev sync0"));
    crate::testing::ip("neighbour add 10.9.0.2 lladdr 02:00:00:00:00:02 dev sync0");
    let mut a = Node::new(&spec("sync0", "10.9.0.1", "10.9.0.2"));
    a.turn();
    assert_eq!(
        (a.link.deadline(), a.link.counters().sent.errors),
        (Some(millis(3_000)), 0)
    );
    a.now = millis(3_000);
    a.turn();
    assert_eq!(
        (a.link.deadline(), a.link.counters().sent.errors),
        (Some(millis(1_000)), 1)
    );
    a.turn();
    assert_eq!(
        a.link.deadline(),
        Some(millis(6_000)),
        "the next attempt is under way"
    );
}

#[test]
fn the_end_of_the_peer_is_noticed_and_nothing_queued_is_lost() {
    if !enter_namespace() {
        return;
    }
    let [mut a, mut b] = [0, 1].map(Node::on_loopback);
    connect(&mut a, &mut b);
    a.link.take_news();
    drop(b);
    turn_until(&mut a, "both ends are noticed", |a| {
        a.connections() == (false, false)
    });
    assert!(matches!(a.link.take_news(), Some(LinkNews::Lost(_))));
    for n in 0..3 {
        a.send(message(n, 8));
    }
    let mut b = Node::on_loopback(1);
    a.now = millis(2_000);
    until(&mut a, &mut b, "all arrive", |a, b| {
        b.received.len() == 3 && a.connections() == (true, true)
    });
    assert_eq!(b.received, [0, 1, 2]);
    assert_eq!(a.failed.len(), 0);
}

#[test]
fn half_a_message_waits_for_the_other_half_and_dies_with_its_connection() {
    if !enter_namespace() {
        return;
    }
    let mut a = Node::on_loopback(0);
    let peer = || TcpStream::connect((V4[0], PORT)).unwrap();
    let whole = message(7, 20);
    let mut first = peer();
    first
        .write_all(&[&message(6, 8)[..], &whole[..11]].concat())
        .unwrap();
    turn_until(&mut a, "the whole message arrives", |a| a.received == [6]);
    first.write_all(&whole[11..]).unwrap();
    turn_until(&mut a, "the halves are joined", |a| a.received == [6, 7]);
    first.write_all(&whole[..9]).unwrap();
    drop(first);
    turn_until(&mut a, "the connection ends", |a| !a.connections().0);
    let mut second = peer();
    second.write_all(&message(8, 8)).unwrap();
    turn_until(&mut a, "the new connection begins anew", |a| {
        a.received == [6, 7, 8]
    });
    assert_eq!(a.link.counters().received.errors, 0);
}

#[test]
fn a_new_connection_comes_in_place_of_the_old_which_is_read_first() {
    if !enter_namespace() {
        return;
    }
    let mut a = Node::on_loopback(0);
    let peer = |n| {
        let mut stream = TcpStream::connect((V4[0], PORT)).unwrap();
        stream.write_all(&message(n, 8)).unwrap();
        stream
    };
    let mut old = peer(1);
    turn_until(&mut a, "the first is heard", |a| a.received == [1]);
    old.write_all(&message(2, 8)).unwrap();
    let mut new = peer(3);
    turn_until(&mut a, "both are heard", |a| a.received == [1, 2, 3]);
    new.write_all(&message(4, 8)).unwrap();
    turn_until(&mut a, "the new one is heard", |a| a.received == [1, 2, 3, 4]);
    old.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(old.read(&mut [0]).unwrap(), 0, "the old one is closed");
}

#[test]
fn a_stream_without_framing_is_ended() {
    if !enter_namespace() {
        return;
    }
    let mut a = Node::on_loopback(0);
    let mut stream = TcpStream::connect((V4[0], PORT)).unwrap();
    // A message of length 0.
    let broken = [message(1, 8), vec![0x10, 0, 0, 0, 0, 0, 0, 2]].concat();
    stream.write_all(&broken).unwrap();
    let mut payloads = Vec::new();
    let clock = crate::clock::Clock::start();
    while payloads.is_empty() {
        a.link.drive(a.now, |_| {});
        a.link.receive(3, |_, payload| payloads.push(payload.to_vec()));
        assert!(clock.now() < millis(20_000), "nothing arrives");
    }
    assert_eq!(payloads, [broken], "all of it is handed on, to be counted");
    turn_until(&mut a, "the connection ends", |a| !a.connections().0);
    let want = DirectionCounters {
        bytes: 16,
        packets: 1,
        errors: 1,
    };
    assert_eq!(a.link.counters().received, want);
}

#[test]
fn what_waits_goes_to_the_link_used_next_but_for_what_has_begun_to_leave() {
    if !enter_namespace() {
        return;
    }
    let small = |n: usize| {
        Node::new(&LinkSpec {
            buffers: SMALL,
            ..spec("lo", V4[n], V4[1 - n])
        })
    };
    let [mut a, mut b] = [0, 1].map(small);
    connect(&mut a, &mut b);
    let n_payloads = 40;
    for n in 0..n_payloads {
        a.send(message(n, 1_400));
    }
    let has_begun = a.tcp().outgoing.has_begun();
    let mut next = Node::new(&spec("lo", "127.0.0.3", "127.0.0.4"));
    a.link.hand_over(&mut next.link);
    let n_waiting = next.link.error_queue().map(|queue| queue.len);
    assert_eq!(n_waiting, Some(0), "nothing goes from a connection to none");
    let mut far = Node::new(&spec("lo", "127.0.0.4", "127.0.0.3"));
    connect(&mut next, &mut far);
    a.link.hand_over(&mut next.link);
    assert_eq!(a.link.n_waiting(), usize::from(has_begun));
    until(&mut a, &mut b, "what has begun arrives whole", |a, _| {
        a.link.n_waiting() == 0
    });
    let n_all = usize::try_from(n_payloads).unwrap();
    let clock = crate::clock::Clock::start();
    while b.received.len() + far.received.len() < n_all {
        b.turn();
        next.turn();
        far.turn();
        assert!(
            clock.now() < millis(20_000),
            "{:?} {:?}",
            b.received,
            far.received
        );
    }
    let order: Vec<u32> = b.received.iter().chain(&far.received).copied().collect();
    assert_eq!(order, (0..n_payloads).collect::<Vec<_>>());
}

#[test]
fn a_port_in_use_and_an_address_of_another_machine_are_named() {
    if !enter_namespace() {
        return;
    }
    let taken: SocketAddr = (V4[0].parse::<IpAddr>().unwrap(), PORT).into();
    let _taken = TcpListener::bind(taken).unwrap();
    let refusal = |local: &str| {
        let error = Link::open(&spec("lo", local, V4[1])).unwrap_err();
        error.to_string()
    };
    assert_eq!(
        refusal(V4[0]),
        "port 3780 of 127.0.0.1 is in use by another program"
    );
    assert_eq!(refusal("192.0.2.1"), "address 192.0.2.1 is not on this machine");
    assert_eq!(refusal("::1"), "::1 and 127.0.0.2 are of different families");
}

#[test]
fn driving_tells_of_a_new_receiver_once() {
    if !enter_namespace() {
        return;
    }
    let mut a = Node::on_loopback(0);
    assert_eq!(a.link.drive(a.now, |_| {}), Driven::AsBefore);
    assert_eq!(a.link.receiver_fd(), None);
    let _stream = TcpStream::connect((V4[0], PORT)).unwrap();
    a.link.wake(Token(2));
    assert_eq!(a.link.drive(a.now, |_| {}), Driven::NewReceiver);
    assert!(a.link.receiver_fd().is_some());
    assert_eq!(a.link.drive(a.now, |_| {}), Driven::AsBefore);
}
