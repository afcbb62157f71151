//! The options that every protocol has.

use super::kind::sets::*;
use super::{Section, Standing, Value};

/// An option's column in the matrix of options and commands; mistakes are told in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(missing_docs, reason = "each is named like its option")]
pub enum Column {
    Src,
    Dst,
    ReplySrc,
    ReplyDst,
    Proto,
    Timeout,
    Status,
    Zero,
    EventMask,
    TupleSrc,
    TupleDst,
    MaskSrc,
    MaskDst,
    NatRange,
    Mark,
    Id,
    Family,
    SrcNat,
    DstNat,
    Output,
    Secmark,
    BufferSize,
    AnyNat,
    Zone,
    Label,
    LabelAdd,
    LabelDel,
    OrigZone,
    ReplyZone,
    Helper,
}

impl Column {
    /// Returns the bit of the column in a set of columns.
    #[must_use]
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
}

/// A row of the table of general options.
#[derive(Debug)]
pub struct OptionRow {
    /// Which column.
    pub column: Column,
    /// Its letter.
    pub short: Option<u8>,
    /// Its names; messages say the first.
    pub names: &'static [&'static str],
    /// What follows it.
    pub value: Value,
    /// The kinds of command that take it.
    pub may: u32,
    /// The kinds of command that need it.
    pub must: u32,
    /// Where the help has it.
    pub section: Section,
    /// What it does.
    pub doc: &'static str,
    /// How it stands to the stock tool's.
    pub standing: Standing,
}

const ROW: OptionRow = OptionRow {
    column: Column::Src,
    short: None,
    names: &[],
    value: Value::None,
    may: NONE,
    must: NONE,
    section: Section::Common,
    doc: "",
    standing: Standing::Same,
};

const SETS: Standing = Standing::Differs(
    "a list selects too, and `A-B` a range of addresses, where `-L -D -U -E -G` filter; an empty prefix length is refused (the stock tool takes it for 0)",
);
const REPLY_SETS: Standing =
    Standing::Differs("a list selects too, and `A-B` a range, where `-L -D -U -E -G` filter");
const NUMBER: Standing =
    Standing::Differs("what is no number, or too large, is refused (the stock tool takes what it can of it)");
const NAT: Standing = Standing::Differs(
    "a glued value and one behind `=` count; creations take ranges: `A-B`, `A:P-Q`, `[A-B]:P-Q`; filters compare IPv6 addresses",
);

/// The general options, in the order of the columns.
pub const GENERAL: [OptionRow; 30] = [
    OptionRow {
        column: Column::Src,
        short: Some(b's'),
        names: &["src", "orig-src"],
        value: Value::Required("ADDRESS[/BITS],..."),
        may: L | I | A | U | D | G | E,
        must: XI | XN,
        doc: "Source address of the original direction",
        standing: SETS,
        ..ROW
    },
    OptionRow {
        column: Column::Dst,
        short: Some(b'd'),
        names: &["dst", "orig-dst"],
        value: Value::Required("ADDRESS[/BITS],..."),
        may: L | I | A | U | D | G | E,
        must: XI | XN,
        doc: "Destination address of the original direction",
        standing: SETS,
        ..ROW
    },
    OptionRow {
        column: Column::ReplySrc,
        short: Some(b'r'),
        names: &["reply-src"],
        value: Value::Required("ADDRESS,..."),
        may: L | I | A | U | D | G | E | XI | XN,
        doc: "Source address of the reply direction",
        standing: REPLY_SETS,
        ..ROW
    },
    OptionRow {
        column: Column::ReplyDst,
        short: Some(b'q'),
        names: &["reply-dst"],
        value: Value::Required("ADDRESS,..."),
        may: L | I | A | U | D | G | E | XI | XN,
        doc: "Destination address of the reply direction",
        standing: REPLY_SETS,
        ..ROW
    },
    OptionRow {
        column: Column::Proto,
        short: Some(b'p'),
        names: &["protonum"],
        value: Value::Required("PROTOCOL"),
        may: L | U | D | E | H,
        must: I | A | G | XI | XN,
        doc: "Layer-4 protocol: a name or a number; its own options go after it",
        ..ROW
    },
    OptionRow {
        column: Column::Timeout,
        short: Some(b't'),
        names: &["timeout"],
        value: Value::Required("SECONDS"),
        may: U | D,
        must: I | A | XI,
        doc: "Seconds to live: to set, or with -D those left exactly",
        standing: NUMBER,
        ..ROW
    },
    OptionRow {
        column: Column::Status,
        short: Some(b'u'),
        names: &["status"],
        value: Value::Required("STATUS,..."),
        may: L | I | A | U | D | XI,
        doc: "Status bits to set, or to have; !NAME not to have: ASSURED, SEEN_REPLY, FIXED_TIMEOUT, EXPECTED, OFFLOAD, HW_OFFLOAD, UNSET, UNREPLIED",
        standing: Standing::Differs(
            "what must be clear is compared by every command (the stock `-D -u UNREPLIED` deletes replied flows too), and together with what must be set",
        ),
        ..ROW
    },
    OptionRow {
        column: Column::Zero,
        short: Some(b'z'),
        names: &["zero"],
        may: L,
        section: Section::Flows,
        doc: "Reset the counters while listing",
        standing: Standing::Differs(
            "refused with `-n`, `-g`, `-j`, which would reset counters that are not shown",
        ),
        ..ROW
    },
    OptionRow {
        column: Column::EventMask,
        short: Some(b'e'),
        names: &["event-mask"],
        value: Value::Required("EVENT,..."),
        may: E,
        section: Section::Flows,
        doc: "Events to show: ALL, NEW, UPDATES, DESTROY",
        ..ROW
    },
    OptionRow {
        column: Column::TupleSrc,
        names: &["tuple-src"],
        value: Value::Required("ADDRESS[/BITS]"),
        must: XI,
        section: Section::Expectations,
        doc: "Source address of the expected flow",
        ..ROW
    },
    OptionRow {
        column: Column::TupleDst,
        names: &["tuple-dst"],
        value: Value::Required("ADDRESS[/BITS]"),
        must: XI,
        section: Section::Expectations,
        doc: "Destination address of the expected flow",
        ..ROW
    },
    OptionRow {
        column: Column::MaskSrc,
        names: &["mask-src"],
        value: Value::Required("ADDRESS"),
        may: L | U | D | E,
        must: XI,
        doc: "Which bits of the source address count",
        ..ROW
    },
    OptionRow {
        column: Column::MaskDst,
        names: &["mask-dst"],
        value: Value::Required("ADDRESS"),
        may: L | U | D | E,
        must: XI,
        doc: "Which bits of the destination address count",
        ..ROW
    },
    OptionRow {
        column: Column::NatRange,
        short: Some(b'a'),
        names: &["nat-range"],
        value: Value::Required("ANY"),
        may: ALL,
        section: Section::Flows,
        doc: "Ignored with a warning",
        ..ROW
    },
    OptionRow {
        column: Column::Mark,
        short: Some(b'm'),
        names: &["mark"],
        value: Value::Required("MARK[/MASK]"),
        may: L | I | A | U | D | E,
        section: Section::Flows,
        doc: "Mark to set, or to have under the mask",
        standing: NUMBER,
        ..ROW
    },
    OptionRow {
        column: Column::Id,
        short: Some(b'i'),
        names: &["id"],
        value: Value::Required("ID"),
        may: U | D | G,
        section: Section::Flows,
        doc: "The kernel's identifier of the flow",
        standing: Standing::Differs(
            "`--id N` works (the stock tool crashes without `=`); what is no number is refused",
        ),
        ..ROW
    },
    OptionRow {
        column: Column::Family,
        short: Some(b'f'),
        names: &["family"],
        value: Value::Required("FAMILY"),
        may: L | U | D | F | E | XL,
        doc: "Layer-3 protocol: ipv4 or ipv6",
        standing: Standing::Differs("`-F -f` empties that family alone (the stock tool empties both)"),
        ..ROW
    },
    OptionRow {
        column: Column::SrcNat,
        short: Some(b'n'),
        names: &["src-nat"],
        value: Value::Optional("ADDRESS[:PORT]"),
        may: L | I | A | U | D | E,
        section: Section::Flows,
        doc: "Source translation to do, or to have; a creation takes ranges: ADDRESS-ADDRESS, ADDRESS:PORT-PORT",
        standing: NAT,
        ..ROW
    },
    OptionRow {
        column: Column::DstNat,
        short: Some(b'g'),
        names: &["dst-nat"],
        value: Value::Optional("ADDRESS[:PORT]"),
        may: L | I | A | U | D | E,
        section: Section::Flows,
        doc: "Destination translation to do, or to have",
        standing: NAT,
        ..ROW
    },
    OptionRow {
        column: Column::Output,
        short: Some(b'o'),
        names: &["output"],
        value: Value::Required("OUTPUT,..."),
        may: L | U | D | G | E | S | XL | XG | XE | XS,
        section: Section::Flows,
        doc: "How entries are printed: xml, save, json, or a line with extended, timestamp, id, ktimestamp, labels",
        standing: Standing::Differs(
            "`json` is ours: an object a line; `-S` and `-G expect` take it and nothing else",
        ),
        ..ROW
    },
    OptionRow {
        column: Column::Secmark,
        short: Some(b'c'),
        names: &["secmark"],
        value: Value::Required("SECMARK"),
        may: L | E,
        section: Section::Flows,
        doc: "Security mark to have",
        standing: Standing::Differs(
            "compared, so that a flow without one does not match (the stock tool passes all)",
        ),
        ..ROW
    },
    OptionRow {
        column: Column::BufferSize,
        short: Some(b'b'),
        names: &["buffer-size"],
        value: Value::Required("BYTES"),
        may: E,
        doc: "Size of the buffer for events",
        standing: Standing::Differs("sets the buffer that receives the events (the stock tool sets another)"),
        ..ROW
    },
    OptionRow {
        column: Column::AnyNat,
        short: Some(b'j'),
        names: &["any-nat"],
        value: Value::Optional("ADDRESS[:PORT]"),
        may: L | E,
        section: Section::Flows,
        doc: "Source or destination translation to have",
        standing: NAT,
        ..ROW
    },
    OptionRow {
        column: Column::Zone,
        short: Some(b'w'),
        names: &["zone"],
        value: Value::Required("ZONE"),
        may: L | I | A | D | G | E,
        doc: "Zone of both directions",
        standing: Standing::Differs(
            "`-G` takes it (the stock tool cannot look into a zone); what is no number or above 65535 is refused",
        ),
        ..ROW
    },
    OptionRow {
        column: Column::Label,
        short: Some(b'l'),
        names: &["label"],
        value: Value::Required("LABEL,..."),
        may: L | U | D | G | E,
        section: Section::Flows,
        doc: "Labels to have: names, or #BIT",
        standing: Standing::Differs("`#BIT` is ours, for labels without a name"),
        ..ROW
    },
    OptionRow {
        column: Column::LabelAdd,
        names: &["label-add"],
        value: Value::Required("LABEL,..."),
        may: I | A | U,
        section: Section::Changes,
        doc: "Labels to set: names, or #BIT",
        standing: Standing::Differs("`#BIT` is ours, for labels without a name"),
        ..ROW
    },
    OptionRow {
        column: Column::LabelDel,
        names: &["label-del"],
        value: Value::Optional("LABEL,..."),
        may: U,
        section: Section::Changes,
        doc: "Labels to clear; all if none is named",
        standing: Standing::Differs(
            "a value behind `=` counts (the stock tool clears all labels); `#BIT` is ours",
        ),
        ..ROW
    },
    OptionRow {
        column: Column::OrigZone,
        names: &["orig-zone"],
        value: Value::Required("ZONE"),
        may: L | I | A | D | E,
        doc: "Zone of the original direction alone",
        standing: NUMBER,
        ..ROW
    },
    OptionRow {
        column: Column::ReplyZone,
        names: &["reply-zone"],
        value: Value::Required("ZONE"),
        may: L | I | A | D | E,
        doc: "Zone of the reply direction alone",
        standing: NUMBER,
        ..ROW
    },
    OptionRow {
        column: Column::Helper,
        names: &["helper"],
        value: Value::Required("NAME"),
        may: I | A,
        section: Section::Flows,
        doc: "Helper to attach; not to be cut short",
        standing: Standing::Ours("what `-o save` prints of a flow with a helper"),
        ..ROW
    },
];
