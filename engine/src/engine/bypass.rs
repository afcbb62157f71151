//! Without an internal cache: events go to the link at once.

use crate::cache::{Change, ExpectChange, FlowKey};
use crate::filter::Verdict;
use crate::flow::{Expectation, Flow};
use crate::input::{ClientId, DumpFormat, Errno, EventKind, Origin, RequestFailure, Table};
use crate::output::DumpId;

use super::Engine;

impl Engine {
    /// Passes an event on if there is no cache to keep the flow; returns whether that is so.
    pub(super) fn passes_on(&mut self, kind: EventKind, origin: Origin, flow: &Flow) -> bool {
        let Some(bypass) = &mut self.bypass else {
            return false;
        };
        if origin == Origin::NotUs {
            bypass.saw(kind, flow);
            self.pass_on(kind, flow);
            if kind == EventKind::New {
                while let Some(held) = self.internal.expectations.take_held(&FlowKey::of(flow)) {
                    self.pass_expectation_on(EventKind::New, &held);
                }
            }
        }
        true
    }

    /// Passes an event about an expectation on, once the kernel has said that there is a master
    /// which the filter keeps; returns whether there is no cache to keep it.
    ///
    /// The end of one is passed on as it is: its master may be gone.
    pub(super) fn passes_expectation_on(
        &mut self,
        kind: EventKind,
        origin: Origin,
        expectation: &Expectation,
    ) -> bool {
        if self.bypass.is_none() {
            return false;
        }
        match (origin, kind) {
            (Origin::Us, _) => {}
            (Origin::NotUs, EventKind::New | EventKind::Update) => self.ask_for_master(kind, expectation),
            (Origin::NotUs, EventKind::Destroy) => self.pass_expectation_on(kind, expectation),
        }
        true
    }

    fn ask_for_master(&mut self, kind: EventKind, expectation: &Expectation) {
        let Some(bypass) = &mut self.bypass else { return };
        if bypass.masters.want(kind, expectation) {
            let batch_len_max = self.config.limits.batch_len_max.get();
            bypass.masters.ask(batch_len_max, &mut self.out);
        } else {
            self.report_expectations_full();
        }
    }

    /// Takes the master of an expectation.
    pub(super) fn master_answered(&mut self, index: usize, master: &Flow) {
        let Some(bypass) = &mut self.bypass else { return };
        let Some((kind, expectation)) = bypass.masters.answered(index) else {
            return;
        };
        if self.config.filter.judge(master) == Verdict::Kept {
            self.pass_expectation_on(kind, &expectation);
        } else {
            self.kernel_stats.events_filtered = self.kernel_stats.events_filtered.wrapping_add(1);
        }
    }

    /// Handles the end of a batch of masters: what the kernel tells of a flow that it does not have
    /// yet waits for it.
    pub(super) fn masters_asked(&mut self, failures: &[RequestFailure]) {
        let Some(bypass) = &mut self.bypass else { return };
        for (errno, kind, expectation) in bypass.masters.batch_ended(failures) {
            if errno == Errno::ENOENT {
                self.internal.expectations.hold(&expectation);
            } else {
                self.pass_expectation_on(kind, &expectation);
            }
        }
        let batch_len_max = self.config.limits.batch_len_max.get();
        if let Some(bypass) = &mut self.bypass {
            bypass.masters.ask(batch_len_max, &mut self.out);
        }
    }

    fn pass_expectation_on(&mut self, kind: EventKind, expectation: &Expectation) {
        if let Some(bypass) = &mut self.bypass {
            bypass.saw_expectation(kind, expectation);
        }
        let now = self.now;
        match self.internal.expectations.pass_on(kind, expectation, now) {
            ExpectChange::Expectation(id) => self.sync.enqueue_expectation(id, &mut self.internal),
            ExpectChange::Nothing => {}
            ExpectChange::Full => self.report_expectations_full(),
        }
    }

    fn pass_on(&mut self, kind: EventKind, flow: &Flow) {
        match self.internal.pass_on(kind, flow, self.now) {
            Change::Flow(id) => self.sync.enqueue(id, &mut self.internal),
            Change::Nothing => {}
            Change::Full => self.report_internal_full(),
        }
    }

    /// Takes an entry of a dump that the filter keeps.
    pub(super) fn bypass_dumped(&mut self, dump: DumpId, flow: &Flow) {
        let wall = self.wall();
        if let Some(bypass) = &mut self.bypass
            && bypass.dumped(dump, flow, wall)
        {
            self.pass_on(EventKind::New, flow);
        }
    }

    /// Takes an expectation of a dump whose helper is replicated.
    pub(super) fn bypass_dumped_expectation(&mut self, dump: DumpId, expectation: &Expectation) {
        if let Some(bypass) = &mut self.bypass
            && bypass.dumped_expectation(dump, expectation)
        {
            self.ask_for_master(EventKind::New, expectation);
        }
    }

    pub(super) fn bypass_dump_ended(&mut self, dump: DumpId) {
        if let Some(bypass) = &mut self.bypass {
            let has_expectations = self.config.expectations.is_on();
            let part_len = self.config.limits.reply_part_len;
            bypass.dump_ended(dump, has_expectations, part_len, &mut self.out);
        }
    }

    /// Prints a table of the kernel if there is no cache to print; returns whether that is so.
    pub(super) fn reads_kernel(&mut self, client: ClientId, table: Table, format: DumpFormat) -> bool {
        let Some(bypass) = &mut self.bypass else {
            return false;
        };
        bypass.start_reading(client, table, format, &mut self.out);
        true
    }
}
