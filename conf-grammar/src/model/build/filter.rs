//! `Filter`, and the old clauses that have become part of it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Scope;
use crate::diagnose::{Code, Diagnostic, Sink};
use crate::model::{Filter, FilterPlace, FilterSet, Network, Policy, TcpState, protocol_spelling};
use crate::parse::Clause;
use crate::parse::value::Value;
use crate::schema::KERNEL_ENTRIES_MAX;
use crate::span::{Span, Spanned};

pub(super) fn filter(file: &Scope<'_>, general: &Scope<'_>, sync: &Scope<'_>, sink: &mut Sink) -> Filter {
    let filters = general.named("Filter");
    let sets = Scope::inside(&filters);
    let place = place(&filters, sink);

    let mut protocols = parts(&sets, "Protocol", protocol);
    protocols.extend(old_parts(&file.named("IgnoreProtocol"), Policy::Ignore, protocol));
    let mut addresses = parts(&sets, "Address", network);
    addresses.extend(old_parts(
        &file.named("IgnoreTrafficFor"),
        Policy::Ignore,
        network,
    ));
    let mut states = parts(&sets, "State", state);
    states.extend(old_parts(
        &Scope::inside(sync).named("Replicate"),
        Policy::Accept,
        state,
    ));

    let addresses = merge(addresses, place.value, &ADDRESSES, sink);
    if let (FilterPlace::Kernelspace, Some(set)) = (place.value, &addresses) {
        check_capacity(set, sink);
    }
    Filter {
        place,
        protocols: merge(protocols, place.value, &PROTOCOLS, sink),
        addresses,
        tcp_states: merge(states, place.value, &STATES, sink),
    }
}

fn place(filters: &Scope<'_>, sink: &mut Sink) -> Spanned<FilterPlace> {
    let mut last: Option<(Spanned<FilterPlace>, Span)> = None;
    for clause in &filters.clauses {
        let place = match clause.args.first() {
            Some((Value::Place(place), span)) => Spanned::at(*place, *span),
            _ => Spanned::default_of(FilterPlace::Userspace),
        };
        if let Some((before, head)) = last
            && before.value != place.value
        {
            let message = "this `Filter` works in another place than the one before";
            let error = Diagnostic::error(Code::Contradiction, clause.head, message)
                .with_related(head, "the one before")
                .with_help("a `Filter` without `From` works in `Userspace`");
            sink.tolerate(error, "this one decides for all");
        }
        last = Some((place, clause.head));
    }
    last.map_or(Spanned::default_of(FilterPlace::Userspace), |(place, _)| place)
}

/// One block of a filter set.
struct Part<T> {
    policy: Spanned<Policy>,
    /// How messages call it.
    title: String,
    head: Span,
    whole: Span,
    /// Whether it is an old clause, which the stock daemon does not know any more.
    is_old: bool,
    entries: Vec<Spanned<T>>,
}

fn protocol(value: &Value) -> Option<u8> {
    if let Value::Protocol(number) = value {
        Some(*number)
    } else {
        None
    }
}

fn network(value: &Value) -> Option<Network> {
    if let Value::Address(address) = value {
        Some(Network::host(*address))
    } else if let Value::Network(network, _) = value {
        Some(*network)
    } else {
        None
    }
}

fn state(value: &Value) -> Option<TcpState> {
    if let Value::State(state) = value {
        Some(*state)
    } else {
        None
    }
}

/// The entries of a block: its list, the values of its clauses, or what stands behind the keyword.
fn entries<T>(clause: &Clause, read: fn(&Value) -> Option<T>) -> Vec<Spanned<T>> {
    let values = clause.args.iter().chain(&clause.items);
    let nested = clause.clauses.iter().flat_map(|inner| &inner.args);
    values
        .chain(nested)
        .filter_map(|(value, span)| Some(Spanned::at(read(value)?, *span)))
        .collect()
}

fn parts<T>(sets: &Scope<'_>, name: &str, read: fn(&Value) -> Option<T>) -> Vec<Part<T>> {
    let part = |clause: &&Clause| {
        let Some((Value::Policy(policy), span)) = clause.args.first() else {
            return None;
        };
        Some(Part {
            policy: Spanned::at(*policy, *span),
            title: format!("{name} {policy}"),
            head: clause.head,
            whole: clause.whole,
            is_old: false,
            entries: entries(clause, read),
        })
    };
    sets.named(name).clauses.iter().filter_map(part).collect()
}

fn old_parts<T>(clauses: &Scope<'_>, policy: Policy, read: fn(&Value) -> Option<T>) -> Vec<Part<T>> {
    let part = |clause: &&Clause| Part {
        policy: Spanned::at(policy, clause.head),
        title: clause.name.to_owned(),
        head: clause.head,
        whole: clause.whole,
        is_old: true,
        entries: entries(clause, read),
    };
    clauses.clauses.iter().map(part).collect()
}

/// What messages say about the sets of one kind.
struct Wording<T> {
    /// What a set that accepts nothing keeps out.
    all: &'static str,
    /// Writes an entry that is given twice, `None` where that is not worth a warning.
    repeated: Option<fn(T) -> String>,
}

const PROTOCOLS: Wording<u8> = Wording {
    all: "every flow",
    repeated: Some(|number| protocol_spelling(number).unwrap_or_else(|| number.to_string())),
};
const ADDRESSES: Wording<Network> = Wording {
    all: "every flow",
    repeated: Some(|network| network.to_string()),
};
const STATES: Wording<TcpState> = Wording {
    all: "every TCP flow whose state is known",
    repeated: None,
};

/// Joins the blocks of one set. Of two policies the stock daemon takes the last, but a filter in the
/// kernel that ignores goes on ignoring.
fn merge<T: Copy + Ord>(
    parts: Vec<Part<T>>,
    place: FilterPlace,
    wording: &Wording<T>,
    sink: &mut Sink,
) -> Option<FilterSet<T>> {
    let first = parts.first()?;
    let mut policy = first.policy;
    for part in parts.iter().skip(1) {
        if part.policy.value != first.policy.value {
            let message = format!(
                "`{}` contradicts `{}`: a set accepts or ignores",
                part.title, first.title
            );
            let error = Diagnostic::error(Code::Contradiction, part.head, message)
                .with_related(first.head, "the one before");
            if part.is_old || first.is_old {
                sink.push(error);
            } else {
                sink.tolerate(error, consequence(place));
            }
        }
        if (place, policy.value) != (FilterPlace::Kernelspace, Policy::Ignore) {
            policy = part.policy;
        }
    }
    if policy.value == Policy::Accept {
        warn_of_no_entry(&parts, wording, sink);
    }
    let mut entries = parts.into_iter().flat_map(|part| part.entries).collect();
    drop_repeated(&mut entries, wording, sink);
    Some(FilterSet { policy, entries })
}

/// Warns of a set that accepts and has no entry in any of its blocks, unless one in error may have been it.
fn warn_of_no_entry<T>(parts: &[Part<T>], wording: &Wording<T>, sink: &mut Sink) {
    let has_none = |part: &Part<T>| part.entries.is_empty() && !sink.has_error_in(part.whole);
    let accepts = |part: &&Part<T>| part.policy.value == Policy::Accept;
    if let (Some(part), true) = (parts.iter().find(accepts), parts.iter().all(has_none)) {
        let message = format!("`{}` without an entry keeps out {}", part.title, wording.all);
        sink.push(Diagnostic::warning(Code::EmptyAccept, part.head, message));
    }
}

/// Keeps the first of entries that are equal.
fn drop_repeated<T: Copy + Ord>(entries: &mut Vec<Spanned<T>>, wording: &Wording<T>, sink: &mut Sink) {
    let mut seen: BTreeMap<T, Option<Span>> = BTreeMap::new();
    entries.retain(|entry| {
        let Some(before) = seen.get(&entry.value) else {
            seen.insert(entry.value, entry.span);
            return true;
        };
        if let (Some(show), Some(span), Some(before)) = (wording.repeated, entry.span, *before) {
            let message = format!("`{}` is given twice", show(entry.value));
            sink.push(
                Diagnostic::warning(Code::RepeatedEntry, span, message)
                    .with_related(before, "given here before"),
            );
        }
        false
    });
}

fn consequence(place: FilterPlace) -> &'static str {
    match place {
        FilterPlace::Userspace => "the entries are pooled, and the last policy is that of all",
        FilterPlace::Kernelspace => "the entries are pooled, and all of them are ignored",
    }
}

fn check_capacity(set: &FilterSet<Network>, sink: &mut Sink) {
    let too_many = |is_of_family: fn(&IpAddr) -> bool| {
        let of_family = |entry: &&Spanned<Network>| is_of_family(&entry.value.address());
        set.entries.iter().filter(of_family).nth(KERNEL_ENTRIES_MAX)
    };
    let families = [
        ("IPv4", too_many(IpAddr::is_ipv4)),
        ("IPv6", too_many(IpAddr::is_ipv6)),
    ];
    for (name, entry) in families {
        if let Some(span) = entry.and_then(|entry| entry.span) {
            let message =
                format!("a filter in the kernel holds {KERNEL_ENTRIES_MAX} {name} entries, this is one more");
            sink.push(
                Diagnostic::error(Code::KernelFilterFull, span, message)
                    .with_help("join addresses to networks, or write `Filter From Userspace`"),
            );
        }
    }
}
