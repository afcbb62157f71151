//! What one firewall's kernel knows, the other's external cache knows, attribute by attribute.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
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

/// One story for every pair of daemons: create, update, delete, commit, flush; equal after each.
fn replicates(setup: Setup, from: Daemon, to: Daemon, n_flows: u16) -> Result<()> {
    on_real_kernels(|| {
        let cluster = setup.start(from, to)?;
        let _session = ftp::open(&cluster)?;
        flows::create(&cluster.fw1, 0, n_flows)?;
        cache_equals_kernel(&cluster, from, "created")?;
        kernel::update_every_second(&cluster.fw1.ns)?;
        cache_equals_kernel(&cluster, from, "updated")?;
        flows::delete_half(&cluster.fw1)?;
        cache_equals_kernel(&cluster, from, "deleted")?;
        kernels_equal_after_commit(&cluster, from, to)?;
        flows::delete_all(&cluster.fw1)?;
        cache_equals_kernel(&cluster, from, "flushed")
    })
}

fn cache_equals_kernel(cluster: &Cluster, sender: Daemon, step: &str) -> Result<()> {
    let wanted = cluster.fw1.kernel()?.as_told_by(sender).as_cached();
    let what = format!("fw2's external cache equals fw1's kernel table, flows {step}");
    cluster.wait_until(&what, LIMIT, || {
        cluster.fw2.external()?.as_told_by(sender).ensure_equals(&wanted)
    })
}

fn kernels_equal_after_commit(cluster: &Cluster, sender: Daemon, committer: Daemon) -> Result<()> {
    cluster.fw2.control(&["-c"])?;
    let wanted = cluster.fw1.kernel()?.as_told_by(sender);
    let is = cluster.fw2.kernel()?.as_told_by(sender);
    let is_equal = is
        .clone()
        .without_timeouts()
        .ensure_equals(&wanted.clone().without_timeouts());
    is_equal.with_context(|| cluster.fw2.log())?;
    is.ensure_timeouts_near(&wanted, TIMEOUT_SLACK_SECS)?;
    let (wanted, is) = (
        cluster.fw1.saved(sender, committer)?,
        cluster.fw2.saved(sender, committer)?,
    );
    let differing: Vec<_> = wanted.symmetric_difference(&is).take(10).collect();
    ensure!(
        differing.is_empty(),
        "one kernel has these, the other has not: {differing:#?}"
    );
    Ok(())
}
