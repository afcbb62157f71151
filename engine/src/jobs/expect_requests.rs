//! What the kernel is asked for to have an expectation.
//!
//! It gives a new one the time that its helper allows; what is left of it is set by an update behind
//! the creation, in the same batch.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::flow::Expectation;
use crate::output::{ExpectRequest, FlowRequest};

/// Most requests that one expectation takes.
pub(super) const REQUESTS_EACH: usize = 3;

/// Appends the requests that create `wanted`.
pub(super) fn create(wanted: &Expectation, requests: &mut Vec<FlowRequest>) {
    let wanted = Box::new(wanted.clone());
    let update = wanted
        .timeout_secs
        .is_some()
        .then(|| ExpectRequest::Update(wanted.clone()));
    let of_one = core::iter::once(ExpectRequest::Create(wanted)).chain(update);
    requests.extend(of_one.map(FlowRequest::Expectation));
}

/// Appends the request that deletes what is in the place of `wanted`.
pub(super) fn delete(wanted: &Expectation, requests: &mut Vec<FlowRequest>) {
    let delete = ExpectRequest::Delete(Box::new(wanted.clone()));
    requests.push(FlowRequest::Expectation(delete));
}

/// Appends the requests that put `wanted` in the place of what is there.
pub(super) fn replace(wanted: &Expectation, requests: &mut Vec<FlowRequest>) {
    delete(wanted, requests);
    create(wanted, requests);
}
