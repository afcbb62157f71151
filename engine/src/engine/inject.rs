//! Flows and expectations of the peer that go into the kernel as they are told.

use crate::flow::{Expectation, Flow};
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
        let must_ask_for_all = inject.batch_ended(&batch.requests, failures, &mut cx);
        self.go_on_injecting(must_ask_for_all);
    }

    pub(super) fn inject_expectations_ended(&mut self, failures: &[RequestFailure]) {
        let (inject, mut cx) = self.injection();
        let Some(inject) = inject else { return };
        let must_ask_for_all = inject.expectations_batch_ended(failures, &mut cx);
        self.go_on_injecting(must_ask_for_all);
    }

    fn go_on_injecting(&mut self, must_ask_for_all: bool) {
        if must_ask_for_all {
            self.out.report(Report::ResyncRequested);
            self.sync.request_resync();
        }
    }

    /// Returns whether a flow that a poll shows is the peer's.
    pub(super) fn is_put_by_peer(&mut self, flow: &Flow) -> bool {
        let inject = self.inject.as_mut();
        inject.is_some_and(|inject| inject.has_put(flow, self.now))
    }

    /// Does the same with an expectation.
    pub(super) fn is_expectation_put_by_peer(&mut self, expectation: &Expectation) -> bool {
        let inject = self.inject.as_mut();
        inject.is_some_and(|inject| inject.has_put_expectation(expectation, self.now))
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
