//! Block `Filter`.

use super::{Printer, Spell};
use crate::model::{Filter, FilterPlace, FilterSet, NAMELESS_PROTOCOL, Network, TcpState, protocol_spelling};
use crate::schema::BlockKind;
use crate::span::Spanned;

/// Writes the filter and returns the protocols that it has no room for.
///
/// A protocol without a name cannot stand in `Protocol`; the old clause `IgnoreProtocol` takes its number
/// and adds to the same set. What comes behind such a number goes with it, so that the order is kept.
pub(super) fn filter<'f>(filter: &'f Filter, out: &mut Printer) -> &'f [Spanned<u8>] {
    let Filter {
        place,
        protocols,
        addresses,
        tcp_states,
    } = filter;
    let (named, rest) = match protocols {
        Some(FilterSet { policy: _, entries }) => {
            let is_nameless = |entry: &Spanned<u8>| protocol_spelling(entry.value).is_none();
            entries.split_at(entries.iter().position(is_nameless).unwrap_or(entries.len()))
        }
        None => Default::default(),
    };
    let block = protocols
        .as_ref()
        .filter(|_| rest.is_empty() || !named.is_empty());
    if place.value == FilterPlace::Userspace && block.is_none() && addresses.is_none() && tcp_states.is_none()
    {
        if rest.is_empty() {
            out.remark("no Filter: every flow counts");
        }
        return rest;
    }
    let from = match place.value {
        FilterPlace::Userspace => "Userspace",
        FilterPlace::Kernelspace => "Kernelspace",
    };
    out.open(&format!("Filter From {from}"), BlockKind::Filter);
    if let Some(set) = block {
        out.open(&format!("Protocol {}", set.policy.value), BlockKind::Protocols);
        for entry in named {
            out.line(&protocol(entry.value));
        }
        out.close();
    }
    if let Some(set) = addresses {
        self::addresses(set, out);
    }
    if let Some(set) = tcp_states {
        states(set, out);
    }
    out.close();
    rest
}

/// Writes the protocols that a `Filter` cannot name.
pub(super) fn ignore_protocol(protocols: &[Spanned<u8>], out: &mut Printer) {
    if protocols.is_empty() {
        return;
    }
    out.open("IgnoreProtocol", BlockKind::IgnoredProtocols);
    out.remark(NAMELESS_PROTOCOL);
    for entry in protocols {
        out.line(&protocol(entry.value));
    }
    out.close();
}

fn addresses(set: &FilterSet<Network>, out: &mut Printer) {
    let FilterSet { policy, entries } = set;
    out.open(&format!("Address {}", policy.value), BlockKind::Addresses);
    for entry in entries {
        let network = entry.value;
        let family = if network.address().is_ipv4() {
            "IPv4_address"
        } else {
            "IPv6_address"
        };
        if network == Network::host(network.address()) {
            out.line(&format!("{family} {}", network.address()));
        } else {
            out.line(&format!("{family} {network}"));
        }
    }
    out.close();
}

fn states(set: &FilterSet<TcpState>, out: &mut Printer) {
    let FilterSet { policy, entries } = set;
    out.open(&format!("State {}", policy.value), BlockKind::States);
    if !entries.is_empty() {
        let names: Vec<String> = entries.iter().map(|entry| entry.value.spell()).collect();
        out.line(&format!("{} for TCP", names.join(" ")));
    }
    out.close();
}

/// The name of a protocol, its number if it has none.
fn protocol(number: u8) -> String {
    protocol_spelling(number).unwrap_or_else(|| number.to_string())
}
