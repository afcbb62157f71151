//! Network namespaces and sockets for the tests beside the code.

use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::process::Command;
use std::time::Duration;

use engine::time::Instant;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sched::{CloneFlags, setns, unshare};

use crate::link::Interface;

/// Takes the thread into a network namespace of its own; `false`, with a line, if that may not be.
pub(crate) fn enter_namespace() -> bool {
    if let Err(errno) = unshare(CloneFlags::CLONE_NEWNET) {
        assert!(
            std::env::var_os("CI").is_none(),
            "in CI a skip is a failure: {errno}"
        );
        eprintln!("skipped, because no network namespace can be made: {errno}");
        return false;
    }
    ip("link set lo up");
    true
}

/// Runs `ip` in the namespace of the thread.
pub(crate) fn ip(args: &str) {
    run("ip", args);
}

/// Runs a program with arguments that have no blanks.
pub(crate) fn run(program: &str, args: &str) {
    let status = Command::new(program).args(args.split(' ')).status().unwrap();
    assert!(status.success(), "{program} {args}");
}

/// Waits until an interface carries: the kernel drops what is sent before, for up to a second, silently.
pub(crate) fn wait_for_carrier(interface: &str) {
    let clock = crate::clock::Clock::start();
    let carries = || Interface::find(interface).unwrap().unwrap().is_running;
    while !carries() {
        let waited = clock.now().saturating_since(Instant::START);
        assert!(waited < Duration::from_secs(20), "{interface} has no carrier");
        std::thread::yield_now();
    }
}

/// Waits until a socket can be read, and fails if nothing ever arrives.
pub(crate) fn wait_readable(fd: RawFd) {
    let mut poll = Poll::new().unwrap();
    let mut events = Events::with_capacity(1);
    let mut socket = SourceFd(&fd);
    poll.registry()
        .register(&mut socket, Token(0), Interest::READABLE)
        .unwrap();
    poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
    assert!(!events.is_empty(), "nothing arrives");
}

/// Two nodes in namespaces of their own, wired by `sync0`; the thread is in that of the first.
///
/// Node n has the addresses 10.9.0.n and fd09::n.
pub(crate) struct TwoNodes([File; 2]);

impl TwoNodes {
    /// Wires them; `None`, with a line, if that may not be.
    pub(crate) fn wire() -> Option<Self> {
        let current = || File::open("/proc/thread-self/ns/net").unwrap();
        if !enter_namespace() {
            return None;
        }
        let second = current();
        if !enter_namespace() {
            return None;
        }
        let nodes = Self([current(), second]);
        nodes.make_link();
        Some(nodes)
    }

    /// Makes `sync0`; the thread is in the namespace of the first node.
    pub(crate) fn make_link(&self) {
        let path = format!("/proc/{}/fd/{}", std::process::id(), self.0[1].as_raw_fd());
        ip(&format!("link add sync0 type veth peer name sync0 netns {path}"));
        for n in [1, 2] {
            self.on(n, || {
                ip(&format!("address add 10.9.0.{n}/24 dev sync0"));
                ip(&format!("address add fd09::{n}/64 dev sync0 nodad"));
                ip("link set sync0 addrgenmode none");
                ip(&format!("address add fe80::{n}/64 dev sync0 nodad"));
                ip("link set sync0 up");
            });
        }
        for n in [1, 2] {
            self.on(n, || wait_for_carrier("sync0"));
        }
    }

    /// Does something on node 1 or 2.
    pub(crate) fn on<T>(&self, n: usize, work: impl FnOnce() -> T) -> T {
        setns(&self.0[n - 1], CloneFlags::CLONE_NEWNET).unwrap();
        let done = work();
        setns(&self.0[0], CloneFlags::CLONE_NEWNET).unwrap();
        done
    }
}
