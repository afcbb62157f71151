//! Section `Sync`, without its links.

use super::{Scope, links};
use crate::diagnose::{Code, Diagnostic, Sink};
use crate::model::{ExpectationSync, Mode, SyncConfig};
use crate::parse::value::{ModeName, Value};
use crate::schema::{BlockKind, Setting};
use crate::span::{Span, Spanned};

const MODE: Setting<ModeName> = Setting::mode(BlockKind::Sync, "Mode");
const PURGE_TIMEOUT: Setting<u32> = Setting::number(BlockKind::Sync, "PurgeTimeout");
const REFRESH_TIME: Setting<u32> = Setting::number(BlockKind::Sync, "RefreshTime");
const CACHE_TIMEOUT: Setting<u32> = Setting::number(BlockKind::Sync, "CacheTimeout");
const RESEND_QUEUE_SIZE: Setting<u32> = Setting::number(BlockKind::Ftfw, "ResendQueueSize");
const ACK_WINDOW_SIZE: Setting<u32> = Setting::number(BlockKind::Ftfw, "ACKWindowSize");
/// The same for both modes that have it; so is the next one.
const STARTUP_RESYNC: Setting<bool> = Setting::switch(BlockKind::Ftfw, "StartupResync");
const DISABLE_EXTERNAL: Setting<bool> = Setting::switch(BlockKind::Ftfw, "DisableExternalCache");
const DISABLE_INTERNAL: Setting<bool> = Setting::switch(BlockKind::Notrack, "DisableInternalCache");
const TCP_WINDOW_TRACKING: Setting<bool> = Setting::switch(BlockKind::Options, "TCPWindowTracking");

pub(super) fn sync(sections: &Scope<'_>, sink: &mut Sink) -> Option<SyncConfig> {
    let keyword = sections.first()?.head;
    let direct = Scope::inside(sections);
    let modes = direct.named("Mode");
    if modes.is_empty() && !sections.has_unknown_clause(sink) {
        let message = format!("`Sync` without `Mode`: {} is used", MODE.default.as_str());
        sink.push(Diagnostic::warning(Code::NoMode, keyword, message));
    }
    let name = mode_name(&modes, sink);
    // The timeouts may stand in the mode or beside it: it is one setting either way. Where the stock
    // dialect lets two modes pass, the settings of both are in force.
    let inner = modes.clauses.iter().flat_map(|mode| &mode.clauses);
    let settings = Scope::new(direct.clauses.iter().copied().chain(inner));
    settings.warn_repeats(sink);
    warn_unused_timeouts(&direct, name.value, sink);

    let mode = name.map(|name| mode(name, &settings));
    let commit_timeout_secs = commit_timeout(&mode.value, &settings, sink);
    let (tcp_window_tracking, expectations) = options(&Scope::inside(&direct.named("Options")), sink);
    let links = links::links(sections, &direct, sink)?;
    Some(SyncConfig {
        mode,
        commit_timeout_secs,
        purge_timeout_secs: settings.number_or(PURGE_TIMEOUT),
        links,
        tcp_window_tracking,
        expectations,
    })
}

/// The mode of the `Mode` blocks, which all name the same one; else the first of FTFW, ALARM and
/// NOTRACK that is named.
fn mode_name(modes: &Scope<'_>, sink: &mut Sink) -> Spanned<ModeName> {
    let mut first: Option<(ModeName, Span)> = None;
    for clause in &modes.clauses {
        let Some(mode) = clause.mode() else {
            continue;
        };
        let Some((before, head)) = first else {
            first = Some((mode, clause.head));
            continue;
        };
        let related = "the first one is here";
        if before == mode {
            let message = format!("`Mode {}` is given again; both blocks count", mode.as_str());
            let warning = Diagnostic::warning(Code::RepeatedClause, clause.head, message);
            sink.push(warning.with_related(head, related));
        } else {
            let message = format!(
                "`Mode {}` beside `Mode {}`: there is one mode",
                mode.as_str(),
                before.as_str()
            );
            let error = Diagnostic::error(Code::ManyModes, clause.head, message).with_related(head, related);
            sink.tolerate(error, "FTFW goes before ALARM, ALARM before NOTRACK");
        }
    }
    let block_of = |name: ModeName| modes.clauses.iter().find(|clause| clause.mode() == Some(name));
    ModeName::ALL
        .into_iter()
        .find_map(|(_, name)| block_of(name).map(|clause| Spanned::at(name, clause.head)))
        .unwrap_or(Spanned::default_of(MODE.default))
}

/// Beside the mode every timeout may be written, also one that the mode has no use for.
fn warn_unused_timeouts(direct: &Scope<'_>, mode: ModeName, sink: &mut Sink) {
    if mode == ModeName::Alarm {
        return;
    }
    for name in ["RefreshTime", "CacheTimeout"] {
        if let Some(clause) = direct.last(name) {
            let message = format!("`{name}` has no effect, only `Mode ALARM` uses it");
            sink.push(Diagnostic::warning(Code::NoEffect, clause.head, message));
        }
    }
}

fn mode(name: ModeName, settings: &Scope<'_>) -> Mode {
    let not = |setting| settings.bool(setting).map(|is_disabled| !is_disabled);
    match name {
        ModeName::Ftfw => Mode::Ftfw {
            resend_queue_size: settings.number_or(RESEND_QUEUE_SIZE),
            ack_window_size: settings.number_or(ACK_WINDOW_SIZE),
            external_cache: not(DISABLE_EXTERNAL),
            startup_resync: settings.bool(STARTUP_RESYNC),
        },
        ModeName::Alarm => Mode::Alarm {
            refresh_secs: settings.number_or(REFRESH_TIME),
            cache_timeout_secs: settings.number_or(CACHE_TIMEOUT),
        },
        ModeName::Notrack => Mode::Notrack {
            internal_cache: not(DISABLE_INTERNAL),
            external_cache: not(DISABLE_EXTERNAL),
            startup_resync: settings.bool(STARTUP_RESYNC),
        },
    }
}

/// Without an external cache nothing is ever committed, so the timeout is dropped; it would also
/// stop the kernel's timeout from being sent.
fn commit_timeout(mode: &Mode, settings: &Scope<'_>, sink: &mut Sink) -> Spanned<Option<u32>> {
    let timeout = settings.optional_number("CommitTimeout");
    let external_cache = mode.external_cache();
    let (Some(_), false, Some(clause)) = (
        timeout.value,
        external_cache.value,
        settings.last("CommitTimeout"),
    ) else {
        return timeout;
    };
    let message = "`CommitTimeout` has no effect, the external cache is disabled";
    let warning = Diagnostic::warning(Code::CommitWithoutCache, clause.head, message);
    sink.push(match external_cache.span {
        Some(span) => warning.with_related(span, "disabled here"),
        None => warning,
    });
    Spanned::default_of(None)
}

fn options(options: &Scope<'_>, sink: &mut Sink) -> (Spanned<bool>, Spanned<ExpectationSync>) {
    options.warn_repeats(sink);
    let mut on: Option<(ExpectationSync, Span)> = None;
    for clause in options.named("ExpectationSync").clauses {
        let names: Vec<Spanned<String>> = clause
            .items
            .iter()
            .filter_map(|(value, span)| Some(Spanned::at(value.text()?.to_owned(), *span)))
            .collect();
        let is_off = matches!(clause.args.first(), Some((Value::Bool(false), _)));
        if let (true, Some((_, head))) = (is_off, &on) {
            let message = "`ExpectationSync` is switched off here and on above";
            sink.push(
                Diagnostic::error(Code::Contradiction, clause.head, message).with_related(*head, "on here"),
            );
        }
        if is_off {
            continue;
        }
        on = Some(match on {
            Some((before, head)) => (join(before, names), head),
            None if names.is_empty() => (ExpectationSync::All, clause.head),
            None => (join(ExpectationSync::Helpers(Vec::new()), names), clause.head),
        });
    }
    let expectations = match on {
        Some((expectations, span)) => Spanned::at(expectations, span),
        None => Spanned::default_of(ExpectationSync::Off),
    };
    (options.bool(TCP_WINDOW_TRACKING), expectations)
}

/// Adds names to a list, each one once; all helpers stay all helpers.
fn join(before: ExpectationSync, names: Vec<Spanned<String>>) -> ExpectationSync {
    let mut list = match before {
        ExpectationSync::Helpers(list) if !names.is_empty() => list,
        ExpectationSync::Helpers(_) | ExpectationSync::All | ExpectationSync::Off => {
            return ExpectationSync::All;
        }
    };
    let mut seen: std::collections::BTreeSet<String> =
        list.iter().map(|name| name.value.to_ascii_lowercase()).collect();
    list.extend(
        names
            .into_iter()
            .filter(|name| seen.insert(name.value.to_ascii_lowercase())),
    );
    ExpectationSync::Helpers(list)
}
