//! Section `Sync`, without its modes and links.

use super::mode::{CACHE_TIMEOUT, COMMIT_TIMEOUT, PURGE_TIMEOUT, REFRESH_TIME};
use super::row::{ANY_NUMBER, BOOL, REMOVE, block_of, value};
use crate::parse::value::ModeName;
use crate::schema::{BlockKind, BlockSpec, Body, ClauseSpec, Content, DefaultValue, Kind, Status};

const BESIDE_MODE: &str = "The same as inside `Mode`.";

pub(super) static SYNC: BlockSpec = BlockSpec {
    title: "`Sync`",
    intro: "Replicates flows between the nodes of a cluster. It needs a link, and excludes `Stats`.\n\n\
            The links are of one kind, at most 4, and a block is one link. The first, or the one that \
            is marked `Default`, is used at start; when it fails, the next one in the file that works takes over.",
    refused: None,
    content: Content::Clauses(&[
        ClauseSpec {
            body: Body::OfMode,
            ..value("Mode", &[Kind::Mode])
        }
        .accumulates()
        .default(DefaultValue::Mode(ModeName::Ftfw))
        .doc(
            "The replication protocol, in any letter case. Both nodes need the same one. The clauses of the \
             block depend on it.",
        )
        .differs("two of them in one file are an error; the stock daemon takes FTFW before ALARM before NOTRACK"),
        block_of("Multicast", &[Kind::OptionalDefault], BlockKind::Multicast)
            .doc("A link over a multicast group.")
            .differs(
                "hears its group on its interface alone, and nothing but its group; a link that has no carrier \
                 is not chosen, at the start either",
            ),
        block_of("UDP", &[Kind::OptionalDefault], BlockKind::Udp)
            .since("0.9.12")
            .doc("A link to one peer over UDP.")
            .differs(
                "over IPv6 datagrams are shorter by the longer header; a port that another program receives \
                 on is an error, where the stock daemon shares it silently; a link that has no \
                 carrier is not chosen, at the start either",
            ),
        block_of("TCP", &[Kind::OptionalDefault], BlockKind::Tcp)
            .since("0.9.14")
            .doc("A link to one peer over TCP.")
            .differs(
                "a short write does not cost the framing, a connection begins with a whole message, the end \
                 of the peer is noticed at once, connecting is tried every second whether there is \
                 something to send or not, and link-local addresses are reached; a link that has no \
                 carrier is not chosen, at the start either",
            ),
        block_of("Options", &[], BlockKind::Options)
            .since("0.9.15")
            .doc("What is replicated beside the flows themselves."),
        REFRESH_TIME.doc("The same as inside `Mode ALARM`; the other modes have no use for it."),
        CACHE_TIMEOUT.doc("The same as inside `Mode ALARM`; the other modes have no use for it."),
        COMMIT_TIMEOUT.doc(BESIDE_MODE),
        PURGE_TIMEOUT.doc(BESIDE_MODE),
        value("Checksum", BOOL)
            .status(Status::Translated("write `Checksum` inside each link"))
            .doc("UDP checksums of the link, of which there was one.")
            .until("1.4.4"),
        value("CacheWriteThrough", BOOL)
            .status(Status::Lost(
                "peer flows are not written to the kernel at once; `DisableExternalCache on` in the mode does that",
            ))
            .since("0.9.6")
            .doc("Wrote the peer's flows to the kernel as they came.")
            .until("1.4.4"),
        value("DestroyTimeout", ANY_NUMBER)
            .status(Status::Ignored(REMOVE))
            .since("0.9.7")
            .doc("Kept ended flows in the cache for some seconds.")
            .until("1.4.4"),
        value("ListenTo", &[Kind::AnyAddress])
            .accumulates()
            .status(Status::Lost(
                "the source of messages is not checked; use a firewall rule for that",
            ))
            .doc("Took messages from these peers alone.")
            .until("1.4.4"),
        value("RelaxTransitions", &[])
            .status(Status::Ignored(REMOVE))
            .doc("An option of the first releases.")
            .until("1.4.4"),
        value("DelayDestroyMessages", &[])
            .status(Status::Ignored(REMOVE))
            .doc("An option of the first releases.")
            .until("1.4.4"),
        value("Replicate", &[Kind::States])
            .accumulates()
            .status(Status::Translated(
                "write `Filter { State Accept { ... for TCP } }` in `General`",
            ))
            .doc("Kept TCP flows in these states alone.")
            .until("1.4.4"),
    ]),
};

pub(super) static OPTIONS: BlockSpec = BlockSpec {
    title: "`Options`",
    intro: "Both nodes should have the same options.",
    refused: None,
    content: Content::Clauses(&[
        value("TCPWindowTracking", BOOL)
            .off()
            .since("0.9.15")
            .doc(
                "`off` marks TCP flows that are committed as liberal: the kernel does not check their \
                 sequence windows. `on` hands the window scales over instead, and the checks go on.",
            )
            .differs("the window scales also survive a commit"),
        ClauseSpec {
            body: Body::Alternative(BlockKind::ExpectationNames),
            ..value("ExpectationSync", &[Kind::BoolUnlessBlock])
        }
        .accumulates()
        .off()
        .since("1.2.0")
        .doc(
            "Replicates expectations too: `on` those of all helpers, a list only those of helpers whose name \
             begins with one of its entries, in any letter case. `sip` covers `sip-5070`.",
        )
        .differs(
            "the end of an expectation is told whatever became of its master, and one that is told before its \
             master waits for it; the stock daemon loses the first and drops the second",
        ),
    ]),
};

pub(super) static EXPECTATION_NAMES: BlockSpec = BlockSpec {
    title: "`ExpectationSync`",
    intro: "Names of helpers, or how they begin, separated by blanks: `ftp`, `ras`, `q.931`, `h.245`, `sip`. \
            An empty list is all helpers.",
    refused: None,
    content: Content::List(Kind::Name("a helper")),
};
