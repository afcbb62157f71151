//! Network namespaces without a name: they are gone when nothing holds them, however a run ends.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::panic::resume_unwind;
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use nix::sched::{CloneFlags, setns, unshare};

use crate::load;

/// One firewall's network.
#[derive(Debug)]
pub(crate) struct Namespace {
    file: File,
}

impl Namespace {
    /// Makes an empty network.
    pub(crate) fn new() -> Result<Self> {
        let made = thread::scope(|scope| {
            scope
                .spawn(|| -> Result<File> {
                    unshare(CloneFlags::CLONE_NEWNET)?;
                    Ok(File::open("/proc/thread-self/ns/net")?)
                })
                .join()
        });
        let file = made
            .unwrap_or_else(|panic| resume_unwind(panic))
            .context("make a network namespace")?;
        Ok(Self { file })
    }

    /// Does `work` in this network, in a thread that enters it and ends with the work.
    ///
    /// A process that `work` starts stays in it.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let done = thread::scope(|scope| {
            scope
                .spawn(|| -> Result<T> {
                    setns(&self.file, CloneFlags::CLONE_NEWNET).context("enter a network namespace")?;
                    work()
                })
                .join()
        });
        done.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Runs `ip` in this network.
    fn ip(&self, arguments: &str) -> Result<()> {
        let output = self.enter(|| {
            Command::new("ip")
                .args(arguments.split_whitespace())
                .output()
                .context("ip is not here: install iproute2")
        })?;
        let message = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "ip {arguments}: {}", message.trim());
        Ok(())
    }

    /// Joins two networks by the interface `sync0` in both, with an address in each.
    pub(crate) fn join(&self, other: &Self, addresses: [&str; 2]) -> Result<()> {
        let there = format!("/proc/{}/fd/{}", std::process::id(), other.file.as_raw_fd());
        self.ip(&format!("link add sync0 type veth peer name sync0 netns {there}"))?;
        for (namespace, address) in [self, other].into_iter().zip(addresses) {
            namespace.ip(&format!("address add {address}/24 dev sync0"))?;
            namespace.ip("link set sync0 up")?;
            namespace.ip("link set lo up")?;
        }
        Ok(())
    }

    /// Sets one of this network's own settings of connection tracking.
    pub(crate) fn set(&self, name: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/net/netfilter/{name}");
        self.enter(|| std::fs::write(&path, value).with_context(|| format!("write {value} to {path}")))
    }

    /// The number of flows in this network's table.
    pub(crate) fn flows(&self) -> Result<u64> {
        self.enter(|| {
            let text = std::fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count")?;
            Ok(text.trim().parse()?)
        })
    }
}

impl Drop for Namespace {
    /// Empties the table: the kernel otherwise does it some time after the last user is gone, beside
    /// the next measurement.
    fn drop(&mut self) {
        if let Err(error) = self.enter(load::flush) {
            eprintln!("compare: the flow table of a network could not be emptied: {error:#}");
        }
    }
}
