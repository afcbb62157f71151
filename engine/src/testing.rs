//! Flows for the tests beside the code.

use core::net::Ipv4Addr;

use crate::flow::{Addrs, Flow, L4Key, ProtoState, Protocol, Status, Tcp, TcpState, Tuple};

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
