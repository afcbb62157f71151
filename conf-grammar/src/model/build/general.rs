//! Section `General`.

use super::{Scope, filter};
use crate::diagnose::{Code, Diagnostic, Sink};
use crate::model::{General, Scheduler, SchedulerClass};
use crate::parse::value::Value;
use crate::schema::{BlockKind, Setting, Status};
use crate::span::{Span, Spanned};

pub(super) const CONTROL_SOCKET: Setting<&str> = Setting::path(BlockKind::Unix, "Path");
const SYSTEMD: Setting<bool> = Setting::switch(BlockKind::General, "Systemd");
const HASH_SIZE: Setting<u32> = Setting::number(BlockKind::General, "HashSize");
const HASH_LIMIT: Setting<u32> = Setting::number(BlockKind::General, "HashLimit");
const LOCK_FILE: Setting<&str> = Setting::path(BlockKind::General, "LockFile");
const OVERRUN_RESYNC: Setting<u32> = Setting::number(BlockKind::General, "NetlinkOverrunResync");
const RELIABLE_EVENTS: Setting<bool> = Setting::switch(BlockKind::General, "NetlinkEventsReliable");
const EVENT_ITERATION_LIMIT: Setting<u32> = Setting::number(BlockKind::General, "EventIterationLimit");
const CLASS: Setting<SchedulerClass> = Setting::class(BlockKind::Scheduler, "Type");
const PRIORITY: Setting<u32> = Setting::number(BlockKind::Scheduler, "Priority");

/// Reads what is general: the section of that name, clauses of it that stand in `Stats`, and old
/// clauses elsewhere that have become part of the filter.
pub(super) fn general(file: &Scope<'_>, sync: &Scope<'_>, sink: &mut Sink) -> General {
    let sections = file.named("General");
    let stats = Scope::inside(&file.named("Stats"));
    let strays = stats
        .clauses
        .into_iter()
        .filter(|clause| matches!(clause.spec.status, Status::Elsewhere(_)));
    let general = Scope::new(Scope::inside(&sections).clauses.into_iter().chain(strays));
    general.warn_repeats(sink);
    let unix = Scope::inside(&general.named("UNIX"));
    unix.warn_repeats(sink);
    // Of a file in error nobody knows what is missing.
    if unix.last("Path").is_none() && !sink.has_errors() {
        let message = format!(
            "no `UNIX {{ Path }}`: the control socket is `{}`",
            CONTROL_SOCKET.default
        );
        let span = sections.first().map_or(Span::START, |section| section.head);
        sink.push(Diagnostic::warning(Code::NoControlSocket, span, message));
    }
    General {
        systemd: general.bool(SYSTEMD),
        hash_size: general.number_or(HASH_SIZE),
        hash_limit: general.number_or(HASH_LIMIT),
        log_file: general.log_file("LogFile"),
        syslog: general.facility("Syslog"),
        lock_file: general.path_or(LOCK_FILE),
        unix_path: unix.path_or(CONTROL_SOCKET),
        netlink_buffer_size: general.optional_number("NetlinkBufferSize"),
        netlink_buffer_size_max: general
            .number("NetlinkBufferSizeMaxGrowth")
            .map_or(Spanned::default_of(None), |max| max.map(Some)),
        overrun_resync_secs: overrun_resync(&general),
        reliable_events: general.bool(RELIABLE_EVENTS),
        poll_secs: general.optional_number("PollSecs"),
        event_iteration_limit: general.number_or(EVENT_ITERATION_LIMIT),
        scheduler: scheduler(&general.named("Scheduler"), sink),
        filter: filter::filter(file, &general, sync, sink),
    }
}

fn overrun_resync(general: &Scope<'_>) -> Spanned<Option<u32>> {
    match general.value(OVERRUN_RESYNC.name) {
        Some((Value::Bool(on), span)) => Spanned::at(on.then_some(OVERRUN_RESYNC.default), span),
        _ => general.number_or(OVERRUN_RESYNC).map(Some),
    }
}

/// An empty block asks for real-time scheduling too, with the defaults of its clauses.
fn scheduler(blocks: &Scope<'_>, sink: &mut Sink) -> Spanned<Option<Scheduler>> {
    let Some(first) = blocks.first() else {
        return Spanned::default_of(None);
    };
    let scheduler = Scope::inside(blocks);
    scheduler.warn_repeats(sink);
    let class = match scheduler.value(CLASS.name) {
        Some((Value::Class(class), span)) => Spanned::at(*class, span),
        _ => Spanned::default_of(CLASS.default),
    };
    // The range of the clause ends at 99.
    let priority = scheduler.number_or(PRIORITY);
    let scheduler = Scheduler {
        class,
        priority: priority.map(|value| u8::try_from(value).unwrap_or(u8::MAX)),
    };
    Spanned::at(Some(scheduler), first.head)
}
