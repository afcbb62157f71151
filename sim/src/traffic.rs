//! What the hosts behind the firewalls do, as far as a kernel's table shows it.

mod expectations;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use engine::cache::FlowKey;
use engine::flow::{
    Addrs, Flow, HelperName, L4Key, Labels, Nat, ProtoState, Protocol, SctpState, SeqAdj, SeqAdjPair, Status,
    Tcp, TcpState, Tuple,
};
use engine::input::Errno;
use engine::time::Instant;

use crate::kernel::Kernel;
use crate::replay::Rng;
use crate::side::Side;

/// How busy the hosts are, and with what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrafficRates {
    /// Most flows at a firewall.
    pub(crate) flow_len_max: usize,
    /// Steps of 5 ms in which something happens, in 1,000.
    steps: u32,
    /// Of those, the ones in which very much does.
    bursts: u32,
    /// What happens then, by weight.
    begins: u32,
    changes: u32,
    refreshes: u32,
    ends: u32,
    /// An end, and at once a new flow with the same tuple.
    replacements: u32,
    /// A helper foretells a flow.
    foretellings: u32,
    /// What was foretold comes, or is given up.
    arrivals: u32,
    /// Flows with each of these, in 1,000.
    natted: u32,
    expected: u32,
    zoned: u32,
    ipv6: u32,
    not_tcp: u32,
    decorated: u32,
    /// TCP flows with a helper.
    helped: u32,
}

impl TrafficRates {
    /// Draws the hosts of a world.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let len_max = rng.choose(&[3, 20, 60, 150]);
        let mut share = |choices: &[u32]| if rng.happens(400) { 0 } else { rng.choose(choices) };
        Self {
            flow_len_max: len_max,
            bursts: share(&[5, 50]),
            changes: share(&[1, 4, 10]),
            refreshes: share(&[1]),
            ends: share(&[1, 2, 5]),
            replacements: share(&[1, 3]),
            foretellings: share(&[1, 3]),
            arrivals: share(&[1]),
            helped: share(&[200, 1_000]),
            natted: share(&[200, 800, 1_000]),
            expected: share(&[100, 400]),
            zoned: share(&[300]),
            ipv6: share(&[300, 1_000]),
            not_tcp: share(&[300, 800]),
            decorated: share(&[300]),
            begins: rng.choose(&[2, 4]),
            steps: rng.choose(&[5, 50, 200, 600]),
        }
    }
}

/// The hosts of all the world.
#[derive(Debug)]
pub(crate) struct Traffic {
    rates: TrafficRates,
    rng: Rng,
    /// Port for the next translation: no two flows are given the same.
    next_port: u16,
    /// Port for the next expectation: no two of them wait for the same.
    next_foretold: u16,
}

impl Traffic {
    pub(crate) const fn new(rates: TrafficRates, rng: Rng) -> Self {
        Self {
            rates,
            rng,
            next_port: 1_024,
            next_foretold: 1_024,
        }
    }

    /// Lets the hosts behind `side` act for 5 ms.
    pub(crate) fn step(&mut self, side: Side, kernel: &mut Kernel, now: Instant) {
        if !self.rng.happens(self.rates.steps) {
            return;
        }
        let n_acts = if self.rng.happens(self.rates.bursts) {
            self.rng.between(20, 100)
        } else {
            1
        };
        for _ in 0..n_acts {
            self.act(side, kernel, now);
        }
    }

    fn act(&mut self, side: Side, kernel: &mut Kernel, now: Instant) {
        let rates = self.rates;
        let limits = [
            rates.begins,
            rates.changes,
            rates.refreshes,
            rates.ends,
            rates.replacements,
            rates.foretellings,
            rates.arrivals,
        ];
        let total = limits.iter().sum::<u32>();
        let mut left = self.rng.between_u32(0, total - 1);
        let place = limits.iter().position(|weight| {
            let is_it = left < *weight;
            left = left.saturating_sub(*weight);
            is_it
        });
        if place == Some(0) {
            return self.begin(side, kernel, now);
        }
        let Some(key) = self.any_flow(kernel) else {
            return;
        };
        match place {
            Some(1) => self.change(&key, kernel, now),
            Some(2) => kernel.refresh(&key, self.rng.between_u32(20, 200), now),
            Some(3) => kernel.end(&key, now),
            Some(5) => self.foretell(&key, kernel, now),
            Some(6) => self.arrive(kernel, now),
            _ => {
                let Some(old) = kernel.flow(&key, now) else { return };
                kernel.end(&key, now);
                let flow = self.flow(old.orig, old.zone, None);
                begin_flow(flow, kernel, now);
            }
        }
    }

    fn any_flow(&mut self, kernel: &Kernel) -> Option<FlowKey> {
        let len = u64::try_from(kernel.len()).ok().filter(|len| *len > 0)?;
        let place = usize::try_from(self.rng.between(0, len - 1)).ok()?;
        kernel.keys().nth(place)
    }

    fn begin(&mut self, side: Side, kernel: &mut Kernel, now: Instant) {
        if kernel.len() >= self.rates.flow_len_max {
            return;
        }
        let orig = self.tuple(side);
        let zone = self.rng.happens(self.rates.zoned).then_some(7);
        let master = if self.rng.happens(self.rates.expected) {
            let key = self.any_flow(kernel);
            let same_zone = key.filter(|key| key.zone == zone.unwrap_or(0));
            same_zone
                .map(|key| key.orig())
                .filter(|master| master.proto == Protocol::TCP)
        } else {
            None
        };
        begin_flow(self.flow(orig, zone, master), kernel, now);
    }

    /// Draws a tuple from few, so that flows come again.
    fn tuple(&mut self, side: Side) -> Tuple {
        let net = if side == Side::A { 1 } else { 2 };
        let port = self.rng.between_u16(40_000, 40_199);
        let addrs = if self.rng.happens(self.rates.ipv6) {
            Addrs::V6 {
                src: Ipv6Addr::new(0x2001, 0xdb8, net, 0, 0, 0, 0, 1),
                dst: Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 9),
            }
        } else {
            let [_, net] = net.to_be_bytes();
            Addrs::V4 {
                src: Ipv4Addr::new(10, net, 0, 1),
                dst: Ipv4Addr::new(192, 0, 2, 9),
            }
        };
        let is_v4 = matches!(addrs, Addrs::V4 { .. });
        let ports = |dst| L4Key::Ports { src: port, dst };
        let (proto, key) = if self.rng.happens(self.rates.not_tcp) {
            match self.rng.between(0, 5) {
                0 if is_v4 => (
                    Protocol::ICMP,
                    L4Key::Icmp {
                        icmp_type: 8,
                        code: 0,
                        id: port,
                    },
                ),
                0 => (
                    Protocol::ICMPV6,
                    L4Key::Icmp {
                        icmp_type: 128,
                        code: 0,
                        id: port,
                    },
                ),
                1 => (Protocol::SCTP, ports(5_000)),
                2 => (Protocol::UDPLITE, ports(6_000)),
                3 => (Protocol::GRE, ports(7)),
                4 => (Protocol(50), L4Key::None),
                _ => (Protocol::UDP, ports(53)),
            }
        } else {
            (Protocol::TCP, ports(80))
        };
        Tuple { addrs, proto, key }
    }

    /// Draws a flow that has seen its first packet.
    fn flow(&mut self, orig: Tuple, zone: Option<u16>, master: Option<Tuple>) -> Flow {
        let nat = self.translation(&orig);
        let mut status = Status::CONFIRMED;
        if nat.is_some() {
            status = status | Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
        }
        if nat.snat.is_some() || nat.spat.is_some() {
            status = status | Status::SRC_NAT;
        }
        if nat.dnat.is_some() {
            status = status | Status::DST_NAT;
        }
        if master.is_some() {
            status = status | Status::EXPECTED;
        }
        let proto = match orig.proto {
            Protocol::TCP => ProtoState::Tcp(Tcp::in_state(TcpState::SYN_SENT)),
            Protocol::SCTP => ProtoState::Sctp {
                state: SctpState(2),
                vtag_orig: 0,
                vtag_reply: 7,
            },
            _ => ProtoState::None,
        };
        let mut flow = Flow {
            reply: Some(nat.applied_to(orig.mirrored())),
            status: Some(status),
            timeout_secs: Some(self.rng.between_u32(15, 120)),
            zone,
            master,
            proto,
            ..Flow::new(orig)
        };
        if self.rng.happens(self.rates.decorated) {
            flow.mark = Some(self.rng.between_u32(0, 3));
        }
        if orig.proto == Protocol::TCP && self.rng.happens(self.rates.helped) {
            flow.helper = Some(HelperName::from_bytes(b"ftp").expect("a short name"));
        }
        flow
    }

    fn translation(&mut self, orig: &Tuple) -> Nat {
        if !self.rng.happens(self.rates.natted) {
            return Nat::NONE;
        }
        let has_own_port = matches!(
            orig.proto,
            Protocol::TCP | Protocol::UDP | Protocol::UDPLITE | Protocol::SCTP
        );
        let [snat, dnat]: [IpAddr; 2] = match orig.addrs {
            Addrs::V4 { .. } => [[203, 0, 113, 1].into(), [10, 9, 9, 9].into()],
            Addrs::V6 { .. } => [
                Ipv6Addr::new(0x2001, 0xdb8, 0x71, 0, 0, 0, 0, 1).into(),
                Ipv6Addr::new(0x2001, 0xdb8, 0x99, 0, 0, 0, 0, 9).into(),
            ],
        };
        // Without ports of its own a flow keeps the rest of its tuple, so that its source must stay.
        if !has_own_port {
            return Nat {
                dnat: Some(dnat),
                ..Nat::NONE
            };
        }
        self.next_port = self.next_port.wrapping_add(1).max(1_024);
        let spat = Some(self.next_port);
        match self.rng.between(0, 2) {
            0 => Nat {
                snat: Some(snat),
                spat,
                ..Nat::NONE
            },
            1 => Nat {
                dnat: Some(dnat),
                dpat: Some(8_080),
                ..Nat::NONE
            },
            _ => Nat {
                snat: Some(snat),
                spat,
                dnat: Some(dnat),
                dpat: None,
            },
        }
    }

    fn change(&mut self, key: &FlowKey, kernel: &mut Kernel, now: Instant) {
        let is_decorated = self.rng.happens(self.rates.decorated);
        let (what, number) = (self.rng.between(0, 3), self.rng.between_u32(0, 9));
        let timeout_secs = self.rng.between_u32(15, 500);
        kernel.change(
            key,
            |flow| {
                flow.timeout_secs = Some(timeout_secs);
                match what {
                    0 if is_decorated => flow.mark = Some(number),
                    1 if is_decorated => flow.labels = Some(Labels(1 << number)),
                    2 if is_decorated && flow.orig.proto == Protocol::TCP => adjust(flow, number),
                    _ => go_on(flow),
                }
            },
            now,
        );
    }
}

/// Puts a flow into the kernel; a full table or a taken tuple means that its packet is dropped.
fn begin_flow(flow: Flow, kernel: &mut Kernel, now: Instant) {
    match kernel.begin(flow, now) {
        Ok(()) | Err(Errno::EEXIST | Errno::ENOMEM) => {}
        Err(errno) => unreachable!("the table takes a flow or says why not: {errno}"),
    }
}

fn adjust(flow: &mut Flow, number: u32) {
    let adjusted = SeqAdj {
        correction_pos: number,
        offset_before: 0,
        offset_after: number,
    };
    flow.seq_adj = Some(SeqAdjPair {
        orig: adjusted,
        reply: SeqAdj {
            offset_after: 0,
            ..adjusted
        },
    });
    flow.status = flow.status.map(|status| status | Status::SEQ_ADJUST);
}

/// The next packet that matters: the answer, the one that ends the handshake, a FIN and so on.
fn go_on(flow: &mut Flow) {
    let mut status = flow.status.unwrap_or_default();
    let has_answer = status.contains(Status::SEEN_REPLY);
    status = status | Status::SEEN_REPLY;
    if has_answer {
        status = status | Status::ASSURED;
    }
    flow.status = Some(status);
    match &mut flow.proto {
        ProtoState::Tcp(tcp) => {
            tcp.state = match tcp.state {
                TcpState::SYN_SENT => TcpState::SYN_RECV,
                TcpState::SYN_RECV => TcpState::ESTABLISHED,
                TcpState::ESTABLISHED => TcpState::FIN_WAIT,
                TcpState::FIN_WAIT => TcpState::CLOSE_WAIT,
                TcpState::CLOSE_WAIT => TcpState::LAST_ACK,
                _ => TcpState::TIME_WAIT,
            };
            if tcp.state == TcpState::SYN_RECV {
                (tcp.wscale_orig, tcp.wscale_reply) = (Some(7), Some(9));
            }
        }
        ProtoState::Sctp { state, vtag_orig, .. } => {
            state.0 = (state.0 + 1).min(SctpState::ESTABLISHED.0);
            *vtag_orig = 5;
        }
        ProtoState::None | ProtoState::Dccp { .. } => {}
    }
}
