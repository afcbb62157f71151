//! What happens without a cache: flows of one kernel are in the other at once.

use anyhow::{Context, Result, ensure};
use netns_tests::Daemon::{Ours, Stock};
use netns_tests::failover::{fail_over_without_commit, open_streams};
use netns_tests::streams::Plan;
use netns_tests::table::TIMEOUT_SLACK_SECS;
use netns_tests::{Cluster, Daemon, LIMIT, Mode, Setup, TEMPLATE, flows, ftp, kernel, on_real_kernels};

const INJECTING: Setup = Setup {
    mode_clauses: ["DisableExternalCache on", "DisableExternalCache on"],
    ..TEMPLATE
};
const INJECTING_NOTRACK: Setup = Setup {
    mode: Mode::NoTrack,
    ..INJECTING
};

#[test]
fn ours_injects_what_ours_tells() -> Result<()> {
    injects(INJECTING, Ours, Ours, 5000)
}

#[test]
fn stock_injects_what_ours_tells() -> Result<()> {
    injects(INJECTING, Ours, Stock, 600)
}

#[test]
fn ours_injects_what_stock_tells() -> Result<()> {
    injects(INJECTING, Stock, Ours, 600)
}

#[test]
fn ours_injects_what_ours_tells_over_notrack() -> Result<()> {
    injects(INJECTING_NOTRACK, Ours, Ours, 600)
}

#[test]
fn ours_injects_what_stock_tells_over_notrack() -> Result<()> {
    injects(INJECTING_NOTRACK, Stock, Ours, 600)
}

/// One story for every pair of daemons: create, update, delete; the kernels are equal after each.
fn injects(setup: Setup, from: Daemon, to: Daemon, n_flows: u16) -> Result<()> {
    on_real_kernels(|| {
        let cluster = setup.start(from, to)?;
        let _session = ftp::open(&cluster)?;
        flows::create(&cluster.fw1, 0, n_flows)?;
        kernels_equal(&cluster, from, to, "created")?;
        kernel::update_some(&cluster.fw1.ns)?;
        kernels_equal(&cluster, from, to, "updated")?;
        flows::delete_some(&cluster.fw1, n_flows)?;
        kernels_equal(&cluster, from, to, "deleted")?;
        ensure!(
            cluster.fw2.internal()?.n_flows() == 0,
            "what the peer told is its own"
        );
        ensure!(
            cluster.fw2.external()?.n_flows() == 0,
            "there is no external cache"
        );
        flows::delete_all(&cluster.fw1)?;
        kernels_equal(&cluster, from, to, "flushed")
    })
}

fn kernels_equal(cluster: &Cluster, from: Daemon, to: Daemon, step: &str) -> Result<()> {
    let Cluster { fw1, fw2, .. } = cluster;
    let what = format!("both kernels have the same flows, {step}");
    cluster.wait_until(&what, LIMIT, || {
        let (wanted, is) = (fw1.kernel()?.as_told_by(from), fw2.kernel()?.as_told_by(from));
        is.clone()
            .without_timeouts()
            .ensure_equals(&wanted.clone().without_timeouts())?;
        is.ensure_timeouts_near(&wanted, TIMEOUT_SLACK_SECS)?;
        let (wanted, is) = (fw1.saved(from, to)?, fw2.saved(from, to)?);
        let differing: Vec<_> = wanted.symmetric_difference(&is).take(10).collect();
        ensure!(
            differing.is_empty(),
            "one kernel has these, the other has not: {differing:#?}"
        );
        Ok(())
    })
}

/// Nobody commits anything: the backup's kernel has the flows all along.
#[test]
fn streams_go_on_without_a_commit() -> Result<()> {
    on_real_kernels(|| {
        let mut cluster = INJECTING.start(Ours, Ours)?;
        let streams = open_streams(&cluster, Plan { n_tcp: 20, n_udp: 10 })?;
        cluster.wait_until("fw2's kernel has the flows of fw1's", LIMIT, || {
            let wanted = cluster.fw1.kernel()?.as_cached();
            cluster.fw2.kernel()?.as_cached().ensure_equals(&wanted)
        })?;
        let outcome = fail_over_without_commit(&mut cluster, &streams)?;
        ensure!(
            outcome.n_alive == outcome.n_streams,
            "all must go on:\n{outcome}\n{}",
            cluster.fw2.log()
        );
        Ok(())
    })
}

/// The stock daemon deletes and creates a translated flow over IPv6 at every change.
#[test]
fn a_change_leaves_the_entry_of_a_translated_flow_in_place() -> Result<()> {
    on_real_kernels(|| {
        let cluster = INJECTING.start(Ours, Ours)?;
        let Cluster { fw1, fw2, .. } = &cluster;
        flows::create(fw1, 14, 1)?;
        kernels_equal(&cluster, Ours, Ours, "created")?;
        let id = || Ok(kernel::dump(&fw2.ns)?.first().context("the flow")?.id);
        let before: Result<_> = id();
        kernel::update_some(&fw1.ns)?;
        kernels_equal(&cluster, Ours, Ours, "updated")?;
        let (before, after): (_, Result<_>) = (before?, id());
        ensure!(before == after?, "another entry took its place");
        Ok(())
    })
}

#[test]
fn a_table_that_ours_polls_is_replicated_to_ours() -> Result<()> {
    polls(Ours, Ours)
}

#[test]
fn a_table_that_ours_polls_is_replicated_to_stock() -> Result<()> {
    polls(Ours, Stock)
}

#[test]
fn a_table_that_stock_polls_is_replicated_to_ours() -> Result<()> {
    polls(Stock, Ours)
}

/// Nobody listens to events: what was created, changed and deleted shows at the next poll.
fn polls(from: Daemon, to: Daemon) -> Result<()> {
    on_real_kernels(|| {
        let polling = Setup {
            general_clauses: ["PollSecs 1", ""],
            ..TEMPLATE
        };
        let cluster = polling.start(from, to)?;
        flows::create(&cluster.fw1, 0, 600)?;
        cache_follows_kernel(&cluster, from, "created")?;
        kernel::update_some(&cluster.fw1.ns)?;
        cache_follows_kernel(&cluster, from, "changed")?;
        flows::delete_some(&cluster.fw1, 600)?;
        cache_follows_kernel(&cluster, from, "deleted")
    })
}

/// Both read their tables, and neither tells the other what is the other's.
#[test]
fn tables_that_are_polled_are_replicated_from_kernel_to_kernel() -> Result<()> {
    on_real_kernels(|| {
        let polling = Setup {
            general_clauses: ["PollSecs 1", "PollSecs 1"],
            ..INJECTING
        };
        let cluster = polling.start(Ours, Ours)?;
        let Cluster { fw1, fw2, .. } = &cluster;
        flows::create(fw1, 0, 600)?;
        kernels_equal(&cluster, Ours, Ours, "created")?;
        kernel::update_some(&fw1.ns)?;
        kernels_equal(&cluster, Ours, Ours, "changed")?;
        flows::delete_some(fw1, 600)?;
        kernels_equal(&cluster, Ours, Ours, "deleted")?;
        ensure!(fw2.internal()?.n_flows() == 0, "what the peer told is its own");
        // As after a failover: traffic of fw2 changes flows, and they are its own from there on.
        kernel::update_some(&fw2.ns)?;
        cluster.wait_until("fw1's kernel has what changed in fw2's", LIMIT, || {
            let (wanted, is) = (fw2.kernel()?.as_cached(), fw1.kernel()?.as_cached());
            is.ensure_equals(&wanted)
        })?;
        ensure!(fw2.internal()?.n_flows() > 0, "they are its own");
        Ok(())
    })
}

/// In zones the stock daemon's flows come and go at every poll.
fn cache_follows_kernel(cluster: &Cluster, from: Daemon, step: &str) -> Result<()> {
    let what = format!("fw2's external cache equals fw1's kernel table, flows {step}");
    cluster.wait_until(&what, LIMIT, || {
        let wanted = cluster.fw1.kernel()?.as_told_by(from).as_cached();
        cluster.fw2.external()?.as_told_by(from).ensure_equals(&wanted)
    })
}

#[test]
fn ours_passes_on_what_its_kernel_tells_ours() -> Result<()> {
    passes_on(Ours, Ours)
}

#[test]
fn ours_passes_on_what_its_kernel_tells_stock() -> Result<()> {
    passes_on(Ours, Stock)
}

#[test]
fn stock_passes_on_what_its_kernel_tells_ours() -> Result<()> {
    passes_on(Stock, Ours)
}

/// The sender keeps nothing, and what it is asked for comes from its kernel.
fn passes_on(from: Daemon, to: Daemon) -> Result<()> {
    on_real_kernels(|| {
        let bypassing = Setup {
            mode: Mode::NoTrack,
            mode_clauses: ["DisableInternalCache on", ""],
            ..TEMPLATE
        };
        let cluster = bypassing.start(from, to)?;
        flows::create(&cluster.fw1, 0, 600)?;
        cache_follows_kernel(&cluster, from, "created")?;
        kernel::update_some(&cluster.fw1.ns)?;
        cache_follows_kernel(&cluster, from, "changed")?;
        flows::delete_some(&cluster.fw1, 600)?;
        cache_follows_kernel(&cluster, from, "deleted")?;
        cluster.fw2.control(&["-f", "external"])?;
        cluster.fw2.control(&["-n"])?;
        cache_follows_kernel(&cluster, from, "asked for")
    })
}
