//! Section `General`.

use std::path::PathBuf;

use super::{Scope, filter};
use crate::diagnose::{Code, Diagnostic, Sink};
use crate::model::{General, Scheduler, SchedulerClass};
use crate::parse::value::Value;
use crate::schema::Status;
use crate::span::{Span, Spanned};

pub(super) const CONTROL_SOCKET: &str = "/var/run/conntrackd.ctl";
const LOCK_FILE: &str = "/var/lock/conntrackd.lock";
const LOG_FILE: &str = "/var/log/conntrackd.log";
const HASH_SIZE: u32 = 65_536;
const HASH_LIMIT: u32 = 262_144;
const EVENT_ITERATION_LIMIT: u32 = 100;
const OVERRUN_RESYNC_SECS: u32 = 30;
const PRIORITY: u8 = 99;

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
    if unix.last("Path").is_none() {
        let message = format!("no `UNIX {{ Path }}`: the control socket is `{CONTROL_SOCKET}`");
        let span = sections.first().map_or(Span::START, |section| section.head);
        sink.push(Diagnostic::warning(Code::NoControlSocket, span, message));
    }
    General {
        systemd: general.bool("Systemd", true),
        hash_size: general.number_or("HashSize", HASH_SIZE),
        hash_limit: general.number_or("HashLimit", HASH_LIMIT),
        log_file: general.log_file("LogFile", LOG_FILE),
        syslog: general.facility("Syslog"),
        lock_file: general
            .path("LockFile")
            .unwrap_or(Spanned::default_of(PathBuf::from(LOCK_FILE))),
        unix_path: unix
            .path("Path")
            .unwrap_or(Spanned::default_of(PathBuf::from(CONTROL_SOCKET))),
        netlink_buffer_size: general.optional_number("NetlinkBufferSize"),
        netlink_buffer_size_max: general.number_or("NetlinkBufferSizeMaxGrowth", 0),
        overrun_resync_secs: overrun_resync(&general),
        reliable_events: general.bool("NetlinkEventsReliable", false),
        poll_secs: general.optional_number("PollSecs"),
        event_iteration_limit: general.number_or("EventIterationLimit", EVENT_ITERATION_LIMIT),
        scheduler: scheduler(&Scope::inside(&general.named("Scheduler")), sink),
        filter: filter::filter(file, &general, sync, sink),
    }
}

fn overrun_resync(general: &Scope<'_>) -> Spanned<Option<u32>> {
    match general.value("NetlinkOverrunResync") {
        Some((Value::Bool(on), span)) => Spanned::at(on.then_some(OVERRUN_RESYNC_SECS), span),
        _ => general
            .number_or("NetlinkOverrunResync", OVERRUN_RESYNC_SECS)
            .map(Some),
    }
}

fn scheduler(scheduler: &Scope<'_>, sink: &mut Sink) -> Scheduler {
    scheduler.warn_repeats(sink);
    let class = match scheduler.value("Type") {
        Some((Value::Class(class), span)) => Spanned::at(*class, span),
        _ => Spanned::default_of(SchedulerClass::RoundRobin),
    };
    let priority = scheduler
        .number("Priority")
        .map_or(Spanned::default_of(PRIORITY), |n| {
            n.map(|value| u8::try_from(value).unwrap_or(PRIORITY))
        });
    Scheduler { class, priority }
}
