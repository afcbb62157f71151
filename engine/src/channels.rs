//! Which link is used (docs/sync-protocol.md, "Choice").

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use crate::config::{Config, LinkConfig};
use crate::input::{Channel, LinkState};
use crate::report::Report;
use crate::time::Instant;

/// How long the carriers of interfaces may take to appear at start: those of a booting machine come late.
const SETTLE: Duration = Duration::from_secs(2);

/// Silence of the peer after which another link is tried. A peer that gives signs of life gives one a
/// second (docs/sync-protocol.md, "Alive timer"), but a stock daemon that purges gives none for long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longest time that a link is tried for while the peer stays silent: it is twice that of the last.
const PATIENCE_MAX: Duration = Duration::from_secs(160);

/// The links, and the one that everything is sent on.
///
/// It is left for another that runs when it stops, when the peer falls silent, and for the one on
/// which the peer is heard. It is not gone back to: nothing is sent on the others, so that a link that
/// runs again here says nothing of the way behind it.
#[derive(Debug)]
pub(crate) struct Channels {
    links: Vec<LinkConfig>,
    current: Channel,
    /// The link chosen by the operator, as long as another stands in for it that nothing but the
    /// start has called for; it is taken as soon as it runs.
    awaited: Option<Awaited>,
    silence: Silence,
    /// That no link runs has been told.
    is_none_told: bool,
}

/// How long the peer has been silent, and how long that is borne.
#[derive(Clone, Copy, Debug)]
struct Silence {
    /// When the peer was heard last, or the daemon started.
    heard: Instant,
    /// When the link in use was first waited on in vain: `heard`, or the last attempt.
    since: Instant,
    patience: Duration,
}

impl Silence {
    const fn from(now: Instant) -> Self {
        Self {
            heard: now,
            since: now,
            patience: PATIENCE,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Awaited {
    channel: Channel,
    until: Instant,
}

impl Channels {
    /// Returns the links with the default one in use; [`Self::start`] must follow.
    pub(crate) fn new(config: &Config, now: Instant) -> Self {
        Self {
            links: config.links.clone(),
            current: Channel(config.default_link),
            awaited: None,
            silence: Silence::from(now),
            is_none_told: false,
        }
    }

    /// Chooses another link if the default one does not run. If there is none, returns when to
    /// [look again](Self::settle).
    pub(crate) fn start(&mut self, now: Instant) -> (Option<Report>, Option<Instant>) {
        if self.runs(self.current) {
            return (None, None);
        }
        let until = now.saturating_add(SETTLE);
        self.awaited = Some(Awaited {
            channel: self.current,
            until,
        });
        match self.first_running() {
            Some(channel) => (self.switch(channel), None),
            None => (None, Some(until)),
        }
    }

    /// Looks whether a link runs now that all had time to begin.
    pub(crate) fn settle(&mut self) -> Option<Report> {
        self.awaited = None;
        self.examine()
    }

    /// Returns the link in use.
    pub(crate) const fn current(&self) -> Channel {
        self.current
    }

    /// Returns the largest payload of a datagram on the link in use.
    pub(crate) fn payload_len_max(&self) -> u16 {
        self.link(self.current)
            .map_or(0, |link| link.state.payload_len_max)
    }

    /// Takes note of the state of an interface.
    pub(crate) fn set_state(&mut self, channel: Channel, state: LinkState, now: Instant) -> Option<Report> {
        if let Some(link) = self.links.get_mut(usize::from(channel.0)) {
            link.state = state;
        }
        match self.awaited {
            Some(awaited) if awaited.until <= now => self.awaited = None,
            Some(awaited) if self.runs(awaited.channel) => {
                self.awaited = None;
                return self.switch(awaited.channel);
            }
            // That none runs is told when they had their time.
            Some(_) if self.first_running().is_none() => return None,
            Some(_) | None => {}
        }
        self.examine()
    }

    /// The peer sends on this link, so it hears us there.
    ///
    /// Not if it does not run here while the one in use does: the message was sent before it stopped.
    pub(crate) fn follow(&mut self, channel: Channel, now: Instant) -> Option<Report> {
        self.silence = Silence::from(now);
        if self.link(channel).is_none() || (self.runs(self.current) && !self.runs(channel)) {
            return None;
        }
        self.awaited = None;
        self.switch(channel)
    }

    /// Returns when to [listen for silence](Self::listen) next; `None` if there is no other link.
    pub(crate) fn silence_deadline(&self) -> Option<Instant> {
        let Silence { since, patience, .. } = self.silence;
        (self.links.len() > 1).then(|| since.saturating_add(patience))
    }

    /// Tries the next link that runs if the peer has been silent for too long: the way of the one in
    /// use may be broken behind our interface. The longer nothing is heard on any, the longer each is
    /// tried. Returns for how long the peer has been silent, and the link in use.
    pub(crate) fn listen(&mut self, now: Instant) -> Option<[Report; 2]> {
        let Silence {
            heard,
            since,
            patience,
        } = self.silence;
        if now < since.saturating_add(patience) {
            return None;
        }
        self.silence = Silence {
            heard,
            since: now,
            patience: PATIENCE_MAX.min(patience.saturating_mul(2)),
        };
        let in_use = self.switch(self.next_running()?)?;
        self.awaited = None;
        let secs = now.saturating_since(heard).as_secs();
        Some([Report::PeerSilent { secs }, in_use])
    }

    /// Leaves the link in use if it does not run and another does.
    fn examine(&mut self) -> Option<Report> {
        if self.runs(self.current) {
            self.is_none_told = false;
            return None;
        }
        match self.first_running() {
            Some(channel) => self.switch(channel),
            None if core::mem::replace(&mut self.is_none_told, true) => None,
            None => Some(Report::NoLink),
        }
    }

    fn switch(&mut self, channel: Channel) -> Option<Report> {
        if channel == self.current {
            return None;
        }
        self.current = channel;
        self.is_none_told = false;
        let interface = self
            .link(channel)
            .map_or_else(String::new, |link| link.interface.clone());
        Some(Report::LinkInUse { interface })
    }

    /// Returns the first link that runs, in the order of the configuration.
    fn first_running(&self) -> Option<Channel> {
        self.running().next()
    }

    /// Returns the first link that runs behind the one in use, in the order of the configuration, and
    /// round from its end to its beginning.
    fn next_running(&self) -> Option<Channel> {
        let behind = self.running().find(|channel| channel.0 > self.current.0);
        behind.or_else(|| self.first_running())
    }

    fn running(&self) -> impl Iterator<Item = Channel> {
        let links = (0..).map(Channel).zip(&self.links);
        links
            .filter(|(_, link)| link.state.runs())
            .map(|(channel, _)| channel)
    }

    fn runs(&self, channel: Channel) -> bool {
        self.link(channel).is_some_and(|link| link.state.runs())
    }

    fn link(&self, channel: Channel) -> Option<&LinkConfig> {
        self.links.get(usize::from(channel.0))
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::config::Reach;

    const RUNS: LinkState = LinkState {
        is_up: true,
        is_running: true,
        payload_len_max: 1472,
    };
    const NO_CARRIER: LinkState = LinkState {
        is_running: false,
        ..RUNS
    };
    const DOWN: LinkState = LinkState {
        is_up: false,
        ..NO_CARRIER
    };

    /// Links `eth0`, `eth1` and so on in these states, the first of them the default.
    fn links(states: &[LinkState]) -> Channels {
        let link = |(n, state): (usize, &LinkState)| LinkConfig {
            interface: alloc::format!("eth{n}"),
            state: *state,
            reach: Reach::Peer,
        };
        Channels {
            links: states.iter().enumerate().map(link).collect(),
            current: Channel(0),
            awaited: None,
            silence: Silence::from(at(0)),
            is_none_told: false,
        }
    }

    fn at(millis: u64) -> Instant {
        Instant::from_millis(millis)
    }

    fn in_use(n: u8) -> Option<Report> {
        Some(Report::LinkInUse {
            interface: alloc::format!("eth{n}"),
        })
    }

    #[derive(Clone, Copy, Debug)]
    enum Event {
        /// The interface of this link changes.
        State(u8, LinkState),
        /// The peer is heard on this link.
        Heard(u8),
    }

    /// Every kind of state of the link in use and another, and every event.
    #[test]
    fn the_link_in_use_is_left_when_it_stops_and_when_the_peer_has_left_it() {
        use Event::{Heard, State};
        let none = || Some(Report::NoLink);
        let table = [
            (vec![RUNS, RUNS, RUNS], State(0, DOWN), 1, in_use(1)),
            (vec![RUNS, RUNS, RUNS], State(0, NO_CARRIER), 1, in_use(1)),
            (vec![RUNS, DOWN, RUNS], State(0, DOWN), 2, in_use(2)),
            (vec![RUNS, NO_CARRIER, RUNS], State(0, DOWN), 2, in_use(2)),
            (vec![RUNS, DOWN, DOWN], State(0, DOWN), 0, none()),
            (vec![RUNS, NO_CARRIER, DOWN], State(0, NO_CARRIER), 0, none()),
            (vec![RUNS, RUNS, RUNS], State(1, DOWN), 0, None),
            (vec![RUNS, DOWN, RUNS], State(1, RUNS), 0, None),
            (vec![DOWN, DOWN, DOWN], State(0, RUNS), 0, None),
            (vec![DOWN, DOWN, DOWN], State(2, RUNS), 2, in_use(2)),
            (vec![DOWN, DOWN, DOWN], State(2, NO_CARRIER), 0, none()),
            (vec![RUNS, RUNS, RUNS], Heard(0), 0, None),
            (vec![RUNS, RUNS, RUNS], Heard(2), 2, in_use(2)),
            (vec![RUNS, DOWN, RUNS], Heard(1), 0, None),
            (vec![RUNS, NO_CARRIER, RUNS], Heard(1), 0, None),
            (vec![DOWN, NO_CARRIER, DOWN], Heard(1), 1, in_use(1)),
            (vec![DOWN, RUNS, DOWN], Heard(1), 1, in_use(1)),
            (vec![RUNS], Heard(1), 0, None),
            (vec![RUNS], State(0, DOWN), 0, none()),
            (vec![RUNS], State(9, DOWN), 0, None),
        ];
        for (states, event, current, report) in table {
            let mut channels = links(&states);
            let told = match event {
                State(channel, state) => channels.set_state(Channel(channel), state, at(0)),
                Heard(channel) => channels.follow(Channel(channel), at(0)),
            };
            assert_eq!(
                (channels.current(), told),
                (Channel(current), report),
                "{states:?}, {event:?}"
            );
        }
    }

    #[test]
    fn a_link_that_comes_back_is_not_taken_back() {
        let mut channels = links(&[RUNS, RUNS]);
        assert_eq!(channels.set_state(Channel(0), DOWN, at(0)), in_use(1));
        assert_eq!(channels.set_state(Channel(0), RUNS, at(1)), None);
        assert_eq!(channels.current(), Channel(1));
        assert_eq!(channels.set_state(Channel(1), DOWN, at(2)), in_use(0));
    }

    /// What is told when the peer has been silent for these seconds and link `n` is tried.
    fn tried(secs: u64, n: u8) -> Option<[Report; 2]> {
        Some([Report::PeerSilent { secs }, in_use(n).unwrap()])
    }

    #[test]
    fn each_link_that_runs_is_tried_in_turn_while_the_peer_is_silent() {
        let mut channels = links(&[RUNS, NO_CARRIER, RUNS]);
        assert_eq!(channels.silence_deadline(), Some(at(10_000)));
        assert_eq!(channels.listen(at(9_999)), None);
        assert_eq!(channels.listen(at(10_000)), tried(10, 2));
        // Twice as long each time, up to 160 seconds.
        for (then, secs, n) in [
            (30, 30, 0),
            (70, 70, 2),
            (150, 150, 0),
            (310, 310, 2),
            (470, 470, 0),
        ] {
            assert_eq!(channels.silence_deadline(), Some(at(then * 1_000)));
            assert_eq!(channels.listen(at(then * 1_000 - 1)), None, "{then}");
            assert_eq!(channels.listen(at(then * 1_000)), tried(secs, n), "{then}");
        }
    }

    #[test]
    fn a_peer_that_is_heard_again_is_as_one_that_was_never_silent() {
        let mut channels = links(&[RUNS, RUNS]);
        assert_eq!(channels.listen(at(10_000)), tried(10, 1));
        assert_eq!(channels.follow(Channel(1), at(12_000)), None);
        assert_eq!(channels.silence_deadline(), Some(at(22_000)));
        assert_eq!(channels.listen(at(21_999)), None);
        assert_eq!(channels.listen(at(22_000)), tried(10, 0));
    }

    #[test]
    fn silence_changes_nothing_where_no_other_link_runs() {
        assert_eq!(links(&[RUNS]).silence_deadline(), None);
        let mut channels = links(&[RUNS, DOWN]);
        assert_eq!(channels.listen(at(10_000)), None);
        assert_eq!(channels.current(), Channel(0));
        assert_eq!(channels.silence_deadline(), Some(at(30_000)));
    }

    #[test]
    fn that_no_link_runs_is_told_once_until_one_runs_again() {
        let mut channels = links(&[RUNS, DOWN]);
        assert_eq!(channels.set_state(Channel(0), DOWN, at(0)), Some(Report::NoLink));
        assert_eq!(channels.set_state(Channel(1), NO_CARRIER, at(1)), None);
        assert_eq!(channels.set_state(Channel(0), RUNS, at(2)), None);
        assert_eq!(channels.set_state(Channel(0), DOWN, at(3)), Some(Report::NoLink));
    }

    #[test]
    fn a_default_link_that_does_not_run_at_start_has_a_stand_in() {
        for (states, current, report, settles) in [
            (vec![RUNS, RUNS], 0, None, None),
            (vec![DOWN, NO_CARRIER, RUNS], 2, in_use(2), None),
            (vec![NO_CARRIER, RUNS], 1, in_use(1), None),
            (vec![DOWN, DOWN], 0, None, Some(at(2_000))),
        ] {
            let mut channels = links(&states);
            assert_eq!(channels.start(at(0)), (report, settles), "{states:?}");
            assert_eq!(channels.current(), Channel(current), "{states:?}");
        }
    }

    #[test]
    fn a_carrier_that_comes_late_at_start_is_waited_for() {
        let mut channels = links(&[NO_CARRIER, RUNS]);
        assert_eq!(channels.start(at(0)).0, in_use(1));
        assert_eq!(channels.set_state(Channel(0), RUNS, at(1_999)), in_use(0));
        // Not if it comes too late, nor if the peer has been heard on the other.
        let mut channels = links(&[NO_CARRIER, RUNS]);
        assert_eq!(channels.start(at(0)).0, in_use(1));
        assert_eq!(channels.set_state(Channel(0), RUNS, at(2_000)), None);
        let mut channels = links(&[NO_CARRIER, RUNS]);
        assert_eq!(channels.start(at(0)).0, in_use(1));
        assert_eq!(channels.follow(Channel(1), at(0)), None);
        assert_eq!(channels.set_state(Channel(0), RUNS, at(1)), None);
    }

    #[test]
    fn that_no_link_runs_at_start_is_told_when_they_had_their_time() {
        let mut channels = links(&[DOWN, DOWN]);
        assert_eq!(channels.start(at(0)), (None, Some(at(2_000))));
        assert_eq!(channels.set_state(Channel(1), NO_CARRIER, at(1)), None);
        assert_eq!(channels.settle(), Some(Report::NoLink));
        assert_eq!(channels.settle(), None);
        let mut channels = links(&[DOWN, DOWN]);
        assert_eq!(channels.start(at(0)), (None, Some(at(2_000))));
        assert_eq!(channels.set_state(Channel(1), RUNS, at(1)), in_use(1));
        assert_eq!(channels.settle(), None);
    }

    #[test]
    fn the_payload_is_that_of_the_link_in_use() {
        let small = LinkState {
            payload_len_max: 548,
            ..RUNS
        };
        let mut channels = links(&[RUNS, small]);
        assert_eq!(channels.payload_len_max(), 1472);
        channels.follow(Channel(1), at(0));
        assert_eq!(channels.payload_len_max(), 548);
        let smaller = LinkState {
            payload_len_max: 300,
            ..RUNS
        };
        channels.set_state(Channel(1), smaller, at(0));
        assert_eq!(
            channels.payload_len_max(),
            300,
            "the MTU of its interface changed"
        );
    }
}
