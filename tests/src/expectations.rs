//! Expectations of every kind, made in a firewall's kernel over ctnetlink: the stock tool makes none
//! with a translation.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Result, ensure};
use engine::flow::{
    Addrs, Direction, ExpectFlags, ExpectNat, Expectation, Flow, FunctionName, HelperName, L4Key, ProtoState,
    Protocol, Status, Tcp, TcpState, Tuple,
};
use engine::output::{ExpectRequest, FlowRequest};

use crate::cluster::{Cluster, Setup};
use crate::kernel::{dump_expectations, request};
use crate::netns::Namespace;
use crate::programs::Daemon;
use crate::table::TIMEOUT_SLACK_SECS;

/// How many kinds of expectation there are; number 0 is a plain one of FTP.
const N_KINDS: u16 = 5;
const TRANSLATED: u16 = 1;
const OVER_IPV6: u16 = 2;
const CLASSED: u16 = 3;
const FROM_ANYWHERE: u16 = 4;

/// Wires a cluster whose daemons replicate expectations, and starts them.
///
/// # Errors
/// When a daemon does not come up.
pub fn start(setup: Setup, on_fw1: Daemon, on_fw2: Daemon) -> Result<Cluster> {
    let mut cluster = setup.build()?;
    for (fw, daemon) in [(&mut cluster.fw1, on_fw1), (&mut cluster.fw2, on_fw2)] {
        fw.edit_conf(
            "    UDP {",
            "    Options {\n        ExpectationSync on\n    }\n    UDP {",
        )?;
        fw.start(daemon)?;
    }
    Ok(cluster)
}

/// Creates `n` masters with an expectation each.
///
/// # Errors
/// When the kernel refuses one.
pub fn create(ns: &Namespace, n: u16) -> Result<()> {
    let all = (1..=n).map(one);
    let (masters, expectations): (Vec<_>, Vec<_>) = all.unzip();
    request(ns, masters.into_iter().map(FlowRequest::Create).collect())?;
    let create = |expectation| FlowRequest::Expectation(ExpectRequest::Create(Box::new(expectation)));
    request(ns, expectations.into_iter().map(create).collect())
}

/// Deletes every second expectation.
///
/// # Errors
/// When the kernel refuses.
pub fn delete_some(ns: &Namespace) -> Result<()> {
    delete(ns, dump_expectations(ns)?.into_iter().step_by(2))
}

/// Deletes every expectation and leaves their masters in place.
///
/// # Errors
/// When the kernel refuses.
pub fn delete_all(ns: &Namespace) -> Result<()> {
    delete(ns, dump_expectations(ns)?.into_iter())
}

/// The lines of a dump of a cache, without the ages.
///
/// # Errors
/// When two are the same.
pub fn lines(dump: &str) -> Result<BTreeSet<&str>> {
    let without_age = |line: &'_ str| line.split(" [active since").next().map(str::len);
    let lines: Vec<&str> = dump
        .lines()
        .filter_map(|line| line.get(..without_age(line)?))
        .collect();
    let set: BTreeSet<&str> = lines.iter().copied().collect();
    ensure!(set.len() == lines.len(), "an expectation is there twice:\n{dump}");
    Ok(set)
}

/// Everything a commit must bring over, by expected tuple, and the seconds left.
///
/// # Errors
/// When the kernel cannot be read.
pub fn committable(ns: &Namespace) -> Result<BTreeMap<String, (String, u32)>> {
    let shown = |expectation: Expectation| {
        let secs = expectation.timeout_secs.unwrap_or_default();
        let kept = Expectation {
            id: None,
            timeout_secs: None,
            ..expectation
        };
        (format!("{:?}", kept.tuple), (format!("{kept:?}"), secs))
    };
    Ok(dump_expectations(ns)?.into_iter().map(shown).collect())
}

/// Checks that `is` is what was `wanted`, give or take some seconds of life.
///
/// # Errors
/// When they differ: shows the first that does.
pub fn ensure_equal(
    is: &BTreeMap<String, (String, u32)>,
    wanted: &BTreeMap<String, (String, u32)>,
) -> Result<()> {
    for key in is.keys().chain(wanted.keys()) {
        let is_near = match (is.get(key), wanted.get(key)) {
            (Some((is, is_secs)), Some((wanted, wanted_secs))) => {
                is == wanted && is_secs.abs_diff(*wanted_secs) <= TIMEOUT_SLACK_SECS
            }
            (None, _) | (_, None) => false,
        };
        ensure!(is_near, "is     {:?}\nwanted {:?}", is.get(key), wanted.get(key));
    }
    Ok(())
}

fn delete(ns: &Namespace, which: impl Iterator<Item = Expectation>) -> Result<()> {
    let delete = |expectation| FlowRequest::Expectation(ExpectRequest::Delete(Box::new(expectation)));
    request(ns, which.map(delete).collect())
}

/// The master number `i`, and what it foretells.
fn one(i: u16) -> (Flow, Expectation) {
    let kind = i % N_KINDS;
    let (proto, port, helper) = match kind {
        CLASSED => (Protocol::UDP, 5060, "sip"),
        FROM_ANYWHERE => (Protocol::UDP, 69, "tftp"),
        _ => (Protocol::TCP, 21, "ftp"),
    };
    let (addrs, ones) = addrs(kind);
    let with_ports = |addrs, src, dst| Tuple {
        addrs,
        proto,
        key: L4Key::Ports { src, dst },
    };
    let master = with_ports(addrs, 1_000 + i, port);
    let flow = Flow {
        status: Some(Status::SEEN_REPLY | Status::ASSURED | Status::CONFIRMED),
        timeout_secs: Some(600),
        proto: match proto {
            Protocol::TCP => ProtoState::Tcp(Tcp::in_state(TcpState::ESTABLISHED)),
            _ => ProtoState::None,
        },
        helper: HelperName::from_bytes(helper.as_bytes()).ok(),
        ..Flow::new(master)
    };
    let (saved, anywhere) = (Ipv4Addr::new(10, 11, 0, 9), Ipv4Addr::UNSPECIFIED);
    let nat = ExpectNat {
        direction: Direction::Reply,
        tuple: with_ports(
            Addrs::V4 {
                src: saved,
                dst: anywhere,
            },
            7_777,
            0,
        ),
    };
    let function = FunctionName::from_bytes(b"nat-follow-master").ok();
    let expectation = Expectation {
        master,
        tuple: with_ports(addrs.mirrored(), 0, 20_000 + i),
        mask: with_ports(ones, 0, 0xffff),
        timeout_secs: None,
        id: None,
        zone: None,
        flags: Some(ExpectFlags(u32::from(i) % 4)),
        class: Some(u32::from(kind == CLASSED) * 2),
        nat: (kind == TRANSLATED).then_some(nat),
        helper: None,
        function: function.filter(|_| kind == TRANSLATED),
    };
    (flow, expectation)
}

/// Addresses of a master, and the mask of those of the expected flow.
fn addrs(kind: u16) -> (Addrs, Addrs) {
    if kind == OVER_IPV6 {
        let host = |net| Ipv6Addr::new(net, 0, 0, 0, 0, 0, 0, 1);
        let (src, dst, ones) = (host(0xfd11), host(0xfd12), Ipv6Addr::from_bits(u128::MAX));
        return (Addrs::V6 { src, dst }, Addrs::V6 { src: ones, dst: ones });
    }
    let (src, dst) = (Ipv4Addr::new(10, 11, 0, 1), Ipv4Addr::new(10, 12, 0, 1));
    let ones = Ipv4Addr::BROADCAST;
    let of_src = if kind == FROM_ANYWHERE {
        Ipv4Addr::UNSPECIFIED
    } else {
        ones
    };
    (
        Addrs::V4 { src, dst },
        Addrs::V4 {
            src: of_src,
            dst: ones,
        },
    )
}
