//! The load: established TCP flows put into the kernel's table at a steady rate.
//!
//! Message and attribute numbers are those of `linux/netfilter/nfnetlink_conntrack.h`.

use std::net::Ipv4Addr;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::wait::now;

/// Flows in one `send`: beyond 64 nothing is gained, and all failing still fits the receive buffer.
const BATCH: u32 = 100;
/// Client addresses, a prime so that address and port change together.
const CLIENTS: u32 = 16_381;
/// The first of the clients.
pub(crate) const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 0);
/// Whom all of them talk to.
pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
/// First client port.
const PORT_MIN: u16 = 20_000;
/// How many flows have a tuple of their own: a port below 60,000 for each client.
pub(crate) const FLOWS_MAX: u32 = CLIENTS * 40_000;

/// How many flows, how fast.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    /// All flows of a run.
    pub flows: u32,
    /// Flows a second.
    pub rate: u32,
}

impl Load {
    /// Adds the flows to the table of the calling thread's network, at the rate; returns how long it took.
    pub(crate) fn run(self) -> Result<Duration> {
        let tick = TimerFd::new(
            nix::sys::timerfd::ClockId::CLOCK_MONOTONIC,
            TimerFlags::TFD_CLOEXEC,
        )?;
        tick.set(
            Expiration::Interval(TimeSpec::from_duration(Duration::from_millis(1))),
            TimerSetTimeFlags::empty(),
        )?;
        let mut generator = Generator::new()?;
        let start = now()?;
        while generator.sent < self.flows {
            tick.wait()?;
            let due = (now()? - start).as_micros() * u128::from(self.rate) / 1_000_000;
            let due = u32::try_from(due).unwrap_or(u32::MAX).min(self.flows);
            while generator.sent < due {
                generator.send(due)?;
            }
        }
        Ok(now()? - start)
    }

    /// The same without pauses: what the generator and the kernel can do.
    pub(crate) fn run_flat_out(self) -> Result<Duration> {
        let mut generator = Generator::new()?;
        let start = now()?;
        while generator.sent < self.flows {
            generator.send(self.flows)?;
        }
        Ok(now()? - start)
    }
}

/// A batch of messages of which only what differs between flows is rewritten.
struct Generator {
    socket: Socket,
    batch: Vec<u8>,
    message_len: usize,
    sent: u32,
}

impl Generator {
    fn new() -> Result<Self> {
        let socket = kernel()?;
        let template = template();
        Ok(Self {
            socket,
            batch: template.repeat(BATCH as usize),
            message_len: template.len(),
            sent: 0,
        })
    }

    /// Sends the next batch, of which the last flow is below `end`.
    fn send(&mut self, end: u32) -> Result<()> {
        let n_flows = BATCH.min(end - self.sent);
        for (message, index) in self
            .batch
            .chunks_exact_mut(self.message_len)
            .zip(self.sent..self.sent + n_flows)
        {
            write_flow(message, index);
        }
        let len = self.message_len * n_flows as usize;
        let sent = self
            .socket
            .send(&self.batch[..len], 0)
            .context("send flows to the kernel")?;
        ensure!(sent == len, "the kernel took {sent} of {len} bytes");
        self.sent += n_flows;
        check(&self.socket).context("the kernel refused a flow")
    }
}

/// Empties the table of the calling thread's network.
pub(crate) fn flush() -> Result<()> {
    const DELETE_FLOW: u16 = 0x0102;
    const REQUEST: u16 = 1;
    let socket = kernel()?;
    socket
        .send(&message(DELETE_FLOW, REQUEST, &[]), 0)
        .context("flush the table")?;
    check(&socket).context("the kernel did not flush the table")
}

/// A socket to the kernel, which has answered when `send` returns.
fn kernel() -> Result<Socket> {
    let mut socket = Socket::new(NETLINK_NETFILTER).context("netlink socket")?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.set_cap_ack(true)?;
    socket.set_non_blocking(true)?;
    Ok(socket)
}

/// Fails with what the kernel answered: it answers only what it refuses.
fn check(socket: &Socket) -> Result<()> {
    let mut answer = [0; 256];
    match recv(socket.as_raw_fd(), &mut answer, MsgFlags::empty()) {
        Err(Errno::EAGAIN) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => {
            let errno = [answer[16], answer[17], answer[18], answer[19]];
            Err(Errno::from_raw(i32::from_ne_bytes(errno).wrapping_neg()).into())
        }
    }
}

/// Where in a message the fields of the original tuple are; those of the reply follow `TUPLE_LEN` later.
const SOURCE_AT: usize = 32;
const DESTINATION_AT: usize = 40;
const SOURCE_PORT_AT: usize = 60;
const DESTINATION_PORT_AT: usize = 68;
const TUPLE_LEN: usize = 52;

/// Writes into `message` what tells flow `index` from the others.
fn write_flow(message: &mut [u8], index: u32) {
    let client = (CLIENT.to_bits() + index % CLIENTS).to_be_bytes();
    let port = (PORT_MIN + u16::try_from(index / CLIENTS).expect("below FLOWS_MAX")).to_be_bytes();
    let mut put = |at: usize, bytes: &[u8]| message[at..at + bytes.len()].copy_from_slice(bytes);
    put(SOURCE_AT, &client);
    put(SOURCE_PORT_AT, &port);
    put(DESTINATION_AT + TUPLE_LEN, &client);
    put(DESTINATION_PORT_AT + TUPLE_LEN, &port);
}

/// The message that creates an established, assured TCP flow of five days.
fn template() -> Vec<u8> {
    const NEW_FLOW: u16 = 0x0100;
    const REQUEST_CREATE_EXCL: u16 = 0x0601;
    const SEEN_REPLY_ASSURED_CONFIRMED: u32 = 0x0e;
    const FIVE_DAYS_SECS: u32 = 432_000;
    const TCP_ESTABLISHED: u8 = 3;
    const BE_LIBERAL: [u8; 2] = [8, 8];

    let (client, server) = (CLIENT.octets(), SERVER.octets());
    let (client_port, server_port) = (PORT_MIN.to_be_bytes(), 443_u16.to_be_bytes());
    let tcp = [
        attribute(1, &[TCP_ESTABLISHED]),
        attribute(2, &[7]),
        attribute(3, &[7]),
        attribute(4, &BE_LIBERAL),
        attribute(5, &BE_LIBERAL),
    ];
    let body = [
        nest(1, &tuple(client, server, client_port, server_port)),
        nest(2, &tuple(server, client, server_port, client_port)),
        attribute(3, &SEEN_REPLY_ASSURED_CONFIRMED.to_be_bytes()),
        attribute(7, &FIVE_DAYS_SECS.to_be_bytes()),
        nest(4, &nest(1, &tcp.concat())),
    ];
    message(NEW_FLOW, REQUEST_CREATE_EXCL, &body.concat())
}

/// A message about IPv4 flows.
fn message(kind: u16, flags: u16, attributes: &[u8]) -> Vec<u8> {
    const FAMILY_IPV4: [u8; 4] = [2, 0, 0, 0];
    let len = u32::try_from(20 + attributes.len()).expect("a message of some hundred bytes");
    let mut bytes = len.to_ne_bytes().to_vec();
    bytes.extend([kind.to_ne_bytes(), flags.to_ne_bytes()].concat());
    bytes.extend([0; 8]);
    bytes.extend(FAMILY_IPV4);
    bytes.extend(attributes);
    bytes
}

/// The content of a tuple attribute.
fn tuple(source: [u8; 4], destination: [u8; 4], source_port: [u8; 2], destination_port: [u8; 2]) -> Vec<u8> {
    const TCP: u8 = 6;
    let addresses = [attribute(1, &source), attribute(2, &destination)].concat();
    let protocol = [
        attribute(1, &[TCP]),
        attribute(2, &source_port),
        attribute(3, &destination_port),
    ]
    .concat();
    [nest(1, &addresses), nest(2, &protocol)].concat()
}

/// A netlink attribute, padded to four bytes.
fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(payload.len() + 4).expect("an attribute of some hundred bytes");
    let mut bytes = [len.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// An attribute of attributes.
fn nest(kind: u16, content: &[u8]) -> Vec<u8> {
    attribute(kind | 0x8000, content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_has_its_fields_where_they_are_rewritten() {
        let message = template();
        assert_eq!(message[..4], u32::try_from(message.len()).unwrap().to_ne_bytes());
        for (at, want) in [
            (SOURCE_AT, &[10, 1, 0, 0][..]),
            (DESTINATION_AT, &[192, 0, 2, 9]),
            (SOURCE_PORT_AT, &PORT_MIN.to_be_bytes()),
            (DESTINATION_PORT_AT, &443_u16.to_be_bytes()),
            (SOURCE_AT + TUPLE_LEN, &[192, 0, 2, 9]),
            (DESTINATION_AT + TUPLE_LEN, &[10, 1, 0, 0]),
            (SOURCE_PORT_AT + TUPLE_LEN, &443_u16.to_be_bytes()),
            (DESTINATION_PORT_AT + TUPLE_LEN, &PORT_MIN.to_be_bytes()),
        ] {
            assert_eq!(&message[at..at + want.len()], want, "field at {at}");
        }
    }

    #[test]
    fn every_flow_has_a_tuple_of_its_own() {
        let mut message = template();
        let mut seen = std::collections::BTreeSet::new();
        for index in (0..FLOWS_MAX).step_by(CLIENTS as usize / 3) {
            write_flow(&mut message, index);
            assert!(seen.insert((
                message[SOURCE_AT..SOURCE_AT + 4].to_vec(),
                message[SOURCE_PORT_AT..][..2].to_vec()
            )));
        }
    }
}
