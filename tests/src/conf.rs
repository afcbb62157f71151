//! Configuration files for the two daemons.

use std::path::Path;

/// How the daemons replicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reliable: acknowledgements and retransmission.
    FtFw,
    /// Best effort.
    NoTrack,
    /// Told again from time to time.
    Alarm,
}

/// What carries the sync link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams to the peer.
    Udp,
    /// Datagrams to a group.
    Multicast,
    /// A connection in each direction.
    Tcp,
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
    /// The address of a node, 0 for fw1, on sync link 0 or 1.
    pub fn address(self, link: u8, node: u8) -> String {
        let (net, host) = (77 + link, 1 + node);
        match self {
            Self::V4 => format!("192.168.{net}.{host}"),
            Self::V6 => format!("fd{net}::{host}"),
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

/// The port of the first sync link.
pub(crate) const SYNC_PORT: u16 = 3780;

/// The values of one configuration file.
#[derive(Clone, Debug)]
pub(crate) struct Conf<'a> {
    pub(crate) mode: Mode,
    pub(crate) transport: Transport,
    pub(crate) link: Link,
    /// How many sync links there are.
    pub(crate) n_links: u8,
    /// Clauses of the mode block.
    pub(crate) mode_clauses: &'a str,
    /// Clauses of `General`.
    pub(crate) general_clauses: &'a str,
    /// 0 for fw1; of a pair, if the transport names its peer.
    pub(crate) node: u8,
    /// Where log, lock and socket go.
    pub(crate) dir: &'a Path,
}

impl Conf<'_> {
    /// The file's text.
    pub(crate) fn text(&self) -> String {
        let mode = match self.mode {
            Mode::FtFw => "FTFW",
            Mode::NoTrack => "NOTRACK",
            Mode::Alarm => "ALARM",
        };
        let (mode_clauses, general_clauses) = (self.mode_clauses, self.general_clauses);
        let links: Vec<_> = (0..self.n_links).map(|link| self.link_block(link)).collect();
        let (links, dir) = (links.join("\n    "), self.dir.display());
        format!(
            "Sync {{
    Mode {mode} {{
        PurgeTimeout 5
        {mode_clauses}
    }}
    {links}
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
    {general_clauses}
}}
"
        )
    }

    /// The block of a sync link.
    fn link_block(&self, link: u8) -> String {
        let ours = self.link.address(link, self.node);
        let port = SYNC_PORT + u16::from(link);
        let family = self.link.clause();
        let unicast = || {
            let peer = self.link.address(link, 1 - self.node);
            format!(
                "{family}_address {ours}
        {family}_Destination_Address {peer}
        Port {port}"
            )
        };
        let (keyword, addresses) = match (self.transport, self.link) {
            (Transport::Udp, _) => ("UDP", unicast()),
            (Transport::Tcp, _) => ("TCP", unicast()),
            (Transport::Multicast, Link::V4) => (
                "Multicast",
                format!(
                    "IPv4_address 225.0.0.50
        IPv4_interface {ours}
        Group {port}"
                ),
            ),
            (Transport::Multicast, Link::V6) => (
                "Multicast",
                format!(
                    "IPv6_address ff02::50
        Group {port}"
                ),
            ),
        };
        // The stock daemon knows the interface of a group only if the group is named before it.
        format!(
            "{keyword} {{
        {addresses}
        Interface sync{link}
        SndSocketBuffer 8388608
        RcvSocketBuffer 8388608
        Checksum on
    }}"
        )
    }
}
