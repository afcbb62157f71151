//! Who sends: receive state belongs to the node that a message came from (docs/sync-protocol.md, "Senders").
//!
//! ```text
//!                       (link, source) is known ────────────► its sender
//!                       │ but speaks after a change of link
//!                       │ with numbers that are another's
//!                       ▼
//! (link, source) is new: a sender without an address on that link is
//!                       │ the only one there is ────────────► that sender, by one more link
//!                       │ the one whose numbers go on so ───► that sender, by one more link
//!                       ▼
//!                       a new sender, in place of the one least recently heard if there are too many
//! ```
//!
//! A node speaks on one link at a time, has one address on each, and one counter for all.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use crate::config::Reach;
use crate::input::Channel;
use crate::seq::Seq;
use crate::time::Instant;

/// Most senders that state is kept for; a [`SenderSet`] has a bit for each.
pub(crate) const SENDERS_MAX: u8 = 32;

/// Numbers of a sender that speaks on another link are this near to its last one, or they are another's.
const NEAR: u32 = 1 << 16;

/// A node that we hear, by its place in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SenderId(u8);

impl SenderId {
    /// The one that is heard first.
    #[cfg(test)]
    pub(crate) const FIRST: Self = Self(0);

    /// Returns the place as an index.
    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    #[cfg(test)]
    pub(crate) const fn for_test(place: u8) -> Self {
        Self(place)
    }
}

/// A set of senders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SenderSet(u32);

impl SenderSet {
    /// Nobody.
    pub(crate) const EMPTY: Self = Self(0);

    const fn bit(id: SenderId) -> u32 {
        1_u32.wrapping_shl(id.0 as u32)
    }

    /// Adds a sender.
    pub(crate) const fn insert(&mut self, id: SenderId) {
        self.0 |= Self::bit(id);
    }

    /// Takes a sender out.
    pub(crate) const fn remove(&mut self, id: SenderId) {
        self.0 &= !Self::bit(id);
    }

    /// Returns whether a sender is in it.
    pub(crate) const fn contains(self, id: SenderId) -> bool {
        self.0 & Self::bit(id) != 0
    }

    /// Returns whether all of `other` are in it.
    pub(crate) const fn contains_all(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// Returns those that are in both.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Returns whether there is more than one.
    pub(crate) const fn are_several(self) -> bool {
        self.0.count_ones() > 1
    }

    /// Returns its members in order.
    pub(crate) fn iter(self) -> impl Iterator<Item = SenderId> {
        (0..SENDERS_MAX)
            .map(SenderId)
            .filter(move |id| self.contains(*id))
    }
}

impl FromIterator<SenderId> for SenderSet {
    fn from_iter<I: IntoIterator<Item = SenderId>>(ids: I) -> Self {
        let mut set = Self::EMPTY;
        for id in ids {
            set.insert(id);
        }
        set
    }
}

/// What the first message of a datagram tells of who sent it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice {
    /// Link it came by.
    pub(crate) channel: Channel,
    /// Address it came from.
    pub(crate) source: IpAddr,
    /// Its number.
    pub(crate) seq: Seq,
    /// It says HELLO: its numbers need not go on.
    pub(crate) is_greeting: bool,
}

/// Who sent a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identified {
    /// One that was heard before.
    Known(SenderId),
    /// One that was not.
    New(SenderId),
    /// One that was not, in the place of another, which is forgotten.
    InPlaceOf(SenderId, IpAddr),
}

impl Identified {
    /// Returns who it is.
    pub(crate) const fn id(self) -> SenderId {
        match self {
            Self::Known(id) | Self::New(id) | Self::InPlaceOf(id, _) => id,
        }
    }
}

/// What tells a sender from others.
#[derive(Debug)]
struct Sender {
    /// Its address on each link that it was heard on.
    addresses: Vec<(Channel, IpAddr)>,
    /// The link it was heard on last.
    channel: Channel,
    last_heard: Instant,
    /// It was heard in sequence: more than a single datagram that anybody can forge.
    has_continued: bool,
}

impl Sender {
    fn address_on(&self, channel: Channel) -> Option<IpAddr> {
        let known = self.addresses.iter().find(|(known, _)| *known == channel);
        known.map(|(_, address)| *address)
    }
}

/// The senders that state is kept for.
#[derive(Debug)]
pub(crate) struct Senders {
    /// Whom each link reaches.
    reaches: Vec<Reach>,
    senders: Vec<Sender>,
    evicted: u64,
}

impl Senders {
    /// Returns a table without senders for links that reach so far.
    pub(crate) const fn new(reaches: Vec<Reach>) -> Self {
        Self {
            reaches,
            senders: Vec::new(),
            evicted: 0,
        }
    }

    /// Returns how many senders state is kept for.
    pub(crate) const fn len(&self) -> usize {
        self.senders.len()
    }

    /// Returns how many senders were forgotten for others.
    pub(crate) const fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Returns those that were heard within `period`.
    pub(crate) fn heard_within(&self, period: Duration, now: Instant) -> SenderSet {
        let is_heard = |sender: &Sender| now.saturating_since(sender.last_heard) <= period;
        let heard = self.ids().filter(|(_, sender)| is_heard(sender));
        heard.map(|(id, _)| id).collect()
    }

    /// Tells who speaks; `last` is the number of the last message taken from a sender.
    pub(crate) fn identify(
        &mut self,
        voice: Voice,
        last: impl Fn(SenderId) -> Option<Seq>,
        now: Instant,
    ) -> Identified {
        let voice = Voice {
            source: self.known_as(voice),
            ..voice
        };
        let identified = match self.known(voice, &last).or_else(|| self.adopt(voice, &last)) {
            Some(id) => Identified::Known(id),
            None => self.admit(voice, now),
        };
        let id = identified.id();
        let continues = last(id).is_some_and(|last| voice.seq == last.next());
        if let (Identified::Known(_), Some(sender)) = (identified, self.senders.get_mut(id.index())) {
            (sender.channel, sender.last_heard) = (voice.channel, now);
            sender.has_continued |= continues;
        }
        identified
    }

    /// Returns the address that tells senders apart: none does on a link to one peer, whose datagrams
    /// come from whatever address its kernel chooses.
    fn known_as(&self, voice: Voice) -> IpAddr {
        match self.reaches.get(usize::from(voice.channel.0)) {
            Some(Reach::Group) => voice.source,
            Some(Reach::Peer) | None => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        }
    }

    /// Returns the sender that has this address, unless its numbers show after a change of link that
    /// the address is another's: then it is taken from it.
    fn known(&mut self, voice: Voice, last: impl Fn(SenderId) -> Option<Seq>) -> Option<SenderId> {
        let is_sole = self.senders.len() == 1;
        let (id, sender) = self
            .ids()
            .find(|(_, sender)| sender.address_on(voice.channel) == Some(voice.source))?;
        let is_plausible = is_sole
            || voice.is_greeting
            || sender.channel == voice.channel
            || last(id).is_none_or(|last| is_near(voice.seq, last));
        if is_plausible {
            return Some(id);
        }
        let sender = self.senders.get_mut(id.index())?;
        sender.addresses.retain(|(channel, _)| *channel != voice.channel);
        None
    }

    /// Returns the sender that speaks on one more link.
    fn adopt(&mut self, voice: Voice, last: impl Fn(SenderId) -> Option<Seq>) -> Option<SenderId> {
        let silent_there = |(_, sender): &(SenderId, &Sender)| sender.address_on(voice.channel).is_none();
        let is_sole = self.senders.len() == 1;
        let distance = |id: SenderId| last(id).map(|last| voice.seq.steps_since(last));
        let id = if is_sole {
            self.ids().find(silent_there)?.0
        } else {
            let goes_on = |(id, _): (SenderId, &Sender)| Some((distance(id)?, id));
            let nearest = self.ids().filter(silent_there).filter_map(goes_on);
            let (distance, id) = nearest.min_by_key(|(distance, id)| (*distance, id.0))?;
            (1..=NEAR).contains(&distance).then_some(id)?
        };
        let sender = self.senders.get_mut(id.index())?;
        sender.addresses.push((voice.channel, voice.source));
        Some(id)
    }

    /// Makes room for a sender that was not heard before.
    fn admit(&mut self, voice: Voice, now: Instant) -> Identified {
        let sender = Sender {
            addresses: Vec::from([(voice.channel, voice.source)]),
            channel: voice.channel,
            last_heard: now,
            has_continued: false,
        };
        if self.senders.len() < usize::from(SENDERS_MAX) {
            let id = SenderId(u8::try_from(self.senders.len()).unwrap_or(SENDERS_MAX));
            self.senders.push(sender);
            return Identified::New(id);
        }
        let oldest = self
            .ids()
            .min_by_key(|(id, sender)| (sender.has_continued, sender.last_heard, id.0));
        let (id, _) = oldest.expect("a full table has senders");
        self.evicted = self.evicted.saturating_add(1);
        let forgotten = self
            .senders
            .get_mut(id.index())
            .and_then(|place| core::mem::replace(place, sender).addresses.pop());
        Identified::InPlaceOf(id, forgotten.map_or(voice.source, |(_, address)| address))
    }

    fn ids(&self) -> impl Iterator<Item = (SenderId, &Sender)> {
        (0..SENDERS_MAX).map(SenderId).zip(&self.senders)
    }
}

/// Returns whether a number is near the last one of a sender, later or earlier.
pub(crate) fn is_near(seq: Seq, last: Seq) -> bool {
    seq.steps_since(last).min(last.steps_since(seq)) <= NEAR
}

#[cfg(test)]
mod tests;
