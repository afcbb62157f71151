//! Unicast datagrams to one peer (docs/sync-protocol.md, "UDP").

use std::net::{IpAddr, Ipv6Addr};

use socket2::Type;

use super::datagram::Sockets;
use super::socket::{bind, datagram_sender, new_socket, set_receive_buffer, socket_addr};
use super::{Buffers, Checksum, LinkError, check_families};

/// What the operator chose for a UDP link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpSpec {
    /// Address to receive at.
    pub local: IpAddr,
    /// Address of the peer.
    pub peer: IpAddr,
    /// Port of both.
    pub port: u16,
    /// Whether datagrams carry a checksum.
    pub checksum: Checksum,
}

impl UdpSpec {
    /// Returns whether its sockets belong to one interface for as long as that exists.
    pub(super) fn is_of_interface(&self) -> bool {
        let is_link_local = |address: Ipv6Addr| address.is_unicast_link_local();
        [self.local, self.peer]
            .iter()
            .any(|address| matches!(address, IpAddr::V6(address) if is_link_local(*address)))
    }
}

/// Opens both sockets; `interface_index` is the scope of IPv6 addresses.
///
/// The receiver is without SO_REUSEADDR: two programs that both set it share the port without an
/// error, and the second silently takes all datagrams of the first.
pub(super) fn open(spec: &UdpSpec, interface_index: u32, buffers: Buffers) -> Result<Sockets, LinkError> {
    check_families(spec.local, spec.peer)?;
    let local = socket_addr(spec.local, spec.port, interface_index);
    let destination = socket_addr(spec.peer, spec.port, interface_index);
    let receiver = new_socket(local, Type::DGRAM)?;
    set_receive_buffer(&receiver, buffers)?;
    bind(&receiver, local)?;
    let sender = datagram_sender(destination, spec.checksum, buffers)?;
    Ok(Sockets {
        receiver,
        sender,
        destination,
    })
}
