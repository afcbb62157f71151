//! The programs under test and those they are measured against.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::netns::Namespace;

/// Whose daemon, and whose client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Daemon {
    /// The one this workspace builds.
    Ours,
    /// The one of the distribution's package `conntrackd`.
    Stock,
}

/// Where the distribution puts the stock daemon.
const STOCK_CONNTRACKD: &str = "/usr/sbin/conntrackd";

impl Daemon {
    /// The program file.
    ///
    /// # Errors
    /// When it is not there: says how to get it.
    pub fn program(self) -> Result<PathBuf> {
        match self {
            Self::Ours => ours("conntrackd"),
            Self::Stock => existing(
                PathBuf::from(STOCK_CONNTRACKD),
                "install the Debian package conntrackd",
            ),
        }
    }
}

/// The stock tool that writes and reads kernel tables.
pub const fn conntrack() -> &'static str {
    "/usr/sbin/conntrack"
}

/// The tool that this workspace builds.
///
/// # Errors
/// When it is not there: says how to get it.
pub fn our_conntrack() -> Result<PathBuf> {
    ours("conntrack")
}

/// A program of this workspace: in `FLOWTWIN_BIN_DIR`, else where cargo puts programs beside this one.
fn ours(name: &str) -> Result<PathBuf> {
    let dir = match std::env::var_os("FLOWTWIN_BIN_DIR") {
        Some(dir) => PathBuf::from(dir),
        None => cargo_bin_dir()?,
    };
    existing(dir.join(name), "build it first: cargo build --workspace --bins")
}

/// `target/PROFILE`: the directory of this program, or the one above `deps`.
fn cargo_bin_dir() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("where this program is")?;
    let dir = exe.parent().context("a program is in a directory")?;
    let above = dir.parent().filter(|_| dir.ends_with("deps"));
    Ok(above.unwrap_or(dir).to_owned())
}

fn existing(path: PathBuf, advice: &str) -> Result<PathBuf> {
    if !path.exists() {
        bail!("{} is missing; {advice}", path.display());
    }
    Ok(path)
}

/// Runs a test that needs a real kernel, or says in one line why it is skipped.
///
/// # Errors
/// The test's, and in CI (environment variable `CI`) the skip itself.
pub fn on_real_kernels(test: impl FnOnce() -> Result<()>) -> Result<()> {
    match missing() {
        None => test(),
        Some(reason) if std::env::var_os("CI").is_some() => bail!("in CI a skip is a failure: {reason}"),
        Some(reason) => writeln!(std::io::stdout().lock(), "skipped, because {reason}").context("say so"),
    }
}

/// What this machine lacks for a kernel test.
pub fn missing() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("network namespaces need root".into());
    }
    if let Some(tool) = TOOLS.into_iter().find(|tool| !Path::new(tool).exists()) {
        return Some(format!("{tool} is not installed"));
    }
    // A container's root may not make namespaces; a kernel may have no connection tracking.
    let probe = Namespace::new("probe").and_then(|ns| ns.run(conntrack(), &["-L"]));
    probe
        .err()
        .map(|error| format!("this kernel or container does not let us: {error:#}"))
}

/// What the tests run, beside the shell and what comes with it.
const TOOLS: [&str; 5] = [
    "/usr/sbin/nft",
    "/usr/sbin/keepalived",
    "/usr/bin/setpriv",
    conntrack(),
    STOCK_CONNTRACKD,
];
