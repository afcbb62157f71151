//! `Multicast`, `UDP` and `TCP`.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;

use super::{Printer, Spell};
use crate::model::{Interface, Link, LinkSet, Links, MulticastGroup, Unicast, UnicastAddresses};
use crate::schema::BlockKind;
use crate::span::Spanned;

pub(super) fn links(links: &Links, out: &mut Printer) {
    match links {
        Links::Multicast(links) => each(links, "Multicast", BlockKind::Multicast, out, |link, _, out| {
            multicast(&link.transport, out);
        }),
        Links::Udp(links) => each(links, "UDP", BlockKind::Udp, out, |link, _, out| {
            unicast(&link.transport, out);
        }),
        Links::Tcp {
            links,
            error_queue_len,
        } => each(links, "TCP", BlockKind::Tcp, out, |link, index, out| {
            unicast(&link.transport, out);
            // One queue serves all links, so the first one speaks for all.
            if index == 0 {
                out.setting("ErrorQueueLength", error_queue_len);
            }
        }),
    }
}

fn each<T>(
    links: &LinkSet<T>,
    keyword: &str,
    kind: BlockKind,
    out: &mut Printer,
    transport: impl Fn(&Link<T>, usize, &mut Printer),
) {
    let is_choice = links.as_slice().len() > 1;
    for (index, link) in links.as_slice().iter().enumerate() {
        let Link {
            span: _,
            transport: _,
            interface,
            send_buffer,
            recv_buffer,
            checksum,
        } = link;
        if is_choice && index == links.default_index() {
            out.open(&format!("{keyword} Default"), kind);
        } else {
            out.open(keyword, kind);
        }
        transport(link, index, out);
        match &interface.value {
            Interface::Named(name) => out.clause("Interface", name),
            Interface::Carrying(address) => {
                out.remark(&format!("no Interface: the one that carries {address}"));
            }
        }
        out.setting("SndSocketBuffer", send_buffer);
        out.setting("RcvSocketBuffer", recv_buffer);
        out.setting("Checksum", checksum);
        out.close();
    }
}

fn multicast(group: &MulticastGroup, out: &mut Printer) {
    match group {
        MulticastGroup::V4 { group, port, local } => {
            out.clause("IPv4_address", &group.value);
            self::port("Group", *port, out);
            match &local.value {
                Some(local) => out.clause("IPv4_interface", local),
                None => out.remark("no IPv4_interface: the device of Interface joins the group"),
            }
        }
        MulticastGroup::V6 { group, port } => {
            out.clause("IPv6_address", &group.value);
            self::port("Group", *port, out);
        }
    }
}

fn unicast(unicast: &Unicast, out: &mut Printer) {
    let Unicast { addresses, port } = unicast;
    match addresses {
        UnicastAddresses::V4 { local, peer } => {
            out.setting_or("IPv4_address", local, Some(&Ipv4Addr::UNSPECIFIED.spell()));
            out.clause("IPv4_Destination_Address", &peer.value);
        }
        UnicastAddresses::V6 { local, peer } => {
            out.setting_or("IPv6_address", local, Some(&Ipv6Addr::UNSPECIFIED.spell()));
            out.clause("IPv6_Destination_Address", &peer.value);
        }
    }
    self::port("Port", *port, out);
}

fn port(name: &str, port: Spanned<Option<NonZeroU16>>, out: &mut Printer) {
    match port.value {
        Some(port) => out.clause(name, &port),
        None => out.without(name),
    }
}
