//! Which events the kernel does not even queue for us: a classic BPF program.
//!
//! What it drops costs no space in the socket's receive buffer, and no CPU of ours. Two kinds of
//! events are not wanted: those of our own requests, for a commit of a million flows would overrun
//! our own event socket; and those of flows that the operator's filter excludes, if it is to work in
//! the kernel. The engine judges every flow again, so a program may keep what it cannot decide, but
//! never drop what the engine would keep.

mod assembler;
mod flows;
#[cfg(test)]
mod interpreter;

use engine::filter::Filter;
use socket2::SockFilter;

use assembler::{Assembler, DROP, Instruction, KEEP, Label, Load, Test};

/// Most instructions that the kernel takes (`BPF_MAXINSNS` of linux/bpf_common.h).
const LEN_MAX: usize = 4096;
/// How many of them are left to [`EventFilter::ignoring`]: enough for eight port ids.
const LEN_FOR_PORT_IDS: usize = 32;

/// Offset of `nlmsg_pid` in `struct nlmsghdr`, with which every event begins.
const NLMSG_PID_OFFSET: u32 = 12;

/// A program for the event socket, that is run on every event before it is queued; the default
/// keeps all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter {
    code: Assembler,
    entry: Label,
}

/// A filter needs a longer program than the kernel takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the filter takes {len} instructions of the kernel's {max}")]
pub struct FilterTooLong {
    /// Its length in instructions.
    pub len: usize,
    /// The most it may have.
    pub max: usize,
}

impl Default for EventFilter {
    fn default() -> Self {
        let mut code = Assembler::default();
        let entry = code.ret(KEEP);
        Self { code, entry }
    }
}

impl EventFilter {
    /// Returns the program that drops the events of flows that `filter` excludes, and of nothing
    /// else. The end of a flow is dropped only if `filter` excludes it in every state.
    ///
    /// # Errors
    /// It is too long for the kernel.
    pub fn keeping(filter: &Filter) -> Result<Self, FilterTooLong> {
        let mut code = Assembler::default();
        let entry = flows::program(&mut code, filter);
        let (len, max) = (code.len(), LEN_MAX.saturating_sub(LEN_FOR_PORT_IDS));
        if len <= max {
            Ok(Self { code, entry })
        } else {
            Err(FilterTooLong { len, max })
        }
    }

    /// Makes it drop also what the sockets with these port ids cause.
    #[must_use]
    pub fn ignoring(mut self, port_ids: &[u32]) -> Self {
        if port_ids.is_empty() {
            return self;
        }
        let drop = self.code.ret(DROP);
        for port_id in port_ids {
            self.entry = self
                .code
                .branch(Test::Equal, in_host_order(*port_id), drop, self.entry);
        }
        self.entry = self.code.load(Load::Word(NLMSG_PID_OFFSET), self.entry);
        self
    }

    /// Returns the program as the socket takes it.
    pub(super) fn program(&self) -> Vec<SockFilter> {
        let instructions = self.code.instructions();
        instructions
            .map(|it: &Instruction| SockFilter::new(it.code, it.jump_true, it.jump_false, it.operand))
            .collect()
    }
}

/// Returns what the load of a word finds where a header has `number`: headers are in host order,
/// but loads are big-endian.
const fn in_host_order(number: u32) -> u32 {
    u32::from_be_bytes(number.to_ne_bytes())
}

#[cfg(test)]
mod tests;
