//! Life of the real daemon in the background, in a network namespace of its own.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getsid};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{PidfdFlags, pidfd_open};
use tempfile::TempDir;

#[test]
fn a_daemon_in_the_background_serves_until_it_is_stopped() {
    let Some(node) = Node::new() else { return };
    let notify = node.path("notify");
    let manager = UnixDatagram::bind(&notify).unwrap();

    let started = node.run_with(&["-d"], &[("NOTIFY_SOCKET", &notify)]);
    assert_success(&started);
    assert_eq!(text(&started.stdout), "");
    let pid = node.pid();
    assert_eq!(
        getsid(Some(pid)).unwrap(),
        pid,
        "it has left the terminal's session"
    );
    assert_eq!(heard(&manager), format!("MAINPID={pid}\nREADY=1"));
    assert!(
        node.log("log")
            .contains("[notice] -- starting in daemon mode --\n")
    );

    let statistics = node.run(&["-s", "link"]);
    assert_success(&statistics);
    assert!(text(&statistics.stdout).starts_with("UDP traffic device=lo status=RUNNING role=ACTIVE:\n"));

    let second = node.run(&["-d"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(
        text(&second.stderr).contains(&format!("Process {pid} holds it.")),
        "{second:?}"
    );
    assert_eq!(node.pid(), pid, "the first goes on");

    assert_success(&node.run(&["-k"]));
    assert!(!node.path("lock").exists() && !node.path("ctl").exists());
    assert_eq!(heard(&manager), "STOPPING=1");
    assert!(
        node.log("log")
            .ends_with("[notice] ---- shutdown received ----\n")
    );
}

#[test]
fn warnings_about_the_configuration_are_told_to_the_terminal_and_begin_the_log() {
    let Some(node) = Node::new() else { return };
    let started = node.run(&["-d"]);
    assert_success(&started);
    let picture = format!("\n --> {}:4:2\n", node.path("conf").display());
    let stderr = text(&started.stderr);
    assert!(
        stderr.starts_with("warning[link-not-ignored]: ") && stderr.contains(&picture),
        "{stderr}"
    );
    let log = node.log("log");
    let first = log.lines().next().unwrap();
    let place = format!("[warning] {}:4:2: ", node.path("conf").display());
    assert!(
        first.contains(&place) && first.ends_with(" [link-not-ignored]"),
        "{log}"
    );
    assert_success(&node.run(&["-k"]));
}

#[test]
fn what_a_killed_daemon_leaves_behind_hinders_nobody() {
    let Some(node) = Node::new() else { return };
    assert_success(&node.run(&["-d"]));
    kill_and_wait(node.pid());
    assert!(node.path("lock").exists() && node.path("ctl").exists());

    assert_success(&node.run(&["-d"]));
    assert_success(&node.run(&["-s"]));
    assert_success(&node.run(&["-k"]));
}

#[test]
fn a_hangup_begins_the_log_anew() {
    let Some(node) = Node::new() else { return };
    assert_success(&node.run(&["-d"]));
    fs::rename(node.path("log"), node.path("log.1")).unwrap();
    kill(node.pid(), Signal::SIGHUP).unwrap();
    // Each answer is a turn of the daemon's loop, and it looks at signals in every turn.
    let is_reopened = (0..100).any(|_| {
        assert_success(&node.run(&["-s"]));
        node.path("log").exists()
    });
    assert!(is_reopened);
    assert_success(&node.run(&["-k"]));
    assert!(node.log("log.1").contains("initialization completed"));
    assert!(node.log("log").contains("shutdown received"));
}

/// A network namespace and a directory for one daemon.
struct Node {
    dir: TempDir,
}

impl Node {
    /// Takes this thread into a network namespace of its own; `None`, with a line, if that may not be.
    fn new() -> Option<Self> {
        if let Err(errno) = unshare(CloneFlags::CLONE_NEWNET) {
            assert!(
                std::env::var_os("CI").is_none(),
                "in CI this test must run: {errno}"
            );
            let mut stderr = std::io::stderr().lock();
            writeln!(
                stderr,
                "skipped, because no network namespace can be made: {errno}"
            )
            .unwrap();
            return None;
        }
        assert_success(
            &Command::new("ip")
                .args(["link", "set", "lo", "up"])
                .output()
                .unwrap(),
        );
        let node = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let dir = node.dir.path().display();
        let config = format!(
            "Sync {{
	Mode FTFW {{
	}}
	UDP {{
		IPv4_address 127.0.0.1
		IPv4_Destination_Address 127.0.0.2
		Port 3780
		Interface lo
	}}
}}
General {{
	LogFile {dir}/log
	LockFile {dir}/lock
	UNIX {{
		Path {dir}/ctl
	}}
}}
"
        );
        fs::write(node.path("conf"), config).unwrap();
        Some(node)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.log("lock").trim().parse().unwrap())
    }

    fn run(&self, args: &[&str]) -> Output {
        self.run_with(args, &[])
    }

    fn run_with(&self, args: &[&str], env: &[(&str, &Path)]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_conntrackd"))
            .arg("-C")
            .arg(self.path("conf"))
            .args(args)
            .envs(env.iter().copied())
            .output()
            .unwrap()
    }
}

/// The command did what was asked, and had nothing to say but that the flows of the loopback, over which
/// the link goes, are replicated too.
fn assert_success(output: &Output) {
    let stderr = text(&output.stderr);
    let is_quiet = stderr.is_empty() || stderr.starts_with("warning[link-not-ignored]");
    assert!(
        output.status.success() && is_quiet && stderr.matches("warning[").count() <= 1,
        "{output:?}"
    );
}

/// Kills a process and waits for its end: the kernel has closed its sockets and files by then.
fn kill_and_wait(pid: Pid) {
    let raw = rustix::process::Pid::from_raw(pid.as_raw()).unwrap();
    let process = pidfd_open(raw, PidfdFlags::empty()).unwrap();
    kill(pid, Signal::SIGKILL).unwrap();
    let mut ended = [PollFd::new(&process, PollFlags::IN)];
    assert_eq!(poll(&mut ended, None), Ok(1));
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap()
}

fn heard(manager: &UnixDatagram) -> String {
    let mut bytes = [0; 128];
    let len = manager.recv(&mut bytes).unwrap();
    text(&bytes[..len]).to_owned()
}
