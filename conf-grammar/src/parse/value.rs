//! What a word can say.

use std::net::IpAddr;

use crate::model::{Facility, FilterPlace, Network, Policy, SchedulerClass, TcpState};
use crate::schema::BlockKind;

/// What a word says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Bool(bool),
    Number(u32),
    Text(String),
    Facility(Facility),
    Class(SchedulerClass),
    Address(IpAddr),
    /// The flag tells that the file gave bits below the prefix.
    Network(Network, bool),
    Protocol(u8),
    Policy(Policy),
    Place(FilterPlace),
    Mode(ModeName),
    State(TcpState),
    /// The word `Default`, and values nobody reads.
    Marker,
}

impl Value {
    /// The name or the path.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }
}

/// A replication mode by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModeName {
    Ftfw,
    Alarm,
    Notrack,
}

impl ModeName {
    pub(crate) const ALL: [(&'static str, Self); 3] = [
        ("FTFW", Self::Ftfw),
        ("ALARM", Self::Alarm),
        ("NOTRACK", Self::Notrack),
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ftfw => "FTFW",
            Self::Alarm => "ALARM",
            Self::Notrack => "NOTRACK",
        }
    }

    /// Returns the kind of block behind `Mode` and this name.
    pub(crate) fn block(self) -> BlockKind {
        match self {
            Self::Ftfw => BlockKind::Ftfw,
            Self::Alarm => BlockKind::Alarm,
            Self::Notrack => BlockKind::Notrack,
        }
    }

    /// What modes were called until 0.9.6.
    pub(crate) const OLD: [(&'static str, Self); 2] = [("NACK", Self::Ftfw), ("PERSISTENT", Self::Alarm)];

    /// Returns the mode that was called so until 0.9.6.
    pub(crate) fn by_old_name(name: &str) -> Option<Self> {
        let old = Self::OLD.iter().find(|(old, _)| old.eq_ignore_ascii_case(name))?;
        Some(old.1)
    }
}
