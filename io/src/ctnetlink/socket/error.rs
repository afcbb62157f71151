//! Why the kernel could not be talked to.

use std::fmt;

use engine::input::Errno;

/// Something that we asked of the kernel failed as a whole.
///
/// A single request that is refused is no such error, but a [`engine::input::RequestFailure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot {operation}: {cause}")]
pub struct NetlinkError {
    /// What we wanted.
    pub operation: Operation,
    /// Why it failed.
    pub cause: Cause,
}

/// What can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Opening a socket.
    Open,
    /// Setting the size of a buffer.
    SetBuffer,
    /// Asking for reliable delivery.
    SetDelivery,
    /// Attaching a filter.
    SetFilter,
    /// Joining the groups of events.
    Subscribe,
    /// Reading events.
    ReadEvents,
    /// Beginning a dump.
    StartDump,
    /// Reading parts of a dump.
    ReadDump,
    /// Sending requests.
    SendRequests,
    /// Reading the answers to requests.
    ReadAnswers,
    /// Emptying a table.
    Flush,
    /// Asking how full the table is.
    ReadTableStats,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open a socket to the kernel's connection tracking",
            Self::SetBuffer => "set the buffer of a conntrack socket",
            Self::SetDelivery => "switch on reliable delivery of conntrack events",
            Self::SetFilter => "attach a filter to the conntrack event socket",
            Self::Subscribe => "subscribe to conntrack events",
            Self::ReadEvents => "read conntrack events",
            Self::StartDump => "start a dump of the conntrack table",
            Self::ReadDump => "read a dump of the conntrack table",
            Self::SendRequests => "send requests to the kernel's connection tracking",
            Self::ReadAnswers => "read answers of the kernel's connection tracking",
            Self::Flush => "flush the conntrack table",
            Self::ReadTableStats => "ask how full the conntrack table is",
        })
    }
}

/// Why an operation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The kernel said so.
    Errno(Errno),
    /// The kernel has no connection tracking over netlink.
    NotSupported,
    /// An answer of the kernel does not have the promised form.
    Malformed,
    /// An answer of the kernel did not come.
    NoAnswer,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno(errno) => {
                f.write_str(nix::errno::Errno::from_raw(errno.0).desc())?;
                if *errno == Errno::EPERM {
                    f.write_str(" (needs CAP_NET_ADMIN)")?;
                }
                Ok(())
            }
            Self::NotSupported => {
                f.write_str("the kernel does not support it (needs the module nf_conntrack_netlink)")
            }
            Self::Malformed => f.write_str("the answer is malformed"),
            Self::NoAnswer => f.write_str("the kernel did not answer"),
        }
    }
}

impl Operation {
    /// Returns the error that this operation failed with `errno`.
    pub(super) const fn failed(self, errno: Errno) -> NetlinkError {
        self.failed_by(Cause::Errno(errno))
    }

    /// Returns the error that this operation failed by `cause`.
    pub(super) const fn failed_by(self, cause: Cause) -> NetlinkError {
        NetlinkError {
            operation: self,
            cause,
        }
    }

    /// Returns the error that this operation failed as the standard library says.
    pub(super) fn failed_io(self, error: &std::io::Error) -> NetlinkError {
        match error.raw_os_error() {
            Some(number) => self.failed(Errno(number)),
            None => self.failed_by(Cause::Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_operation_and_cause_in_words() {
        assert_eq!(
            Operation::Subscribe.failed(Errno::EPERM).to_string(),
            "cannot subscribe to conntrack events: Operation not permitted (needs CAP_NET_ADMIN)"
        );
        assert_eq!(
            Operation::Open.failed_by(Cause::NotSupported).to_string(),
            "cannot open a socket to the kernel's connection tracking: \
             the kernel does not support it (needs the module nf_conntrack_netlink)"
        );
    }
}
