//! The compact table of flows.
//!
//! ```text
//! FlowKey ──hash──► index ──slot──► entry, 64 bytes ──► two IPv6 addresses, if it has them
//!                                     │
//!                                     └──► list of the attributes that few flows have
//! ```
//!
//! Entries live in slots that never move, so a [`FlowId`] stays good until its flow is removed, and
//! a walk in the order of the slots is the same in every run. The index is only ever asked for one
//! key; its order reaches nothing.
//!
//! A plain IPv4 flow costs 64 bytes of entry and at most 21 bytes of index. One over IPv6 costs 36
//! bytes more, and each attribute that few flows have costs 32. Its deadline, which it has in ALARM
//! mode only, costs 12 bytes.

mod arena;
mod attrs;
mod bookkeeping;
mod deadlines;
mod entry;
mod expectations;
mod external;
mod index;
mod internal;
mod key;
mod slot_set;
mod table;
mod timer_wheel;

#[cfg(test)]
mod tests;

pub use bookkeeping::{Bookkeeping, Liveness, NodeId};
pub(crate) use deadlines::Deadlines;
pub use expectations::{
    ExpectChange, ExpectId, ExpectKey, ExpectTable, ExternalExpectations, InternalExpectations,
};
pub use external::{ExternalCache, Teller};
pub use internal::{Change, InternalCache, NoNews};
pub use key::{FlowKey, HashKey};
pub use table::{CacheFull, FlowCache, FlowId};
