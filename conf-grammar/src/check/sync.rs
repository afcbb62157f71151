//! Modes: their timers, caches and what they do about losses.

use super::{misfit, warn};
use crate::diagnose::{Code, Diagnostic, Sink};
use crate::model::{Config, Mode};
use crate::span::Span;

/// Committed flows should live so long: clients probe or repeat a request within it.
const COMMIT_SECS_MIN: u32 = 30;
/// The other node needs so long to come up again, or to ask for a flush itself.
const PURGE_SECS_MIN: u32 = 5;

pub(super) fn polling_without_cache(config: &Config, sink: &mut Sink) {
    let Some(Mode::Notrack { internal_cache, .. }) = config.sync().map(|sync| &sync.mode.value) else {
        return;
    };
    let poll = config.general.poll_secs;
    if let (Some(_), false, Some(span)) = (poll.value, internal_cache.value, poll.span) {
        let message = "`PollSecs` needs the internal cache: without it nothing would ever be replicated";
        let disabled = internal_cache.span.unwrap_or(Span::START);
        sink.push(
            Diagnostic::error(Code::Contradiction, span, message).with_related(disabled, "disabled here"),
        );
    }
}

/// A peer flow must be heard of before it expires, and better twice: one message may be lost. The peer
/// tells it again after `RefreshTime` at most, so twice that is room for two.
pub(super) fn refresh(config: &Config, sink: &mut Sink) {
    let Some(Mode::Alarm {
        refresh_secs: refresh,
        cache_timeout_secs: timeout,
    }) = config.sync().map(|sync| &sync.mode.value)
    else {
        return;
    };
    let (refresh_secs, timeout_secs) = (refresh.value, timeout.value);
    let timers = format!("peer flows expire after {timeout_secs} s but are refreshed every {refresh_secs} s");
    let message = if refresh_secs >= timeout_secs {
        timers
    } else if refresh_secs > timeout_secs / 2 {
        format!("{timers}: with one lost message a flow is gone")
    } else {
        return;
    };
    let help = format!(
        "write `CacheTimeout {}` or more, twice the `RefreshTime` of the peer",
        refresh_secs.saturating_mul(2)
    );
    let warning = misfit(
        Code::RefreshExceedsCache,
        ("RefreshTime", refresh),
        ("CacheTimeout", timeout),
        message,
    );
    sink.extend(warning.map(|warning| warning.with_help(help)));
}

pub(super) fn ack_window(config: &Config, sink: &mut Sink) {
    let Some(Mode::Ftfw {
        resend_queue_size: queue,
        ack_window_size: window,
        ..
    }) = config.sync().map(|sync| &sync.mode.value)
    else {
        return;
    };
    if window.value < queue.value {
        return;
    }
    let message = format!(
        "an acknowledgement window of {} messages and a resend queue of {}: what is lost is forgotten before \
         the peer can ask for it",
        window.value, queue.value
    );
    let warning = misfit(
        Code::WindowExceedsQueue,
        ("ACKWindowSize", window),
        ("ResendQueueSize", queue),
        message,
    );
    let help = "leave both to their defaults, a window of 300 and a queue of 131072";
    sink.extend(warning.map(|warning| warning.with_help(help)));
}

pub(super) fn commit_timeout(config: &Config, sink: &mut Sink) {
    let Some(sync) = config.sync() else { return };
    let timeout = &sync.commit_timeout_secs;
    let (Some(secs), Some(span)) = (timeout.value, timeout.span) else {
        return;
    };
    if secs < COMMIT_SECS_MIN {
        let message = format!(
            "after a take-over every flow lives {secs} s more: established connections that are idle for \
             longer die"
        );
        let help = "remove `CommitTimeout`: flows then keep the time that the peer's kernel gave them";
        warn(Code::ShortCommitTimeout, timeout, message, help.to_owned(), sink);
    }
    let message = format!(
        "with `CommitTimeout {secs}` this node does not tell the peer how long its flows live: the peer needs \
         the clause too"
    );
    sink.push(Diagnostic::note(Code::CommitTimeoutBothNodes, span, message));
}

pub(super) fn purge_timeout(config: &Config, sink: &mut Sink) {
    let Some(sync) = config.sync() else { return };
    let timeout = &sync.purge_timeout_secs;
    if timeout.value < PURGE_SECS_MIN {
        let message = format!(
            "`conntrackd -t` flushes the kernel's table {} s later, while the other node may still be taking \
             over",
            timeout.value
        );
        let help = "write `PurgeTimeout 60`".to_owned();
        warn(Code::ShortPurgeTimeout, timeout, message, help, sink);
    }
}

pub(super) fn caches(config: &Config, sink: &mut Sink) {
    let Some(mode) = config.sync().map(|sync| &sync.mode.value) else {
        return;
    };
    if let Mode::Notrack { internal_cache, .. } = mode
        && !internal_cache.value
    {
        let message = "without the internal cache, flows whose events or messages were lost stay lost";
        let help = "remove `DisableInternalCache`, unless memory is short".to_owned();
        warn(Code::NoCache, internal_cache, message.to_owned(), help, sink);
    }
    let external_cache = mode.external_cache();
    if !external_cache.value {
        let message = "without the external cache the peer's flows go into the kernel's table at once: each \
                       node holds the flows of both";
        let help = "remove `DisableExternalCache`, unless both nodes forward at the same time".to_owned();
        warn(Code::NoCache, &external_cache, message.to_owned(), help, sink);
    }
}
