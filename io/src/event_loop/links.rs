//! The links' side of the loop: datagrams in and out, each link at its pace.

use std::io;

use engine::input::{Channel, Input, LinkState};
use engine::time::Instant;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::pace::Pace;
use crate::control::statistics::{LinkStats, LinkStatus};
use crate::link::{Change, Link, Sent};

/// Most links (docs/sync-protocol.md, "Links").
pub(super) const LINKS_MAX: usize = 4;
/// What a datagram takes of the receive buffer beside its bytes, about; its bytes count twice,
/// because the kernel rounds up.
const DATAGRAM_COST: usize = 1024;

/// The open links, in the order of the configuration.
pub(super) struct Links {
    links: Vec<PacedLink>,
}

struct PacedLink {
    link: Link,
    pace: Pace,
    receiver: Token,
    sender: Token,
    /// The poll watches for room in the sender's buffer.
    is_sender_watched: bool,
}

impl Links {
    /// Has the poll watch the receivers; the tokens from `first_token` on are two for each link.
    pub(super) fn watch(links: Vec<Link>, registry: &Registry, first_token: usize) -> io::Result<Self> {
        let mut tokens = (first_token..).map(Token);
        let mut watched = Self { links: Vec::new() };
        for link in links {
            let (Some(receiver), Some(sender)) = (tokens.next(), tokens.next()) else {
                break;
            };
            registry.register(&mut SourceFd(&link.receiver_fd()), receiver, Interest::READABLE)?;
            let pace = Pace::new();
            watched.links.push(PacedLink {
                link,
                pace,
                receiver,
                sender,
                is_sender_watched: false,
            });
        }
        Ok(watched)
    }

    /// The poll says that this receiver can be read. Writable senders need no mark: what waits is
    /// tried in every turn, and the poll only has to end the sleep.
    pub(super) fn wake(&mut self, token: Token) {
        if let Some(paced) = self.links.iter_mut().find(|paced| paced.receiver == token) {
            paced.pace.wake();
        }
    }

    /// Returns when a link is to be read if the poll does not wake us before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.links.iter().filter_map(|paced| paced.pace.deadline()).min()
    }

    /// Returns whether datagrams wait for room.
    pub(super) fn has_waiting(&self) -> bool {
        self.links.iter().any(|paced| paced.link.n_waiting() > 0)
    }

    /// Reads about `n_datagrams` from each link whose time has come.
    pub(super) fn read(
        &mut self,
        n_datagrams: usize,
        now: Instant,
        registry: &Registry,
        mut each: impl FnMut(Input<'_>),
    ) -> io::Result<()> {
        for (channel, paced) in channels(&mut self.links) {
            if !paced.pace.is_due(now) {
                continue;
            }
            let mut n_bytes: usize = 0;
            let readable = paced.link.receive(n_datagrams, |source, payload| {
                n_bytes = n_bytes.saturating_add(DATAGRAM_COST + 2 * payload.len());
                each(Input::Peer {
                    channel,
                    source,
                    payload,
                });
            });
            let buffer_len = paced.link.receive_buffer_len();
            let watch = paced.pace.after_read(n_bytes, readable, buffer_len, now);
            watch.apply(registry, paced.link.receiver_fd(), paced.receiver)?;
        }
        Ok(())
    }

    /// Sends one datagram, or keeps it until there is room.
    pub(super) fn send(&mut self, channel: Channel, datagram: Vec<u8>) -> Sent {
        match self.links.get_mut(usize::from(channel.0)) {
            Some(paced) => paced.link.send(datagram),
            None => Sent::Failed(datagram, io::Error::from(io::ErrorKind::NotFound)),
        }
    }

    /// Sends what waits, as far as there is room.
    pub(super) fn flush(&mut self, mut each: impl FnMut(Channel, Sent)) {
        for (channel, paced) in channels(&mut self.links) {
            paced.link.flush(|sent| each(channel, sent));
        }
    }

    /// Has the poll watch those senders that wait for room, and no others: it would tell of room
    /// after every datagram that has left.
    pub(super) fn watch_senders(&mut self, registry: &Registry) -> io::Result<()> {
        for paced in &mut self.links {
            let sender = paced.link.sender_fd();
            let is_wanted = paced.link.n_waiting() > 0;
            let is_watched = std::mem::replace(&mut paced.is_sender_watched, is_wanted);
            match (is_wanted, is_watched) {
                (true, false) => {
                    registry.register(&mut SourceFd(&sender), paced.sender, Interest::WRITABLE)?;
                }
                (false, true) => registry.deregister(&mut SourceFd(&sender))?,
                (true, true) | (false, false) => {}
            }
        }
        Ok(())
    }

    /// Returns the names of the links' interfaces.
    pub(super) fn interfaces(&self) -> Vec<String> {
        self.links
            .iter()
            .map(|paced| paced.link.interface().to_owned())
            .collect()
    }

    /// Takes note of news about an interface and tells which links changed by it.
    pub(super) fn note(&mut self, change: &Change, mut each: impl FnMut(Channel, LinkState)) {
        for (channel, paced) in channels(&mut self.links) {
            if let Some(state) = paced.link.note(change) {
                each(channel, state);
            }
        }
    }

    /// Returns what `-s` shows of each link.
    pub(super) fn stats(&self) -> Vec<LinkStats> {
        self.links.iter().map(|paced| link_stats(&paced.link)).collect()
    }
}

/// Links with their places in the configuration.
fn channels(links: &mut [PacedLink]) -> impl Iterator<Item = (Channel, &mut PacedLink)> {
    (0..).map(Channel).zip(links)
}

fn link_stats(link: &Link) -> LinkStats {
    let counters = link.counters();
    let state = link.state();
    LinkStats {
        interface: link.interface().to_owned(),
        transport: link.transport(),
        status: match (state.is_up, state.is_running) {
            (true, true) => LinkStatus::Running,
            (true, false) => LinkStatus::NoCarrier,
            (false, _) => LinkStatus::Down,
        },
        sent: counters.sent,
        received: counters.received,
    }
}
