//! What one firewall's helpers foretell, the other firewall knows, and commits.

use std::net::{Ipv4Addr, UdpSocket};

use anyhow::{Result, ensure};
use netns_tests::Daemon::{Ours, Stock};
use netns_tests::expectations::start;
use netns_tests::passive_ftp::{GATEWAY, SERVER};
use netns_tests::{
    Cluster, Daemon, Firewall, LIMIT, Mode, Setup, TEMPLATE, expectations, flows, kernel, on_real_kernels,
    passive_ftp,
};

const N_EXPECTATIONS: u16 = 60;

const NOTRACK: Setup = Setup {
    mode: Mode::NoTrack,
    ..TEMPLATE
};

#[test]
fn ours_to_ours_over_ftfw() -> Result<()> {
    replicates(TEMPLATE, Ours, Ours)
}

#[test]
fn ours_to_stock_over_ftfw() -> Result<()> {
    replicates(TEMPLATE, Ours, Stock)
}

#[test]
fn stock_to_ours_over_ftfw() -> Result<()> {
    replicates(TEMPLATE, Stock, Ours)
}

#[test]
fn ours_to_ours_over_notrack() -> Result<()> {
    replicates(NOTRACK, Ours, Ours)
}

#[test]
fn ours_to_stock_over_notrack() -> Result<()> {
    replicates(NOTRACK, Ours, Stock)
}

#[test]
fn stock_to_ours_over_notrack() -> Result<()> {
    replicates(NOTRACK, Stock, Ours)
}

/// One story for every pair of daemons: create, delete, commit, flush; equal after each.
fn replicates(setup: Setup, from: Daemon, to: Daemon) -> Result<()> {
    on_real_kernels(|| {
        let cluster = start(setup, from, to)?;
        let Cluster { fw1, fw2, .. } = &cluster;
        expectations::create(&fw1.ns, N_EXPECTATIONS)?;
        caches_equal_kernel(&cluster, usize::from(N_EXPECTATIONS))?;
        expectations::delete_some(&fw1.ns)?;
        caches_equal_kernel(&cluster, usize::from(N_EXPECTATIONS / 2))?;
        // The second time all of them exist.
        for _ in 0..2 {
            fw2.control(&["-c"])?;
            commit_equals_kernel(&cluster, to)?;
        }
        // A flush of flows ends their expectations too, each after its master. A stock daemon keeps for ever
        // those whose masters it has told of and forgotten before it reads on.
        if from == Stock {
            expectations::delete_all(&fw1.ns)?;
            caches_equal_kernel(&cluster, 0)?;
        }
        flows::delete_all(fw1)?;
        caches_equal_kernel(&cluster, 0)
    })
}

/// Both daemons print what the kernel of fw1 has, word for word.
fn caches_equal_kernel(cluster: &Cluster, n: usize) -> Result<()> {
    let Cluster { fw1, fw2, .. } = cluster;
    let what = format!("both caches have the {n} expectations of fw1's kernel");
    cluster.wait_until(&what, LIMIT, || {
        let n_in_kernel = expectations::committable(&fw1.ns)?.len();
        ensure!(n_in_kernel == n, "the kernel of fw1 has {n_in_kernel}");
        for format in [&["exp"][..], &["exp", "-x"]] {
            let internal = fw1.control(&[&["-i"], format].concat())?;
            let external = fw2.control(&[&["-e"], format].concat())?;
            let (internal, external) = (expectations::lines(&internal)?, expectations::lines(&external)?);
            ensure!(internal.len() == n, "fw1 has {} of {n}", internal.len());
            let differing: Vec<_> = internal.symmetric_difference(&external).take(4).collect();
            ensure!(
                differing.is_empty(),
                "one cache has these, the other has not: {differing:#?}"
            );
        }
        Ok(())
    })
}

/// Our commit brings over everything, the stock one all but class, translation and function.
fn commit_equals_kernel(cluster: &Cluster, committer: Daemon) -> Result<()> {
    let Cluster { fw1, fw2, .. } = cluster;
    cluster.wait_until("both kernels have the same expectations", LIMIT, || {
        let wanted = expectations::committable(&fw1.ns)?;
        let is = expectations::committable(&fw2.ns)?;
        match committer {
            Ours => expectations::ensure_equal(&is, &wanted),
            Stock => {
                ensure!(is.keys().eq(wanted.keys()), "{is:#?}");
                Ok(())
            }
        }
    })
}

#[test]
fn statistics_read_like_those_of_the_stock_daemon() -> Result<()> {
    on_real_kernels(|| {
        let cluster = start(TEMPLATE, Ours, Stock)?;
        let Cluster { fw1, fw2, .. } = &cluster;
        expectations::create(&fw1.ns, 10)?;
        caches_equal_kernel(&cluster, 10)?;
        let layout = |text: String| text.replace(|c: char| c.is_ascii_digit(), " ");
        for topic in ["exp", "ct", "cache"] {
            let (ours, stock) = (fw1.control(&["-s", topic])?, fw2.control(&["-s", topic])?);
            ensure!(
                layout(ours.clone()) == layout(stock.clone()),
                "{topic}:\n{ours}\n{stock}"
            );
        }
        let (ours, stock) = (fw1.control(&["-s", "exp"])?, fw2.control(&["-s", "exp"])?);
        // The internal cache here is the external one there. Only here it is sure how many were made: whoever says
        // HELLO is told all again, which counts as made again there, and a stock daemon says it a second late.
        let active = |text: &str, line: usize| text.lines().nth(line).map(str::to_owned);
        ensure!(active(&ours, 1) == active(&stock, 7), "{ours}\n{stock}");
        let wanted = [("active", 10), ("created", 10), ("updated", 0), ("destroyed", 0)];
        for (line, (name, n)) in ours.lines().skip(1).zip(wanted) {
            let mut words = line.split_whitespace().skip_while(|word| !word.ends_with(':'));
            let is_n = words.nth(1).is_some_and(|word| word == n.to_string());
            ensure!(line.contains(name) && is_n, "{name} is not {n}:\n{ours}");
        }
        Ok(())
    })
}

#[test]
fn commands_take_both_tables_or_one() -> Result<()> {
    on_real_kernels(|| {
        let cluster = start(TEMPLATE, Ours, Ours)?;
        let Cluster { fw1, fw2, .. } = &cluster;
        expectations::create(&fw1.ns, 10)?;
        caches_equal_kernel(&cluster, 10)?;
        fw2.control(&["-c", "ct"])?;
        ensure!(expectations::committable(&fw2.ns)?.is_empty(), "only flows");
        fw2.control(&["-c", "exp"])?;
        commit_equals_kernel(&cluster, Ours)?;
        fw2.control(&["-F", "exp"])?;
        ensure!(expectations::committable(&fw2.ns)?.is_empty(), "they are flushed");
        let n_flows = fw2.kernel()?.n_flows();
        ensure!(n_flows >= 10, "the masters stay, of which there are {n_flows}");
        ensure!(fw2.control(&["-i", "exp"])?.is_empty(), "not even in the cache");
        fw2.control(&["-c"])?;
        fw2.control(&["-f"])?;
        ensure!(fw2.control(&["-e", "exp"])?.is_empty(), "both caches are flushed");
        ensure!(fw2.control(&["-i", "exp"])?.is_empty(), "both caches are flushed");
        fw2.control(&["-R", "exp"])?;
        ensure!(
            fw2.control(&["-i", "exp"])?.is_empty(),
            "their masters are not known"
        );
        fw2.control(&["-R"])?;
        fw2.control(&["-R", "exp"])?;
        let again = fw2.control(&["-i", "exp"])?;
        ensure!(expectations::lines(&again)?.len() == 10, "{again}");
        fw2.control(&["-F"])?;
        ensure!(
            expectations::committable(&fw2.ns)?.is_empty() && fw2.control(&["-i", "exp"])?.is_empty(),
            "both tables are flushed"
        );
        Ok(())
    })
}

#[test]
fn a_data_connection_announced_before_a_failover_opens_after_it() -> Result<()> {
    data_connection_opens_after_failover(TEMPLATE, Ours, Ours, GATEWAY)
}

#[test]
fn so_it_does_over_notrack() -> Result<()> {
    data_connection_opens_after_failover(NOTRACK, Ours, Ours, GATEWAY)
}

#[test]
fn so_it_does_if_the_primary_was_stock() -> Result<()> {
    data_connection_opens_after_failover(TEMPLATE, Stock, Ours, GATEWAY)
}

/// Without destination NAT: a stock backup commits neither translation nor set-up function.
#[test]
fn so_it_does_if_the_backup_is_stock() -> Result<()> {
    data_connection_opens_after_failover(TEMPLATE, Ours, Stock, SERVER)
}

/// One story for every pair of daemons: the server answers PASV, fw1 dies, the client opens the
/// connection that was announced to it.
fn data_connection_opens_after_failover(
    setup: Setup,
    from: Daemon,
    to: Daemon,
    server: Ipv4Addr,
) -> Result<()> {
    on_real_kernels(|| {
        let mut cluster = start(setup, from, to)?;
        passive_ftp::load_rules(&cluster)?;
        let mut session = passive_ftp::begin(&cluster, server)?;
        caches_equal_kernel(&cluster, 1)?;
        // The stock daemon tells nothing of how sequence numbers shift: control would break off.
        let keeps_control = server == SERVER || from == Ours;
        if server != SERVER && from == Ours {
            shift_is_replicated(&cluster)?;
        }
        cluster.cut_off_fw1()?;
        cluster.fw1.kill()?;
        cluster.fw2.control(&["-c"])?;
        cluster.take_over_by_fw2()?;
        session.transfer(&cluster.client)?;
        if keeps_control {
            session.ask("NOOP", "200 Nothing done.")?;
            session.ask("QUIT", "221 Good bye.")?;
        }
        Ok(())
    })
}

/// No dump of a cache shows it, so it is committed and taken back.
fn shift_is_replicated(cluster: &Cluster) -> Result<()> {
    let Cluster { fw1, fw2, .. } = cluster;
    cluster.wait_until("fw2 knows how sequence numbers shift", LIMIT, || {
        let shifts = |fw: &Firewall| -> Result<Vec<_>> {
            let flows = kernel::dump(&fw.ns)?.into_iter();
            Ok(flows
                .filter_map(|flow| Some((flow.orig, flow.seq_adj?)))
                .collect())
        };
        let wanted = shifts(fw1)?;
        ensure!(wanted.len() == 1, "fw1 shifts {wanted:?}");
        fw2.control(&["-c"])?;
        let is = shifts(fw2)?;
        ensure!(is == wanted, "is {is:?}, wanted {wanted:?}");
        Ok(())
    })?;
    fw2.control(&["-F"]).map(drop)
}

/// Lets TFTP through, with its helper.
const TFTP_RULES: &str = r#"
table inet tftp {
    ct helper tftp {
        type "tftp" protocol udp
    }
    chain helpers {
        type filter hook prerouting priority filter
        udp dport 69 ct helper set "tftp"
    }
}
insert rule inet firewall forward iifname "lan0" udp dport 69 ct state new accept
"#;

/// The helper of TFTP speaks before the kernel tells of the flow: a stock daemon passes it over.
#[test]
fn what_a_first_packet_foretells_is_replicated_by_ours_alone() -> Result<()> {
    on_real_kernels(|| {
        for (from, n) in [(Ours, 1), (Stock, 0)] {
            let cluster = start(TEMPLATE, from, Ours)?;
            let Cluster { client, fw1, fw2, .. } = &cluster;
            fw1.ns.nft(TFTP_RULES)?;
            let request = || {
                let socket = UdpSocket::bind((Ipv4Addr::new(10, 1, 0, 10), 0))?;
                socket.send_to(b"\x00\x01motd\x00octet\x00", (SERVER, 69))
            };
            client.enter(request)?;
            let what = format!("fw2 knows the flow, and {n} expectations of it");
            cluster.wait_until(&what, LIMIT, || {
                let flows = fw2.external()?;
                ensure!(
                    flows.iter().any(|(key, _)| key.orig.ends_with("dport=69")),
                    "not the flow"
                );
                let external = fw2.control(&["-e", "exp"])?;
                ensure!(expectations::lines(&external)?.len() == n, "{external}");
                Ok(())
            })?;
            ensure!(
                expectations::committable(&fw1.ns)?.len() == 1,
                "the kernel expects one"
            );
        }
        Ok(())
    })
}

#[test]
fn shifts_of_sequence_numbers_are_replicated_without_expectations_too() -> Result<()> {
    on_real_kernels(|| {
        let cluster = TEMPLATE.start(Ours, Ours)?;
        passive_ftp::load_rules(&cluster)?;
        let _session = passive_ftp::begin(&cluster, GATEWAY)?;
        shift_is_replicated(&cluster)?;
        for fw in [&cluster.fw1, &cluster.fw2] {
            let caches = [fw.control(&["-i", "exp"])?, fw.control(&["-e", "exp"])?];
            ensure!(caches == ["", ""], "nobody asked for them: {caches:?}");
        }
        Ok(())
    })
}

#[test]
fn the_log_of_commands_reads_like_that_of_the_stock_daemon() -> Result<()> {
    on_real_kernels(|| {
        let said_by = |backup| {
            let cluster = start(TEMPLATE, Ours, backup)?;
            expectations::create(&cluster.fw1.ns, 10)?;
            caches_equal_kernel(&cluster, 10)?;
            for command in ["-c", "-c exp", "-c ct", "-R exp", "-F exp", "-f"] {
                let words: Vec<_> = command.split(' ').collect();
                cluster.fw2.control(&words)?;
            }
            let log = cluster.fw2.log();
            let of_commands = log.lines().filter_map(|line| line.split_once("[notice] "));
            let of_commands = of_commands.map(|(_, text)| text.to_owned()).filter(|text| {
                let begins = ["committing", "Committed", "resync with", "flushing"];
                begins.iter().any(|word| text.starts_with(word))
            });
            Ok::<_, anyhow::Error>(of_commands.collect::<Vec<_>>())
        };
        let (ours, stock) = (said_by(Ours)?, said_by(Stock)?);
        ensure!(ours.len() == 10, "{ours:#?}");
        ensure!(ours == stock, "ours {ours:#?}\nstock {stock:#?}");
        Ok(())
    })
}
