//! Clauses to the effective configuration.
//!
//! The model is built also from a file in error, as far as it goes, so that one run finds the
//! mistakes of all layers; `parse` then withholds it.

mod filter;
mod general;
mod helpers;
mod links;
mod sync;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use crate::diagnose::{Code, Diagnostic, Sink};
use crate::model::{Config, Facility, Running, StatsConfig};
use crate::parse::Clause;
use crate::parse::value::Value;
use crate::schema::{Repeats, Setting, Status};
use crate::span::{Span, Spanned};

/// Builds the configuration from the sections of a file.
///
/// Returns `None` only when something is missing that has no default; that is then in `sink`.
pub(crate) fn config(file: &[Clause], sink: &mut Sink) -> Option<Config> {
    let file = Scope::new(file.iter());
    let sync = file.named("Sync");
    let stats = file.named("Stats");
    let helper = file.named("Helper");
    let general = general::general(&file, &sync, sink);
    let helpers = helpers::helpers(&helper, sink);
    let running = match (sync.first(), stats.first()) {
        (Some(one), Some(other)) => {
            let (first, second) = if one.whole < other.whole {
                (one, other)
            } else {
                (other, one)
            };
            let message = "`Sync` and `Stats` exclude each other: a daemon replicates or keeps statistics";
            sink.push(
                Diagnostic::error(Code::SyncAndStats, second.head, message)
                    .with_related(first.head, format!("`{}` is here", first.name)),
            );
            Running::Sync(Box::new(sync::sync(&sync, sink)?))
        }
        (Some(_), None) => Running::Sync(Box::new(sync::sync(&sync, sink)?)),
        (None, Some(_)) => Running::Stats(stats_config(&stats, general.syslog, sink)),
        (None, None) if !helper.is_empty() => Running::HelpersOnly,
        (None, None) => {
            // Of a file in error nobody knows what is missing.
            if !sink.has_errors() {
                let message = "neither `Sync` nor `Stats` nor `Helper`: the daemon keeps statistics";
                sink.push(Diagnostic::warning(Code::NoRunningMode, Span::START, message));
            }
            Running::Stats(stats_config(&stats, general.syslog, sink))
        }
    };
    Some(Config {
        general,
        running,
        helpers,
    })
}

/// Returns the control socket of a file: what a client needs, also of a file that is in error
/// elsewhere. `None` if just this clause is in error.
pub(crate) fn control_socket(file: &[Clause]) -> Option<Spanned<PathBuf>> {
    let file = Scope::new(file.iter());
    let unix = Scope::inside(&Scope::inside(&file.named("General")).named("UNIX"));
    match unix.last("Path") {
        None => Some(Spanned::default_of(PathBuf::from(
            general::CONTROL_SOCKET.default,
        ))),
        Some(_) => unix.path("Path"),
    }
}

/// Returns the syslog facility of a file: whom the daemon tells why it does not start, also of a file
/// that is in error elsewhere.
pub(crate) fn syslog(file: &[Clause]) -> Option<Facility> {
    let file = Scope::new(file.iter());
    Scope::inside(&file.named("General")).facility("Syslog").value
}

/// Section `Stats`; one facility serves both sections, and `General` has the last word.
fn stats_config(sections: &Scope<'_>, general: Spanned<Option<Facility>>, sink: &mut Sink) -> StatsConfig {
    let section = sections.first().map(|section| section.head);
    let stats = Scope::inside(sections);
    stats.warn_repeats(sink);
    let mut syslog = stats.facility("Syslog");
    if let (Some(ours), Some(other), Some(span)) = (syslog.value, general.value, syslog.span)
        && ours != other
    {
        let message = "`Stats` and `General` name different syslog facilities: that of `General` is used";
        let related = general.span.unwrap_or(span);
        sink.push(
            Diagnostic::warning(Code::SyslogConflict, span, message).with_related(related, "the other one"),
        );
        syslog.value = general.value;
    }
    StatsConfig {
        section: Spanned {
            value: (),
            span: section,
        },
        log_file: stats.log_file("LogFile"),
        syslog,
    }
}

/// Clauses that count as one block, in the order of the file.
struct Scope<'c> {
    clauses: Vec<&'c Clause>,
}

impl<'c> Scope<'c> {
    fn new(clauses: impl Iterator<Item = &'c Clause>) -> Self {
        let mut clauses: Vec<&Clause> = clauses.collect();
        clauses.sort_by_key(|clause| clause.head);
        Self { clauses }
    }

    /// The content of blocks that count as one.
    fn inside(blocks: &Self) -> Self {
        Self::new(blocks.clauses.iter().flat_map(|block| &block.clauses))
    }

    /// The clauses of one name.
    fn named(&self, name: &str) -> Self {
        Self {
            clauses: self
                .clauses
                .iter()
                .copied()
                .filter(|clause| clause.name == name)
                .collect(),
        }
    }

    /// Whether a word in these blocks was not understood that may be any of their clauses.
    fn has_unknown_clause(&self, sink: &Sink) -> bool {
        self.clauses
            .iter()
            .any(|block| sink.has_unknown_clause_in(block.whole))
    }

    fn first(&self) -> Option<&'c Clause> {
        self.clauses.first().copied()
    }

    fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }

    /// The clause of this name that counts.
    fn last(&self, name: &str) -> Option<&'c Clause> {
        self.clauses.iter().copied().rfind(|clause| clause.name == name)
    }

    /// The value of the clause that counts; a clause in error has none.
    fn value(&self, name: &str) -> Option<(&'c Value, Span)> {
        self.last(name)?.args.first().map(|(value, span)| (value, *span))
    }

    fn bool(&self, setting: Setting<bool>) -> Spanned<bool> {
        match self.value(setting.name) {
            Some((Value::Bool(value), span)) => Spanned::at(*value, span),
            _ => Spanned::default_of(setting.default),
        }
    }

    /// A number as it stands.
    fn number(&self, name: &str) -> Option<Spanned<u32>> {
        match self.value(name) {
            Some((Value::Number(value), span)) => Some(Spanned::at(*value, span)),
            _ => None,
        }
    }

    /// A number for which 0 means the default.
    fn number_or(&self, setting: Setting<u32>) -> Spanned<u32> {
        let Setting { name, default } = setting;
        self.number(name).map_or(Spanned::default_of(default), |n| {
            n.map(|value| if value == 0 { default } else { value })
        })
    }

    /// A number for which 0 means that there is none.
    fn optional_number(&self, name: &str) -> Spanned<Option<u32>> {
        self.number(name).map_or(Spanned::default_of(None), |n| {
            n.map(|value| (value != 0).then_some(value))
        })
    }

    fn path(&self, name: &str) -> Option<Spanned<PathBuf>> {
        match self.value(name) {
            Some((Value::Text(path), span)) => Some(Spanned::at(PathBuf::from(path), span)),
            _ => None,
        }
    }

    fn path_or(&self, setting: Setting<&'static str>) -> Spanned<PathBuf> {
        self.path(setting.name)
            .unwrap_or(Spanned::default_of(PathBuf::from(setting.default)))
    }

    /// A file to log to, or none.
    fn log_file(&self, name: &str) -> Spanned<Option<PathBuf>> {
        match self.value(name) {
            Some((Value::Bool(_), span)) => Spanned::at(None, span),
            _ => self
                .path(name)
                .map_or(Spanned::default_of(None), |path| path.map(Some)),
        }
    }

    fn facility(&self, name: &str) -> Spanned<Option<Facility>> {
        match self.value(name) {
            Some((Value::Bool(on), span)) => Spanned::at(on.then_some(Facility::Daemon), span),
            Some((Value::Facility(facility), span)) => Spanned::at(Some(*facility), span),
            _ => Spanned::default_of(None),
        }
    }

    fn text(&self, name: &str) -> Option<Spanned<String>> {
        match self.value(name) {
            Some((Value::Text(text), span)) => Some(Spanned::at(text.clone(), span)),
            _ => None,
        }
    }

    fn ipv4(&self, name: &str) -> Option<Spanned<Ipv4Addr>> {
        match self.value(name) {
            Some((Value::Address(IpAddr::V4(address)), span)) => Some(Spanned::at(*address, span)),
            _ => None,
        }
    }

    fn ipv6(&self, name: &str) -> Option<Spanned<Ipv6Addr>> {
        match self.value(name) {
            Some((Value::Address(IpAddr::V6(address)), span)) => Some(Spanned::at(*address, span)),
            _ => None,
        }
    }

    /// Warns of clauses that a later one overrides.
    fn warn_repeats(&self, sink: &mut Sink) {
        let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
        for clause in &self.clauses {
            let counts = match clause.spec.status {
                Status::Alive | Status::Alias(_) | Status::Renamed(_) | Status::Elsewhere(_) => true,
                Status::Ignored(_) | Status::Lost(_) | Status::Redundant(_) | Status::Translated(_) => false,
            };
            if !counts || clause.spec.repeats == Repeats::Accumulate {
                continue;
            }
            if let Some(before) = seen.insert(clause.name, clause.head) {
                let message = format!("`{}` is given again, this one counts", clause.name);
                sink.push(
                    Diagnostic::warning(Code::RepeatedClause, clause.head, message)
                        .with_related(before, "given here before"),
                );
            }
        }
    }
}
