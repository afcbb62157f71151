//! Time as a value: the engine owns no clock, so every moment comes in through a signature.

use core::time::Duration;

/// Monotonic time: microseconds since the driver started.
///
/// An integer and not `std::time::Instant`, so that a trace can print it and a replay can read it back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The moment the driver started.
    pub const START: Self = Self(0);

    /// Returns the moment `micros` microseconds after the start.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Returns the moment `millis` milliseconds after the start.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Returns the microseconds since the start.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Returns the whole seconds since the start; the caches date their entries with it.
    #[must_use]
    pub fn whole_secs(self) -> u32 {
        u32::try_from(self.0 / 1_000_000).unwrap_or(u32::MAX)
    }

    /// Returns the moment `after` later, or the last one there is.
    #[must_use]
    pub fn saturating_add(self, after: Duration) -> Self {
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }

    /// Returns the time that passed since `earlier`, zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// Wall-clock time: microseconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// Returns the moment `micros` microseconds after 1970.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// Returns the moment `secs` seconds after 1970.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000))
    }

    /// Returns the moment `after` later, or the last one there is.
    #[must_use]
    pub fn saturating_add(self, after: Duration) -> Self {
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }

    /// Returns the microseconds since the last whole second.
    #[must_use]
    pub fn subsec_micros(self) -> u32 {
        u32::try_from(self.0 % 1_000_000).unwrap_or_default()
    }

    /// Returns the microseconds since 1970.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Returns the whole seconds since 1970.
    #[must_use]
    pub const fn whole_secs(self) -> u64 {
        self.0 / 1_000_000
    }
}
