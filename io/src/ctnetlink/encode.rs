//! From requests to the kernel's bytes.
//!
//! Requests are appended to a buffer of the caller, so that a batch is one buffer and one `send`.
//! Those that come by the thousand ([`encode_flow_request`], [`encode_expect_request`], [`encode_edit`]) are written
//! byte by byte; the rare ones ([`encode_command`]) go through netlink-packet-netfilter.

mod command;
mod dump;
mod edit;
mod expectation;
mod flow;
mod writer;

pub use command::{Command, encode_command};
pub use dump::{List, encode_dump};
pub use edit::{Edit, Existing, FlowChange, encode_edit};
pub use expectation::encode_expect_request;
pub use flow::encode_flow_request;

/// When the kernel answers a request. Errors are always answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AckMode {
    /// Only if it fails.
    OnError,
    /// Also if it succeeds.
    Always,
}

#[cfg(test)]
mod tests;
