//! Two dedicated links: when the one in use fails the other carries on, beside the stock daemon too.

use anyhow::{Result, ensure};
use netns_tests::Daemon::{Ours, Stock};
use netns_tests::{Cluster, Daemon, Firewall, LIMIT, Setup, TEMPLATE, Transport, flows, on_real_kernels};

const N_FLOWS: u16 = 100;

/// Datagrams are lost from here on, while the interface runs.
const CUT: &str = "table netdev cut {\n chain sync {\n type filter hook ingress device sync0 priority 0; policy drop;\n }\n}\n";

const TWO_LINKS: Setup = Setup {
    n_links: 2,
    ..TEMPLATE
};

#[test]
fn ours_and_ours_carry_on_over_the_other_link() -> Result<()> {
    carry_on(TWO_LINKS, Ours, Ours)
}

#[test]
fn ours_and_ours_carry_on_over_the_other_group() -> Result<()> {
    let setup = Setup {
        transport: Transport::Multicast,
        ..TWO_LINKS
    };
    carry_on(setup, Ours, Ours)
}

#[test]
fn ours_and_ours_carry_on_over_the_other_connection() -> Result<()> {
    let setup = Setup {
        transport: Transport::Tcp,
        ..TWO_LINKS
    };
    carry_on(setup, Ours, Ours)
}

#[test]
fn ours_and_stock_carry_on_over_the_other_link() -> Result<()> {
    carry_on(TWO_LINKS, Ours, Stock)
}

#[test]
fn stock_and_ours_carry_on_over_the_other_link() -> Result<()> {
    carry_on(TWO_LINKS, Stock, Ours)
}

/// The first link loses datagrams and goes down; later it is up again and the second goes down.
fn carry_on(setup: Setup, on_fw1: Daemon, on_fw2: Daemon) -> Result<()> {
    on_real_kernels(|| {
        let cluster = setup.start(on_fw1, on_fw2)?;
        let Cluster { fw1, fw2, .. } = &cluster;
        flows::create(fw1, 0, N_FLOWS)?;
        flows::create(fw2, N_FLOWS, N_FLOWS)?;
        both_know_the_other(&cluster, [on_fw1, on_fw2], "over the first link")?;
        uses(&cluster, "sync0")?;
        fw2.ns.nft(CUT)?;
        flows::create(fw1, 2 * N_FLOWS, N_FLOWS)?;
        fw1.ns.ip("link set sync0 down")?;
        flows::create(fw1, 3 * N_FLOWS, N_FLOWS)?;
        flows::create(fw2, 4 * N_FLOWS, N_FLOWS)?;
        both_know_the_other(&cluster, [on_fw1, on_fw2], "over the second link")?;
        uses(&cluster, "sync1")?;
        fw2.ns.nft("delete table netdev cut")?;
        fw1.ns.ip("link set sync0 up")?;
        flows::delete_some(fw1, N_FLOWS)?;
        both_know_the_other(&cluster, [on_fw1, on_fw2], "with both links up again")?;
        // A stock daemon does not always hear of a carrier that appears as it starts. For want of it on
        // the second link it goes back to the first when that comes up, and is followed.
        if [on_fw1, on_fw2] == [Ours, Ours] {
            uses(&cluster, "sync1")?;
        }
        fw2.ns.ip("link set sync1 down")?;
        flows::delete_all(fw1)?;
        both_know_the_other(&cluster, [on_fw1, on_fw2], "over the first link again")?;
        uses(&cluster, "sync0")
    })
}

#[test]
fn ours_and_ours_leave_a_way_that_breaks_behind_running_interfaces() -> Result<()> {
    leave_broken_way(Ours, Ours)
}

#[test]
fn ours_takes_stock_along_from_a_way_that_breaks_behind_running_interfaces() -> Result<()> {
    leave_broken_way(Ours, Stock)
}

/// Neither node is told anything: all that is sent on the first link is lost, both ways.
fn leave_broken_way(on_fw1: Daemon, on_fw2: Daemon) -> Result<()> {
    on_real_kernels(|| {
        let cluster = TWO_LINKS.start(on_fw1, on_fw2)?;
        let Cluster { fw1, fw2, .. } = &cluster;
        flows::create(fw1, 0, N_FLOWS)?;
        both_know_the_other(&cluster, [on_fw1, on_fw2], "over the first link")?;
        for fw in [fw1, fw2] {
            fw.ns.nft(CUT)?;
        }
        flows::create(fw1, N_FLOWS, N_FLOWS)?;
        flows::create(fw2, 2 * N_FLOWS, N_FLOWS)?;
        uses(&cluster, "sync1")?;
        both_know_the_other(&cluster, [on_fw1, on_fw2], "over the second link")
    })
}

#[test]
fn a_group_is_joined_again_when_its_interface_is_deleted_and_made_again() -> Result<()> {
    on_real_kernels(|| {
        let setup = Setup {
            transport: Transport::Multicast,
            ..TEMPLATE
        };
        let cluster = setup.start(Ours, Ours)?;
        let Cluster { fw1, fw2, .. } = &cluster;
        flows::create(fw1, 0, N_FLOWS)?;
        both_know_the_other(&cluster, [Ours, Ours], "before")?;
        cluster.replace_sync_link()?;
        flows::create(fw1, N_FLOWS, N_FLOWS)?;
        flows::create(fw2, 2 * N_FLOWS, N_FLOWS)?;
        both_know_the_other(&cluster, [Ours, Ours], "on an interface that was made again")
    })
}

#[test]
fn a_link_that_is_down_at_start_is_not_used() -> Result<()> {
    on_real_kernels(|| {
        let mut cluster = TWO_LINKS.build()?;
        cluster.fw1.ns.ip("link set sync0 down")?;
        cluster.fw1.start(Ours)?;
        cluster.fw2.start(Ours)?;
        flows::create(&cluster.fw1, 0, N_FLOWS)?;
        both_know_the_other(&cluster, [Ours, Ours], "over the second link")?;
        uses(&cluster, "sync1")?;
        let log = cluster.fw1.log();
        ensure!(log.contains("device `sync1' becomes dedicated link"), "{log}");
        Ok(())
    })
}

/// Waits until each external cache is what the other kernel has.
fn both_know_the_other(cluster: &Cluster, daemons: [Daemon; 2], step: &str) -> Result<()> {
    let Cluster { fw1, fw2, .. } = cluster;
    let knows = |of: &Firewall, sender: Daemon, at: &Firewall| {
        let wanted = of.kernel()?.as_told_by(sender).as_cached();
        at.external()?.as_told_by(sender).ensure_equals(&wanted)
    };
    let what = format!("both external caches equal the other's kernel table, {step}");
    cluster.wait_until(&what, LIMIT, || {
        knows(fw1, daemons[0], fw2)?;
        knows(fw2, daemons[1], fw1)
    })
}

/// Waits until this link is in use on both sides, and on neither any other.
fn uses(cluster: &Cluster, interface: &str) -> Result<()> {
    let what = format!("both daemons use {interface}");
    cluster.wait_until(&what, LIMIT, || {
        for fw in [&cluster.fw1, &cluster.fw2] {
            let shown = fw.control(&["-s", "link"])?;
            for line in shown.lines().filter(|line| line.contains("device=")) {
                let is_this = line.contains(&format!("device={interface} "));
                let role = if is_this { "role=ACTIVE" } else { "role=BACKUP" };
                ensure!(line.contains(role), "{} shows {line}", fw.ns.name());
            }
        }
        Ok(())
    })
}
