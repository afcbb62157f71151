//! The rows of the table.

use super::{
    BlockKind, BlockSpec, Body, ClauseSpec, Content, DefaultValue, Kind, LogPath, Range, Repeats, Status,
};
use crate::model::SchedulerClass;
use crate::parse::value::ModeName;

/// Longest path of a socket: `sun_path` of `<linux/un.h>` less its NUL.
const SOCKET_PATH_MAX: usize = 107;
const FILE_PATH_MAX: usize = 256;
const SECS_MAX: u32 = 2_147_483_647;

const fn value(name: &'static str, args: &'static [Kind]) -> ClauseSpec {
    ClauseSpec {
        name,
        args,
        body: Body::None,
        default: DefaultValue::None,
        status: Status::Alive,
        repeats: Repeats::Replace,
    }
}

const fn block_of(name: &'static str, args: &'static [Kind], kind: BlockKind) -> ClauseSpec {
    ClauseSpec {
        name,
        args,
        body: Body::Required(kind),
        default: DefaultValue::None,
        status: Status::Alive,
        repeats: Repeats::Accumulate,
    }
}

impl ClauseSpec {
    const fn default(self, default: DefaultValue) -> Self {
        Self { default, ..self }
    }

    /// The default is a number.
    const fn number(self, number: u32) -> Self {
        self.default(DefaultValue::Number(number))
    }

    const fn on(self) -> Self {
        self.default(DefaultValue::Bool(true))
    }

    const fn off(self) -> Self {
        self.default(DefaultValue::Bool(false))
    }

    /// Without the clause there is no such value, but what the text says.
    const fn unset(self, instead: &'static str) -> Self {
        self.default(DefaultValue::Unset(instead))
    }

    const fn required(self) -> Self {
        self.default(DefaultValue::Required)
    }

    const fn status(self, status: Status) -> Self {
        Self { status, ..self }
    }

    const fn accumulates(self) -> Self {
        Self {
            repeats: Repeats::Accumulate,
            ..self
        }
    }
}

const fn log_path(on: &'static str) -> Kind {
    Kind::BoolOrPath(LogPath {
        len_max: FILE_PATH_MAX,
        on,
    })
}

const fn range(min: u32, max: u32, unit: &'static str) -> Range {
    Range {
        min,
        max,
        zero_is_default: false,
        unit,
    }
}

const fn or_zero(min: u32, max: u32, unit: &'static str) -> Range {
    Range {
        min,
        max,
        zero_is_default: true,
        unit,
    }
}

const BUFFER: &[Kind] = &[Kind::Uint(range(0, 2_147_483_647, "bytes"))];
const SOCKET_BUFFER: &[Kind] = &[Kind::Uint(range(0, 1_073_741_823, "bytes"))];
const SECS: &[Kind] = &[Kind::Uint(or_zero(1, SECS_MAX, "seconds"))];
const POLL_SECS: &[Kind] = &[Kind::Uint(range(1, 86_400, "seconds"))];
const PORT: &[Kind] = &[Kind::Uint(range(1, 65_535, ""))];
const ANY_NUMBER: &[Kind] = &[Kind::Uint(range(0, u32::MAX, ""))];
const BOOL: &[Kind] = &[Kind::Bool];

const IN_LINKS: &str = "write `Checksum` inside each link";
const REMOVE: &str = "remove it";
const SYSTEM: &str = "what the system gives";

/// Whether a block of this name may stand at the top level.
pub(crate) fn is_section(name: &str) -> bool {
    block(BlockKind::File).clause(name).is_some()
}

/// Returns what a kind of block holds.
pub(crate) const fn block(kind: BlockKind) -> &'static BlockSpec {
    match kind {
        BlockKind::File => &FILE,
        BlockKind::General => &GENERAL,
        BlockKind::Unix => &UNIX,
        BlockKind::Scheduler => &SCHEDULER,
        BlockKind::Filter => &FILTER,
        BlockKind::Protocols => &PROTOCOLS,
        BlockKind::Addresses => &ADDRESSES,
        BlockKind::States => &STATES,
        BlockKind::Sync => &SYNC,
        BlockKind::Ftfw => &FTFW,
        BlockKind::Alarm => &ALARM,
        BlockKind::Notrack => &NOTRACK,
        BlockKind::Multicast => &MULTICAST,
        BlockKind::Udp => &UDP,
        BlockKind::Tcp => &TCP,
        BlockKind::Options => &OPTIONS,
        BlockKind::ExpectationNames => &EXPECTATION_NAMES,
        BlockKind::Stats => &STATS,
        BlockKind::Helper => &HELPER,
        BlockKind::HelperType => &HELPER_TYPE,
        BlockKind::HelperPolicy => &HELPER_POLICY,
        BlockKind::IgnoredAddresses => &IGNORED_ADDRESSES,
        BlockKind::IgnoredProtocols => &IGNORED_PROTOCOLS,
    }
}

static FILE: BlockSpec = BlockSpec {
    title: "the file",
    content: Content::Clauses(&[
        block_of("General", &[], BlockKind::General),
        block_of("Sync", &[], BlockKind::Sync),
        block_of("Stats", &[], BlockKind::Stats),
        block_of("Helper", &[], BlockKind::Helper),
        block_of("IgnoreTrafficFor", &[], BlockKind::IgnoredAddresses).status(Status::Translated(
            "write `Filter { Address Ignore { ... } }` in `General`",
        )),
        block_of("IgnoreProtocol", &[], BlockKind::IgnoredProtocols).status(Status::Translated(
            "write `Filter { Protocol Ignore { ... } }` in `General`",
        )),
        value("StripNAT", &[]).status(Status::Ignored(REMOVE)),
    ]),
};

static GENERAL: BlockSpec = BlockSpec {
    title: "`General`",
    content: Content::Clauses(&[
        value("Systemd", BOOL).on(),
        value("Nice", &[Kind::Integer]).status(Status::Ignored(
            "remove it; the service manager can set the nice value",
        )),
        value("HashSize", &[Kind::Uint(or_zero(1, 67_108_864, "buckets"))]).number(65_536),
        value("HashLimit", &[Kind::Uint(or_zero(1, 2_147_483_647, "entries"))]).number(262_144),
        value("LogFile", &[log_path("/var/log/conntrackd.log")]).off(),
        value("Syslog", &[Kind::BoolOrFacility]).off(),
        value("LockFile", &[Kind::Path(FILE_PATH_MAX)])
            .default(DefaultValue::Path("/var/lock/conntrackd.lock")),
        block_of("UNIX", &[], BlockKind::Unix),
        value("NetlinkBufferSize", BUFFER).unset("2 MiB"),
        value("SocketBufferSize", BUFFER).status(Status::Alias("NetlinkBufferSize")),
        value("NetlinkBufferSizeMaxGrowth", BUFFER).number(0),
        value("SocketBufferSizeMaxGrowth", BUFFER).status(Status::Alias("NetlinkBufferSizeMaxGrowth")),
        value("SocketBufferSizeMaxGrown", BUFFER).status(Status::Alias("NetlinkBufferSizeMaxGrowth")),
        value(
            "NetlinkOverrunResync",
            &[Kind::BoolOrUint(or_zero(1, 86_400, "seconds"))],
        )
        .number(30),
        value("NetlinkEventsReliable", BOOL).off(),
        value("PollSecs", POLL_SECS).unset("events are listened to"),
        value(
            "EventIterationLimit",
            &[Kind::Uint(or_zero(1, 1_000_000, "events"))],
        )
        .number(100),
        block_of("Scheduler", &[], BlockKind::Scheduler),
        block_of("Filter", &[Kind::OptionalFrom], BlockKind::Filter),
        value("Family", &[Kind::Name("a family")])
            .status(Status::Ignored("remove it: both families are always handled")),
    ]),
};

static UNIX: BlockSpec = BlockSpec {
    title: "`UNIX`",
    content: Content::Clauses(&[
        value("Path", &[Kind::Path(SOCKET_PATH_MAX)]).default(DefaultValue::Path("/var/run/conntrackd.ctl")),
        value("Backlog", ANY_NUMBER).status(Status::Ignored(REMOVE)),
    ]),
};

static SCHEDULER: BlockSpec = BlockSpec {
    title: "`Scheduler`",
    content: Content::Clauses(&[
        value("Type", &[Kind::SchedulerClass]).default(DefaultValue::Class(SchedulerClass::RoundRobin)),
        value("Priority", &[Kind::Uint(range(1, 99, ""))]).number(99),
    ]),
};

static FILTER: BlockSpec = BlockSpec {
    title: "`Filter`",
    content: Content::Clauses(&[
        block_of("Protocol", &[Kind::Policy], BlockKind::Protocols),
        block_of("Address", &[Kind::Policy], BlockKind::Addresses),
        block_of("State", &[Kind::Policy], BlockKind::States),
    ]),
};

static PROTOCOLS: BlockSpec = BlockSpec {
    title: "`Protocol`",
    content: Content::List(Kind::Protocol),
};

static STATES: BlockSpec = BlockSpec {
    title: "`State`",
    content: Content::States,
};

static ADDRESSES: BlockSpec = BlockSpec {
    title: "`Address`",
    content: Content::Clauses(&[
        value("IPv4_address", &[Kind::Ipv4Net]).accumulates(),
        value("IPv6_address", &[Kind::Ipv6Net]).accumulates(),
    ]),
};

static SYNC: BlockSpec = BlockSpec {
    title: "`Sync`",
    content: Content::Clauses(&[
        ClauseSpec {
            name: "Mode",
            args: &[Kind::Mode],
            body: Body::OfMode,
            default: DefaultValue::Mode(ModeName::Ftfw),
            status: Status::Alive,
            repeats: Repeats::Accumulate,
        },
        block_of("Multicast", &[Kind::OptionalDefault], BlockKind::Multicast),
        block_of("UDP", &[Kind::OptionalDefault], BlockKind::Udp),
        block_of("TCP", &[Kind::OptionalDefault], BlockKind::Tcp),
        block_of("Options", &[], BlockKind::Options),
        value("RefreshTime", SECS).number(60),
        value("CacheTimeout", SECS).number(180),
        value("CommitTimeout", SECS).unset("what is left of the original timeout"),
        value("PurgeTimeout", SECS).number(60),
        value("Checksum", BOOL).status(Status::Translated(IN_LINKS)),
        value("CacheWriteThrough", BOOL).status(Status::Lost(
            "peer flows are not written to the kernel at once; `DisableExternalCache on` in the mode does that",
        )),
        value("DestroyTimeout", ANY_NUMBER).status(Status::Ignored(REMOVE)),
        value("ListenTo", &[Kind::AnyAddress]).accumulates().status(Status::Lost(
            "the source of messages is not checked; use a firewall rule for that",
        )),
        value("RelaxTransitions", &[]).status(Status::Ignored(REMOVE)),
        value("DelayDestroyMessages", &[]).status(Status::Ignored(REMOVE)),
        value("Replicate", &[Kind::States])
            .accumulates()
            .status(Status::Translated("write `Filter { State Accept { ... for TCP } }` in `General`")),
    ]),
};

static FTFW: BlockSpec = BlockSpec {
    title: "`Mode FTFW`",
    content: Content::Clauses(&[
        value(
            "ResendQueueSize",
            &[Kind::Uint(or_zero(1, 16_777_216, "messages"))],
        )
        .number(131_072),
        value("ACKWindowSize", &[Kind::Uint(or_zero(1, 65_535, "messages"))]).number(300),
        value("CommitTimeout", SECS).unset("what is left of the original timeout"),
        value("PurgeTimeout", SECS).number(60),
        value("DisableExternalCache", BOOL).off(),
        value("StartupResync", BOOL).off(),
        value("ResendBufferSize", ANY_NUMBER).status(Status::Ignored(
            "use `ResendQueueSize`, which counts messages and not bytes",
        )),
    ]),
};

static ALARM: BlockSpec = BlockSpec {
    title: "`Mode ALARM`",
    content: Content::Clauses(&[
        value("RefreshTime", SECS).number(60),
        value("CacheTimeout", SECS).number(180),
        value("CommitTimeout", SECS).unset("what is left of the original timeout"),
        value("PurgeTimeout", SECS).number(60),
        value("RelaxTransitions", &[]).status(Status::Ignored(REMOVE)),
        value("DelayDestroyMessages", &[]).status(Status::Ignored(REMOVE)),
    ]),
};

static NOTRACK: BlockSpec = BlockSpec {
    title: "`Mode NOTRACK`",
    content: Content::Clauses(&[
        value("CommitTimeout", SECS).unset("what is left of the original timeout"),
        value("PurgeTimeout", SECS).number(60),
        value("DisableInternalCache", BOOL).off(),
        value("DisableExternalCache", BOOL).off(),
        value("StartupResync", BOOL).off(),
    ]),
};

static MULTICAST: BlockSpec = BlockSpec {
    title: "`Multicast`",
    content: Content::Clauses(&[
        value("IPv4_address", &[Kind::Ipv4]),
        value("IPv6_address", &[Kind::Ipv6]),
        value("IPv4_interface", &[Kind::Ipv4]),
        value("IPv6_interface", &[Kind::AnyAddress]).status(Status::Redundant(
            "the interface is the one that `Interface` names",
        )),
        value("Interface", &[Kind::Interface]).required(),
        value("Group", PORT).required(),
        value("SndSocketBuffer", SOCKET_BUFFER).unset(SYSTEM),
        value("RcvSocketBuffer", SOCKET_BUFFER).unset(SYSTEM),
        value("McastSndSocketBuffer", SOCKET_BUFFER).status(Status::Renamed("SndSocketBuffer")),
        value("McastRcvSocketBuffer", SOCKET_BUFFER).status(Status::Renamed("RcvSocketBuffer")),
        value("Checksum", BOOL).on(),
        value("Backlog", ANY_NUMBER).status(Status::Ignored(REMOVE)),
    ]),
};

static UDP: BlockSpec = BlockSpec {
    title: "`UDP`",
    content: Content::Clauses(&[
        value("IPv4_address", &[Kind::Ipv4]),
        value("IPv6_address", &[Kind::Ipv6]),
        value("IPv4_Destination_Address", &[Kind::Ipv4]),
        value("IPv6_Destination_Address", &[Kind::Ipv6]),
        value("Interface", &[Kind::Interface]).required(),
        value("Port", PORT).required(),
        value("SndSocketBuffer", SOCKET_BUFFER).unset(SYSTEM),
        value("RcvSocketBuffer", SOCKET_BUFFER).unset(SYSTEM),
        value("McastSndSocketBuffer", SOCKET_BUFFER).status(Status::Renamed("SndSocketBuffer")),
        value("McastRcvSocketBuffer", SOCKET_BUFFER).status(Status::Renamed("RcvSocketBuffer")),
        value("Checksum", BOOL).on(),
    ]),
};

static TCP: BlockSpec = BlockSpec {
    title: "`TCP`",
    content: Content::Clauses(&[
        value("IPv4_address", &[Kind::Ipv4]),
        value("IPv6_address", &[Kind::Ipv6]),
        value("IPv4_Destination_Address", &[Kind::Ipv4]),
        value("IPv6_Destination_Address", &[Kind::Ipv6]),
        value("Interface", &[Kind::Interface]).required(),
        value("Port", PORT).required(),
        value("SndSocketBuffer", SOCKET_BUFFER).unset(SYSTEM),
        value("RcvSocketBuffer", SOCKET_BUFFER).unset(SYSTEM),
        value("McastSndSocketBuffer", SOCKET_BUFFER).status(Status::Renamed("SndSocketBuffer")),
        value("McastRcvSocketBuffer", SOCKET_BUFFER).status(Status::Renamed("RcvSocketBuffer")),
        value("Checksum", BOOL).on(),
        value("ErrorQueueLength", &[Kind::Uint(or_zero(1, 65_535, "messages"))]).number(128),
    ]),
};

static OPTIONS: BlockSpec = BlockSpec {
    title: "`Options`",
    content: Content::Clauses(&[
        value("TCPWindowTracking", BOOL).off(),
        ClauseSpec {
            name: "ExpectationSync",
            args: &[Kind::BoolUnlessBlock],
            body: Body::Alternative(BlockKind::ExpectationNames),
            default: DefaultValue::Bool(false),
            status: Status::Alive,
            repeats: Repeats::Accumulate,
        },
    ]),
};

static EXPECTATION_NAMES: BlockSpec = BlockSpec {
    title: "`ExpectationSync`",
    content: Content::List(Kind::Name("a helper")),
};

static STATS: BlockSpec = BlockSpec {
    title: "`Stats`",
    content: Content::Clauses(&[
        value("LogFile", &[log_path("/var/log/conntrackd-stats.log")]).off(),
        value("Syslog", &[Kind::BoolOrFacility]).off(),
        value("NetlinkEventsReliable", BOOL).status(Status::Elsewhere("General")),
        value("PollSecs", POLL_SECS).status(Status::Elsewhere("General")),
        value("LogFileBufferSize", ANY_NUMBER).status(Status::Ignored(REMOVE)),
    ]),
};

static HELPER: BlockSpec = BlockSpec {
    title: "`Helper`",
    content: Content::Clauses(&[
        value("Setup", BOOL).off(),
        block_of(
            "Type",
            &[
                Kind::Name("a helper"),
                Kind::Name("a layer 3 protocol"),
                Kind::Name("a layer 4 protocol"),
            ],
            BlockKind::HelperType,
        ),
    ]),
};

static HELPER_TYPE: BlockSpec = BlockSpec {
    title: "`Type`",
    content: Content::Clauses(&[
        value("QueueNum", &[Kind::Uint(range(0, 65_535, ""))]).number(0),
        value("QueueLen", &[Kind::Uint(range(0, u32::MAX, "packets"))]).number(0),
        block_of("Policy", &[Kind::Name("a policy")], BlockKind::HelperPolicy),
    ]),
};

static HELPER_POLICY: BlockSpec = BlockSpec {
    title: "`Policy`",
    content: Content::Clauses(&[
        value("ExpectMax", &[Kind::Uint(range(0, 255, "expectations"))]),
        value("ExpectTimeout", &[Kind::Uint(range(0, u32::MAX, "seconds"))]),
    ]),
};

static IGNORED_ADDRESSES: BlockSpec = BlockSpec {
    title: "`IgnoreTrafficFor`",
    content: Content::Clauses(&[
        value("IPv4_address", &[Kind::Ipv4]).accumulates(),
        value("IPv6_address", &[Kind::Ipv6]).accumulates(),
    ]),
};

static IGNORED_PROTOCOLS: BlockSpec = BlockSpec {
    title: "`IgnoreProtocol`",
    content: Content::List(Kind::ProtocolOrNumber),
};
