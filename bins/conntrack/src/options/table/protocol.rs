//! Protocols, and the options that they have of their own.

use engine::flow::Protocol;

use super::kind::sets::*;
use super::{Standing, Value};

/// A protocol that has options of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "each is named like its protocol")]
pub enum Tracked {
    Tcp,
    Udp,
    Udplite,
    Sctp,
    Dccp,
    Icmp,
    Icmpv6,
    Gre,
}

impl Tracked {
    /// Returns the bit of the protocol in a set of protocols.
    #[must_use]
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }

    /// Returns the row of the protocol.
    #[must_use]
    pub fn row(self) -> &'static ProtocolRow {
        &PROTOCOLS[self as usize]
    }
}

/// A row of the table of protocols.
#[derive(Debug)]
pub struct ProtocolRow {
    /// Which protocol.
    pub tracked: Tracked,
    /// Its name.
    pub name: &'static str,
    /// Its number.
    pub number: Protocol,
    /// What a message calls the ports of the original direction, if it has ports.
    pub orig_pair: Option<[&'static str; 2]>,
    /// The same of the reply direction.
    pub reply_pair: Option<[&'static str; 2]>,
}

const fn protocol(
    tracked: Tracked,
    name: &'static str,
    number: Protocol,
    pairs: Option<[[&'static str; 2]; 2]>,
) -> ProtocolRow {
    let (orig_pair, reply_pair) = match pairs {
        Some([orig, reply]) => (Some(orig), Some(reply)),
        None => (None, None),
    };
    ProtocolRow {
        tracked,
        name,
        number,
        orig_pair,
        reply_pair,
    }
}

/// The protocols, in the order in which a name is looked for.
pub const PROTOCOLS: [ProtocolRow; 8] = {
    // The words of the messages differ from the names of the options; scripts know the words.
    const PORTS: [[&str; 2]; 2] = [["sport", "dport"], ["reply-src-port", "reply-dst-port"]];
    const DCCP_PORTS: [[&str; 2]; 2] = [["sport", "dport"], ["reply-port-src", "report-port-dst"]];
    const KEYS: [[&str; 2]; 2] = [["srckey", "dstkey"], ["reply-src-key", "reply-dst-key"]];
    [
        protocol(Tracked::Tcp, "tcp", Protocol::TCP, Some(PORTS)),
        protocol(Tracked::Udp, "udp", Protocol::UDP, Some(PORTS)),
        protocol(Tracked::Udplite, "udplite", Protocol::UDPLITE, Some(PORTS)),
        protocol(Tracked::Sctp, "sctp", Protocol::SCTP, Some(PORTS)),
        protocol(Tracked::Dccp, "dccp", Protocol::DCCP, Some(DCCP_PORTS)),
        protocol(Tracked::Icmp, "icmp", Protocol::ICMP, None),
        protocol(Tracked::Icmpv6, "icmpv6", Protocol::ICMPV6, None),
        protocol(Tracked::Gre, "gre", Protocol::GRE, Some(KEYS)),
    ]
};

/// A protocol option's column; mistakes are told in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "each is named like its option")]
pub enum Part {
    OrigSrc,
    OrigDst,
    ReplySrc,
    ReplyDst,
    MaskSrc,
    MaskDst,
    State,
    TupleSrc,
    TupleDst,
    OrigVtag,
    ReplyVtag,
    Role,
    IcmpType,
    IcmpCode,
    IcmpId,
}

impl Part {
    /// How many there are.
    pub const N: usize = 15;

    /// Returns the bit of the column in a set of columns.
    #[must_use]
    pub const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// Which kinds of command take and need an option of these protocols.
#[derive(Debug)]
pub struct Use {
    /// The protocols.
    pub protocols: u8,
    /// The kinds of command that take it.
    pub may: u32,
    /// The kinds of command that need it.
    pub must: u32,
}

/// A row of the table of protocol options.
#[derive(Debug)]
pub struct PartRow {
    /// Which column.
    pub part: Part,
    /// Its names; messages say the first.
    pub names: &'static [&'static str],
    /// What follows it.
    pub value: Value,
    /// Who takes it.
    pub uses: &'static [Use],
    /// What it does.
    pub doc: &'static str,
    /// How it stands to the stock tool's.
    pub standing: Standing,
}

impl PartRow {
    /// Returns the protocols that have the option.
    #[must_use]
    pub const fn protocols(&self) -> u8 {
        let (mut protocols, mut at) = (0, 0);
        while at < self.uses.len() {
            protocols |= self.uses[at].protocols;
            at += 1;
        }
        protocols
    }
}

const TCP: u8 = Tracked::Tcp.bit();
const SCTP: u8 = Tracked::Sctp.bit();
const DCCP: u8 = Tracked::Dccp.bit();
const PORTS: u8 = TCP | Tracked::Udp.bit() | Tracked::Udplite.bit() | SCTP | DCCP;
const GRE: u8 = Tracked::Gre.bit();

/// Where flows are selected.
const FILTERS: u32 = L | E | U | D;
/// Where a tuple is given: one full pair of either direction is needed.
const TUPLES: u32 = I | A | G;

const fn used(protocols: u8, may: u32, must: u32) -> Use {
    Use { protocols, may, must }
}

const PORT_SETS: Standing = Standing::Differs(
    "lists and ranges (`80,443,8000-8100`) where `-L -D -U -E -G` filter; what is no number or above 65535 is refused",
);
const KEY_SETS: Standing = Standing::Differs(
    "compared where flows are selected (the stock tool passes all), lists and ranges too; what is no number or above 65535 is refused",
);
const NUMBER: Standing = Standing::Differs("what is no number, or too large, is refused");

macro_rules! rows {
    ($($part:ident $names:expr, $value:expr, $uses:expr, $standing:expr, $doc:expr;)*) => {
        [$(PartRow {
            part: Part::$part,
            names: &$names,
            value: $value,
            uses: &$uses,
            doc: $doc,
            standing: $standing,
        },)*]
    };
}

const PORT: Value = Value::Required("PORT,...");
const KEY: Value = Value::Required("KEY,...");
const NUM: Value = Value::Required("NUMBER");

/// The options of protocols.
pub const PARTS: [PartRow; 26] = rows! {
    OrigSrc ["sport", "orig-port-src"], PORT, [used(PORTS, FILTERS | TUPLES, XI | XN)], PORT_SETS,
        "Source port of the original direction";
    OrigDst ["dport", "orig-port-dst"], PORT, [used(PORTS, FILTERS | TUPLES, XI | XN)], PORT_SETS,
        "Destination port of the original direction";
    ReplySrc ["reply-port-src"], PORT, [used(PORTS, FILTERS | TUPLES, XN)], PORT_SETS,
        "Source port of the reply direction";
    ReplyDst ["reply-port-dst"], PORT, [used(PORTS, FILTERS | TUPLES, XN)], PORT_SETS,
        "Destination port of the reply direction";
    MaskSrc ["mask-port-src"], NUM, [used(PORTS, NONE, XI)], NUMBER, "Which bits of the expected source port count";
    MaskDst ["mask-port-dst"], NUM, [used(PORTS, NONE, XI)], NUMBER, "Which bits of the expected destination port count";
    State ["state"], Value::Required("STATE"),
        [used(TCP, FILTERS | G, I | A), used(SCTP | DCCP, FILTERS | G, I | A | XI)],
        Standing::Differs("an unknown state of sctp is refused (the stock tool crashes); HEARTBEAT_SENT and HEARTBEAT_ACKED are states of sctp"),
        "State of the connection, in capitals";
    TupleSrc ["tuple-port-src"], NUM, [used(PORTS, NONE, XI)], NUMBER, "Source port of the expected flow";
    TupleDst ["tuple-port-dst"], NUM, [used(PORTS, NONE, XI)], NUMBER, "Destination port of the expected flow";
    OrigVtag ["orig-vtag"], NUM, [used(SCTP, U | G, I | A | XI)],
        Standing::Differs("the tag as a packet shows it (the stock tool swaps its bytes on little-endian machines, also in what `-o save` prints)"),
        "Verification tag of the original direction";
    ReplyVtag ["reply-vtag"], NUM, [used(SCTP, U | G, I | A | XI)],
        Standing::Differs("as `--orig-vtag`"),
        "Verification tag of the reply direction";
    Role ["role"], Value::Required("ROLE"), [used(DCCP, NONE, I | A | XI)], Standing::Same,
        "Who opened the connection: client or server";
    IcmpType ["icmp-type"], NUM, [used(Tracked::Icmp.bit(), FILTERS, TUPLES)],
        Standing::Differs("may stand before the addresses, and go with the reply addresses alone; what is no number or above 255 is refused"),
        "Type of the ICMP message";
    IcmpCode ["icmp-code"], NUM, [used(Tracked::Icmp.bit(), FILTERS, TUPLES)], NUMBER, "Code of the ICMP message";
    IcmpId ["icmp-id"], NUM, [used(Tracked::Icmp.bit(), FILTERS | TUPLES, NONE)], NUMBER, "Identifier of the ICMP message";
    IcmpType ["icmpv6-type"], NUM, [used(Tracked::Icmpv6.bit(), FILTERS, TUPLES)],
        Standing::Differs("as `--icmp-type`"), "Type of the ICMPv6 message";
    IcmpCode ["icmpv6-code"], NUM, [used(Tracked::Icmpv6.bit(), FILTERS, TUPLES)], NUMBER, "Code of the ICMPv6 message";
    IcmpId ["icmpv6-id"], NUM, [used(Tracked::Icmpv6.bit(), FILTERS | TUPLES, NONE)], NUMBER,
        "Identifier of the ICMPv6 message";
    OrigSrc ["srckey", "orig-key-src"], KEY, [used(GRE, FILTERS | TUPLES, XI | XN)], KEY_SETS,
        "Source key of the original direction";
    OrigDst ["dstkey", "orig-key-dst"], KEY, [used(GRE, FILTERS | TUPLES, XI | XN)], KEY_SETS,
        "Destination key of the original direction";
    ReplySrc ["reply-key-src"], KEY, [used(GRE, FILTERS | TUPLES, XI | XN)], KEY_SETS,
        "Source key of the reply direction";
    ReplyDst ["reply-key-dst"], KEY, [used(GRE, FILTERS | TUPLES, XI | XN)], KEY_SETS,
        "Destination key of the reply direction";
    MaskSrc ["mask-key-src"], NUM, [used(GRE, NONE, XI)], NUMBER, "Which bits of the expected source key count";
    MaskDst ["mask-key-dst"], NUM, [used(GRE, NONE, XI)], NUMBER, "Which bits of the expected destination key count";
    TupleSrc ["tuple-key-src"], NUM, [used(GRE, NONE, XI)], NUMBER, "Source key of the expected flow";
    TupleDst ["tuple-key-dst"], NUM, [used(GRE, NONE, XI)], NUMBER, "Destination key of the expected flow";
};
