//! One measurement: a pair of daemons of one kind under the load, then the takeover.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::daemon::{Daemon, Kind, Place};
use crate::host;
use crate::load::Load;
use crate::namespace::Namespace;
use crate::reader::{Floor, Reader};
use crate::wait::{Waiter, now};

/// Addresses of the two ends of the sync link.
const ADDRESSES: [&str; 2] = ["10.255.0.1", "10.255.0.2"];
/// The pair finds each other before the load starts.
const SETTLE: Duration = Duration::from_secs(2);
/// How often the backup is asked how far it is.
const POLL: Duration = Duration::from_millis(200);
/// Longer than a daemon waits by default until it heals an overrun.
const HEAL_MAX: Duration = Duration::from_secs(60);
/// What does not change for so long after the load has been lost, at least for the time being.
const STANDSTILL: Duration = Duration::from_secs(3);

/// Within this a daemon does what it puts off until its client is gone.
const AFTERMATH: Duration = Duration::from_secs(4);

/// What one measurement gave.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    /// Seconds the load took.
    pub load_secs: f64,
    /// CPU seconds of the primary from the start of the load until the backup had all.
    pub primary_cpu_secs: f64,
    /// CPU seconds of the backup for the same time.
    pub backup_cpu_secs: f64,
    /// Bytes of memory of the primary for a flow.
    pub primary_bytes: f64,
    /// Bytes of memory of the backup for a flow.
    pub backup_bytes: f64,
    /// Seconds from the end of the load until the backup had all; infinite if it never had.
    pub converge_secs: f64,
    /// Flows that were in the sender's kernel and not in the external cache when that stood still.
    pub lost: f64,
    /// Overruns of the primary's event socket.
    pub primary_overruns: f64,
    /// Seconds `conntrackd -c` took.
    pub commit_secs: f64,
    /// CPU seconds of the backup meanwhile.
    pub commit_cpu_secs: f64,
    /// The same and what the backup did of itself afterwards.
    pub takeover_cpu_secs: f64,
    /// Flows in the backup's kernel when `conntrackd -c` returned.
    pub committed: f64,
    /// Other sockets on the machine that heard of new flows, which makes creating them dearer.
    pub others: f64,
    /// Flows that the commit put into the backup's kernel and its internal cache then lacked.
    pub unknown: f64,
    /// Overruns of the backup's event socket, which the commit fills.
    pub backup_overruns: f64,
}

/// How fast the generator is when nothing slows it: flows a second.
pub(crate) fn generator_alone(load: Load) -> Result<f64> {
    let namespace = firewall()?;
    let taken = namespace.enter(|| load.run_flat_out())?;
    Ok(f64::from(load.flows) / taken.as_secs_f64())
}

/// What the events of the load cost a reader that does nothing with them.
pub(crate) fn reading_alone(load: Load, rest: Duration) -> Result<Floor> {
    let namespace = firewall()?;
    let reader = namespace.enter(Reader::new)?;
    std::thread::scope(|scope| {
        let reading = scope.spawn(|| reader.run(load.flows, rest));
        namespace.enter(|| load.run())?;
        reading
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Measures a pair of `kind`.
pub(crate) fn measure(kind: &Kind, load: Load, directory: &Path, waiter: &Waiter) -> Result<Measured> {
    let networks = [firewall()?, firewall()?];
    networks[0].join(&networks[1], ADDRESSES)?;
    let place = |index: usize, name| Place {
        namespace: &networks[index],
        name,
        address: ADDRESSES[index],
        peer: ADDRESSES[1 - index],
    };
    let primary = Daemon::start(kind, place(0, "primary"), directory, load.flows, waiter)?;
    let mut backup = Daemon::start(kind, place(1, "backup"), directory, load.flows, waiter)?;
    waiter.wait(SETTLE)?;

    let memory = [primary.memory()?, backup.memory()?];
    let cpu = [primary.cpu()?, backup.cpu()?];
    let load_time = networks[0].enter(|| load.run())?;
    let load_end = now()?;
    let sent = networks[0].flows()?;
    ensure!(
        sent == u64::from(load.flows),
        "{sent} of {} flows are in the kernel",
        load.flows
    );
    let replicated = converge(&mut backup, "external", sent, load_end, HEAL_MAX, waiter)?;
    let cpu = [primary.cpu()? - cpu[0], backup.cpu()? - cpu[1]];
    let memory = [primary.memory()? - memory[0], backup.memory()? - memory[1]];

    let primary_overruns = primary.overruns()?;
    // The flows are taken over because their firewall is dead. It matters on one machine: the kernel
    // makes an event as long as anybody listens, in whichever network.
    primary.kill()?;
    // The backup is one of them.
    let others = host::listeners()?.saturating_sub(1);

    let cpu_before = backup.cpu()?;
    let commit_start = now()?;
    backup.ask(&["-c"]).context("commit")?;
    let commit_time = now()? - commit_start;
    let commit_cpu = backup.cpu()? - cpu_before;
    let committed = networks[1].flows()?;
    let known = converge(&mut backup, "internal", committed, now()?, STANDSTILL * 2, waiter)?;
    waiter.wait(AFTERMATH)?;
    let takeover_cpu = backup.cpu()? - cpu_before;

    let measured = Measured {
        load_secs: load_time.as_secs_f64(),
        primary_cpu_secs: cpu[0].as_secs_f64(),
        backup_cpu_secs: cpu[1].as_secs_f64(),
        primary_bytes: per_flow(memory[0], load),
        backup_bytes: per_flow(memory[1], load),
        converge_secs: replicated.after.map_or(f64::INFINITY, |time| time.as_secs_f64()),
        lost: replicated.missing as f64,
        primary_overruns: primary_overruns as f64,
        commit_secs: commit_time.as_secs_f64(),
        commit_cpu_secs: commit_cpu.as_secs_f64(),
        takeover_cpu_secs: takeover_cpu.as_secs_f64(),
        committed: committed as f64,
        others: others as f64,
        unknown: known.missing as f64,
        backup_overruns: backup.overruns()? as f64,
    };
    backup.stop(waiter)?;
    Ok(measured)
}

/// How a cache came to hold what it should.
struct Convergence {
    /// How long it took; nothing if it did not come to it in the time given.
    after: Option<Duration>,
    /// Flows that were missing when the cache first stood still.
    missing: u64,
}

/// Watches `cache` of `daemon` from the time `since` until it holds `wanted` flows, at most `patience` long.
fn converge(
    daemon: &mut Daemon<'_>,
    cache: &str,
    wanted: u64,
    since: Duration,
    patience: Duration,
    waiter: &Waiter,
) -> Result<Convergence> {
    let (mut before, mut changed_at, mut missing) = (0, since, None);
    loop {
        let here = daemon.entries(cache)?;
        let time = now()?;
        if here == wanted {
            return Ok(Convergence {
                after: Some(time - since),
                missing: missing.unwrap_or(0),
            });
        }
        if here != before {
            (before, changed_at) = (here, time);
        }
        if missing.is_none() && time - changed_at > STANDSTILL {
            missing = Some(wanted.saturating_sub(here));
        }
        if time - since > patience {
            return Ok(Convergence {
                after: None,
                missing: missing.unwrap_or(wanted.saturating_sub(here)),
            });
        }
        waiter.wait(POLL)?;
    }
}

/// A network whose kernel tells every event of its flows.
fn firewall() -> Result<Namespace> {
    let namespace = Namespace::new()?;
    namespace.set("nf_conntrack_events", "1")?;
    Ok(namespace)
}

fn per_flow(bytes: u64, load: Load) -> f64 {
    bytes as f64 / f64::from(load.flows)
}
