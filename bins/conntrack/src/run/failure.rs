//! Why a command was not carried out to its end, in the words that scripts know.

use std::io::{Error as IoError, ErrorKind};
use std::path::PathBuf;

use super::events::EventsError;
use crate::options::Refusal;
use crate::reason;
use engine::input::Errno;
use io::ctnetlink::{Cause, DecodeError, NetlinkError};

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The kernel refused.
    #[error("Operation failed: {}", text(*.task, *.errno))]
    Kernel {
        /// What was asked.
        task: Task,
        /// What it answered.
        errno: Errno,
    },
    /// The kernel could not be asked, or its answer not be understood.
    #[error("Operation failed: {0}")]
    Netlink(NetlinkError),
    /// The kernel told of an entry that makes no sense.
    #[error("Operation failed: an entry of the kernel is malformed {0}")]
    Malformed(#[from] DecodeError),
    /// The output could not be written.
    #[error("cannot write the output: {}", reason(.0))]
    Output(IoError),
    /// Nobody reads the output any more; that is no failure.
    #[error("nobody reads the output")]
    ClosedPipe,
    /// The telling of events ended early.
    #[error(transparent)]
    Events(EventsError),
    /// A file of commands could not be read.
    #[error("Failed to open file {} for reading", .path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: IoError,
    },
    /// A file of commands could not be read to its end.
    #[error("cannot read {}: {}", .path.display(), reason(.source))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: IoError,
    },
    /// A line of a file means nothing; nothing has been done.
    #[error("{0}")]
    Line(Refusal),
    /// A numbers file of the kernel does not have the promised form.
    #[error("Operation failed: {0} has another form than expected")]
    Proc(&'static str),
}

impl From<EventsError> for Failure {
    fn from(error: EventsError) -> Self {
        match error {
            EventsError::Output(error) => Self::from_output(error),
            error @ (EventsError::Subscribe { .. }
            | EventsError::Kernel(_)
            | EventsError::Receive(_)
            | EventsError::Wait(_)) => Self::Events(error),
        }
    }
}

/// What the kernel was asked for: its errors are explained by that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// `-L`.
    List,
    /// `-G`.
    Get,
    /// `-I`.
    Create,
    /// `-A`.
    Add,
    /// `-U`.
    Update,
    /// `-U -t` of a flow whose lifetime is fixed.
    UpdateFixed,
    /// `-D`.
    Delete,
    /// `-F`.
    Flush,
    /// `-C`, `-S`.
    Count,
    /// `-L expect`, `-G expect`, `-D expect`, `-F expect`.
    Expect,
    /// `-I expect`.
    CreateExpect,
}

impl Failure {
    /// Returns the failure of a conversation with the kernel about `task`.
    pub(super) fn netlink(task: Task, error: NetlinkError) -> Self {
        match error.cause {
            Cause::Errno(errno) => Self::Kernel { task, errno },
            Cause::NotSupported | Cause::Malformed | Cause::NoAnswer => Self::Netlink(error),
        }
    }

    /// Returns the failure of writing the output.
    pub(super) fn from_output(error: IoError) -> Self {
        if error.kind() == ErrorKind::BrokenPipe {
            Self::ClosedPipe
        } else {
            Self::Output(error)
        }
    }

    /// Returns the status that the program ends with.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::ClosedPipe => 0,
            Self::Line(refusal) => refusal.exit_code(),
            Self::Open { .. } | Self::Read { .. } => 2,
            Self::Kernel { .. }
            | Self::Netlink(_)
            | Self::Malformed(_)
            | Self::Output(_)
            | Self::Events(_)
            | Self::Proc(_) => 1,
        }
    }

    /// Returns whether the user is pointed at the help.
    #[must_use]
    pub const fn has_hint(&self) -> bool {
        match self {
            Self::Line(refusal) => refusal.has_hint(),
            Self::Open { .. } | Self::Read { .. } => true,
            Self::Kernel { .. }
            | Self::Netlink(_)
            | Self::Malformed(_)
            | Self::Output(_)
            | Self::Events(_)
            | Self::ClosedPipe
            | Self::Proc(_) => false,
        }
    }
}

const ENOENT: i32 = 2;
const ENOMEM: i32 = 12;
const EEXIST: i32 = 17;
const EINVAL: i32 = 22;
const ETIME: i32 = 62;
const EAFNOSUPPORT: i32 = 97;
/// The kernel's own: a function that it does not have.
const ENOTSUPP: i32 = 524;

/// Explains what the kernel answered.
fn text(task: Task, errno: Errno) -> String {
    use Task::{Add, Create, CreateExpect, Delete, Get, List, UpdateFixed};
    let known = match (errno.0, task) {
        (1, UpdateFixed) => "the lifetime of this flow is fixed (FIXED_TIMEOUT)",
        (1, _) => "sorry, you must be root or get CAP_NET_ADMIN capability to do this",
        // Of `-A` the stock tool tells the C library's text.
        (EINVAL, task) if task != Add => "invalid parameters",
        (EEXIST, Create) => "Such conntrack exists, try -U to update",
        (ENOENT, Create | Add | Get | Delete) => "such conntrack doesn't exist",
        (ENOENT, CreateExpect) => "master conntrack not found",
        (ENOMEM, Create | Add | Get) => "not enough memory",
        (EAFNOSUPPORT, Get) => "protocol not supported",
        (ETIME, Create | Add) => "conntrack has expired",
        (ENOTSUPP, List) => "function not implemented",
        (number, _) => return reason(&IoError::from_raw_os_error(number)),
    };
    known.to_owned()
}
