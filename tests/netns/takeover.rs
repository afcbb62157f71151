//! A firewall dies; the streams that ran through it go on through the other.

use anyhow::{Result, ensure};
use netns_tests::Daemon::{Ours, Stock};
use netns_tests::failover::{fail_over, fail_over_without_daemons, open_streams, wait_for_replica};
use netns_tests::streams::Plan;
use netns_tests::{Daemon, TEMPLATE, on_real_kernels};

/// For each family.
const PLAN: Plan = Plan { n_tcp: 20, n_udp: 10 };

#[test]
fn streams_go_on_from_ours_to_ours() -> Result<()> {
    streams_go_on(Ours, Ours)
}

#[test]
fn streams_go_on_from_ours_to_stock() -> Result<()> {
    streams_go_on(Ours, Stock)
}

#[test]
fn streams_go_on_from_stock_to_ours() -> Result<()> {
    streams_go_on(Stock, Ours)
}

#[test]
fn streams_go_on_from_stock_to_stock() -> Result<()> {
    streams_go_on(Stock, Stock)
}

#[test]
fn without_daemons_every_stream_dies() -> Result<()> {
    on_real_kernels(|| {
        let cluster = TEMPLATE.build()?;
        let streams = open_streams(&cluster, PLAN)?;
        let outcome = fail_over_without_daemons(&cluster, &streams, PLAN)?;
        ensure!(outcome.n_alive == 0, "the control must lose all:\n{outcome}");
        Ok(())
    })
}

fn streams_go_on(on_fw1: Daemon, on_fw2: Daemon) -> Result<()> {
    on_real_kernels(|| {
        let mut cluster = TEMPLATE.start(on_fw1, on_fw2)?;
        let streams = open_streams(&cluster, PLAN)?;
        wait_for_replica(&cluster)?;
        let outcome = fail_over(&mut cluster, &streams)?;
        ensure!(
            outcome.n_alive == outcome.n_streams,
            "all must go on:\n{outcome}\n{}",
            cluster.fw2.log()
        );
        Ok(())
    })
}
