//! `Multicast`, `UDP` and `TCP`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use super::Scope;
use crate::diagnose::{Code, Diagnostic, Sink, echo};
use crate::model::{Interface, Link, LinkSet, Links, MulticastGroup, Unicast, UnicastAddresses};
use crate::parse::Clause;
use crate::schema::{BlockKind, LINKS_MAX, Setting};
use crate::span::Spanned;

const BOTH_JOIN: &str = "both join the group, and what is sent over one arrives over both";
/// The same for every kind of link.
const CHECKSUM: Setting<bool> = Setting::switch(BlockKind::Udp, "Checksum");
const ERROR_QUEUE_LEN: Setting<u32> = Setting::number(BlockKind::Tcp, "ErrorQueueLength");

/// Reads where a link goes, and over which interface.
type ReadTransport<T> = fn(&Clause, &Scope<'_>, &mut Sink) -> Option<(T, Spanned<Interface>)>;

/// Reads the links of the `Sync` sections; `direct` is what stands in them.
pub(super) fn links(sections: &Scope<'_>, direct: &Scope<'_>, sink: &mut Sink) -> Option<Links> {
    let is_link = |clause: &&Clause| matches!(clause.name, "Multicast" | "UDP" | "TCP");
    let clauses = Scope::new(direct.clauses.iter().copied().filter(is_link));
    let Some(first) = clauses.first() else {
        check_misspelt(sections, sink);
        return None;
    };
    check_count(&clauses, first, sink);
    let default_index = default_index(&clauses, sink);
    let of_kind = clauses.named(first.name);
    let checksum = direct.bool(CHECKSUM);
    if first.name == "Multicast" {
        let links = build(&of_kind, checksum, multicast, sink);
        check_duplicates(&links, same_group, |error| sink.tolerate(error, BOTH_JOIN));
        return Some(Links::Multicast(LinkSet::new(links, default_index)?));
    }
    let links = build(&of_kind, checksum, unicast, sink);
    check_duplicates(&links, same_socket, |error| sink.push(error));
    if first.name == "UDP" {
        return Some(Links::Udp(LinkSet::new(links, default_index)?));
    }
    let error_queue_len = Scope::inside(&of_kind).number_or(ERROR_QUEUE_LEN);
    Some(Links::Tcp {
        links: LinkSet::new(links, default_index)?,
        error_queue_len,
    })
}

/// Reports that there is no link, unless a word was not understood that may have been one.
fn check_misspelt(sections: &Scope<'_>, sink: &mut Sink) {
    if sections.has_unknown_clause(sink) {
        return;
    }
    if let Some(section) = sections.first() {
        let message = "`Sync` has no link: one `Multicast`, `UDP` or `TCP` block is needed";
        sink.push(Diagnostic::error(Code::NoLink, section.head, message));
    }
}

fn check_count(clauses: &Scope<'_>, first: &Clause, sink: &mut Sink) {
    for clause in clauses.clauses.iter().filter(|clause| clause.name != first.name) {
        let message = format!(
            "a `{}` link beside a `{}` link: all are of one kind",
            clause.name, first.name
        );
        sink.push(
            Diagnostic::error(Code::MixedTransports, clause.head, message)
                .with_related(first.head, "the first link"),
        );
    }
    if let Some(clause) = clauses.clauses.get(LINKS_MAX) {
        let message = format!(
            "there are {} links, at most {LINKS_MAX} are allowed",
            clauses.clauses.len()
        );
        sink.push(Diagnostic::error(Code::TooManyLinks, clause.head, message));
    }
}

/// The link that is marked `Default`, else the first.
fn default_index(clauses: &Scope<'_>, sink: &mut Sink) -> usize {
    let mut marked = clauses
        .clauses
        .iter()
        .enumerate()
        .filter(|(_, clause)| !clause.args.is_empty());
    let Some((mut index, first)) = marked.next() else {
        return 0;
    };
    for (later, clause) in marked {
        let message = format!("a second `{}` link is marked `Default`", clause.name);
        let error = Diagnostic::error(Code::ManyDefaults, clause.head, message)
            .with_related(first.head, "the first one");
        sink.tolerate(error, "the last one is used at start");
        index = later;
    }
    index
}

fn build<T>(
    clauses: &Scope<'_>,
    checksum: Spanned<bool>,
    transport: ReadTransport<T>,
    sink: &mut Sink,
) -> Vec<Link<T>> {
    let mut links = Vec::new();
    for clause in &clauses.clauses {
        let body = Scope::new(clause.clauses.iter());
        body.warn_repeats(sink);
        if let Some((transport, interface)) = transport(clause, &body, sink) {
            links.push(Link {
                span: clause.head,
                transport,
                interface,
                send_buffer: body.optional_number("SndSocketBuffer"),
                recv_buffer: body.optional_number("RcvSocketBuffer"),
                checksum: match body.last(CHECKSUM.name) {
                    Some(_) => body.bool(CHECKSUM),
                    None => checksum,
                },
            });
        }
    }
    links
}

/// Reports links that cannot both have their address; `clash` says what two of them share.
fn check_duplicates<T>(
    links: &[Link<T>],
    clash: fn(&Link<T>, &Link<T>) -> Option<String>,
    mut report: impl FnMut(Diagnostic),
) {
    let links = links.get(..LINKS_MAX).unwrap_or(links);
    for (i, link) in links.iter().enumerate() {
        let before = links
            .iter()
            .take(i)
            .find_map(|before| Some((before, clash(before, link)?)));
        if let Some((before, shared)) = before {
            let message = format!("two links {shared}");
            let error = Diagnostic::error(Code::DuplicateLink, link.span, message);
            report(error.with_related(before.span, "the other one"));
        }
    }
}

fn same_group(one: &Link<MulticastGroup>, other: &Link<MulticastGroup>) -> Option<String> {
    let group = |link: &Link<MulticastGroup>| scoped(link.transport.group().value, &link.interface.value);
    let port = |link: &Link<MulticastGroup>| link.transport.port().value;
    (group(one) == group(other) && port(one) == port(other)).then(|| {
        let group = one.transport.group().value;
        format!("over the group {group}{}", at_port(port(one)))
    })
}

/// Each link listens on a socket of its own. One without a local address takes the port of all
/// addresses; over IPv6 those of IPv4 are among them.
fn same_socket(one: &Link<Unicast>, other: &Link<Unicast>) -> Option<String> {
    let port = one
        .transport
        .port
        .value
        .filter(|port| other.transport.port.value == Some(*port))?;
    let [local, other_local] = [one, other].map(|link| link.transport.addresses.local().value.to_canonical());
    let takes =
        |wide: IpAddr, address: IpAddr| wide.is_unspecified() && (wide.is_ipv6() || address.is_ipv4());
    let shared = if takes(local, other_local) {
        other_local
    } else if takes(other_local, local)
        || scoped(local, &one.interface.value) == scoped(other_local, &other.interface.value)
    {
        local
    } else {
        return None;
    };
    Some(format!("listen on {shared}, port {port}"))
}

fn at_port(port: Option<NonZeroU16>) -> String {
    port.map_or(String::new(), |port| format!(", port {port}"))
}

/// Link-local addresses are told apart by their interface, others are not.
fn scoped(address: IpAddr, interface: &Interface) -> (IpAddr, Option<Interface>) {
    let is_link_local = match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(v6) => v6.is_unicast_link_local() || (v6.is_multicast() && v6.segments()[0] & 0xf == 2),
    };
    (address, is_link_local.then(|| interface.clone()))
}

fn multicast(
    clause: &Clause,
    body: &Scope<'_>,
    sink: &mut Sink,
) -> Option<(MulticastGroup, Spanned<Interface>)> {
    check_families(body, &["IPv4_address", "IPv4_interface"], &["IPv6_address"], sink);
    let v4 = body.ipv4("IPv4_address");
    let v6 = body.ipv6("IPv6_address");
    let local = body.ipv4("IPv4_interface");
    let port = port(body, "Group");
    let interface = named_interface(body).or(local.map(|address| address.map(Interface::Carrying)));
    require(
        clause,
        &[
            Part::needed(v4.is_some() || v6.is_some(), "`IPv4_address` or `IPv6_address`"),
            Part::tolerated(port.value.is_some(), "`Group`"),
            Part::needed(interface.is_some(), "`Interface`"),
        ],
        sink,
    );
    check_is_multicast(v4.map(|group| group.map(IpAddr::V4)), sink);
    check_is_multicast(v6.map(|group| group.map(IpAddr::V6)), sink);
    let interface = interface?;
    if let Interface::Carrying(address) = interface.value
        && !sink.has_error_in(clause.whole)
    {
        let message = format!("the interface of this link is the one that carries {address}");
        let warning = Diagnostic::warning(Code::DerivedInterface, clause.head, message);
        sink.push(warning.with_help("name it with `Interface`"));
    }
    let local = local.map_or(Spanned::default_of(None), |address| address.map(Some));
    let group = match (v4, v6) {
        (Some(group), _) => MulticastGroup::V4 { group, port, local },
        (None, Some(group)) => MulticastGroup::V6 { group, port },
        (None, None) => return None,
    };
    Some((group, interface))
}

fn unicast(clause: &Clause, body: &Scope<'_>, sink: &mut Sink) -> Option<(Unicast, Spanned<Interface>)> {
    check_families(
        body,
        &["IPv4_address", "IPv4_Destination_Address"],
        &["IPv6_address", "IPv6_Destination_Address"],
        sink,
    );
    let v4 = Ends {
        local: body.ipv4("IPv4_address"),
        peer: body.ipv4("IPv4_Destination_Address"),
    };
    let v6 = Ends {
        local: body.ipv6("IPv6_address"),
        peer: body.ipv6("IPv6_Destination_Address"),
    };
    let port = port(body, "Port");
    let interface = named_interface(body);
    let is_someone = |peer: IpAddr| !peer.to_canonical().is_unspecified();
    let has_peer = v4.peer.is_some_and(|peer| is_someone(peer.value.into()))
        || v6.peer.is_some_and(|peer| is_someone(peer.value.into()));
    let peer = if v4.peer.is_some() || v6.peer.is_some() {
        "a peer (the unspecified address is none)"
    } else {
        "`IPv4_Destination_Address` or `IPv6_Destination_Address`"
    };
    require(
        clause,
        &[
            if v4.local.is_some() || v6.local.is_some() {
                Part::tolerated(has_peer, peer)
            } else {
                Part::needed(has_peer, peer)
            },
            Part::tolerated(port.value.is_some(), "`Port`"),
            Part::needed(interface.is_some(), "`Interface`"),
        ],
        sink,
    );
    let addresses = if v4.peer.is_some() || (v4.local.is_some() && v6.peer.is_none()) {
        let (local, peer) = v4.or(Ipv4Addr::UNSPECIFIED);
        UnicastAddresses::V4 { local, peer }
    } else {
        let (local, peer) = v6.or(Ipv6Addr::UNSPECIFIED);
        UnicastAddresses::V6 { local, peer }
    };
    check_is_unicast(addresses.local(), sink);
    check_is_unicast(addresses.peer(), sink);
    check_is_other(clause, addresses, sink);
    if addresses.local().span.is_none() && !sink.has_error_in(clause.whole) {
        let message = format!(
            "this `{}` link has no local address and listens on all of them",
            clause.name
        );
        sink.push(Diagnostic::warning(Code::ListensOnAll, clause.head, message));
    }
    Some((Unicast { addresses, port }, interface?))
}

/// The addresses of one family in a link, where the file gives them.
struct Ends<A> {
    local: Option<Spanned<A>>,
    peer: Option<Spanned<A>>,
}

impl<A: Copy> Ends<A> {
    /// Local address and peer, `unspecified` where the file gives none.
    fn or(&self, unspecified: A) -> (Spanned<A>, Spanned<A>) {
        let unspecified = Spanned::default_of(unspecified);
        (
            self.local.unwrap_or(unspecified),
            self.peer.unwrap_or(unspecified),
        )
    }
}

fn port(body: &Scope<'_>, name: &str) -> Spanned<Option<NonZeroU16>> {
    body.number(name).map_or(Spanned::default_of(None), |number| {
        number.map(|number| u16::try_from(number).ok().and_then(NonZeroU16::new))
    })
}

fn named_interface(body: &Scope<'_>) -> Option<Spanned<Interface>> {
    body.text("Interface").map(|name| name.map(Interface::Named))
}

/// Something that a link is made of.
struct Part {
    is_there: bool,
    name: &'static str,
    /// Whether the stock daemon starts without it, although the link is then of no use.
    is_tolerated: bool,
}

impl Part {
    fn needed(is_there: bool, name: &'static str) -> Self {
        Self {
            is_there,
            name,
            is_tolerated: false,
        }
    }

    fn tolerated(is_there: bool, name: &'static str) -> Self {
        Self {
            is_tolerated: true,
            ..Self::needed(is_there, name)
        }
    }
}

/// Reports what a link lacks, unless something in it is in error: that may be the missing part.
fn require(clause: &Clause, parts: &[Part], sink: &mut Sink) {
    let missing: Vec<&Part> = parts.iter().filter(|part| !part.is_there).collect();
    if missing.is_empty() || sink.has_error_in(clause.whole) {
        return;
    }
    let names: Vec<&str> = missing.iter().map(|part| part.name).collect();
    let message = format!("this `{}` link lacks {}", clause.name, names.join(", "));
    let error = Diagnostic::error(Code::LinkIncomplete, clause.head, message);
    if missing.iter().all(|part| part.is_tolerated) {
        sink.tolerate(
            error,
            "the link is opened, but no message reaches the peer over it",
        );
    } else {
        sink.push(error);
    }
}

/// Reports the first address that is of another family than the first of all.
fn check_families(body: &Scope<'_>, v4: &[&str], v6: &[&str], sink: &mut Sink) {
    let first_of = |names: &[&str]| {
        names
            .iter()
            .filter_map(|name| body.named(name).first())
            .min_by_key(|c| c.head)
    };
    if let (Some(v4), Some(v6)) = (first_of(v4), first_of(v6)) {
        let (first, second) = if v4.head < v6.head { (v4, v6) } else { (v6, v4) };
        let message = format!(
            "`{}` beside `{}`: a link is IPv4 or IPv6",
            second.name, first.name
        );
        sink.push(
            Diagnostic::error(Code::FamilyMismatch, second.head, message)
                .with_related(first.head, "the other family"),
        );
    }
}

fn check_is_multicast(group: Option<Spanned<IpAddr>>, sink: &mut Sink) {
    if let Some(Spanned {
        value,
        span: Some(span),
    }) = group
        && !value.is_multicast()
    {
        let message = format!("{} is not a multicast address", echo(&value.to_string()));
        let range = if value.is_ipv4() {
            "224.0.0.0/4"
        } else {
            "ff00::/8"
        };
        let help = format!("multicast addresses are those of {range}");
        sink.push(Diagnostic::error(Code::NotMulticast, span, message).with_help(help));
    }
}

/// Whatever is sent to many does not arrive at a socket for one.
fn check_is_unicast(address: Spanned<IpAddr>, sink: &mut Sink) {
    let Spanned {
        value,
        span: Some(span),
    } = address
    else {
        return;
    };
    let kind = match value.to_canonical() {
        IpAddr::V4(Ipv4Addr::BROADCAST) => "the broadcast address",
        many if many.is_multicast() => "a multicast address",
        IpAddr::V4(_) | IpAddr::V6(_) => return,
    };
    let message = format!(
        "{} is {kind}: both ends of this link are single nodes",
        echo(&value.to_string())
    );
    let help = "a link to many nodes is a `Multicast` block";
    sink.push(Diagnostic::error(Code::NotUnicast, span, message).with_help(help));
}

/// The two ends are two nodes.
fn check_is_other(clause: &Clause, addresses: UnicastAddresses, sink: &mut Sink) {
    let (local, peer) = (addresses.local(), addresses.peer());
    let is_same = local.value.to_canonical() == peer.value.to_canonical();
    if let (true, Some(place), Some(span)) = (is_same, local.span, peer.span)
        && !peer.value.to_canonical().is_unspecified()
        && !sink.has_error_in(clause.whole)
    {
        let message = format!(
            "{} is the address of this node and of the peer",
            echo(&peer.value.to_string())
        );
        let error = Diagnostic::error(Code::Contradiction, span, message)
            .with_related(place, "this node")
            .with_help("give the address of the other node");
        sink.tolerate(error, "the daemon hears itself, and nobody else");
    }
}
