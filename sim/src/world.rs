//! From a seed to a world: what the cluster is like, how much goes wrong in it, and for how long.
//!
//! The rates are drawn as well, and many of them are zero, so that some worlds know one kind of
//! fault only and others all of them at once.

mod config;

use std::time::Duration;

use engine::config::{Config, Mode, OwnFlows, PeerFlows};
use engine::time::UnixTime;

use crate::faults::{LinkRates, MachineRates};
use crate::replay::{Purpose, Rng, Seed};
use crate::side::Side;
use crate::traffic::TrafficRates;

/// Which firewalls have traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topology {
    /// One, until it dies.
    ActiveBackup(Side),
    /// Both.
    ActiveActive,
}

/// How the kernels of the world are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KernelLimits {
    /// Most flows in a table.
    pub(crate) flow_len_max: usize,
    /// Most unread events.
    pub(crate) event_len_max: usize,
    /// Entries in one part of a dump.
    pub(crate) dump_part_len: usize,
    /// How long a part of a dump or a batch takes.
    pub(crate) turn: Duration,
    /// Dumps that fail, in 1,000.
    pub(crate) dump_failures: u32,
}

/// A time of faults, after which all must be well again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Act {
    /// How long the faults last.
    pub(crate) length: Duration,
    /// The machine that dies once all is well again, if one does.
    pub(crate) victim: Option<Side>,
}

/// All that a seed decides beforehand.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) seed: Seed,
    pub(crate) config: Config,
    pub(crate) topology: Topology,
    pub(crate) kernel: KernelLimits,
    pub(crate) link: LinkRates,
    pub(crate) machines: MachineRates,
    pub(crate) traffic: TrafficRates,
    /// The time on the clocks of both machines when the run begins.
    pub(crate) epoch: UnixTime,
    /// Whether the nodes run in another order in each step.
    pub(crate) runs_in_any_order: bool,
    pub(crate) acts: Vec<Act>,
}

impl World {
    /// Draws the world of a seed.
    pub(crate) fn new(seed: Seed) -> Self {
        let mut rng = seed.stream(Purpose::World);
        let rng = &mut rng;
        let config = config::draw(rng);
        let topology = match rng.between(0, 3) {
            // Whose a flow is nobody can tell where the kernels hold those of both.
            0 if config.peer_flows == PeerFlows::Cached => Topology::ActiveActive,
            1 => Topology::ActiveBackup(Side::B),
            _ => Topology::ActiveBackup(Side::A),
        };
        let traffic = TrafficRates::draw(rng);
        let n_acts = rng.between(1, 2);
        Self {
            seed,
            config,
            topology,
            kernel: kernel(traffic.flow_len_max, rng),
            link: LinkRates::draw(rng),
            machines: MachineRates::draw(rng),
            epoch: epoch(rng),
            runs_in_any_order: rng.happens(500),
            acts: (0..n_acts).map(|_| act(topology, rng)).collect(),
            traffic,
        }
    }

    /// Returns whether the nodes become equal again whatever was lost. Without acknowledgements and
    /// refreshes nobody hears of an end that was lost.
    pub(crate) const fn heals(&self) -> bool {
        match self.config.mode {
            Mode::Ftfw(_) | Mode::Alarm(_) => true,
            Mode::Notrack(_) => false,
        }
    }

    /// Returns how long it takes until the peer has heard of what has just happened, if nothing is lost.
    pub(crate) fn telling_time(&self) -> Duration {
        const ON_THE_WAY: Duration = Duration::from_secs(2);
        // A dump takes its time too.
        let poll = self
            .config
            .poll_period
            .map(|period| period + Duration::from_secs(8));
        ON_THE_WAY + poll.unwrap_or_default()
    }

    /// Returns whether a node may lose what it knew: a daemon or a machine.
    pub(crate) const fn has_restarts(&self) -> bool {
        self.machines.daemon_kills > 0 || self.machines.machine_deaths > 0
    }

    /// Returns whether flows of the peer go into the kernel as they are told.
    pub(crate) fn injects(&self) -> bool {
        self.config.peer_flows == PeerFlows::Injected
    }

    /// Returns whether flows are passed on and not cached.
    pub(crate) fn bypasses(&self) -> bool {
        self.config.own_flows == OwnFlows::Bypassed
    }
}

fn act(topology: Topology, rng: &mut Rng) -> Act {
    let victim = match topology {
        Topology::ActiveBackup(side) => side,
        Topology::ActiveActive => rng.choose(&[Side::A, Side::B]),
    };
    Act {
        length: Duration::from_millis(rng.between(4_000, 15_000)),
        victim: rng.happens(700).then_some(victim),
    }
}

/// The engine numbers its first message with the seconds of the clock: sometimes they are about to wrap.
fn epoch(rng: &mut Rng) -> UnixTime {
    let wrap = u64::from(u32::MAX);
    UnixTime::from_secs(match rng.between(0, 3) {
        0 => wrap - rng.between(0, 2_000),
        1 => (wrap >> 1) - rng.between(0, 2_000),
        _ => rng.between(1_600_000_000, 1_800_000_000),
    })
}

fn kernel(flow_len_max: usize, rng: &mut Rng) -> KernelLimits {
    // Each of both tables has to hold the flows of both machines, unless it is to fill up.
    let flow_len_max = if rng.happens(100) {
        flow_len_max
    } else {
        4 * flow_len_max
    };
    let event_len_max = if rng.happens(200) {
        rng.between(10, 60)
    } else {
        100_000
    };
    KernelLimits {
        flow_len_max,
        event_len_max: usize::try_from(event_len_max).expect("a small number"),
        dump_part_len: rng.choose(&[1, 4, 16, 1_000]),
        turn: Duration::from_millis(rng.choose(&[0, 0, 1, 5, 25])),
        dump_failures: rng.choose(&[0, 0, 0, 200]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rate = fn(&World) -> u32;
    type Kind = fn(&Config) -> bool;

    #[test]
    fn a_seed_gives_one_world_and_another_seed_another() {
        let draw = |seed| format!("{:?}", World::new(Seed(seed)));
        assert_eq!(draw(3), draw(3));
        assert_ne!(draw(3), draw(4));
    }

    #[test]
    fn many_rates_are_zero_and_none_always_is() {
        let worlds: Vec<World> = (0..200).map(|seed| World::new(Seed(seed))).collect();
        let rates: [(&str, Rate); 5] = [
            ("loss", |world| world.link.lost),
            ("duplication", |world| world.link.doubled),
            ("broken links", |world| world.link.broken),
            ("crashes", |world| world.machines.daemon_kills),
            ("overruns", |world| world.machines.overruns),
        ];
        for (name, rate) in rates {
            let n_zero = worlds.iter().filter(|world| rate(world) == 0).count();
            assert!(
                (50..190).contains(&n_zero),
                "{name} is zero in {n_zero} of 200 worlds"
            );
        }
    }

    #[test]
    fn every_kind_of_cluster_is_drawn_and_none_always_is() {
        let worlds: Vec<World> = (0..200).map(|seed| World::new(Seed(seed))).collect();
        let kinds: [(&str, Kind); 9] = [
            ("FT-FW", |config| matches!(config.mode, Mode::Ftfw(_))),
            ("NOTRACK", |config| matches!(config.mode, Mode::Notrack(_))),
            ("ALARM", |config| matches!(config.mode, Mode::Alarm(_))),
            ("filters", |config| !config.filter.is_empty()),
            ("expectations", |config| config.expectations.is_on()),
            ("injection", |config| config.peer_flows == PeerFlows::Injected),
            ("bypass", |config| config.own_flows == OwnFlows::Bypassed),
            ("polls", |config| config.poll_period.is_some()),
            ("several links", |config| config.links.len() > 1),
        ];
        for (name, is_so) in kinds {
            let n_so = worlds.iter().filter(|world| is_so(&world.config)).count();
            assert!((5..190).contains(&n_so), "{name}: {n_so} of 200 worlds");
        }
    }
}
