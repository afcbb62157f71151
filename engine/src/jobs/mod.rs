//! Jobs that take many turns: each begins with a request or a deadline, asks the kernel for
//! something, and goes on when the answer comes in.

mod commit;
mod committed;
mod dump;
mod flush;
mod resync;

pub(crate) use commit::{Commit, Context as CommitContext};
pub(crate) use dump::{CacheDumps, Context as DumpContext};
pub(crate) use flush::Flush;
pub(crate) use resync::{Announce, Ended, Resync};
