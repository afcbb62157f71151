//! Three firewalls on one group: each knows what the kernels of both others have.

use anyhow::{Result, ensure};
use netns_tests::Daemon::Ours;
use netns_tests::{LIMIT, Mode, Setup, TEMPLATE, Trio, flows, kernel, on_real_kernels};

/// How many flows each kernel has; no two have one in common.
const N_EACH: u16 = 400;

#[test]
fn each_of_three_has_the_flows_of_both_others_over_ftfw() -> Result<()> {
    replicate(Mode::FtFw)
}

#[test]
fn each_of_three_has_the_flows_of_both_others_over_notrack() -> Result<()> {
    replicate(Mode::NoTrack)
}

/// Create, update, delete, each on all three; then one starts anew and is told all again.
fn replicate(mode: Mode) -> Result<()> {
    on_real_kernels(|| {
        let setup = Setup { mode, ..TEMPLATE };
        let mut trio = Trio::start(setup, Ours)?;
        for (fw, first) in trio.firewalls.iter().zip((0..).step_by(usize::from(N_EACH))) {
            flows::create(fw, first, N_EACH)?;
        }
        replicas(&trio, "created")?;
        for fw in &trio.firewalls {
            kernel::update_some(&fw.ns)?;
        }
        replicas(&trio, "updated")?;
        let [fw1, fw2, fw3] = &trio.firewalls;
        flows::delete_some(fw1, N_EACH)?;
        fw2.conntrack(&["-D", "-p", "udp"])?;
        fw3.conntrack(&["-D", "-p", "tcp"])?;
        replicas(&trio, "deleted")?;
        let [_, _, fw3] = &mut trio.firewalls;
        fw3.kill()?;
        fw3.start(Ours)?;
        match mode {
            // Its greeting asks for all.
            Mode::FtFw => {}
            Mode::NoTrack | Mode::Alarm => drop(fw3.control(&["-n"])?),
        }
        replicas(&trio, "told again")?;
        let [_, _, fw3] = &trio.firewalls;
        flows::delete_all(fw3)?;
        replicas(&trio, "flushed")?;
        let n_left = fw3.external()?.n_flows();
        ensure!(n_left > usize::from(N_EACH), "{n_left} flows are left to compare");
        Ok(())
    })
}

fn replicas(trio: &Trio, step: &str) -> Result<()> {
    let what = format!("each external cache is what both other kernels have, flows {step}");
    trio.wait_until(&what, LIMIT, || trio.ensure_replicas(Ours))
}
