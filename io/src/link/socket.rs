//! What the sockets of all links have in common.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};

use nix::sys::socket::sockopt::{RcvBufForce, SndBufForce};
use nix::sys::socket::{SetSockOpt, SockaddrStorage, setsockopt};
use nix::{libc, setsockopt_impl, sockopt_impl};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{Buffers, Checksum, LinkError};

sockopt_impl!(
    /// Leaves the checksum of datagrams out; the kernel ignores it over IPv6.
    NoCheck,
    SetOnly,
    libc::SOL_SOCKET,
    libc::SO_NO_CHECK,
    bool
);

/// Returns a socket that never blocks and is closed on exec.
pub(super) fn new_socket(address: SocketAddr, kind: Type) -> Result<Socket, LinkError> {
    let socket = Socket::new(Domain::for_address(address), kind, None)
        .map_err(LinkError::at("make a socket for the link"))?;
    socket
        .set_nonblocking(true)
        .map_err(LinkError::at("make a socket for the link"))?;
    Ok(socket)
}

/// Gives a receiving socket its address.
pub(super) fn bind(socket: &Socket, local: SocketAddr) -> Result<(), LinkError> {
    socket
        .bind(&SockAddr::from(local))
        .map_err(|error| bind_error(error, local))
}

/// Says why a socket cannot receive at `local`.
pub(super) fn bind_error(error: io::Error, local: SocketAddr) -> LinkError {
    let (address, port) = (local.ip(), local.port());
    if error.kind() == io::ErrorKind::AddrNotAvailable {
        LinkError::AddressNotLocal { address }
    } else if error.kind() == io::ErrorKind::AddrInUse {
        LinkError::PortInUse { address, port }
    } else {
        LinkError::at("bind the socket of the link")(error)
    }
}

/// Returns a socket that sends datagrams to `destination`.
pub(super) fn datagram_sender(
    destination: SocketAddr,
    checksum: Checksum,
    buffers: Buffers,
) -> Result<Socket, LinkError> {
    let socket = new_socket(destination, Type::DGRAM)?;
    if checksum == Checksum::Off {
        setsockopt(&socket, NoCheck, &true)
            .map_err(io::Error::from)
            .map_err(LinkError::at("leave out the checksums of the link"))?;
    }
    set_send_buffer(&socket, buffers)?;
    Ok(socket)
}

/// Sizes the send buffer, if the operator has chosen a size.
pub(super) fn set_send_buffer(socket: &Socket, buffers: Buffers) -> Result<(), LinkError> {
    buffers.send_len.map_or(Ok(()), |len| {
        set_buffer(socket, SndBufForce, len, "set the send buffer of the link")
    })
}

/// Sizes the receive buffer, if the operator has chosen a size.
pub(super) fn set_receive_buffer(socket: &Socket, buffers: Buffers) -> Result<(), LinkError> {
    buffers.receive_len.map_or(Ok(()), |len| {
        set_buffer(socket, RcvBufForce, len, "set the receive buffer of the link")
    })
}

fn set_buffer(
    socket: &Socket,
    option: impl SetSockOpt<Val = usize>,
    len: u32,
    operation: &'static str,
) -> Result<(), LinkError> {
    let len = usize::try_from(len).unwrap_or(usize::MAX);
    setsockopt(socket, option, &len)
        .map_err(io::Error::from)
        .map_err(LinkError::at(operation))
}

/// The scope matters for link-local addresses only; the kernel ignores it for others.
pub(super) fn socket_addr(address: IpAddr, port: u16, interface_index: u32) -> SocketAddr {
    match address {
        IpAddr::V4(address) => SocketAddrV4::new(address, port).into(),
        IpAddr::V6(address) => SocketAddrV6::new(address, port, 0, interface_index).into(),
    }
}

/// Returns the IP address in a socket address, if it is one of IP.
pub(super) fn ip_addr(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}
