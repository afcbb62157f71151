//! One poll, one thread, one loop: the only place where inputs meet outputs.
//!
//! ```text
//! ┌► wait ─► due timers ─► clients, signals ─► events ─► datagrams ─► drain ─► one kernel operation ─► drain ─┐
//! └──────────────────────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Nothing in a turn waits for anybody. What could take long is cut into pieces: a commit into
//! batches, a dump into parts, a reply into what the client has room for. Of each there is one piece a
//! turn, and while pieces are left the loop does not sleep.

mod kernel;
mod pace;
mod report;

pub use kernel::{Kernel, KernelOptions};
pub use report::{Host, ShellReport};

use std::io;
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, RawFd};
use std::path::PathBuf;
use std::time::Duration;

use engine::input::{Channel, ClientId, Errno, Input, KernelInput, LinkEvent};
use engine::output::{Output, Reply};
use engine::time::Instant;
use engine::{Engine, Seed};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;

use crate::clock::{self, Clock};
use crate::control::statistics::{
    ControlStats, LinkStats, LinkStatus, LinkTraffic, ShellStats, Transport, render,
};
use crate::control::{ControlError, ControlServer};
use crate::link::{Change, DirectionCounters, Interface, InterfaceWatch, Link, Sent, WatchRead};
use kernel::Sink;
use pace::{Pace, Watch};

/// Most links (docs/sync-protocol.md, "Redundant dedicated links").
const LINKS_MAX: usize = 4;
const EVENTS: Token = Token(0);
const DUMPS: Token = Token(1);
const SIGNALS: Token = Token(2);
const INTERFACES: Token = Token(3);
const FIRST_RECEIVER: usize = 4;
const FIRST_SENDER: usize = FIRST_RECEIVER + LINKS_MAX;
const FIRST_CONTROL: usize = FIRST_SENDER + LINKS_MAX;

/// Events of the poll taken at once.
const POLL_EVENTS: usize = 256;
/// Messages in a datagram, about: an event costs as much as a message, so a turn takes this many
/// times more events than datagrams.
const EVENTS_PER_DATAGRAM: usize = 8;
/// What a datagram takes of the receive buffer beside its bytes, about; its bytes count twice,
/// because the kernel rounds up.
const DATAGRAM_COST: usize = 1024;
/// How long the shutdown may take to send what is queued.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(1);

/// All that the loop is made of.
#[derive(Debug)]
pub struct Parts<H> {
    /// The open links, in the order of the configuration.
    pub links: Vec<Link>,
    /// The open sockets to the kernel.
    pub kernel: Kernel,
    /// Where clients find us.
    pub control_path: PathBuf,
    /// What the engine is told.
    pub config: engine::config::Config,
    /// Where the engine's random numbers come from.
    pub seed: Seed,
    /// The program around the loop.
    pub host: H,
    /// How the loop behaves.
    pub options: Options,
}

/// How the loop behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Datagrams read from a link in one turn, about; of events it is some times as many
    /// (`EventIterationLimit`).
    pub event_iteration_limit: NonZeroU32,
    /// How often [`Host::keep_alive`] is called.
    pub keep_alive: Option<Duration>,
}

/// Why the loop could not be built.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The control socket.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// More links than there may be.
    #[error("at most {LINKS_MAX} links can be used")]
    TooManyLinks,
    /// The poll, the signals or the watch over interfaces.
    #[error("can't {operation}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

/// Why the loop ended out of order.
#[derive(Debug, thiserror::Error)]
#[error("can't wait for events: {0}")]
pub struct RunError(#[from] io::Error);

/// What is left after an orderly end: the connections of clients that asked for it.
///
/// They learn from end of file that the process has ended, so this is dropped last.
#[derive(Debug)]
#[must_use = "clients take the drop for the end of the process"]
pub struct Ended {
    _control: ControlServer,
}

/// The loop and all it drives.
pub struct Shell<H> {
    engine: Engine,
    clock: Clock,
    poll: Poll,
    signals: Signals,
    interfaces: InterfaceWatch,
    links: Vec<PacedLink>,
    kernel: Kernel,
    kernel_pace: Pace,
    control: ControlServer,
    /// What the engine is told in the next turn.
    news: Vec<Input<'static>>,
    host: H,
    options: Options,
    next_keep_alive: Option<Instant>,
    /// Set once the end is asked for: when to stop waiting for what is queued.
    stop_by: Option<Instant>,
}

struct PacedLink {
    link: Link,
    pace: Pace,
    /// The poll watches for room in the sender's buffer.
    is_sender_watched: bool,
}

/// Passes on what the kernel says.
struct EngineSink<'a, H> {
    engine: &'a mut Engine,
    host: &'a mut H,
    now: Instant,
}

impl<H: Host> Sink for EngineSink<'_, H> {
    fn input(&mut self, input: KernelInput<'_>) {
        self.engine.handle_input(Input::Kernel(input), self.now);
    }

    fn report(&mut self, report: ShellReport) {
        self.host.report_shell(&report);
    }
}

impl<H: Host> Shell<H> {
    /// Puts the parts together and opens the control socket.
    ///
    /// # Errors
    /// When somebody answers on the control socket, or the system refuses something.
    pub fn new(parts: Parts<H>) -> Result<Self, StartError> {
        let Parts {
            links,
            kernel,
            control_path,
            config,
            seed,
            host,
            options,
        } = parts;
        if links.len() > LINKS_MAX {
            return Err(StartError::TooManyLinks);
        }
        let failed = |operation| move |source| StartError::Io { operation, source };
        let poll = Poll::new().map_err(failed("make a poll"))?;
        let control = ControlServer::open(&control_path, poll.registry(), FIRST_CONTROL)?;
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(failed("handle signals"))?;
        let mut interfaces = InterfaceWatch::open().map_err(failed("watch interfaces"))?;
        let links: Vec<_> = links
            .into_iter()
            .map(|link| PacedLink {
                link,
                pace: Pace::new(),
                is_sender_watched: false,
            })
            .collect();
        let mut register = |registry: &Registry| {
            registry.register(&mut signals, SIGNALS, Interest::READABLE)?;
            registry.register(interfaces.source(), INTERFACES, Interest::READABLE)?;
            registry.register(
                &mut SourceFd(&kernel.events.as_raw_fd()),
                EVENTS,
                Interest::READABLE,
            )?;
            registry.register(
                &mut SourceFd(&kernel.dumps.as_raw_fd()),
                DUMPS,
                Interest::READABLE,
            )?;
            for (n, paced) in links.iter().enumerate() {
                let receiver = paced.link.receiver_fd();
                registry.register(
                    &mut SourceFd(&receiver),
                    Token(FIRST_RECEIVER + n),
                    Interest::READABLE,
                )?;
            }
            Ok(())
        };
        register(poll.registry()).map_err(failed("watch the sockets"))?;
        let clock = Clock::start();
        Ok(Self {
            engine: Engine::new(config, seed, clock::wall(), clock.now()),
            next_keep_alive: options
                .keep_alive
                .map(|period| clock.now().saturating_add(period)),
            clock,
            poll,
            signals,
            interfaces,
            links,
            kernel,
            kernel_pace: Pace::new(),
            control,
            news: Vec::new(),
            host,
            options,
            stop_by: None,
        })
    }

    /// Returns the program around the loop.
    pub const fn host(&mut self) -> &mut H {
        &mut self.host
    }

    /// Turns until a signal or a client asks for the end and what was queued by then is sent.
    ///
    /// # Errors
    /// When the poll fails: nothing can be waited for any more.
    pub fn run(mut self) -> Result<Ended, RunError> {
        let mut events = Events::with_capacity(POLL_EVENTS);
        loop {
            let now = self.clock.now();
            if self.has_ended(now) {
                break;
            }
            match self.poll.poll(&mut events, self.timeout(now)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
                polled => polled?,
            }
            self.turn(&events)?;
        }
        if let Err(error) = self.control.unlink() {
            self.host.report_shell(&ShellReport::ControlSocketStays(error));
        }
        Ok(Ended {
            _control: self.control,
        })
    }

    fn turn(&mut self, events: &Events) -> io::Result<()> {
        let now = self.clock.now();
        self.handle_due(now);
        for event in events {
            match event.token() {
                EVENTS => self.kernel_pace.wake(),
                DUMPS => self.kernel.wake_dump(),
                SIGNALS => self.handle_signals(now),
                INTERFACES => self.handle_interfaces(),
                Token(token) if token >= FIRST_CONTROL => self.control.handle(event, now, &mut self.news),
                Token(token) if token >= FIRST_SENDER => self.flush_link(token - FIRST_SENDER, now)?,
                Token(token) => {
                    if let Some(paced) = self.links.get_mut(token - FIRST_RECEIVER) {
                        paced.pace.wake();
                    }
                }
            }
        }
        for input in std::mem::take(&mut self.news) {
            self.engine.handle_input(input, now);
        }
        self.read_events(now)?;
        self.read_links(now)?;
        self.drain(now);
        let now = self.clock.now();
        let Self {
            engine, host, kernel, ..
        } = self;
        kernel.work(&mut EngineSink { engine, host, now });
        if kernel.take_new_dump_socket() {
            let dumps = kernel.dumps.as_raw_fd();
            self.poll
                .registry()
                .register(&mut SourceFd(&dumps), DUMPS, Interest::READABLE)?;
        }
        self.drain(now);
        self.watch_senders()
    }

    /// Does what is due; before anything else, because no deadline may be behind the engine's time.
    fn handle_due(&mut self, now: Instant) {
        if let Some((_, timer)) = self.engine.poll_timeout().filter(|(at, _)| *at <= now) {
            tracing::trace!(?timer, "due");
            self.engine.handle_timeout(now);
        }
        if let Some((next, period)) = self.next_keep_alive.as_mut().zip(self.options.keep_alive)
            && *next <= now
        {
            *next = now.saturating_add(period);
            self.host.keep_alive();
        }
        self.control.expire(now);
    }

    /// Returns how long the poll may sleep.
    fn timeout(&self, now: Instant) -> Option<Duration> {
        if !self.news.is_empty() || self.kernel.has_work() {
            return Some(Duration::ZERO);
        }
        let paces = self
            .links
            .iter()
            .map(|paced| &paced.pace)
            .chain([&self.kernel_pace]);
        let deadlines = paces.map(Pace::deadline).chain([
            self.engine.poll_timeout().map(|(at, _)| at),
            self.control.deadline(),
            self.next_keep_alive,
            self.stop_by,
        ]);
        deadlines.flatten().min().map(|at| at.saturating_since(now))
    }

    fn handle_signals(&mut self, now: Instant) {
        let signals: Vec<_> = self.signals.pending().collect();
        for signal in signals {
            if signal == SIGHUP {
                self.host.reopen_logs();
            } else {
                self.stop(now);
            }
        }
    }

    fn stop(&mut self, now: Instant) {
        if self.stop_by.is_none() {
            self.stop_by = Some(now.saturating_add(SHUTDOWN_WITHIN));
            self.news.push(Input::Shutdown);
        }
    }

    /// Returns whether the end was asked for and nothing is left to do before it.
    fn has_ended(&self, now: Instant) -> bool {
        let is_idle = self.news.is_empty()
            && !self.kernel.has_changes()
            && self.links.iter().all(|paced| paced.link.n_waiting() == 0);
        self.stop_by.is_some_and(|by| is_idle || by <= now)
    }

    fn read_events(&mut self, now: Instant) -> io::Result<()> {
        if !self.kernel_pace.is_due(now) {
            return Ok(());
        }
        let n_events = self.n_datagrams().saturating_mul(EVENTS_PER_DATAGRAM);
        let Self {
            engine, host, kernel, ..
        } = self;
        let (n_bytes, readable) = kernel.read_events(n_events, &mut EngineSink { engine, host, now });
        let watch = self
            .kernel_pace
            .after_read(n_bytes, readable, kernel.buffer_len(), now);
        apply(watch, self.poll.registry(), kernel.events.as_raw_fd(), EVENTS)
    }

    fn read_links(&mut self, now: Instant) -> io::Result<()> {
        let n_datagrams = self.n_datagrams();
        for (n, PacedLink { link, pace, .. }) in self.links.iter_mut().enumerate() {
            if !pace.is_due(now) {
                continue;
            }
            let channel = channel(n);
            let mut n_bytes: usize = 0;
            let readable = link.receive(n_datagrams, |source, payload| {
                n_bytes = n_bytes.saturating_add(DATAGRAM_COST + 2 * payload.len());
                self.engine.handle_input(
                    Input::Peer {
                        channel,
                        source,
                        payload,
                    },
                    now,
                );
            });
            let watch = pace.after_read(n_bytes, readable, link.receive_buffer_len(), now);
            apply(
                watch,
                self.poll.registry(),
                link.receiver_fd(),
                Token(FIRST_RECEIVER + n),
            )?;
        }
        Ok(())
    }

    fn n_datagrams(&self) -> usize {
        usize::try_from(self.options.event_iteration_limit.get()).unwrap_or(usize::MAX)
    }

    /// Does all that the engine wants done.
    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send(channel, datagram) => self.send(channel, datagram, now),
                Output::Kernel(op) => self.kernel.queue(op),
                Output::Reply(client, reply) => self.reply(client, reply, now),
                Output::Report(report) => self.host.report(&report),
            }
        }
    }

    fn send(&mut self, channel: Channel, datagram: Vec<u8>, now: Instant) {
        let sent = match self.links.get_mut(usize::from(channel.0)) {
            Some(paced) => paced.link.send(datagram),
            None => Sent::Failed(datagram, io::Error::from(io::ErrorKind::NotFound)),
        };
        self.note_sent(channel, sent, now);
    }

    /// Gives the engine its buffer back.
    fn note_sent(&mut self, channel: Channel, sent: Sent, now: Instant) {
        match sent {
            Sent::Now(buffer) => {
                self.engine
                    .handle_input(Input::Link(channel, LinkEvent::Sent(buffer)), now);
            }
            Sent::Later => {}
            // In the next turn: a link that fails must not keep this one from ending.
            Sent::Failed(buffer, error) => {
                let errno = error.raw_os_error().map_or(Errno::ENOBUFS, Errno);
                let failed = LinkEvent::SendFailed(buffer, errno);
                self.news.push(Input::Link(channel, failed));
            }
        }
    }

    fn flush_link(&mut self, n: usize, now: Instant) -> io::Result<()> {
        let mut all_sent = Vec::new();
        if let Some(paced) = self.links.get_mut(n) {
            paced.link.flush(|sent| all_sent.push(sent));
        }
        for sent in all_sent {
            self.note_sent(channel(n), sent, now);
        }
        Ok(())
    }

    /// Lets the poll watch those senders that wait for room, and no others: it would tell of room
    /// after every datagram.
    fn watch_senders(&mut self) -> io::Result<()> {
        for (n, paced) in self.links.iter_mut().enumerate() {
            let (sender, token) = (paced.link.sender_fd(), Token(FIRST_SENDER + n));
            let is_wanted = paced.link.n_waiting() > 0;
            match (
                is_wanted,
                std::mem::replace(&mut paced.is_sender_watched, is_wanted),
            ) {
                (true, false) => {
                    self.poll
                        .registry()
                        .register(&mut SourceFd(&sender), token, Interest::WRITABLE)?;
                }
                (false, true) => self.poll.registry().deregister(&mut SourceFd(&sender))?,
                (true, true) | (false, false) => {}
            }
        }
        Ok(())
    }

    fn reply(&mut self, client: ClientId, reply: Reply, now: Instant) {
        match reply {
            Reply::Text(text) => self.control.write(client, text, &mut self.news),
            Reply::Statistics(topic, statistics) => {
                let mut text = Vec::new();
                render(topic, &statistics, &self.shell_stats(now), &mut text);
                self.control.write(client, text, &mut self.news);
            }
            Reply::End => self.control.end(client, &mut self.news),
            // The connection stays open until the process ends: see [`Ended`].
            Reply::Stop => self.stop(now),
        }
    }

    fn shell_stats(&self, now: Instant) -> ShellStats {
        let control = self.control.counters();
        ShellStats {
            uptime: now.saturating_since(Instant::START),
            links: self.links.iter().map(|paced| link_stats(&paced.link)).collect(),
            netlink: self.kernel.stats(),
            control: ControlStats {
                read_failed: control.read_failed.saturating_add(control.timed_out),
                unknown_requests: control.unknown_request,
            },
        }
    }

    fn handle_interfaces(&mut self) {
        loop {
            match self.interfaces.read() {
                Ok(WatchRead::Changes(changes)) => changes.iter().for_each(|change| self.note_change(change)),
                Ok(WatchRead::Overrun) => self.ask_for_interfaces(),
                Ok(WatchRead::Empty) => return,
                Err(error) => return self.host.report_shell(&ShellReport::InterfaceWatch(error)),
            }
        }
    }

    fn ask_for_interfaces(&mut self) {
        for n in 0..self.links.len() {
            let Some(name) = self.links.get(n).map(|paced| paced.link.interface().to_owned()) else {
                return;
            };
            match Interface::find(&name) {
                Ok(interface) => self.note_change(&Change { name, interface }),
                Err(error) => self.host.report_shell(&ShellReport::InterfaceWatch(error)),
            }
        }
    }

    fn note_change(&mut self, change: &Change) {
        for (n, paced) in self.links.iter_mut().enumerate() {
            if let Some(state) = paced.link.note(change) {
                self.news.push(Input::Link(channel(n), LinkEvent::State(state)));
                self.host.report_shell(&ShellReport::Interface {
                    name: change.name.clone(),
                    state,
                });
            }
        }
    }
}

/// Does what a pace wants of the poll.
fn apply(watch: Watch, registry: &Registry, fd: RawFd, token: Token) -> io::Result<()> {
    match watch {
        Watch::Keep => Ok(()),
        // What has arrived meanwhile counts as news.
        Watch::Start => registry.register(&mut SourceFd(&fd), token, Interest::READABLE),
        Watch::Stop => registry.deregister(&mut SourceFd(&fd)),
    }
}

fn channel(place: usize) -> Channel {
    Channel(u8::try_from(place).expect("there are at most four links"))
}

fn link_stats(link: &Link) -> LinkStats {
    let counters = link.counters();
    let state = link.state();
    let traffic = |counters: DirectionCounters| LinkTraffic {
        bytes: counters.bytes,
        packets: counters.packets,
        errors: counters.errors,
    };
    LinkStats {
        interface: link.interface().to_owned(),
        transport: Transport::Udp,
        status: match (state.is_up, state.is_running) {
            (true, true) => LinkStatus::Running,
            (true, false) => LinkStatus::NoCarrier,
            (false, _) => LinkStatus::Down,
        },
        sent: traffic(counters.sent),
        received: traffic(counters.received),
    }
}

#[cfg(test)]
mod tests;
