//! A daemon is killed and started again: it finds stale files, loses nothing, needs no operator.

use std::time::Duration;

use anyhow::{Result, ensure};
use netns_tests::Daemon::Ours;
use netns_tests::{Cluster, TEMPLATE, flows, kernel, on_real_kernels};

const N_FLOWS: u16 = 1000;
/// Flows that died while nobody watched are forgotten some time after the restart.
const LIMIT: Duration = Duration::from_secs(40);

#[test]
fn a_killed_backup_learns_everything_again() -> Result<()> {
    on_real_kernels(|| {
        let mut cluster = replicated()?;
        cluster.fw2.kill()?;
        kernel::update_some(&cluster.fw1.ns)?;
        flows::delete_some(&cluster.fw1, N_FLOWS)?;
        ensure_stale_files(&cluster.fw2)?;
        cluster.fw2.start(Ours)?;
        converges(&cluster)
    })
}

#[test]
fn a_killed_primary_tells_what_changed_meanwhile() -> Result<()> {
    on_real_kernels(|| {
        let mut cluster = replicated()?;
        cluster.fw1.kill()?;
        kernel::update_some(&cluster.fw1.ns)?;
        flows::delete_some(&cluster.fw1, N_FLOWS)?;
        flows::create(&cluster.fw1, N_FLOWS, 200)?;
        ensure_stale_files(&cluster.fw1)?;
        cluster.fw1.start(Ours)?;
        converges(&cluster)
    })
}

/// A cluster whose fw2 knows the flows of fw1.
fn replicated() -> Result<Cluster> {
    let cluster = TEMPLATE.start(Ours, Ours)?;
    flows::create(&cluster.fw1, 0, N_FLOWS)?;
    converges(&cluster)?;
    Ok(cluster)
}

fn converges(cluster: &Cluster) -> Result<()> {
    cluster.wait_until("fw2's external cache equals fw1's kernel table", LIMIT, || {
        let wanted = cluster.fw1.kernel()?;
        cluster
            .fw1
            .internal()?
            .ensure_equals(&wanted.clone().as_internal())?;
        cluster.fw2.external()?.ensure_equals(&wanted.as_cached())
    })
}

fn ensure_stale_files(fw: &netns_tests::Firewall) -> Result<()> {
    for name in ["conntrackd.lock", "conntrackd.ctl"] {
        ensure!(fw.dir().join(name).exists(), "a killed daemon leaves {name}");
    }
    Ok(())
}
