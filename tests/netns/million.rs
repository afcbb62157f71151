//! A bulk of a million flows: nothing else waits for it. Takes gigabytes of the kernel's memory and minutes, so it runs
//! only when everything does (`FLOWTWIN_ALL_CELLS`, set by `make test-all`).

use std::fs;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use engine::flow::{Addrs, Flow, L4Key, Protocol, Status, Tuple};
use engine::input::{Request, StatsTopic};
use engine::output::{FlowName, FlowRequest};
use io::control::ask;
use netns_tests::Daemon::Ours;
use netns_tests::{Cluster, Firewall, TEMPLATE, clock, kernel, on_real_kernels};

const N_FLOWS: u32 = 1_000_000;
const LIMIT: Duration = Duration::from_secs(180);
/// A change during the bulk is told to the peer within this; so is a request of a client answered.
const LATENCY_MAX: Duration = Duration::from_secs(1);
/// Memory of a node that holds the flows in one cache.
const MEMORY_MAX_KIB: u64 = 320 * 1024;
/// Of all namespaces together.
const TABLE_LEN_MAX: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

#[test]
fn a_million_flows_are_told_again_while_others_end() -> Result<()> {
    on_real_kernels(|| {
        if std::env::var_os("FLOWTWIN_ALL_CELLS").is_none() {
            return writeln!(
                std::io::stdout().lock(),
                "left out: a million flows are for `make test-all`"
            )
            .context("say so");
        }
        let _table = RaisedTable::new()?;
        let mut cluster = TEMPLATE.build()?;
        for fw in [&cluster.fw1, &cluster.fw2] {
            fw.edit_conf("HashLimit 131072", "HashLimit 2097152")?;
        }
        kernel::request(
            &cluster.fw1.ns,
            (0..N_FLOWS).map(|i| FlowRequest::Create(flow(i))).collect(),
        )?;
        cluster.fw1.launch(Ours)?;
        cluster.fw2.launch(Ours)?;
        cluster.fw1.wait_for_answer()?;
        cluster.fw2.wait_for_answer()?;
        let knows_all = |cluster: &Cluster| {
            cluster.wait_until("fw2 knows all flows of fw1", LIMIT, || {
                let n_live = Caches::of(&cluster.fw2)?.external_live;
                ensure!(n_live == u64::from(N_FLOWS), "{n_live}");
                Ok(())
            })
        };
        knows_all(&cluster)?;
        cluster.fw2.control(&["-f", "external"])?;
        let measured = resync(&cluster)?;
        writeln!(std::io::stdout().lock(), "{measured:#?}")?;
        ensure!(
            measured.longest_answer < LATENCY_MAX,
            "a daemon did not answer for long: {measured:#?}"
        );
        ensure!(
            measured.longest_end < LATENCY_MAX,
            "a change waited: {measured:#?}"
        );
        ensure!(
            measured.memory_kib.iter().all(|kib| *kib < MEMORY_MAX_KIB),
            "more memory than a cache needs: {measured:#?}"
        );
        Ok(())
    })
}

/// What a resync cost.
#[derive(Debug, Default)]
struct Measured {
    took: Duration,
    /// How many flows were deleted meanwhile, one after the other.
    n_ended: u64,
    /// Longest time from the deletion of a flow until the peer had heard of it, with the time it took to ask.
    longest_end: Duration,
    mean_end: Duration,
    /// Longest time that a daemon took to answer a client.
    longest_answer: Duration,
    /// Most memory that each has had.
    memory_kib: [u64; 2],
}

/// Has fw2 ask for all flows, and deletes some of them until it has the rest.
fn resync(cluster: &Cluster) -> Result<Measured> {
    let Cluster { fw1, fw2, .. } = cluster;
    let mut measured = Measured::default();
    let began = clock::now();
    let before = Caches::of(fw2)?;
    fw2.control(&["-n"])?;
    let mut in_all = Duration::ZERO;
    loop {
        let i = u32::try_from(measured.n_ended)?;
        let name = FlowName {
            orig: flow(i).orig,
            zone: None,
            id: None,
        };
        let deleted = clock::now();
        kernel::request(&fw1.ns, vec![FlowRequest::Delete(name)])?;
        measured.n_ended += 1;
        let caches = cluster.wait_until("fw2 hears of the end of a flow", LIMIT, || {
            let asked = clock::now();
            Caches::of(fw1)?;
            let answered = clock::now();
            let caches = Caches::of(fw2)?;
            let longer = (answered - asked).max(clock::now() - answered);
            measured.longest_answer = measured.longest_answer.max(longer);
            let n_heard = caches.external_ended - before.external_ended;
            ensure!(n_heard == measured.n_ended, "it has heard of {n_heard}");
            Ok(caches)
        })?;
        let heard_after = clock::now() - deleted;
        measured.longest_end = measured.longest_end.max(heard_after);
        in_all += heard_after;
        if caches.external_live == u64::from(N_FLOWS) - measured.n_ended {
            break;
        }
    }
    measured.took = clock::now() - began;
    measured.mean_end = in_all / u32::try_from(measured.n_ended)?;
    measured.memory_kib = [peak_memory_kib(fw1)?, peak_memory_kib(fw2)?];
    Ok(measured)
}

/// What `-s` says of the external cache.
struct Caches {
    external_live: u64,
    /// Ends that were told: of flows that it knew, and of others.
    external_ended: u64,
}

impl Caches {
    /// Asks a daemon, without a program in between.
    fn of(fw: &Firewall) -> Result<Self> {
        let mut reply = Vec::new();
        let request = Request::Statistics(StatsTopic::Flows);
        ask(&fw.dir().join("conntrackd.ctl"), request, &mut reply)?;
        let text = String::from_utf8(reply)?;
        let (_, external) = text.split_once("cache external:").context("an external cache")?;
        let numbers_of = |name: &str| -> Result<Vec<u64>> {
            let line = external.lines().find_map(|line| line.strip_prefix(name));
            let words = line.with_context(|| name.to_owned())?.split_whitespace();
            Ok(words.filter_map(|word| word.parse().ok()).collect())
        };
        Ok(Self {
            external_live: numbers_of("current active connections:")?.iter().sum(),
            external_ended: numbers_of("connections destroyed:")?.iter().sum(),
        })
    }
}

fn peak_memory_kib(fw: &Firewall) -> Result<u64> {
    let pid = fw.pid().context("it runs its daemon")?.as_raw_nonzero();
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|peak| peak.trim().strip_suffix(" kB"))
        .context("VmHWM")?
        .parse()
        .context("a number")
}

/// An assured flow of UDP that lives longer than the test.
fn flow(i: u32) -> Flow {
    let (client, server) = (
        Ipv4Addr::from(0x0a14_0000 + (i >> 12)),
        Ipv4Addr::new(10, 30, 0, 1),
    );
    let orig = Tuple {
        addrs: Addrs::V4 {
            src: client,
            dst: server,
        },
        proto: Protocol::UDP,
        key: L4Key::Ports {
            src: 1024 + u16::try_from(i & 0xfff).expect("twelve bits"),
            dst: 5000,
        },
    };
    Flow {
        reply: Some(orig.mirrored()),
        status: Some(Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED),
        timeout_secs: Some(3600),
        ..Flow::new(orig)
    }
}

/// The limit of the kernel's table, raised until it is dropped.
struct RaisedTable(String);

impl RaisedTable {
    fn new() -> Result<Self> {
        let before = fs::read_to_string(TABLE_LEN_MAX).context(TABLE_LEN_MAX)?;
        fs::write(TABLE_LEN_MAX, (2 * N_FLOWS).to_string()).context("raise nf_conntrack_max")?;
        Ok(Self(before))
    }
}

impl Drop for RaisedTable {
    fn drop(&mut self) {
        // There is nobody to tell; the next boot sets it too.
        drop(fs::write(TABLE_LEN_MAX, &self.0));
    }
}
