//! Three firewalls that share one sync link.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::cluster::{Directory, RULES, SYSCTLS, Setup, address_sync_link};
use crate::conf::Transport;
use crate::firewall::Firewall;
use crate::netns::Namespace;
use crate::programs::Daemon;
use crate::table::Table;
use crate::wait::{Watched, wait_until};

const NAMES: [&str; 3] = ["fw1", "fw2", "fw3"];

/// Three firewalls, each with a port of one bridge, and nobody beyond them: their flows are made by hand.
#[derive(Debug)]
pub struct Trio {
    /// All alike.
    pub firewalls: [Firewall; 3],
    /// Where the bridge is.
    _switch: Namespace,
    /// Goes last.
    _dir: Directory,
}

impl Trio {
    /// Wires three firewalls and starts a daemon on each; the transport is multicast, the sync link one.
    ///
    /// # Errors
    /// When a namespace, an interface or an address cannot be made, or a daemon does not start.
    pub fn start(setup: Setup, daemon: Daemon) -> Result<Self> {
        let setup = Setup {
            transport: Transport::Multicast,
            n_links: 1,
            ..setup
        };
        let dir = Directory::new();
        let switch = Namespace::new("switch")?;
        switch
            .ip("link add sync type bridge forward_delay 0 stp_state 0 mcast_snooping 0\nlink set sync up")?;
        let firewall = |node: u8| -> Result<Firewall> {
            let name = NAMES[usize::from(node)];
            let fw = setup.firewall(name, node, &dir)?;
            for (key, value) in SYSCTLS {
                fw.ns.sysctl(key, value)?;
            }
            switch.ip(&format!(
                "link add {name} type veth peer name sync0 netns {}\nlink set {name} master sync up",
                fw.ns.path()
            ))?;
            fw.ns.ip(&address_sync_link(0, node))?;
            fw.ns.nft(RULES)?;
            setup.wait_for_carrier(&fw.ns)?;
            Ok(fw)
        };
        let mut trio = Self {
            firewalls: [firewall(0)?, firewall(1)?, firewall(2)?],
            _switch: switch,
            _dir: dir,
        };
        for fw in &mut trio.firewalls {
            fw.start(daemon)?;
        }
        Ok(trio)
    }

    /// Checks that each external cache is all that the kernels of the two others have, as far as `sender` tells it.
    ///
    /// # Errors
    /// When one is not: names the firewall.
    pub fn ensure_replicas(&self, sender: Daemon) -> Result<()> {
        let kernels: Vec<_> = self
            .firewalls
            .iter()
            .map(|fw| Ok(fw.kernel()?.as_told_by(sender).as_cached()))
            .collect::<Result<_>>()?;
        for (node, fw) in self.firewalls.iter().enumerate() {
            let others = kernels.iter().enumerate().filter(|(other, _)| *other != node);
            let wanted = others.fold(Table::default(), |all, (_, kernel)| all.and(kernel.clone()));
            fw.external()?
                .as_told_by(sender)
                .ensure_equals(&wanted)
                .with_context(|| format!("external cache of {}", fw.ns.name()))?;
        }
        Ok(())
    }

    /// Waits for a condition; its failure shows what the daemons printed.
    ///
    /// # Errors
    /// As [`wait_until`].
    pub fn wait_until<T>(
        &self,
        what: &str,
        limit: Duration,
        condition: impl FnMut() -> Result<T>,
    ) -> Result<T> {
        let watched: Vec<Vec<Watched>> = self
            .firewalls
            .iter()
            .map(Firewall::watched)
            .collect::<Result<_>>()?;
        let watched: Vec<_> = watched.into_iter().flatten().collect();
        let logs = || self.firewalls.iter().map(Firewall::log).collect::<String>();
        wait_until(what, limit, &watched, condition).with_context(logs)
    }
}
