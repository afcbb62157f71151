//! The sync protocol's bytes.

mod error;

pub use error::{DecodeError, DecodeErrorKind};
