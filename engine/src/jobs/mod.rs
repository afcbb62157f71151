//! Jobs that take many turns: each begins with a request or a deadline, asks the kernel for
//! something, and goes on when the answer comes in.

mod bypass;
mod commit;
mod committed;
mod dump;
mod expect_commit;
mod expect_requests;
mod expect_resync;
mod flush;
mod inject;
mod read_back;
mod resync;

pub(crate) use bypass::Bypass;
pub(crate) use commit::{Commit, Context as CommitContext};
pub(crate) use dump::{CacheDumps, Context as DumpContext};
pub(crate) use expect_commit::{Context as ExpectCommitContext, ExpectCommit};
pub(crate) use expect_resync::ExpectResync;
pub(crate) use flush::Flush;
pub(crate) use inject::{Context as InjectContext, Inject};
pub(crate) use read_back::{READ_BACK_DELAY, ReadBack};
pub(crate) use resync::{Announce, Ended, Resync};
