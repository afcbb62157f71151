//! What one firewall's kernel knows, the other's external cache knows, attribute by attribute.

use std::time::Duration;

use anyhow::{Result, ensure};
use netns_tests::Daemon::{Ours, Stock};
use netns_tests::{Cluster, Daemon, Link, Mode, Setup, TEMPLATE, flows, ftp, kernel, on_real_kernels};

const LIMIT: Duration = Duration::from_secs(20);
/// Events carry a lifetime once, at the change; what is committed is that, less the time since.
const TIMEOUT_SLACK_SECS: u32 = 4;

const OVER_IPV6: Setup = Setup {
    link: Link::V6,
    ..TEMPLATE
};
const NOTRACK: Setup = Setup {
    mode: Mode::NoTrack,
    ..TEMPLATE
};

#[test]
fn ours_to_ours_over_ftfw() -> Result<()> {
    replicates(TEMPLATE, Ours, Ours, 5000)
}

#[test]
fn ours_to_stock_over_ftfw() -> Result<()> {
    replicates(TEMPLATE, Ours, Stock, 5000)
}

#[test]
fn stock_to_ours_over_ftfw() -> Result<()> {
    replicates(TEMPLATE, Stock, Ours, 5000)
}

#[test]
fn ours_to_ours_over_ipv6() -> Result<()> {
    replicates(OVER_IPV6, Ours, Ours, 600)
}

#[test]
fn ours_to_ours_over_notrack() -> Result<()> {
    replicates(NOTRACK, Ours, Ours, 600)
}

#[test]
fn ours_to_stock_over_notrack() -> Result<()> {
    replicates(NOTRACK, Ours, Stock, 600)
}

#[test]
fn stock_to_ours_over_notrack() -> Result<()> {
    replicates(NOTRACK, Stock, Ours, 600)
}

#[test]
fn stock_to_stock_over_ftfw() -> Result<()> {
    replicates(TEMPLATE, Stock, Stock, 5000)
}

#[test]
fn flows_between_two_hosts_stay_apart_at_ours() -> Result<()> {
    flows_between_two_hosts_stay_apart(Ours)
}

#[test]
fn flows_between_two_hosts_stay_apart_at_stock() -> Result<()> {
    flows_between_two_hosts_stay_apart(Stock)
}

/// Not asked of a stock sender, which sends neither keys of GRE nor ports of UDP-Lite.
fn flows_between_two_hosts_stay_apart(to: Daemon) -> Result<()> {
    on_real_kernels(|| {
        let cluster = TEMPLATE.start(Ours, to)?;
        flows::create_between_two_hosts(&cluster.fw1, 50)?;
        cache_equals_kernel(&cluster, Ours, "created")?;
        kernels_equal_after_commit(&cluster, Ours, to)?;
        let deleted = ["-D", "-p", "gre", "--srckey", "7"];
        cluster.fw1.conntrack(&deleted)?;
        cache_equals_kernel(&cluster, Ours, "deleted")
    })
}

/// One story for every pair of daemons: create, update, delete, commit, flush; equal after each.
fn replicates(setup: Setup, from: Daemon, to: Daemon, n_flows: u16) -> Result<()> {
    on_real_kernels(|| {
        let cluster = setup.start(from, to)?;
        let _session = ftp::open(&cluster)?;
        flows::create(&cluster.fw1, 0, n_flows)?;
        cache_equals_kernel(&cluster, from, "created")?;
        kernel::update_some(&cluster.fw1.ns)?;
        cache_equals_kernel(&cluster, from, "updated")?;
        flows::delete_some(&cluster.fw1, n_flows)?;
        cache_equals_kernel(&cluster, from, "deleted")?;
        let flows = kernel::committable(&cluster.fw1.ns)?;
        for rare in ["master: Some", "seq_adj: Some", "labels: Some", "helper: Some"] {
            ensure!(
                flows.values().any(|flow| flow.contains(rare)),
                "no flow with {rare} to compare"
            );
        }
        kernels_equal_after_commit(&cluster, from, to)?;
        flows::delete_all(&cluster.fw1)?;
        cache_equals_kernel(&cluster, from, "flushed")
    })
}

fn cache_equals_kernel(cluster: &Cluster, sender: Daemon, step: &str) -> Result<()> {
    let what = format!("fw2's external cache equals fw1's kernel table, flows {step}");
    cluster.wait_until(&what, LIMIT, || {
        let wanted = cluster.fw1.kernel()?.as_told_by(sender).as_cached();
        cluster.fw2.external()?.as_told_by(sender).ensure_equals(&wanted)
    })
}

/// Read again and again, as a table is read incompletely when somebody resizes the kernel's hash meanwhile.
fn kernels_equal_after_commit(cluster: &Cluster, sender: Daemon, committer: Daemon) -> Result<()> {
    let Cluster { fw1, fw2, .. } = cluster;
    fw2.control(&["-c"])?;
    cluster.wait_until("both kernels have the same flows", LIMIT, || {
        let (wanted, is) = (fw1.kernel()?.as_told_by(sender), fw2.kernel()?.as_told_by(sender));
        is.clone()
            .without_timeouts()
            .ensure_equals(&wanted.clone().without_timeouts())?;
        is.ensure_timeouts_near(&wanted, TIMEOUT_SLACK_SECS)?;
        let (wanted, is) = (fw1.saved(sender, committer)?, fw2.saved(sender, committer)?);
        let differing: Vec<_> = wanted.symmetric_difference(&is).take(10).collect();
        ensure!(
            differing.is_empty(),
            "one kernel has these, the other has not: {differing:#?}"
        );
        match (sender, committer) {
            (Ours, Ours) => {
                kernel::ensure_equal(&kernel::committable(&fw2.ns)?, &kernel::committable(&fw1.ns)?)
            }
            (Stock, _) | (_, Stock) => Ok(()),
        }
    })
}
