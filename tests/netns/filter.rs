//! A filter keeps out of the cache exactly what the stock daemon's filter in user space keeps out, wherever it
//! works; what it excludes is left alone, and what it kept once leaves when it ends.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use netns_tests::Daemon::{Ours, Stock};
use netns_tests::table::{Flow, Key, Table};
use netns_tests::{Cluster, Firewall, LIMIT, TEMPLATE, flows, on_real_kernels};

/// Flows of every kind, some of them beyond the first 256.
const N_FLOWS: u16 = 160;

const TCP: u8 = 6;

/// A filter and what it keeps.
struct Case {
    sets: &'static str,
    keeps: fn(&Key, &Flow) -> bool,
}

#[test]
fn protocols_are_accepted() -> Result<()> {
    filters(&Case {
        sets: "Protocol Accept {\nTCP\n}",
        keeps: |key, _| key.l4proto == TCP,
    })
}

#[test]
fn addresses_are_ignored() -> Result<()> {
    filters(&Case {
        sets: "Address Ignore {\nIPv4_address 10.11.0.0/26\nIPv4_address 10.14.0.0/16\nIPv4_address 10.12.0.77\n\
               IPv6_address fd11::/122\nIPv6_address fd12::61\n}",
        keeps: |key, flow| {
            !has_source(key, flow, |source| match source {
                IpAddr::V4(v4) => match v4.octets() {
                    [10, 11, 0, host] => host < 64,
                    octets => octets.starts_with(&[10, 14]) || octets == [10, 12, 0, 77],
                },
                IpAddr::V6(v6) => match v6.segments() {
                    [0xfd11, .., host] => host < 64,
                    segments => segments == [0xfd12, 0, 0, 0, 0, 0, 0, 0x61],
                },
            })
        },
    })
}

#[test]
fn addresses_are_accepted() -> Result<()> {
    filters(&Case {
        sets: "Address Accept {\nIPv4_address 10.12.1.0/24\nIPv4_address 10.14.0.0/16\nIPv6_address fd12::/121\n}",
        keeps: |key, flow| {
            has_source(key, flow, |source| match source {
                IpAddr::V4(v4) => matches!(v4.octets(), [10, 12, 1, _] | [10, 14, ..]),
                IpAddr::V6(v6) => matches!(v6.segments(), [0xfd12, .., host] if host < 128),
            })
        },
    })
}

#[test]
fn states_are_accepted() -> Result<()> {
    filters(&Case {
        sets: "State Accept {\nESTABLISHED\nfor TCP\n}",
        keeps: |key, flow| key.l4proto != TCP || flow.state.as_deref() == Some("ESTABLISHED"),
    })
}

#[test]
fn a_stream_that_leaves_the_accepted_states_stays_until_its_end() -> Result<()> {
    on_real_kernels(|| {
        for place in ["Userspace", "Kernelspace"] {
            let mut cluster = TEMPLATE.build()?;
            add_filter(&cluster.fw1, place, "State Accept {\nESTABLISHED\nfor TCP\n}")?;
            cluster.fw1.start(Ours)?;
            cluster.fw2.start(Ours)?;
            let name = "-p tcp -s 10.11.0.1 -d 10.12.0.1 --sport 1 --dport 80";
            let change = |options: &str| {
                let words: Vec<_> = options.split(' ').collect();
                cluster.fw1.conntrack(&words).map(drop)
            };
            let caches = |n_flows: usize| {
                cluster.wait_until(&format!("both caches have {n_flows} flows"), LIMIT, || {
                    let n_cached = [
                        cluster.fw1.internal()?.n_flows(),
                        cluster.fw2.external()?.n_flows(),
                    ];
                    ensure!(n_cached == [n_flows; 2], "they have {n_cached:?}");
                    Ok(())
                })
            };
            change(&format!(
                "-I {name} -t 600 --state ESTABLISHED -u SEEN_REPLY,ASSURED"
            ))?;
            caches(1)?;
            change(&format!("-U {name} --state TIME_WAIT"))?;
            cluster.fw1.control(&["-R"])?;
            caches(1)?;
            let cached = cluster.fw1.internal()?;
            let (_, flow) = cached.iter().next().context("the flow")?;
            ensure!(flow.state.as_deref() == Some("ESTABLISHED"), "{flow:?}");
            change(&format!("-D {name}"))?;
            caches(0).with_context(|| format!("with a filter in {place}"))?;
        }
        Ok(())
    })
}

#[test]
fn a_kernel_without_memory_for_the_filter_leaves_it_to_the_daemon() -> Result<()> {
    on_real_kernels(|| {
        let mut cluster = TEMPLATE.build()?;
        // Linux 6.9 and later have a limit of their own in each namespace.
        if cluster.fw1.ns.sysctl("core/optmem_max", "500").is_err() {
            return Ok(());
        }
        let case = Case {
            sets: "Protocol Accept {\nTCP\n}",
            keeps: |key, _| key.l4proto == TCP,
        };
        add_filter(&cluster.fw1, "Kernelspace", case.sets)?;
        cluster.fw1.start(Ours)?;
        flows::create(&cluster.fw1, 0, N_FLOWS)?;
        caches_what_is_kept(&cluster, &cluster.fw1, &case)?;
        let log = cluster.fw1.log();
        for words in ["net.core.optmem_max", "using user-space event filtering"] {
            ensure!(log.contains(words), "no line with {words:?}:\n{log}");
        }
        Ok(())
    })
}

/// Checks a filter of ours in both places, and that the stock daemon's keeps the same.
fn filters(case: &Case) -> Result<()> {
    on_real_kernels(|| {
        let mut cluster = TEMPLATE.build()?;
        for fw in [&cluster.fw1, &cluster.fw2] {
            add_filter(fw, "Userspace", case.sets)?;
            flows::create(fw, 0, N_FLOWS)?;
        }
        cluster.fw1.start(Ours)?;
        cluster.fw2.start(Stock)?;
        for fw in [&cluster.fw1, &cluster.fw2] {
            flows::create(fw, N_FLOWS, N_FLOWS)?;
            caches_what_is_kept(&cluster, fw, case)?;
        }
        ensure!(n_filtered(&cluster.fw1)? > 0, "the daemon filters no event");
        flush_leaves_the_rest_alone(&cluster, case, "-F")?;

        cluster.fw1.stop()?;
        cluster.fw1.edit_conf("From Userspace", "From Kernelspace")?;
        cluster.fw1.edit_conf("PurgeTimeout 5", "PurgeTimeout 1")?;
        cluster.fw1.start(Ours)?;
        flows::delete_all(&cluster.fw1)?;
        flows::create(&cluster.fw1, 0, 2 * N_FLOWS)?;
        caches_what_is_kept(&cluster, &cluster.fw1, case)?;
        flows::delete_some(&cluster.fw1, 2 * N_FLOWS)?;
        caches_what_is_kept(&cluster, &cluster.fw1, case)?;
        cluster.fw1.control(&["-R"])?;
        caches_what_is_kept(&cluster, &cluster.fw1, case)?;
        ensure!(
            n_filtered(&cluster.fw1)? == 0,
            "the kernel lets excluded events through"
        );
        flush_leaves_the_rest_alone(&cluster, case, "-t")
    })
}

fn add_filter(fw: &Firewall, place: &str, sets: &str) -> Result<()> {
    fw.edit_conf(
        "General {",
        &format!("General {{\nFilter From {place} {{\n{sets}\n}}"),
    )
}

/// Waits until the internal cache holds what the kernel has and the filter keeps, and nothing else.
fn caches_what_is_kept(cluster: &Cluster, fw: &Firewall, case: &Case) -> Result<()> {
    let kernel = fw.kernel()?;
    let n_flows = kernel.n_flows();
    let kept = kernel.filter(case.keeps);
    ensure!(
        (1..n_flows).contains(&kept.n_flows()),
        "a filter that keeps {} of {n_flows} flows shows nothing",
        kept.n_flows()
    );
    let name = fw.ns.name();
    cluster.wait_until(&format!("the cache of {name} holds what is kept"), LIMIT, || {
        names(fw.internal()?).ensure_equals(&names(kept.clone()))
    })
}

/// Flushes fw1's kernel and waits until it has only what the filter excludes.
fn flush_leaves_the_rest_alone(cluster: &Cluster, case: &Case, flush: &str) -> Result<()> {
    let fw = &cluster.fw1;
    let excluded = fw.kernel()?.filter(|key, flow| !(case.keeps)(key, flow));
    fw.control(&[flush])?;
    cluster.wait_until("only excluded flows are left", LIMIT, || {
        names(fw.kernel()?).ensure_equals(&names(excluded.clone()))?;
        ensure!(fw.internal()?.n_flows() == 0, "the cache has flows yet");
        Ok(())
    })
}

/// What tells the flows apart, without all else.
fn names(table: Table) -> Table {
    table.map(|key, _| (key, Flow::default()))
}

/// How many events our daemon on a firewall has filtered.
fn n_filtered(fw: &Firewall) -> Result<u64> {
    let counters = fw.control_by(Ours, &["-s", "counters"])?;
    let line = counters
        .lines()
        .find_map(|line| line.strip_prefix("kernel_events_filtered "));
    line.context("no counter")?.parse().context("a number")
}

/// Whether the source of one direction is such an address.
fn has_source(key: &Key, flow: &Flow, is_such: impl Fn(IpAddr) -> bool) -> bool {
    let tuples = [Some(key.orig.as_str()), flow.reply.as_deref()];
    tuples.into_iter().flatten().any(|tuple| {
        let word = tuple.split(' ').next().and_then(|word| word.strip_prefix("src="));
        word.and_then(|address| address.parse().ok())
            .is_some_and(&is_such)
    })
}
