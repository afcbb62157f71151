//! The typed columns of a row, in words.

use crate::model::{PROTOCOLS, SchedulerClass, TcpState};
use crate::schema::{Body, ClauseSpec, Compat, DefaultValue, Kind, Range, Repeats, Status};

/// Returns a clause with its arguments, as it is written.
pub(super) fn syntax(clause: &ClauseSpec) -> String {
    let mut words = vec![format!("`{}`", clause.name)];
    words.extend(clause.args.iter().map(|kind| argument(*kind)));
    match clause.body {
        Body::None => {}
        Body::Required(_) | Body::OfMode => words.push("`{ ... }`".to_owned()),
        Body::Alternative(_) => words.push("| `{ ... }`".to_owned()),
    }
    words.join(" ")
}

fn argument(kind: Kind) -> String {
    match kind {
        Kind::Bool | Kind::BoolUnlessBlock => "`on` | `off`".to_owned(),
        Kind::Uint(range) if range.unit.is_empty() => "*number*".to_owned(),
        Kind::Uint(range) => format!("*{}*", range.unit),
        Kind::BoolOrUint(range) => format!("`on` | `off` | *{}*", range.unit),
        Kind::Integer => "*integer*".to_owned(),
        Kind::Path(_) => "*path*".to_owned(),
        Kind::BoolOrPath(_) => "`on` | `off` | *path*".to_owned(),
        Kind::BoolOrFacility => "`on` | `off` | *facility*".to_owned(),
        Kind::SchedulerClass => "`RR` | `FIFO`".to_owned(),
        Kind::Interface => "*interface*".to_owned(),
        Kind::Name(what) => format!("*{}*", what.strip_prefix("a ").unwrap_or(what)),
        Kind::Protocol => "*protocol*".to_owned(),
        Kind::ProtocolOrNumber => "*protocol* | *number*".to_owned(),
        Kind::Ipv4 | Kind::Ipv6 | Kind::AnyAddress => "*address*".to_owned(),
        Kind::Ipv4Net | Kind::Ipv6Net => "*address*[`/`*prefix*]".to_owned(),
        Kind::Policy => "`Accept` | `Ignore`".to_owned(),
        Kind::Mode => "`FTFW` | `ALARM` | `NOTRACK`".to_owned(),
        Kind::OptionalDefault => "[`Default`]".to_owned(),
        Kind::OptionalFrom => "[`From Userspace` | `From Kernelspace`]".to_owned(),
        Kind::States => "*states* `for TCP`".to_owned(),
    }
}

/// Returns range and default of a clause; nothing if it has neither.
pub(super) fn facts(clause: &ClauseSpec) -> String {
    let kinds = clause.args.iter();
    let mut facts: Vec<String> = kinds.filter_map(|kind| domain(*kind, clause.default)).collect();
    match clause.default {
        DefaultValue::None => {}
        DefaultValue::Required => facts.push("Must be given.".to_owned()),
        DefaultValue::Either(other) => facts.push(format!("Must be given, unless `{other}` is.")),
        DefaultValue::Number(number) => facts.push(format!("Default: {number}.")),
        DefaultValue::Bool(is_on) => {
            facts.push(format!("Default: `{}`.", if is_on { "on" } else { "off" }));
        }
        DefaultValue::Path(path) => facts.push(format!("Default: `{path}`.")),
        DefaultValue::Class(SchedulerClass::RoundRobin) => facts.push("Default: `RR`.".to_owned()),
        DefaultValue::Class(SchedulerClass::Fifo) => facts.push("Default: `FIFO`.".to_owned()),
        DefaultValue::Mode(mode) => facts.push(format!("Default: `{}`, with a warning.", mode.as_str())),
        DefaultValue::Unset(instead) => facts.push(format!("Without it: {instead}.")),
    }
    if clause.repeats == Repeats::Accumulate && matches!(clause.body, Body::None | Body::Alternative(_)) {
        facts.push("May be given several times.".to_owned());
    }
    facts.join(" ")
}

/// What the values of a kind may be, where the name of the kind does not say it.
fn domain(kind: Kind, default: DefaultValue) -> Option<String> {
    match kind {
        Kind::Uint(range) => Some(format!("{}.", interval(range, default))),
        Kind::BoolOrUint(range) => Some(format!("{}; `on` is the default too.", interval(range, default))),
        Kind::Path(len_max) => Some(format!("At most {len_max} bytes.")),
        Kind::BoolOrPath(log) => Some(format!("`on` is `{}`. At most {} bytes.", log.on, log.len_max)),
        Kind::BoolOrFacility => {
            Some("The facility is `daemon`, which is also `on`, or one of `local0` to `local7`.".to_owned())
        }
        Kind::Bool
        | Kind::BoolUnlessBlock
        | Kind::Integer
        | Kind::SchedulerClass
        | Kind::Interface
        | Kind::Name(_)
        | Kind::Protocol
        | Kind::ProtocolOrNumber
        | Kind::Ipv4
        | Kind::Ipv6
        | Kind::AnyAddress
        | Kind::Ipv4Net
        | Kind::Ipv6Net
        | Kind::Policy
        | Kind::Mode
        | Kind::OptionalDefault
        | Kind::OptionalFrom
        | Kind::States => None,
    }
}

fn interval(range: Range, default: DefaultValue) -> String {
    let Range { min, max, .. } = range;
    let unit = if range.unit.is_empty() {
        String::new()
    } else {
        format!(" {}", range.unit)
    };
    let zero = match (range.zero_is_default, default) {
        (true, DefaultValue::Unset(_)) => ", or 0 as if it were missing",
        (true, _) => ", or 0 for the default",
        (false, _) => "",
    };
    format!("{min} to {max}{unit}{zero}")
}

/// Returns what an old clause counts as; `None` if the clause is one of today.
pub(super) fn standing(clause: &ClauseSpec) -> Option<String> {
    match clause.status {
        Status::Alive => None,
        Status::Alias(new) | Status::Renamed(new) => Some(format!("Today it is `{new}`.")),
        Status::Ignored(advice) => Some(format!("Ignored with a warning: {advice}.")),
        Status::Lost(advice) => Some(format!("No longer done, with a warning: {advice}.")),
        Status::Redundant(reason) => Some(format!("Ignored with a warning: {reason}.")),
        Status::Translated(advice) => Some(format!("Applied with a warning: {advice}.")),
        Status::Elsewhere(home) => Some(format!("Applied with a warning: write it in `{home}`.")),
    }
}

/// Returns how a clause stands to the stock daemon, for a row: "same", "differs: ...".
pub(super) fn state(compat: Compat) -> String {
    match compat {
        Compat::Same => "same".to_owned(),
        Compat::Differs(how) => format!("differs: {how}"),
        Compat::NotYet(instead) => format!("not yet: {instead}"),
    }
}

/// Returns the same in a sentence; `None` if there is no difference.
pub(super) fn difference(compat: Compat) -> Option<String> {
    match compat {
        Compat::Same => None,
        Compat::Differs(how) => Some(format!("*Differs:* {how}.")),
        Compat::NotYet(instead) => Some(format!("*Not yet:* {instead}.")),
    }
}

/// Returns the names of protocols, each with its number.
pub(super) fn protocols() -> String {
    join(
        PROTOCOLS
            .iter()
            .map(|(name, number)| format!("`{name}` ({number})")),
    )
}

/// Returns the names of TCP states.
pub(super) fn states() -> String {
    join(TcpState::NAMES.iter().map(|(name, _)| format!("`{name}`")))
}

/// Joins words to a list in a sentence.
pub(super) fn join(words: impl Iterator<Item = String>) -> String {
    words.collect::<Vec<String>>().join(", ")
}
