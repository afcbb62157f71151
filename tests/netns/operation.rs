//! What operators do, and what happens to them: none of it may cost a flow or stop the daemon.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use anyhow::{Context, Result, ensure};
use netns_tests::Daemon::{Ours, Stock};
use netns_tests::failover::{fail_over, open_streams, wait_for_replica};
use netns_tests::streams::Plan;
use netns_tests::table::Table;
use netns_tests::{Firewall, LIMIT, TEMPLATE, flows, kernel, on_real_kernels};

const N_FLOWS: u16 = 1000;
/// Flows whose dump is more than a socket's buffer holds.
const N_MANY: u16 = 5 * N_FLOWS;
/// The request that asks for the external cache as text.
const DUMP_EXTERNAL: i32 = 17;

#[test]
fn clients_that_say_nothing_or_do_not_read_freeze_nothing() -> Result<()> {
    on_real_kernels(|| {
        let cluster = TEMPLATE.start(Ours, Ours)?;
        flows::create(&cluster.fw1, 0, N_MANY)?;
        wait_for_replica(&cluster)?;
        let before = cluster.fw2.external()?;
        let connect = || UnixStream::connect(cluster.fw2.dir().join("conntrackd.ctl"));
        let _silent = (0..50).map(|_| connect()).collect::<Result<Vec<_>, _>>()?;
        let mut deaf = connect()?;
        deaf.write_all(&DUMP_EXTERNAL.to_ne_bytes())?;
        flows::create(&cluster.fw1, N_MANY, N_FLOWS)?;
        wait_for_replica(&cluster)?;
        let mut dump = String::new();
        deaf.read_to_string(&mut dump)
            .context("the deaf client reads at last")?;
        // What was made while it did not read may show in what it had not read.
        let names: BTreeSet<_> = before.iter().map(|(key, _)| key.clone()).collect();
        let of_before = Table::parse(&dump)?.filter(|key, _| names.contains(key));
        of_before.ensure_equals(&before)
    })
}

#[test]
fn a_hangup_opens_the_log_anew_and_ends_nothing() -> Result<()> {
    on_real_kernels(|| {
        let cluster = TEMPLATE.start(Ours, Ours)?;
        let log = cluster.fw1.dir().join("conntrackd.log");
        std::fs::rename(&log, cluster.fw1.dir().join("rotated.log"))?;
        cluster.fw1.hang_up()?;
        cluster.wait_until("the log is opened anew", LIMIT, || {
            ensure!(log.exists(), "there is no new log");
            cluster.fw1.control(&["-s"]).map(drop)
        })
    })
}

#[test]
fn a_daemon_that_is_stopped_sends_what_it_knows_first() -> Result<()> {
    on_real_kernels(|| {
        let mut cluster = TEMPLATE.start(Ours, Ours)?;
        flows::create(&cluster.fw1, 0, N_FLOWS)?;
        let wanted = cluster.fw1.kernel()?.as_cached();
        cluster.fw1.stop()?;
        cluster.wait_until("fw2 knows all flows of the stopped fw1", LIMIT, || {
            cluster.fw2.external()?.ensure_equals(&wanted)
        })
    })
}

#[test]
fn flows_that_begin_while_the_daemon_starts_are_not_missed() -> Result<()> {
    on_real_kernels(|| {
        let mut cluster = TEMPLATE.build()?;
        cluster.fw2.start(Ours)?;
        flows::create(&cluster.fw1, 0, N_FLOWS)?;
        cluster.fw1.launch(Ours)?;
        flows::create(&cluster.fw1, N_FLOWS, N_FLOWS)?;
        cluster.fw1.wait_for_answer()?;
        cluster.wait_until("fw1's internal cache equals its kernel table", LIMIT, || {
            cluster
                .fw1
                .internal()?
                .ensure_equals(&cluster.fw1.kernel()?.as_internal())
        })?;
        wait_for_replica(&cluster)
    })
}

#[test]
fn a_second_commit_leaves_the_flows_in_place() -> Result<()> {
    on_real_kernels(|| {
        let cluster = TEMPLATE.start(Ours, Ours)?;
        flows::create(&cluster.fw1, 0, N_FLOWS)?;
        wait_for_replica(&cluster)?;
        cluster.fw2.control(&["-c"])?;
        let (flows, before) = (cluster.fw2.kernel()?, ids(&cluster.fw2)?);
        cluster.fw2.control(&["-c"])?;
        let made_anew: Vec<_> = ids(&cluster.fw2)?.difference(&before).take(10).cloned().collect();
        ensure!(made_anew.is_empty(), "made anew: {made_anew:#?}");
        cluster
            .fw2
            .kernel()?
            .without_timeouts()
            .ensure_equals(&flows.without_timeouts())
    })
}

#[test]
fn a_full_cache_is_told_and_counted() -> Result<()> {
    on_real_kernels(|| {
        let mut cluster = TEMPLATE.build()?;
        cluster.fw1.edit_conf("HashLimit 131072", "HashLimit 600")?;
        cluster.fw1.start(Ours)?;
        flows::create(&cluster.fw1, 0, N_FLOWS)?;
        let refused = u64::from(N_FLOWS) - 600;
        cluster.wait_until("the refused flows are counted", LIMIT, || {
            let counted = cluster.fw1.control(&["-s", "cache"])?;
            let line = counted
                .lines()
                .find(|line| line.contains("no space left in cache"))
                .context("no counter")?;
            let n = line.split_whitespace().last().and_then(|n| n.parse::<u64>().ok());
            ensure!(
                n.is_some_and(|n| n >= refused),
                "{line}, wanted at least {refused}"
            );
            Ok(())
        })?;
        let log = cluster.fw1.log();
        ensure!(
            log.contains("HashLimit"),
            "the log does not name HashLimit:\n{log}"
        );
        Ok(())
    })
}

#[test]
fn events_of_old_flows_are_switched_on() -> Result<()> {
    on_real_kernels(|| {
        let mut cluster = TEMPLATE.build()?;
        cluster.fw1.ns.sysctl("netfilter/nf_conntrack_events", "2")?;
        cluster.fw1.start(Ours)?;
        let events = cluster
            .fw1
            .ns
            .run("cat", &["/proc/sys/net/netfilter/nf_conntrack_events"])?;
        ensure!(events.trim() == "1", "nf_conntrack_events is {events}");
        Ok(())
    })
}

#[test]
fn streams_go_on_with_windows_tracked() -> Result<()> {
    on_real_kernels(|| {
        let mut cluster = TEMPLATE.build()?;
        for fw in [&mut cluster.fw1, &mut cluster.fw2] {
            fw.edit_conf(
                "    UDP {",
                "    Options {\n        TCPWindowTracking On\n    }\n    UDP {",
            )?;
            fw.start(Ours)?;
        }
        let streams = open_streams(&cluster, Plan { n_tcp: 10, n_udp: 0 })?;
        wait_for_replica(&cluster)?;
        let scales = kernel::window_scales(&cluster.fw1.ns)?;
        ensure!(
            scales.values().all(|scales| !scales.contains("Some(0)")),
            "no scales to keep: {scales:?}"
        );
        let outcome = fail_over(&mut cluster, &streams)?;
        ensure!(
            outcome.n_alive == outcome.n_streams,
            "all must go on:\n{outcome}\n{}",
            cluster.fw2.log()
        );
        kernel::ensure_equal(&kernel::window_scales(&cluster.fw2.ns)?, &scales)
    })
}

#[test]
fn a_node_of_a_stock_pair_is_replaced_while_streams_run() -> Result<()> {
    on_real_kernels(|| {
        let mut cluster = TEMPLATE.start(Stock, Stock)?;
        let streams = open_streams(&cluster, Plan { n_tcp: 10, n_udp: 5 })?;
        wait_for_replica(&cluster)?;
        cluster.fw2.stop()?;
        cluster.fw2.start(Ours)?;
        cluster.fw2.control(&["-n"])?;
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

/// Protocol, original tuple and kernel's id of a firewall's flows.
fn ids(fw: &Firewall) -> Result<BTreeSet<String>> {
    let table = fw.conntrack(&["-L", "-o", "id"])?;
    let of_flow = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let orig = words.iter().skip_while(|word| !word.starts_with("src=")).take(4);
        let (name, id) = (
            words.first()?,
            words.iter().rfind(|word| word.starts_with("id="))?,
        );
        Some(format!(
            "{name} {} {id}",
            orig.copied().collect::<Vec<_>>().join(" ")
        ))
    };
    table
        .lines()
        .map(of_flow)
        .collect::<Option<_>>()
        .context("a flow without id")
}
