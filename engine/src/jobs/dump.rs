//! Printing a cache for a client, part by part.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::cache::{ExpectId, ExternalCache, FlowId, InternalCache, Liveness};
use crate::flow::text::{ExpectationLine, FlowLine, Tail, Timeout};
use crate::flow::xml::{ExpectationElement, FlowElement};
use crate::flow::{Expectation, Flow};
use crate::input::{CacheName, ClientId, DumpFormat, Table};
use crate::output::Reply;
use crate::outputs::Outputs;
use crate::time::UnixTime;

/// How far one client has read.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    cache: CacheName,
    table: Table,
    format: DumpFormat,
    slot: u32,
}

/// The clients that read a cache.
///
/// Each part is made when the client has taken the one before, so a slow one holds back nobody
/// and costs one part of memory. What changes meanwhile shows in the parts to come.
#[derive(Debug, Default)]
pub(crate) struct CacheDumps {
    cursors: BTreeMap<ClientId, Cursor>,
}

/// What a part is made from.
pub(crate) struct Context<'a> {
    pub(crate) internal: &'a InternalCache,
    pub(crate) external: &'a ExternalCache,
    pub(crate) out: &'a mut Outputs,
    /// Second of the engine, the clock of the caches.
    pub(crate) now_secs: u32,
    pub(crate) wall: UnixTime,
    /// Bytes of one part, about.
    pub(crate) part_len: usize,
}

impl CacheDumps {
    /// Begins to print a cache and sends the first part.
    pub(crate) fn start(
        &mut self,
        client: ClientId,
        cache: CacheName,
        table: Table,
        format: DumpFormat,
        cx: &mut Context<'_>,
    ) {
        self.cursors.insert(
            client,
            Cursor {
                cache,
                table,
                format,
                slot: 0,
            },
        );
        self.next_part(client, cx);
    }

    /// Sends the next part to a client that has taken the last one.
    pub(crate) fn next_part(&mut self, client: ClientId, cx: &mut Context<'_>) {
        let Some(cursor) = self.cursors.get_mut(&client) else {
            return;
        };
        let mut part = Vec::with_capacity(cx.part_len);
        while part.len() < cx.part_len {
            if !cursor.write_next(cx, &mut part) {
                self.cursors.remove(&client);
                if !part.is_empty() {
                    cx.out.reply(client, Reply::Text(part));
                }
                cx.out.reply(client, Reply::End);
                return;
            }
        }
        cx.out.reply(client, Reply::Text(part));
    }

    /// Forgets a client that hung up.
    pub(crate) fn forget(&mut self, client: ClientId) {
        self.cursors.remove(&client);
    }
}

impl Cursor {
    /// Appends the next entry to `part`; returns whether there was one.
    fn write_next(&mut self, cx: &Context<'_>, part: &mut Vec<u8>) -> bool {
        let (since_secs, expires_in_secs) = match self.table {
            Table::Flows | Table::Both => {
                let Some((id, flow, since_secs)) = self.next_flow(cx) else {
                    return false;
                };
                self.slot = id.slot().saturating_add(1);
                self.format.write_flow(&flow, cx.wall, part);
                let expires_in_secs = match self.cache {
                    CacheName::Internal => None,
                    CacheName::External => cx.external.left_secs(id, cx.now_secs),
                };
                (since_secs, expires_in_secs)
            }
            Table::Expectations => {
                let Some((id, expectation, since_secs)) = self.next_expectation(cx) else {
                    return false;
                };
                self.slot = id.slot().saturating_add(1);
                self.format.write_expectation(&expectation, part);
                let expires_in_secs = match self.cache {
                    CacheName::Internal => None,
                    CacheName::External => cx.external.expectations.left_secs(id, cx.now_secs),
                };
                (since_secs, expires_in_secs)
            }
        };
        if self.format == DumpFormat::Text {
            let active_secs = cx.now_secs.saturating_sub(since_secs);
            Tail {
                expires_in_secs: expires_in_secs.map(u64::from),
                active_secs: u64::from(active_secs),
            }
            .write_to(part);
        }
        part.push(b'\n');
        true
    }

    /// Returns the next expectation that is not dead, and the second at which it entered the cache.
    fn next_expectation(&self, cx: &Context<'_>) -> Option<(ExpectId, Expectation, u32)> {
        match self.cache {
            CacheName::Internal => {
                let cache = &cx.internal.expectations;
                let mut next = cache.first_from(self.slot)?;
                while !cache.is_live(next) {
                    next = cache.first_from(next.slot().saturating_add(1))?;
                }
                let since_secs = cache.bookkeeping(next).since_secs;
                Some((next, cache.expectation(next), since_secs))
            }
            CacheName::External => {
                let cache = &cx.external.expectations;
                let next = cache.first_from(self.slot)?;
                Some((next, cache.expectation(next), cache.since_secs(next)))
            }
        }
    }

    /// Returns the next flow that is not dead, and the second at which it entered the cache.
    fn next_flow(&self, cx: &Context<'_>) -> Option<(FlowId, Flow, u32)> {
        match self.cache {
            CacheName::Internal => {
                let mut slot = self.slot;
                loop {
                    let id = cx.internal.first_from(slot)?;
                    if cx.internal.liveness(id) != Liveness::Dead {
                        return Some((id, cx.internal.flow(id), cx.internal.since_secs(id)));
                    }
                    slot = id.slot().saturating_add(1);
                }
            }
            CacheName::External => {
                let id = cx.external.first_from(self.slot)?;
                Some((id, cx.external.flow(id), cx.external.since_secs(id)))
            }
        }
    }
}

impl DumpFormat {
    fn write_flow(self, flow: &Flow, now: UnixTime, out: &mut Vec<u8>) {
        let timeout = Timeout::Hidden;
        match self {
            Self::Text => FlowLine { flow, timeout, now }.write_to(out),
            Self::Xml => FlowElement { flow, timeout, now }.write_to(out),
        }
    }

    fn write_expectation(self, expectation: &Expectation, out: &mut Vec<u8>) {
        let timeout = Timeout::Hidden;
        match self {
            Self::Text => ExpectationLine { expectation, timeout }.write_to(out),
            Self::Xml => ExpectationElement { expectation, timeout }.write_to(out),
        }
    }
}
