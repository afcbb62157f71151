//! Printing a cache for a client, part by part.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::cache::{ExternalCache, FlowId, InternalCache, Liveness};
use crate::flow::Flow;
use crate::flow::text::{FlowLine, Tail, Timeout};
use crate::flow::xml::FlowElement;
use crate::input::{CacheName, ClientId, DumpFormat};
use crate::output::Reply;
use crate::outputs::Outputs;
use crate::time::UnixTime;

/// How far one client has read.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    cache: CacheName,
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
        format: DumpFormat,
        cx: &mut Context<'_>,
    ) {
        self.cursors.insert(
            client,
            Cursor {
                cache,
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
            let Some((id, flow, since_secs)) = cursor.next_flow(cx) else {
                self.cursors.remove(&client);
                if !part.is_empty() {
                    cx.out.reply(client, Reply::Text(part));
                }
                cx.out.reply(client, Reply::End);
                return;
            };
            cursor.slot = id.slot().saturating_add(1);
            cursor
                .format
                .write(&flow, cx.now_secs.saturating_sub(since_secs), cx.wall, &mut part);
        }
        cx.out.reply(client, Reply::Text(part));
    }

    /// Forgets a client that hung up.
    pub(crate) fn forget(&mut self, client: ClientId) {
        self.cursors.remove(&client);
    }
}

impl Cursor {
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
    fn write(self, flow: &Flow, active_secs: u32, now: UnixTime, out: &mut Vec<u8>) {
        match self {
            Self::Text => {
                FlowLine {
                    flow,
                    timeout: Timeout::Hidden,
                    now,
                }
                .write_to(out);
                Tail {
                    expires_in_secs: None,
                    active_secs: u64::from(active_secs),
                }
                .write_to(out);
            }
            Self::Xml => FlowElement {
                flow,
                timeout: Timeout::Hidden,
                now,
            }
            .write_to(out),
        }
        out.push(b'\n');
    }
}
