//! The stock client on our daemon, ours on the stock daemon: whatever is asked, both print the same; and what our
//! daemon says of itself is laid out as what the stock one says.

use anyhow::{Context, Result, ensure};
use netns_tests::Daemon::{Ours, Stock};
use netns_tests::failover::wait_for_replica;
use netns_tests::table::Table;
use netns_tests::{Cluster, Daemon, LIMIT, TEMPLATE, flows, ftp, on_real_kernels, xml};

const N_FLOWS: u16 = 64;

/// Every request that prints flows.
const DUMPS: [&[&str]; 8] = [
    &["-i"],
    &["-i", "ct"],
    &["-i", "-x"],
    &["-i", "exp"],
    &["-e"],
    &["-e", "ct"],
    &["-e", "-x"],
    &["-e", "exp"],
];

/// Every request that prints statistics.
const STATISTICS: [&[&str]; 10] = [
    &["-s"],
    &["-s", "ct"],
    &["-s", "network"],
    &["-s", "cache"],
    &["-s", "runtime"],
    &["-s", "link"],
    &["-s", "rsqueue"],
    &["-s", "queue"],
    &["-s", "process"],
    &["-s", "exp"],
];

/// Requests that print nothing, in an order in which each has something to do.
const ORDERS: [&[&str]; 12] = [
    &["-B"],
    &["-n"],
    &["-R"],
    &["-c"],
    &["-c", "ct"],
    &["-c", "exp"],
    &["-t"],
    &["-f", "external"],
    &["-f", "internal"],
    &["-f"],
    &["-F"],
    &["-k"],
];

#[test]
fn both_clients_print_the_same_of_our_daemon() -> Result<()> {
    clients_agree(Ours)
}

#[test]
fn both_clients_print_the_same_of_the_stock_daemon() -> Result<()> {
    clients_agree(Stock)
}

#[test]
fn our_daemon_obeys_the_stock_client() -> Result<()> {
    obeys(Ours, Stock)
}

#[test]
fn the_stock_daemon_obeys_our_client() -> Result<()> {
    obeys(Stock, Ours)
}

#[test]
fn statistics_are_laid_out_as_the_stock_daemon_does() -> Result<()> {
    on_real_kernels(|| {
        let (ours, stock) = (with_flows(Ours)?, with_flows(Stock)?);
        for args in STATISTICS {
            let [ours, stock] = [&ours, &stock].map(|cluster| cluster.fw1.control(args));
            let (ours, stock) = (masked(&ours?), masked(&stock?));
            // What is in the resend queue, and how much, differs from moment to moment.
            let stable = |text: &str| match text.split_once("resent queue (len=") {
                Some((before, _)) => before.to_owned(),
                None => text.to_owned(),
            };
            let is_same = stable(&ours) == stable(&stock);
            ensure!(is_same, "conntrackd {args:?}\nours:\n{ours}\nstock:\n{stock}");
        }
        Ok(())
    })
}

#[test]
fn xml_shows_what_text_shows() -> Result<()> {
    on_real_kernels(|| {
        let cluster = with_flows(Ours)?;
        let _session = ftp::open(&cluster)?;
        wait_for_replica(&cluster)?;
        for (fw, cache) in [(&cluster.fw1, "-i"), (&cluster.fw2, "-e")] {
            let wanted = Table::parse(&fw.control(&[cache])?)?.as_xml_shows();
            let is = xml::shown(&fw.control(&[cache, "-x"])?)?;
            ensure!(
                is == wanted,
                "{cache} -x:\n{}\n{cache}:\n{}",
                is.join("\n"),
                wanted.join("\n")
            );
        }
        Ok(())
    })
}

fn clients_agree(daemon: Daemon) -> Result<()> {
    on_real_kernels(|| {
        let cluster = with_flows(daemon)?;
        for args in DUMPS.into_iter().chain(STATISTICS) {
            for fw in [&cluster.fw1, &cluster.fw2] {
                let asked = |client| -> Result<Vec<String>> {
                    let masked = masked(&fw.control_by(client, args)?);
                    let mut lines: Vec<_> = masked.lines().map(str::to_owned).collect();
                    lines.sort();
                    Ok(lines)
                };
                // A moment may lie between two answers, so ask until they agree.
                cluster.wait_until(
                    &format!("both clients print the same for {args:?}"),
                    LIMIT,
                    || {
                        let (ours, stock) = (asked(Ours)?, asked(Stock)?);
                        ensure!(
                            ours == stock,
                            "ours:\n{}\nstock:\n{}",
                            ours.join("\n"),
                            stock.join("\n")
                        );
                        Ok(())
                    },
                )?;
            }
        }
        Ok(())
    })
}

fn obeys(daemon: Daemon, client: Daemon) -> Result<()> {
    on_real_kernels(|| {
        let cluster = with_flows(daemon)?;
        for args in ORDERS {
            let printed = cluster
                .fw2
                .control_by(client, args)
                .with_context(|| cluster.fw2.log())?;
            ensure!(printed.is_empty(), "{args:?} printed {printed:?}");
        }
        for left in ["conntrackd.lock", "conntrackd.ctl"] {
            ensure!(!cluster.fw2.dir().join(left).exists(), "after -k there is {left}");
        }
        Ok(())
    })
}

/// A cluster of two `daemon`s, with flows on fw1 that fw2 knows.
fn with_flows(daemon: Daemon) -> Result<Cluster> {
    let cluster = TEMPLATE.start(daemon, daemon)?;
    flows::create(&cluster.fw1, 0, N_FLOWS)?;
    cluster.wait_until("fw2 knows the flows of fw1", LIMIT, || {
        let (known, wanted) = (cluster.fw2.external()?, cluster.fw1.kernel()?);
        known
            .as_told_by(daemon)
            .ensure_equals(&wanted.as_told_by(daemon).as_cached())
    })?;
    Ok(cluster)
}

/// Digits, with the blanks before them, become `#`: the width of a number stays, its value goes.
fn masked(text: &str) -> String {
    let mut masked = String::new();
    let mut blanks = 0;
    for c in text.chars() {
        match c {
            ' ' => blanks += 1,
            '0'..='9' => {
                masked.extend(std::iter::repeat_n('#', blanks + 1));
                blanks = 0;
            }
            other => {
                masked.extend(std::iter::repeat_n(' ', blanks));
                masked.push(other);
                blanks = 0;
            }
        }
    }
    masked
}
