//! Work without an internal cache: what it would answer, the kernel's table answers.

mod masters;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use crate::cache::ExpectKey;
use crate::flow::text::{ExpectationLine, FlowLine, Timeout};
use crate::flow::xml::{ExpectationElement, FlowElement};
use crate::flow::{Expectation, Flow};
use crate::input::{ClientId, DumpFormat, EventKind, Table};
use crate::output::{DumpId, Reply};
use crate::outputs::Outputs;
use crate::stats::BypassStats;
use crate::time::UnixTime;

use masters::Masters;

/// Events go to the link at once; bulks and dumps for clients are read from the kernel.
#[derive(Debug)]
pub(crate) struct Bypass {
    /// Expectations that are about to be told.
    pub(crate) masters: Masters,
    stats: BypassStats,
    expectation_stats: BypassStats,
    bulk: Option<Bulk>,
    /// Another bulk was wanted meanwhile: what went before it may not have arrived.
    bulk_again: bool,
    /// Ids of flows that events spoke of since the bulk began: they said more than the dump.
    touched: BTreeSet<u32>,
    /// Expectations that ended in that time.
    ended: BTreeSet<ExpectKey>,
    touched_max: usize,
    readers: BTreeMap<ClientId, Reader>,
}

/// A bulk that runs: flows first, then expectations.
#[derive(Clone, Copy, Debug)]
struct Bulk {
    dump: DumpId,
    table: Table,
}

/// A client that reads the kernel's table; as long as that is the text that waits for it.
#[derive(Debug)]
struct Reader {
    dump: Option<DumpId>,
    format: DumpFormat,
    text: Vec<u8>,
    sent_len: usize,
}

impl Bypass {
    /// Returns the job; it remembers at most `touched_max` flows that change during a bulk, and at
    /// most `expectations_max` expectations that wait for word of their masters.
    pub(crate) fn new(touched_max: usize, expectations_max: usize) -> Self {
        Self {
            masters: Masters::new(expectations_max),
            stats: BypassStats::default(),
            expectation_stats: BypassStats::default(),
            bulk: None,
            bulk_again: false,
            touched: BTreeSet::new(),
            ended: BTreeSet::new(),
            touched_max,
            readers: BTreeMap::new(),
        }
    }

    /// Returns the counters of flows.
    pub(crate) const fn stats(&self) -> BypassStats {
        self.stats
    }

    /// Returns the counters of expectations.
    pub(crate) const fn expectation_stats(&self) -> BypassStats {
        self.expectation_stats
    }

    /// Notes an event that goes to the link.
    pub(crate) fn saw(&mut self, kind: EventKind, flow: &Flow) {
        self.stats.count(kind);
        if self.bulk.is_some() && self.touched.len() < self.touched_max {
            self.touched.extend(flow.id);
        }
    }

    /// Notes an event about an expectation that goes to the link.
    pub(crate) fn saw_expectation(&mut self, kind: EventKind, expectation: &Expectation) {
        self.expectation_stats.count(kind);
        if kind == EventKind::Destroy {
            self.masters.ended(expectation);
            if self.bulk.is_some() && self.ended.len() < self.touched_max {
                self.ended.insert(ExpectKey::of(expectation));
            }
        }
    }

    /// Begins a bulk; several that are wanted while one runs become one more.
    pub(crate) fn start_bulk(&mut self, out: &mut Outputs) {
        if self.bulk.is_some() {
            self.bulk_again = true;
            return;
        }
        self.touched.clear();
        self.ended.clear();
        self.continue_bulk(Table::Flows, out);
    }

    fn continue_bulk(&mut self, table: Table, out: &mut Outputs) {
        let dump = out.dump(table);
        self.bulk = Some(Bulk { dump, table });
    }

    /// Begins to print a table of the kernel for a client.
    pub(crate) fn start_reading(
        &mut self,
        client: ClientId,
        table: Table,
        format: DumpFormat,
        out: &mut Outputs,
    ) {
        let reader = Reader {
            dump: Some(out.dump(table)),
            format,
            text: Vec::new(),
            sent_len: 0,
        };
        self.readers.insert(client, reader);
    }

    /// Takes an entry of a dump; returns whether it belongs to the bulk and is news to the peer.
    pub(crate) fn dumped(&mut self, dump: DumpId, flow: &Flow, now: UnixTime) -> bool {
        if let Some(reader) = self.reader(dump) {
            reader.write(flow, now);
        }
        self.is_of_bulk(dump) && flow.id.is_none_or(|id| !self.touched.contains(&id))
    }

    /// Does the same with an expectation.
    pub(crate) fn dumped_expectation(&mut self, dump: DumpId, expectation: &Expectation) -> bool {
        if let Some(reader) = self.reader(dump) {
            reader.write_expectation(expectation);
        }
        self.is_of_bulk(dump) && !self.ended.contains(&ExpectKey::of(expectation))
    }

    fn reader(&mut self, dump: DumpId) -> Option<&mut Reader> {
        let mut readers = self.readers.values_mut();
        readers.find(|reader| reader.dump == Some(dump))
    }

    fn is_of_bulk(&self, dump: DumpId) -> bool {
        self.bulk.is_some_and(|bulk| bulk.dump == dump)
    }

    /// Handles the end of a dump, complete or not; behind that of flows a bulk goes on to
    /// expectations, if they are replicated.
    pub(crate) fn dump_ended(
        &mut self,
        dump: DumpId,
        has_expectations: bool,
        part_len: usize,
        out: &mut Outputs,
    ) {
        if let Some(Bulk { table, .. }) = self.bulk.take_if(|bulk| bulk.dump == dump) {
            if table == Table::Flows && has_expectations {
                self.continue_bulk(Table::Expectations, out);
            } else if core::mem::take(&mut self.bulk_again) {
                self.start_bulk(out);
            }
        }
        let mut readers = self.readers.iter_mut();
        if let Some((client, reader)) = readers.find(|(_, reader)| reader.dump == Some(dump)) {
            reader.dump = None;
            let client = *client;
            self.next_part(client, part_len, out);
        }
    }

    /// Sends the next part to a client that has taken the last one.
    pub(crate) fn next_part(&mut self, client: ClientId, part_len: usize, out: &mut Outputs) {
        let Some(reader) = self
            .readers
            .get_mut(&client)
            .filter(|reader| reader.dump.is_none())
        else {
            return;
        };
        let rest = reader.text.get(reader.sent_len..).unwrap_or_default();
        let part = rest.get(..part_len).unwrap_or(rest).to_vec();
        if part.is_empty() {
            self.readers.remove(&client);
            return out.reply(client, Reply::End);
        }
        reader.sent_len = reader.sent_len.saturating_add(part.len());
        out.reply(client, Reply::Text(part));
    }

    /// Forgets a client that hung up.
    pub(crate) fn forget(&mut self, client: ClientId) {
        self.readers.remove(&client);
    }
}

impl Reader {
    fn write(&mut self, flow: &Flow, now: UnixTime) {
        let (timeout, out) = (Timeout::Shown, &mut self.text);
        match self.format {
            DumpFormat::Text => FlowLine { flow, timeout, now }.write_to(out),
            DumpFormat::Xml => FlowElement { flow, timeout, now }.write_to(out),
        }
        out.push(b'\n');
    }

    fn write_expectation(&mut self, expectation: &Expectation) {
        let (timeout, out) = (Timeout::Shown, &mut self.text);
        match self.format {
            DumpFormat::Text => ExpectationLine { expectation, timeout }.write_to(out),
            DumpFormat::Xml => ExpectationElement { expectation, timeout }.write_to(out),
        }
        out.push(b'\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::TcpState;
    use crate::output::{KernelOp, Output};
    use crate::testing::tcp;

    const NOW: UnixTime = UnixTime::from_secs(0);

    fn dump_asked_for(out: &mut Outputs) -> DumpId {
        let Some(Output::Kernel(KernelOp::Dump { id, .. })) = out.pop() else {
            panic!("the kernel's table is asked for")
        };
        id
    }

    fn flow(port: u16) -> Flow {
        Flow {
            id: Some(u32::from(port)),
            ..tcp(port, TcpState::ESTABLISHED)
        }
    }

    #[test]
    fn a_flow_of_which_an_event_told_is_not_brought_back_by_a_bulk() {
        let (mut bypass, mut out) = (Bypass::new(9, 9), Outputs::default());
        bypass.start_bulk(&mut out);
        let bulk = dump_asked_for(&mut out);
        bypass.saw(EventKind::Destroy, &flow(1));
        assert!(!bypass.dumped(bulk, &flow(1), NOW));
        assert!(bypass.dumped(bulk, &flow(2), NOW));
        bypass.start_bulk(&mut out);
        assert!(out.pop().is_none(), "one at a time");
        bypass.dump_ended(bulk, false, 9, &mut out);
        let next = dump_asked_for(&mut out);
        assert!(bypass.dumped(next, &flow(1), NOW), "another one is another table");
    }

    #[test]
    fn a_client_gets_the_next_part_when_it_has_taken_the_last() {
        let (mut bypass, mut out) = (Bypass::new(9, 9), Outputs::default());
        let client = ClientId(7);
        bypass.start_reading(client, Table::Flows, DumpFormat::Text, &mut out);
        let dump = dump_asked_for(&mut out);
        assert!(!bypass.dumped(dump, &flow(1), NOW), "it is no news to the peer");
        bypass.dump_ended(dump, false, 50, &mut out);
        let mut text = Vec::new();
        while let Some(Output::Reply(_, Reply::Text(part))) = out.pop() {
            assert!(out.pop().is_none(), "one part at a time");
            text.extend(part);
            bypass.next_part(client, 50, &mut out);
        }
        assert!(text.len() > 50 && text.ends_with(b"\n"), "{text:?}");
        assert!(out.pop().is_none(), "the answer ended, and it is forgotten");
    }
}
