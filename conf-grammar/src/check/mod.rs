//! Rules between clauses that a configuration must keep, or should.
//!
//! Rules that decide what the configuration is at all (two modes, mixed families, an incomplete link)
//! are in `model::build`: there they keep the wrong combination from becoming a value. The rules here
//! judge a configuration that is complete.

use crate::diagnose::{Code, Diagnostic, Sink};
use crate::model::{Config, Mode};
use crate::span::{Span, Spanned};

/// Reports every rule that the configuration breaks.
pub(crate) fn check(config: &Config, sink: &mut Sink) {
    const RULES: [fn(&Config, &mut Sink); 6] = [
        buffer_growth,
        reliable_with_resync,
        polling_without_cache,
        polling_makes_void,
        timers_of_alarm_and_ftfw,
        hash_sizes,
    ];
    for rule in RULES {
        rule(config, sink);
    }
}

/// Warns about `setting`, if the file gives it.
fn warn<T>(code: Code, setting: &Spanned<T>, message: &str, sink: &mut Sink) {
    if let Some(span) = setting.span {
        sink.push(Diagnostic::warning(code, span, message));
    }
}

fn buffer_growth(config: &Config, sink: &mut Sink) {
    let general = &config.general;
    let max = general.netlink_buffer_size_max;
    if general
        .netlink_buffer_size
        .value
        .is_some_and(|size| max.value != 0 && max.value < size)
    {
        let message = "`NetlinkBufferSizeMaxGrowth` is below `NetlinkBufferSize`: the buffer never grows";
        warn(Code::NoEffect, &max, message, sink);
    }
}

fn reliable_with_resync(config: &Config, sink: &mut Sink) {
    let general = &config.general;
    let resync = general.overrun_resync_secs;
    if !general.reliable_events.value || resync.value.is_none() || general.poll_secs.value.is_some() {
        return;
    }
    if let Some(span) = general.reliable_events.span {
        let message = "reliable events are repeated by the kernel and need no resynchronisation";
        let warning = Diagnostic::warning(Code::ReliableWithResync, span, message);
        sink.push(match resync.span {
            Some(span) => warning.with_related(span, "resynchronisation is on here"),
            None => warning.with_help("write `NetlinkOverrunResync off`"),
        });
    }
}

fn polling_without_cache(config: &Config, sink: &mut Sink) {
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

fn polling_makes_void(config: &Config, sink: &mut Sink) {
    let general = &config.general;
    let (Some(_), Some(poll)) = (general.poll_secs.value, general.poll_secs.span) else {
        return;
    };
    let settings = [
        (
            "NetlinkBufferSize",
            general.netlink_buffer_size.value.is_some(),
            general.netlink_buffer_size.span,
        ),
        (
            "NetlinkBufferSizeMaxGrowth",
            general.netlink_buffer_size_max.value != 0,
            general.netlink_buffer_size_max.span,
        ),
        (
            "NetlinkOverrunResync",
            general.overrun_resync_secs.value.is_some(),
            general.overrun_resync_secs.span,
        ),
        (
            "NetlinkEventsReliable",
            general.reliable_events.value,
            general.reliable_events.span,
        ),
    ];
    for (name, is_on, span) in settings {
        if let (true, Some(span)) = (is_on, span) {
            let message = format!("`{name}` has no effect: with `PollSecs` there are no events");
            sink.push(
                Diagnostic::warning(Code::NoEffect, span, message).with_related(poll, "polling is on here"),
            );
        }
    }
}

fn timers_of_alarm_and_ftfw(config: &Config, sink: &mut Sink) {
    match config.sync().map(|sync| &sync.mode.value) {
        Some(Mode::Alarm {
            refresh_secs,
            cache_timeout_secs,
        }) => {
            if refresh_secs.value >= cache_timeout_secs.value {
                let message =
                    "`RefreshTime` is not below `CacheTimeout`: peer flows expire before they are refreshed";
                let at = if refresh_secs.span.is_some() {
                    refresh_secs
                } else {
                    cache_timeout_secs
                };
                warn(Code::RefreshExceedsCache, at, message, sink);
            }
        }
        Some(Mode::Ftfw {
            resend_queue_size,
            ack_window_size,
            ..
        }) => {
            if ack_window_size.value >= resend_queue_size.value {
                let message =
                    "`ACKWindowSize` is not below `ResendQueueSize`: lost messages cannot be sent again";
                let at = if ack_window_size.span.is_some() {
                    ack_window_size
                } else {
                    resend_queue_size
                };
                warn(Code::WindowExceedsQueue, at, message, sink);
            }
        }
        Some(Mode::Notrack { .. }) | None => {}
    }
}

fn hash_sizes(config: &Config, sink: &mut Sink) {
    let general = &config.general;
    if general.hash_size.value > general.hash_limit.value {
        let message = "`HashSize` is above `HashLimit`: memory for nothing";
        let at = if general.hash_size.span.is_some() {
            &general.hash_size
        } else {
            &general.hash_limit
        };
        warn(Code::HashOversized, at, message, sink);
    }
}
