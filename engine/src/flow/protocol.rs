//! State of the layer-4 trackers.
//!
//! States are the kernel's bytes in a type of their own and not closed enums: a newer kernel may
//! number one more, and decode followed by encode must lose nothing.

/// State of a TCP flow (`enum tcp_conntrack`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TcpState(pub u8);

impl TcpState {
    /// No packet seen yet.
    pub const NONE: Self = Self(0);
    /// SYN seen.
    pub const SYN_SENT: Self = Self(1);
    /// SYN and ACK seen.
    pub const SYN_RECV: Self = Self(2);
    /// The handshake is complete.
    pub const ESTABLISHED: Self = Self(3);
    /// FIN seen.
    pub const FIN_WAIT: Self = Self(4);
    /// The FIN was acknowledged.
    pub const CLOSE_WAIT: Self = Self(5);
    /// FIN seen from both sides.
    pub const LAST_ACK: Self = Self(6);
    /// Closed, waiting for stray segments.
    pub const TIME_WAIT: Self = Self(7);
    /// Reset.
    pub const CLOSE: Self = Self(8);
    /// Simultaneous open.
    pub const SYN_SENT2: Self = Self(9);

    /// Returns the name that is printed; `NONE` for a number without one.
    #[must_use]
    pub fn name(self) -> &'static str {
        const NAMES: [&str; 10] = [
            "NONE",
            "SYN_SENT",
            "SYN_RECV",
            "ESTABLISHED",
            "FIN_WAIT",
            "CLOSE_WAIT",
            "LAST_ACK",
            "TIME_WAIT",
            "CLOSE",
            "SYN_SENT2",
        ];
        NAMES.get(usize::from(self.0)).unwrap_or(&"NONE")
    }
}

/// State of an SCTP flow (`enum sctp_conntrack`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SctpState(pub u8);

impl SctpState {
    /// The association is up.
    pub const ESTABLISHED: Self = Self(4);

    /// Returns the name that is printed; `NONE` for a number without one.
    #[must_use]
    pub fn name(self) -> &'static str {
        const NAMES: [&str; 10] = [
            "NONE",
            "CLOSED",
            "COOKIE_WAIT",
            "COOKIE_ECHOED",
            "ESTABLISHED",
            "SHUTDOWN_SENT",
            "SHUTDOWN_RECD",
            "SHUTDOWN_ACK_SENT",
            "HEARTBEAT_SENT",
            "HEARTBEAT_ACKED",
        ];
        NAMES.get(usize::from(self.0)).unwrap_or(&"NONE")
    }
}

/// State of a DCCP flow (`enum ct_dccp_states`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DccpState(pub u8);

impl DccpState {
    /// Returns the name that is printed; `NONE` for a number without one.
    #[must_use]
    pub fn name(self) -> &'static str {
        const NAMES: [&str; 10] = [
            "NONE", "REQUEST", "RESPOND", "PARTOPEN", "OPEN", "CLOSEREQ", "CLOSING", "TIMEWAIT", "IGNORE",
            "INVALID",
        ];
        NAMES.get(usize::from(self.0)).unwrap_or(&"NONE")
    }
}

/// Which end of a DCCP flow sent its first packet: 0 client, 1 server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DccpRole(pub u8);

/// Flags of one direction of a TCP flow (`IP_CT_TCP_FLAG_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// The window is scaled; the kernel stores a scale only together with this flag.
    pub const WINDOW_SCALE: Self = Self(0x01);
    /// Selective acknowledgements are permitted.
    pub const SACK_PERM: Self = Self(0x02);
    /// The side that opened the connection closes it.
    pub const CLOSE_INIT: Self = Self(0x04);
    /// The window is not checked.
    pub const BE_LIBERAL: Self = Self(0x08);
}

/// What the TCP tracker knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tcp {
    /// Its state.
    pub state: TcpState,
    /// Window scale of the original direction, a power of two (at most 14).
    pub wscale_orig: Option<u8>,
    /// Window scale of the reply direction.
    pub wscale_reply: Option<u8>,
    /// Flags of the original direction.
    pub flags_orig: Option<TcpFlags>,
    /// Flags of the reply direction.
    pub flags_reply: Option<TcpFlags>,
}

impl Tcp {
    /// Returns a tracker in `state` of which nothing else is known.
    #[must_use]
    pub const fn in_state(state: TcpState) -> Self {
        Self {
            state,
            wscale_orig: None,
            wscale_reply: None,
            flags_orig: None,
            flags_reply: None,
        }
    }
}

/// State of the layer-4 tracker of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProtoState {
    /// The protocol has none, or none was reported.
    None,
    /// TCP.
    Tcp(Tcp),
    /// SCTP.
    Sctp {
        /// State of the association.
        state: SctpState,
        /// Verification tag of the original direction: the packet's bytes, most significant first.
        vtag_orig: u32,
        /// Verification tag of the reply direction.
        vtag_reply: u32,
    },
    /// DCCP.
    Dccp {
        /// State of the connection.
        state: DccpState,
        /// Who opened it.
        role: DccpRole,
    },
}

impl ProtoState {
    /// Copies what `news` knows; a window scale or flag that it lacks stays.
    pub fn merge(&mut self, news: Self) {
        match (&mut *self, news) {
            (_, Self::None) => {}
            (Self::Tcp(known), Self::Tcp(news)) => {
                known.state = news.state;
                known.wscale_orig = news.wscale_orig.or(known.wscale_orig);
                known.wscale_reply = news.wscale_reply.or(known.wscale_reply);
                known.flags_orig = news.flags_orig.or(known.flags_orig);
                known.flags_reply = news.flags_reply.or(known.flags_reply);
            }
            (_, Self::Tcp(_) | Self::Sctp { .. } | Self::Dccp { .. }) => *self = news,
        }
    }
}
