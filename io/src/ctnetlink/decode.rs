//! From the kernel's bytes to flows and expectations.
//!
//! Two layers. [`messages()`] cuts a datagram into messages and looks no further than their headers;
//! [`decode_flow`] and [`decode_expectation`] read the attributes of one. Nothing here allocates
//! but a security context, nothing panics, and what the kernel may add later is skipped.

mod attributes;
mod error;
mod expectation;
mod flow;
mod messages;
mod stats;
mod tuple;

pub use error::{DecodeError, DecodeErrorKind};
pub use expectation::decode_expectation;
pub use flow::{decode_event_time, decode_flow};
pub use messages::{Body, Message, Messages, messages};
pub use stats::{CpuCounters, TableStats, decode_cpu_counters, decode_table_stats};

#[cfg(test)]
mod tests;
