//! `Filter`, and the old clauses that have become part of it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Scope;
use crate::diagnose::{Code, Diagnostic, Sink};
use crate::model::{Filter, FilterPlace, FilterSet, Network, Policy, TcpState};
use crate::parse::Clause;
use crate::parse::value::Value;
use crate::schema::KERNEL_ENTRIES_MAX;
use crate::span::{Span, Spanned};

pub(super) fn filter(file: &Scope<'_>, general: &Scope<'_>, sync: &Scope<'_>, sink: &mut Sink) -> Filter {
    let filters = general.named("Filter");
    let sets = Scope::inside(&filters);
    let place = place(&filters, sink);

    let mut protocols = parts(&sets, "Protocol", protocol, sink);
    protocols.extend(old_parts(&file.named("IgnoreProtocol"), Policy::Ignore, protocol));
    let mut addresses = parts(&sets, "Address", network, sink);
    addresses.extend(old_parts(
        &file.named("IgnoreTrafficFor"),
        Policy::Ignore,
        network,
    ));
    let mut states = parts(&sets, "State", state, sink);
    states.extend(old_parts(
        &Scope::inside(sync).named("Replicate"),
        Policy::Accept,
        state,
    ));

    let addresses = merge(addresses, place.value, RepeatedEntries::Warn, sink);
    if let (FilterPlace::Kernelspace, Some(set)) = (place.value, &addresses) {
        check_capacity(set, sink);
    }
    Filter {
        place,
        protocols: merge(protocols, place.value, RepeatedEntries::Warn, sink),
        addresses,
        tcp_states: merge(states, place.value, RepeatedEntries::PassOver, sink),
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

fn parts<T>(sets: &Scope<'_>, name: &str, read: fn(&Value) -> Option<T>, sink: &mut Sink) -> Vec<Part<T>> {
    let mut parts = Vec::new();
    for clause in sets.named(name).clauses {
        let Some((Value::Policy(policy), span)) = clause.args.first() else {
            continue;
        };
        let entries = entries(clause, read);
        if *policy == Policy::Accept && entries.is_empty() && !sink.has_error_in(clause.whole) {
            let message = format!("`{name} Accept` without an entry lets no flow through");
            sink.push(Diagnostic::warning(Code::EmptyAccept, clause.head, message));
        }
        let title = format!("{name} {policy}");
        parts.push(Part {
            policy: Spanned::at(*policy, *span),
            title,
            head: clause.head,
            is_old: false,
            entries,
        });
    }
    parts
}

fn old_parts<T>(clauses: &Scope<'_>, policy: Policy, read: fn(&Value) -> Option<T>) -> Vec<Part<T>> {
    let part = |clause: &&Clause| Part {
        policy: Spanned::at(policy, clause.head),
        title: clause.name.to_owned(),
        head: clause.head,
        is_old: true,
        entries: entries(clause, read),
    };
    clauses.clauses.iter().map(part).collect()
}

/// Whether an entry that is given twice is worth a warning.
#[derive(Clone, Copy)]
enum RepeatedEntries {
    Warn,
    PassOver,
}

/// Joins the blocks of one set. Of two policies the stock daemon takes the last, but a filter in the
/// kernel that ignores goes on ignoring.
fn merge<T: Copy + Ord>(
    parts: Vec<Part<T>>,
    place: FilterPlace,
    repeated: RepeatedEntries,
    sink: &mut Sink,
) -> Option<FilterSet<T>> {
    let mut parts = parts.into_iter();
    let first = parts.next()?;
    let mut policy = first.policy;
    let mut entries = first.entries;
    for part in parts {
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
        entries.extend(part.entries);
    }
    let mut seen: BTreeMap<T, Option<Span>> = BTreeMap::new();
    entries.retain(|entry| {
        let Some(before) = seen.get(&entry.value) else {
            seen.insert(entry.value, entry.span);
            return true;
        };
        if let (RepeatedEntries::Warn, Some(span), Some(before)) = (repeated, entry.span, *before) {
            sink.push(
                Diagnostic::warning(Code::RepeatedEntry, span, "this entry is given twice")
                    .with_related(before, "given here before"),
            );
        }
        false
    });
    Some(FilterSet { policy, entries })
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
