//! The rows of the table, a file for each section.

mod filter;
mod general;
mod helper;
mod links;
mod mode;
mod row;
mod stats;
mod sync;

use super::{BlockKind, BlockSpec, Content, Status};
use row::{REMOVE, block_of, value};

/// Whether a block of this name may stand at the top level.
pub(crate) fn is_section(name: &str) -> bool {
    block(BlockKind::File).clause(name).is_some()
}

/// Returns what a kind of block holds.
pub(crate) const fn block(kind: BlockKind) -> &'static BlockSpec {
    match kind {
        BlockKind::File => &FILE,
        BlockKind::General => &general::GENERAL,
        BlockKind::Unix => &general::UNIX,
        BlockKind::Scheduler => &general::SCHEDULER,
        BlockKind::Filter => &filter::FILTER,
        BlockKind::Protocols => &filter::PROTOCOLS,
        BlockKind::Addresses => &filter::ADDRESSES,
        BlockKind::States => &filter::STATES,
        BlockKind::Sync => &sync::SYNC,
        BlockKind::Ftfw => &mode::FTFW,
        BlockKind::Alarm => &mode::ALARM,
        BlockKind::Notrack => &mode::NOTRACK,
        BlockKind::Multicast => &links::MULTICAST,
        BlockKind::Udp => &links::UDP,
        BlockKind::Tcp => &links::TCP,
        BlockKind::Options => &sync::OPTIONS,
        BlockKind::ExpectationNames => &sync::EXPECTATION_NAMES,
        BlockKind::Stats => &stats::STATS,
        BlockKind::Helper => &helper::HELPER,
        BlockKind::HelperType => &helper::HELPER_TYPE,
        BlockKind::HelperPolicy => &helper::HELPER_POLICY,
        BlockKind::IgnoredAddresses => &filter::IGNORED_ADDRESSES,
        BlockKind::IgnoredProtocols => &filter::IGNORED_PROTOCOLS,
    }
}

static FILE: BlockSpec = BlockSpec {
    title: "the file",
    intro: "A file holds sections, in any order. `Sync` makes the daemon replicate flows, `Stats` makes it \
            log those that end; one of the two is its running mode. A section that is given twice counts as \
            one.",
    refused: None,
    content: Content::Clauses(&[
        block_of("General", &[], BlockKind::General)
            .doc("The daemon itself: its files and sockets, the kernel's events, the filter."),
        block_of("Sync", &[], BlockKind::Sync)
            .doc("Replication between the nodes of a cluster: the mode, the links, the options."),
        block_of("Stats", &[], BlockKind::Stats)
            .doc("A log of the flows that end.")
            .since("0.9.6")
            .not_yet("refused at start, like every file without `Sync`"),
        block_of("Helper", &[], BlockKind::Helper)
            .doc("Connection tracking helpers in user space, beside any running mode.")
            .since("1.4.0")
            .not_yet("refused at start"),
        block_of("IgnoreTrafficFor", &[], BlockKind::IgnoredAddresses)
            .status(Status::Translated(
                "write `Filter { Address Ignore { ... } }` in `General`",
            ))
            .doc("Excluded the flows of these addresses.")
            .until("1.4.4"),
        block_of("IgnoreProtocol", &[], BlockKind::IgnoredProtocols)
            .status(Status::Translated(
                "write `Filter { Protocol Ignore { ... } }` in `General`",
            ))
            .doc("Excluded the flows of these protocols.")
            .until("1.4.4"),
        value("StripNAT", &[])
            .status(Status::Ignored(REMOVE))
            .doc("An option of the first releases.")
            .until("1.4.4"),
    ]),
};
