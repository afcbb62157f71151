//! `Filter`, and the old sections that have become part of it.

use super::row::{block_of, value};
use crate::schema::{BlockKind, BlockSpec, Content, Kind};

const SKIPPED: &str = "a wrong entry is an error; the stock daemon warns and goes on without it";

pub(super) static FILTER: BlockSpec = BlockSpec {
    title: "`Filter`",
    intro: "Three sets, of protocols, addresses and TCP states. A flow must pass each set that is given: \
            `Accept` keeps what matches an entry and drops the rest, `Ignore` drops what matches and keeps \
            the rest. Blocks of one set are added up and must agree in their policy.\n\n\
            The filter holds for events, for reading the table and for flushing it: a flow that it excludes \
            is not cached, not sent, and not deleted by `conntrackd -F` or `-t`. Exclude the addresses of \
            the firewall itself, those of the links above all, or the daemon replicates its own traffic.\n\n\
            `From Userspace` filters in the daemon. `From Kernelspace` also has the kernel drop events \
            before they reach the daemon, which costs less; the verdicts are the same. It holds at most 127 \
            IPv4 and 127 IPv6 entries.",
    refused: None,
    content: Content::Clauses(&[
        block_of("Protocol", &[Kind::Policy], BlockKind::Protocols)
            .since("0.9.8")
            .doc("Layer 4 protocols.")
            .differs(
                "names are built in and may be in any letter case; the stock daemon looks them up in \
                 `/etc/protocols`, and warns of one that is not there",
            ),
        block_of("Address", &[Kind::Policy], BlockKind::Addresses)
            .since("0.9.8")
            .doc("Addresses and networks."),
        block_of("State", &[Kind::Policy], BlockKind::States)
            .since("0.9.8")
            .doc("States of TCP flows."),
    ]),
};

pub(super) static PROTOCOLS: BlockSpec = BlockSpec {
    title: "`Protocol`",
    intro: "Names of layer 4 protocols, separated by blanks.",
    refused: None,
    content: Content::List(Kind::Protocol),
};

pub(super) static ADDRESSES: BlockSpec = BlockSpec {
    title: "`Address`",
    intro: "A flow matches an entry if the source of its original direction, or the source of its reply \
            direction, lies in it; the second is the real server behind a translated address. Mind that an \
            `Accept` list of one family alone drops every flow of the other family.",
    refused: None,
    content: Content::Clauses(&[
        value("IPv4_address", &[Kind::Ipv4Net])
            .accumulates()
            .since("0.9.8")
            .doc("An IPv4 address or network.")
            .differs(SKIPPED),
        value("IPv6_address", &[Kind::Ipv6Net])
            .accumulates()
            .since("0.9.8")
            .doc("An IPv6 address or network.")
            .differs(SKIPPED),
    ]),
};

pub(super) static STATES: BlockSpec = BlockSpec {
    title: "`State`",
    intro: "States of TCP flows, closed by `for TCP`; flows of other protocols pass. `State Accept { \
            ESTABLISHED CLOSED TIME_WAIT CLOSE_WAIT for TCP }` spares the messages of handshakes. An \
            `Accept` list without `ESTABLISHED` loses connections at a takeover.",
    refused: None,
    content: Content::States,
};

pub(super) static IGNORED_ADDRESSES: BlockSpec = BlockSpec {
    title: "`IgnoreTrafficFor`",
    intro: "The addresses of flows that the filter excludes.",
    refused: None,
    content: Content::Clauses(&[
        value("IPv4_address", &[Kind::Ipv4])
            .accumulates()
            .doc("An IPv4 address.")
            .until("1.4.4"),
        value("IPv6_address", &[Kind::Ipv6])
            .accumulates()
            .doc("An IPv6 address.")
            .until("1.4.4"),
    ]),
};

pub(super) static IGNORED_PROTOCOLS: BlockSpec = BlockSpec {
    title: "`IgnoreProtocol`",
    intro: "The protocols of flows that the filter excludes, by name or by number.",
    refused: None,
    content: Content::List(Kind::ProtocolOrNumber),
};
