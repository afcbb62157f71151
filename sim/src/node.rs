//! One firewall's daemon: a short loop around the engine on turmoil's sockets and clock.
//!
//! It keeps the contract of [`engine::Engine`]: inputs, then outputs to the last one, then the
//! deadline. Requests to the kernel take time, during which everything else goes on.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};

use engine::cache::FlowKey;
use engine::flow::Flow;
use engine::input::{
    CacheName, Channel, ClientEvent, ClientId, DumpFormat, Errno, EventKind, Input, KernelInput, LinkEvent,
    Request, RequestFailure, StatsTopic, Table,
};
use engine::output::{Batch, DumpId, KernelOp, Output, Reply};
use engine::stats::Statistics;
use engine::time::Instant;
use engine::wire::{self, Content};
use engine::{Engine, Seed as EngineSeed};
use turmoil::net::UdpSocket;

use crate::check;
use crate::faults::Fate;
use crate::kernel::{Event, Read, Subject};
use crate::report;
use crate::scene::{PlantedBug, SharedScene};
use crate::side::Side;

/// The port of the dedicated links. They share it: in front of each datagram a byte names its link.
const PORT: u16 = 3_780;

/// The client that reads the statistics after each step.
const STATISTICS: ClientId = ClientId(0);

/// The client that reads the external cache when it has grown.
const EXTERNAL: ClientId = ClientId(1);

/// What the daemon has asked the kernel for and waits for.
#[derive(Debug)]
enum Job {
    Dump { id: DumpId, after: Option<FlowKey> },
    DumpExpectations { id: DumpId },
    Batch { batch: Batch, answers: Option<Answers> },
}

/// The kernel's answers to a batch.
#[derive(Debug, Default)]
struct Answers {
    flows: Vec<(usize, Flow)>,
    failures: Vec<RequestFailure>,
}

/// Why the daemon woke up.
enum Wake {
    Bell,
    Datagram(SocketAddr, usize),
    Kernel,
    Deadline,
}

/// A daemon that runs.
struct Daemon {
    side: Side,
    scene: SharedScene,
    engine: Engine,
    jobs: VecDeque<Job>,
    /// When the kernel has done the next part of the first job.
    kernel_at: Option<Instant>,
    statistics: Option<Statistics>,
    external: Vec<u8>,
}

/// Runs the daemon of `side` until the machine stops it.
pub(crate) async fn run(side: Side, scene: SharedScene) -> turmoil::Result {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    let bell = scene.borrow().machines.get(side).bell.clone();
    let mut daemon = Daemon::start(side, scene);
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        daemon.settle(&socket)?;
        let kernel_at = daemon.kernel_at;
        let deadline = daemon.engine.poll_timeout().map(|(at, _)| at);
        // In this order and not in a random one, which no seed would decide.
        let wake = tokio::select! {
            biased;
            () = bell.notified() => Wake::Bell,
            received = socket.recv_from(&mut buffer) => {
                let (len, from) = received?;
                Wake::Datagram(from, len)
            }
            () = sleep_until(kernel_at) => Wake::Kernel,
            () = sleep_until(deadline) => Wake::Deadline,
        };
        daemon.wake(&wake, &buffer);
    }
}

/// Waits until `at`, or for ever.
async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep(at.saturating_since(now())).await,
        None => std::future::pending().await,
    }
}

/// Returns the time since the simulation began.
fn now() -> Instant {
    let elapsed = turmoil::sim_elapsed().expect("nodes run inside the simulation");
    Instant::START.saturating_add(elapsed)
}

impl Daemon {
    fn start(side: Side, scene: SharedScene) -> Self {
        let now = now();
        let mut shared = scene.borrow_mut();
        let seed = EngineSeed(shared.engines.next_u64());
        let ahead = shared.machine(side).clock_ahead;
        let since_start = now.saturating_since(Instant::START);
        let wall = shared
            .world
            .epoch
            .saturating_add(since_start)
            .saturating_add(ahead);
        shared.trace.tell(now, side.name(), "the daemon starts");
        let mut config = shared.world.config.clone();
        let machine = shared.machine(side);
        // Where the table is polled there are no events.
        if config.poll_period.is_none() {
            machine.kernel.subscribe(now);
        }
        for (link, state) in config.links.iter_mut().zip(&machine.links) {
            link.state = *state;
        }
        machine.link_news.clear();
        drop(shared);
        let engine = Engine::new(config, seed, wall, now);
        Self {
            side,
            scene,
            engine,
            jobs: VecDeque::new(),
            kernel_at: None,
            statistics: None,
            external: Vec::new(),
        }
    }

    fn tell(&self, what: &str) {
        self.scene.borrow_mut().trace.tell(now(), self.side.name(), what);
    }

    fn bug(&self) -> Option<PlantedBug> {
        self.scene.borrow().bug
    }

    /// Tells the engine what has happened; what is due comes before what has come in.
    fn wake(&mut self, wake: &Wake, buffer: &[u8]) {
        if let Some((_, timer)) = self.engine.poll_timeout().filter(|(at, _)| *at <= now()) {
            self.tell(&format!("wakes: {timer:?}"));
            self.engine.handle_timeout(now());
        }
        match wake {
            Wake::Bell => {
                self.read_events();
                self.read_links();
                self.read_requests();
            }
            Wake::Datagram(from, len) => {
                if let Some((channel, payload)) = buffer[..*len].split_first() {
                    self.receive(Channel(*channel), *from, payload);
                }
            }
            Wake::Kernel => self.work(),
            Wake::Deadline => {}
        }
    }

    fn read_events(&mut self) {
        loop {
            let read = self.scene.borrow_mut().machine(self.side).kernel.read();
            match read {
                None => return,
                Some(Read::Overrun) => {
                    self.tell("kernel: events are lost");
                    if self.bug() != Some(PlantedBug::OverrunsSwallowed) {
                        self.engine
                            .handle_input(Input::Kernel(KernelInput::Overrun), now());
                    }
                }
                Some(Read::Event(event)) => self.read_event(&event),
            }
        }
    }

    fn read_event(&mut self, event: &Event) {
        let Event {
            kind,
            origin,
            subject,
        } = event;
        let (kind, origin) = (*kind, *origin);
        let input = match subject {
            Subject::Flow(flow) => KernelInput::Flow { kind, origin, flow },
            Subject::Expectation(expectation) => KernelInput::Expect {
                kind,
                origin,
                expectation,
            },
        };
        let what = report::subject(subject);
        self.tell(&format!("kernel: {kind:?} {what} by {origin:?}"));
        if kind == EventKind::Destroy && self.bug() == Some(PlantedBug::EndsSwallowed) {
            return;
        }
        self.engine.handle_input(Input::Kernel(input), now());
    }

    fn read_links(&mut self) {
        loop {
            let mut scene = self.scene.borrow_mut();
            let machine = scene.machine(self.side);
            let Some(channel) = machine.link_news.pop_first() else {
                return;
            };
            let state = machine.links[usize::from(channel.0)];
            drop(scene);
            self.engine
                .handle_input(Input::Link(channel, LinkEvent::State(state)), now());
        }
    }

    fn read_requests(&mut self) {
        loop {
            let request = self.scene.borrow_mut().machine(self.side).requests.pop_front();
            let Some((client, request)) = request else {
                return;
            };
            self.tell(&format!("request: {request:?}"));
            self.engine.handle_input(Input::Request(client, request), now());
        }
    }

    fn receive(&mut self, channel: Channel, from: SocketAddr, payload: &[u8]) {
        let mut scene = self.scene.borrow_mut();
        if !scene.machine(self.side).has_link(channel) {
            return;
        }
        let who = format!("{}←{}", self.side, self.side.other());
        scene.trace.tell(now(), &who, &report::datagram(channel, payload));
        drop(scene);
        let has_ack = || {
            wire::messages(payload)
                .flatten()
                .any(|message| matches!(message.content(), Ok(Content::Ack(_))))
        };
        if self.bug() == Some(PlantedBug::AcksSwallowed) && has_ack() {
            return;
        }
        let input = Input::Peer {
            channel,
            source: from.ip(),
            payload,
        };
        self.engine.handle_input(input, now());
    }

    /// Takes the kernel's answer to the first job, as far as it has come.
    fn work(&mut self) {
        self.kernel_at = None;
        let Some(job) = self.jobs.pop_front() else {
            return;
        };
        let unfinished = match job {
            Job::Dump { id, after } => self.dump_part(id, after),
            Job::DumpExpectations { id } => {
                self.dump_expectations(id);
                None
            }
            Job::Batch { batch, answers: None } => Some(self.carry_out(batch)),
            Job::Batch {
                batch,
                answers: Some(answers),
            } => {
                self.answer(batch, &answers);
                None
            }
        };
        if let Some(job) = unfinished {
            self.jobs.push_front(job);
        }
    }

    /// Reads the next part of a dump; returns the rest of the job.
    fn dump_part(&mut self, id: DumpId, after: Option<FlowKey>) -> Option<Job> {
        let mut scene = self.scene.borrow_mut();
        let limits = scene.world.kernel;
        let fails = scene.has_faults && scene.datagrams.happens(limits.dump_failures);
        let part = scene
            .machine(self.side)
            .kernel
            .dump_part(after, limits.dump_part_len, now());
        drop(scene);
        let error = fails.then_some(Errno::EBUSY);
        if let (Some(last), None) = (part.last(), error) {
            let after = Some(FlowKey::of(last));
            for flow in &part {
                let entry = KernelInput::Dumped { dump: id, flow };
                self.engine.handle_input(Input::Kernel(entry), now());
            }
            return Some(Job::Dump { id, after });
        }
        self.end_dump(id, error);
        None
    }

    /// Reads all expectations: they are few.
    fn dump_expectations(&mut self, id: DumpId) {
        let mut scene = self.scene.borrow_mut();
        let dump_failures = scene.world.kernel.dump_failures;
        let fails = scene.has_faults && scene.datagrams.happens(dump_failures);
        let expectations = scene.machine(self.side).kernel.expectations(now());
        drop(scene);
        if !fails {
            for expectation in &expectations {
                let entry = KernelInput::DumpedExpectation {
                    dump: id,
                    expectation,
                };
                self.engine.handle_input(Input::Kernel(entry), now());
            }
        }
        self.end_dump(id, fails.then_some(Errno::EBUSY));
    }

    fn end_dump(&mut self, id: DumpId, error: Option<Errno>) {
        self.tell(&format!("kernel: dump {} ends, {error:?}", id.0));
        let ended = KernelInput::DumpEnded { dump: id, error };
        self.engine.handle_input(Input::Kernel(ended), now());
    }

    /// Lets the kernel carry out a batch; its answers come later.
    fn carry_out(&self, mut batch: Batch) -> Job {
        let mut scene = self.scene.borrow_mut();
        let mut answers = Answers::default();
        for (index, request) in batch.requests.iter_mut().enumerate() {
            scene.spoil(request);
            match scene.machine(self.side).kernel.request(request, now()) {
                Ok(Some(flow)) => answers.flows.push((index, flow)),
                Ok(None) => {}
                Err(errno) => answers.failures.push(RequestFailure { index, errno }),
            }
        }
        scene.machine(self.side).bell.notify_one();
        Job::Batch {
            batch,
            answers: Some(answers),
        }
    }

    fn answer(&mut self, batch: Batch, answers: &Answers) {
        self.tell(&format!(
            "kernel: batch of {} ends, failures: {:?}",
            batch.requests.len(),
            answers.failures
        ));
        for (index, flow) in &answers.flows {
            let answer = KernelInput::Answer { index: *index, flow };
            self.engine.handle_input(Input::Kernel(answer), now());
        }
        let ended = KernelInput::BatchEnded {
            batch,
            failures: &answers.failures,
        };
        self.engine.handle_input(Input::Kernel(ended), now());
    }

    /// Does what the engine asks for until it asks for nothing, and has the result checked.
    fn settle(&mut self, socket: &UdpSocket) -> turmoil::Result {
        self.drain(socket)?;
        self.engine.handle_input(
            Input::Request(STATISTICS, Request::Statistics(StatsTopic::Flows)),
            now(),
        );
        self.drain(socket)?;
        let statistics = self
            .statistics
            .take()
            .ok_or("statistics are asked for and do not come")?;
        let deadline = self.engine.poll_timeout();
        let has_news = self
            .scene
            .borrow_mut()
            .observe(self.side, statistics, deadline, now());
        if has_news {
            self.read_external(socket)?;
        }
        if self.kernel_at.is_none() && !self.jobs.is_empty() {
            let turn = self.scene.borrow().world.kernel.turn;
            self.kernel_at = Some(now().saturating_add(turn));
        }
        Ok(())
    }

    fn read_external(&mut self, socket: &UdpSocket) -> turmoil::Result {
        self.external.clear();
        let (cache, table, format) = (CacheName::External, Table::Flows, DumpFormat::Text);
        let request = Request::Dump { cache, table, format };
        self.engine.handle_input(Input::Request(EXTERNAL, request), now());
        self.drain(socket)?;
        let text = String::from_utf8_lossy(&self.external);
        let mut scene = self.scene.borrow_mut();
        let names = scene.machine(self.side.other()).names();
        let result = check::external_cache(&text, names);
        scene.check(self.side, result, now());
        Ok(())
    }

    fn drain(&mut self, socket: &UdpSocket) -> turmoil::Result {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send(channel, payload) => self.send(socket, channel, payload)?,
                Output::Kernel(KernelOp::Dump { id, table }) => self.jobs.push_back(match table {
                    Table::Expectations => Job::DumpExpectations { id },
                    Table::Flows | Table::Both => Job::Dump { id, after: None },
                }),
                Output::Kernel(KernelOp::Batch(batch)) => {
                    self.jobs.push_back(Job::Batch { batch, answers: None });
                }
                Output::Reply(client, reply) => self.reply(client, reply),
                Output::Report(report) => self.tell(&format!("report: {report}")),
            }
        }
        Ok(())
    }

    fn reply(&mut self, client: ClientId, reply: Reply) {
        match reply {
            Reply::Statistics(_, statistics) if client == STATISTICS => self.statistics = Some(*statistics),
            Reply::Statistics(..) => {}
            Reply::Text(text) => {
                if client == EXTERNAL {
                    self.external.extend(text);
                } else {
                    let mut scene = self.scene.borrow_mut();
                    scene
                        .machine(self.side)
                        .replies
                        .entry(client)
                        .or_default()
                        .extend(text);
                }
                self.engine
                    .handle_input(Input::Client(client, ClientEvent::Ready), now());
            }
            Reply::End | Reply::Stop => {
                self.scene.borrow_mut().machine(self.side).answered.insert(client);
            }
        }
    }

    fn send(&mut self, socket: &UdpSocket, channel: Channel, mut payload: Vec<u8>) -> turmoil::Result {
        let mut scene = self.scene.borrow_mut();
        let scene = &mut *scene;
        if scene.bug == Some(PlantedBug::DatagramsTooLong) {
            payload.extend_from_within(..);
        }
        let kernel = &scene.machines.get(self.side).kernel;
        let result = check::datagram(channel, &payload, &scene.world.config, kernel);
        scene.check(self.side, result, now());
        let fate = if !scene.machines.get(self.side).has_link(channel) {
            Fate::Lost
        } else if scene.has_faults {
            scene.world.link.fate(&mut scene.datagrams)
        } else {
            Fate::Sent
        };
        let (n_sent, note) = match fate {
            Fate::Sent => (1, ""),
            Fate::Lost => (0, "   lost"),
            Fate::Doubled => (2, "   twice"),
        };
        let who = format!("{}→{}", self.side, self.side.other());
        scene.trace.tell(
            now(),
            &who,
            &format!("{}{note}", report::datagram(channel, &payload)),
        );
        let framed = [&[channel.0], payload.as_slice()].concat();
        for _ in 0..n_sent {
            socket.try_send_to(&framed, (self.side.other().name(), PORT))?;
        }
        self.engine
            .handle_input(Input::Link(channel, LinkEvent::Sent(payload)), now());
        Ok(())
    }
}
