//! The daemon as a process among others: its descriptors, its children, the clock on the wall.
//!
//! Whatever ours must not do the stock daemon does: each test sees it there too, so that it is known to look at the
//! right place.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use netns_tests::Daemon::{Ours, Stock};
use netns_tests::failover::wait_for_replica;
use netns_tests::{Cluster, Daemon, Firewall, LIMIT, Mode, Setup, TEMPLATE, flows, on_real_kernels};
use rustix::process::Pid;

const N_FLOWS: u16 = 200;
/// `O_CLOEXEC` in `/proc/PID/fdinfo`.
const CLOSE_ON_EXEC: u32 = 0o2_000_000;
/// What `select` can wait for.
const SELECT_MAX: usize = 1023;

/// Everything that the stock daemon starts a child for.
const FORKS_OF_STOCK: [&[&str]; 4] = [&["-i"], &["-e", "-x"], &["-F"], &["-c"]];

#[test]
fn nothing_is_forked_and_no_descriptor_is_handed_down() -> Result<()> {
    on_real_kernels(|| {
        let is_alone = |daemon: Daemon| -> Result<()> {
            let cluster = busy(daemon)?;
            let pid = cluster.fw2.pid().context("fw2 runs its daemon")?;
            ensure_alone(pid)
        };
        is_alone(Ours)?;
        ensure!(is_alone(Stock).is_err(), "the stock daemon forks");
        Ok(())
    })
}

#[test]
fn every_descriptor_is_closed_on_exec() -> Result<()> {
    on_real_kernels(|| {
        let keeps_its_own = |daemon: Daemon| -> Result<()> {
            let cluster = busy(daemon)?;
            // The stock daemon would wait for what this client has to say.
            let _client = (daemon == Ours).then(|| connect(&cluster.fw2)).transpose()?;
            if daemon == Ours {
                cluster.fw2.control(&["-s"])?;
            }
            let pid = cluster.fw2.pid().context("fw2 runs its daemon")?;
            ensure_closed_on_exec(pid)
        };
        keeps_its_own(Ours)?;
        ensure!(
            keeps_its_own(Stock).is_err(),
            "the stock daemon's children inherit its descriptors"
        );
        Ok(())
    })
}

#[test]
fn descriptors_beyond_the_reach_of_select_are_served() -> Result<()> {
    on_real_kernels(|| {
        let mut cluster = TEMPLATE.build()?;
        // The first free descriptor of the daemon is one that `select` cannot wait for.
        let script = "for fd in $(seq 3 1100); do eval \"exec $fd</dev/null\"; done; exec \"$@\"";
        for fw in [&mut cluster.fw1, &mut cluster.fw2] {
            fw.launch_by(
                &["prlimit", "--nofile=4096:4096", "bash", "-c", script, "bash"],
                Ours,
            )?;
            fw.wait_for_answer()?;
            let pid = fw.pid().context("it runs its daemon")?;
            let sockets = descriptors(pid)?.filter(|(_, target)| target.starts_with("socket:"));
            let lowest = sockets.map(|(fd, _)| fd).min().context("it has sockets")?;
            ensure!(lowest > SELECT_MAX, "socket {lowest} is within reach of select");
        }
        flows::create(&cluster.fw1, 0, N_FLOWS)?;
        wait_for_replica(&cluster)?;
        cluster.fw2.control(&["-c"]).map(drop)
    })
}

/// More clients than there is room for: those that say nothing give way, and each is counted.
#[test]
fn more_clients_than_select_could_wait_for_do_not_lock_out_an_operator() -> Result<()> {
    on_real_kernels(|| {
        let mut cluster = TEMPLATE.build()?;
        // A shell's usual limit is low; the daemon raises its own as far as it may.
        cluster.fw1.launch_by(&["prlimit", "--nofile=64:4096"], Ours)?;
        cluster.fw1.wait_for_answer()?;
        let n_silent = SELECT_MAX + 100;
        let _silent = (0..n_silent)
            .map(|_| connect(&cluster.fw1))
            .collect::<Result<Vec<_>>>()?;
        let counted = cluster.fw1.control(&["-s", "runtime"])?;
        let n_not_served: usize = counted
            .lines()
            .find_map(|line| line.trim().strip_prefix("local read failed:"))
            .context("no counter")?
            .trim()
            .parse()?;
        ensure!(
            (n_silent - 256..=n_silent).contains(&n_not_served),
            "{n_not_served} of {n_silent} clients gave way"
        );
        Ok(())
    })
}

/// The step is seen by the daemon alone, see [`WALL_CLOCK`]. It makes the stock daemon take all that it knows of the
/// peer for expired.
#[test]
fn a_step_of_the_wall_clock_fires_no_timer() -> Result<()> {
    on_real_kernels(|| {
        let cluster = with_a_stepped_clock(Ours)?;
        // What comes behind all that a timer would have done.
        flows::create(&cluster.fw1, N_FLOWS, 1)?;
        knows(&cluster, usize::from(N_FLOWS) + 1)?;
        let cluster = with_a_stepped_clock(Stock)?;
        cluster.wait_until("the stock daemon's timers follow the wall clock", LIMIT, || {
            let n_known = n_known(&cluster)?;
            ensure!(n_known < usize::from(N_FLOWS), "it knows {n_known} flows");
            Ok(())
        })
    })
}

/// A cluster whose second node knows the flows of the first, and has seen the clock on the wall go a hundred years
/// ahead.
fn with_a_stepped_clock(daemon: Daemon) -> Result<Cluster> {
    let mut cluster = HOURLY.build()?;
    let (library, step) = (
        cluster.fw2.dir().join("wall_clock.so"),
        cluster.fw2.dir().join("step"),
    );
    compile(&library)?;
    cluster.fw1.start(daemon)?;
    let (preload, step_file) = (
        format!("LD_PRELOAD={}", library.display()),
        format!("STEP_FILE={}", step.display()),
    );
    cluster.fw2.launch_by(&["env", &preload, &step_file], daemon)?;
    cluster.fw2.wait_for_answer()?;
    flows::create(&cluster.fw1, 0, N_FLOWS)?;
    knows(&cluster, usize::from(N_FLOWS))?;
    fs::write(&step, "")?;
    // The log says what time it is on the wall.
    let log = cluster.fw2.dir().join("conntrackd.log");
    cluster.fw2.control(&["-R"])?;
    cluster.wait_until("the daemon sees the step", LIMIT, || {
        let log = fs::read_to_string(&log)?;
        let year = log.lines().last().and_then(year_of).context("no dated line")?;
        ensure!(year >= 2100, "it is {year}");
        Ok(())
    })?;
    Ok(cluster)
}

/// ALARM with refreshes and expiries that take longer than the test.
const HOURLY: Setup = Setup {
    mode: Mode::Alarm,
    mode_clauses: ["RefreshTime 3600\n        CacheTimeout 7200"; 2],
    ..TEMPLATE
};

/// Adds a hundred years to the clock on the wall, for one process and from when a file appears.
const WALL_CLOCK: &str = "netns/wall_clock.c";

fn compile(library: &Path) -> Result<()> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(WALL_CLOCK);
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([library, &source])
        .arg("-ldl")
        .status()
        .context("run the C compiler, which links Rust programs too")?;
    ensure!(status.success(), "compile {}", source.display());
    Ok(())
}

/// The year in the date that begins a line of a log: `[Sat Nov 21 04:30:23 2026] ...`.
fn year_of(line: &str) -> Option<u32> {
    let (date, _) = line.strip_prefix('[')?.split_once(']')?;
    date.rsplit(' ').next()?.parse().ok()
}

/// A cluster whose second node has done what the stock daemon starts children for.
fn busy(daemon: Daemon) -> Result<Cluster> {
    let cluster = TEMPLATE.start(daemon, daemon)?;
    flows::create(&cluster.fw1, 0, N_FLOWS)?;
    knows(&cluster, usize::from(N_FLOWS))?;
    for request in FORKS_OF_STOCK {
        cluster.fw2.control(request)?;
    }
    Ok(cluster)
}

/// Waits until the second node knows so many flows of the first.
fn knows(cluster: &Cluster, n_flows: usize) -> Result<()> {
    cluster.wait_until(&format!("fw2 knows {n_flows} flows of fw1"), LIMIT, || {
        let n_known = n_known(cluster)?;
        ensure!(n_known == n_flows, "it knows {n_known}");
        Ok(())
    })
}

fn n_known(cluster: &Cluster) -> Result<usize> {
    Ok(cluster.fw2.control(&["-e"])?.lines().count())
}

fn connect(fw: &Firewall) -> Result<UnixStream> {
    UnixStream::connect(fw.dir().join("conntrackd.ctl")).context("connect to the control socket")
}

/// Fails if a process has children, or had some and waited for their end.
fn ensure_alone(pid: Pid) -> Result<()> {
    let pid = pid.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    ensure!(children.is_empty(), "has children: {children}");
    // Page faults of children that were waited for: the eleventh field, the ninth behind the name. No process runs
    // without any.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(") ").context("a name in parentheses")?;
    let faults = fields.split(' ').nth(8).context("cminflt")?;
    ensure!(faults == "0", "had children, with {faults} page faults");
    Ok(())
}

/// Fails if a descriptor that a process has opened would be handed down to another program. Those of standard input and
/// output, and those that were handed down to us, it has not opened.
fn ensure_closed_on_exec(pid: Pid) -> Result<()> {
    let ours = handed_down(rustix::process::getpid())?;
    let its = handed_down(pid)?;
    let mut opened = its.difference(&ours).filter(|(fd, _)| *fd > 2);
    if let Some((fd, target)) = opened.next() {
        bail!("descriptor {fd}, {target}, is handed down");
    }
    let n_sockets = descriptors(pid)?.filter(|(_, target)| target.starts_with("socket:"));
    ensure!(n_sockets.count() >= 7, "the sockets of a daemon were not found");
    Ok(())
}

/// The descriptors that a process hands down to other programs, and what they are.
fn handed_down(pid: Pid) -> Result<BTreeSet<(usize, String)>> {
    let mut handed_down = BTreeSet::new();
    for (fd, target) in descriptors(pid)? {
        // One that is closed meanwhile is passed over.
        let Ok(info) = fs::read_to_string(format!("/proc/{}/fdinfo/{fd}", pid.as_raw_nonzero())) else {
            continue;
        };
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        if u32::from_str_radix(flags.context("flags")?.trim(), 8)? & CLOSE_ON_EXEC == 0 {
            handed_down.insert((fd, target));
        }
    }
    Ok(handed_down)
}

/// The descriptors of a process, and what they are.
fn descriptors(pid: Pid) -> Result<impl Iterator<Item = (usize, String)>> {
    let dir = format!("/proc/{}/fd", pid.as_raw_nonzero());
    let entries = fs::read_dir(&dir).with_context(|| dir.clone())?;
    // One that is closed meanwhile is passed over.
    Ok(entries.filter_map(|entry| {
        let path = entry.ok()?.path();
        let fd = path.file_name()?.to_str()?.parse().ok()?;
        Some((fd, fs::read_link(&path).ok()?.to_str()?.to_owned()))
    }))
}
