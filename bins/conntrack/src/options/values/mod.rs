//! What a value means.

pub(super) mod address;
pub(super) mod list;
pub(super) mod nat;
pub(super) mod number;
pub(super) mod port;
pub(super) mod state;
