use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel as mpsc_channel};
use std::thread::JoinHandle;

use engine::config::{Config, FtfwConfig, Limits, LinkConfig, Mode, StartupResync, TcpWindowTracking};
use engine::flow::{Addrs, Flow, L4Key, Protocol, Status, Tuple};
use engine::input::{CacheName, DumpFormat, Request, StatsTopic, Table};
use engine::output::{Batch, FlowRequest};
use engine::report::Report;
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

use super::*;
use crate::control::ask;
use crate::ctnetlink::{Delivery, RequestSocket};
use crate::link::{Checksum, LinkSpec, TransportSpec, UdpSpec};

const A: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1));
const B: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

/// Takes the thread into a network namespace of its own; `false`, with a line, if that may not be.
fn enter_namespace() -> bool {
    if let Err(errno) = unshare(CloneFlags::CLONE_NEWNET) {
        eprintln!("skipped, because no network namespace can be made: {errno}");
        return false;
    }
    let up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status()
        .unwrap();
    assert!(up.success());
    true
}

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

    fn reopen_logs(&mut self) {}

    fn keep_alive(&mut self) {}
}

struct Daemon {
    control: PathBuf,
    reports: Receiver<String>,
    thread: JoinHandle<Result<(), RunError>>,
}

impl Daemon {
    /// Starts one in the namespace of this thread.
    fn start(dir: &Path, local: IpAddr, peer: IpAddr) -> Self {
        let control = dir.join(local.to_string());
        let (sender, reports) = mpsc_channel();
        let path = control.clone();
        let thread = std::thread::spawn(move || {
            let host = TestHost(sender.clone());
            let shell = Shell::new(parts(path, local, peer, host)).unwrap();
            sender.send("ready".to_owned()).unwrap();
            // This is where the process would end.
            shell.run().map(drop)
        });
        let ready = reports.iter().find(|line| line == "ready");
        assert!(ready.is_some(), "the daemon of {local} did not start");
        Self {
            control,
            reports,
            thread,
        }
    }

    fn ask(&self, request: Request) -> String {
        let mut reply = Vec::new();
        ask(&self.control, request, &mut reply).unwrap();
        String::from_utf8(reply).unwrap()
    }

    fn external(&self) -> String {
        let cache = CacheName::External;
        self.ask(Request::Dump {
            cache,
            table: Table::Flows,
            format: DumpFormat::Text,
        })
    }

    fn external_until(&self, done: impl Fn(&str) -> bool) -> String {
        let clock = Clock::start();
        loop {
            let external = self.external();
            if done(&external) {
                return external;
            }
            let waited = clock.now().saturating_since(Instant::START);
            assert!(waited < Duration::from_secs(20), "after {waited:?}: {external}");
        }
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

fn parts(control_path: PathBuf, local: IpAddr, peer: IpAddr, host: TestHost) -> Parts<TestHost> {
    let udp = UdpSpec {
        local,
        peer,
        port: 3780,
        checksum: Checksum::On,
        send_buffer_len: None,
        receive_buffer_len: None,
    };
    let spec = LinkSpec {
        interface: "lo".to_owned(),
        transport: TransportSpec::Udp(udp),
    };
    let link = Link::open(&spec).unwrap();
    let config = Config {
        mode: Mode::Ftfw(FtfwConfig {
            ack_window: NonZeroU16::new(300).unwrap(),
            resend_queue_len_max: NonZeroU32::new(131_072).unwrap(),
            startup_resync: StartupResync::Off,
        }),
        cache_len_max: NonZeroU32::new(100_000).unwrap(),
        commit_timeout_secs: None,
        purge_timeout: Duration::from_secs(60),
        tcp_window_tracking: TcpWindowTracking::Off,
        overrun_resync: Some(Duration::from_secs(30)),
        reconcile_period: None,
        links: vec![LinkConfig {
            payload_len_max: link.state().payload_len_max,
        }],
        default_link: 0,
        limits: Limits::default(),
    };
    let kernel = Kernel::open(&KernelOptions {
        buffer_len: Some(8 * 1024 * 1024),
        buffer_len_max: 16 * 1024 * 1024,
        tables: Table::Flows,
        delivery: Delivery::BestEffort,
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
        seed: Seed(7),
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

#[test]
fn flows_of_the_kernel_reach_the_external_cache_of_the_peer() {
    if !enter_namespace() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let [a, b] = [(A, B), (B, A)].map(|(local, peer)| Daemon::start(dir.path(), local, peer));
    let mut requests = RequestSocket::open().unwrap();
    let mut failures = Vec::new();
    for n in 0..20 {
        let flows = (1000 + n * 100..1100 + n * 100).map(|n| FlowRequest::Create(udp_flow(n)));
        let batch = Batch {
            requests: flows.collect(),
        };
        requests.execute(&batch, |_, _| {}, &mut failures).unwrap();
    }
    assert_eq!(failures, []);
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
fn a_commit_puts_the_external_cache_into_the_kernel_while_clients_are_served() {
    if !enter_namespace() {
        return;
    }
    let dir = TempDir::new().unwrap();
    let [a, b] = [(A, B), (B, A)].map(|(local, peer)| Daemon::start(dir.path(), local, peer));
    let mut requests = RequestSocket::open().unwrap();
    let flows = (1000..2000).map(|n| FlowRequest::Create(udp_flow(n)));
    let mut failures = Vec::new();
    requests
        .execute(
            &Batch {
                requests: flows.collect(),
            },
            |_, _| {},
            &mut failures,
        )
        .unwrap();
    assert_eq!(failures, []);
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
    b.stop();
}
