//! The links: from the words of the file to those of the shell.

use std::net::IpAddr;
use std::num::NonZeroU16;

use conf_grammar::{Interface, Link, LinkSet, Links, MulticastGroup, Spanned, Unicast};
use io::link::{
    Buffers, Checksum, Group, InterfaceSpec, LinkSpec, MulticastSpec, TcpSpec, TransportSpec, UdpSpec,
};

use super::Placed;

/// Returns the links and the place of the one used first.
pub(super) fn links(links: &Links) -> (Vec<Placed<LinkSpec>>, u8) {
    match links {
        Links::Udp(set) => translated(set, udp),
        Links::Multicast(set) => translated(set, multicast),
        Links::Tcp {
            links,
            error_queue_len,
        } => translated(links, |link| tcp(link, error_queue_len.value)),
    }
}

fn translated<T>(
    set: &LinkSet<T>,
    transport: impl Fn(&Link<T>) -> TransportSpec,
) -> (Vec<Placed<LinkSpec>>, u8) {
    let links = set.as_slice().iter().map(|link| Placed {
        value: LinkSpec {
            interface: interface(&link.interface.value),
            transport: transport(link),
            buffers: Buffers {
                send_len: link.send_buffer.value,
                receive_len: link.recv_buffer.value,
            },
        },
        location: Some(link.span.location),
    });
    let default_index = u8::try_from(set.default_index()).unwrap_or_default();
    (links.collect(), default_index)
}

fn udp(link: &Link<Unicast>) -> TransportSpec {
    let Unicast { addresses, port } = link.transport;
    TransportSpec::Udp(UdpSpec {
        local: addresses.local().value,
        peer: addresses.peer().value,
        port: number(port),
        checksum: checksum(link),
    })
}

fn tcp(link: &Link<Unicast>, error_queue_len: u32) -> TransportSpec {
    let Unicast { addresses, port } = link.transport;
    TransportSpec::Tcp(TcpSpec {
        local: addresses.local().value,
        peer: addresses.peer().value,
        port: number(port),
        error_queue_len,
    })
}

fn multicast(link: &Link<MulticastGroup>) -> TransportSpec {
    let group = match link.transport {
        MulticastGroup::V4 { group, local, .. } => Group::V4 {
            group: group.value,
            local: local.value,
        },
        MulticastGroup::V6 { group, .. } => Group::V6(group.value),
    };
    TransportSpec::Multicast(MulticastSpec {
        group,
        port: number(link.transport.port()),
        checksum: checksum(link),
    })
}

fn interface(interface: &Interface) -> InterfaceSpec {
    match interface {
        Interface::Named(name) => InterfaceSpec::Named(name.clone()),
        Interface::Carrying(address) => InterfaceSpec::Carrying(IpAddr::V4(*address)),
    }
}

fn checksum<T>(link: &Link<T>) -> Checksum {
    if link.checksum.value {
        Checksum::On
    } else {
        Checksum::Off
    }
}

/// A port that the file does not give is the kernel's choice, as at the stock daemon.
fn number(port: Spanned<Option<NonZeroU16>>) -> u16 {
    port.value.map_or(0, NonZeroU16::get)
}
