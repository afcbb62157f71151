use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU16, NonZeroU32};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel as mpsc_channel};
use std::thread::JoinHandle;

use engine::config::{
    Config, ExpectationSync, FtfwConfig, Limits, LinkConfig, Mode, OwnFlows, PeerFlows, StartupResync,
    TcpWindowTracking,
};
use engine::filter::Filter;
use engine::flow::{Addrs, Flow, L4Key, Protocol, Status, Tuple};
use engine::input::{CacheName, DumpFormat, Request, StatsTopic, Table};
use engine::output::{Batch, FlowName, FlowRequest};
use engine::report::Report;
use nix::sys::signal::{Signal, raise};
use tempfile::TempDir;

use super::*;
use crate::control::ask;
use crate::ctnetlink::{Delivery, EventFilter, RequestSocket};
use crate::link::{Buffers, Checksum, InterfaceSpec, Link, LinkSpec, TransportSpec, UdpSpec};
use crate::testing::{enter_namespace, ip, run, wait_for_carrier};

const A: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1));
const B: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Sends the lines that an operator would read to the test.
struct TestHost(Sender<String>);

impl Host for TestHost {
    fn report(&mut self, report: &Report) {
        // The test may have ended.
        let _sent = self.0.send(report.to_string());
    }

    fn report_shell(&mut self, report: &ShellReport) {
        let _sent = self.0.send(report.to_string());
    }

    fn reopen_logs(&mut self) {
        let _sent = self.0.send("logs reopened".to_owned());
    }

    fn keep_alive(&mut self) {}
}

struct Daemon {
    control: PathBuf,
    reports: Receiver<String>,
    thread: JoinHandle<Result<(), RunError>>,
}

impl Daemon {
    /// Starts one in the namespace of this thread, over the loopback interface.
    fn start(dir: &Path, local: IpAddr, peer: IpAddr) -> Self {
        let (daemon, run) = Self::prepare(dir, "lo", local, peer, 8 * 1024 * 1024);
        run.send(()).unwrap();
        daemon
    }

    /// Opens the sockets of one, that turns once it is told to.
    fn prepare(
        dir: &Path,
        interface: &'static str,
        local: IpAddr,
        peer: IpAddr,
        buffer_len: usize,
    ) -> (Self, Sender<()>) {
        let control = dir.join(local.to_string());
        let (sender, reports) = mpsc_channel();
        let (run, may_run) = mpsc_channel();
        let path = control.clone();
        let thread = std::thread::spawn(move || {
            let host = TestHost(sender.clone());
            let parts = parts(path, open_link(interface, local, peer), host, buffer_len);
            let shell = Shell::new(parts).unwrap();
            sender.send("ready".to_owned()).unwrap();
            may_run.recv().unwrap();
            // This is where the process would end.
            shell.run().map(drop)
        });
        let daemon = Self {
            control,
            reports,
            thread,
        };
        daemon.wait_for("ready");
        (daemon, run)
    }

    /// Waits until this is reported.
    fn wait_for(&self, report: &str) {
        loop {
            match self.reports.recv_timeout(Duration::from_secs(20)) {
                Ok(line) if line == report => return,
                Ok(_) => {}
                Err(error) => panic!("want \"{report}\": {error}"),
            }
        }
    }

    fn ask(&self, request: Request) -> String {
        let mut reply = Vec::new();
        ask(&self.control, request, &mut reply).unwrap();
        String::from_utf8(reply).unwrap()
    }

    fn cache(&self, cache: CacheName) -> String {
        self.ask(Request::Dump {
            cache,
            table: Table::Flows,
            format: DumpFormat::Text,
        })
    }

    fn cache_until(&self, cache: CacheName, done: impl Fn(&str) -> bool) -> String {
        let clock = Clock::start();
        loop {
            let text = self.cache(cache);
            if done(&text) {
                return text;
            }
            let waited = clock.now().saturating_since(Instant::START);
            assert!(waited < Duration::from_secs(20), "after {waited:?}: {text}");
        }
    }

    fn external_until(&self, done: impl Fn(&str) -> bool) -> String {
        self.cache_until(CacheName::External, done)
    }

    fn stop(self) {
        self.ask(Request::Stop);
        assert!(
            !self.control.exists(),
            "the socket is gone when the client returns"
        );
        self.thread.join().unwrap().unwrap();
    }
}

fn open_link(interface: &str, local: IpAddr, peer: IpAddr) -> Link {
    let udp = UdpSpec {
        local,
        peer,
        port: 3780,
        checksum: Checksum::On,
    };
    let spec = LinkSpec {
        interface: InterfaceSpec::Named(interface.to_owned()),
        transport: TransportSpec::Udp(udp),
        buffers: Buffers::default(),
    };
    Link::open(&spec).unwrap()
}

fn parts(control_path: PathBuf, link: Link, host: TestHost, buffer_len: usize) -> Parts<TestHost> {
    let config = Config {
        mode: Mode::Ftfw(FtfwConfig {
            ack_window: NonZeroU16::new(300).unwrap(),
            resend_queue_len_max: NonZeroU32::new(131_072).unwrap(),
            startup_resync: StartupResync::Off,
        }),
        filter: Filter::default(),
        expectations: ExpectationSync::Off,
        cache_len_max: NonZeroU32::new(100_000).unwrap(),
        cache_len_expected: 0,
        commit_timeout_secs: None,
        purge_timeout: Duration::from_secs(60),
        own_flows: OwnFlows::Cached,
        peer_flows: PeerFlows::Cached,
        tcp_window_tracking: TcpWindowTracking::Off,
        overrun_resync: Some(Duration::from_secs(30)),
        poll_period: None,
        reconcile_period: None,
        links: vec![LinkConfig {
            interface: link.interface().to_owned(),
            state: link.state(),
            reach: link.reach(),
        }],
        default_link: 0,
        limits: Limits::default(),
    };
    let kernel = Kernel::open(&KernelOptions {
        buffer_len: Some(buffer_len),
        buffer_len_max: 8 * 1024 * 1024,
        tables: Some(Table::Flows),
        delivery: Delivery::BestEffort,
        event_filter: EventFilter::default(),
    })
    .unwrap();
    let options = Options {
        event_iteration_limit: NonZeroU32::new(100).unwrap(),
        keep_alive: None,
    };
    Parts {
        links: vec![link],
        kernel,
        control_path,
        config,
        seed: engine::Seed(7),
        host,
        options,
    }
}

fn udp_flow(n: u16) -> Flow {
    let tuple = |from: [u8; 4], to: [u8; 4], sport, dport| Tuple {
        addrs: Addrs::V4 {
            src: from.into(),
            dst: to.into(),
        },
        proto: Protocol::UDP,
        key: L4Key::Ports {
            src: sport,
            dst: dport,
        },
    };
    let (client, server) = ([10, 0, 0, 1], [192, 0, 2, 9]);
    let mut flow = Flow::new(tuple(client, server, n, 53));
    flow.reply = Some(tuple(server, client, 53, n));
    flow.status = Some(Status(Status::CONFIRMED.0 | Status::ASSURED.0));
    flow.timeout_secs = Some(600);
    flow
}

/// Creates as many flows in the kernel of this namespace.
fn create_flows(requests: &mut RequestSocket, n_flows: u16) {
    let flows: Vec<_> = (1000..1000 + n_flows)
        .map(udp_flow)
        .map(FlowRequest::Create)
        .collect();
    let mut failures = Vec::new();
    for flows in flows.chunks(100) {
        let batch = Batch {
            requests: flows.to_vec(),
            ..Batch::default()
        };
        requests.execute(&batch, |_, _| {}, &mut failures).unwrap();
    }
    assert_eq!(failures, []);
}

#[test]
fn flows_of_the_kernel_reach_the_external_cache_of_the_peer() {
    if !enter_namespace() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let [a, b] = [(A, B), (B, A)].map(|(local, peer)| Daemon::start(dir.path(), local, peer));
    let _silent_client = UnixStream::connect(&a.control).unwrap();
    create_flows(&mut RequestSocket::open().unwrap(), 2000);
    // Both listen to the same table, so each has all flows in both caches.
    for daemon in [&a, &b] {
        let external = daemon.external_until(|external| external.lines().count() == 2000);
        assert!(
            external.contains("src=10.0.0.1 dst=192.0.2.9 sport=2999 dport=53"),
            "{external}"
        );
    }
    let link = a.ask(Request::Statistics(StatsTopic::Link));
    assert!(
        link.starts_with("UDP traffic device=lo status=RUNNING role=ACTIVE:\n"),
        "{link}"
    );
    let runtime = a.ask(Request::Statistics(StatsTopic::Runtime));
    assert!(
        runtime.contains(&format!("events received:\t{:>20}\n", 2000)),
        "{runtime}"
    );
    a.stop();
    b.stop();
}

#[test]
fn a_commit_puts_the_external_cache_into_the_kernel_before_its_client_returns() {
    if !enter_namespace() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let [a, b] = [(A, B), (B, A)].map(|(local, peer)| Daemon::start(dir.path(), local, peer));
    let mut requests = RequestSocket::open().unwrap();
    create_flows(&mut requests, 1000);
    b.external_until(|external| external.lines().count() == 1000);
    a.stop();
    requests.flush(Table::Flows).unwrap();
    assert_eq!(requests.table_stats().unwrap().entries, 0);
    b.ask(Request::Commit(Table::Flows));
    assert_eq!(requests.table_stats().unwrap().entries, 1000);
    let reports: Vec<_> = b.reports.try_iter().collect();
    assert!(
        reports
            .iter()
            .any(|line| line.starts_with("Committed 1000 new entries\n")),
        "{reports:?}"
    );
    // The commit was not listened to; what comes after it is.
    let later = Batch {
        requests: vec![FlowRequest::Create(udp_flow(1))],
        ..Batch::default()
    };
    requests.execute(&later, |_, _| {}, &mut Vec::new()).unwrap();
    b.cache_until(CacheName::Internal, |internal| {
        internal.contains("sport=1 dport=53")
    });
    b.stop();
}

#[test]
fn an_overrun_is_counted_and_doubles_the_buffer() {
    if !enter_namespace() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (daemon, run) = Daemon::prepare(dir.path(), "lo", A, B, 64 * 1024);
    create_flows(&mut RequestSocket::open().unwrap(), 200);
    run.send(()).unwrap();
    daemon.wait_for("netlink event socket buffer size has been doubled to 131072 bytes");
    let runtime = daemon.ask(Request::Statistics(StatsTopic::Runtime));
    assert!(
        runtime.contains(&format!("netlink overrun:\t\t{:>12}\n", 1)),
        "{runtime}"
    );
    assert!(
        runtime.contains(&format!("current buffer size (in bytes):\t{:>12}\n", 131_072)),
        "{runtime}"
    );
    daemon.stop();
}

#[test]
fn events_are_kept_from_before_the_first_dump_is_asked_for() {
    if !enter_namespace() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let (daemon, run) = Daemon::prepare(dir.path(), "lo", A, B, 1024 * 1024);
    // Its sockets are open, and it has not asked for anything yet.
    let mut requests = RequestSocket::open().unwrap();
    create_flows(&mut requests, 3);
    let ended = Batch {
        requests: vec![FlowRequest::Delete(FlowName {
            orig: udp_flow(1001).orig,
            zone: None,
            id: None,
        })],
        ..Batch::default()
    };
    let mut failures = Vec::new();
    requests.execute(&ended, |_, _| {}, &mut failures).unwrap();
    assert_eq!(failures, []);
    run.send(()).unwrap();
    daemon.cache_until(CacheName::Internal, |text| {
        text.lines().count() == 2 && text.contains("sport=1000 ") && text.contains("sport=1002 ")
    });
    let runtime = daemon.ask(Request::Statistics(StatsTopic::Runtime));
    assert!(
        runtime.contains(&format!("events received:\t{:>20}\n", 4)),
        "three beginnings and an end: {runtime}"
    );
    daemon.stop();
}

#[test]
fn an_interface_that_goes_down_is_told_and_shown() {
    if !enter_namespace() {
        return;
    }
    ip("link add sync0 type veth peer name sync1");
    ip("link set sync1 up");
    ip("link set sync0 up");
    wait_for_carrier("sync0");
    ip("address add 10.9.0.1/24 dev sync0");
    let dir = TempDir::new().unwrap();
    let [local, peer] = [1, 2].map(|n| IpAddr::V4(Ipv4Addr::new(10, 9, 0, n)));
    let (daemon, run) = Daemon::prepare(dir.path(), "sync0", local, peer, 64 * 1024);
    run.send(()).unwrap();
    ip("link set sync1 down");
    daemon.wait_for("interface `sync0` is up without a carrier");
    let link = daemon.ask(Request::Statistics(StatsTopic::Link));
    assert!(link.contains("device=sync0 status=NO-CARRIER"), "{link}");
    ip("link delete sync0");
    daemon.wait_for("interface `sync0` is down");
    let link = daemon.ask(Request::Statistics(StatsTopic::Link));
    assert!(link.contains("device=sync0 status=DOWN"), "{link}");
    daemon.stop();
}

#[test]
fn a_hangup_reopens_the_logs_and_ends_nothing() {
    if !enter_namespace() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let daemon = Daemon::start(dir.path(), A, B);
    raise(Signal::SIGHUP).unwrap();
    daemon.wait_for("logs reopened");
    assert_eq!(daemon.cache(CacheName::External), "");
    daemon.stop();
}

#[test]
fn datagrams_that_find_no_room_leave_as_soon_as_there_is_some() {
    if !enter_namespace() {
        return;
    }
    ip("link add sync0 type veth peer name sync1");
    ip("link set sync1 up");
    ip("link set sync0 up");
    wait_for_carrier("sync0");
    ip("address add 10.9.0.1/24 dev sync0");
    ip("neighbour add 10.9.0.2 lladdr 02:00:00:00:00:02 dev sync0");
    // Fills the sender's buffer, and empties it within a tenth of a second.
    run(
        "tc",
        "qdisc add dev sync0 root tbf rate 20mbit burst 2kb latency 10s",
    );
    let [local, peer] = [1, 2].map(|n| IpAddr::V4(Ipv4Addr::new(10, 9, 0, n)));
    let mut poll = Poll::new().unwrap();
    let mut links = Links::watch(vec![open_link("sync0", local, peer)], poll.registry(), 0).unwrap();
    let (mut n_left, mut n_waiting) = (0, 0);
    for _ in 0..200 {
        match links.send(Channel(0), vec![0; 1400]) {
            Sent::Now(_) => n_left += 1,
            Sent::Later => n_waiting += 1,
            Sent::Failed(_, error) => panic!("{error}"),
        }
    }
    assert!(n_waiting > 0, "all {n_left} found room");
    while links.has_waiting() {
        links.watch_senders(poll.registry()).unwrap();
        let mut events = Events::with_capacity(8);
        poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
        assert!(!events.is_empty(), "the poll did not tell of room");
        links.drive(Instant::START, |_, sent| match sent {
            Sent::Now(_) => n_left += 1,
            other @ (Sent::Later | Sent::Failed(..)) => panic!("{other:?}"),
        });
    }
    assert_eq!(n_left, 200);
    links.watch_senders(poll.registry()).unwrap();
    assert_eq!(links.stats()[0].sent.packets, 200);
}
