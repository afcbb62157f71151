//! keepalived drives the failover, and the way back, by the script we ship.

use anyhow::{Context, Result, ensure};
use netns_tests::Daemon::Ours;
use netns_tests::failover::{open_streams, wait_for_replica};
use netns_tests::keepalived::Keepalived;
use netns_tests::streams::{Plan, Streams};
use netns_tests::{Cluster, Firewall, Gateway, LIMIT, Setup, TEMPLATE, on_real_kernels};

const PLAN: Plan = Plan { n_tcp: 10, n_udp: 5 };
/// Answers after which a stream counts as alive.
const ENOUGH: u64 = 10;

#[test]
fn streams_survive_the_failover_and_the_way_back() -> Result<()> {
    on_real_kernels(|| {
        let mut cluster = Setup {
            gateway: Gateway::Managed,
            ..TEMPLATE
        }
        .build()?;
        let _on_fw1 = Keepalived::start(&cluster.fw1, 150)?;
        let _on_fw2 = Keepalived::start(&cluster.fw2, 100)?;
        for fw in [&mut cluster.fw1, &mut cluster.fw2] {
            fw.adopt(Ours).context("the script starts the daemon")?;
        }
        wait_for_gateway(&cluster, &cluster.fw1)?;
        let streams = open_streams(&cluster, PLAN)?;
        wait_for_replica(&cluster)?;

        cluster.set_wires_of_fw1("down")?;
        wait_for_gateway(&cluster, &cluster.fw2)?;
        all_go_on(&cluster, &streams, "fw2")?;

        cluster.set_wires_of_fw1("up")?;
        wait_for_gateway(&cluster, &cluster.fw1)?;
        all_go_on(&cluster, &streams, "fw1 again")
    })
}

/// Waits until `fw` alone has the gateway's addresses.
fn wait_for_gateway(cluster: &Cluster, fw: &Firewall) -> Result<()> {
    cluster.wait_until(&format!("{} is the gateway", fw.ns.name()), LIMIT, || {
        for each in [&cluster.fw1, &cluster.fw2] {
            let addresses = each.ns.run("ip", &["-o", "addr"])?;
            let has_all = ["10.1.0.1/", "10.2.0.1/", "fd01::1/", "fd02::1/"]
                .iter()
                .all(|a| addresses.contains(a));
            let is_it = each.ns.name() == fw.ns.name();
            ensure!(
                has_all == is_it,
                "{} has the addresses: {has_all}",
                each.ns.name()
            );
        }
        Ok(())
    })
}

fn all_go_on(cluster: &Cluster, streams: &Streams, through: &str) -> Result<()> {
    let before = streams.n_answers();
    cluster.wait_until(&format!("every stream goes on through {through}"), LIMIT, || {
        let silent = streams.silent_since(&before, ENOUGH);
        ensure!(silent.is_empty(), "silent: {}", silent.join(", "));
        Ok(())
    })
}
