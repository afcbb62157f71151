//! The main job, as a story: streams run through fw1, fw1 dies, fw2 takes over.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::clock;
use crate::cluster::Cluster;
use crate::streams::{Plan, Streams};
use crate::wait::LIMIT;

/// How often a stream must be answered after the takeover to count as alive.
const ENOUGH: u64 = 5;
/// How often the new primary must have refused each TCP stream for it to count as dead.
const REFUSALS: u64 = 3;

/// What came out of a failover.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// Streams that ran through fw1.
    pub n_streams: usize,
    /// Streams that went on through fw2.
    pub n_alive: usize,
    /// The longest time one of them had to wait; nothing if none went on.
    pub longest_gap: Option<Duration>,
    /// Flows that fw2's daemon put into its kernel.
    pub n_committed: u64,
    /// From the cut to fw2 being the gateway.
    pub took: Duration,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gap = self.longest_gap.map_or("never answered again".into(), |gap| {
            format!("{} ms", gap.as_millis())
        });
        writeln!(f, "  streams alive     {} of {}", self.n_alive, self.n_streams)?;
        writeln!(f, "  longest gap       {gap}")?;
        writeln!(f, "  flows committed   {}", self.n_committed)?;
        write!(f, "  takeover took     {:.3} s", self.took.as_secs_f64())
    }
}

/// Opens streams through fw1 and waits until all of them run.
///
/// # Errors
/// When one does not start.
pub fn open_streams(cluster: &Cluster, plan: Plan) -> Result<Streams> {
    let streams = Streams::open(cluster, plan)?;
    let before = vec![0; streams.n_streams()];
    cluster.wait_until("every stream runs through fw1", LIMIT, || {
        none_silent(&streams, &before)
    })?;
    Ok(streams)
}

/// Waits until fw2's daemon knows every flow of fw1's kernel.
///
/// # Errors
/// When it does not learn them.
pub fn wait_for_replica(cluster: &Cluster) -> Result<()> {
    cluster.wait_until("fw2's external cache equals fw1's kernel table", LIMIT, || {
        let wanted = cluster.fw1.kernel()?.as_cached();
        cluster.fw2.external()?.ensure_equals(&wanted)
    })
}

/// Kills fw1, commits on fw2, moves the gateway, and watches the streams.
///
/// # Errors
/// When a step cannot be done; streams that die are an outcome, not an error.
pub fn fail_over(cluster: &mut Cluster, streams: &Streams) -> Result<Outcome> {
    fail_over_after(cluster, streams, |cluster| {
        cluster.fw2.control(&["-c"])?;
        cluster.fw2.n_committed()
    })
}

/// The same where fw2's daemon has put every flow into its kernel as it was told: nobody commits.
///
/// # Errors
/// As [`fail_over`].
pub fn fail_over_without_commit(cluster: &mut Cluster, streams: &Streams) -> Result<Outcome> {
    fail_over_after(cluster, streams, |_| Ok(0))
}

fn fail_over_after(
    cluster: &mut Cluster,
    streams: &Streams,
    commit: impl FnOnce(&Cluster) -> Result<u64>,
) -> Result<Outcome> {
    let cut = clock::now();
    cluster.cut_off_fw1()?;
    cluster.fw1.kill()?;
    let n_committed = commit(cluster)?;
    cluster.take_over_by_fw2()?;
    let (took, before) = (clock::now() - cut, streams.n_answers());
    let watched = cluster.wait_until("every stream goes on through fw2", LIMIT, || {
        none_silent(streams, &before)
    });
    let n_alive = streams.n_streams() - streams.silent_since(&before, ENOUGH).len();
    // The outcome tells how many are silent; only the daemon's death is an error.
    if n_alive == streams.n_streams() {
        watched?;
    }
    Ok(Outcome {
        n_streams: streams.n_streams(),
        n_alive,
        longest_gap: (n_alive > 0).then(|| streams.longest_gap()),
        n_committed,
        took,
    })
}

/// The control: the same without daemons. Waits until fw2 has refused every TCP stream several times.
///
/// # Errors
/// When a step cannot be done, or fw2 refuses nothing.
pub fn fail_over_without_daemons(cluster: &Cluster, streams: &Streams, plan: Plan) -> Result<Outcome> {
    let cut = clock::now();
    cluster.cut_off_fw1()?;
    cluster.take_over_by_fw2()?;
    let (took, before) = (clock::now() - cut, streams.n_answers());
    let wanted = REFUSALS * u64::try_from(2 * plan.n_tcp).context("few streams")?;
    cluster.wait_until("fw2 has refused the streams again and again", LIMIT, || {
        let refused = cluster.fw2.n_refused()?;
        ensure!(refused >= wanted, "refused {refused} of {wanted} packets");
        Ok(())
    })?;
    streams.probe(cluster)?;
    let n_alive = streams.n_streams() - streams.silent_since(&before, 1).len();
    let longest_gap = (n_alive > 0).then(|| streams.longest_gap());
    Ok(Outcome {
        n_streams: streams.n_streams(),
        n_alive,
        longest_gap,
        n_committed: 0,
        took,
    })
}

fn none_silent(streams: &Streams, before: &[u64]) -> Result<()> {
    let silent = streams.silent_since(before, ENOUGH);
    ensure!(silent.is_empty(), "silent: {}", silent.join(", "));
    Ok(())
}
