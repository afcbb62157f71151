//! The run of a world: acts of traffic and faults, recovery, failover.

mod audit;
mod failover;
mod recovery;

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use engine::input::{CacheName, Channel, ClientId, DumpFormat, Request, StatsTopic, Table};
use engine::time::Instant;

use crate::faults::Fault;
use crate::node;
use crate::replay::{Purpose, Rng, Seed};
use crate::scene::{Machine, PlantedBug, Scene, SharedScene};
use crate::side::{Pair, Side};
use crate::takeover::Script;
use crate::traffic::Traffic;
use crate::world::{Act, Topology, World};

/// The time between two looks of the directors at the cluster.
const STEP: Duration = Duration::from_millis(5);

/// In this time requests must be answered.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// What went wrong in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Something that should have come to an end did not.
    NoProgress(String),
    /// Something is not as it must be.
    Wrong(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProgress(what) => write!(f, "no progress: {what}"),
            Self::Wrong(what) => write!(f, "wrong: {what}"),
        }
    }
}

impl std::error::Error for Failure {}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether all held.
    pub result: Result<(), Failure>,
    /// The story.
    pub trace: String,
    /// Flows that were taken over by the other machine, and found there as they must be.
    pub n_taken_over: usize,
}

/// Runs the world of `seed`, with a bug in its nodes if one is given.
///
/// # Panics
/// If an engine does.
#[must_use]
pub fn run(seed: Seed, bug: Option<PlantedBug>) -> Outcome {
    let mut cluster = Cluster::new(World::new(seed), bug);
    let result = cluster.play();
    let Cluster {
        sim,
        scene,
        n_taken_over,
        ..
    } = cluster;
    // The nodes hold the scene too.
    drop(sim);
    let trace = std::mem::take(&mut scene.borrow_mut().trace).into_text();
    Outcome {
        result,
        trace,
        n_taken_over,
    }
}

/// A firewall as those who direct it see it.
#[derive(Clone, Copy, Debug)]
struct Power {
    /// When its daemon is started again, if it is dead.
    daemon_back_at: Option<Instant>,
    /// Whether the machine itself is dead.
    is_off: bool,
}

struct Cluster {
    world: World,
    sim: turmoil::Sim<'static>,
    scene: SharedScene,
    topology: Topology,
    powers: Pair<Power>,
    traffic: Traffic,
    schedule: Rng,
    partition_ends: Option<Instant>,
    stall_ends: Option<Instant>,
    /// When which interface of which link comes up again.
    link_repairs: Vec<(Instant, Side, Channel)>,
    script: Option<Script>,
    next_client: u64,
    /// Whether flows may run out of time.
    has_expiry: bool,
    n_taken_over: usize,
}

impl Cluster {
    fn new(world: World, bug: Option<PlantedBug>) -> Self {
        let seed = world.seed;
        let mut builder = turmoil::Builder::new();
        builder
            .rng_seed(seed.stream(Purpose::Turmoil).next_u64())
            .epoch(SystemTime::UNIX_EPOCH)
            .simulation_duration(Duration::from_secs(86_400))
            .tick_duration(STEP)
            .min_message_latency(world.link.delay_min)
            .max_message_latency(world.link.delay_min)
            .repair_rate(0.3)
            .udp_capacity(4_096);
        if world.runs_in_any_order {
            builder.enable_random_order();
        }
        let mut sim = builder.build();
        let scene = Rc::new(RefCell::new(Scene::new(world.clone(), bug)));
        for side in Side::BOTH {
            let scene = Rc::clone(&scene);
            sim.host(side.name(), move || node::run(side, Rc::clone(&scene)));
        }
        Self {
            sim,
            scene,
            topology: world.topology,
            powers: Pair::of(|_| Power {
                daemon_back_at: None,
                is_off: false,
            }),
            traffic: Traffic::new(world.traffic, seed.stream(Purpose::Traffic)),
            schedule: seed.stream(Purpose::Schedule),
            partition_ends: None,
            stall_ends: None,
            link_repairs: Vec::new(),
            script: None,
            next_client: 10,
            has_expiry: true,
            n_taken_over: 0,
            world,
        }
    }

    fn play(&mut self) -> Result<(), Failure> {
        let World {
            config,
            topology,
            kernel,
            link,
            machines,
            traffic,
            ..
        } = &self.world;
        for what in [
            format!("{config:?}"),
            format!("{topology:?}, {kernel:?}"),
            format!("{link:?}, {machines:?}"),
            format!("{traffic:?}"),
        ] {
            self.tell(&what);
        }
        for act in self.world.acts.clone() {
            self.act(act)?;
            self.recover()?;
            self.tell("all is well");
            if let Some(victim) = act.victim {
                self.fail_over(victim)?;
            }
        }
        Ok(())
    }

    fn now(&self) -> Instant {
        Instant::START.saturating_add(self.sim.elapsed())
    }

    fn tell(&self, what: &str) {
        self.scene.borrow_mut().trace.tell(self.now(), "", what);
    }

    /// Does something to a machine.
    fn with_machine<T>(&self, side: Side, act: impl FnOnce(&mut Machine) -> T) -> T {
        act(self.scene.borrow_mut().machine(side))
    }

    /// Lets traffic and faults go on for a while.
    fn act(&mut self, act: Act) -> Result<(), Failure> {
        self.tell("the faults begin");
        self.scene.borrow_mut().has_faults = true;
        self.sim
            .set_link_fail_rate("a", "b", f64::from(self.world.link.broken) / 1_000.0);
        self.sim
            .set_link_max_message_latency("a", "b", self.world.link.delay_max);
        let until = self.now().saturating_add(act.length);
        while self.now() < until {
            self.let_hosts_act();
            if self.is_multiple_of(Duration::from_millis(100)) {
                for fault in self.world.machines.faults(&mut self.schedule) {
                    self.strike(fault);
                }
            }
            self.step()?;
        }
        self.tell("the faults end");
        self.scene.borrow_mut().has_faults = false;
        self.sim.set_link_fail_rate("a", "b", 0.0);
        self.sim
            .set_link_max_message_latency("a", "b", self.world.link.delay_min);
        self.end_partition();
        self.end_stall();
        self.repair_links(|_| true);
        Ok(())
    }

    fn is_multiple_of(&self, period: Duration) -> bool {
        self.sim.elapsed().as_millis() % period.as_millis() == 0
    }

    fn let_hosts_act(&mut self) {
        let now = self.now();
        for side in Side::BOTH {
            let has_traffic = match self.topology {
                Topology::ActiveBackup(active) => side == active,
                Topology::ActiveActive => true,
            };
            if has_traffic && !self.powers.get(side).is_off {
                let mut scene = self.scene.borrow_mut();
                self.traffic.step(side, &mut scene.machine(side).kernel, now);
            }
        }
    }

    fn strike(&mut self, fault: Fault) {
        let now = self.now();
        match fault {
            Fault::DaemonKilled(side) => {
                if self.is_running(side) {
                    let after = Duration::from_millis(self.schedule.between(5, 3_000));
                    self.kill(side, now.saturating_add(after));
                }
            }
            Fault::MachineDies(side) => {
                let is_first = Side::BOTH.iter().all(|side| !self.powers.get(*side).is_off);
                if is_first && self.script.is_none() {
                    self.power_off(side);
                    self.script = Some(Script::take_over(side.other()));
                }
            }
            Fault::Overrun(side, span) => {
                self.tell(&format!("{side} loses events for {span:?}"));
                self.with_machine(side, |machine| machine.kernel.deafen(now.saturating_add(span)));
            }
            Fault::Partition(span) => {
                self.tell(&format!("nothing passes the link for {span:?}"));
                self.sim.partition("a", "b");
                self.partition_ends = Some(now.saturating_add(span));
            }
            Fault::Stall(span) => {
                self.tell(&format!("all waits on the link for {span:?}"));
                self.sim.hold("a", "b");
                self.stall_ends = Some(now.saturating_add(span));
            }
            Fault::LinkFails(side, span) => {
                let last = u8::try_from(self.world.config.links.len() - 1).expect("links are few");
                let channel = Channel(self.schedule.choose(&[0, 1, 2]).min(last));
                self.tell(&format!("link {} of {side} is down for {span:?}", channel.0));
                self.with_machine(side, |machine| machine.set_link(channel, false));
                self.link_repairs.push((now.saturating_add(span), side, channel));
            }
            Fault::Request(side) => {
                let (table, format) = (Table::Flows, DumpFormat::Xml);
                let request = self.schedule.choose(&[
                    Request::ResyncKernel(Table::Both),
                    Request::Bulk,
                    Request::RequestResync,
                    Request::Statistics(StatsTopic::ResendQueue),
                    Request::Dump {
                        cache: CacheName::Internal,
                        table,
                        format,
                    },
                    Request::Dump {
                        cache: CacheName::External,
                        table,
                        format,
                    },
                ]);
                if self.is_running(side) {
                    self.ask(side, request);
                }
            }
        }
    }

    fn end_partition(&mut self) {
        if self.partition_ends.take().is_some() {
            self.sim.repair("a", "b");
        }
    }

    fn end_stall(&mut self) {
        if self.stall_ends.take().is_some() {
            self.sim.release("a", "b");
        }
    }

    /// Lets the interfaces come up again whose time to do so `is_over` says has come.
    fn repair_links(&mut self, is_over: impl Fn(Instant) -> bool) {
        let (over, left) = std::mem::take(&mut self.link_repairs)
            .into_iter()
            .partition(|(at, ..)| is_over(*at));
        self.link_repairs = left;
        for (_, side, channel) in over {
            self.with_machine(side, |machine| machine.set_link(channel, true));
        }
    }

    fn is_running(&self, side: Side) -> bool {
        let power = self.powers.get(side);
        power.daemon_back_at.is_none() && !power.is_off
    }

    /// Kills a daemon; its kernel goes on.
    fn kill(&mut self, side: Side, back_at: Instant) {
        self.tell(&format!("the daemon of {side} is killed"));
        self.sim.crash(side.name());
        self.powers.get_mut(side).daemon_back_at = Some(back_at);
        self.with_machine(side, |machine| {
            machine.kernel.unsubscribe();
            machine.view = None;
            machine.requests.clear();
        });
        if let Some(script) = &mut self.script
            && script.side == side
        {
            script.hung_up();
        }
    }

    /// A machine dies with all it knows; it comes back when the other one has taken over.
    fn power_off(&mut self, side: Side) {
        let after = Duration::from_millis(self.schedule.between(1_000, 8_000));
        self.kill(side, self.now().saturating_add(after));
        self.tell(&format!("the machine {side} is dead"));
        self.powers.get_mut(side).is_off = true;
        self.with_machine(side, |machine| machine.kernel.lose_power());
        if let Topology::ActiveBackup(active) = &mut self.topology {
            *active = side.other();
        }
    }

    /// Starts what is to be started again, and ends what is over.
    fn meet_schedule(&mut self) {
        let now = self.now();
        let is_over = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_over(self.partition_ends) {
            self.end_partition();
        }
        if is_over(self.stall_ends) {
            self.end_stall();
        }
        self.repair_links(|at| at <= now);
        for side in Side::BOTH {
            let power = *self.powers.get(side);
            let must_wait = power.is_off && self.script.is_some();
            if is_over(power.daemon_back_at) && !must_wait {
                let jump = self.world.machines.clock_jump_secs;
                let ahead = Duration::from_secs(self.schedule.between(0, jump));
                self.with_machine(side, |machine| machine.clock_ahead = ahead);
                self.sim.bounce(side.name());
                *self.powers.get_mut(side) = Power {
                    daemon_back_at: None,
                    is_off: false,
                };
            }
        }
        if self.has_expiry && self.is_multiple_of(Duration::from_secs(1)) {
            for side in Side::BOTH {
                self.with_machine(side, |machine| machine.kernel.expire(now));
            }
        }
    }

    fn go_on_with_script(&mut self) {
        let Some(script) = &mut self.script else { return };
        let next_client = &mut self.next_client;
        let new_client = || {
            *next_client += 1;
            ClientId(*next_client)
        };
        let mut scene = self.scene.borrow_mut();
        if script.go_on(scene.machine(script.side), new_client) {
            drop(scene);
            self.script = None;
        }
    }

    /// Lets 5 ms pass.
    fn step(&mut self) -> Result<(), Failure> {
        self.meet_schedule();
        self.go_on_with_script();
        for side in Side::BOTH {
            self.with_machine(side, |machine| machine.ring());
        }
        if let Err(error) = self.sim.step() {
            return Err(Failure::Wrong(match error.downcast::<tokio::task::JoinError>() {
                Ok(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Ok(error) => error.to_string(),
                Err(error) => error.to_string(),
            }));
        }
        match self.scene.borrow_mut().wrong.take() {
            Some(what) => Err(Failure::Wrong(what)),
            None => Ok(()),
        }
    }

    /// Steps until `is_done`; `what` is the complaint if that takes longer than `time_max`.
    fn step_until(
        &mut self,
        what: &str,
        time_max: Duration,
        mut is_done: impl FnMut(&Self) -> bool,
    ) -> Result<(), Failure> {
        let until = self.now().saturating_add(time_max);
        while !is_done(self) {
            if self.now() >= until {
                return Err(Failure::NoProgress(format!("{what} within {time_max:?}")));
            }
            self.step()?;
        }
        Ok(())
    }

    fn ask(&mut self, side: Side, request: Request) -> ClientId {
        self.next_client += 1;
        let client = ClientId(self.next_client);
        self.with_machine(side, |machine| machine.requests.push_back((client, request)));
        client
    }

    /// Asks a daemon and returns the text of its answer.
    fn ask_and_wait(&mut self, side: Side, request: Request) -> Result<String, Failure> {
        let client = self.ask(side, request);
        let what = format!("{side} has not answered {request:?}");
        self.step_until(&what, ANSWER_TIME_MAX, |cluster| {
            cluster.with_machine(side, |machine| machine.answered.contains(&client))
        })?;
        let text = self.with_machine(side, |machine| {
            machine.replies.remove(&client).unwrap_or_default()
        });
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}
