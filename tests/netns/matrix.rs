//! The interop matrix: every pair of daemons, in every mode, over every transport, through every event.
//!
//! A group is a pair, a mode and a transport: one cluster, in which the [`EVENTS`] happen one after another. Each
//! of them makes a cell: after it fw2's external cache equals fw1's kernel table, attribute by attribute, without
//! anybody's help, or with the help that [`ASSISTED`] names. Cells that wait for long timers are left out, and
//! said to be, unless `FLOWTWIN_ALL_CELLS` is set.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use netns_tests::Daemon::{Ours, Stock};
use netns_tests::table::TIMEOUT_SLACK_SECS;
use netns_tests::{
    Cluster, Daemon, Firewall, Link, Mode, Setup, TEMPLATE, Transport, clock, flows, ftp, kernel,
    on_real_kernels, wait_until,
};

/// Flows that each event adds, of every kind.
const N_FLOWS: u16 = 160;
/// The first number of flows that no event makes.
const FREE: u16 = 2000;
/// Under loss TCP doubles its pause whenever a retransmission is lost too.
const LIMIT: Duration = Duration::from_secs(120);
/// Percentage of packets lost, each way.
const LOSS: u8 = 20;
/// ALARM tells the lifetime of the last change at every refresh, and an entry expires if five of them are lost.
const ALARM_CLAUSES: &str = "RefreshTime 1\n        CacheTimeout 10";

/// What happens to a group, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Create,
    Update,
    Destroy,
    /// The backup puts what it knows into its kernel.
    Commit,
    /// The backup has forgotten everything.
    Bulk,
    /// fw2 dies, flows are changed and created, fw2 starts.
    RestartOfReceiver,
    /// fw1 dies, flows are changed and created, fw1 starts.
    RestartOfSender,
    /// fw1 dies, flows end, fw1 starts.
    EndsUnheard,
    /// Flows are created, changed and deleted while a part of all packets is lost.
    Loss,
}

const EVENTS: [Event; 9] = [
    Event::Create,
    Event::Update,
    Event::Destroy,
    Event::Commit,
    Event::Bulk,
    Event::RestartOfReceiver,
    Event::RestartOfSender,
    Event::EndsUnheard,
    Event::Loss,
];

/// Where equality takes `-f external` and `-n` at the backup.
struct Assisted {
    event: Event,
    applies: fn(&Group) -> bool,
    because: &'static str,
}

const ASSISTED: [Assisted; 4] = [
    Assisted {
        event: Event::RestartOfSender,
        applies: |group| group.setup.mode == Mode::NoTrack && group.from == Stock,
        because: "a stock daemon says nothing at its start, and NOTRACK has no hello",
    },
    Assisted {
        event: Event::EndsUnheard,
        applies: |group| group.setup.mode == Mode::NoTrack,
        because: "NOTRACK has no hello: nobody knows that what is not named again has ended",
    },
    Assisted {
        event: Event::EndsUnheard,
        applies: |group| group.setup.mode == Mode::FtFw && group.to == Stock,
        because: "a stock daemon keeps what a peer that restarted does not name again",
    },
    Assisted {
        event: Event::Loss,
        applies: |group| group.setup.mode == Mode::NoTrack && group.is_of_datagrams(),
        because: "NOTRACK sends nothing twice",
    },
];

/// One cluster of the matrix; flows go from fw1 to fw2.
#[derive(Clone, Copy, Debug)]
struct Group {
    from: Daemon,
    to: Daemon,
    setup: Setup,
}

/// A module a pair of daemons.
macro_rules! matrix {
    ($($pair:ident: $from:ident $to:ident;)*) => {$(
        mod $pair {
            modes! {
                ftfw: FtFw $from $to;
                notrack: NoTrack $from $to;
                alarm: Alarm $from $to;
            }
        }
    )*};
}

/// A module a mode.
macro_rules! modes {
    ($($name:ident: $mode:ident $from:ident $to:ident;)*) => {$(
        mod $name {
            groups! {
                udp4: Udp V4 $mode $from $to;
                udp6: Udp V6 $mode $from $to;
                tcp4: Tcp V4 $mode $from $to;
                tcp6: Tcp V6 $mode $from $to;
                multicast4: Multicast V4 $mode $from $to;
                multicast6: Multicast V6 $mode $from $to;
            }
        }
    )*};
}

/// A test a transport.
macro_rules! groups {
    ($($name:ident: $transport:ident $link:ident $mode:ident $from:ident $to:ident;)*) => {$(
        #[test]
        fn $name() -> anyhow::Result<()> {
            use netns_tests::{Daemon, Link, Mode, Transport};
            crate::Group::new(Daemon::$from, Daemon::$to, Mode::$mode, Transport::$transport, Link::$link).run()
        }
    )*};
}

mod cells {
    matrix! {
        ours_to_ours: Ours Ours;
        ours_to_stock: Ours Stock;
        stock_to_ours: Stock Ours;
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setup {
            mode,
            transport,
            link,
            ..
        } = self.setup;
        write!(
            f,
            "{:?} to {:?}, {mode:?}, {transport:?} {link:?}",
            self.from, self.to
        )
    }
}

impl Group {
    fn new(from: Daemon, to: Daemon, mode: Mode, transport: Transport, link: Link) -> Self {
        let clauses = match mode {
            // Only our daemon tells of itself what a peer that restarted has missed.
            Mode::FtFw if from == Ours => "",
            Mode::FtFw | Mode::NoTrack => "StartupResync on",
            Mode::Alarm => ALARM_CLAUSES,
        };
        let setup = Setup {
            mode,
            transport,
            link,
            mode_clauses: [clauses; 2],
            ..TEMPLATE
        };
        Self { from, to, setup }
    }

    fn is_of_datagrams(&self) -> bool {
        self.setup.transport != Transport::Tcp
    }

    /// What helps this group after an event.
    fn assisted(&self, event: Event) -> Option<&'static Assisted> {
        ASSISTED
            .iter()
            .find(|row| row.event == event && (row.applies)(self))
    }

    /// Why a cell takes too long for every day. Of each kind one is never left out: between ours, in FT-FW over UDP.
    fn slow_because(&self, event: Event) -> Option<&'static str> {
        let is_model = (self.from, self.to, self.setup.mode) == (Ours, Ours, Mode::FtFw)
            && (self.setup.transport, self.setup.link) == (Transport::Udp, Link::V4);
        match event {
            _ if is_model || self.assisted(event).is_some() => None,
            Event::Loss => Some("what is lost waits for timers"),
            Event::EndsUnheard => Some("what is not named again is forgotten after a while"),
            Event::Create
            | Event::Update
            | Event::Destroy
            | Event::Commit
            | Event::Bulk
            | Event::RestartOfReceiver
            | Event::RestartOfSender => None,
        }
    }

    fn run(&self) -> Result<()> {
        on_real_kernels(|| {
            let begin = clock::now();
            let mut cluster = self.setup.start(self.from, self.to)?;
            self.connected(&cluster)
                .with_context(|| format!("start of {self}\n{}", described(&cluster)))?;
            let _session = ftp::open(&cluster)?;
            let mut cells = format!("{self}: start {:.1} s", begin.elapsed().as_secs_f32());
            for event in EVENTS {
                let slow = self.slow_because(event);
                if let Some(reason) = slow.filter(|_| env::var_os("FLOWTWIN_ALL_CELLS").is_none()) {
                    write!(cells, ", {event:?} left out ({reason})")?;
                    continue;
                }
                let begin = clock::now();
                self.happens(event, &mut cluster)
                    .with_context(|| format!("cell {event:?} of {self}\n{}", described(&cluster)))?;
                write!(cells, ", {event:?} {:.1} s", begin.elapsed().as_secs_f32())?;
                if let Some(assisted) = self.assisted(event) {
                    write!(cells, " (by -n: {})", assisted.because)?;
                }
            }
            writeln!(std::io::stdout().lock(), "{cells}").context("say what was done")
        })
    }

    fn happens(&self, event: Event, cluster: &mut Cluster) -> Result<()> {
        let Cluster { fw1, fw2, .. } = cluster;
        match event {
            Event::Create => flows::create(fw1, 0, N_FLOWS)?,
            Event::Update => kernel::update_some(&fw1.ns)?,
            Event::Destroy => flows::delete_some(fw1, N_FLOWS)?,
            Event::Commit => return self.commit(cluster),
            Event::Bulk => return self.bulk(cluster),
            Event::RestartOfReceiver => {
                fw2.kill()?;
                kernel::update_some(&fw1.ns)?;
                flows::create(fw1, N_FLOWS, N_FLOWS)?;
                start_again(fw2, self.to)?;
            }
            Event::RestartOfSender => {
                fw1.kill()?;
                kernel::update_some(&fw1.ns)?;
                flows::create(fw1, 2 * N_FLOWS, N_FLOWS)?;
                start_again(fw1, self.from)?;
            }
            Event::EndsUnheard => {
                fw1.kill()?;
                flows::delete_some(fw1, 4 * N_FLOWS)?;
                start_again(fw1, self.from)?;
            }
            Event::Loss => return self.loss(cluster),
        }
        self.connected(cluster)?;
        match self.assisted(event) {
            None => self.equal(cluster),
            Some(_) => {
                self.later_flows_arrive(event, cluster)?;
                ensure!(
                    cluster.ensure_replica(self.from).is_err(),
                    "equal without help, which the table of the assisted denies"
                );
                self.forget_and_ask(cluster)
            }
        }
    }

    /// Puts the external cache into the kernel, which shows what a dump of the cache does not.
    fn commit(&self, cluster: &Cluster) -> Result<()> {
        let fw2 = &cluster.fw2;
        cluster.ensure_rare_flows()?;
        fw2.control(&["-c"])?;
        let slack_secs = (self.setup.mode != Mode::Alarm).then_some(TIMEOUT_SLACK_SECS);
        self.wait_until(cluster, "both kernels have the same flows", || {
            cluster.ensure_kernels_equal(self.from, self.to, slack_secs)
        })?;
        flows::delete_all(fw2)?;
        self.wait_until(cluster, "both show the same of their links", || {
            both_show_the_same(cluster)
        })
    }

    /// The backup forgets, and is told everything: on its own request, on the primary's, or by refreshes.
    fn bulk(&self, cluster: &Cluster) -> Result<()> {
        let Cluster { fw1, fw2, .. } = cluster;
        self.forget_and_ask(cluster)?;
        fw2.control(&["-f", "external"])?;
        fw1.control(&["-B"])?;
        self.equal(cluster)
    }

    fn forget_and_ask(&self, cluster: &Cluster) -> Result<()> {
        let before = cluster.fw2.external()?.n_flows();
        cluster.fw2.control(&["-f", "external"])?;
        let after = cluster.fw2.external()?.n_flows();
        ensure!(
            after < before,
            "{after} of {before} flows are there after a flush"
        );
        // ALARM does nothing on requests: all flows are told again by their timers.
        cluster.fw2.control(&["-n"])?;
        self.equal(cluster)
    }

    fn loss(&self, cluster: &Cluster) -> Result<()> {
        let fw1 = &cluster.fw1;
        cluster.lose(LOSS)?;
        let told = |cluster: &Cluster| match self.assisted(Event::Loss) {
            None => self.equal(cluster),
            Some(_) => Ok(()),
        };
        flows::create(fw1, 3 * N_FLOWS, N_FLOWS)?;
        told(cluster)?;
        kernel::update_some(&fw1.ns)?;
        told(cluster)?;
        flows::delete_some(fw1, 8 * N_FLOWS)?;
        told(cluster)?;
        cluster.lose(0)?;
        match self.assisted(Event::Loss) {
            None => self.equal(cluster),
            Some(_) => {
                self.later_flows_arrive(Event::Loss, cluster)?;
                self.forget_and_ask(cluster)
            }
        }
    }

    /// Waits until new flows are known to the backup: what was said before them has come as well, or never will.
    fn later_flows_arrive(&self, event: Event, cluster: &Cluster) -> Result<()> {
        let wanted = || anyhow::Ok(cluster.fw1.kernel()?.as_told_by(self.from).as_cached());
        let before = wanted()?;
        flows::create(&cluster.fw1, FREE + N_FLOWS * event as u16, N_FLOWS)?;
        let new = wanted()?.filter(|key, _| before.iter().all(|(old, _)| old != key));
        self.wait_until(cluster, "flows that are made later arrive", || {
            let known = cluster.fw2.external()?.as_told_by(self.from);
            let of_new = known.filter(|key, _| new.iter().any(|(new, _)| new == key));
            of_new.ensure_equals(&new)
        })
    }

    fn equality(&self, cluster: &Cluster) -> Result<()> {
        cluster.ensure_replica(self.from)?;
        let wanted = cluster.fw1.kernel()?.as_told_by(self.from).as_internal();
        let internal = cluster.fw1.internal()?.as_told_by(self.from);
        internal
            .ensure_equals(&wanted)
            .context("the internal cache of fw1")
    }

    fn equal(&self, cluster: &Cluster) -> Result<()> {
        let what = "fw2's external cache equals fw1's kernel table";
        self.wait_until(cluster, what, || self.equality(cluster))
    }

    /// Waits until the connections stand in both directions: a stock sender keeps but 128 events before.
    ///
    /// Not in ALARM: a stock daemon connects to say something, and has nothing to say there without flows.
    fn connected(&self, cluster: &Cluster) -> Result<()> {
        if self.is_of_datagrams() || self.setup.mode == Mode::Alarm {
            return Ok(());
        }
        self.wait_until(cluster, "the daemons are connected", || {
            for fw in [&cluster.fw1, &cluster.fw2] {
                let shown = fw.control(&["-s", "network"])?;
                ensure!(shown.contains(" server=connected client=connected:"), "{shown}");
            }
            Ok(())
        })
    }

    fn wait_until(&self, cluster: &Cluster, what: &str, condition: impl FnMut() -> Result<()>) -> Result<()> {
        wait_until(what, LIMIT, &cluster.watched()?, condition)
    }
}

/// What the two daemons print about their links differs in numbers alone.
fn both_show_the_same(cluster: &Cluster) -> Result<()> {
    for topic in ["link", "network"] {
        let [one, other] = [&cluster.fw1, &cluster.fw2].map(|fw| {
            let shown = fw.control(&["-s", topic])?;
            let mask = |c: char| if c.is_ascii_digit() { ' ' } else { c };
            anyhow::Ok(shown.chars().map(mask).collect::<String>())
        });
        let (one, other) = (one?, other?);
        ensure!(one == other, "-s {topic} of fw1:\n{one}of fw2:\n{other}");
        ensure!(!one.is_empty(), "-s {topic} shows nothing");
    }
    Ok(())
}

/// Starts the daemon of a firewall whose last one was killed and has left its files.
fn start_again(fw: &mut Firewall, daemon: Daemon) -> Result<()> {
    for name in ["conntrackd.lock", "conntrackd.ctl"] {
        ensure!(fw.dir().join(name).exists(), "a killed daemon leaves {name}");
    }
    // Ours takes over a lock that nobody holds; a stock daemon does not start.
    if daemon == Stock {
        fs::remove_file(fw.dir().join("conntrackd.lock")).context("remove the lock of a killed daemon")?;
    }
    fw.start(daemon)
}

/// Configuration, log and links of both daemons.
fn described(cluster: &Cluster) -> String {
    let shown = |text: Result<String>| text.unwrap_or_else(|error| format!("{error:#}\n"));
    let one = |fw: &Firewall| {
        let (name, conf, log) = (fw.ns.name(), shown(fw.conf_text()), fw.log());
        let [link, network] = ["link", "network"].map(|topic| shown(fw.control(&["-s", topic])));
        format!("configuration of {name}:\n{conf}{log}links of {name}:\n{link}{network}")
    };
    one(&cluster.fw1) + &one(&cluster.fw2)
}
