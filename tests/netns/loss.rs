//! A fifth of all datagrams is lost, each way; FT-FW converges all the same.

use std::time::Duration;

use anyhow::Result;
use netns_tests::Daemon::Ours;
use netns_tests::{Cluster, Setup, TEMPLATE, flows, kernel, on_real_kernels};

const N_FLOWS: u16 = 2000;
const LIMIT: Duration = Duration::from_secs(40);

#[test]
fn ftfw_converges_with_a_fifth_of_the_datagrams_lost() -> Result<()> {
    on_real_kernels(|| {
        let cluster = Setup {
            loss_percent: 20,
            ..TEMPLATE
        }
        .start(Ours, Ours)?;
        flows::create(&cluster.fw1, 0, N_FLOWS)?;
        converges(&cluster, "created")?;
        kernel::update_some(&cluster.fw1.ns)?;
        converges(&cluster, "updated")?;
        flows::delete_some(&cluster.fw1, N_FLOWS)?;
        converges(&cluster, "deleted")
    })
}

fn converges(cluster: &Cluster, step: &str) -> Result<()> {
    let what = format!("fw2's external cache equals fw1's kernel table, flows {step}");
    cluster.wait_until(&what, LIMIT, || {
        let wanted = cluster.fw1.kernel()?.as_cached();
        cluster.fw2.external()?.ensure_equals(&wanted)
    })
}
