//! The stable names of all diagnostics.

use std::fmt;

macro_rules! codes {
    ($($variant:ident = $text:literal: $summary:literal,)*) => {
        /// What kind of finding a diagnostic is; its text form never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = concat!("`", $text, "`: ", $summary)] $variant,)*
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the name that stands in brackets behind the severity.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Returns one phrase that says what the code means.
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$variant => $summary,)* }
            }
        }
    };
}

codes! {
    UnreadableFile = "unreadable-file": "the file cannot be read as a whole",
    BadEncoding = "bad-encoding": "bytes that are not UTF-8",
    UnexpectedCharacter = "unexpected-character": "a character that may not stand there",
    UnclosedBlock = "unclosed-block": "a `{` without its `}`",
    UnmatchedBrace = "unmatched-brace": "a `}` without its `{`",
    MissingValue = "missing-value": "a clause without its argument",
    MissingBlock = "missing-block": "a clause without its `{ }`",
    UnexpectedToken = "unexpected-token": "a separator, a surplus argument or a wrong fixed word",
    UnknownSection = "unknown-section": "no section has this name",
    UnknownClause = "unknown-clause": "no clause of this block has this name",
    MisplacedClause = "misplaced-clause": "a clause that belongs into another block",
    BadNumber = "bad-number": "not an unsigned decimal number",
    NumberRange = "number-range": "a number outside the allowed range",
    BadBoolean = "bad-boolean": "not one of on, off, yes, no",
    BadPath = "bad-path": "not an absolute path",
    PathTooLong = "path-too-long": "a path of too many bytes",
    BadName = "bad-name": "a name with characters or a length that is not allowed",
    BadIpv4 = "bad-ipv4": "not an IPv4 address",
    BadIpv6 = "bad-ipv6": "not an IPv6 address",
    BadPrefix = "bad-prefix": "a prefix length that is wrong or not allowed there",
    FamilyMismatch = "family-mismatch": "IPv4 where IPv6 is needed, or the reverse",
    NotMulticast = "not-multicast": "a group address that is not multicast",
    NotUnicast = "not-unicast": "a multicast or broadcast address in a link to one peer",
    UnknownMode = "unknown-mode": "no replication mode has this name",
    UnknownScheduler = "unknown-scheduler": "no scheduling class has this name",
    UnknownFacility = "unknown-facility": "no syslog facility has this name",
    UnknownProtocol = "unknown-protocol": "no layer 4 protocol has this name",
    UnknownState = "unknown-state": "no TCP state has this name",
    UnknownPolicy = "unknown-policy": "the helper has no policy of this name",
    UnknownHelper = "unknown-helper": "no helper has this name, or not over this transport",
    BadL3proto = "bad-l3proto": "not a layer 3 protocol of helpers",
    BadL4proto = "bad-l4proto": "not a layer 4 protocol of helpers",
    SyncAndStats = "sync-and-stats": "`Sync` and `Stats` in one file",
    MixedTransports = "mixed-transports": "links of two kinds",
    TooManyLinks = "too-many-links": "more than four links",
    NoLink = "no-link": "`Sync` without a link",
    LinkIncomplete = "link-incomplete": "a link without a clause that it needs",
    ManyModes = "many-modes": "two different replication modes",
    ManyDefaults = "many-defaults": "two links marked `Default`",
    DuplicateLink = "duplicate-link": "two links that listen on one address and port",
    Contradiction = "contradiction": "two clauses that cannot both hold",
    EmptyPolicy = "empty-policy": "a helper policy that sets nothing",
    QueueClash = "queue-clash": "two helpers on one queue",
    KernelFilterFull = "kernel-filter-full": "more addresses than the kernel-side filter holds",
    NotSupported = "not-supported": "a clause that this version cannot carry out",
    DeprecatedIgnored = "deprecated-ignored": "an old clause without effect",
    DeprecatedRenamed = "deprecated-renamed": "an old name of a clause that works",
    DeprecatedTranslated = "deprecated-translated": "an old clause that is applied in its modern form",
    DocumentedElsewhere = "documented-elsewhere": "a clause that works here but belongs elsewhere",
    RedundantClause = "redundant-clause": "a clause that is not needed and ignored",
    RepeatedClause = "repeated-clause": "a clause given twice, the last one counts",
    RepeatedEntry = "repeated-entry": "a list entry given twice",
    NoMode = "no-mode": "`Sync` without `Mode`",
    NoRunningMode = "no-running-mode": "neither `Sync` nor `Stats` nor `Helper`",
    NoControlSocket = "no-control-socket": "no `UNIX { Path }`",
    NoEffect = "no-effect": "a clause that another clause makes void",
    CommitWithoutCache = "commit-without-cache": "`CommitTimeout` without an external cache",
    ReliableWithResync = "reliable-with-resync": "reliable events and resynchronisation, double work",
    SyslogConflict = "syslog-conflict": "two syslog facilities",
    HostBits = "host-bits": "a network with address bits below its prefix",
    EmptyAccept = "empty-accept": "an `Accept` list without an entry",
    DerivedInterface = "derived-interface": "a link whose interface follows from its address",
    ListensOnAll = "listens-on-all": "a link without a local address",
    ChecksumOff = "checksum-off": "messages that may be damaged unnoticed",
    RefreshExceedsCache = "refresh-exceeds-cache": "flows that expire before they are refreshed, or nearly",
    WindowExceedsQueue = "window-exceeds-queue": "an acknowledgement window larger than the resend queue",
    ShortCommitTimeout = "short-commit-timeout": "committed flows that die while they are idle",
    CommitTimeoutBothNodes = "commit-timeout-both-nodes": "a clause that the peer needs too",
    ShortPurgeTimeout = "short-purge-timeout": "a flush of the kernel's table that comes too early",
    ResyncTooEager = "resync-too-eager": "a table that is read all the time",
    ResyncOff = "resync-off": "lost events that nothing makes up for",
    PollingWithSync = "polling-with-sync": "short flows that are not replicated",
    NoCache = "no-cache": "a cache that is switched off",
    UnreliableMode = "unreliable-mode": "messages that are lost for good",
    TcpWithRecoveryMode = "tcp-with-recovery-mode": "a mode that repeats what TCP repeats already",
    SmallBuffers = "small-buffers": "socket buffers of a link that a burst overruns",
    SmallEventBuffer = "small-event-buffer": "an event buffer too small for the table",
    SameInterfaceLinks = "same-interface-links": "two links that fail together",
    LinkNotIgnored = "link-not-ignored": "the daemon's own flows, replicated",
    LazyBackup = "lazy-backup": "established flows that are not replicated",
    NarrowFilter = "narrow-filter": "a filter that leaves out a whole address family",
    HashOversized = "hash-oversized": "more hash buckets than entries",
    Realtime99 = "realtime-99": "the highest real-time priority",
    BomSkipped = "bom-skipped": "a byte order mark",
    TooMany = "too-many": "more findings than are shown",
    CrLineEnds = "cr-line-ends": "lines that end with CR alone",
    NoSuchInterface = "no-such-interface": "an interface that this machine does not have",
    AddressNotLocal = "address-not-local": "a local address that this machine does not have",
    InterfaceAddressDiffers = "interface-address-differs": "an address that its interface does not carry",
    SocketPathTaken = "socket-path-taken": "something other than a socket is where the control socket goes",
    LockDirectory = "lock-directory": "the lock file cannot be created in its directory",
    LogNotWritable = "log-not-writable": "the log file cannot be written",
    ConfigWritable = "config-writable": "a configuration that others may write",
    HashLimitSmall = "hash-limit-small": "caches smaller than the kernel's table needs",
    PublicSocket = "public-socket": "a socket or lock file that any user may replace",
    Migrated = "migrated": "a place that `--migrate` writes in today's spelling",
    BadFlow = "bad-flow": "a line for `--explain` that is no flow",
}

impl Code {
    /// The codes that judge what works: a file may have them and do what was meant.
    pub const SAFETY: &[Self] = &[
        Self::ReliableWithResync,
        Self::ChecksumOff,
        Self::RefreshExceedsCache,
        Self::WindowExceedsQueue,
        Self::ShortCommitTimeout,
        Self::CommitTimeoutBothNodes,
        Self::ShortPurgeTimeout,
        Self::ResyncTooEager,
        Self::ResyncOff,
        Self::PollingWithSync,
        Self::NoCache,
        Self::UnreliableMode,
        Self::TcpWithRecoveryMode,
        Self::SmallBuffers,
        Self::SmallEventBuffer,
        Self::SameInterfaceLinks,
        Self::LinkNotIgnored,
        Self::LazyBackup,
        Self::NarrowFilter,
        Self::EmptyAccept,
        Self::HashOversized,
        Self::HashLimitSmall,
        Self::PublicSocket,
        Self::Realtime99,
    ];

    /// Whether this is one of [`Code::SAFETY`].
    pub fn is_safety(self) -> bool {
        Self::SAFETY.contains(&self)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
