//! What helpers foretell, where a node keeps its own flows or the peer's in no cache.

use std::time::Duration;

use anyhow::{Result, ensure};
use netns_tests::Daemon::{Ours, Stock};
use netns_tests::expectations::{self, start};
use netns_tests::passive_ftp::GATEWAY;
use netns_tests::{Cluster, Daemon, Mode, Setup, TEMPLATE, flows, kernel, on_real_kernels, passive_ftp};

const LIMIT: Duration = Duration::from_secs(20);
const N_EXPECTATIONS: u16 = 60;

const INJECTING: Setup = Setup {
    mode_clauses: ["DisableExternalCache on", "DisableExternalCache on"],
    ..TEMPLATE
};
const BYPASSING: Setup = Setup {
    mode: Mode::NoTrack,
    mode_clauses: ["DisableInternalCache on", ""],
    ..TEMPLATE
};
const BOTH: &str = "DisableInternalCache on\n        DisableExternalCache on";
const CACHELESS: Setup = Setup {
    mode: Mode::NoTrack,
    mode_clauses: [BOTH, BOTH],
    ..TEMPLATE
};

#[test]
fn ours_injects_what_ours_foretells() -> Result<()> {
    injects(INJECTING, Ours)
}

#[test]
fn ours_injects_what_stock_foretells() -> Result<()> {
    injects(INJECTING, Stock)
}

#[test]
fn ours_without_caches_injects_what_ours_without_caches_foretells() -> Result<()> {
    injects(CACHELESS, Ours)
}

/// Create, delete, tell all again, end the masters: the kernels are equal after each.
fn injects(setup: Setup, from: Daemon) -> Result<()> {
    on_real_kernels(|| {
        let cluster = start(setup, from, Ours)?;
        let Cluster { fw1, fw2, .. } = &cluster;
        expectations::create(&fw1.ns, N_EXPECTATIONS)?;
        kernels_equal(&cluster, N_EXPECTATIONS, "created")?;
        expectations::delete_some(&fw1.ns)?;
        kernels_equal(&cluster, N_EXPECTATIONS / 2, "deleted")?;
        fw2.control(&["-n"])?;
        // Flows told behind the bulk have come: so has the bulk.
        flows::create(fw1, 0, 1)?;
        cluster.wait_until("the flow that was created last is in both kernels", LIMIT, || {
            let (wanted, is) = (fw1.kernel()?.n_flows(), fw2.kernel()?.n_flows());
            ensure!(is == wanted, "{is} flows of {wanted}");
            Ok(())
        })?;
        kernels_equal(&cluster, N_EXPECTATIONS / 2, "told again")?;
        ensure!(
            fw2.control(&["-e", "exp"])?.is_empty(),
            "there is no external cache"
        );
        let log = fw2.log();
        ensure!(!log.contains("could not add"), "nothing is refused:\n{log}");
        flows::delete_all(fw1)?;
        kernels_equal(&cluster, 0, "ended with their masters")
    })
}

fn kernels_equal(cluster: &Cluster, n: u16, step: &str) -> Result<()> {
    let what = format!("both kernels have the same {n} expectations, {step}");
    cluster.wait_until(&what, LIMIT, || {
        let wanted = expectations::committable(&cluster.fw1.ns)?;
        ensure!(wanted.len() == usize::from(n), "fw1 has {}", wanted.len());
        expectations::ensure_equal(&expectations::committable(&cluster.fw2.ns)?, &wanted)
    })
}

#[test]
fn statistics_of_injection_read_like_those_of_the_stock_daemon() -> Result<()> {
    on_real_kernels(|| {
        let said_by = |backup| -> Result<Vec<String>> {
            let cluster = start(INJECTING, Ours, backup)?;
            let Cluster { fw1, fw2, .. } = &cluster;
            expectations::create(&fw1.ns, 10)?;
            cluster.wait_until("fw2's kernel has them", LIMIT, || {
                let n = expectations::committable(&fw2.ns)?.len();
                ensure!(n == 10, "{n} of 10");
                Ok(())
            })?;
            let text = fw2.control(&["-s", "exp"])?;
            let before_traffic = text.lines().take_while(|line| !line.starts_with("traffic"));
            let layout = |line: &str| line.replace(|c: char| c.is_ascii_digit(), " ");
            Ok(before_traffic.map(layout).collect())
        };
        // Ours asks a peer that starts for all it has, so its numbers are higher.
        let (ours, stock) = (said_by(Ours)?, said_by(Stock)?);
        ensure!(ours == stock, "ours {ours:#?}\nstock {stock:#?}");
        Ok(())
    })
}

#[test]
fn ours_without_internal_cache_foretells_ours() -> Result<()> {
    passes_on(Ours)
}

/// The stock daemon tells of none, but takes them.
#[test]
fn ours_without_internal_cache_foretells_stock() -> Result<()> {
    passes_on(Stock)
}

fn passes_on(to: Daemon) -> Result<()> {
    on_real_kernels(|| {
        let cluster = start(BYPASSING, Ours, to)?;
        let Cluster { fw1, fw2, .. } = &cluster;
        expectations::create(&fw1.ns, N_EXPECTATIONS)?;
        external_equals_kernel(&cluster, N_EXPECTATIONS, "created")?;
        expectations::delete_some(&fw1.ns)?;
        external_equals_kernel(&cluster, N_EXPECTATIONS / 2, "deleted")?;
        fw2.control(&["-f"])?;
        ensure!(fw2.control(&["-e", "exp"])?.is_empty(), "it is emptied");
        fw2.control(&["-n"])?;
        external_equals_kernel(&cluster, N_EXPECTATIONS / 2, "asked for")?;
        flows::delete_all(fw1)?;
        external_equals_kernel(&cluster, 0, "ended with their masters")?;
        let statistics = fw1.control(&["-s", "exp"])?;
        let wanted = format!(
            "connections new:\t\t{:>12}\n",
            N_EXPECTATIONS + N_EXPECTATIONS / 2
        );
        ensure!(statistics.contains(&wanted), "{statistics}");
        ensure!(
            statistics.contains(&format!("connections destroyed:\t\t{N_EXPECTATIONS:>12}\n")),
            "{statistics}"
        );
        Ok(())
    })
}

/// What fw1 prints is its kernel's, with times, which no cache shows.
fn external_equals_kernel(cluster: &Cluster, n: u16, step: &str) -> Result<()> {
    let Cluster { fw1, fw2, .. } = cluster;
    let what = format!("fw2's external cache has the {n} expectations of fw1's kernel, {step}");
    cluster.wait_until(&what, LIMIT, || {
        let (printed, external) = (fw1.control(&["-i", "exp"])?, fw2.control(&["-e", "exp"])?);
        let without_time = |line: &str| Some(line.trim_start().split_once(' ')?.1.to_owned());
        let mut wanted: Vec<_> = printed.lines().filter_map(without_time).collect();
        let mut is: Vec<_> = expectations::lines(&external)?
            .into_iter()
            .map(str::to_owned)
            .collect();
        wanted.sort();
        is.sort();
        ensure!(wanted.len() == usize::from(n), "fw1 prints {printed}");
        ensure!(is == wanted, "is {is:#?}\nwanted {wanted:#?}");
        Ok(())
    })
}

#[test]
fn a_data_connection_announced_before_a_failover_opens_after_it_without_a_commit() -> Result<()> {
    data_connection_opens_after_failover(INJECTING)
}

#[test]
fn so_it_does_over_notrack() -> Result<()> {
    data_connection_opens_after_failover(Setup {
        mode: Mode::NoTrack,
        ..INJECTING
    })
}

/// One story for both modes: the server answers PASV, fw1 dies, and nobody commits anything.
fn data_connection_opens_after_failover(setup: Setup) -> Result<()> {
    on_real_kernels(|| {
        let mut cluster = start(setup, Ours, Ours)?;
        passive_ftp::load_rules(&cluster)?;
        let mut session = passive_ftp::begin(&cluster, GATEWAY)?;
        kernels_equal(&cluster, 1, "announced")?;
        cluster.wait_until("fw2's kernel shifts sequence numbers like fw1's", LIMIT, || {
            let shifts = |ns| -> Result<Vec<_>> {
                let flows = kernel::dump(ns)?.into_iter();
                Ok(flows
                    .filter_map(|flow| Some((flow.orig, flow.seq_adj?)))
                    .collect())
            };
            let (is, wanted) = (shifts(&cluster.fw2.ns)?, shifts(&cluster.fw1.ns)?);
            ensure!(wanted.len() == 1 && is == wanted, "is {is:?}, wanted {wanted:?}");
            Ok(())
        })?;
        cluster.cut_off_fw1()?;
        cluster.fw1.kill()?;
        cluster.take_over_by_fw2()?;
        session.transfer(&cluster.client)?;
        session.ask("NOOP", "200 Nothing done.")?;
        session.ask("QUIT", "221 Good bye.").map(drop)
    })
}
