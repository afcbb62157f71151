//! What `General` asks of the kernel: caches, events, polling, scheduling.

use super::{misfit, warn};
use crate::diagnose::{Code, Diagnostic, Sink};
use crate::model::{Config, FilterPlace, General, Mode};
use crate::span::Spanned;

/// Bytes of the receive buffer that one event takes: the kernel charges the memory it allocated, not
/// the 148 to 244 bytes of the message. Measured on Linux 6.18 with a socket that nobody reads: 1,638
/// new flows fit into 2,097,152 bytes, 204 into 262,142 and 166 into the default of 212,992, and
/// `/proc/net/netlink` shows 1,280 bytes for each of them, over IPv4 and IPv6, TCP and UDP.
const EVENT_LEN: u32 = 1280;
/// A buffer should hold the events of so large a part of the table: a flush of a table, or a line that
/// goes down, ends thousands of flows at once.
const TABLE_SHARE: u32 = 50;
/// Events that any buffer should hold, and events that are enough for any table.
const EVENTS_WANTED: (u32, u32) = (1_000, 5_000);
/// Buffer and growth that hold enough events for any table.
const GOOD_BUFFER: u32 = 2_097_152;
const GOOD_BUFFER_MAX: u32 = 8_388_608;
/// The table should not be read more often than this.
const RESYNC_SECS_MIN: u32 = 5;
/// The highest real-time priority, shared with threads of the kernel that must never wait.
const PRIORITY_MAX: u8 = 99;

pub(super) fn buffer_growth(config: &Config, sink: &mut Sink) {
    let general = &config.general;
    let max = general.netlink_buffer_size_max;
    if let (Some(size), Some(growth), Some(span)) = (general.netlink_buffer_size.value, max.value, max.span)
        && general.poll_secs.value.is_none()
        && growth != 0
        && growth < size
    {
        let message = format!(
            "`NetlinkBufferSizeMaxGrowth {growth}` is below `NetlinkBufferSize {size}`: the buffer never grows"
        );
        sink.push(Diagnostic::warning(Code::NoEffect, span, message));
    }
}

pub(super) fn polling_makes_void(config: &Config, sink: &mut Sink) {
    let general = &config.general;
    let (Some(_), Some(poll)) = (general.poll_secs.value, general.poll_secs.span) else {
        return;
    };
    let place = general.filter.place;
    let settings = [
        (
            "Filter From Kernelspace",
            place.value == FilterPlace::Kernelspace,
            place.span,
        ),
        (
            "NetlinkBufferSize",
            general.netlink_buffer_size.value.is_some(),
            general.netlink_buffer_size.span,
        ),
        (
            "NetlinkBufferSizeMaxGrowth",
            general.netlink_buffer_size_max.value.is_some_and(|max| max != 0),
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

/// After lost events the internal cache is made equal to the table again; without one there is nothing to do.
pub(super) fn resync_without_cache(config: &Config, sink: &mut Sink) {
    let Some(Mode::Notrack { internal_cache, .. }) = config.sync().map(|sync| &sync.mode.value) else {
        return;
    };
    let General {
        overrun_resync_secs: resync,
        poll_secs,
        ..
    } = &config.general;
    if let (Some(_), Some(span), None) = (resync.value, resync.span, poll_secs.value)
        && !internal_cache.value
    {
        let message = "`NetlinkOverrunResync` has no effect: there is no internal cache to set right";
        let warning = Diagnostic::warning(Code::NoEffect, span, message);
        sink.push(match internal_cache.span {
            Some(span) => warning.with_related(span, "disabled here"),
            None => warning,
        });
    }
}

pub(super) fn hash_sizes(config: &Config, sink: &mut Sink) {
    let General {
        hash_size,
        hash_limit,
        ..
    } = &config.general;
    if hash_size.value > hash_limit.value {
        let message = format!(
            "a cache of {} buckets holds {} flows at most: the other buckets are memory for nothing",
            hash_size.value, hash_limit.value
        );
        let warning = misfit(
            Code::HashOversized,
            ("HashSize", hash_size),
            ("HashLimit", hash_limit),
            message,
        );
        sink.extend(
            warning.map(|warning| warning.with_help("write a `HashSize` of about a quarter of `HashLimit`")),
        );
    }
}

/// Without clauses the daemon's own buffer is large enough; a size that is given may not be, and neither
/// may the daemon's if it must not grow.
pub(super) fn small_event_buffer(config: &Config, sink: &mut Sink) {
    let general = &config.general;
    let (given, max) = (general.netlink_buffer_size, general.netlink_buffer_size_max);
    let place = if given.value.is_some() {
        given.span
    } else {
        max.span
    };
    let Some(span) = place else { return };
    if general.poll_secs.value.is_some() || general.reliable_events.value {
        return;
    }
    let size = given.value.unwrap_or(GOOD_BUFFER);
    let default_max = if given.value.is_some() { 0 } else { GOOD_BUFFER_MAX };
    let max_len = max.value.unwrap_or(default_max);
    let grown = grown(size, max_len);
    let (least, enough) = EVENTS_WANTED;
    let flows = general.hash_limit.value;
    let wanted = (flows / TABLE_SHARE).clamp(least, enough).min(flows);
    if grown / EVENT_LEN >= wanted {
        return;
    }
    let growth = if grown > size {
        format!(", {} once it has grown", grown / EVENT_LEN)
    } else {
        " and does not grow".to_owned()
    };
    let message = format!(
        "an event buffer of {size} bytes holds {} events{growth}: too few for a table of {flows} flows",
        size / EVENT_LEN
    );
    let help = format!(
        "write `NetlinkBufferSize {GOOD_BUFFER}` and `NetlinkBufferSizeMaxGrowth {GOOD_BUFFER_MAX}`: \
         {} events, {} once it has grown",
        GOOD_BUFFER / EVENT_LEN,
        GOOD_BUFFER_MAX / EVENT_LEN
    );
    let mut warning = Diagnostic::warning(Code::SmallEventBuffer, span, message).with_help(help);
    if let (true, true, Some(span)) = (given.value.is_some(), max_len != 0, max.span) {
        warning = warning.with_related(span, "it is doubled up to here");
    }
    if let Some(span) = general.hash_limit.span {
        warning = warning.with_related(span, "the flows");
    }
    sink.push(warning);
}

/// The largest buffer that is reached by doubling `size` without exceeding `max`.
fn grown(size: u32, max: u32) -> u32 {
    let mut len = size.max(1);
    while let Some(doubled) = len.checked_mul(2).filter(|doubled| *doubled <= max) {
        len = doubled;
    }
    len
}

pub(super) fn overrun_resync(config: &Config, sink: &mut Sink) {
    let general = &config.general;
    if general.poll_secs.value.is_some() || !has_internal_cache(config) {
        return;
    }
    let resync = &general.overrun_resync_secs;
    match resync.value {
        Some(secs) if secs < RESYNC_SECS_MIN => {
            let message = format!(
                "after lost events the whole table is read again {secs} s later: under load, which is when \
                 events are lost, that is all the time"
            );
            let help = "write `NetlinkOverrunResync on`, which waits 30 s".to_owned();
            warn(Code::ResyncTooEager, resync, message, help, sink);
        }
        None if !general.reliable_events.value => {
            let message = "lost events are not made up for: the table is not read again, and the kernel \
                           does not repeat them";
            let help = "write `NetlinkOverrunResync on`, or `NetlinkEventsReliable on`".to_owned();
            warn(Code::ResyncOff, resync, message.to_owned(), help, sink);
        }
        Some(_) | None => {}
    }
}

fn has_internal_cache(config: &Config) -> bool {
    match config.sync().map(|sync| &sync.mode.value) {
        Some(Mode::Notrack { internal_cache, .. }) => internal_cache.value,
        Some(Mode::Ftfw { .. } | Mode::Alarm { .. }) | None => true,
    }
}

pub(super) fn reliable_with_resync(config: &Config, sink: &mut Sink) {
    let general = &config.general;
    let resync = general.overrun_resync_secs;
    if !general.reliable_events.value || general.poll_secs.value.is_some() {
        return;
    }
    if let (Some(secs), Some(span)) = (resync.value, general.reliable_events.span) {
        let message = format!(
            "reliable events are repeated by the kernel: reading the table again {secs} s after a loss is \
             double work"
        );
        let warning = Diagnostic::warning(Code::ReliableWithResync, span, message)
            .with_help("write `NetlinkOverrunResync off`");
        sink.push(match resync.span {
            Some(span) => warning.with_related(span, "resynchronisation is on here"),
            None => warning,
        });
    }
}

pub(super) fn polling_with_sync(config: &Config, sink: &mut Sink) {
    let poll = &config.general.poll_secs;
    if let (Some(secs), Some(_)) = (poll.value, config.sync()) {
        let message = format!(
            "the peer learns of a change up to {secs} s late, and nothing of flows that live shorter than that"
        );
        let help = "remove `PollSecs`: events tell at once".to_owned();
        warn(Code::PollingWithSync, poll, message, help, sink);
    }
}

/// Scheduling is real-time only where the file asks for it, and with 99 unless it asks for less.
pub(super) fn realtime(config: &Config, sink: &mut Sink) {
    let Spanned {
        value: Some(scheduler),
        span: Some(block),
    } = config.general.scheduler
    else {
        return;
    };
    if scheduler.priority.value != PRIORITY_MAX {
        return;
    }
    let (span, message) = match scheduler.priority.span {
        Some(span) => (
            span,
            "real-time priority 99 leaves the processor to nobody else: a busy daemon can starve the machine",
        ),
        None => (
            scheduler.class.span.unwrap_or(block),
            "without `Priority` the real-time priority is 99: a busy daemon can starve the machine",
        ),
    };
    let note = Diagnostic::note(Code::Realtime99, span, message);
    sink.push(
        note.with_help("remove `Scheduler`, or give a `Priority` below that of the machine's watchdog"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_grows_by_doubling_and_never_beyond_its_maximum() {
        assert_eq!(grown(262_142, 655_355), 524_284);
        assert_eq!(grown(2_097_152, 8_388_608), 8_388_608);
        assert_eq!(grown(1000, 0), 1000);
        assert_eq!(grown(1000, 1999), 1000);
        assert_eq!(grown(0, u32::MAX), 1 << 31);
        assert_eq!(grown(u32::MAX, u32::MAX), u32::MAX);
    }
}
