//! A link that carries datagrams: its sockets, and new ones when its interface is another.

use std::fmt;
use std::io;
use std::time::Duration;

use engine::time::Instant;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::datagram::{Datagrams, Sockets};
use super::{Buffers, Driven, LinkError, LinkNews, MulticastSpec, Sent, UdpSpec, multicast, udp};

/// Time between two attempts to open sockets on a new interface: its address may come late.
const RETRY: Duration = Duration::from_secs(1);

/// How a link carries datagrams.
#[derive(Clone, Copy, Debug)]
pub(super) enum DatagramSpec {
    Udp(UdpSpec),
    Multicast(MulticastSpec),
}

impl DatagramSpec {
    fn open(&self, interface_index: u32, buffers: Buffers) -> Result<Sockets, LinkError> {
        match self {
            Self::Udp(udp) => udp::open(udp, interface_index, buffers),
            Self::Multicast(multicast) => multicast::open(multicast, interface_index, buffers),
        }
    }

    /// Returns whether sockets are of no use once their interface is gone.
    fn is_of_interface(&self) -> bool {
        match self {
            Self::Udp(udp) => udp.is_of_interface(),
            Self::Multicast(_) => true,
        }
    }
}

/// The sockets of a link that carries datagrams.
///
/// A group is joined on an interface by its index, and a link-local address has the index for its
/// scope: when the interface is deleted and made again, the sockets are opened anew.
pub(super) struct DatagramLink {
    spec: DatagramSpec,
    buffers: Buffers,
    /// Index of the interface as last told.
    interface_index: u32,
    datagrams: Datagrams,
    watch: Option<(Registry, Token)>,
    /// When sockets are opened on the interface, whose index is not the one they were opened on.
    reopen_at: Option<Instant>,
    is_failure_told: bool,
    news: Option<LinkNews>,
}

impl DatagramLink {
    /// Opens the sockets on the interface with this index.
    ///
    /// # Errors
    /// When they cannot be opened.
    pub(super) fn open(
        spec: DatagramSpec,
        interface_index: u32,
        buffers: Buffers,
    ) -> Result<Self, LinkError> {
        Ok(Self {
            datagrams: Datagrams::new(spec.open(interface_index, buffers)?)?,
            spec,
            buffers,
            interface_index,
            watch: None,
            reopen_at: None,
            is_failure_told: false,
            news: None,
        })
    }

    /// Takes note of the index of the interface; [`Self::drive`] does what is to be done about it.
    pub(super) fn note_index(&mut self, index: u32) {
        if self.spec.is_of_interface() && index != self.interface_index {
            self.interface_index = index;
            self.reopen_at = Some(Instant::START);
            self.is_failure_told = false;
        }
    }

    /// Has the poll watch what is received, under this name.
    pub(super) fn watch(&mut self, registry: &Registry, receiver: Token) -> io::Result<()> {
        self.watch = Some((registry.try_clone()?, receiver));
        self.register()
    }

    fn register(&self) -> io::Result<()> {
        let Some((registry, token)) = &self.watch else {
            return Ok(());
        };
        let receiver = self.datagrams.receiver_fd();
        registry.register(&mut SourceFd(&receiver), *token, Interest::READABLE)
    }

    /// Returns when [`Self::drive`] has something to do if the poll does not wake us before.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.reopen_at
    }

    /// Opens the sockets anew if they must be, and sends what waits.
    pub(super) fn drive(&mut self, now: Instant, each: impl FnMut(Sent)) -> Driven {
        let driven = match self.reopen_at {
            Some(at) if at <= now => self.reopen(now),
            Some(_) | None => Driven::AsBefore,
        };
        self.datagrams.flush(each);
        driven
    }

    fn reopen(&mut self, now: Instant) -> Driven {
        let opened = self.spec.open(self.interface_index, self.buffers);
        let reopened = opened
            .and_then(|sockets| self.datagrams.replace(sockets))
            .and_then(|()| {
                self.register()
                    .map_err(LinkError::at("watch the socket of the link"))
            });
        match reopened {
            Ok(()) => {
                self.reopen_at = None;
                self.news = Some(LinkNews::Reopened);
                Driven::NewReceiver
            }
            Err(error) => {
                self.reopen_at = Some(now.saturating_add(RETRY));
                if !std::mem::replace(&mut self.is_failure_told, true) {
                    self.news = Some(LinkNews::NotReopened(error));
                }
                Driven::AsBefore
            }
        }
    }

    /// Returns what an operator has not been told yet.
    pub(super) const fn take_news(&mut self) -> Option<LinkNews> {
        self.news.take()
    }

    pub(super) const fn datagrams(&self) -> &Datagrams {
        &self.datagrams
    }

    pub(super) const fn datagrams_mut(&mut self) -> &mut Datagrams {
        &mut self.datagrams
    }
}

impl fmt::Debug for DatagramLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatagramLink")
            .field("spec", &self.spec)
            .field("datagrams", &self.datagrams)
            .field("reopen_at", &self.reopen_at)
            .finish_non_exhaustive()
    }
}
