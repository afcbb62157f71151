//! Why a line is no flow.

use alloc::boxed::Box;
use core::fmt;

use crate::flow::HelperName;

/// Longest part of a word that a message repeats, in characters.
const SHOWN_LEN_MAX: usize = 40;

/// All keys that a line can have, for messages.
const KEYS: &str = "src, dst, sport, dport, type, code, id, srckey, dstkey, packets, bytes, zone-orig, \
                    zone-reply, zone, mark, secmark, secctx, delta-time, helper, use, labels, portid, progname";

/// A line that is no flow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset}: {kind}")]
pub struct FlowLineError {
    /// Offset in the line of the first byte of the word that could not be read; the length of the line
    /// if a word is missing at its end.
    pub offset: usize,
    /// What was wrong with it.
    pub kind: FlowLineErrorKind,
}

/// What can be wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlowLineErrorKind {
    /// No protocol of that name is printed.
    #[error(
        "{0}: expected a protocol: tcp, udp, udplite, icmp, icmpv6, sctp, dccp, gre, or unknown and a number"
    )]
    UnknownProtocol(Word),
    /// The number behind a protocol is that of another one.
    #[error("{word}: `{name}` is protocol {number}; the seconds left follow that number")]
    ProtocolNumber {
        /// The number given.
        word: Word,
        /// The name before it.
        name: &'static str,
        /// Its number.
        number: u8,
    },
    /// A word that is neither a state of the protocol nor anything else.
    #[error("{word}: expected {expected}")]
    UnknownWord {
        /// The word.
        word: Word,
        /// What may stand there.
        expected: &'static str,
    },
    /// A key that no line has.
    #[error("{0}: no such key; known keys are {KEYS}")]
    UnknownKey(Word),
    /// A mark in brackets that no line has.
    #[error(
        "{0}: no such mark; known marks are [NEW], [UPDATE], [DESTROY] at the beginning, [UNREPLIED], \
         [ASSURED], [OFFLOAD], [HW_OFFLOAD], [USERSPACE], [start=…], [stop=…], [expires in …s] and \
         [active since …s]"
    )]
    UnknownMark(Word),
    /// A bracket that is not closed.
    #[error("{0}: the bracket is not closed")]
    OpenBracket(Word),
    /// No number, or one out of range.
    #[error("{word}: expected a number from 0 to {max}")]
    BadNumber {
        /// The word.
        word: Word,
        /// The largest number that is meant.
        max: u64,
    },
    /// No address.
    #[error("{0}: expected an IPv4 or IPv6 address")]
    BadAddress(Word),
    /// Addresses of two families.
    #[error("{0}: of another address family than those before it")]
    OtherFamily(Word),
    /// A name that no helper can have.
    #[error("{0}: a helper has at most {max} bytes", max = HelperName::LEN_MAX)]
    LongHelper(Word),
    /// Something that one direction of a flow has, before its `src`.
    #[error("{0}: a direction begins with `src=`")]
    BeforeSource(Word),
    /// A third direction.
    #[error("{0}: a flow has two directions")]
    ThirdDirection(Word),
    /// The same thing twice.
    #[error("{0}: given before")]
    Twice(Word),
    /// A key of another protocol.
    #[error("`{key}=` is not for `{protocol}`")]
    OtherProtocol {
        /// The key.
        key: &'static str,
        /// The protocol of the flow.
        protocol: &'static str,
    },
    /// A key that the protocol needs in each direction.
    #[error("`{key}=` is missing: each direction of `{protocol}` has it")]
    Missing {
        /// The key.
        key: &'static str,
        /// The protocol of the flow.
        protocol: &'static str,
    },
    /// Packets without bytes or the other way round.
    #[error("`{key}=` is missing: packets and bytes come together")]
    Uncounted {
        /// The key.
        key: &'static str,
    },
    /// The line ended early.
    #[error("the line ends here: expected {0}")]
    Ended(&'static str),
}

/// A word of the line, cut short and with its control characters escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word(Box<str>);

impl Word {
    /// Keeps what messages show of `word`.
    pub(super) fn of(word: &str) -> Self {
        let mut chars = word.chars();
        let mut shown: alloc::string::String = chars
            .by_ref()
            .take(SHOWN_LEN_MAX)
            .flat_map(char::escape_debug)
            .collect();
        if chars.next().is_some() {
            shown.push('…');
        }
        Self(shown.into())
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0)
    }
}
