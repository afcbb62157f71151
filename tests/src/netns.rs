//! A network namespace that lives as long as the thread that works in it.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, unshare};

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace without a name, and the thread in it.
///
/// Everything that belongs into the namespace (sockets, processes, `/proc/sys/net`) is made by a job of that
/// thread. Processes die with the thread, the namespace with its last process: nothing to clean up, even when
/// the test is killed.
#[derive(Debug)]
pub struct Namespace {
    name: &'static str,
    jobs: mpsc::Sender<Job>,
    file: File,
}

impl Namespace {
    /// Makes a namespace with the loopback interface up; `name` is for messages.
    ///
    /// # Errors
    /// When the kernel refuses, for want of permission above all.
    pub fn new(name: &'static str) -> Result<Self> {
        let (jobs, inbox) = mpsc::channel::<Job>();
        let (ready, is_ready) = mpsc::channel();
        thread::Builder::new()
            .name(format!("netns {name}"))
            .spawn(move || {
                let opened = unshare(CloneFlags::CLONE_NEWNET)
                    .context("unshare the network")
                    .and_then(|()| File::open("/proc/thread-self/ns/net").context("open the namespace"));
                if ready.send(opened).is_ok() {
                    inbox.into_iter().for_each(|job| job());
                }
            })?;
        let file = is_ready.recv().context("the thread of the namespace ended")??;
        let ns = Self { name, jobs, file };
        ns.ip("link set lo up")?;
        Ok(ns)
    }

    /// Its name in messages.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// A path of the namespace for `ip link set ... netns PATH`.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.file.as_raw_fd())
    }

    /// Does `job` in the namespace and returns what it returns.
    ///
    /// # Panics
    /// When the job panicked.
    pub fn enter<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, answered) = mpsc::channel();
        let job = move || {
            // The caller waits below, so the answer always has a taker.
            drop(answer.send(job()));
        };
        self.jobs
            .send(Box::new(job))
            .expect("the thread lives as long as the namespace");
        answered.recv().expect("the job did not panic")
    }

    /// Starts a process in the namespace; it is killed when the namespace goes.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, mut command: Command) -> Result<Child> {
        let shown = format!("start {:?} in {}", command.get_program(), self.name);
        self.enter(move || command.spawn()).context(shown)
    }

    /// Runs a program to its end and returns what it printed on standard output.
    ///
    /// # Errors
    /// When it cannot be run or fails; shows both its streams.
    pub fn run(&self, program: &str, args: &[&str]) -> Result<String> {
        self.finish(command(program, args), &[])
    }

    /// The same with `input` on its standard input.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn run_with_input(&self, program: &str, args: &[&str], input: &str) -> Result<String> {
        self.finish(command(program, args), input.as_bytes())
    }

    fn finish(&self, mut command: Command, input: &[u8]) -> Result<String> {
        let shown = format!("{command:?} in {}", self.name);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = self.spawn(command)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not want its input to the end says so by its exit status.
            drop(std::io::Write::write_all(&mut stdin, input));
        }
        let output = child.wait_with_output().with_context(|| shown.clone())?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            bail!(
                "{shown}: {}\n{stdout}{}",
                output.status,
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(stdout)
    }

    /// Runs `ip`, one command a line.
    ///
    /// # Errors
    /// When one of them fails.
    pub fn ip(&self, commands: &str) -> Result<()> {
        self.run_with_input("ip", &["-batch", "-"], commands).map(drop)
    }

    /// Loads an nftables rule-set.
    ///
    /// # Errors
    /// When `nft` refuses it.
    pub fn nft(&self, ruleset: &str) -> Result<()> {
        self.run_with_input("nft", &["-f", "-"], ruleset).map(drop)
    }

    /// Sets `/proc/sys/net/KEY`.
    ///
    /// # Errors
    /// When the kernel has no such key or refuses the value.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/net/{key}");
        let value = value.to_owned();
        self.enter(move || fs::write(&path, value).with_context(|| format!("write {path}")))
    }
}

/// A command that dies with the thread that starts it.
pub(crate) fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]).args(args);
    command
}
