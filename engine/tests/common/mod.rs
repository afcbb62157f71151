//! Engines, links between them and kernels that obey: one story, told as text.
#![expect(dead_code, reason = "each test binary uses its own part of the kit")]

mod kernel;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use engine::config::{
    AlarmConfig, Config, ExpectationSync, FtfwConfig, Limits, LinkConfig, Mode, NotrackConfig, OwnFlows,
    PeerFlows, Reach, StartupResync, TcpWindowTracking,
};
use engine::filter::Filter;
use engine::flow::{
    Addrs, Expectation, Flow, HelperName, L4Key, ProtoState, Protocol, Status, Tcp, TcpState, Tuple,
};
use engine::input::{
    Channel, ClientEvent, ClientId, EventKind, Input, KernelInput, LinkEvent, LinkState, Origin, Request,
    RequestFailure, Table,
};
use engine::output::{Batch, FlowRequest, KernelOp, Output, Reply};
use engine::time::{Instant, UnixTime};
use engine::wire::{self, Change, Content, Flags};
use engine::{Engine, Seed};

pub(crate) use kernel::Kernel;

pub(crate) const FTFW: FtfwConfig = FtfwConfig {
    ack_window: NonZeroU16::new(300).unwrap(),
    resend_queue_len_max: NonZeroU32::new(131_072).unwrap(),
    startup_resync: StartupResync::Off,
};

pub(crate) fn config(mode: Mode) -> Config {
    Config {
        mode,
        filter: Filter::default(),
        expectations: ExpectationSync::Off,
        cache_len_max: NonZeroU32::new(262_144).unwrap(),
        cache_len_expected: 0,
        commit_timeout_secs: None,
        purge_timeout: Duration::from_secs(60),
        own_flows: OwnFlows::Cached,
        peer_flows: PeerFlows::Cached,
        tcp_window_tracking: TcpWindowTracking::Off,
        overrun_resync: Some(Duration::from_secs(30)),
        poll_period: None,
        reconcile_period: None,
        links: vec![link("sync0")],
        default_link: 0,
        limits: Limits::default(),
    }
}

pub(crate) fn ftfw() -> Config {
    config(Mode::Ftfw(FTFW))
}

/// ALARM with times of seconds.
pub(crate) fn alarm() -> Config {
    config(Mode::Alarm(AlarmConfig {
        refresh_secs: NonZeroU32::new(2).unwrap(),
        cache_timeout_secs: NonZeroU32::new(5).unwrap(),
    }))
}

pub(crate) fn notrack() -> Config {
    config(Mode::Notrack(NotrackConfig {
        startup_resync: StartupResync::Off,
    }))
}

/// A link by an interface that runs.
pub(crate) fn link(interface: &str) -> LinkConfig {
    LinkConfig {
        interface: interface.to_owned(),
        state: RUNS,
        reach: Reach::Peer,
    }
}

pub(crate) const RUNS: LinkState = LinkState {
    is_up: true,
    is_running: true,
    payload_len_max: 1472,
};

pub(crate) const DOWN: LinkState = LinkState {
    is_up: false,
    is_running: false,
    ..RUNS
};

/// The same with all expectations replicated.
pub(crate) fn expecting(config: Config) -> Config {
    Config {
        expectations: ExpectationSync::All,
        ..config
    }
}

/// An established TCP flow from `port`.
pub(crate) fn tcp(port: u16) -> Flow {
    let orig = Tuple {
        addrs: Addrs::V4 {
            src: Ipv4Addr::new(10, 0, 0, 1),
            dst: Ipv4Addr::new(192, 0, 2, 9),
        },
        proto: Protocol::TCP,
        key: L4Key::Ports { src: port, dst: 80 },
    };
    Flow {
        reply: Some(orig.mirrored()),
        status: Some(Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED),
        timeout_secs: Some(432_000),
        proto: ProtoState::Tcp(Tcp::in_state(TcpState::ESTABLISHED)),
        id: Some(u32::from(port)),
        ..Flow::new(orig)
    }
}

/// What the FTP helper foretells of the flow `tcp(master)`: a connection to `port` of its server.
pub(crate) fn ftp(master: u16, port: u16) -> Expectation {
    let master = tcp(master).orig;
    let with_ports = |src, dst| Tuple {
        key: L4Key::Ports { src, dst },
        ..master
    };
    Expectation {
        master,
        tuple: with_ports(0, port),
        mask: Tuple {
            addrs: Addrs::V4 {
                src: Ipv4Addr::BROADCAST,
                dst: Ipv4Addr::BROADCAST,
            },
            ..with_ports(0, 0xffff)
        },
        timeout_secs: Some(300),
        id: Some(u32::from(port) << 16),
        zone: None,
        flags: Some(engine::flow::ExpectFlags(0)),
        class: Some(0),
        nat: None,
        helper: HelperName::from_bytes(b"ftp").ok(),
        function: None,
    }
}

/// The name of a node in a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    A,
    B,
    C,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
            Self::C => unreachable!("the third node has two others"),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::A => "a",
            Self::B => "b",
            Self::C => "c",
        }
    }
}

/// What decides about a datagram on its way: who sent it, and its bytes; `true` loses it.
type Loss = Box<dyn FnMut(Side, &[u8]) -> bool>;

/// What becomes of a datagram on its way from one node of a group to another.
type Fates = Box<dyn FnMut(Side, Side) -> Fate>;

/// What becomes of a datagram at one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Arrives,
    Lost,
    /// It arrives twice.
    Doubled,
    /// It arrives behind the next datagram that arrives there.
    Late,
}

/// Nodes and what happened to them.
pub(crate) struct World {
    pub(crate) now: Instant,
    nodes: BTreeMap<Side, Engine>,
    pub(crate) started: BTreeMap<Side, Instant>,
    pub(crate) kernels: BTreeMap<Side, Kernel>,
    pub(crate) replies: BTreeMap<ClientId, Vec<u8>>,
    pub(crate) ended: Vec<ClientId>,
    pub(crate) reports: Vec<String>,
    loss: Loss,
    fates: Fates,
    /// Seconds between the clocks of the nodes, and so between the numbers that they begin with.
    apart_secs: u64,
    /// Datagrams that are overtaken.
    late: BTreeMap<Side, Packet>,
    /// Interfaces that are down: no datagram leaves or arrives there.
    down: BTreeSet<(Side, Channel)>,
    /// What happens in a kernel while a dump of its flows, which does not show it yet, is on its way.
    pub(crate) meanwhile: Vec<(EventKind, Flow)>,
    trace: String,
    n_clients: u64,
}

const WALL: UnixTime = UnixTime::from_secs(1_000);

impl World {
    pub(crate) fn new(config: Config) -> Self {
        Self::of(&[Side::A, Side::B], config, 5_000)
    }

    /// Three nodes in a group, whose clocks are so far apart.
    pub(crate) fn group(mut config: Config, apart_secs: u64) -> Self {
        for link in &mut config.links {
            link.reach = Reach::Group;
        }
        Self::of(&[Side::A, Side::B, Side::C], config, apart_secs)
    }

    fn of(sides: &[Side], config: Config, apart_secs: u64) -> Self {
        let mut world = Self {
            now: Instant::START,
            nodes: BTreeMap::new(),
            started: BTreeMap::new(),
            kernels: BTreeMap::new(),
            replies: BTreeMap::new(),
            ended: Vec::new(),
            reports: Vec::new(),
            loss: Box::new(|_, _| false),
            fates: Box::new(|_, _| Fate::Arrives),
            apart_secs,
            late: BTreeMap::new(),
            down: BTreeSet::new(),
            meanwhile: Vec::new(),
            trace: String::new(),
            n_clients: 0,
        };
        for side in sides {
            world.kernels.insert(*side, Kernel::default());
            world.start(*side, config.clone());
        }
        world
    }

    /// Starts the daemon of a node, in place of the one that runs.
    pub(crate) fn start(&mut self, side: Side, config: Config) {
        let offset = self.apart_secs * side as u64;
        let wall = WALL
            .saturating_add(Duration::from_secs(offset))
            .saturating_add(self.now.saturating_since(Instant::START));
        self.started.insert(side, self.now);
        self.nodes
            .insert(side, Engine::new(config, Seed(7), wall, self.now));
        self.tell(side, "starts");
        self.settle();
    }

    /// Loses the datagrams that `loss` chooses.
    pub(crate) fn lose(&mut self, loss: impl FnMut(Side, &[u8]) -> bool + 'static) {
        self.loss = Box::new(loss);
    }

    pub(crate) fn heal(&mut self) {
        self.loss = Box::new(|_, _| false);
        self.fates = Box::new(|_, _| Fate::Arrives);
    }

    /// Lets each receiver of a datagram fare as `fates` says of sender and receiver.
    pub(crate) fn fate(&mut self, fates: impl FnMut(Side, Side) -> Fate + 'static) {
        self.fates = Box::new(fates);
    }

    /// A flow appears in the kernel of a node, or changes.
    pub(crate) fn kernel(&mut self, side: Side, kind: EventKind, flow: &Flow) {
        self.change_kernel(side, kind, flow);
        self.event(side, kind, flow);
    }

    fn change_kernel(&mut self, side: Side, kind: EventKind, flow: &Flow) {
        let kernel = self.kernels.get_mut(&side).unwrap();
        let key = (flow.orig, flow.zone);
        match kind {
            EventKind::New => drop(kernel.flows.insert(key, flow.clone())),
            EventKind::Update => kernel.flows.get_mut(&key).unwrap().merge(flow),
            EventKind::Destroy => {
                kernel.flows.remove(&key);
                kernel
                    .expectations
                    .retain(|_, expectation| expectation.master != flow.orig);
            }
        }
    }

    /// An expectation appears in the kernel of a node, or changes.
    pub(crate) fn expect(&mut self, side: Side, kind: EventKind, expectation: &Expectation) {
        let kernel = self.kernels.get_mut(&side).unwrap();
        match kind {
            EventKind::New | EventKind::Update => {
                kernel.expectations.insert(expectation.tuple, expectation.clone());
            }
            EventKind::Destroy => drop(kernel.expectations.remove(&expectation.tuple)),
        }
        self.expect_event(side, kind, expectation);
    }

    /// The daemon of a node hears of an expectation.
    pub(crate) fn expect_event(&mut self, side: Side, kind: EventKind, expectation: &Expectation) {
        let (_, dst) = expectation.tuple.ports().unwrap_or_default();
        self.tell(side, &format!("kernel: {kind:?} expectation of port {dst}"));
        let event = KernelInput::Expect {
            kind,
            origin: Origin::NotUs,
            expectation,
        };
        self.input(side, Input::Kernel(event));
        self.settle();
    }

    /// The daemon of a node hears of a flow.
    pub(crate) fn event(&mut self, side: Side, kind: EventKind, flow: &Flow) {
        self.hear(side, kind, flow);
        self.settle();
    }

    fn hear(&mut self, side: Side, kind: EventKind, flow: &Flow) {
        let (src, _) = flow.orig.ports().unwrap_or_default();
        self.tell(
            side,
            &format!("kernel: {kind:?} {} from port {src}", flow.orig.proto.name()),
        );
        self.input(
            side,
            Input::Kernel(KernelInput::Flow {
                kind,
                origin: Origin::NotUs,
                flow,
            }),
        );
    }

    /// A client asks a node, and reads all it is told.
    pub(crate) fn request(&mut self, side: Side, request: Request) -> ClientId {
        self.n_clients += 1;
        let client = ClientId(self.n_clients);
        self.tell(side, &format!("request: {request:?}"));
        self.input(side, Input::Request(client, request));
        self.settle();
        client
    }

    /// An interface of a node goes up or down, and the node hears of it.
    pub(crate) fn interface(&mut self, side: Side, channel: Channel, state: LinkState) {
        if state.is_up {
            self.down.remove(&(side, channel));
        } else {
            self.down.insert((side, channel));
        }
        let word = if state.is_up { "up" } else { "down" };
        self.tell(side, &format!("interface of link {} goes {word}", channel.0));
        self.input(side, Input::Link(channel, LinkEvent::State(state)));
        self.settle();
    }

    /// The way of a link breaks where no node sees it: both interfaces go on running.
    pub(crate) fn cut(&mut self, channel: Channel) {
        self.tell(Side::A, &format!("the way of link {} is cut", channel.0));
        self.down.insert((Side::A, channel));
    }

    /// A datagram reaches a node.
    pub(crate) fn datagram(&mut self, side: Side, payload: &[u8]) {
        self.input(side, peer(payload));
        self.settle();
    }

    pub(crate) fn input(&mut self, side: Side, input: Input<'_>) {
        self.nodes.get_mut(&side).unwrap().handle_input(input, self.now);
    }

    pub(crate) fn node(&mut self, side: Side) -> &mut Engine {
        self.nodes.get_mut(&side).unwrap()
    }

    /// Lets time pass; every deadline on the way is met.
    pub(crate) fn advance(&mut self, millis: u64) {
        let until = self.now.saturating_add(Duration::from_millis(millis));
        loop {
            let next = self
                .nodes
                .values()
                .filter_map(|node| node.poll_timeout())
                .map(|(at, _)| at)
                .min();
            let Some(at) = next.filter(|at| *at <= until) else {
                break;
            };
            self.now = at;
            for node in self.nodes.values_mut() {
                node.handle_timeout(at);
            }
            self.settle();
        }
        self.now = until;
    }

    /// Carries out what the nodes ask for until they ask for nothing.
    fn settle(&mut self) {
        let mut wire = VecDeque::new();
        loop {
            let sides: Vec<Side> = self.nodes.keys().copied().collect();
            let mut is_quiet = true;
            for side in sides {
                while let Some(output) = self.node(side).poll_output() {
                    is_quiet = false;
                    self.carry_out(side, output, &mut wire);
                }
            }
            if let Some(packet) = wire.pop_front() {
                self.input(packet.to, packet.input());
            } else if is_quiet {
                return;
            }
        }
    }

    fn carry_out(&mut self, side: Side, output: Output, wire: &mut VecDeque<Packet>) {
        match output {
            Output::Send(channel, payload) => {
                self.deliver(side, channel, &payload, wire);
                self.input(side, Input::Link(channel, LinkEvent::Sent(payload)));
            }
            Output::Kernel(op) => self.carry_out_kernel(side, op),
            Output::Reply(client, reply) => match reply {
                Reply::Text(text) => {
                    self.replies.entry(client).or_default().extend(text);
                    self.input(side, Input::Client(client, ClientEvent::Ready));
                }
                Reply::Statistics(_, statistics) => {
                    let text = format!("{statistics:#?}");
                    self.replies.entry(client).or_default().extend(text.bytes());
                }
                Reply::End | Reply::Stop => self.ended.push(client),
            },
            Output::Report(report) => {
                let line = format!("{}: report: {report}", side.name());
                self.tell(side, &format!("report: {report}"));
                self.reports.push(line);
            }
        }
    }

    fn deliver(&mut self, from: Side, channel: Channel, payload: &[u8], wire: &mut VecDeque<Packet>) {
        let is_lost = (self.loss)(from, payload) || self.down.contains(&(from, channel));
        let receivers: Vec<Side> = self.nodes.keys().copied().filter(|side| *side != from).collect();
        let mut missed_by = String::new();
        for to in &receivers {
            let packet = Packet {
                to: *to,
                from,
                channel,
                payload: payload.to_vec(),
            };
            let fate = (self.fates)(from, *to);
            let is_missed = is_lost || self.down.contains(&(*to, channel));
            match if is_missed { Fate::Lost } else { fate } {
                Fate::Lost => missed_by.push_str(to.name()),
                Fate::Late => {
                    missed_by.push_str(to.name());
                    wire.extend(self.late.insert(*to, packet));
                    continue;
                }
                Fate::Doubled => wire.extend([packet.clone(), packet]),
                Fate::Arrives => wire.push_back(packet),
            }
            wire.extend(self.late.remove(to));
        }
        let receivers: String = receivers.iter().map(|side| side.name()).collect();
        self.tell_datagram(from, channel, payload, &receivers, &missed_by);
    }

    fn carry_out_kernel(&mut self, side: Side, op: KernelOp) {
        match op {
            KernelOp::Dump {
                id,
                table: Table::Expectations,
            } => {
                let kernel = &self.kernels[&side];
                let expectations: Vec<_> = kernel.expectations.values().cloned().collect();
                for expectation in &expectations {
                    let entry = KernelInput::DumpedExpectation {
                        dump: id,
                        expectation,
                    };
                    self.input(side, Input::Kernel(entry));
                }
                let ended = KernelInput::DumpEnded {
                    dump: id,
                    error: None,
                };
                self.input(side, Input::Kernel(ended));
            }
            KernelOp::Dump { id, .. } => {
                let flows = self.kernels[&side].dumped();
                for (kind, flow) in std::mem::take(&mut self.meanwhile) {
                    self.change_kernel(side, kind, &flow);
                    self.hear(side, kind, &flow);
                }
                for flow in &flows {
                    self.input(side, Input::Kernel(KernelInput::Dumped { dump: id, flow }));
                }
                self.input(
                    side,
                    Input::Kernel(KernelInput::DumpEnded {
                        dump: id,
                        error: None,
                    }),
                );
            }
            KernelOp::Batch(batch) => self.carry_out_batch(side, batch),
        }
    }

    fn carry_out_batch(&mut self, side: Side, batch: Batch) {
        // Of these no report tells.
        if batch.keeps_listening {
            let asked: Vec<_> = batch.requests.iter().map(describe_request).collect();
            self.tell(side, &format!("asks its kernel: {}", asked.join(", ")));
        }
        let mut failures = Vec::new();
        let mut answers = Vec::new();
        for (index, request) in batch.requests.iter().enumerate() {
            match self.kernels.get_mut(&side).unwrap().request(request) {
                Ok(Some(flow)) => answers.push((index, flow)),
                Ok(None) => {}
                Err(errno) => failures.push(RequestFailure { index, errno }),
            }
        }
        for (index, flow) in &answers {
            self.input(side, Input::Kernel(KernelInput::Answer { index: *index, flow }));
        }
        self.input(
            side,
            Input::Kernel(KernelInput::BatchEnded {
                batch,
                failures: &failures,
            }),
        );
    }

    /// Adds a line to the story.
    pub(crate) fn tell(&mut self, side: Side, what: &str) {
        let ms = self.now.as_micros() / 1_000;
        let (secs, ms) = (ms / 1_000, ms % 1_000);
        writeln!(self.trace, "{secs:>3}.{ms:03}s  {}    {what}", side.name()).unwrap();
    }

    fn tell_datagram(
        &mut self,
        from: Side,
        channel: Channel,
        payload: &[u8],
        receivers: &str,
        missed_by: &str,
    ) {
        let ms = self.now.as_micros() / 1_000;
        let (secs, ms) = (ms / 1_000, ms % 1_000);
        let arrow = format!("{}→{receivers}", from.name());
        let fate = match missed_by {
            "" => String::new(),
            all if all == receivers => "   lost".to_owned(),
            some => format!("   lost at {some}"),
        };
        let way = match channel.0 {
            0 => String::new(),
            n => format!("  by link {n}"),
        };
        writeln!(
            self.trace,
            "{secs:>3}.{ms:03}s  {arrow}  {}{way}{fate}",
            describe(payload)
        )
        .unwrap();
    }

    /// Returns the story so far and begins a new chapter.
    pub(crate) fn take_trace(&mut self) -> String {
        std::mem::take(&mut self.trace)
    }

    /// Puts a story back in the place of what was told since.
    pub(crate) fn put_trace(&mut self, trace: String) {
        self.trace = trace;
    }

    /// Prints a cache of a node without the ages.
    pub(crate) fn dump(&mut self, side: Side, cache: engine::input::CacheName) -> Vec<String> {
        self.dump_table(side, cache, Table::Flows)
    }

    /// Prints the expectations, or the flows, in a cache of a node without the ages.
    pub(crate) fn dump_table(
        &mut self,
        side: Side,
        cache: engine::input::CacheName,
        table: Table,
    ) -> Vec<String> {
        let format = engine::input::DumpFormat::Text;
        let trace = std::mem::take(&mut self.trace);
        let client = self.request(side, Request::Dump { cache, table, format });
        self.trace = trace;
        let text = String::from_utf8(self.replies.remove(&client).unwrap_or_default()).unwrap();
        let mut lines: Vec<String> = text
            .lines()
            .map(|line| line.split(" [active since").next().unwrap().to_owned())
            .collect();
        lines.sort();
        lines
    }
}

/// A datagram on its way to one node.
#[derive(Clone, Debug)]
struct Packet {
    to: Side,
    from: Side,
    channel: Channel,
    payload: Vec<u8>,
}

impl Packet {
    fn input(&self) -> Input<'_> {
        Input::Peer {
            channel: self.channel,
            source: IpAddr::V4(Ipv4Addr::new(192, 168, 77 + self.channel.0, 1 + self.from as u8)),
            payload: &self.payload,
        }
    }
}

pub(crate) fn peer(payload: &[u8]) -> Input<'_> {
    peer_on(Channel(0), payload)
}

pub(crate) fn peer_on(channel: Channel, payload: &[u8]) -> Input<'_> {
    Input::Peer {
        channel,
        source: IpAddr::V4(Ipv4Addr::LOCALHOST),
        payload,
    }
}

/// Tells what the kernel is asked for.
fn describe_request(request: &FlowRequest) -> String {
    let (what, orig) = match request {
        FlowRequest::Create(flow) => ("create", flow.orig),
        FlowRequest::Update(flow) => ("update", flow.orig),
        FlowRequest::Delete(name) => ("delete", name.orig),
        FlowRequest::Get(name) => ("get", name.orig),
        FlowRequest::Expectation(_) => return "an expectation".to_owned(),
    };
    let (src, _) = orig.ports().unwrap_or_default();
    format!("{what}({src})")
}

/// Tells what is in a datagram.
pub(crate) fn describe(payload: &[u8]) -> String {
    let mut parts = Vec::new();
    for message in wire::messages(payload) {
        let message = message.unwrap();
        let seq = message.header.seq.0;
        let what = match message.content() {
            Ok(Content::Flow(change)) => {
                let kind = match change {
                    Change::New => "CT_NEW",
                    Change::Update => "CT_UPD",
                    Change::Delete => "CT_DEL",
                };
                let flow = wire::decode_flow(message.body, 0).unwrap().flow;
                let (src, _) = flow.orig.ports().unwrap_or_default();
                format!("{kind}({src})")
            }
            Ok(Content::Expectation(change)) => {
                let kind = match change {
                    Change::New => "EXP_NEW",
                    Change::Update => "EXP_UPD",
                    Change::Delete => "EXP_DEL",
                };
                let decoded = wire::decode_expectation(message.body, 0).unwrap();
                let (_, dst) = decoded.expectation.tuple.ports().unwrap_or_default();
                format!("{kind}({dst})")
            }
            Ok(Content::Ack(range)) => format!("ACK {}..={}", range.from.0, range.to.0),
            Ok(Content::Nack(range)) => format!("NACK {}..={}", range.from.0, range.to.0),
            Ok(Content::Resync) => "RESYNC".into(),
            Ok(Content::Alive) => "ALIVE".into(),
            other => format!("{other:?}"),
        };
        let mut hello = String::new();
        for (flag, name) in [(Flags::HELLO, " HELLO"), (Flags::HELLO_BACK, " HELLO_BACK")] {
            if message.header.flags.contains(flag) {
                hello.push_str(name);
            }
        }
        parts.push(format!("{what} seq {seq}{hello}"));
    }
    if parts.len() > 8 {
        let n_more = parts.len() - 7;
        parts.truncate(7);
        parts.push(format!("and {n_more} more"));
    }
    parts.join(", ")
}

/// Compares a story with the one on file.
pub(crate) fn check(name: &str, mut world: World) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../traces");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, world.take_trace()));
}
