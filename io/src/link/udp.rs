//! Unicast datagrams: one socket receives, another sends (docs/sync-protocol.md, "UDP").

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::{RcvBufForce, SndBufForce};
use nix::sys::socket::{MsgFlags, MultiHeaders, SetSockOpt, SockaddrStorage, recvmmsg, setsockopt};
use nix::{libc, setsockopt_impl, sockopt_impl};
use socket2::{Domain, SockAddr, Socket, Type};

use super::{LinkCounters, LinkError, Readable, Sent};

sockopt_impl!(
    /// Leaves the checksum of datagrams out; the kernel ignores it over IPv6.
    NoCheck,
    SetOnly,
    libc::SOL_SOCKET,
    libc::SO_NO_CHECK,
    bool
);

/// Datagrams taken with one system call.
const RECEIVE_BATCH_LEN: usize = 16;
/// Room for the largest datagram there is. Only pages that a datagram reaches cost memory.
const DATAGRAM_LEN_MAX: usize = 65_536;
/// Datagrams that may wait for room in the socket's buffer: about 1.5 MB at the usual MTU.
const WAITING_LEN_MAX: usize = 1024;

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
    /// Size of the sending socket's buffer in bytes, if not the system's.
    pub send_buffer_len: Option<u32>,
    /// Size of the receiving socket's buffer in bytes, if not the system's.
    pub receive_buffer_len: Option<u32>,
}

/// Whether datagrams carry a checksum (`Checksum`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// They do.
    On,
    /// They do not, over IPv4; over IPv6 they always do.
    Off,
}

/// An open UDP link.
pub struct UdpLink {
    receiver: Socket,
    sender: Socket,
    destination: SockAddr,
    header_len: u32,
    receive_buffer_len: usize,
    counters: LinkCounters,
    waiting: VecDeque<Vec<u8>>,
    headers: MultiHeaders<SockaddrStorage>,
    /// `RECEIVE_BATCH_LEN` buffers of `DATAGRAM_LEN_MAX` bytes.
    buffers: Vec<u8>,
}

impl std::fmt::Debug for UdpLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UdpLink")
            .field("destination", &self.destination.as_socket())
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl UdpLink {
    /// Opens both sockets; `interface_index` is the scope of IPv6 addresses.
    ///
    /// # Errors
    /// When one of them cannot be made as asked for.
    pub fn open(spec: &UdpSpec, interface_index: u32) -> Result<Self, LinkError> {
        if spec.local.is_ipv4() != spec.peer.is_ipv4() {
            return Err(LinkError::MixedFamilies {
                local: spec.local,
                peer: spec.peer,
            });
        }
        let destination = socket_addr(spec.peer, spec.port, interface_index);
        let receiver = open_receiver(spec, interface_index)?;
        let receive_buffer_len = receiver
            .recv_buffer_size()
            .map_err(LinkError::at("ask for the receive buffer of the link"))?;
        Ok(Self {
            receiver,
            receive_buffer_len,
            sender: open_sender(spec, destination)?,
            destination: SockAddr::from(destination),
            header_len: if spec.local.is_ipv4() { 28 } else { 48 },
            counters: LinkCounters::default(),
            waiting: VecDeque::new(),
            headers: MultiHeaders::preallocate(RECEIVE_BATCH_LEN, None),
            buffers: vec![0; RECEIVE_BATCH_LEN * DATAGRAM_LEN_MAX],
        })
    }

    /// Returns the length of the IP and UDP headers of a datagram.
    #[must_use]
    pub const fn header_len(&self) -> u32 {
        self.header_len
    }

    /// Returns the size of the receive buffer in bytes, as the kernel reports it.
    #[must_use]
    pub const fn receive_buffer_len(&self) -> usize {
        self.receive_buffer_len
    }

    /// Returns the counters.
    #[must_use]
    pub const fn counters(&self) -> LinkCounters {
        self.counters
    }

    /// Returns how many datagrams wait for room.
    #[must_use]
    pub fn n_waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Returns the socket that becomes readable.
    #[must_use]
    pub fn receiver_fd(&self) -> RawFd {
        self.receiver.as_raw_fd()
    }

    /// Returns the socket that becomes writable.
    #[must_use]
    pub fn sender_fd(&self) -> RawFd {
        self.sender.as_raw_fd()
    }

    /// Sends one datagram, or keeps it until there is room.
    pub fn send(&mut self, datagram: Vec<u8>) -> Sent {
        if !self.waiting.is_empty() {
            return self.wait(datagram);
        }
        match self.send_now(&datagram) {
            Ok(()) => Sent::Now(datagram),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.wait(datagram),
            Err(error) => Sent::Failed(datagram, error),
        }
    }

    /// Sends what waits, in order, until there is no room again.
    pub fn flush(&mut self, mut each: impl FnMut(Sent)) {
        while let Some(datagram) = self.waiting.pop_front() {
            match self.send_now(&datagram) {
                Ok(()) => each(Sent::Now(datagram)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.waiting.push_front(datagram);
                    return;
                }
                Err(error) => each(Sent::Failed(datagram, error)),
            }
        }
    }

    fn wait(&mut self, datagram: Vec<u8>) -> Sent {
        if self.waiting.len() < WAITING_LEN_MAX {
            self.waiting.push_back(datagram);
            return Sent::Later;
        }
        self.counters.sent.count_error();
        Sent::Failed(datagram, io::Error::from(Errno::ENOBUFS))
    }

    /// Sends or fails; every failure but a full buffer is counted.
    fn send_now(&mut self, datagram: &[u8]) -> io::Result<()> {
        loop {
            match self.sender.send_to(datagram, &self.destination) {
                Ok(len) => {
                    self.counters.sent.count(len);
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    if error.kind() != io::ErrorKind::WouldBlock {
                        self.counters.sent.count_error();
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Receives about `n_datagrams` and hands on each with its source.
    ///
    /// A failed call is counted and ends the turn: what is wrong with the socket is not cured by
    /// asking again at once.
    pub fn receive(&mut self, n_datagrams: usize, mut each: impl FnMut(IpAddr, &[u8])) -> Readable {
        let mut n_received: usize = 0;
        while n_received < n_datagrams {
            match self.receive_batch(&mut each) {
                // A batch that is not full found the queue empty; asking again would only say so.
                Ok(n) if n < RECEIVE_BATCH_LEN => return Readable::Drained,
                Ok(n) => n_received = n_received.saturating_add(n),
                Err(Errno::EAGAIN) => return Readable::Drained,
                Err(Errno::EINTR) => {}
                Err(_) => {
                    self.counters.received.count_error();
                    return Readable::MayBeMore;
                }
            }
        }
        Readable::MayBeMore
    }

    fn receive_batch(&mut self, each: &mut impl FnMut(IpAddr, &[u8])) -> nix::Result<usize> {
        let mut datagrams = [const { None }; RECEIVE_BATCH_LEN];
        {
            let mut chunks = self.buffers.chunks_exact_mut(DATAGRAM_LEN_MAX);
            let mut slices: [[IoSliceMut<'_>; 1]; RECEIVE_BATCH_LEN] =
                std::array::from_fn(|_| [IoSliceMut::new(chunks.next().unwrap_or_default())]);
            let fd = self.receiver.as_raw_fd();
            let messages = recvmmsg(
                fd,
                &mut self.headers,
                slices.iter_mut(),
                MsgFlags::MSG_DONTWAIT,
                None,
            )?;
            for (slot, message) in datagrams.iter_mut().zip(messages) {
                *slot = message
                    .address
                    .and_then(|address| ip_addr(&address))
                    .map(|source| (source, message.bytes));
            }
        }
        let mut n_received = 0;
        for (datagram, buffer) in datagrams.iter().zip(self.buffers.chunks_exact(DATAGRAM_LEN_MAX)) {
            let Some((source, len)) = *datagram else { break };
            self.counters.received.count(len);
            each(source, buffer.get(..len).unwrap_or(buffer));
            n_received += 1;
        }
        Ok(n_received)
    }
}

fn open_receiver(spec: &UdpSpec, interface_index: u32) -> Result<Socket, LinkError> {
    let local = socket_addr(spec.local, spec.port, interface_index);
    let socket = new_socket(local)?;
    if let Some(len) = spec.receive_buffer_len {
        set_buffer(&socket, RcvBufForce, len, "set the receive buffer of the link")?;
    }
    // Without SO_REUSEADDR: two programs that both set it share the port without an error, and the
    // second silently takes all datagrams of the first.
    socket.bind(&SockAddr::from(local)).map_err(|error| {
        if error.kind() == io::ErrorKind::AddrNotAvailable {
            LinkError::AddressNotLocal { address: spec.local }
        } else if error.kind() == io::ErrorKind::AddrInUse {
            LinkError::PortInUse {
                address: spec.local,
                port: spec.port,
            }
        } else {
            LinkError::at("bind the socket of the link")(error)
        }
    })?;
    Ok(socket)
}

fn open_sender(spec: &UdpSpec, destination: SocketAddr) -> Result<Socket, LinkError> {
    let socket = new_socket(destination)?;
    if spec.checksum == Checksum::Off {
        setsockopt(&socket, NoCheck, &true)
            .map_err(io::Error::from)
            .map_err(LinkError::at("leave out the checksums of the link"))?;
    }
    if let Some(len) = spec.send_buffer_len {
        set_buffer(&socket, SndBufForce, len, "set the send buffer of the link")?;
    }
    Ok(socket)
}

/// Returns a socket that never blocks and is closed on exec.
fn new_socket(address: SocketAddr) -> Result<Socket, LinkError> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)
        .map_err(LinkError::at("make a socket for the link"))?;
    socket
        .set_nonblocking(true)
        .map_err(LinkError::at("make a socket for the link"))?;
    Ok(socket)
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
fn socket_addr(address: IpAddr, port: u16, interface_index: u32) -> SocketAddr {
    match address {
        IpAddr::V4(address) => SocketAddrV4::new(address, port).into(),
        IpAddr::V6(address) => SocketAddrV6::new(address, port, 0, interface_index).into(),
    }
}

fn ip_addr(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use rustix::event::{PollFd, PollFlags, poll};

    use super::super::{Link, LinkSpec, TransportSpec};
    use super::*;

    const V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

    fn spec(address: IpAddr, port: u16) -> UdpSpec {
        UdpSpec {
            local: address,
            peer: address,
            port,
            checksum: Checksum::On,
            send_buffer_len: None,
            receive_buffer_len: None,
        }
    }

    fn open(spec: UdpSpec) -> Result<Link, LinkError> {
        Link::open(&LinkSpec {
            interface: "lo".to_owned(),
            transport: TransportSpec::Udp(spec),
        })
    }

    /// Opens a link to itself on a port that is free, as the kernel says.
    fn loopback(address: IpAddr, change: impl Fn(&mut UdpSpec)) -> Link {
        loop {
            let probe = UdpSocket::bind((address, 0)).unwrap();
            let mut spec = spec(address, probe.local_addr().unwrap().port());
            drop(probe);
            change(&mut spec);
            match open(spec) {
                Ok(link) => return link,
                // Another test was faster.
                Err(LinkError::PortInUse { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn wait_readable(link: &Link) {
        let Link {
            transport: super::super::Transport::Udp(udp),
            ..
        } = link;
        let mut fds = [PollFd::new(&udp.receiver, PollFlags::IN)];
        assert_eq!(poll(&mut fds, None).unwrap(), 1);
    }

    fn send(link: &mut Link, datagram: &[u8]) {
        let sent = link.send(datagram.to_vec());
        let Sent::Now(buffer) = sent else {
            panic!("want it sent, have {sent:?}")
        };
        assert_eq!(buffer, datagram);
    }

    /// Receives exactly as many datagrams as given.
    fn receive(link: &mut Link, n: usize) -> Vec<(IpAddr, Vec<u8>)> {
        let mut received = Vec::new();
        while received.len() < n {
            wait_readable(link);
            link.receive(100, |source, datagram| received.push((source, datagram.to_vec())));
        }
        received
    }

    #[test]
    fn datagrams_arrive_in_order_with_their_source() {
        for address in [V4, V6] {
            let mut link = loopback(address, |_| {});
            for n in 0..40 {
                send(&mut link, &[n; 3]);
            }
            let want: Vec<_> = (0..40).map(|n| (address, vec![n; 3])).collect();
            assert_eq!(receive(&mut link, 40), want);
            let want = super::super::DirectionCounters {
                bytes: 120,
                packets: 40,
                errors: 0,
            };
            assert_eq!(
                link.counters(),
                LinkCounters {
                    sent: want,
                    received: want
                }
            );
        }
    }

    #[test]
    fn a_link_without_checksums_works() {
        for address in [V4, V6] {
            let mut link = loopback(address, |spec| spec.checksum = Checksum::Off);
            send(&mut link, b"bare");
            assert_eq!(receive(&mut link, 1), [(address, b"bare".to_vec())]);
        }
    }

    #[test]
    fn a_turn_takes_about_as_many_datagrams_as_asked_for() {
        let mut link = loopback(V4, |_| {});
        for n in 0..40 {
            send(&mut link, &[n]);
        }
        let mut n_received = 0;
        wait_readable(&link);
        assert_eq!(link.receive(1, |_, _| n_received += 1), Readable::MayBeMore);
        assert_eq!(n_received, RECEIVE_BATCH_LEN);
        assert_eq!(link.receive(100, |_, _| n_received += 1), Readable::Drained);
        assert_eq!(n_received, 40);
        assert_eq!(link.receive(100, |_, _| n_received += 1), Readable::Drained);
        assert_eq!(n_received, 40);
    }

    #[test]
    fn the_largest_datagram_passes_and_a_larger_one_fails_and_is_counted() {
        let mut link = loopback(V4, |_| {});
        let len_max = usize::from(link.state().payload_len_max);
        assert_eq!(len_max, 65_507, "the loopback interface has an MTU of 65536");
        send(&mut link, &vec![7; len_max]);
        assert_eq!(receive(&mut link, 1), [(V4, vec![7; len_max])]);
        let sent = link.send(vec![7; len_max + 1]);
        let Sent::Failed(buffer, error) = sent else {
            panic!("want a failure, have {sent:?}")
        };
        assert_eq!(buffer.len(), len_max + 1);
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
        assert_eq!(link.counters().sent.errors, 1);
    }

    #[test]
    fn a_port_in_use_is_named() {
        let taken = UdpSocket::bind((V4, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = open(spec(V4, port)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("port {port} of 127.0.0.1 is in use by another program")
        );
    }

    #[test]
    fn an_address_of_another_machine_is_named() {
        // TEST-NET-1 of RFC 5737 and the documentation prefix of RFC 3849 are on no machine.
        for address in ["192.0.2.1", "2001:db8::1"] {
            let error = open(spec(address.parse().unwrap(), 3780)).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("address {address} is not on this machine")
            );
        }
    }

    #[test]
    fn a_missing_interface_is_named() {
        let transport = TransportSpec::Udp(spec(V4, 3780));
        let spec = LinkSpec {
            interface: "nosuchif0".to_owned(),
            transport,
        };
        let error = Link::open(&spec).unwrap_err();
        assert_eq!(error.to_string(), "interface `nosuchif0` does not exist");
    }

    #[test]
    fn addresses_of_two_families_are_refused() {
        let error = open(UdpSpec {
            peer: V6,
            ..spec(V4, 3780)
        })
        .unwrap_err();
        assert_eq!(error.to_string(), "127.0.0.1 and ::1 are of different families");
    }

    #[test]
    fn what_finds_no_room_waits_in_order_and_the_excess_fails() {
        let mut link = loopback(V4, |_| {});
        let Link {
            transport: super::super::Transport::Udp(udp),
            ..
        } = &mut link;
        for n in 0..WAITING_LEN_MAX {
            assert!(matches!(
                udp.wait(vec![u8::try_from(n % 256).unwrap()]),
                Sent::Later
            ));
        }
        assert!(matches!(udp.send(vec![0]), Sent::Failed(..)), "the queue is full");
        assert_eq!(udp.counters.sent.errors, 1);
        udp.waiting.truncate(20);
        assert!(matches!(udp.send(vec![20]), Sent::Later), "what waits goes first");
        let mut n_sent = 0;
        link.flush(|sent| {
            assert!(matches!(sent, Sent::Now(_)));
            n_sent += 1;
        });
        assert_eq!((n_sent, link.n_waiting()), (21, 0));
        let received: Vec<_> = receive(&mut link, 21)
            .into_iter()
            .map(|(_, datagram)| datagram[0])
            .collect();
        assert_eq!(received, (0..=20).collect::<Vec<_>>());
    }
}
