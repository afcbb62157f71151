//! The netlink sockets: one for events, one for dumps, one or more for requests.
//!
//! All are non-blocking and connected to the kernel, so that no other process can send to them.
//! They are separate because each has its own trouble: the event socket overruns, a dump occupies
//! its socket until it is read to the end, and requests want their answers at once.

mod dump;
mod dump_ahead;
mod error;
mod event;
mod listed;
mod netfilter;
mod request;

pub use dump::{DumpEntry, DumpProgress, DumpSocket};
pub use dump_ahead::DumpAhead;
pub use error::{Cause, NetlinkError, Operation};
pub use event::{Datagrams, Delivery, EventRead, EventSocket, EventSocketOptions};
pub use listed::ListedSocket;
pub use request::RequestSocket;
