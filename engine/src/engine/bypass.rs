//! Without an internal cache: events go to the link at once.

use crate::cache::Change;
use crate::flow::Flow;
use crate::input::{ClientId, DumpFormat, EventKind, Origin};
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
        }
        true
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

    pub(super) fn bypass_dump_ended(&mut self, dump: DumpId) {
        if let Some(bypass) = &mut self.bypass {
            bypass.dump_ended(dump, self.config.limits.reply_part_len, &mut self.out);
        }
    }

    /// Prints the kernel's table if there is no cache to print; returns whether that is so.
    pub(super) fn reads_kernel(&mut self, client: ClientId, format: DumpFormat) -> bool {
        let Some(bypass) = &mut self.bypass else {
            return false;
        };
        bypass.start_reading(client, format, &mut self.out);
        true
    }
}
