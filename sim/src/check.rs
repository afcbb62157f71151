//! What must always hold, and what must hold once the faults have stopped.
//!
//! Each check gives the sentence that tells what is wrong.

mod lines;
mod taken_over;

pub(crate) use lines::{
    compare, expectation_lines, external_cache, external_lines, internal_lines, name, name_of, names,
    printed_lines,
};
pub(crate) use taken_over::{TakenOver, expectation_taken_over};

use engine::Timer;
use engine::cache::FlowKey;
use engine::config::Config;
use engine::filter::Verdict;
use engine::input::Channel;
use engine::stats::Statistics;
use engine::wire::{self, Content};

use crate::kernel::Kernel;
use lines::line;

/// Checks a datagram that a node sends: whole, understandable, and about flows and expectations that
/// its kernel has had and its filter keeps.
pub(crate) fn datagram(
    channel: Channel,
    payload: &[u8],
    config: &Config,
    kernel: &Kernel,
) -> Result<(), String> {
    let len_max = usize::from(config.links[usize::from(channel.0)].state.payload_len_max);
    if payload.len() > len_max {
        return Err(format!(
            "a datagram of {} bytes is sent, {len_max} fit",
            payload.len()
        ));
    }
    for message in wire::messages(payload) {
        let message = message.map_err(|error| format!("a malformed message is sent: {error}"))?;
        match message.content() {
            Ok(Content::Flow(_)) => {
                let flow = wire::decode_flow(message.body, message.body_offset())
                    .map_err(|error| format!("a malformed flow is sent: {error}"))?
                    .flow;
                if config.filter.judge_end(&flow) != Verdict::Kept {
                    return Err(format!(
                        "a flow is sent that the filter excludes: {}",
                        line(&flow)
                    ));
                }
                if !kernel.history().contains(&FlowKey::of(&flow)) {
                    return Err(format!(
                        "a flow is sent that the kernel never had: {}",
                        line(&flow)
                    ));
                }
            }
            Ok(Content::Ack(_) | Content::Nack(_) | Content::Resync | Content::Alive) => {}
            Ok(Content::Expectation(_)) => {
                let expectation = wire::decode_expectation(message.body, message.body_offset())
                    .map_err(|error| format!("a malformed expectation is sent: {error}"))?
                    .expectation;
                let is_known = kernel.expected().contains(&expectation.tuple);
                if !is_known || !config.expectations.wants(expectation.helper.as_ref()) {
                    return Err(format!("an expectation is sent that is none: {expectation:?}"));
                }
            }
            Err(error) => return Err(format!("a message without a meaning is sent: {error}")),
        }
    }
    Ok(())
}

/// Checks the numbers of a node after a step, against those after the step before if there are any.
pub(crate) fn statistics(
    stats: &Statistics,
    before: Option<&Statistics>,
    config: &Config,
) -> Result<(), String> {
    let len_max = u64::from(config.cache_len_max.get());
    for (name, cache) in [
        ("internal", stats.internal),
        ("external", stats.external),
        ("internal expectation", stats.internal_expect),
        ("external expectation", stats.external_expect),
    ] {
        let left = cache.created.checked_sub(cache.destroyed);
        // Flows that are passed on come and go uncounted.
        let is_counted = stats.bypass.is_none() || name != "internal";
        if (is_counted && left != Some(cache.live)) || cache.live > cache.total || cache.total > len_max {
            return Err(format!(
                "the {name} cache of at most {len_max} has lost count: {cache:?}"
            ));
        }
    }
    let queues = stats.queues;
    if queues.tx > 0 {
        return Err(format!("{} messages wait although all were taken", queues.tx));
    }
    if let Some(resend) = queues.resend
        && resend.len > resend.len_max
    {
        return Err(format!(
            "{} messages are in a resend queue of {}",
            resend.len, resend.len_max
        ));
    }
    if stats.receive.malformed() > 0 {
        return Err(format!("a message was not understood: {:?}", stats.receive));
    }
    for ((name, now), (_, then)) in counters(stats)
        .into_iter()
        .zip(before.map(counters).unwrap_or_default())
    {
        if now < then {
            return Err(format!("the counter of {name} has gone from {then} to {now}"));
        }
    }
    Ok(())
}

type Counters = [(&'static str, u64); 15];

/// Returns what only ever grows.
fn counters(stats: &Statistics) -> Counters {
    [
        ("flows that came into the internal cache", stats.internal.created),
        ("updates of the internal cache", stats.internal.updated),
        ("flows that left the internal cache", stats.internal.destroyed),
        ("flows that came into the external cache", stats.external.created),
        ("updates of the external cache", stats.external.updated),
        ("flows that left the external cache", stats.external.destroyed),
        ("messages received", stats.receive.messages),
        ("messages lost", stats.receive.lost),
        ("messages that came late", stats.receive.before),
        ("events", stats.kernel.events),
        ("overruns", stats.kernel.overruns),
        ("ghosts", stats.kernel.ghosts),
        ("flows committed", stats.commit.created),
        ("flows not committed", stats.commit.failed),
        (
            "elements that left the resend queue",
            stats.queues.resend.map_or(0, |queue| queue.overflowed),
        ),
    ]
}

/// Returns whether a deadline may be there when there is nothing left to do.
pub(crate) const fn is_periodic(timer: Timer) -> bool {
    match timer {
        // With several links the next look at the peer's silence is always ahead.
        Timer::Alive
        | Timer::StaleResend
        | Timer::Reconcile
        | Timer::Refresh
        | Timer::Expiry
        | Timer::PeerSilence => true,
        Timer::Bulk
        | Timer::DeferredBulk
        | Timer::Sweep
        | Timer::Purge
        | Timer::OverrunResync
        | Timer::ReadBack
        | Timer::Links => false,
    }
}
