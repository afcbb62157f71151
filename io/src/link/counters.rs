//! What a link counts.

/// Counters of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// What left.
    pub sent: DirectionCounters,
    /// What arrived.
    pub received: DirectionCounters,
}

/// Counters of one direction of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionCounters {
    /// Payload bytes.
    pub bytes: u64,
    /// Datagrams.
    pub packets: u64,
    /// Failed calls.
    pub errors: u64,
}

impl DirectionCounters {
    pub(super) fn count(&mut self, len: usize) {
        self.bytes = self.bytes.saturating_add(u64::try_from(len).unwrap_or(u64::MAX));
        self.packets = self.packets.saturating_add(1);
    }

    pub(super) const fn count_error(&mut self) {
        self.errors = self.errors.saturating_add(1);
    }
}
