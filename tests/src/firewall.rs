//! One firewall: its namespace and the daemon in it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::losses::kept_of_saved;
use crate::netns::{Namespace, command};
use crate::programs::{Daemon, conntrack};
use crate::table::Table;
use crate::wait::{LIMIT, Watched, wait_until};

/// How many lines of a log a failure shows.
const LOG_LINES: usize = 25;

/// One firewall of the cluster.
#[derive(Debug)]
pub struct Firewall {
    /// Where its interfaces, its kernel table and its daemon are.
    pub ns: Namespace,
    dir: PathBuf,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    daemon: Daemon,
    /// Nothing if it was started by somebody else, in the background.
    child: Option<Child>,
}

impl Firewall {
    /// A firewall with the configuration `conf` in `dir`, its daemon not started.
    pub(crate) fn new(ns: Namespace, dir: PathBuf, conf: &str) -> Result<Self> {
        fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
        fs::write(dir.join("conntrackd.conf"), conf).context("write the configuration")?;
        Ok(Self {
            ns,
            dir,
            running: None,
        })
    }

    /// The directory of configuration, lock, socket and logs.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The configuration file.
    pub fn conf(&self) -> PathBuf {
        self.dir.join("conntrackd.conf")
    }

    /// Starts the daemon and waits until it answers a request.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not answer: shows what it printed.
    pub fn start(&mut self, daemon: Daemon) -> Result<()> {
        self.launch(daemon)?;
        self.wait_for_answer()
    }

    /// Starts the daemon and waits for nothing.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch(&mut self, daemon: Daemon) -> Result<()> {
        self.launch_by(&[], daemon)
    }

    /// The same by way of `wrapper`, a command that executes the daemon in its own place; empty for none.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn launch_by(&mut self, wrapper: &[&str], daemon: Daemon) -> Result<()> {
        ensure!(self.running.is_none(), "{} runs a daemon already", self.ns.name());
        let console = File::options()
            .create(true)
            .append(true)
            .open(self.console_path())?;
        let daemon_words = [
            path_str(&daemon.program()?)?,
            "-C".into(),
            path_str(&self.conf())?,
        ];
        let mut command = wrapped(wrapper, &daemon_words)?;
        command
            .stdin(Stdio::null())
            .stdout(console.try_clone()?)
            .stderr(console);
        let child = self.ns.spawn(command)?;
        self.running = Some(Running {
            daemon,
            child: Some(child),
        });
        Ok(())
    }

    /// Waits for a daemon that somebody else starts in the background; it is stopped with the firewall.
    ///
    /// # Errors
    /// When none answers.
    pub fn adopt(&mut self, daemon: Daemon) -> Result<()> {
        ensure!(self.running.is_none(), "{} runs a daemon already", self.ns.name());
        self.running = Some(Running { daemon, child: None });
        self.wait_for_answer()
    }

    /// Waits until the daemon answers a request.
    ///
    /// # Errors
    /// When it ends or does not answer: shows what it printed.
    pub fn wait_for_answer(&self) -> Result<()> {
        let what = format!("the daemon of {} answers", self.ns.name());
        wait_until(&what, LIMIT, &self.watched()?, || {
            self.control(&["-s", "runtime"]).map(drop)
        })
        .with_context(|| self.log())
    }

    /// The text of the configuration file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn conf_text(&self) -> Result<String> {
        fs::read_to_string(self.conf()).context("read the configuration")
    }

    /// Replaces a part of the configuration file.
    ///
    /// # Errors
    /// When the part is not there.
    pub fn edit_conf(&self, from: &str, to: &str) -> Result<()> {
        let conf = self.conf_text()?;
        ensure!(conf.contains(from), "the configuration has no {from:?}");
        fs::write(self.conf(), conf.replace(from, to)).context("write the configuration")
    }

    /// Starts our daemon with another configuration, which it must refuse; returns what it printed on stderr.
    ///
    /// `wrapper` is a command that starts it, such as `setpriv` with options; empty for none.
    ///
    /// # Errors
    /// When it goes on running, or ends with another exit status than 1.
    pub fn refusal(&self, conf: &str, wrapper: &[&str]) -> Result<String> {
        let path = self.dir.join("refused.conf");
        fs::write(&path, conf)?;
        let daemon = [path_str(&Daemon::Ours.program()?)?, "-C".into(), path_str(&path)?];
        let mut command = wrapped(wrapper, &daemon)?;
        let errors = self.dir.join("refused.txt");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&errors)?);
        let mut child = self.ns.spawn(command)?;
        let status = wait_until("the daemon refuses its configuration", LIMIT, &[], || {
            child.try_wait()?.context("it is still running")
        });
        let printed = fs::read_to_string(errors)?;
        if status.is_err() {
            child.kill()?;
        }
        let status = status.with_context(|| printed.clone())?;
        ensure!(status.code() == Some(1), "ended with {status}:\n{printed}");
        Ok(printed)
    }

    /// Kills the daemon as a power cut would: no shutdown, lock and socket stay.
    ///
    /// # Errors
    /// When none runs.
    pub fn kill(&mut self) -> Result<()> {
        let running = self.running.take().context("no daemon to kill")?;
        let mut child = running
            .child
            .context("a daemon of somebody else is not ours to kill")?;
        child.kill()?;
        child.wait().map(drop).context("wait for the killed daemon")
    }

    /// Sends the daemon a HUP.
    ///
    /// # Errors
    /// When none runs.
    pub fn hang_up(&self) -> Result<()> {
        kill_process(self.pid().context("no daemon to signal")?, Signal::HUP).context("signal the daemon")
    }

    /// Stops the daemon by its own command and waits for its end.
    ///
    /// # Errors
    /// When it does not end with exit status 0.
    pub fn stop(&mut self) -> Result<()> {
        self.control(&["-k"])?;
        let running = self.running.take().context("no daemon to stop")?;
        if let Some(mut child) = running.child {
            let status = child.wait()?;
            ensure!(status.success(), "the stopped daemon ended with {status}");
        }
        Ok(())
    }

    /// Asks the daemon by the client it came with.
    ///
    /// # Errors
    /// When no daemon runs, or the client fails.
    pub fn control(&self, args: &[&str]) -> Result<String> {
        let running = self
            .running
            .as_ref()
            .with_context(|| format!("no daemon on {}", self.ns.name()))?;
        self.control_by(running.daemon, args)
    }

    /// Asks the daemon by the client of your choice.
    ///
    /// # Errors
    /// When the client fails.
    pub fn control_by(&self, client: Daemon, args: &[&str]) -> Result<String> {
        let (program, conf) = (path_str(&client.program()?)?, path_str(&self.conf())?);
        self.ns.run(&program, &[&["-C", conf.as_str()], args].concat())
    }

    /// The kernel's table, read by the stock tool.
    ///
    /// # Errors
    /// When the tool fails or prints what we cannot read.
    pub fn kernel(&self) -> Result<Table> {
        let labels = self.conntrack(&["-L", "-o", "extended,labels"])?;
        Table::parse(&labels)
    }

    /// The kernel's table in the form that can be loaded again: shows status bits and SCTP tags besides.
    ///
    /// Only what a flow told by `sender` and committed by `committer` is known to keep.
    ///
    /// # Errors
    /// When the tool fails.
    pub fn saved(&self, sender: Daemon, committer: Daemon) -> Result<BTreeSet<String>> {
        Ok(kept_of_saved(
            &self.conntrack(&["-L", "-o", "save"])?,
            sender,
            committer,
        ))
    }

    /// The internal cache, without `[active since]`.
    ///
    /// # Errors
    /// As [`Self::control`], or when a line cannot be read.
    pub fn internal(&self) -> Result<Table> {
        Table::parse(&self.control(&["-i"])?)
    }

    /// The external cache, without `[active since]`.
    ///
    /// # Errors
    /// As [`Self::control`], or when a line cannot be read.
    pub fn external(&self) -> Result<Table> {
        Table::parse(&self.control(&["-e"])?)
    }

    /// How many flows the last commit put into the kernel, by the daemon's own account.
    ///
    /// # Errors
    /// When there was no commit.
    pub fn n_committed(&self) -> Result<u64> {
        let console = fs::read_to_string(self.console_path())?;
        let count = console
            .lines()
            .rev()
            .find_map(|line| line.split_once("Committed ")?.1.strip_suffix(" new entries"));
        count
            .context("no line `Committed N new entries`")?
            .parse()
            .context("count of committed entries")
    }

    /// How many packets the rule-set refused to forward.
    ///
    /// # Errors
    /// When `nft` fails or prints something else.
    pub fn n_refused(&self) -> Result<u64> {
        let counter = self
            .ns
            .run("nft", &["list", "counter", "inet", "firewall", "refused"])?;
        let packets = counter
            .split_whitespace()
            .skip_while(|word| *word != "packets")
            .nth(1);
        packets
            .context("no packet count")?
            .parse()
            .context("packet count")
    }

    /// Runs the stock `conntrack`, where it finds the label names that [`crate::flows::LABELS`] gives.
    ///
    /// It looks for them at a fixed path below `/etc`: in a mount namespace of its own it sees ours.
    ///
    /// # Errors
    /// When it fails.
    pub fn conntrack(&self, args: &[&str]) -> Result<String> {
        let etc = self.dir.join("etc");
        if !etc.exists() {
            fs::create_dir_all(etc.join("xtables"))?;
            fs::write(etc.join("xtables/connlabel.conf"), crate::flows::LABELS)?;
        }
        let script = "mount --bind \"$0\" /etc && exec \"$@\"";
        let head = ["--mount", "sh", "-ec", script, &path_str(&etc)?, conntrack()].map(str::to_owned);
        let args: Vec<&str> = head
            .iter()
            .map(String::as_str)
            .chain(args.iter().copied())
            .collect();
        self.ns.run("unshare", &args)
    }

    /// The daemon's process, to be watched while waiting.
    pub(crate) fn watched(&self) -> Result<Vec<Watched>> {
        let Some(pid) = self.pid() else {
            return Ok(Vec::new());
        };
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).context("open the daemon's pidfd")?;
        Ok(vec![Watched {
            pidfd,
            name: format!("the daemon of {}", self.ns.name()),
        }])
    }

    /// The daemon's process, if we started it.
    pub fn pid(&self) -> Option<Pid> {
        let child = self.running.as_ref()?.child.as_ref()?;
        Pid::from_raw(i32::try_from(child.id()).ok()?)
    }

    /// The last lines the daemon printed, or logged if it runs in the background, under a heading.
    pub fn log(&self) -> String {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let (console, file) = (read(self.console_path()), read(self.dir.join("conntrackd.log")));
        let lines: Vec<_> = if console.is_empty() { &file } else { &console }
            .lines()
            .collect();
        let tail = lines
            .get(lines.len().saturating_sub(LOG_LINES)..)
            .unwrap_or_default();
        format!("log of {}:\n{}\n", self.ns.name(), tail.join("\n"))
    }

    fn console_path(&self) -> PathBuf {
        self.dir.join("console.txt")
    }
}

impl Drop for Firewall {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        match &self.running {
            Some(Running { child: Some(_), .. }) => drop(self.kill()),
            Some(Running { child: None, .. }) => drop(self.stop()),
            None => {}
        }
    }
}

/// The command that `wrapper` executes, or the command itself.
fn wrapped(wrapper: &[&str], words: &[String]) -> Result<Command> {
    let words = wrapper.iter().copied().chain(words.iter().map(String::as_str));
    let words: Vec<_> = words.collect();
    let (program, args) = words.split_first().context("a program")?;
    Ok(command(program, args))
}

fn path_str(path: &Path) -> Result<String> {
    match path.to_str() {
        Some(path) => Ok(path.to_owned()),
        None => bail!("{} is not UTF-8", path.display()),
    }
}
