//! Flows and expectations for the tests beside the code.

use core::net::Ipv4Addr;

use crate::flow::{
    Addrs, ExpectFlags, Expectation, Flow, FunctionName, HelperName, L4Key, ProtoState, Protocol, Status,
    Tcp, TcpState, Tuple,
};

/// Returns a TCP flow from `port` to a web server, as the kernel's events tell it.
pub(crate) fn tcp(port: u16, state: TcpState) -> Flow {
    let orig = Tuple {
        addrs: Addrs::V4 {
            src: Ipv4Addr::new(10, 0, 0, 1),
            dst: Ipv4Addr::new(192, 0, 2, 9),
        },
        proto: Protocol::TCP,
        key: L4Key::Ports { src: port, dst: 80 },
    };
    Flow {
        reply: Some(orig.mirrored()),
        status: Some(Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED),
        timeout_secs: Some(300),
        proto: ProtoState::Tcp(Tcp::in_state(state)),
        ..Flow::new(orig)
    }
}

/// Returns what the FTP helper foretells of [`tcp`] from port `master`: a connection to `port` of its
/// server.
pub(crate) fn ftp(master: u16, port: u16) -> Expectation {
    let master = tcp(master, TcpState::ESTABLISHED).orig;
    let with_ports = |src, dst| Tuple {
        key: L4Key::Ports { src, dst },
        ..master
    };
    Expectation {
        master,
        tuple: with_ports(0, port),
        mask: Tuple {
            addrs: Addrs::V4 {
                src: Ipv4Addr::BROADCAST,
                dst: Ipv4Addr::BROADCAST,
            },
            ..with_ports(0, 0xffff)
        },
        timeout_secs: Some(300),
        id: Some(u32::from(port) << 16),
        zone: None,
        flags: Some(ExpectFlags(0)),
        class: Some(0),
        nat: None,
        helper: HelperName::from_bytes(b"ftp").ok(),
        function: FunctionName::from_bytes(b"nat-follow-master").ok(),
    }
}
