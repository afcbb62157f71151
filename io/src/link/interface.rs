//! What the kernel tells about network interfaces (rtnetlink): index, MTU, state.
//!
//! Two messages of `linux/rtnetlink.h` are all that is needed, so they are built and read here by
//! hand. The kernel is asked and not `/sys`, because `/sys` may show another network namespace.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::NlasIterator;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};

use super::address::local_addresses;

/// Larger than the description of any interface, virtual functions and statistics included.
const BUFFER_LEN: usize = 64 * 1024;
const HEADER_LEN: usize = 16;
const IFINFOMSG_LEN: usize = 16;

const NLMSG_ERROR: u16 = 2;
const RTM_NEWLINK: u16 = 16;
const RTM_DELLINK: u16 = 17;
const RTM_GETLINK: u16 = 18;
const NLM_F_REQUEST: u16 = 1;
const RTMGRP_LINK: u32 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFF_UP: u32 = 0x1;
const IFF_RUNNING: u32 = 0x40;
const ENODEV: i32 = 19;
/// Longest name of an interface, without the NUL (`IFNAMSIZ`).
const NAME_LEN_MAX: usize = 15;

/// What is known of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its number.
    pub index: u32,
    /// Largest IP packet in bytes.
    pub mtu: u32,
    /// Administratively up.
    pub is_up: bool,
    /// Has a carrier.
    pub is_running: bool,
}

impl Interface {
    /// Asks the kernel for the interface called `name`; `None` if there is none.
    ///
    /// # Errors
    /// When the kernel cannot be asked, or answers with another error.
    pub fn find(name: &str) -> io::Result<Option<Self>> {
        if name.is_empty() || name.len() > NAME_LEN_MAX || name.contains('\0') {
            return Ok(None);
        }
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        socket.send(&request(name), 0)?;
        let mut buffer = vec![0; BUFFER_LEN];
        let len = socket.recv(&mut buffer.as_mut_slice(), 0)?;
        let answer = buffer.get(..len).and_then(|bytes| Messages(bytes).next());
        match answer {
            Some(Message::Link(change)) => Ok(change.interface),
            Some(Message::Error(ENODEV)) => Ok(None),
            Some(Message::Error(errno)) => Err(io::Error::from_raw_os_error(errno)),
            Some(Message::Other) | None => Err(io::Error::from(io::ErrorKind::InvalidData)),
        }
    }
}

impl Interface {
    /// Asks the kernel for the name of the interface that carries `address`; `None` if none does.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn carrying(address: IpAddr) -> io::Result<Option<String>> {
        let mut known = local_addresses()?.into_iter();
        let carrier = known.find(|known| known.address == Some(address));
        Ok(carrier.map(|carrier| carrier.interface))
    }
}

/// Tells when an interface appears, changes or goes away.
#[derive(Debug)]
pub struct InterfaceWatch {
    socket: Socket,
    buffer: Vec<u8>,
}

/// News about an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub name: String,
    /// Its state, `None` if it is gone.
    pub interface: Option<Interface>,
}

/// One read of a watch.
#[derive(Debug, PartialEq, Eq)]
pub enum WatchRead {
    /// There is nothing more for the present.
    Empty,
    /// These changed.
    Changes(Vec<Change>),
    /// News were lost: ask for every interface.
    Overrun,
}

impl InterfaceWatch {
    /// Subscribes.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind(&SocketAddr::new(0, RTMGRP_LINK))?;
        socket.set_non_blocking(true)?;
        Ok(Self {
            socket,
            buffer: vec![0; BUFFER_LEN],
        })
    }

    /// Reads what one message says.
    ///
    /// # Errors
    /// When the socket fails.
    pub fn read(&mut self) -> io::Result<WatchRead> {
        match self.socket.recv(&mut self.buffer.as_mut_slice(), 0) {
            Ok(len) => {
                let messages = Messages(self.buffer.get(..len).unwrap_or_default());
                let changes = messages.filter_map(|message| match message {
                    Message::Link(change) => Some(change),
                    Message::Error(_) | Message::Other => None,
                });
                Ok(WatchRead::Changes(changes.collect()))
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(WatchRead::Empty),
            Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => Ok(WatchRead::Overrun),
            Err(error) => Err(error),
        }
    }

    /// Returns the socket, to wait for news.
    pub const fn source(&mut self) -> &mut Socket {
        &mut self.socket
    }
}

/// Returns the request for one interface by name; `name` has at most 15 bytes.
fn request(name: &str) -> Vec<u8> {
    let attribute_len = 4 + name.len() + 1;
    let len = HEADER_LEN + IFINFOMSG_LEN + attribute_len.next_multiple_of(4);
    let mut bytes = Vec::with_capacity(len);
    bytes.extend(u32::try_from(len).unwrap_or(u32::MAX).to_ne_bytes());
    bytes.extend(RTM_GETLINK.to_ne_bytes());
    bytes.extend(NLM_F_REQUEST.to_ne_bytes());
    bytes.resize(HEADER_LEN + IFINFOMSG_LEN, 0);
    bytes.extend(u16::try_from(attribute_len).unwrap_or(u16::MAX).to_ne_bytes());
    bytes.extend(IFLA_IFNAME.to_ne_bytes());
    bytes.extend(name.as_bytes());
    bytes.resize(len, 0);
    bytes
}

enum Message {
    Link(Change),
    Error(i32),
    Other,
}

/// The messages of one read; a malformed one ends it.
struct Messages<'a>(&'a [u8]);

impl Iterator for Messages<'_> {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        let len = usize::try_from(u32_at(self.0, 0)?).ok()?;
        let kind = u16_at(self.0, 4)?;
        let body = self.0.get(HEADER_LEN..len)?;
        self.0 = self.0.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(match kind {
            NLMSG_ERROR => Message::Error(i32::from_ne_bytes(array_at(body, 0)?).saturating_neg()),
            RTM_NEWLINK | RTM_DELLINK => link(kind, body)?,
            _ => Message::Other,
        })
    }
}

/// Reads an `ifinfomsg` and its attributes.
fn link(kind: u16, body: &[u8]) -> Option<Message> {
    // A bridge tells about its ports under its own family: leaving a bridge is not the end of an interface.
    if *body.first()? != 0 {
        return Some(Message::Other);
    }
    let index = u32_at(body, 4)?;
    let flags = u32_at(body, 8)?;
    let mut name = None;
    let mut mtu = 0;
    for attribute in NlasIterator::new(body.get(IFINFOMSG_LEN..)?).map_while(Result::ok) {
        let value = attribute_value(&attribute)?;
        match attribute.kind() {
            IFLA_IFNAME => name = str::from_utf8(value.strip_suffix(&[0]).unwrap_or(value)).ok(),
            IFLA_MTU => mtu = u32_at(value, 0)?,
            _ => {}
        }
    }
    let name = name?.to_owned();
    let is_up = flags & IFF_UP != 0;
    let is_running = flags & IFF_RUNNING != 0;
    let interface = (kind == RTM_NEWLINK).then_some(Interface {
        index,
        mtu,
        is_up,
        is_running,
    });
    Some(Message::Link(Change { name, interface }))
}

fn attribute_value<'a>(attribute: &netlink_packet_core::NlaBuffer<&'a [u8]>) -> Option<&'a [u8]> {
    attribute.into_inner().get(4..usize::from(attribute.length()))
}

fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    array_at(bytes, offset).map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    array_at(bytes, offset).map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_found() {
        let lo = Interface::find("lo").unwrap().expect("every namespace has one");
        assert!(lo.index > 0);
        assert!(lo.mtu >= 1280);
    }

    #[test]
    fn an_interface_that_does_not_exist_is_not_found() {
        for name in ["", "nosuchif0", "a-name-of-sixteen", "with\0nul"] {
            assert_eq!(Interface::find(name).unwrap(), None, "{name:?}");
        }
    }

    #[test]
    fn the_carrier_of_an_address_is_found() {
        for loopback in ["127.0.0.1", "::1"] {
            let address = loopback.parse().unwrap();
            assert_eq!(
                Interface::carrying(address).unwrap().as_deref(),
                Some("lo"),
                "{loopback}"
            );
        }
        // TEST-NET-1 of RFC 5737 is on no machine.
        assert_eq!(Interface::carrying("192.0.2.1".parse().unwrap()).unwrap(), None);
    }

    #[test]
    fn a_quiet_watch_has_nothing_to_tell() {
        // Another test or program may change an interface meanwhile, so only the end is looked at.
        let mut watch = InterfaceWatch::open().unwrap();
        while watch.read().unwrap() != WatchRead::Empty {}
    }

    /// A message about `eth9`, index 9, up without carrier, MTU 1400.
    fn message(kind: u16, family: u8) -> Vec<u8> {
        let mut bytes = request("eth9");
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[16] = family;
        bytes[20..24].copy_from_slice(&9u32.to_ne_bytes());
        bytes[24..28].copy_from_slice(&IFF_UP.to_ne_bytes());
        bytes.extend(8u16.to_ne_bytes());
        bytes.extend(IFLA_MTU.to_ne_bytes());
        bytes.extend(1400u32.to_ne_bytes());
        let len = u32::try_from(bytes.len()).unwrap();
        bytes[..4].copy_from_slice(&len.to_ne_bytes());
        bytes
    }

    fn changes(bytes: &[u8]) -> Vec<Change> {
        let messages = Messages(bytes);
        messages
            .filter_map(|message| match message {
                Message::Link(change) => Some(change),
                Message::Error(_) | Message::Other => None,
            })
            .collect()
    }

    #[test]
    fn news_tell_state_and_mtu_and_the_end() {
        let eth9 = Interface {
            index: 9,
            mtu: 1400,
            is_up: true,
            is_running: false,
        };
        let mut both = message(RTM_NEWLINK, 0);
        both.extend(message(RTM_DELLINK, 0));
        let want = [
            Change {
                name: "eth9".to_owned(),
                interface: Some(eth9),
            },
            Change {
                name: "eth9".to_owned(),
                interface: None,
            },
        ];
        assert_eq!(changes(&both), want);
    }

    #[test]
    fn leaving_a_bridge_is_not_the_end_of_an_interface() {
        assert_eq!(changes(&message(RTM_DELLINK, 7)), []);
    }

    #[test]
    fn every_truncation_is_survived() {
        let whole = message(RTM_NEWLINK, 0);
        for len in 0..whole.len() {
            assert_eq!(changes(&whole[..len]), [], "cut at {len}");
        }
    }
}
