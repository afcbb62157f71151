//! What a cache remembers of an entry beside the flow.

use core::num::NonZeroU32;

/// Handle of the queue node that refers to an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub NonZeroU32);

/// How far the life of an entry has come; the type of a message about it follows from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Liveness {
    /// Never updated.
    New,
    /// Updated at least once.
    Alive,
    /// Gone, and kept for the message that says so.
    Dead,
}

/// What a cache remembers of an entry beside the flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bookkeeping {
    /// Only the cache writes it: it counts the living.
    liveness: Liveness,
    /// Took the place of another of which the peer may still know, and has not heard the end.
    pub is_reborn: bool,
    /// The dump or bulk that met the entry last.
    pub generation: u8,
    /// Who told of the entry last; means something in an external cache only.
    pub teller: u8,
    /// Second in which the entry was made.
    pub since_secs: u32,
    /// Second of its last change.
    pub updated_secs: u32,
    /// The queue node that refers to it.
    pub node: Option<NodeId>,
}

impl Bookkeeping {
    /// Returns that of an entry made in second `now_secs`.
    pub(super) const fn new(now_secs: u32) -> Self {
        Self {
            liveness: Liveness::New,
            is_reborn: false,
            generation: 0,
            teller: 0,
            since_secs: now_secs,
            updated_secs: now_secs,
            node: None,
        }
    }

    /// Returns how far its life has come.
    #[must_use]
    pub const fn liveness(&self) -> Liveness {
        self.liveness
    }

    /// Returns whether the flow is not gone.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        !matches!(self.liveness, Liveness::Dead)
    }

    /// Changes how far its life has come.
    pub(super) const fn set_liveness(&mut self, liveness: Liveness) {
        self.liveness = liveness;
    }
}
