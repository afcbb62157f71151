//! Configuration files for the two daemons.

use std::path::Path;

/// How the daemons replicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reliable: acknowledgements and retransmission.
    FtFw,
    /// Best effort.
    NoTrack,
}

/// What carries the sync link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams to the peer.
    Udp,
    /// Datagrams to a group.
    Multicast,
}

/// The family of the sync link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Link {
    /// Addresses of fw1 and fw2 on the sync link.
    pub fn addresses(self) -> [&'static str; 2] {
        match self {
            Self::V4 => ["192.168.77.1", "192.168.77.2"],
            Self::V6 => ["fd77::1", "fd77::2"],
        }
    }

    /// The prefix of the address clauses.
    fn clause(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }
}

/// The port of the sync link.
pub(crate) const SYNC_PORT: u16 = 3780;

/// The values of one configuration file.
#[derive(Clone, Debug)]
pub(crate) struct Conf<'a> {
    pub(crate) mode: Mode,
    pub(crate) transport: Transport,
    pub(crate) link: Link,
    /// 0 for fw1, 1 for fw2.
    pub(crate) node: usize,
    /// Where log, lock and socket go.
    pub(crate) dir: &'a Path,
}

impl Conf<'_> {
    /// The file's text.
    pub(crate) fn text(&self) -> String {
        let mode = match self.mode {
            Mode::FtFw => "FTFW",
            Mode::NoTrack => "NOTRACK",
        };
        let (link, dir) = (self.link_block(), self.dir.display());
        format!(
            "Sync {{
    Mode {mode} {{
        PurgeTimeout 5
    }}
    {link}
}}
General {{
    HashSize 32768
    HashLimit 131072
    LogFile {dir}/conntrackd.log
    LockFile {dir}/conntrackd.lock
    UNIX {{
        Path {dir}/conntrackd.ctl
    }}
    NetlinkBufferSize 8388608
    NetlinkBufferSizeMaxGrowth 33554432
}}
"
        )
    }

    /// The block of the sync link.
    fn link_block(&self) -> String {
        let [ours, peer] = match (self.link.addresses(), self.node) {
            (addresses, 0) => addresses,
            ([fw1, fw2], _) => [fw2, fw1],
        };
        let family = self.link.clause();
        let (keyword, addresses) = match (self.transport, self.link) {
            (Transport::Udp, _) => (
                "UDP",
                format!(
                    "{family}_address {ours}
        {family}_Destination_Address {peer}
        Port {SYNC_PORT}"
                ),
            ),
            (Transport::Multicast, Link::V4) => (
                "Multicast",
                format!(
                    "IPv4_address 225.0.0.50
        IPv4_interface {ours}
        Group {SYNC_PORT}"
                ),
            ),
            (Transport::Multicast, Link::V6) => (
                "Multicast",
                format!(
                    "IPv6_address ff02::50
        Group {SYNC_PORT}"
                ),
            ),
        };
        // The stock daemon knows the interface of a group only if the group is named before it.
        format!(
            "{keyword} {{
        {addresses}
        Interface sync0
        SndSocketBuffer 8388608
        RcvSocketBuffer 8388608
        Checksum on
    }}"
        )
    }
}
