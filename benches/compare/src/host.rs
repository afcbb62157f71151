//! What a run changes on the host, each put back when its value is dropped; and what the host is.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

/// Sizes of the kernel's table, which all networks share.
const SIZES: [&str; 2] = [
    "/proc/sys/net/netfilter/nf_conntrack_max",
    "/proc/sys/net/netfilter/nf_conntrack_buckets",
];

/// The kernel's table, large enough for the load.
#[derive(Debug)]
pub(crate) struct TableSize {
    before: Vec<(&'static str, String)>,
}

impl TableSize {
    /// Raises the limit and the number of buckets where they are too small.
    ///
    /// Both tables hold the load at once; as many buckets as flows is the kernel's own proportion.
    pub(crate) fn raise(flows: u32) -> Result<Self> {
        if !Path::new(SIZES[0]).exists() {
            let modules = Command::new("modprobe")
                .args(["-a", "nf_conntrack", "nf_conntrack_netlink"])
                .status();
            modules.context("modprobe nf_conntrack nf_conntrack_netlink")?;
        }
        let wanted = (u64::from(flows) * 2).next_power_of_two();
        let mut size = Self { before: Vec::new() };
        for path in SIZES {
            let text = fs::read_to_string(path).with_context(|| format!("read {path}"))?;
            let before = text.trim();
            if before.parse::<u64>()? < wanted {
                fs::write(path, wanted.to_string()).with_context(|| {
                    format!("raise {path} to {wanted}: only the first network of the host may")
                })?;
                size.before.push((path, before.to_owned()));
            }
        }
        Ok(size)
    }
}

impl Drop for TableSize {
    fn drop(&mut self) {
        for (path, value) in self.before.drain(..) {
            if let Err(error) = fs::write(path, &value) {
                eprintln!("compare: {path} could not be set back to {value}: {error}");
            }
        }
    }
}

/// A directory for the daemons' configuration, sockets and logs.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    keep: bool,
}

impl Directory {
    /// Makes it.
    pub(crate) fn new(keep: bool) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("flowtwin-compare-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Self { path, keep })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.keep {
            eprintln!("compare: configuration and logs are in {}", self.path.display());
        } else if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("compare: {} could not be removed: {error}", self.path.display());
        }
    }
}

/// How many sockets on this machine hear of new flows, in whichever network.
///
/// As long as there is one, the kernel makes an event of every new flow, and a creation costs more
/// than twice as much.
pub(crate) fn listeners() -> Result<u64> {
    let mut sockets = BTreeSet::new();
    for process in fs::read_dir("/proc")? {
        // A process may end meanwhile, and what is no process has no such file.
        let Ok(table) = fs::read_to_string(process?.path().join("net/netlink")) else {
            continue;
        };
        sockets.extend(table.lines().filter_map(listener));
    }
    Ok(u64::try_from(sockets.len())?)
}

/// The address of the socket in a line of `/proc/net/netlink`, if it hears of new flows.
fn listener(line: &str) -> Option<String> {
    const NETFILTER: &str = "12";
    const NEW_FLOWS: u32 = 1;
    let mut columns = line.split_whitespace();
    let (socket, protocol, groups) = (columns.next()?, columns.next()?, columns.nth(1)?);
    let groups = u32::from_str_radix(groups, 16).ok()?;
    (protocol == NETFILTER && groups & NEW_FLOWS != 0).then(|| socket.to_owned())
}

/// Date, kernel, processor: what a measurement is worth nothing without.
pub(crate) fn description() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!(
        "{}, Linux {}, {model}, {cores} cores",
        first_line("date", "+%F"),
        first_line("uname", "-r")
    )
}

/// The first line a program prints; "unknown" where there is none.
pub(crate) fn first_line(program: impl AsRef<std::ffi::OsStr>, argument: &str) -> String {
    let output = Command::new(program)
        .arg(argument)
        .output()
        .map(|output| output.stdout)
        .unwrap_or_default();
    String::from_utf8_lossy(&output)
        .lines()
        .next()
        .unwrap_or("unknown")
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_that_hear_of_new_flows_count() {
        let line = |protocol, groups| format!("00000000afa5ff17 {protocol} 4097 {groups} 0 0 0 2 0 20134");
        assert_eq!(
            listener(&line("12", "00000007")).as_deref(),
            Some("00000000afa5ff17")
        );
        for (protocol, groups) in [("12", "00000006"), ("12", "00000000"), ("0", "00000007")] {
            assert_eq!(listener(&line(protocol, groups)), None);
        }
        assert_eq!(listener("sk               Eth Pid        Groups   Rmem"), None);
    }
}
