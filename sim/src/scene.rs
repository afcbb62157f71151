//! What the nodes and those who direct them share: machines, trace, and the first thing that is wrong.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use engine::Timer;
use engine::input::{Channel, ClientId, LinkState, Request};
use engine::output::FlowRequest;
use engine::stats::Statistics;
use engine::time::Instant;
use tokio::sync::Notify;

use crate::check;
use crate::kernel::Kernel;
use crate::replay::{Purpose, Rng};
use crate::report::Trace;
use crate::side::{Pair, Side};
use crate::world::World;

/// A bug put into the nodes on purpose, to see that the checks bite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlantedBug {
    /// Acknowledgements are not told to the engine.
    AcksSwallowed,
    /// Ends of flows are not told to the engine.
    EndsSwallowed,
    /// Overruns of the event socket are not told to the engine.
    OverrunsSwallowed,
    /// Flows are committed without their translation.
    TranslationForgotten,
    /// Datagrams are sent twice as long as they may be.
    DatagramsTooLong,
}

/// A node as seen by those who check it.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) stats: Statistics,
    /// The last time at which a deadline was announced that is there for a reason only.
    pub(crate) busy_at: Instant,
}

/// One firewall: what of it outlives its daemon.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) kernel: Kernel,
    /// Wakes the daemon.
    pub(crate) bell: Rc<Notify>,
    /// How far the clock is ahead.
    pub(crate) clock_ahead: Duration,
    /// Requests that no daemon has read yet.
    pub(crate) requests: VecDeque<(ClientId, Request)>,
    /// What clients have been told.
    pub(crate) replies: BTreeMap<ClientId, Vec<u8>>,
    /// Clients whose answer is complete.
    pub(crate) answered: BTreeSet<ClientId>,
    /// The interfaces of the links.
    pub(crate) links: Vec<LinkState>,
    /// Those of them whose change no daemon has read yet.
    pub(crate) link_news: BTreeSet<Channel>,
    /// The daemon that runs, if one does and has done its first step.
    pub(crate) view: Option<View>,
    names: BTreeSet<String>,
    n_names_of: usize,
}

impl Machine {
    fn new(world: &World) -> Self {
        Self {
            kernel: Kernel::new(world.kernel.flow_len_max, world.kernel.event_len_max),
            bell: Rc::new(Notify::new()),
            clock_ahead: Duration::ZERO,
            requests: VecDeque::new(),
            replies: BTreeMap::new(),
            answered: BTreeSet::new(),
            links: world.config.links.iter().map(|link| link.state).collect(),
            link_news: BTreeSet::new(),
            view: None,
            names: BTreeSet::new(),
            n_names_of: 0,
        }
    }

    /// Wakes the daemon if there is something for it to read.
    pub(crate) fn ring(&self) {
        if self.kernel.has_unread() || !self.requests.is_empty() || !self.link_news.is_empty() {
            self.bell.notify_one();
        }
    }

    /// Returns whether the interface of a link can send and receive.
    pub(crate) fn has_link(&self, channel: Channel) -> bool {
        self.links
            .get(usize::from(channel.0))
            .is_some_and(|link| link.runs())
    }

    /// Lets the interface of a link go down, or up.
    pub(crate) fn set_link(&mut self, channel: Channel, is_up: bool) {
        if let Some(link) = self.links.get_mut(usize::from(channel.0)) {
            (link.is_up, link.is_running) = (is_up, is_up);
            self.link_news.insert(channel);
        }
    }

    /// Returns the names of all flows that its kernel has ever had.
    pub(crate) fn names(&mut self) -> &BTreeSet<String> {
        let history = self.kernel.history();
        if history.len() != self.n_names_of {
            self.n_names_of = history.len();
            self.names.extend(history.iter().map(check::name_of));
        }
        &self.names
    }
}

/// All that is shared.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) machines: Pair<Machine>,
    pub(crate) trace: Trace,
    /// What becomes of datagrams.
    pub(crate) datagrams: Rng,
    pub(crate) engines: Rng,
    /// Whether the link is to be unkind.
    pub(crate) has_faults: bool,
    pub(crate) bug: Option<PlantedBug>,
    /// The first thing that was found to be wrong.
    pub(crate) wrong: Option<String>,
}

/// The scene as nodes and directors hold it; it is never borrowed across a wait.
pub(crate) type SharedScene = Rc<RefCell<Scene>>;

impl Scene {
    pub(crate) fn new(world: World, bug: Option<PlantedBug>) -> Self {
        Self {
            machines: Pair::of(|_| Machine::new(&world)),
            trace: Trace::default(),
            datagrams: world.seed.stream(Purpose::Datagrams),
            engines: world.seed.stream(Purpose::Engines),
            has_faults: false,
            bug,
            wrong: None,
            world,
        }
    }

    /// Returns a machine.
    pub(crate) const fn machine(&mut self, side: Side) -> &mut Machine {
        self.machines.get_mut(side)
    }

    /// Files the result of a check of one node; the first failure counts.
    pub(crate) fn check(&mut self, side: Side, result: Result<(), String>, now: Instant) {
        if let Err(what) = result {
            self.trace.tell(now, side.name(), &format!("WRONG: {what}"));
            self.wrong.get_or_insert(format!("{side}: {what}"));
        }
    }

    /// Checks a node that has nothing more to ask for, and files what it looks like; returns
    /// whether flows came into its external cache.
    pub(crate) fn observe(
        &mut self,
        side: Side,
        stats: Statistics,
        deadline: Option<(Instant, Timer)>,
        now: Instant,
    ) -> bool {
        let before = self.machines.get(side).view.as_ref();
        let result = check::statistics(&stats, before.map(|view| &view.stats), &self.world.config);
        let created_before = before.map_or(0, |view| view.stats.external.created);
        let has_news = stats.external.created != created_before;
        let is_busy = deadline.is_some_and(|(_, timer)| !check::is_periodic(timer));
        let busy_at = before.map_or(now, |view| if is_busy { now } else { view.busy_at });
        self.machine(side).view = Some(View { stats, busy_at });
        self.check(side, result, now);
        if let Some((at, timer)) = deadline.filter(|(at, _)| *at <= now) {
            let result = Err(format!("{timer:?} was due at {at:?} and is still to come"));
            self.check(side, result, now);
        }
        has_news
    }

    /// Spoils a request to the kernel, if that is the bug that was planted.
    pub(crate) fn spoil(&self, request: &mut FlowRequest) {
        if self.bug == Some(PlantedBug::TranslationForgotten)
            && let FlowRequest::Create(flow) = request
        {
            flow.nat = engine::flow::Nat::NONE;
        }
    }
}
