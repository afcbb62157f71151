//! Datagrams to a group that all nodes join (docs/sync-protocol.md, "Multicast").

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::net::sockopt::set_ip_multicast_if_with_ifindex;
use socket2::{InterfaceIndexOrAddress, Socket, Type};

use super::datagram::Sockets;
use super::socket::{bind, datagram_sender, new_socket, set_receive_buffer, socket_addr};
use super::{Buffers, Checksum, LinkError};

/// What the operator chose for a multicast link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MulticastSpec {
    /// The group.
    pub group: Group,
    /// Port of all nodes.
    pub port: u16,
    /// Whether datagrams carry a checksum.
    pub checksum: Checksum,
}

/// A multicast group and the way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Over IPv4.
    V4 {
        /// The group.
        group: Ipv4Addr,
        /// Address of the interface to use; without one the link's interface counts.
        local: Option<Ipv4Addr>,
    },
    /// Over IPv6, by the link's interface.
    V6(Ipv6Addr),
}

impl Group {
    const fn address(self) -> IpAddr {
        match self {
            Self::V4 { group, .. } => IpAddr::V4(group),
            Self::V6(group) => IpAddr::V6(group),
        }
    }
}

/// Opens both sockets on the interface with this index.
///
/// They belong to it for as long as it exists: another of the same name has another index.
pub(super) fn open(
    spec: &MulticastSpec,
    interface_index: u32,
    buffers: Buffers,
) -> Result<Sockets, LinkError> {
    let destination = socket_addr(spec.group.address(), spec.port, interface_index);
    let receiver = open_receiver(spec, destination, interface_index, buffers)?;
    let sender = datagram_sender(destination, spec.checksum, buffers)?;
    send_through(&sender, spec.group, interface_index)
        .map_err(|error| interface_error(error, spec.group, "choose the interface of the group"))?;
    Ok(Sockets {
        receiver,
        sender,
        destination,
    })
}

/// Bound to the group, so that no unicast datagram arrives here, and to those datagrams of it that
/// come in by the interface. Receivers of one group share its address; each gets every datagram.
fn open_receiver(
    spec: &MulticastSpec,
    group: SocketAddr,
    interface_index: u32,
    buffers: Buffers,
) -> Result<Socket, LinkError> {
    let socket = new_socket(group, Type::DGRAM)?;
    socket
        .set_reuse_address(true)
        .map_err(LinkError::at("share the address of the group"))?;
    set_receive_buffer(&socket, buffers)?;
    bind(&socket, group)?;
    join(&socket, spec.group, interface_index)
        .map_err(|error| interface_error(error, spec.group, "join the group"))?;
    Ok(socket)
}

fn join(socket: &Socket, group: Group, interface_index: u32) -> io::Result<()> {
    match group {
        Group::V4 { group, local } => {
            socket.set_multicast_all_v4(false)?;
            let interface = local.map_or(
                InterfaceIndexOrAddress::Index(interface_index),
                InterfaceIndexOrAddress::Address,
            );
            socket.join_multicast_v4_n(&group, &interface)
        }
        Group::V6(group) => {
            socket.set_multicast_all_v6(false)?;
            socket.join_multicast_v6(&group, interface_index)
        }
    }
}

/// Sends by the interface, and not to ourselves.
fn send_through(socket: &Socket, group: Group, interface_index: u32) -> io::Result<()> {
    match group {
        Group::V4 { local, .. } => {
            socket.set_multicast_loop_v4(false)?;
            match local {
                Some(local) => socket.set_multicast_if_v4(&local),
                None => set_ip_multicast_if_with_ifindex(
                    socket,
                    &Ipv4Addr::UNSPECIFIED,
                    &Ipv4Addr::UNSPECIFIED,
                    interface_index,
                )
                .map_err(io::Error::from),
            }
        }
        Group::V6(_) => {
            socket.set_multicast_loop_v6(false)?;
            socket.set_multicast_if_v6(interface_index)
        }
    }
}

/// The kernel says "no such device" of an address that is on none.
fn interface_error(error: io::Error, group: Group, operation: &'static str) -> LinkError {
    match (group, error.kind(), error.raw_os_error()) {
        (
            Group::V4 {
                local: Some(local), ..
            },
            io::ErrorKind::AddrNotAvailable,
            _,
        )
        | (
            Group::V4 {
                local: Some(local), ..
            },
            _,
            Some(nix::libc::ENODEV),
        ) => LinkError::AddressNotLocal {
            address: IpAddr::V4(local),
        },
        _ => LinkError::at(operation)(error),
    }
}

#[cfg(test)]
mod tests {
    use engine::time::Instant;

    use super::super::{Change, Driven, Interface, InterfaceSpec, Link, LinkSpec, Sent, TransportSpec};
    use super::*;
    use crate::testing::{TwoNodes, ip, wait_readable};

    /// Of link-local and of site-local scope; with the address of the interface and without.
    fn groups() -> [Group; 4] {
        let v4 = Ipv4Addr::new(225, 0, 0, 50);
        let v6 = |text: &str| Group::V6(text.parse().unwrap());
        let given = Some(Ipv4Addr::new(10, 9, 0, 1));
        [
            Group::V4 {
                group: v4,
                local: None,
            },
            Group::V4 {
                group: v4,
                local: given,
            },
            v6("ff02::50"),
            v6("ff05::50"),
        ]
    }

    fn spec(group: Group) -> LinkSpec {
        LinkSpec {
            interface: InterfaceSpec::Named("sync0".to_owned()),
            transport: TransportSpec::Multicast(MulticastSpec {
                group,
                port: 3780,
                checksum: Checksum::On,
            }),
            buffers: Buffers {
                send_len: Some(100_000),
                receive_len: Some(100_000),
            },
        }
    }

    /// What the link of node n says, with its number and not its interface's address.
    fn on_node(group: Group, n: u8) -> Group {
        match group {
            Group::V4 { group, local } => Group::V4 {
                group,
                local: local.map(|_| Ipv4Addr::new(10, 9, 0, n)),
            },
            Group::V6(_) => group,
        }
    }

    /// Waits until there is something and takes it.
    fn receive(link: &mut Link) -> Vec<Vec<u8>> {
        wait_readable(link.receiver_fd().unwrap());
        let mut received = Vec::new();
        link.receive(100, |_, datagram| received.push(datagram.to_vec()));
        received
    }

    fn send(link: &mut Link, datagram: &[u8]) {
        let sent = link.send(datagram.to_vec());
        assert!(matches!(sent, Sent::Now(_)), "{sent:?}");
    }

    #[test]
    fn members_hear_each_other_and_not_themselves() {
        let Some(nodes) = TwoNodes::wire() else { return };
        for group in groups() {
            let mut first = Link::open(&spec(on_node(group, 1))).unwrap();
            let mut second = nodes.on(2, || Link::open(&spec(on_node(group, 2))).unwrap());
            send(&mut first, b"from the first");
            assert_eq!(receive(&mut second), [b"from the first"], "{group:?}");
            send(&mut second, b"from the second");
            assert_eq!(receive(&mut first), [b"from the second"], "{group:?}");
        }
    }

    #[test]
    fn members_on_one_node_share_the_group() {
        let Some(nodes) = TwoNodes::wire() else { return };
        for group in groups() {
            let mut sharing = [0, 1].map(|_| Link::open(&spec(on_node(group, 1))).unwrap());
            let mut other = nodes.on(2, || Link::open(&spec(on_node(group, 2))).unwrap());
            send(&mut other, b"to all");
            for link in &mut sharing {
                assert_eq!(receive(link), [b"to all"], "{group:?}");
            }
        }
    }

    /// Unicast, the same group on another interface, and another port.
    #[test]
    fn what_is_not_for_the_group_is_not_heard() {
        let Some(nodes) = TwoNodes::wire() else { return };
        ip("link add other0 type veth peer name other1");
        ip("address add 10.8.0.1/24 dev other0");
        ip("link set other0 up");
        let group = Ipv4Addr::new(225, 0, 0, 50);
        let mut link = Link::open(&spec(Group::V4 { group, local: None })).unwrap();
        let local = Some(Ipv4Addr::new(10, 8, 0, 1));
        let another = LinkSpec {
            interface: InterfaceSpec::Carrying("10.8.0.1".parse().unwrap()),
            ..spec(Group::V4 { group, local })
        };
        let mut another = Link::open(&another).unwrap();
        assert_eq!(another.interface(), "other0");
        nodes.on(2, || {
            let stranger = std::net::UdpSocket::bind("10.9.0.2:0").unwrap();
            stranger.send_to(b"unicast", "10.9.0.1:3780").unwrap();
            stranger.send_to(b"other port", "225.0.0.50:3781").unwrap();
            let mut member = Link::open(&spec(Group::V4 { group, local: None })).unwrap();
            send(&mut member, b"to the group");
        });
        assert_eq!(receive(&mut link), [b"to the group"]);
        let heard = another.receive(100, |_, datagram| {
            panic!("{datagram:?} came by another interface")
        });
        assert_eq!(heard, super::super::Readable::Drained);
    }

    /// What the loop does when the interface of a link is another one.
    fn note_new_interface(link: &mut Link) {
        let interface = Interface::find("sync0").unwrap();
        let name = "sync0".to_owned();
        link.note(&Change { name, interface });
        let driven = link.drive(Instant::START, |_| {});
        assert_eq!(driven, Driven::NewReceiver, "{:?}", link.take_news());
    }

    #[test]
    fn a_group_is_joined_again_on_an_interface_that_is_made_again() {
        let Some(nodes) = TwoNodes::wire() else { return };
        for group in groups() {
            let mut first = Link::open(&spec(on_node(group, 1))).unwrap();
            let mut second = nodes.on(2, || Link::open(&spec(on_node(group, 2))).unwrap());
            ip("link delete sync0");
            nodes.make_link();
            note_new_interface(&mut first);
            nodes.on(2, || note_new_interface(&mut second));
            send(&mut first, b"from the first");
            assert_eq!(receive(&mut second), [b"from the first"], "{group:?}");
            send(&mut second, b"from the second");
            assert_eq!(receive(&mut first), [b"from the second"], "{group:?}");
        }
    }

    #[test]
    fn an_interface_that_lacks_its_address_is_tried_again_until_it_has_it() {
        let Some(nodes) = TwoNodes::wire() else { return };
        let group = on_node(groups()[1], 1);
        let mut link = Link::open(&spec(group)).unwrap();
        ip("link delete sync0");
        nodes.make_link();
        ip("address delete 10.9.0.1/24 dev sync0");
        let interface = Interface::find("sync0").unwrap();
        let name = "sync0".to_owned();
        link.note(&Change { name, interface });
        for second in [0, 1] {
            let now = Instant::from_millis(second * 1_000);
            assert_eq!(link.drive(now, |_| {}), Driven::AsBefore);
            let told = link.take_news().map(|news| format!("{news:?}"));
            assert_eq!(told.is_some(), second == 0, "told once: {told:?}");
        }
        ip("address add 10.9.0.1/24 dev sync0");
        assert_eq!(link.deadline(), Some(Instant::from_millis(2_000)));
        assert_eq!(
            link.drive(Instant::from_millis(2_000), |_| {}),
            Driven::NewReceiver
        );
        assert_eq!(link.deadline(), None);
    }

    #[test]
    fn an_interface_address_of_another_machine_is_named() {
        let Some(_nodes) = TwoNodes::wire() else { return };
        let group = Ipv4Addr::new(225, 0, 0, 50);
        let address = Ipv4Addr::new(192, 0, 2, 1);
        let local = Some(address);
        let error = Link::open(&spec(Group::V4 { group, local })).unwrap_err();
        assert_eq!(error.to_string(), "address 192.0.2.1 is not on this machine");
        let carrying = LinkSpec {
            interface: InterfaceSpec::Carrying(IpAddr::V4(address)),
            ..spec(Group::V4 { group, local })
        };
        let error = Link::open(&carrying).unwrap_err();
        assert_eq!(error.to_string(), "no interface carries address 192.0.2.1");
    }
}
