//! What keeps a daemon from starting is said in one sentence that names cause and clause, with exit status 1.

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};
use netns_tests::Daemon::Ours;
use netns_tests::{Cluster, TEMPLATE, on_real_kernels};

#[test]
fn an_address_of_another_machine_is_refused() -> Result<()> {
    refused(
        "IPv4_address 192.168.77.1",
        "IPv4_address 192.0.2.1",
        "IPv4_address",
        "address 192.0.2.1 is not on this machine",
    )
}

#[test]
fn a_missing_interface_is_refused() -> Result<()> {
    refused(
        "Interface sync0",
        "Interface nosuch0",
        "Interface",
        "interface `nosuch0` does not exist",
    )
}

#[test]
fn a_log_file_in_no_directory_is_refused() -> Result<()> {
    refused(
        "LogFile /",
        "LogFile /nosuch/",
        "LogFile",
        "No such file or directory",
    )
}

#[test]
fn a_socket_in_no_directory_is_refused() -> Result<()> {
    refused("Path /", "Path /nosuch/", "Path", "No such file or directory")
}

#[test]
fn a_port_in_use_is_refused() -> Result<()> {
    on_real_kernels(|| {
        let cluster = TEMPLATE.build()?;
        let _taken = cluster.fw1.ns.enter(|| UdpSocket::bind("0.0.0.0:3780"))?;
        let conf = cluster.fw1.conf_text()?;
        ensure_says(
            &cluster.fw1.refusal(&conf, &[])?,
            &conf,
            "UDP",
            "port 3780 of 192.168.77.1 is in use",
        )?;
        ensure_left_nothing(&cluster)
    })
}

#[test]
fn every_error_of_a_configuration_is_told_with_its_line() -> Result<()> {
    on_real_kernels(|| {
        let cluster = TEMPLATE.build()?;
        let conf = cluster
            .fw1
            .conf_text()?
            .replace("Port", "Porto")
            .replace("HashSize", "HushSize");
        let printed = cluster.fw1.refusal(&conf, &[])?;
        for wrong in ["Porto", "HushSize"] {
            let (line, _) = (1..)
                .zip(conf.lines())
                .find(|(_, line)| line.contains(wrong))
                .context("replaced")?;
            ensure!(
                printed.contains(&format!("refused.conf:{line}:")),
                "no word of {wrong}:\n{printed}"
            );
        }
        ensure_left_nothing(&cluster)
    })
}

#[test]
fn a_user_without_privilege_is_told_what_is_missing() -> Result<()> {
    on_real_kernels(|| {
        let cluster = TEMPLATE.build()?;
        fs::set_permissions(cluster.fw1.dir(), fs::Permissions::from_mode(0o777))?;
        let nobody = ["setpriv", "--reuid", "65534", "--clear-groups", "--"];
        let printed = cluster.fw1.refusal(&cluster.fw1.conf_text()?, &nobody)?;
        ensure!(
            printed.contains("Operation not permitted (needs CAP_NET_ADMIN)"),
            "{printed}"
        );
        ensure_left_nothing(&cluster)
    })
}

#[test]
fn a_second_daemon_on_the_same_lock_is_refused_and_the_first_goes_on() -> Result<()> {
    refused_beside_another(&[], "LockFile", "already running")
}

#[test]
fn a_second_daemon_on_the_same_socket_is_refused_and_the_first_goes_on() -> Result<()> {
    let edits = [("conntrackd.lock", "other.lock"), ("Port 3780", "Port 3781")];
    refused_beside_another(&edits, "Path", "another conntrackd listens on")
}

/// One edit of a good configuration: the refusal points at `clause` and says `cause`, and leaves nothing behind.
fn refused(good: &str, bad: &str, clause: &str, cause: &str) -> Result<()> {
    on_real_kernels(|| {
        let cluster = TEMPLATE.build()?;
        let conf = cluster.fw1.conf_text()?;
        ensure!(conf.contains(good), "the configuration has no {good:?}");
        let conf = conf.replace(good, bad);
        ensure_says(&cluster.fw1.refusal(&conf, &[])?, &conf, clause, cause)?;
        ensure_left_nothing(&cluster)
    })
}

fn refused_beside_another(edits: &[(&str, &str)], clause: &str, cause: &str) -> Result<()> {
    on_real_kernels(|| {
        let mut cluster = TEMPLATE.build()?;
        cluster.fw1.start(Ours)?;
        let good = cluster.fw1.conf_text()?;
        let conf = edits.iter().fold(good, |conf, (from, to)| conf.replace(from, to));
        ensure_says(&cluster.fw1.refusal(&conf, &[])?, &conf, clause, cause)?;
        cluster.fw1.control(&["-s"]).context("the first daemon goes on")?;
        cluster.fw1.stop()
    })
}

/// One error says `cause` and points, in its line or in the next, at a line of `conf` that starts with `clause`.
fn ensure_says(printed: &str, conf: &str, clause: &str, cause: &str) -> Result<()> {
    let is_error = |line: &str| line.starts_with("error[") || line.contains("[ERROR]");
    let mut lines = printed.lines();
    let error = lines
        .find(|line| is_error(line) && line.contains(cause))
        .with_context(|| format!("no error says {cause:?}:\n{printed}"))?;
    let next = lines.next().unwrap_or_default();
    ensure!(
        !lines.any(|line| is_error(line) && line.contains(cause)),
        "{cause:?} is said more than once:\n{printed}"
    );
    let error = format!("{error}{next}");
    let number = error
        .split_once("refused.conf:")
        .and_then(|(_, rest)| rest.split(':').next()?.parse::<usize>().ok());
    let pointed = number
        .and_then(|number| conf.lines().nth(number - 1))
        .unwrap_or_default();
    ensure!(
        pointed.trim_start().starts_with(clause),
        "points at {pointed:?}, not at {clause}: {error}"
    );
    Ok(())
}

fn ensure_left_nothing(cluster: &Cluster) -> Result<()> {
    for name in ["conntrackd.lock", "conntrackd.ctl"] {
        ensure!(
            !cluster.fw1.dir().join(name).exists(),
            "a daemon that did not start left {name}"
        );
    }
    Ok(())
}
