//! The programs beside the engine's own judgement, run by an interpreter and by the kernel.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::net::UnixDatagram;

use engine::filter::{List, Network, Policy, Verdict};
use engine::flow::{Addrs, Flow, L4Key, ProtoState, Protocol, SctpState, Tcp, TcpState, Tuple};
use engine::input::EventKind;
use engine::output::FlowRequest;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use socket2::SockRef;

use super::*;
use crate::ctnetlink::decode::{Message, decode_flow, messages};
use crate::ctnetlink::encode::{AckMode, encode_flow_request};

/// Most entries of a family that a configuration may have.
const ENTRIES_MAX: usize = 127;

/// Returns whether the program keeps an event.
fn keeps(filter: &EventFilter, event: &[u8]) -> bool {
    interpreter::run(filter.code.instructions(), event) != DROP
}

/// A socket of the kernel with the program attached: what is sent to it arrives or does not.
struct Filtered {
    sender: UnixDatagram,
    receiver: UnixDatagram,
}

impl Filtered {
    fn new(filter: &EventFilter) -> Self {
        let (sender, receiver) = UnixDatagram::pair().unwrap();
        receiver.set_nonblocking(true).unwrap();
        SockRef::from(&receiver).attach_filter(&filter.program()).unwrap();
        Self { sender, receiver }
    }

    fn keeps(&self, event: &[u8]) -> bool {
        self.sender.send(event).unwrap();
        match self.receiver.recv(&mut vec![0; event.len()]) {
            Ok(len) => {
                assert_eq!(len, event.len(), "all of it is kept");
                true
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}");
                false
            }
        }
    }
}

/// Returns an event as the kernel sends it: what it tells is what a creation tells.
fn event(kind: EventKind, flow: &Flow) -> Vec<u8> {
    let mut event = Vec::new();
    encode_flow_request(
        &FlowRequest::Create(flow.clone()),
        0,
        AckMode::OnError,
        &mut event,
    );
    match kind {
        EventKind::New => {}
        EventKind::Update => event[6..8].fill(0),
        EventKind::Destroy => event[4..6].copy_from_slice(&0x0102_u16.to_ne_bytes()),
    }
    event
}

/// Returns whether the engine keeps an event.
fn is_kept(filter: &Filter, event: &[u8]) -> bool {
    let Message::Flow { kind, body, .. } = messages(event).next().unwrap().unwrap() else {
        panic!("this is no event of a flow")
    };
    let flow = decode_flow(&body).unwrap();
    let verdict = match kind {
        EventKind::New | EventKind::Update => filter.judge(&flow),
        EventKind::Destroy => filter.judge_end(&flow),
    };
    verdict == Verdict::Kept
}

/// Addresses of which many begin alike.
fn ipv4() -> impl Strategy<Value = Ipv4Addr> {
    let byte = || prop::sample::select(vec![0, 1, 127, 255]);
    prop_oneof![
        3 => [byte(), byte(), byte(), byte()].prop_map(Ipv4Addr::from),
        1 => any::<Ipv4Addr>(),
    ]
}

fn ipv6() -> impl Strategy<Value = Ipv6Addr> {
    let word = || prop::sample::select(vec![0, 1, u32::MAX]);
    let words = [word(), word(), word(), word()];
    let address = |words: [u32; 4]| words.iter().fold(0, |bits, word| bits << 32 | u128::from(*word));
    prop_oneof![
        3 => words.prop_map(move |words| Ipv6Addr::from_bits(address(words))),
        1 => any::<Ipv6Addr>(),
    ]
}

fn network() -> impl Strategy<Value = Network> {
    let of_v4 = (ipv4(), prop_oneof![0..=32_u8, Just(32)]).prop_map(|(address, len)| (address.into(), len));
    let of_v6 = (ipv6(), prop_oneof![0..=128_u8, Just(128)]).prop_map(|(address, len)| (address.into(), len));
    prop_oneof![of_v4, of_v6].prop_map(|(address, len)| Network::new(address, len).unwrap())
}

fn list<T: std::fmt::Debug + Clone>(
    entry: impl Strategy<Value = T>,
    len_max: usize,
) -> impl Strategy<Value = Option<List<T>>> {
    let policy = prop_oneof![Just(Policy::Accept), Just(Policy::Ignore)];
    let entries = prop_oneof![vec(Just(()), 0..4), vec(Just(()), 0..=len_max)];
    let list = (policy, entries, vec(entry, len_max)).prop_map(|(policy, len, mut entries)| {
        entries.truncate(len.len());
        List { policy, entries }
    });
    option::of(list)
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop::sample::select(vec![6, 6, 6, 17, 132, 0, 255]).prop_map(Protocol)
}

fn filter() -> impl Strategy<Value = Filter> {
    (
        list(protocol(), 20),
        list(network(), ENTRIES_MAX),
        list((0..12_u8).prop_map(TcpState), 12),
    )
        .prop_map(|(protocols, addresses, states)| Filter::new(protocols, addresses, states))
}

fn tuple(addrs: Addrs, proto: Protocol) -> Tuple {
    let key = L4Key::Ports { src: 1, dst: 2 };
    Tuple { addrs, proto, key }
}

fn flow() -> impl Strategy<Value = Flow> {
    let of_v4 = [ipv4(), ipv4(), ipv4(), ipv4()]
        .prop_map(|[src, dst, a, b]| [Addrs::V4 { src, dst }, Addrs::V4 { src: a, dst: b }]);
    let of_v6 = [ipv6(), ipv6(), ipv6(), ipv6()]
        .prop_map(|[src, dst, a, b]| [Addrs::V6 { src, dst }, Addrs::V6 { src: a, dst: b }]);
    let state = (0..12_u8, 0..4_u8).prop_map(|(state, kind)| match kind {
        0 => ProtoState::None,
        1 => ProtoState::Sctp {
            state: SctpState(state),
            vtag_orig: 1,
            vtag_reply: 2,
        },
        _ => ProtoState::Tcp(Tcp::in_state(TcpState(state))),
    });
    (prop_oneof![of_v4, of_v6], protocol(), state, any::<Option<u32>>()).prop_map(
        |([orig, reply], protocol, proto, mark)| Flow {
            reply: Some(tuple(reply, protocol)),
            proto,
            mark,
            ..Flow::new(tuple(orig, protocol))
        },
    )
}

fn events() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let kind = prop_oneof![
        2 => Just(EventKind::New),
        1 => Just(EventKind::Update),
        1 => Just(EventKind::Destroy),
    ];
    vec((kind, flow()).prop_map(|(kind, flow)| event(kind, &flow)), 16)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_program_drops_exactly_what_the_engine_excludes(filter in filter(), events in events()) {
        let program = EventFilter::keeping(&filter).unwrap().ignoring(&[7]);
        for event in events {
            prop_assert_eq!(keeps(&program, &event), is_kept(&filter, &event));
        }
    }
}

proptest! {
    #[test]
    fn the_kernel_drops_exactly_what_the_engine_excludes(filter in filter(), events in events()) {
        let program = EventFilter::keeping(&filter).unwrap().ignoring(&[7]);
        let socket = Filtered::new(&program);
        for event in events {
            let is_kept = is_kept(&filter, &event);
            prop_assert_eq!(socket.keeps(&event), is_kept);
            prop_assert_eq!(keeps(&program, &event), is_kept, "the interpreter is as the kernel");
        }
    }
}

fn tcp(state: TcpState) -> Flow {
    let addrs = Addrs::V4 {
        src: Ipv4Addr::new(10, 0, 0, 1),
        dst: Ipv4Addr::new(192, 0, 2, 9),
    };
    let orig = tuple(addrs, Protocol::TCP);
    Flow {
        reply: Some(orig.mirrored()),
        proto: ProtoState::Tcp(Tcp::in_state(state)),
        ..Flow::new(orig)
    }
}

/// Sets the port id of the socket that caused an event.
fn caused_by(mut event: Vec<u8>, port_id: u32) -> Vec<u8> {
    event[12..16].copy_from_slice(&port_id.to_ne_bytes());
    event
}

#[test]
fn what_the_given_sockets_cause_is_dropped() {
    let filter = EventFilter::default().ignoring(&[0x1234_5678, 77]);
    let event = event(EventKind::New, &tcp(TcpState::NONE));
    for (port_id, is_kept) in [(0x1234_5678, false), (77, false), (0, true), (0x7856_3412, true)] {
        let event = caused_by(event.clone(), port_id);
        assert_eq!(keeps(&filter, &event), is_kept, "port id {port_id:#x}");
        assert_eq!(
            Filtered::new(&filter).keeps(&event),
            is_kept,
            "port id {port_id:#x}"
        );
    }
    assert_eq!(filter.clone().ignoring(&[]), filter);
}

#[test]
fn without_a_filter_everything_is_kept() {
    let event = event(EventKind::New, &tcp(TcpState::NONE));
    for filter in [
        EventFilter::default(),
        EventFilter::keeping(&Filter::default()).unwrap(),
    ] {
        assert!(keeps(&filter, &event) && Filtered::new(&filter).keeps(&event));
    }
}

#[test]
fn events_of_expectations_pass_every_filter() {
    let nothing = List {
        policy: Policy::Accept,
        entries: Vec::new(),
    };
    let filter = EventFilter::keeping(&Filter::new(Some(nothing), None, None)).unwrap();
    let mut event = event(EventKind::New, &tcp(TcpState::NONE));
    assert!(!Filtered::new(&filter).keeps(&event));
    event[4..6].copy_from_slice(&0x0200_u16.to_ne_bytes());
    assert!(Filtered::new(&filter).keeps(&event));
}

#[test]
fn the_end_of_a_flow_passes_the_state_set() {
    let list = List {
        policy: Policy::Accept,
        entries: vec![TcpState::ESTABLISHED],
    };
    let filter = EventFilter::keeping(&Filter::new(None, None, Some(list))).unwrap();
    let socket = Filtered::new(&filter);
    let closed = tcp(TcpState::CLOSE);
    assert!(!socket.keeps(&event(EventKind::Update, &closed)));
    assert!(socket.keeps(&event(EventKind::Destroy, &closed)));
}

/// Networks of `n` single addresses of each family that have nothing in common.
fn scattered(n: u32) -> Filter {
    // The multiplication scatters them, and no two are the same.
    let word = |i: u32| i.wrapping_mul(0x9e37_79b1);
    let of_v4 = (0..n).map(|i| IpAddr::V4(Ipv4Addr::from_bits(word(i))));
    let of_v6 = (0..n).map(|i| {
        let bits = (1..=4).fold(0, |bits, j| bits << 32 | u128::from(word(i * 4 + j)));
        IpAddr::V6(Ipv6Addr::from_bits(bits))
    });
    let networks = of_v4.chain(of_v6).map(|address| {
        let prefix_len = if address.is_ipv4() { 32 } else { 128 };
        Network::new(address, prefix_len).unwrap()
    });
    let protocols = List {
        policy: Policy::Accept,
        entries: (0..40).step_by(2).map(Protocol).collect(),
    };
    let addresses = List {
        policy: Policy::Ignore,
        entries: networks.collect(),
    };
    let states = List {
        policy: Policy::Accept,
        entries: [1, 3, 5, 7, 9].map(TcpState).to_vec(),
    };
    Filter::new(Some(protocols), Some(addresses), Some(states))
}

#[test]
fn every_filter_of_a_configuration_fits() {
    let filter = scattered(u32::try_from(ENTRIES_MAX).unwrap());
    let program = EventFilter::keeping(&filter)
        .unwrap()
        .ignoring(&[1, 2, 3, 4, 5, 6, 7, 8]);
    let len = program.code.len();
    assert!(len <= LEN_MAX, "{len} instructions");
    let socket = Filtered::new(&program);
    assert!(socket.keeps(&event(EventKind::New, &tcp(TcpState::ESTABLISHED))));
    assert!(!socket.keeps(&event(EventKind::New, &tcp(TcpState::CLOSE))));
}

#[test]
fn a_filter_beyond_the_kernels_limit_says_how_far() {
    let error = EventFilter::keeping(&scattered(1000)).unwrap_err();
    assert!(error.len > error.max, "{error:?}");
    assert!(error.to_string().contains(&error.len.to_string()), "{error}");
}
