use alloc::string::{String, ToString};
use alloc::vec;
use core::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::flow::arbitrary::kernel_flow;
use crate::flow::{Addrs, Tcp, Tuple};
use crate::testing::tcp;

use Policy::{Accept, Ignore};

fn network(text: &str) -> Network {
    let (address, prefix_len) = text.split_once('/').unwrap();
    Network::new(address.parse().unwrap(), prefix_len.parse().unwrap()).unwrap()
}

fn networks(policy: Policy, entries: &[&str]) -> Filter {
    let entries = entries.iter().copied().map(network).collect();
    Filter::new(None, Some(List { policy, entries }), None)
}

fn protocols(policy: Policy, entries: Vec<Protocol>) -> Filter {
    Filter::new(Some(List { policy, entries }), None, None)
}

fn states(policy: Policy, entries: Vec<TcpState>) -> Filter {
    Filter::new(None, None, Some(List { policy, entries }))
}

/// A flow from `orig` that `reply` answers, both IPv4 or both IPv6.
fn between(orig: &str, reply: &str) -> Flow {
    let mut flow = tcp(1, TcpState::ESTABLISHED);
    let addrs = |src: &str| match src.parse().unwrap() {
        IpAddr::V4(src) => Addrs::V4 {
            src,
            dst: Ipv4Addr::new(203, 0, 113, 1),
        },
        IpAddr::V6(src) => Addrs::V6 {
            src,
            dst: Ipv6Addr::LOCALHOST,
        },
    };
    flow.orig.addrs = addrs(orig);
    flow.reply = Some(Tuple {
        addrs: addrs(reply),
        ..flow.orig.mirrored()
    });
    flow
}

/// What each set says, as `set policy finding`; the excluding ones with an exclamation mark.
fn told(filter: &Filter, flow: &Flow) -> Vec<String> {
    let steps = filter.walk(flow).map(|step| {
        let mark = if step.excludes() { "!" } else { "" };
        alloc::format!("{mark}{} {:?} {:?}", step.set, step.policy, step.finding)
    });
    steps.collect()
}

#[test]
fn without_a_set_everything_is_kept() {
    let filter = Filter::default();
    assert!(filter.is_empty());
    assert_eq!(filter, Filter::new(None, None, None));
    assert_eq!(filter.judge(&tcp(1, TcpState::NONE)), Verdict::Kept);
    assert_eq!(filter.walk(&tcp(1, TcpState::NONE)).count(), 0);
}

/// Checks what a filter of one set says of a flow.
fn check(table: &[(Filter, &Flow, &str)]) {
    for (filter, flow, want) in table {
        assert_eq!(told(filter, flow), [*want], "{filter:?}");
    }
}

#[test]
fn protocols_are_those_of_the_original_tuple() {
    let flow = &tcp(1, TcpState::NONE);
    let (udp, both) = (|| vec![Protocol::UDP], || vec![Protocol::UDP, Protocol::TCP]);
    check(&[
        (protocols(Accept, both()), flow, "Protocol Accept Matched(1)"),
        (protocols(Accept, udp()), flow, "!Protocol Accept Unmatched"),
        (protocols(Ignore, both()), flow, "!Protocol Ignore Matched(1)"),
        (protocols(Ignore, udp()), flow, "Protocol Ignore Unmatched"),
        (protocols(Accept, vec![]), flow, "!Protocol Accept Unmatched"),
        (protocols(Ignore, vec![]), flow, "Protocol Ignore Unmatched"),
    ]);
}

#[test]
fn addresses_are_the_sources_of_both_directions_and_no_destination() {
    let v4 = &between("10.1.2.3", "192.0.2.9");
    let v6 = &between("2001:db8::1", "2001:db8:1::1");
    let (accept, ignore) = (
        |list: &[_]| networks(Accept, list),
        |list: &[_]| networks(Ignore, list),
    );
    let destination = "203.0.113.0/24";
    check(&[
        (accept(&["10.1.2.3/32"]), v4, "Address Accept Matched(0)"),
        (
            accept(&["172.16.0.0/12", "192.0.2.0/24"]),
            v4,
            "Address Accept Matched(1)",
        ),
        (accept(&[destination]), v4, "!Address Accept Unmatched"),
        (ignore(&[destination]), v4, "Address Ignore Unmatched"),
        (
            ignore(&["10.1.2.0/24", "10.0.0.0/8"]),
            v4,
            "!Address Ignore Matched(1)",
        ),
        (accept(&["2001:db8::/32"]), v4, "!Address Accept Unmatched"),
        (ignore(&["2001:db8::/32"]), v4, "Address Ignore Unmatched"),
        (accept(&["0.0.0.0/0"]), v6, "!Address Accept Unmatched"),
        (accept(&["2001:db8:1::/64"]), v6, "Address Accept Matched(0)"),
        (ignore(&["::/0"]), v6, "!Address Ignore Matched(0)"),
        (accept(&[]), v4, "!Address Accept Unmatched"),
        (ignore(&[]), v4, "Address Ignore Unmatched"),
    ]);
}

#[test]
fn states_are_of_tcp_flows_whose_state_is_known() {
    let open = &tcp(1, TcpState::ESTABLISHED);
    let (mut unknown, mut sctp) = (open.clone(), open.clone());
    unknown.proto = ProtoState::None;
    sctp.proto = ProtoState::Sctp {
        state: crate::flow::SctpState::ESTABLISHED,
        vtag_orig: 0,
        vtag_reply: 0,
    };
    let both = || vec![TcpState::SYN_RECV, TcpState::ESTABLISHED];
    check(&[
        (states(Accept, both()), open, "State Accept Matched(1)"),
        (
            states(Accept, vec![TcpState::CLOSE]),
            open,
            "!State Accept Unmatched",
        ),
        (states(Ignore, both()), open, "!State Ignore Matched(1)"),
        (states(Accept, vec![]), open, "!State Accept Unmatched"),
        (states(Accept, vec![]), &unknown, "State Accept NotConcerned"),
        (states(Accept, vec![]), &sctp, "State Accept NotConcerned"),
    ]);
}

#[test]
fn the_first_set_that_excludes_decides() {
    let list = |policy, entry| {
        Some(List {
            policy,
            entries: vec![entry],
        })
    };
    let filter = Filter::new(
        list(Accept, Protocol::TCP),
        Some(List {
            policy: Ignore,
            entries: vec![network("10.0.0.0/8")],
        }),
        Some(List {
            policy: Ignore,
            entries: vec![TcpState::TIME_WAIT],
        }),
    );
    let (kept, mut udp) = (
        between("192.0.2.1", "192.0.2.2"),
        between("10.0.0.1", "192.0.2.2"),
    );
    udp.orig.proto = Protocol::UDP;
    assert_eq!(filter.judge(&kept), Verdict::Kept);
    let decisive = |flow| match filter.judge(flow) {
        Verdict::Excluded(step) => step.set.to_string(),
        Verdict::Kept => String::new(),
    };
    let mut waiting = between("10.0.0.1", "192.0.2.2");
    waiting.proto = ProtoState::Tcp(Tcp::in_state(TcpState::TIME_WAIT));
    assert_eq!(decisive(&udp), "Protocol");
    assert_eq!(decisive(&waiting), "Address");
    assert_eq!(
        told(&filter, &waiting),
        [
            "Protocol Accept Matched(0)",
            "!Address Ignore Matched(0)",
            "!State Ignore Matched(0)"
        ],
        "a walk goes on"
    );
}

#[test]
fn the_end_of_a_flow_is_told_in_every_state() {
    let closed = tcp(1, TcpState::CLOSE);
    let filter = states(Accept, vec![TcpState::ESTABLISHED]);
    assert_ne!(filter.judge(&closed), Verdict::Kept);
    assert_eq!(filter.judge_end(&closed), Verdict::Kept);
    let filter = protocols(Ignore, vec![Protocol::TCP]);
    assert_eq!(filter.judge_end(&closed), filter.judge(&closed));
}

#[test]
fn without_a_reply_tuple_the_one_that_the_kernel_would_make_counts() {
    let mut flow = between("192.0.2.1", "192.0.2.2");
    flow.reply = None;
    let server = |network| networks(Accept, &[network]).judge(&flow.clone());
    assert_eq!(
        server("203.0.113.1/32"),
        Verdict::Kept,
        "the original destination"
    );
    flow.nat.dnat = Some(IpAddr::V4(Ipv4Addr::new(10, 9, 8, 7)));
    let server = |network| networks(Accept, &[network]).judge(&flow);
    assert_eq!(server("10.9.8.7/32"), Verdict::Kept, "the real server");
    assert_ne!(server("203.0.113.1/32"), Verdict::Kept);
}

#[test]
fn a_prefix_longer_than_the_address_is_no_network() {
    let new = |address: &str, prefix_len| Network::new(address.parse().unwrap(), prefix_len);
    assert_eq!(new("10.0.0.0", 33), None);
    assert_eq!(new("::", 129), None);
    assert_eq!(new("10.1.2.3", 8), new("10.9.9.9", 8));
    assert_ne!(new("::1", 128), new("::2", 128));
}

/// Networks that often hold each other.
fn crowded() -> impl Strategy<Value = Vec<(IpAddr, u8)>> {
    let v4 =
        (0_u8..4, 0_u8..4, 0..=32_u8).prop_map(|(a, b, len)| (Ipv4Addr::new(a << 6, 0, 0, b).into(), len));
    let v6 = (0_u16..4, 0_u16..4, 0..=128_u8)
        .prop_map(|(a, b, len)| (Ipv6Addr::new(a << 14, 0, 0, 0, 0, 0, 0, b).into(), len));
    proptest::collection::vec(prop_oneof![v4, v6], 0..40)
}

/// Compares bit by bit.
fn holds((network, prefix_len): (IpAddr, u8), address: IpAddr) -> bool {
    let bits = |address| match address {
        IpAddr::V4(v4) => (4, u128::from(v4.to_bits()) << 96),
        IpAddr::V6(v6) => (6, v6.to_bits()),
    };
    let ((family, a), (of_address, b)) = (bits(network), bits(address));
    family == of_address && (a ^ b).leading_zeros() >= u32::from(prefix_len)
}

proptest! {
    #[test]
    fn an_address_is_found_in_the_widest_network_that_holds_it(entries in crowded(), sought in crowded()) {
        let given: Vec<_> = entries.iter().map(|(address, len)| Network::new(*address, *len).unwrap()).collect();
        let networks = Networks::new(&given);
        for (address, _) in sought {
            let holding = entries.iter().enumerate().filter(|(_, entry)| holds(**entry, address));
            let widest = holding.min_by_key(|(place, (_, prefix_len))| (*prefix_len, *place));
            prop_assert_eq!(networks.find(address), widest.map(|(place, _)| place));
        }
    }

    #[test]
    fn a_flow_is_kept_exactly_if_no_set_excludes_it(
        flow in kernel_flow(),
        protocol in any::<(bool, u8)>(),
        state in any::<(bool, u8)>(),
    ) {
        let policy = |accepts| if accepts { Accept } else { Ignore };
        let filter = Filter::new(
            Some(List { policy: policy(protocol.0), entries: vec![Protocol::TCP, Protocol(protocol.1)] }),
            None,
            Some(List { policy: policy(state.0), entries: (0..state.1).map(TcpState).collect() }),
        );
        let is_listed = flow.orig.proto == Protocol::TCP || flow.orig.proto == Protocol(protocol.1);
        let passes_state = match flow.proto {
            ProtoState::Tcp(tcp) => (tcp.state.0 < state.1) == state.0,
            ProtoState::None | ProtoState::Sctp { .. } | ProtoState::Dccp { .. } => true,
        };
        let is_kept = is_listed == protocol.0 && passes_state;
        prop_assert_eq!(filter.judge(&flow) == Verdict::Kept, is_kept);
    }
}
