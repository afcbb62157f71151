//! Flows of the peer that go into the kernel as they are told.

use crate::flow::Flow;
use crate::input::RequestFailure;
use crate::jobs::{Inject, InjectContext};
use crate::output::Batch;
use crate::report::Report;

use super::Engine;

impl Engine {
    /// Takes to the kernel what the peer told, if there is no external cache to keep it.
    pub(super) fn inject_told(&mut self) {
        let (inject, mut cx) = self.injection();
        if let Some(inject) = inject {
            inject.begin(&mut cx);
        }
    }

    pub(super) fn inject_answered(&mut self, index: usize, flow: &Flow) {
        if let Some(inject) = &mut self.inject {
            inject.answer(index, flow);
        }
    }

    pub(super) fn inject_batch_ended(&mut self, batch: &Batch, failures: &[RequestFailure]) {
        let (inject, mut cx) = self.injection();
        let Some(inject) = inject else { return };
        if inject.batch_ended(&batch.requests, failures, &mut cx) {
            self.out.report(Report::ResyncRequested);
            self.sync.request_resync();
        }
    }

    fn injection(&mut self) -> (Option<&mut Inject>, InjectContext<'_>) {
        let cx = InjectContext {
            config: &self.config,
            internal: &mut self.internal,
            out: &mut self.out,
            now: self.now,
        };
        (self.inject.as_mut(), cx)
    }
}
