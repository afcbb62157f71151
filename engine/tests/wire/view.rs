//! Values of the engine in the words of the vector files: names and raw hexadecimal digits.
//!
//! Written afresh from the tables of docs/sync-protocol.md, so that an error in the codec and its
//! inverse do not cancel out.

use std::fmt::Write as _;
use std::net::IpAddr;

use engine::flow::{Addrs, Direction, Expectation, Flow, L4Key, ProtoState, SeqAdj, Tuple};
use engine::wire::{Content, Flags, Header, SeqRange};

/// Returns the words before the attributes.
pub(crate) fn header(header: &Header) -> String {
    let number = header.message_type.number();
    let name = match number {
        0 => "CT_NEW".to_owned(),
        1 => "CT_UPD".to_owned(),
        2 => "CT_DEL".to_owned(),
        3 => "EXP_NEW".to_owned(),
        4 => "EXP_UPD".to_owned(),
        5 => "EXP_DEL".to_owned(),
        10 => "CTL".to_owned(),
        _ => number.to_string(),
    };
    format!(
        "v1 {name} fl={} len={} seq={}",
        flags(header.flags),
        header.len,
        header.seq.0
    )
}

fn flags(flags: Flags) -> String {
    let names = [
        "UNUSED",
        "RESYNC",
        "NACK",
        "ACK",
        "ALIVE",
        "HELLO",
        "HELLO_BACK",
        "b7",
    ];
    let set: Vec<&str> = names
        .iter()
        .enumerate()
        .filter(|(bit, _)| flags.0 & (1 << bit) != 0)
        .map(|(_, name)| *name)
        .collect();
    if set.is_empty() {
        "-".to_owned()
    } else {
        set.join("|")
    }
}

/// Returns the words behind the header of a control message.
pub(crate) fn control(content: &Content) -> String {
    match content {
        Content::Ack(SeqRange { from, to }) | Content::Nack(SeqRange { from, to }) => {
            format!(" from={} to={}", from.0, to.0)
        }
        Content::Resync => " from=0 to=0".to_owned(),
        Content::Flow(_) | Content::Expectation(_) | Content::Alive => String::new(),
    }
}

/// Returns the attributes of a flow.
pub(crate) fn flow(flow: &Flow) -> String {
    let mut view = View::default();
    let family = family(flow.orig.addrs);
    view.add(family, &addrs(flow.orig.addrs));
    view.number("STATUS", flow.status.map(|status| status.0));
    view.add("L4PROTO", &[flow.orig.proto.0]);
    match flow.orig.key {
        L4Key::None => {}
        L4Key::Ports { .. } => view.add("PORT", &ports(&flow.orig)),
        L4Key::Icmp { icmp_type, code, id } => {
            view.add("ICMP_TYPE", &[icmp_type]);
            view.add("ICMP_CODE", &[code]);
            view.add("ICMP_ID", &id.to_le_bytes());
        }
    }
    view.proto_state(flow.proto);
    view.number("TIMEOUT", flow.timeout_secs);
    view.number("MARK", flow.mark);
    if let Some(master) = &flow.master {
        view.tuple("MASTER_", master);
    }
    if let Some(address) = flow.nat.snat {
        view.add(&format!("SNAT_{family}"), &addr(address));
    }
    if let Some(address) = flow.nat.dnat {
        view.add(&format!("DNAT_{family}"), &addr(address));
    }
    if let Some(port) = flow.nat.spat {
        view.add("SPAT_PORT", &port.to_le_bytes());
    }
    if let Some(port) = flow.nat.dpat {
        view.add("DPAT_PORT", &port.to_le_bytes());
    }
    if let Some(pair) = flow.seq_adj {
        view.add("NAT_SEQ_ADJ", &[seq_adj(pair.orig), seq_adj(pair.reply)].concat());
    }
    if let Some(helper) = &flow.helper {
        view.add("HELPER_NAME", &[helper.as_bytes(), b"\0"].concat());
    }
    if let Some(labels) = flow.labels {
        let label = |bit: u32| u8::from(labels.0 & (1 << bit) != 0);
        let byte = |word: u32, byte: u32| -> u8 {
            let lowest = 32 * word + 8 * (3 - byte);
            (0..8).map(|bit| label(lowest + bit) << bit).sum()
        };
        let bytes: Vec<u8> = (0..16).map(|index| byte(index / 4, index % 4)).collect();
        view.add("LABELS", &bytes);
    }
    if let Some(synproxy) = flow.synproxy {
        view.add(
            "SYNPROXY",
            &[synproxy.its, synproxy.isn, synproxy.tsoff]
                .map(u32::to_be_bytes)
                .concat(),
        );
    }
    if let Some(zone) = flow.zone {
        view.add("ZONE", &zone.to_be_bytes());
    }
    view.0
}

/// Returns the attributes of an expectation.
pub(crate) fn expectation(expectation: &Expectation) -> String {
    let mut view = View::default();
    view.tuple("M_", &expectation.master);
    view.tuple("E_", &expectation.tuple);
    view.tuple("K_", &expectation.mask);
    view.number("TIMEOUT", expectation.timeout_secs);
    view.number("FLAGS", expectation.flags.map(|flags| flags.0));
    view.number("CLASS", expectation.class);
    if let Some(nat) = &expectation.nat {
        view.tuple("NAT_", &nat.tuple);
        view.number("NAT_DIR", Some(u32::from(nat.direction == Direction::Reply)));
    }
    if let Some(helper) = &expectation.helper {
        view.add("HELPER_NAME", &[helper.as_bytes(), b"\0"].concat());
    }
    if let Some(function) = &expectation.function {
        view.add("FN", &[function.as_bytes(), b"\0"].concat());
    }
    view.0
}

/// Words like ` NAME=hex`.
#[derive(Default)]
struct View(String);

impl View {
    fn add(&mut self, name: &str, bytes: &[u8]) {
        write!(self.0, " {name}=").expect("a String takes all");
        for byte in bytes {
            write!(self.0, "{byte:02x}").expect("a String takes all");
        }
    }

    fn number(&mut self, name: &str, value: Option<u32>) {
        if let Some(value) = value {
            self.add(name, &value.to_be_bytes());
        }
    }

    fn tuple(&mut self, prefix: &str, tuple: &Tuple) {
        self.add(&format!("{prefix}{}", family(tuple.addrs)), &addrs(tuple.addrs));
        self.add(&format!("{prefix}L4PROTO"), &[tuple.proto.0]);
        if tuple.ports().is_some() {
            self.add(&format!("{prefix}PORT"), &ports(tuple));
        }
    }

    fn proto_state(&mut self, state: ProtoState) {
        match state {
            ProtoState::None => {}
            ProtoState::Tcp(tcp) => {
                self.add("TCP_STATE", &[tcp.state.0]);
                if let Some(scale) = tcp.wscale_orig {
                    self.add("TCP_WSCALE_ORIG", &[scale]);
                }
                if let Some(scale) = tcp.wscale_reply {
                    self.add("TCP_WSCALE_REPL", &[scale]);
                }
            }
            ProtoState::Sctp {
                state,
                vtag_orig,
                vtag_reply,
            } => {
                self.add("SCTP_STATE", &[state.0]);
                self.number("SCTP_VTAG_ORIG", Some(vtag_orig));
                self.number("SCTP_VTAG_REPL", Some(vtag_reply));
            }
            ProtoState::Dccp { state, role } => {
                self.add("DCCP_STATE", &[state.0]);
                self.add("DCCP_ROLE", &[role.0]);
            }
        }
    }
}

fn family(addrs: Addrs) -> &'static str {
    match addrs {
        Addrs::V4 { .. } => "IPV4",
        Addrs::V6 { .. } => "IPV6",
    }
}

fn addr(addr: IpAddr) -> Vec<u8> {
    match addr {
        IpAddr::V4(addr) => addr.octets().to_vec(),
        IpAddr::V6(addr) => addr.octets().to_vec(),
    }
}

fn addrs(addrs: Addrs) -> Vec<u8> {
    [addr(addrs.src()), addr(addrs.dst())].concat()
}

fn ports(tuple: &Tuple) -> Vec<u8> {
    let (src, dst) = tuple.ports().expect("the caller saw ports");
    [src.to_be_bytes(), dst.to_be_bytes()].concat()
}

fn seq_adj(adj: SeqAdj) -> Vec<u8> {
    [adj.correction_pos, adj.offset_before, adj.offset_after]
        .map(u32::to_be_bytes)
        .concat()
}
