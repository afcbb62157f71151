//! Client, two firewalls and server, wired together.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, ensure};

use crate::conf::{Conf, Link, Mode, Transport};
use crate::firewall::Firewall;
use crate::netns::Namespace;
use crate::programs::Daemon;
use crate::wait::{LIMIT, Watched, wait_until};

/// Who gives the gateway addresses to a firewall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateway {
    /// Both firewalls carry the same hardware and network addresses, and the backup's interfaces are down: a
    /// takeover sets them up, as with a virtual router's address. No neighbour has anything to learn.
    Shared,
    /// Each firewall has addresses of its own; an HA manager moves the gateway's.
    Managed,
}

/// What a scenario needs.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// How the daemons replicate.
    pub mode: Mode,
    /// What carries the sync link.
    pub transport: Transport,
    /// The family of the sync link.
    pub link: Link,
    /// How many sync links there are, one or two.
    pub n_links: u8,
    /// Who moves the gateway addresses.
    pub gateway: Gateway,
    /// Clauses of the mode block, of fw1 and of fw2.
    pub mode_clauses: [&'static str; 2],
    /// Clauses of `General`, of fw1 and of fw2.
    pub general_clauses: [&'static str; 2],
}

/// FT-FW over UDP and IPv4 on a link without loss.
pub const TEMPLATE: Setup = Setup {
    mode: Mode::FtFw,
    transport: Transport::Udp,
    link: Link::V4,
    n_links: 1,
    gateway: Gateway::Shared,
    mode_clauses: ["", ""],
    general_clauses: ["", ""],
};

/// Four namespaces and a directory; all of it goes when dropped.
#[derive(Debug)]
pub struct Cluster {
    /// Where streams start.
    pub client: Namespace,
    /// Primary at the beginning.
    pub fw1: Firewall,
    /// Backup at the beginning.
    pub fw2: Firewall,
    /// Where streams end.
    pub server: Namespace,
    /// Goes last: a daemon that a script has started is ended by way of its configuration.
    _dir: Directory,
}

impl Setup {
    /// Wires the cluster; no daemon runs yet.
    ///
    /// # Errors
    /// When a namespace, an interface, an address or a rule cannot be made.
    pub fn build(self) -> Result<Cluster> {
        let dir = Directory::new();
        let [fw1, fw2] = [("fw1", 0), ("fw2", 1)].map(|(name, node)| self.firewall(name, node, &dir));
        let cluster = Cluster {
            client: Namespace::new("client")?,
            fw1: fw1?,
            fw2: fw2?,
            server: Namespace::new("server")?,
            _dir: dir,
        };
        self.wire(&cluster).context("wire the cluster")?;
        Ok(cluster)
    }

    /// Wires the cluster and starts both daemons.
    ///
    /// # Errors
    /// As [`Self::build`], or when a daemon does not start.
    pub fn start(self, on_fw1: Daemon, on_fw2: Daemon) -> Result<Cluster> {
        let mut cluster = self.build()?;
        cluster.fw1.start(on_fw1)?;
        cluster.fw2.start(on_fw2)?;
        Ok(cluster)
    }

    /// A firewall of this set-up in a namespace without wires; its clauses are those of fw1 or, from node 1 on, fw2.
    pub(crate) fn firewall(self, name: &'static str, node: u8, dir: &Directory) -> Result<Firewall> {
        let ns = Namespace::new(name)?;
        let dir = dir.0.join(name);
        let clauses_of = usize::from(node.min(1));
        let conf = Conf {
            mode: self.mode,
            transport: self.transport,
            link: self.link,
            n_links: self.n_links,
            mode_clauses: self.mode_clauses[clauses_of],
            general_clauses: self.general_clauses[clauses_of],
            node,
            dir: &dir,
        }
        .text();
        Firewall::new(ns, dir, &conf)
    }

    fn wire(self, cluster: &Cluster) -> Result<()> {
        let Cluster {
            client,
            fw1,
            fw2,
            server,
            ..
        } = cluster;
        for link in 0..self.n_links {
            fw1.ns.ip(&format!(
                "link add sync{link} type veth peer name sync{link} netns {}",
                fw2.ns.path()
            ))?;
        }
        for (end, side) in [(client, "lan"), (server, "wan")] {
            end.ip(&format!(
                "link add {side} type bridge forward_delay 0 stp_state 0 mcast_snooping 0"
            ))?;
            for (fw, port) in [(fw1, "fw1"), (fw2, "fw2")] {
                end.ip(&format!(
                    "link add {port} type veth peer name {side}0 netns {}\nlink set {port} master {side} up",
                    fw.ns.path()
                ))?;
            }
        }
        client.ip(
            "addr add 10.1.0.10/16 dev lan\naddr add fd01::10/64 dev lan nodad\nlink set lan up\n\
                   route add default via 10.1.0.1\nroute add default via fd01::1",
        )?;
        server.ip("addr add 10.2.0.10/16 dev wan\naddr add fd02::10/64 dev wan nodad\nlink set wan up")?;
        for (node, fw) in [(0, fw1), (1, fw2)] {
            self.wire_firewall(node, &fw.ns)?;
        }
        for fw in [fw1, fw2] {
            self.wait_for_carrier(&fw.ns)?;
        }
        match self.gateway {
            Gateway::Shared => cluster.uplinks(&fw1.ns, "up"),
            Gateway::Managed => Ok(()),
        }
    }

    /// Waits until the sync links carry: the kernel drops what is sent before, for up to a second, silently.
    pub(crate) fn wait_for_carrier(self, ns: &Namespace) -> Result<()> {
        let what = format!("the sync links of {} carry", ns.name());
        wait_until(&what, LIMIT, &[], || {
            for link in 0..self.n_links {
                let shown = ns.run("ip", &["-oneline", "link", "show", &format!("sync{link}")])?;
                ensure!(shown.contains(" state UP "), "{shown}");
            }
            Ok(())
        })
    }

    fn wire_firewall(self, node: u8, ns: &Namespace) -> Result<()> {
        for (key, value) in SYSCTLS {
            ns.sysctl(key, value)?;
        }
        for link in 0..self.n_links {
            ns.ip(&address_sync_link(link, node))?;
        }
        // Shared addresses include the link-local one, which neighbour discovery asks from.
        let addresses = match self.gateway {
            Gateway::Shared => "link set lan0 address 02:00:5e:00:01:01 addrgenmode none\n\
                 link set wan0 address 02:00:5e:00:01:02 addrgenmode none\n\
                 addr add 10.1.0.1/16 dev lan0\naddr add fd01::1/64 dev lan0 nodad\n\
                 addr add 10.2.0.1/16 dev wan0\naddr add fd02::1/64 dev wan0 nodad\n\
                 addr add fe80::1/64 dev lan0 nodad\naddr add fe80::1/64 dev wan0 nodad"
                .to_owned(),
            Gateway::Managed => format!(
                "addr add 10.1.0.{own}/16 dev lan0\naddr add fd01::{own}/64 dev lan0 nodad\n\
                 addr add 10.2.0.{own}/16 dev wan0\naddr add fd02::{own}/64 dev wan0 nodad\n\
                 link set lan0 up\nlink set wan0 up",
                own = node + 2
            ),
        };
        ns.ip(&addresses)?;
        ns.nft(RULES)
    }
}

impl Cluster {
    /// Waits for a condition; its failure shows what both daemons printed.
    ///
    /// # Errors
    /// As [`wait_until`].
    pub fn wait_until<T>(
        &self,
        what: &str,
        limit: Duration,
        condition: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        wait_until(what, limit, &self.watched()?, condition)
            .with_context(|| format!("{}{}", self.fw1.log(), self.fw2.log()))
    }

    /// The daemons that we have started, to be watched while waiting.
    ///
    /// # Errors
    /// When the kernel gives no handle of one.
    pub fn watched(&self) -> Result<Vec<Watched>> {
        let (of_fw1, of_fw2) = (self.fw1.watched()?, self.fw2.watched()?);
        Ok(of_fw1.into_iter().chain(of_fw2).collect())
    }

    /// Loses `percent` of the packets on the first sync link from here on, each way; 0 for none.
    ///
    /// # Errors
    /// When a rule cannot be made.
    pub fn lose(&self, percent: u8) -> Result<()> {
        let rules = format!(
            "table netdev loss\ndelete table netdev loss\n\
             table netdev loss {{\n chain sync {{\n type filter hook ingress device sync0 priority 0;\n \
             numgen random mod 100 < {percent} drop\n }}\n}}\n"
        );
        self.fw1.ns.nft(&rules)?;
        self.fw2.ns.nft(&rules)
    }

    /// Deletes the first sync link and makes it again: same names and addresses, other interfaces.
    ///
    /// # Errors
    /// When an interface or an address cannot be made.
    pub fn replace_sync_link(&self) -> Result<()> {
        self.fw1.ns.ip(&format!(
            "link delete sync0\nlink add sync0 type veth peer name sync0 netns {}",
            self.fw2.ns.path()
        ))?;
        for (node, fw) in [(0, &self.fw1), (1, &self.fw2)] {
            fw.ns.ip(&address_sync_link(0, node))?;
        }
        Ok(())
    }

    /// Cuts fw1 off every wire at once, as its death would.
    ///
    /// # Errors
    /// When an interface cannot be set down.
    pub fn cut_off_fw1(&self) -> Result<()> {
        self.set_wires_of_fw1("down")?;
        self.fw2.ns.ip("link set sync0 down")
    }

    /// Sets the wires from fw1 to client and server down or up; the sync link stays.
    ///
    /// # Errors
    /// When an interface cannot be set.
    pub fn set_wires_of_fw1(&self, state: &str) -> Result<()> {
        self.client.ip(&format!("link set fw1 {state}"))?;
        self.server.ip(&format!("link set fw1 {state}"))
    }

    /// Gives the shared gateway addresses to fw2.
    ///
    /// # Errors
    /// When an interface cannot be set up.
    pub fn take_over_by_fw2(&self) -> Result<()> {
        self.uplinks(&self.fw2.ns, "up")
    }

    fn uplinks(&self, fw: &Namespace, state: &str) -> Result<()> {
        fw.ip(&format!("link set lan0 {state}\nlink set wan0 {state}"))
    }
}

/// Commands of `ip` that give a sync link the addresses of a node and set it up.
pub(crate) fn address_sync_link(link: u8, node: u8) -> String {
    let [v4, v6] = [Link::V4, Link::V6].map(|family| family.address(link, node));
    let dev = format!("dev sync{link}");
    format!("addr add {v4}/24 {dev}\naddr add {v6}/64 {dev} nodad\nlink set {dev} up")
}

/// A directory that goes when dropped.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

impl Directory {
    /// Names a directory that nobody else has.
    pub(crate) fn new() -> Self {
        static NAMED: AtomicU32 = AtomicU32::new(0);
        let n = NAMED.fetch_add(1, Ordering::Relaxed);
        Self(env::temp_dir().join(format!("flowtwin-{}-{n}", std::process::id())))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // One that will not go is in the temporary files, where the system's own cleaning finds it.
        drop(fs::remove_dir_all(&self.0));
    }
}

/// The server's addresses.
pub(crate) const SERVER: [&str; 2] = ["10.2.0.10", "fd02::10"];

/// Keys below `/proc/sys/net` and their values, on the firewalls.
pub(crate) const SYSCTLS: [(&str, &str); 5] = [
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    // A flow nobody knows stays unknown: without a replicated table every stream dies.
    ("netfilter/nf_conntrack_tcp_loose", "0"),
    ("netfilter/nf_conntrack_events", "1"),
    ("netfilter/nf_conntrack_acct", "1"),
];

/// A stateful firewall: what it knows and what starts properly passes, the rest is dropped.
///
/// The rule on label 3 never matters; a table that names labels makes the kernel give flows room for them.
pub(crate) const RULES: &str = r#"
table inet firewall {
    ct helper ftp {
        type "ftp" protocol tcp
    }
    counter refused {
    }
    chain untracked_in {
        type filter hook prerouting priority raw
        iifname "sync*" notrack
    }
    chain untracked_out {
        type filter hook output priority raw
        oifname "sync*" notrack
    }
    chain helpers {
        type filter hook prerouting priority filter
        tcp dport 21 ct helper set "ftp"
    }
    chain forward {
        type filter hook forward priority filter; policy drop
        ct label 3 counter
        ct state established,related accept
        tcp flags & (fin | syn | rst | ack) == syn ct state new accept
        iifname "lan0" udp dport 5000 ct state new accept
        counter name refused drop
    }
    chain input {
        type filter hook input priority filter; policy drop
        iifname { "lo", "sync0", "sync1" } accept
        meta l4proto 112 accept
        icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } accept
        counter drop
    }
}
table ip source_nat {
    chain out {
        type nat hook postrouting priority srcnat
        oifname "wan0" ip saddr 10.1.0.0/16 snat to 10.2.0.1
    }
}
table ip6 source_nat {
    chain out {
        type nat hook postrouting priority srcnat
        oifname "wan0" ip6 saddr fd01::/64 snat to fd02::1
    }
}
"#;
