//! Flows of every kind, made and deleted in a firewall's kernel by the stock `conntrack`.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result};

use crate::firewall::Firewall;

/// Names of labels, in the form of `connlabel.conf`.
pub const LABELS: &str = "1 first\n40 bulk\n127 last\n";

/// Marks of the flows, in turn.
const MARKS: [u32; 3] = [0, 7, 0xfeed];

/// How many kinds of flow there are.
const N_KINDS: u16 = 16;

/// Creates `n_flows` flows of mixed protocols, families, NAT, marks and zones, from number `first` on.
///
/// # Errors
/// When the tool fails.
pub fn create(fw: &Firewall, first: u16, n_flows: u16) -> Result<()> {
    for (turn, mark) in (0..).zip(MARKS) {
        // One file a mark: the stock tool gives all flows of a file the mark of its last line.
        let numbers = (first..first + n_flows).filter(|i| i % 3 == turn);
        let mark = if mark == 0 {
            String::new()
        } else {
            format!(" -m {mark}")
        };
        let lines: String = numbers.map(|i| format!("-I {}{mark}\n", options(i))).collect();
        load(fw, &lines)?;
    }
    Ok(())
}

/// Creates flows of GRE, UDP-Lite, SCTP, UDP and ICMP between the same two hosts, `n_each` of each.
///
/// # Errors
/// When the tool fails.
pub fn create_between_two_hosts(fw: &Firewall, n_each: u16) -> Result<()> {
    let kinds = |i: u16| {
        [
            format!("-p gre --srckey {i} --dstkey 7"),
            format!("-p udplite --sport {i} --dport 7"),
            format!("-p sctp --sport {i} --dport 7 --state ESTABLISHED --orig-vtag {i} --reply-vtag 7"),
            format!("-p udp --sport {i} --dport 7"),
            format!("-p icmp --icmp-type 8 --icmp-code 0 --icmp-id {i}"),
        ]
    };
    let line = |kind| format!("-I -s 10.11.0.1 -d 10.12.0.1 -t 600 -u SEEN_REPLY {kind}\n");
    load(fw, &(1..=n_each).flat_map(kinds).map(line).collect::<String>())
}

/// Carries out a file of commands.
fn load(fw: &Firewall, lines: &str) -> Result<()> {
    let file = fw.dir().join("flows");
    fs::write(&file, lines)?;
    fw.conntrack(&["-R", file.to_str().context("a path in UTF-8")?])
        .map(drop)
}

/// Deletes a part of the flows 0 to `n_flows`, between a quarter and a half, some of every kind.
///
/// # Errors
/// When the tool fails, which it does when there is nothing to delete.
pub fn delete_some(fw: &Firewall, n_flows: u16) -> Result<()> {
    // Those whose numbers have no higher bits than these.
    let n_bits = (n_flows / 2).ilog2();
    let v4_net = format!("{}/{}", v4(11, 0), 32 - n_bits);
    let v6_net = format!("{}/{}", v6(0x11, 0), 128 - n_bits);
    fw.conntrack(&["-D", "-f", "ipv4", "-s", &v4_net])?;
    fw.conntrack(&["-D", "-f", "ipv6", "-s", &v6_net]).map(drop)
}

/// Empties the kernel's table.
///
/// # Errors
/// When the tool fails.
pub fn delete_all(fw: &Firewall) -> Result<()> {
    fw.conntrack(&["-F"]).map(drop)
}

/// The options that make flow number `i`. No two flows share their pair of addresses.
fn options(i: u16) -> String {
    let (v4, v6) = (|net| v4(net, i), |net| v6(net, i));
    let (port, tag) = (1024 + i % 60000, u32::from(i) * 77 + 1);
    let ipv4 = format!("-s {} -d {}", v4(11), v4(12));
    let ipv6 = format!("-s {} -d {}", v6(0x11), v6(0x12));
    let either = if (i / N_KINDS).is_multiple_of(2) {
        &ipv4
    } else {
        &ipv6
    };
    let is_open = "--state ESTABLISHED -u SEEN_REPLY,ASSURED";
    let kind = match i % N_KINDS {
        0 => format!("{ipv4} -p tcp --sport {port} --dport 80 {is_open}"),
        1 => format!("{ipv6} -p tcp --sport {port} --dport 80 {is_open}"),
        2 => format!("{ipv4} -p udp --sport {port} --dport 53 -u SEEN_REPLY"),
        3 => format!("{ipv6} -p udp --sport {port} --dport 53"),
        4 => format!("{ipv4} -p icmp --icmp-type 8 --icmp-code 0 --icmp-id {port} -u SEEN_REPLY"),
        5 => format!("{ipv6} -p icmpv6 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id {port} -u SEEN_REPLY"),
        6 => format!(
            "{either} -p sctp --sport {port} --dport 36412 --orig-vtag {tag} --reply-vtag {i} {is_open}"
        ),
        7 => format!("{either} -p gre --srckey {port} --dstkey {i} -u SEEN_REPLY"),
        8 => format!("{either} -p udplite --sport {port} --dport 5004 -u SEEN_REPLY"),
        9 => format!("{either} -p dccp --sport {port} --dport 5005 --state OPEN --role client -u SEEN_REPLY"),
        10 => format!("{either} -p 99 -u SEEN_REPLY"),
        11 => format!(
            "{ipv4} -p tcp --sport {port} --dport 443 -n {}:{} {is_open}",
            v4(13),
            30000 + i % 30000
        ),
        12 => format!(
            "{ipv4} -p tcp --sport {port} --dport 8080 -g {}:80 {is_open}",
            v4(14)
        ),
        13 => format!(
            "{ipv4} -p udp --sport {port} --dport 4500 -n {} -g {} -u SEEN_REPLY,ASSURED",
            v4(13),
            v4(14)
        ),
        14 => format!(
            "{ipv6} -p tcp --sport {port} --dport 443 -n [{}]:{} {is_open}",
            v6(0x13),
            30000 + i % 30000
        ),
        _ => format!(
            "{ipv4} -p tcp --sport {port} --dport 22 -w {} --state SYN_RECV -u SEEN_REPLY",
            1 + i % 5
        ),
    };
    format!("{kind} -t 600")
}

/// The IPv4 address of flow `i` in a net of its role.
fn v4(net: u8, i: u16) -> Ipv4Addr {
    let [high, low] = i.to_be_bytes();
    Ipv4Addr::new(10, net, high, low)
}

/// The IPv6 address of flow `i` in a net of its role.
fn v6(net: u16, i: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00 + net, 0, 0, 0, 0, 0, 0, i)
}
