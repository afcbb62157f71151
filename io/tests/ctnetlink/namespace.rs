//! A network namespace for each test.

use std::io::Write;
use std::process::Command;

use io::ctnetlink::RequestSocket;
use nix::sched::{CloneFlags, unshare};

/// Runs `test` in a new network namespace, or says why it cannot.
///
/// The namespace belongs to the test's thread and to the programs that it starts.
pub(crate) fn in_namespace(test: impl FnOnce()) {
    if let Err(reason) = enter_namespace() {
        assert!(
            std::env::var_os("CI").is_none(),
            "in CI this test must run: {reason}"
        );
        let name = std::thread::current().name().unwrap_or("test").to_owned();
        // What `eprintln` prints is shown for failed tests alone.
        let mut stderr = std::io::stderr().lock();
        writeln!(stderr, "{name}: skipped, because {reason}").unwrap();
        return;
    }
    test();
}

fn enter_namespace() -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("it needs root".into());
    }
    unshare(CloneFlags::CLONE_NEWNET).map_err(|error| format!("there are no network namespaces: {error}"))?;
    // The rule loads what is a module, and makes room for labels in every new flow.
    nft(
        "table inet test { chain input { type filter hook input priority 0; ct state new ct label 127 accept; }; }",
    )?;
    RequestSocket::open()
        .map(|_| ())
        .map_err(|error| error.to_string())
}

pub(crate) fn nft(ruleset: &str) -> Result<(), String> {
    let output = Command::new("nft")
        .arg(ruleset)
        .output()
        .map_err(|error| format!("nft: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(format!("nft: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}
