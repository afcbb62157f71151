//! Rules between clauses that a configuration must keep, or should.
//!
//! Rules that decide what the configuration is at all (two modes, mixed families, an incomplete link)
//! are in `model::build`: there they keep the wrong combination from becoming a value. The rules here
//! judge a configuration that is complete.

mod files;
mod filter;
mod kernel;
mod links;
mod sync;

use crate::diagnose::{Code, Diagnostic, Sink};
use crate::model::Config;
use crate::span::Spanned;

/// A rule and where it puts what it finds.
type Rule = fn(&Config, &mut Sink);

/// Clauses that contradict each other or make each other void.
const CONSISTENCY: [Rule; 7] = [
    files::names_a_directory,
    files::one_path_for_two,
    sync::polling_without_cache,
    kernel::polling_makes_void,
    kernel::resync_without_cache,
    kernel::buffer_growth,
    links::void_checksum,
];

/// What works and will be regretted.
const SAFETY: [Rule; 20] = [
    kernel::hash_sizes,
    kernel::small_event_buffer,
    kernel::overrun_resync,
    kernel::reliable_with_resync,
    kernel::polling_with_sync,
    kernel::realtime,
    sync::refresh,
    sync::ack_window,
    sync::commit_timeout,
    sync::purge_timeout,
    sync::caches,
    links::recovery,
    links::checksum,
    links::notrack_buffers,
    links::given_buffers,
    links::same_interface,
    filter::own_traffic,
    filter::lazy_backup,
    filter::without_tcp,
    filter::without_a_family,
];

/// Reports every rule that the configuration breaks.
///
/// The rules of safety wait for a file without errors: in place of what is in error they would judge a
/// default that nobody chose.
pub(crate) fn check(config: &Config, sink: &mut Sink) {
    for rule in CONSISTENCY {
        rule(config, sink);
    }
    if !sink.has_errors() {
        for rule in SAFETY {
            rule(config, sink);
        }
    }
}

/// Warns about a setting, if the file gives it.
fn warn<T>(code: Code, setting: &Spanned<T>, message: String, help: String, sink: &mut Sink) {
    if let Some(span) = setting.span {
        sink.push(Diagnostic::warning(code, span, message).with_help(help));
    }
}

/// Returns a warning about two settings that do not fit, at the first one that the file gives; `None`
/// if it gives neither.
fn misfit<T, U>(
    code: Code,
    (name, setting): (&str, &Spanned<T>),
    (other_name, other): (&str, &Spanned<U>),
    message: String,
) -> Option<Diagnostic> {
    match (setting.span, other.span) {
        (Some(span), Some(related)) => {
            let label = format!("`{other_name}` is given here");
            Some(Diagnostic::warning(code, span, message).with_related(related, label))
        }
        (Some(span), None) => {
            let message = format!("{message} (`{other_name}` has its default)");
            Some(Diagnostic::warning(code, span, message))
        }
        (None, Some(span)) => {
            let message = format!("{message} (`{name}` has its default)");
            Some(Diagnostic::warning(code, span, message))
        }
        (None, None) => None,
    }
}
