//! Every transport between every pair of daemons: what one kernel knows, the other's external cache knows.

use std::time::Duration;

use anyhow::{Result, ensure};
use netns_tests::Daemon::{Ours, Stock};
use netns_tests::{Cluster, Daemon, Link, Mode, Setup, TEMPLATE, Transport, flows, kernel, on_real_kernels};

const N_FLOWS: u16 = 300;
const LIMIT: Duration = Duration::from_secs(20);

/// One test a line: its name, the mode, the transport, the family, sender and receiver.
macro_rules! replicates {
    ($($name:ident: $mode:ident $transport:ident $link:ident $from:ident $to:ident;)*) => {$(
        #[test]
        fn $name() -> Result<()> {
            let setup = Setup {
                mode: Mode::$mode,
                transport: Transport::$transport,
                link: Link::$link,
                ..TEMPLATE
            };
            replicates(setup, $from, $to)
        }
    )*};
}

replicates! {
    multicast_over_ipv4_from_ours_to_ours: FtFw Multicast V4 Ours Ours;
    multicast_over_ipv4_from_ours_to_stock: FtFw Multicast V4 Ours Stock;
    multicast_over_ipv4_from_stock_to_ours: FtFw Multicast V4 Stock Ours;
    multicast_over_ipv6_from_ours_to_ours: FtFw Multicast V6 Ours Ours;
    multicast_over_ipv6_from_ours_to_stock: FtFw Multicast V6 Ours Stock;
    multicast_over_ipv6_from_stock_to_ours: FtFw Multicast V6 Stock Ours;
}

/// Flows are created, changed and deleted; the caches are equal after each.
fn replicates(setup: Setup, from: Daemon, to: Daemon) -> Result<()> {
    on_real_kernels(|| {
        let cluster = setup.start(from, to)?;
        flows::create(&cluster.fw1, 0, N_FLOWS)?;
        cache_equals_kernel(&cluster, from, "created")?;
        kernel::update_some(&cluster.fw1.ns)?;
        cache_equals_kernel(&cluster, from, "updated")?;
        flows::delete_some(&cluster.fw1, N_FLOWS)?;
        cache_equals_kernel(&cluster, from, "deleted")?;
        both_show_the_same(&cluster)
    })
}

/// What the two daemons print about their links differs in numbers alone.
fn both_show_the_same(cluster: &Cluster) -> Result<()> {
    for topic in ["link", "network"] {
        let [one, other] = [&cluster.fw1, &cluster.fw2].map(|fw| {
            // The stock daemon does not always hear of a carrier that appears as it starts.
            let shown = fw.control(&["-s", topic])?.replace("NO-CARRIER", "RUNNING");
            let mask = |c: char| if c.is_ascii_digit() { ' ' } else { c };
            anyhow::Ok(shown.chars().map(mask).collect::<String>())
        });
        let (one, other) = (one?, other?);
        ensure!(one == other, "-s {topic} of fw1:\n{one}of fw2:\n{other}");
        ensure!(!one.is_empty(), "-s {topic} shows nothing");
    }
    Ok(())
}

fn cache_equals_kernel(cluster: &Cluster, sender: Daemon, step: &str) -> Result<()> {
    let what = format!("fw2's external cache equals fw1's kernel table, flows {step}");
    cluster.wait_until(&what, LIMIT, || {
        let wanted = cluster.fw1.kernel()?.as_told_by(sender).as_cached();
        cluster.fw2.external()?.as_told_by(sender).ensure_equals(&wanted)
    })
}
