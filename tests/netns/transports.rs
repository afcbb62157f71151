//! Every transport between every pair of daemons: what one kernel knows, the other's external cache knows.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use netns_tests::Daemon::{Ours, Stock};
use netns_tests::Mode::{FtFw, NoTrack};
use netns_tests::{
    Cluster, Daemon, Firewall, Link, Mode, Setup, TEMPLATE, Transport, flows, kernel, on_real_kernels,
};

const N_FLOWS: u16 = 300;
const N_BULK: u16 = 15_000;
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
    tcp_over_ipv4_from_ours_to_ours: FtFw Tcp V4 Ours Ours;
    tcp_over_ipv4_from_ours_to_stock: FtFw Tcp V4 Ours Stock;
    tcp_over_ipv4_from_stock_to_ours: FtFw Tcp V4 Stock Ours;
    tcp_over_ipv6_from_ours_to_ours: FtFw Tcp V6 Ours Ours;
    tcp_over_ipv6_from_ours_to_stock: FtFw Tcp V6 Ours Stock;
    tcp_over_ipv6_from_stock_to_ours: FtFw Tcp V6 Stock Ours;
    notrack_over_tcp_over_ipv4_from_ours_to_ours: NoTrack Tcp V4 Ours Ours;
    notrack_over_tcp_over_ipv4_from_ours_to_stock: NoTrack Tcp V4 Ours Stock;
    notrack_over_tcp_over_ipv4_from_stock_to_ours: NoTrack Tcp V4 Stock Ours;
    notrack_over_tcp_over_ipv6_from_ours_to_ours: NoTrack Tcp V6 Ours Ours;
    notrack_over_tcp_over_ipv6_from_ours_to_stock: NoTrack Tcp V6 Ours Stock;
    notrack_over_tcp_over_ipv6_from_stock_to_ours: NoTrack Tcp V6 Stock Ours;
}

/// Flows are created, changed and deleted; the caches are equal after each.
fn replicates(setup: Setup, from: Daemon, to: Daemon) -> Result<()> {
    on_real_kernels(|| {
        let cluster = setup.start(from, to)?;
        if setup.transport == Transport::Tcp {
            connected(&cluster)?;
        }
        flows::create(&cluster.fw1, 0, N_FLOWS)?;
        cache_equals_kernel(&cluster, from, "created")?;
        kernel::update_some(&cluster.fw1.ns)?;
        cache_equals_kernel(&cluster, from, "updated")?;
        flows::delete_some(&cluster.fw1, N_FLOWS)?;
        cache_equals_kernel(&cluster, from, "deleted")?;
        both_show_the_same(&cluster)
    })
}

/// Waits until the connections stand in both directions: a stock sender keeps but 128 events before.
fn connected(cluster: &Cluster) -> Result<()> {
    cluster.wait_until("the daemons are connected", LIMIT, || {
        for fw in [&cluster.fw1, &cluster.fw2] {
            let shown = fw.control(&["-s", "network"])?;
            ensure!(shown.contains(" server=connected client=connected:"), "{shown}");
        }
        Ok(())
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

#[test]
fn a_restart_of_either_side_is_recovered_over_tcp() -> Result<()> {
    for (from, to) in [(Ours, Ours), (Ours, Stock), (Stock, Ours)] {
        restarts(FtFw, from, to)?;
    }
    Ok(())
}

#[test]
fn a_restart_of_either_side_is_recovered_over_tcp_without_acknowledgements() -> Result<()> {
    restarts(NoTrack, Ours, Ours)
}

/// Each is killed, flows change meanwhile, and each is started again.
fn restarts(mode: Mode, from: Daemon, to: Daemon) -> Result<()> {
    on_real_kernels(|| {
        let setup = Setup {
            mode,
            transport: Transport::Tcp,
            ..TEMPLATE
        };
        let mut cluster = setup.build()?;
        // Asks for a bulk at start: only FT-FW on both sides does without.
        for fw in [&cluster.fw1, &cluster.fw2] {
            fw.edit_conf("PurgeTimeout 5", "PurgeTimeout 5\n        StartupResync on")?;
        }
        cluster.fw1.start(from)?;
        cluster.fw2.start(to)?;
        flows::create(&cluster.fw1, 0, N_FLOWS)?;
        cache_equals_kernel(&cluster, from, "created")?;
        cluster.fw2.kill()?;
        flows::create(&cluster.fw1, N_FLOWS, N_FLOWS)?;
        remove_lock(&cluster.fw2)?;
        cluster.fw2.start(to)?;
        connected(&cluster)?;
        cache_equals_kernel(&cluster, from, "created while fw2 was down")?;
        cluster.fw1.kill()?;
        kernel::update_some(&cluster.fw1.ns)?;
        flows::create(&cluster.fw1, 2 * N_FLOWS, N_FLOWS)?;
        remove_lock(&cluster.fw1)?;
        cluster.fw1.start(from)?;
        connected(&cluster)?;
        cache_equals_kernel(&cluster, from, "changed while fw1 was down")
    })
}

/// A stock daemon does not start where a killed one has left its lock.
fn remove_lock(fw: &Firewall) -> Result<()> {
    fs::remove_file(fw.dir().join("conntrackd.lock")).context("remove the lock of a killed daemon")
}

/// Bytes through send buffers that take a part of what is written.
#[test]
fn a_bulk_over_tcp_through_small_buffers_keeps_its_framing() -> Result<()> {
    for to in [Ours, Stock] {
        bulk(to)?;
    }
    Ok(())
}

fn bulk(to: Daemon) -> Result<()> {
    on_real_kernels(|| {
        let setup = Setup {
            transport: Transport::Tcp,
            ..TEMPLATE
        };
        let mut cluster = setup.build()?;
        for fw in [&cluster.fw1, &cluster.fw2] {
            fw.edit_conf("SocketBuffer 8388608", "SocketBuffer 4096")?;
        }
        flows::create(&cluster.fw1, 0, N_BULK)?;
        cluster.fw1.start(Ours)?;
        cluster.fw2.start(to)?;
        cluster.fw1.control(&["-B"])?;
        cache_equals_kernel(&cluster, Ours, "sent in one go")?;
        for fw in [&cluster.fw1, &cluster.fw2] {
            let shown = fw.control(&["-s", "network"])?;
            let malformed = shown.lines().find(|line| line.contains("Malformed messages:"));
            ensure!(malformed.is_some_and(|line| line.ends_with(" 0")), "{shown}");
        }
        Ok(())
    })
}
