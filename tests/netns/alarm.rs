//! ALARM beside the stock daemon: refreshes heal what a dead link has lost, and lost ends expire.

use anyhow::{Result, ensure};
use netns_tests::Daemon::{Ours, Stock};
use netns_tests::{Cluster, Daemon, LIMIT, Mode, Setup, TEMPLATE, flows, kernel, on_real_kernels};

const N_FLOWS: u16 = 200;

const ALARM: Setup = Setup {
    mode: Mode::Alarm,
    mode_clauses: ["RefreshTime 2\n        CacheTimeout 5"; 2],
    ..TEMPLATE
};

/// Everything that comes to a node is lost.
const CUT: &str = "table netdev cut {\n chain sync {\n type filter hook ingress device sync0 priority 0; policy drop;\n }\n}\n";
const HEAL: &str = "delete table netdev cut\n";

#[test]
fn ours_to_ours() -> Result<()> {
    refreshes_and_expires(Ours, Ours)
}

#[test]
fn ours_to_stock() -> Result<()> {
    refreshes_and_expires(Ours, Stock)
}

#[test]
fn stock_to_ours() -> Result<()> {
    refreshes_and_expires(Stock, Ours)
}

fn refreshes_and_expires(from: Daemon, to: Daemon) -> Result<()> {
    on_real_kernels(|| {
        let cluster = ALARM.start(from, to)?;
        let Cluster { fw1, fw2, .. } = &cluster;
        flows::create(fw1, 0, N_FLOWS)?;
        cache_equals_kernel(&cluster, from, "created")?;
        kernel::update_some(&fw1.ns)?;
        cache_equals_kernel(&cluster, from, "updated")?;
        for request in ["-n", "-B"] {
            ensure!(fw1.control(&[request])?.is_empty(), "{request} says nothing");
        }
        fw2.ns.nft(CUT)?;
        flows::create(fw1, N_FLOWS, N_FLOWS)?;
        ensure!(fw2.external()? != fw1.kernel()?.as_cached(), "the link is cut");
        fw2.ns.nft(HEAL)?;
        cache_equals_kernel(&cluster, from, "created while the link was cut")?;
        fw2.ns.nft(CUT)?;
        flows::delete_some(fw1, 2 * N_FLOWS)?;
        fw2.ns.nft(HEAL)?;
        cache_equals_kernel(&cluster, from, "deleted while the link was cut")
    })
}

fn cache_equals_kernel(cluster: &Cluster, sender: Daemon, step: &str) -> Result<()> {
    let what = format!("fw2's external cache equals fw1's kernel table, flows {step}");
    cluster.wait_until(&what, LIMIT, || {
        let wanted = cluster.fw1.kernel()?.as_told_by(sender).as_cached();
        cluster.fw2.external()?.as_told_by(sender).ensure_equals(&wanted)
    })
}
