use std::net::UdpSocket;

use engine::time::Instant;

use super::super::{
    Buffers, Checksum, DirectionCounters, InterfaceSpec, Link, LinkSpec, Transport, TransportSpec, UdpSpec,
};
use super::*;
use crate::testing::wait_readable;

const V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

fn spec(address: IpAddr, port: u16) -> UdpSpec {
    UdpSpec {
        local: address,
        peer: address,
        port,
        checksum: Checksum::On,
    }
}

fn open(spec: UdpSpec) -> Result<Link, LinkError> {
    Link::open(&LinkSpec {
        interface: InterfaceSpec::Named("lo".to_owned()),
        transport: TransportSpec::Udp(spec),
        buffers: Buffers::default(),
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
        wait_readable(link.receiver_fd().unwrap());
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
        let want = DirectionCounters {
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
    wait_readable(link.receiver_fd().unwrap());
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
    assert_eq!(error.raw_os_error(), Some(nix::libc::EMSGSIZE));
    assert_eq!(link.counters().sent.errors, 1);
}

#[test]
fn a_payload_leaves_room_for_the_headers_of_its_family() {
    // Of an MTU of 65536; UDP over IPv4 takes one byte less than it leaves.
    for (address, len_max) in [(V4, 65_507), (V6, 65_488)] {
        let link = loopback(address, |_| {});
        assert_eq!(link.state().payload_len_max, len_max, "{address}");
    }
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
        interface: InterfaceSpec::Named("nosuchif0".to_owned()),
        transport,
        buffers: Buffers::default(),
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
        transport: Transport::Udp(udp) | Transport::Multicast(udp),
        ..
    } = &mut link
    else {
        panic!("{link:?} carries no datagrams")
    };
    let udp = udp.datagrams_mut();
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
    link.drive(Instant::START, |sent| {
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
