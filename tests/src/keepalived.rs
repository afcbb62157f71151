//! Real keepalived on a firewall, with the script the package ships.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::firewall::Firewall;
use crate::netns::command;
use crate::programs::Daemon;

/// A running keepalived.
#[derive(Debug)]
pub struct Keepalived {
    child: Child,
}

impl Keepalived {
    /// Starts keepalived; the higher `priority` becomes the gateway. The script starts the daemon.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(fw: &Firewall, priority: u8) -> Result<Self> {
        let dir = fw.dir().to_str().context("a path in UTF-8")?;
        let conf = format!("{dir}/keepalived.conf");
        fs::write(&conf, configuration(fw, priority)?)?;
        let pids = ["--pid", "--vrrp_pid"].map(|option| format!("{option}={dir}/keepalived{option}"));
        let log = File::create(fw.dir().join("keepalived.txt"))?;
        let args = [
            "--dont-fork",
            "--log-console",
            "--vrrp",
            "-f",
            &conf,
            &pids[0],
            &pids[1],
        ];
        let mut command = command("/usr/sbin/keepalived", &args);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(Self {
            child: fw.ns.spawn(command)?,
        })
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        // It has a child of its own, which it ends when asked to.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _if_still_there = kill_process(pid, Signal::TERM);
        }
        drop(self.child.wait());
    }
}

fn configuration(fw: &Firewall, priority: u8) -> Result<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../packaging/primary-backup.sh");
    let daemon = Daemon::Ours.program()?;
    let notify = format!(
        "/usr/bin/env CONNTRACKD={} CONNTRACKD_CONFIG={} {}",
        daemon.display(),
        fw.conf().display(),
        script.display()
    );
    let instance = |side: &str, id: u8, v4: &str, v6: &str| {
        format!(
            "vrrp_instance {side} {{
    state BACKUP
    interface {side}0
    virtual_router_id {id}
    priority {priority}
    advert_int 0.2
    virtual_ipaddress {{
        {v4} dev {side}0
    }}
    virtual_ipaddress_excluded {{
        {v6} dev {side}0
    }}
}}
"
        )
    };
    Ok(format!(
        "global_defs {{
    router_id {}
    script_user root
    vrrp_version 3
}}
vrrp_sync_group gateway {{
    group {{
        lan
        wan
    }}
    notify_master \"{notify} primary\"
    notify_backup \"{notify} backup\"
    notify_fault \"{notify} fault\"
}}
{}{}",
        fw.ns.name(),
        instance("lan", 1, "10.1.0.1/16", "fd01::1/64"),
        instance("wan", 2, "10.2.0.1/16", "fd02::1/64")
    ))
}
