//! The links' side of the loop: datagrams in and out, each link at its pace.

use std::io;

use engine::input::{Channel, Input, LinkState};
use engine::time::Instant;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::pace::Pace;
use super::report::ShellReport;
use crate::control::statistics::{LinkStats, LinkStatus};
use crate::link::{Change, Driven, ErrorQueue, Link, Sent, Tokens};

/// Most links (docs/sync-protocol.md, "Links").
pub(super) const LINKS_MAX: usize = 4;
/// Sockets of a link that the poll may have to name.
pub(super) const TOKENS: usize = 3;
/// What a datagram takes of the receive buffer beside its bytes, about; its bytes count twice,
/// because the kernel rounds up.
const DATAGRAM_COST: usize = 1024;

/// The open links, in the order of the configuration.
pub(super) struct Links {
    links: Vec<PacedLink>,
    /// Where the last datagram was sent.
    last_used: Option<Channel>,
}

struct PacedLink {
    link: Link,
    pace: Pace,
    tokens: Tokens,
    /// The poll watches for room in the sender's buffer.
    is_sender_watched: bool,
}

impl Links {
    /// Has the poll watch the links; the tokens from `first_token` on are [`TOKENS`] for each.
    pub(super) fn watch(links: Vec<Link>, registry: &Registry, first_token: usize) -> io::Result<Self> {
        let mut tokens = (first_token..).map(Token);
        let mut watched = Self {
            links: Vec::new(),
            last_used: None,
        };
        for mut link in links {
            let (Some(receiver), Some(sender), Some(listener)) =
                (tokens.next(), tokens.next(), tokens.next())
            else {
                break;
            };
            let tokens = Tokens {
                receiver,
                sender,
                listener,
            };
            link.watch(registry, tokens)?;
            watched.links.push(PacedLink {
                link,
                pace: Pace::new(),
                tokens,
                is_sender_watched: false,
            });
        }
        Ok(watched)
    }

    /// The poll says that something happened to this socket.
    pub(super) fn wake(&mut self, token: Token) {
        for paced in &mut self.links {
            if paced.tokens.receiver == token {
                paced.pace.wake();
            } else {
                paced.link.wake(token);
            }
        }
    }

    /// Returns when a link is to be read or driven if the poll does not wake us before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let deadlines = self
            .links
            .iter()
            .flat_map(|paced| [paced.pace.deadline(), paced.link.deadline()]);
        deadlines.flatten().min()
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
            // A connection that has ended is closed, which the poll notices by itself.
            if let Some(receiver) = paced.link.receiver_fd() {
                watch.apply(registry, receiver, paced.tokens.receiver)?;
            }
        }
        Ok(())
    }

    /// Sends one datagram, or keeps it until there is room.
    ///
    /// What waits for a connection of the link used before goes first: there it would come late.
    pub(super) fn send(&mut self, channel: Channel, datagram: Vec<u8>) -> Sent {
        let last_used = self.last_used.replace(channel);
        if let Some(last_used) = last_used.filter(|last_used| *last_used != channel) {
            self.hand_over(last_used, channel);
        }
        match self.links.get_mut(usize::from(channel.0)) {
            Some(paced) => paced.link.send(datagram),
            None => Sent::Failed(datagram, io::Error::from(io::ErrorKind::NotFound)),
        }
    }

    fn hand_over(&mut self, from: Channel, to: Channel) {
        let places = [from, to].map(|channel| usize::from(channel.0));
        if let Ok([from, to]) = self.links.get_disjoint_mut(places) {
            from.link.hand_over(&mut to.link);
        }
    }

    /// Sends what waits, as far as there is room, and makes and takes connections.
    pub(super) fn drive(&mut self, now: Instant, mut each: impl FnMut(Channel, Sent)) {
        for (channel, paced) in channels(&mut self.links) {
            match paced.link.drive(now, |sent| each(channel, sent)) {
                Driven::AsBefore => {}
                // The poll has forgotten what is closed, the sender too if it was opened anew.
                Driven::NewReceiver => {
                    paced.pace = Pace::new();
                    paced.is_sender_watched &= paced.link.sender_fd().is_none();
                }
            }
        }
    }

    /// Returns what happened to the links' sockets and was not told before.
    pub(super) fn take_news(&mut self) -> Vec<ShellReport> {
        let news = self.links.iter_mut().filter_map(|paced| {
            let news = paced.link.take_news()?;
            let interface = paced.link.interface().to_owned();
            Some(ShellReport::Link { interface, news })
        });
        news.collect()
    }

    /// Has the poll watch those senders that wait for room, and no others: it would tell of room
    /// after every datagram that has left.
    pub(super) fn watch_senders(&mut self, registry: &Registry) -> io::Result<()> {
        for paced in &mut self.links {
            let Some(sender) = paced.link.sender_fd() else {
                continue;
            };
            let is_wanted = paced.link.n_waiting() > 0;
            let is_watched = std::mem::replace(&mut paced.is_sender_watched, is_wanted);
            match (is_wanted, is_watched) {
                (true, false) => {
                    registry.register(&mut SourceFd(&sender), paced.tokens.sender, Interest::WRITABLE)?;
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

    /// Returns the queues of what could not be sent, taken together; `None` without TCP links.
    pub(super) fn error_queue(&self) -> Option<ErrorQueue> {
        let queues = self.links.iter().filter_map(|paced| paced.link.error_queue());
        queues.reduce(|sum, queue| ErrorQueue {
            len: sum.len.saturating_add(queue.len),
            len_max: queue.len_max,
            overflowed: sum.overflowed.saturating_add(queue.overflowed),
        })
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
