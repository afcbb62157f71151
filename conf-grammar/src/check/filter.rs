//! Filters: what must not be replicated, and what must.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::diagnose::{Code, Diagnostic, Sink};
use crate::model::{
    Config, Filter, FilterSet, Link, LinkSet, Links, MulticastGroup, Network, Policy, TcpState, Unicast,
};
use crate::span::{Span, Spanned};

/// Protocol numbers of IANA.
const TCP: u8 = 6;
const UDP: u8 = 17;

/// A flow of the node itself, by what is known of its ends.
struct OwnFlow {
    protocols: &'static [u8],
    ends: Vec<IpAddr>,
    /// An end that is not known, but on one network with this address.
    neighbour: Option<IpAddr>,
    /// The link that makes it.
    link: Option<Span>,
}

impl OwnFlow {
    fn of_link(protocols: &'static [u8], ends: impl IntoIterator<Item = IpAddr>, link: Span) -> Self {
        Self {
            protocols,
            ends: ends.into_iter().filter(|end| !end.is_unspecified()).collect(),
            neighbour: None,
            link: Some(link),
        }
    }

    /// Whether an end is certainly in a list, or in all likelihood.
    fn is_listed(&self, set: &FilterSet<Network>) -> bool {
        self.ends.iter().any(|end| contains(set, *end))
            || self
                .neighbour
                .is_some_and(|address| holds_network_of(set, address))
    }

    /// Whether such flows reach the caches. A filter looks at the sources of both directions, and
    /// those are the two ends.
    fn passes(&self, filter: &Filter) -> bool {
        self.protocols
            .iter()
            .any(|protocol| passes_protocol(filter, *protocol))
            && filter
                .addresses
                .as_ref()
                .is_none_or(|set| self.is_listed(set) == (set.policy.value == Policy::Accept))
    }

    /// The end to name: one that the filter accepts, or the first, for any of them can be ignored.
    fn to_name(&self, filter: &Filter) -> Option<IpAddr> {
        let accepts = |end: &&IpAddr| {
            filter
                .addresses
                .as_ref()
                .is_some_and(|set| set.policy.value == Policy::Accept && contains(set, **end))
        };
        let known = self.ends.iter();
        let accepted = known.chain(&self.neighbour).find(accepts);
        accepted.or(self.ends.first()).copied()
    }
}

fn passes_protocol(filter: &Filter, protocol: u8) -> bool {
    filter.protocols.as_ref().is_none_or(|set| {
        let is_listed = set.entries.iter().any(|entry| entry.value == protocol);
        is_listed == (set.policy.value == Policy::Accept)
    })
}

fn contains(set: &FilterSet<Network>, address: IpAddr) -> bool {
    set.entries.iter().any(|entry| {
        let network = entry.value;
        Network::new(address, network.prefix_len()) == Some(network)
    })
}

/// Whether a list holds a network, and not the host alone, in which the address is.
fn holds_network_of(set: &FilterSet<Network>, address: IpAddr) -> bool {
    let host = Network::host(address);
    set.entries.iter().any(|entry| {
        let network = entry.value;
        network != host && Network::new(address, network.prefix_len()) == Some(network)
    })
}

/// The flows of the links and of the loopback.
fn own_flows(links: &Links) -> Vec<OwnFlow> {
    let mut flows = match links {
        Links::Multicast(links) => links.as_slice().iter().flat_map(multicast).collect(),
        Links::Udp(links) => unicast(&[UDP], links),
        Links::Tcp { links, .. } => unicast(&[TCP], links),
    };
    for loopback in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        flows.push(OwnFlow {
            protocols: &[TCP, UDP],
            ends: vec![loopback],
            neighbour: None,
            link: None,
        });
    }
    flows
}

/// From this node to the group, and from the peer, whose address the file does not say.
fn multicast(link: &Link<MulticastGroup>) -> [OwnFlow; 2] {
    let group = link.transport.group().value;
    let local = match link.transport {
        MulticastGroup::V4 { local, .. } => local.value.map(IpAddr::V4),
        MulticastGroup::V6 { .. } => None,
    };
    let own = [Some(group), local].into_iter().flatten();
    let of_peer = OwnFlow {
        neighbour: local,
        ..OwnFlow::of_link(&[UDP], [group], link.span)
    };
    [OwnFlow::of_link(&[UDP], own, link.span), of_peer]
}

fn unicast(protocols: &'static [u8], links: &LinkSet<Unicast>) -> Vec<OwnFlow> {
    let flow = |link: &Link<Unicast>| {
        let addresses = link.transport.addresses;
        let ends = [addresses.local().value, addresses.peer().value];
        OwnFlow::of_link(protocols, ends, link.span)
    };
    links.as_slice().iter().map(flow).collect()
}

/// What the daemons tell each other makes events too, and must not be told in turn.
pub(super) fn own_traffic(config: &Config, sink: &mut Sink) {
    let Some(sync) = config.sync() else { return };
    let filter = &config.general.filter;
    let mut flows = own_flows(&sync.links);
    let Some(first_link) = flows.iter().find_map(|flow| flow.link) else {
        return;
    };
    flows.retain(|flow| flow.passes(filter));
    let mut addresses: Vec<IpAddr> = flows.iter().filter_map(|flow| flow.to_name(filter)).collect();
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        return;
    }
    let named: Vec<String> = addresses.iter().map(|address| format!("`{address}`")).collect();
    let entries: Vec<String> = addresses.iter().map(entry).collect();
    let (named, entries) = (named.join(", "), entries.join(" "));
    let (place, reason, help) = match filter.addresses.as_ref().map(|set| set.policy) {
        None => (
            None,
            "no filter ignores",
            format!("write in `General`: `Filter {{ Address Ignore {{ {entries} }} }}`"),
        ),
        Some(Spanned {
            value: Policy::Ignore,
            span,
        }) => (
            span,
            "the filter does not ignore",
            format!("add to the list: `{entries}`"),
        ),
        Some(Spanned {
            value: Policy::Accept,
            span,
        }) => (
            span,
            "the filter accepts",
            "write narrower networks, without the addresses of the nodes".to_owned(),
        ),
    };
    let message = format!("the node replicates its own flows: {reason} {named}");
    let mut warning =
        Diagnostic::warning(Code::LinkNotIgnored, place.unwrap_or(first_link), message).with_help(help);
    if place.is_some() {
        let mut links: Vec<Span> = flows.iter().filter_map(|flow| flow.link).collect();
        links.dedup();
        for link in links {
            warning = warning.with_related(link, "the flow of this link");
        }
    }
    sink.push(warning);
}

/// Writes an address as the entry of a filter.
fn entry(address: &IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("IPv4_address {address}"),
        IpAddr::V6(address) => format!("IPv6_address {address}"),
    }
}

/// A backup that knows no established flow has nothing to take over.
pub(super) fn lazy_backup(config: &Config, sink: &mut Sink) {
    let filter = &config.general.filter;
    let (Some(_), Some(set)) = (config.sync(), &filter.tcp_states) else {
        return;
    };
    let established = set
        .entries
        .iter()
        .find(|entry| entry.value == TcpState::Established);
    let place = match set.policy.value {
        Policy::Accept if established.is_none() && !set.entries.is_empty() => set.policy.span,
        Policy::Ignore => established.and_then(|entry| entry.span),
        Policy::Accept => None,
    };
    if let (Some(span), true) = (place, passes_protocol(filter, TCP)) {
        let message = "established TCP flows are not replicated: at a take-over all open connections die";
        let help = match set.policy.value {
            Policy::Accept => "add `ESTABLISHED` to the list",
            Policy::Ignore => "remove `ESTABLISHED` from the list",
        };
        sink.push(Diagnostic::warning(Code::LazyBackup, span, message).with_help(help));
    }
}

/// Nobody ignores TCP because he wants its flows to die.
pub(super) fn without_tcp(config: &Config, sink: &mut Sink) {
    let (Some(_), Some(set)) = (config.sync(), &config.general.filter.protocols) else {
        return;
    };
    let ignored = match set.policy.value {
        Policy::Ignore => set.entries.iter().find(|entry| entry.value == TCP),
        Policy::Accept => None,
    };
    if let Some(span) = ignored.and_then(|entry| entry.span) {
        let message = "no TCP flow is replicated: at a take-over all open connections die";
        let help = "remove `TCP` from the list";
        sink.push(Diagnostic::warning(Code::LazyBackup, span, message).with_help(help));
    }
}

/// A list of one family says nothing of the other, and yet decides on it.
pub(super) fn without_a_family(config: &Config, sink: &mut Sink) {
    let Some(set) = &config.general.filter.addresses else {
        return;
    };
    match set.policy.value {
        Policy::Ignore => {
            for entry in set.entries.iter().filter(|entry| entry.value.prefix_len() == 0) {
                let Some(span) = entry.span else { continue };
                let message = format!(
                    "`{}` is every {} address: none of these flows is kept",
                    entry.value,
                    family(entry.value)
                );
                sink.push(Diagnostic::warning(Code::NarrowFilter, span, message));
            }
        }
        Policy::Accept => {
            let has_ipv4 = set.entries.iter().any(|entry| entry.value.address().is_ipv4());
            let has_ipv6 = set.entries.iter().any(|entry| entry.value.address().is_ipv6());
            let (missing, everything) = match (has_ipv4, has_ipv6) {
                (true, false) => ("IPv6", "IPv6_address ::/0"),
                (false, true) => ("IPv4", "IPv4_address 0.0.0.0/0"),
                (true, true) | (false, false) => return,
            };
            let Some(span) = set.policy.span else { return };
            let message = format!("`Address Accept` names no {missing} address: no {missing} flow is kept");
            let help = format!("if they are wanted, add `{everything}`");
            sink.push(Diagnostic::note(Code::NarrowFilter, span, message).with_help(help));
        }
    }
}

fn family(network: Network) -> &'static str {
    if network.address().is_ipv4() {
        "IPv4"
    } else {
        "IPv6"
    }
}
