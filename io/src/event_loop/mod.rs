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
mod links;
mod pace;
mod parts;
mod report;

pub use kernel::{Kernel, KernelOptions};
pub use parts::{Ended, Options, Parts, RunError, StartError};
pub use report::{Host, ShellReport};

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

use engine::Engine;
use engine::input::{Channel, ClientId, Errno, Input, KernelInput, LinkEvent};
use engine::output::{Output, Reply};
use engine::time::Instant;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;

use crate::clock::{self, Clock};
use crate::control::ControlServer;
use crate::control::statistics::{ControlStats, ShellStats, render};
use crate::link::{Change, Interface, InterfaceWatch, Sent, WatchRead};
use kernel::Sink;
use links::{LINKS_MAX, Links, TOKENS};
use pace::Pace;

const EVENTS: Token = Token(0);
const DUMPS: Token = Token(1);
const SIGNALS: Token = Token(2);
const INTERFACES: Token = Token(3);
/// [`TOKENS`] for each link.
const FIRST_LINK: usize = 4;
const FIRST_CONTROL: usize = FIRST_LINK + TOKENS * LINKS_MAX;

/// Events of the poll taken at once.
const POLL_EVENTS: usize = 256;
/// Messages in a datagram, about: an event costs as much as a message, so a turn takes this many
/// times more events than datagrams.
const EVENTS_PER_DATAGRAM: usize = 8;
/// How long the shutdown may take to send what is queued.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(1);

/// The loop and all it drives.
pub struct Shell<H> {
    engine: Engine,
    clock: Clock,
    poll: Poll,
    signals: Signals,
    interfaces: InterfaceWatch,
    links: Links,
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
        let register = |registry: &Registry| {
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
            Links::watch(links, registry, FIRST_LINK)
        };
        let links = register(poll.registry()).map_err(failed("watch the sockets"))?;
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
        // What changed between the opening of the links and the beginning of the watch.
        self.ask_for_interfaces();
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
        Ok(Ended::holding(self.control))
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
                token => self.links.wake(token),
            }
        }
        for input in std::mem::take(&mut self.news) {
            self.engine.handle_input(input, now);
        }
        self.drive_links(now);
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
        self.links.watch_senders(self.poll.registry())
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
        let deadlines = [
            self.links.deadline(),
            self.kernel_pace.deadline(),
            self.engine.poll_timeout().map(|(at, _)| at),
            self.control.deadline(),
            self.next_keep_alive,
            self.stop_by,
        ];
        deadlines
            .into_iter()
            .flatten()
            .min()
            .map(|at| at.saturating_since(now))
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
        let is_idle = self.news.is_empty() && !self.kernel.has_changes() && !self.links.has_waiting();
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
        watch.apply(self.poll.registry(), kernel.events.as_raw_fd(), EVENTS)
    }

    fn read_links(&mut self, now: Instant) -> io::Result<()> {
        let n_datagrams = self.n_datagrams();
        let Self {
            engine, links, poll, ..
        } = self;
        links.read(n_datagrams, now, poll.registry(), |input| {
            engine.handle_input(input, now)
        })
    }

    fn n_datagrams(&self) -> usize {
        usize::try_from(self.options.event_iteration_limit.get()).unwrap_or(usize::MAX)
    }

    /// Does all that the engine wants done.
    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.engine.poll_output() {
            match output {
                Output::Send(channel, datagram) => {
                    let sent = self.links.send(channel, datagram);
                    self.note_sent(channel, sent, now);
                }
                Output::Kernel(op) => self.kernel.queue(op),
                Output::Reply(client, reply) => self.reply(client, reply, now),
                Output::Report(report) => self.host.report(&report),
            }
        }
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

    fn drive_links(&mut self, now: Instant) {
        let mut all_sent = Vec::new();
        self.links
            .drive(now, |channel, sent| all_sent.push((channel, sent)));
        for report in self.links.take_news() {
            self.host.report_shell(&report);
        }
        for (channel, sent) in all_sent {
            self.note_sent(channel, sent, now);
        }
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
            links: self.links.stats(),
            error_queue: self.links.error_queue(),
            netlink: self.kernel.stats(),
            control: ControlStats {
                read_failed: control.not_served(),
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
        for name in self.links.interfaces() {
            match Interface::find(&name) {
                Ok(interface) => self.note_change(&Change { name, interface }),
                Err(error) => self.host.report_shell(&ShellReport::InterfaceWatch(error)),
            }
        }
    }

    fn note_change(&mut self, change: &Change) {
        let Self {
            links, news, host, ..
        } = self;
        links.note(change, |channel, state| {
            news.push(Input::Link(channel, LinkEvent::State(state)));
            host.report_shell(&ShellReport::Interface {
                name: change.name.clone(),
                state,
            });
        });
    }
}

#[cfg(test)]
mod tests;
