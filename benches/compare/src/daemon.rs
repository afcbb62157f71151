//! A daemon under measurement: its configuration, its life, and what it and the kernel say about it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::time::ClockId;
use nix::unistd::Pid;

use crate::host;
use crate::namespace::Namespace;
use crate::wait::Waiter;

/// Receive buffer of the event socket at the start, as the kernel counts it.
pub(crate) const EVENT_BUFFER: usize = 8 << 20;
/// How long a daemon may take to start or to end.
const LIFE_STEPS: u32 = 400;
const LIFE_STEP: Duration = Duration::from_millis(50);

/// A make of daemon.
#[derive(Debug)]
pub(crate) struct Kind {
    /// What it is called in the tables.
    pub name: &'static str,
    /// Its program, daemon and client in one.
    pub program: PathBuf,
    /// What it says of itself.
    pub version: String,
}

impl Kind {
    /// A make whose program is there.
    pub(crate) fn new(name: &'static str, program: PathBuf) -> Result<Self> {
        ensure!(
            program.is_file(),
            "{} (the {name} daemon) is not there",
            program.display()
        );
        let version = host::first_line(&program, "-v");
        Ok(Self {
            name,
            program,
            version,
        })
    }
}

/// Where a daemon runs and whom it talks to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    /// Its network.
    pub namespace: &'a Namespace,
    /// Its name in file names.
    pub name: &'static str,
    /// Its address on the sync link.
    pub address: &'static str,
    /// The address of its peer.
    pub peer: &'static str,
}

/// A running daemon; killed when dropped.
#[derive(Debug)]
pub(crate) struct Daemon<'a> {
    kind: &'a Kind,
    place: Place<'a>,
    config: PathBuf,
    log: PathBuf,
    child: Child,
}

impl<'a> Daemon<'a> {
    /// Starts a daemon and returns when it answers.
    pub(crate) fn start(
        kind: &'a Kind,
        place: Place<'a>,
        directory: &Path,
        flows: u32,
        waiter: &Waiter,
    ) -> Result<Self> {
        let stem = directory.join(place.name);
        let (config, log) = (stem.with_extension("conf"), stem.with_extension("log"));
        fs::write(&config, configuration(&stem, place, flows))?;
        let output = fs::File::create(&log)?;
        let errors = output.try_clone()?;
        let mut command = Command::new(&kind.program);
        command
            .arg("-C")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        let child = place
            .namespace
            .enter(|| command.spawn().context("start the daemon"))?;
        let mut daemon = Self {
            kind,
            place,
            config,
            log,
            child,
        };
        for _ in 0..LIFE_STEPS {
            daemon.check()?;
            if daemon.ask(&["-s", "cache"]).is_ok() {
                return Ok(daemon);
            }
            waiter.wait(LIFE_STEP)?;
        }
        bail!("{} does not answer: {}", place.name, daemon.last_words())
    }

    /// Runs the client beside the daemon and returns what it prints.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.kind.program);
        command.arg("-C").arg(&self.config).args(arguments);
        let output = self.place.namespace.enter(|| Ok(command.output()?))?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "conntrackd {}: {}: {errors}",
            arguments.join(" "),
            output.status
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The live entries of the cache `name`.
    pub(crate) fn entries(&mut self, name: &str) -> Result<u64> {
        self.check()?;
        number(
            &self.ask(&["-s", "cache"])?,
            &format!("cache:{name}"),
            "active/total entries:",
        )
    }

    /// How often the kernel had to tell that events were lost.
    pub(crate) fn overruns(&self) -> Result<u64> {
        number(
            &self.ask(&["-s", "runtime"])?,
            "netlink stats",
            "netlink overrun:",
        )
    }

    /// CPU time of all threads of the daemon so far, in user space and in the kernel.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        Ok(ClockId::pid_cpu_clock_id(self.pid()?)?.now()?.into())
    }

    /// Memory of the daemon that is resident, in bytes.
    pub(crate) fn memory(&self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        Ok(number(&text, "", "Rss:")? * 1024)
    }

    /// Asks the daemon to end and waits for it.
    pub(crate) fn stop(mut self, waiter: &Waiter) -> Result<()> {
        kill(self.pid()?, Signal::SIGTERM)?;
        for _ in 0..LIFE_STEPS {
            if let Some(status) = self.child.try_wait()? {
                ensure!(
                    status.success(),
                    "{} ended with {status}: {}",
                    self.place.name,
                    self.last_words()
                );
                return Ok(());
            }
            waiter.wait(LIFE_STEP)?;
        }
        bail!("{} does not end", self.place.name)
    }

    /// Ends the daemon at once.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Fails when the daemon is no more.
    fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} died with {status}: {}", self.place.name, self.last_words()),
        }
    }

    fn pid(&self) -> Result<Pid> {
        Ok(Pid::from_raw(self.child.id().try_into()?))
    }

    /// The end of what the daemon printed.
    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let killed = self.child.kill().and_then(|()| self.child.wait());
            if let Err(error) = killed {
                eprintln!("compare: the daemon {} is left running: {error}", self.child.id());
            }
        }
    }
}

/// The same configuration for both kinds, apart from addresses and file names.
fn configuration(stem: &Path, place: Place<'_>, flows: u32) -> String {
    let Place { address, peer, .. } = place;
    let stem = stem.display();
    let buckets = flows.next_power_of_two();
    let limit = u64::from(flows) * 4;
    format!(
        "\
Sync {{
	Mode FTFW {{
		ResendQueueSize 131072
		ACKWindowSize 300
	}}
	UDP {{
		IPv4_address {address}
		IPv4_Destination_Address {peer}
		Port 3780
		Interface sync0
		SndSocketBuffer 8388608
		RcvSocketBuffer 8388608
		Checksum on
	}}
}}
General {{
	HashSize {buckets}
	HashLimit {limit}
	LogFile off
	Syslog off
	LockFile {stem}.lock
	UNIX {{
		Path {stem}.ctl
	}}
	NetlinkBufferSize {EVENT_BUFFER}
	NetlinkBufferSizeMaxGrowth 33554432
	NetlinkOverrunResync on
	EventIterationLimit 100
	Scheduler {{
		Type RR
		Priority 99
	}}
}}
"
    )
}

/// The first number behind `label` in the block that starts with `block`.
fn number(text: &str, block: &str, label: &str) -> Result<u64> {
    let found = text.find(block).and_then(|at| {
        let (_, rest) = text[at..].split_once(label)?;
        let digits = rest.trim_start();
        digits[..digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len())]
            .parse()
            .ok()
    });
    found.with_context(|| format!("no number for \"{label}\" of \"{block}\" in:\n{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_in_its_block() {
        let text = "cache:internal\tactive objects:\t\t           7\n\
                    \tactive/total entries:\t\t           5/           6\n\n\
                    cache:external\tactive objects:\t\t           4\n\
                    \tactive/total entries:\t\t           3/           4\n";
        assert_eq!(
            number(text, "cache:internal", "active/total entries:").unwrap(),
            5
        );
        assert_eq!(
            number(text, "cache:external", "active/total entries:").unwrap(),
            3
        );
        assert_eq!(number("Rss:                1234 kB\n", "", "Rss:").unwrap(), 1234);
        assert!(number(text, "cache:stats", "active/total entries:").is_err());
    }
}
