//! The caches of expectations.
//!
//! They are kept beside those of flows, by the same rules: an internal one for our kernel's, an
//! external one for the peer's. There are few of them, a handful to a control connection, so their
//! table is plainer.

mod external;
mod internal;
mod table;

#[cfg(test)]
mod tests;

pub use external::ExternalExpectations;
pub use internal::{ExpectChange, InternalExpectations};
pub use table::{ExpectId, ExpectKey, ExpectTable};
