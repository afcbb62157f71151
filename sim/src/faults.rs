//! What goes wrong: on the link, and with the machines.

use std::time::Duration;

use crate::replay::Rng;
use crate::side::Side;

/// How unkind the link is; the numbers are cases in 1,000.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LinkRates {
    /// Datagrams that are lost, each for itself.
    pub(crate) lost: u32,
    /// Datagrams that arrive twice.
    pub(crate) doubled: u32,
    /// Datagrams at which the link breaks: what is on its way is lost, and some that follow.
    pub(crate) broken: u32,
    /// The shortest way of a datagram.
    pub(crate) delay_min: Duration,
    /// The longest; turmoil draws in between, so that later ones overtake earlier ones.
    pub(crate) delay_max: Duration,
}

/// What becomes of a datagram, as far as it is decided where it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Sent,
    Lost,
    Doubled,
}

/// What happens to the machines, in 1,000 steps of a tenth of a second.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MachineRates {
    /// A daemon is killed, and started again a little later.
    pub(crate) daemon_kills: u32,
    /// A machine dies, and comes back with an empty kernel; the other one takes over.
    pub(crate) machine_deaths: u32,
    /// The event socket of a daemon overruns.
    pub(crate) overruns: u32,
    /// Nothing passes the link for a while.
    pub(crate) partitions: u32,
    /// All that is on the link waits there for a while, and then arrives.
    pub(crate) stalls: u32,
    /// The interface of one of the links goes down for a while.
    pub(crate) link_failures: u32,
    /// An operator asks a daemon for something.
    pub(crate) requests: u32,
    /// The clock of a machine is set, most seconds forth or back; a daemon sees it when it starts.
    pub(crate) clock_jump_secs: u64,
}

/// Something that happens to the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    DaemonKilled(Side),
    MachineDies(Side),
    Overrun(Side, Duration),
    Partition(Duration),
    Stall(Duration),
    LinkFails(Side, Duration),
    Request(Side),
}

/// Draws a rate: zero in about every second world.
fn swarm(rates: &[u32], rng: &mut Rng) -> u32 {
    if rng.happens(500) { 0 } else { rng.choose(rates) }
}

impl LinkRates {
    /// Draws the link of a world.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        let delay_min = rng.choose(&[0, 0, 5, 40]);
        let spread = rng.choose(&[0, 0, 30, 200, 1_000]);
        Self {
            lost: swarm(&[10, 100, 300, 600], rng),
            doubled: swarm(&[10, 200, 1_000], rng),
            broken: swarm(&[5, 50], rng),
            delay_min: Duration::from_millis(delay_min),
            delay_max: Duration::from_millis(delay_min + spread),
        }
    }

    /// Draws what becomes of a datagram.
    pub(crate) fn fate(&self, rng: &mut Rng) -> Fate {
        if rng.happens(self.lost) {
            Fate::Lost
        } else if rng.happens(self.doubled) {
            Fate::Doubled
        } else {
            Fate::Sent
        }
    }
}

impl MachineRates {
    /// Draws the fate of the machines of a world.
    pub(crate) fn draw(rng: &mut Rng) -> Self {
        Self {
            daemon_kills: swarm(&[5, 20], rng),
            machine_deaths: if rng.happens(250) { 10 } else { 0 },
            overruns: swarm(&[10, 50], rng),
            partitions: swarm(&[10, 30], rng),
            stalls: swarm(&[10], rng),
            link_failures: swarm(&[10, 40], rng),
            requests: swarm(&[20, 100], rng),
            clock_jump_secs: if rng.happens(250) {
                rng.choose(&[3, 1_000])
            } else {
                0
            },
        }
    }

    /// Draws what happens in one tenth of a second.
    pub(crate) fn faults(&self, rng: &mut Rng) -> Vec<Fault> {
        let mut faults = Vec::new();
        let side = rng.choose(&[Side::A, Side::B]);
        let mut add = |rate, fault| {
            if rng.happens(rate) {
                let span = Duration::from_millis(rng.between(50, 4_000));
                faults.push(match fault {
                    Fault::Overrun(side, _) => Fault::Overrun(side, span / 8),
                    Fault::Partition(_) => Fault::Partition(span),
                    Fault::Stall(_) => Fault::Stall(span),
                    Fault::LinkFails(side, _) => Fault::LinkFails(side, span),
                    Fault::DaemonKilled(_) | Fault::MachineDies(_) | Fault::Request(_) => fault,
                });
            }
        };
        add(self.daemon_kills, Fault::DaemonKilled(side));
        add(self.machine_deaths, Fault::MachineDies(side));
        add(self.overruns, Fault::Overrun(side, Duration::ZERO));
        add(self.partitions, Fault::Partition(Duration::ZERO));
        add(self.stalls, Fault::Stall(Duration::ZERO));
        add(self.link_failures, Fault::LinkFails(side, Duration::ZERO));
        add(self.requests, Fault::Request(side));
        faults
    }
}
