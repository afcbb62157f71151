//! Why the telling of events ended early.

use std::fmt;

use engine::input::Errno;
use io::ctnetlink::{Cause, NetlinkError};
use io::process::reason;

use crate::render::Table;

/// Why the telling of events ended early, in the words that scripts know.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventsError {
    /// The kernel does not let us listen.
    #[error("{}", Subscription(*.table, .error))]
    Subscribe {
        /// To events of which table.
        table: Table,
        /// Why.
        error: NetlinkError,
    },
    /// The kernel does not do what it must.
    #[error("Operation failed: {0}")]
    Kernel(NetlinkError),
    /// Events cannot be read any more.
    #[error("failed to received netlink event: {}", cause(.0))]
    Receive(NetlinkError),
    /// We cannot wait for events.
    #[error("cannot wait for events: {}", reason(.0))]
    Wait(std::io::Error),
    /// The output cannot be written. [`std::io::ErrorKind::BrokenPipe`] means that nobody reads it any more, which
    /// is no failure.
    #[error("cannot write the output: {}", reason(.0))]
    Output(std::io::Error),
}

/// Returns whether it is for want of a privilege.
pub(super) fn is_forbidden(error: &NetlinkError) -> bool {
    error.cause == Cause::Errno(Errno::EPERM)
}

struct Subscription<'a>(Table, &'a NetlinkError);

impl fmt::Display for Subscription<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(table, error) = *self;
        f.write_str(match table {
            Table::Flows => "Can't open netlink socket",
            Table::Expectations => "Can't open handler",
        })?;
        if is_forbidden(error) {
            return Ok(());
        }
        write!(f, ": {error}")
    }
}

fn cause(error: &NetlinkError) -> String {
    match error.cause {
        Cause::Errno(errno) => reason(&std::io::Error::from_raw_os_error(errno.0)),
        other @ (Cause::NotSupported | Cause::Malformed | Cause::NoAnswer) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use io::ctnetlink::Operation;

    use super::*;

    const fn failed(operation: Operation, errno: i32) -> NetlinkError {
        NetlinkError {
            operation,
            cause: Cause::Errno(Errno(errno)),
        }
    }

    #[test]
    fn the_words_are_those_that_scripts_know() {
        let forbidden = |table| EventsError::Subscribe {
            table,
            error: failed(Operation::Subscribe, 1),
        };
        assert_eq!(forbidden(Table::Flows).to_string(), "Can't open netlink socket");
        assert_eq!(forbidden(Table::Expectations).to_string(), "Can't open handler");
        assert_eq!(
            EventsError::Receive(failed(Operation::ReadEvents, 13)).to_string(),
            "failed to received netlink event: Permission denied"
        );
    }

    #[test]
    fn another_cause_than_a_missing_privilege_is_named() {
        let error = EventsError::Subscribe {
            table: Table::Flows,
            error: failed(Operation::SetBuffer, 13),
        };
        assert_eq!(
            error.to_string(),
            "Can't open netlink socket: cannot set the buffer of a conntrack socket: Permission denied"
        );
    }
}
