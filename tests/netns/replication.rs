//! What one firewall's kernel knows, the other's external cache knows: thousands of flows, and the stock pair as well.

use anyhow::Result;
use netns_tests::Daemon::{Ours, Stock};
use netns_tests::table::TIMEOUT_SLACK_SECS;
use netns_tests::{Cluster, Daemon, LIMIT, TEMPLATE, flows, ftp, kernel, on_real_kernels};

const N_FLOWS: u16 = 5000;

#[test]
fn ours_to_ours_over_ftfw() -> Result<()> {
    replicates(Ours, Ours)
}

#[test]
fn ours_to_stock_over_ftfw() -> Result<()> {
    replicates(Ours, Stock)
}

#[test]
fn stock_to_ours_over_ftfw() -> Result<()> {
    replicates(Stock, Ours)
}

#[test]
fn stock_to_stock_over_ftfw() -> Result<()> {
    replicates(Stock, Stock)
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
fn replicates(from: Daemon, to: Daemon) -> Result<()> {
    on_real_kernels(|| {
        let cluster = TEMPLATE.start(from, to)?;
        let _session = ftp::open(&cluster)?;
        flows::create(&cluster.fw1, 0, N_FLOWS)?;
        cache_equals_kernel(&cluster, from, "created")?;
        kernel::update_some(&cluster.fw1.ns)?;
        cache_equals_kernel(&cluster, from, "updated")?;
        flows::delete_some(&cluster.fw1, N_FLOWS)?;
        cache_equals_kernel(&cluster, from, "deleted")?;
        cluster.ensure_rare_flows()?;
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

fn kernels_equal_after_commit(cluster: &Cluster, sender: Daemon, committer: Daemon) -> Result<()> {
    cluster.fw2.control(&["-c"])?;
    cluster.wait_until("both kernels have the same flows", LIMIT, || {
        cluster.ensure_kernels_equal(sender, committer, Some(TIMEOUT_SLACK_SECS))
    })
}
