//! The main job, seen: a firewall dies and its streams go on through the other; without us they all die.
//!
//! Exit status 0 if ours held all streams and the control lost all, 1 otherwise.

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use netns_tests::failover::{Outcome, fail_over, fail_over_without_daemons, open_streams, wait_for_replica};
use netns_tests::streams::Plan;
use netns_tests::{Daemon, TEMPLATE, missing};

/// Streams for each family.
const PLAN: Plan = Plan { n_tcp: 20, n_udp: 5 };
/// How many lines of a cache are shown.
const SHOWN: usize = 6;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when the terminal is gone.
            drop(writeln!(
                stdout().lock(),
                "\nThe demonstration did not hold: {error:#}"
            ));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    if let Some(reason) = missing() {
        bail!("cannot run here: {reason}");
    }
    let ours = with_ours()?;
    let control = without_daemons()?;
    say(&format!("{:24}{:>16}{:>16}", "", "with flowtwin", "without"))?;
    for (label, cell) in CELLS {
        say(&format!("  {label:22}{:>16}{:>16}", cell(&ours), cell(&control)))?;
    }
    ensure!(
        ours.n_alive == ours.n_streams,
        "{} of {} streams are alive",
        ours.n_alive,
        ours.n_streams
    );
    ensure!(
        control.n_alive == 0,
        "the control proves nothing: {} streams live without us",
        control.n_alive
    );
    say("\nHeld: every stream went on with us, none without.")
}

type Cell = fn(&Outcome) -> String;

/// The rows of the result.
const CELLS: [(&str, Cell); 4] = [
    ("streams alive", |o| format!("{} of {}", o.n_alive, o.n_streams)),
    ("longest gap", |o| {
        o.longest_gap
            .map_or("for ever".into(), |gap| format!("{} ms", gap.as_millis()))
    }),
    ("flows committed", |o| o.n_committed.to_string()),
    ("takeover", |o| format!("{:.3} s", o.took.as_secs_f64())),
];

fn with_ours() -> Result<Outcome> {
    heading("Two firewalls, our daemon on both")?;
    say(
        "client ── lan ── fw1 or fw2 ── wan ── server, and a sync link between fw1 and fw2: four network namespaces.",
    )?;
    say(
        "Both firewalls accept what is established and what starts with a SYN, drop the rest, translate the source",
    )?;
    say("address, and take no flow for established that they do not know (nf_conntrack_tcp_loose=0).")?;
    let mut cluster = TEMPLATE.start(Daemon::Ours, Daemon::Ours)?;
    say("conntrackd runs on fw1 and on fw2, FT-FW over UDP.\n")?;
    let streams = open_streams(&cluster, PLAN)?;
    say(&format!(
        "{} streams run through fw1: {} TCP and {} UDP over each of IPv4 and IPv6.",
        streams.n_streams(),
        PLAN.n_tcp,
        PLAN.n_udp
    ))?;
    wait_for_replica(&cluster)?;
    say("fw2's external cache equals fw1's kernel table.\n")?;
    show("fw1# conntrackd -s", &cluster.fw1.control(&["-s"])?, usize::MAX)?;
    show("fw1# conntrackd -i", &cluster.fw1.control(&["-i"])?, SHOWN)?;
    show("fw2# conntrackd -e", &cluster.fw2.control(&["-e"])?, SHOWN)?;
    say(
        "fw1 loses power: its wires are cut, its daemon is killed. fw2 runs conntrackd -c and becomes the gateway.",
    )?;
    let outcome = fail_over(&mut cluster, &streams)?;
    show("fw2# conntrackd -s", &cluster.fw2.control(&["-s"])?, usize::MAX)?;
    Ok(outcome)
}

fn without_daemons() -> Result<Outcome> {
    heading("The control: the same firewalls without a daemon")?;
    let cluster = TEMPLATE.build()?;
    let streams = open_streams(&cluster, PLAN)?;
    say(&format!(
        "{} streams run through fw1; it loses power, fw2 becomes the gateway.",
        streams.n_streams()
    ))?;
    let outcome = fail_over_without_daemons(&cluster, &streams, PLAN)?;
    say("fw2 drops what it does not know, again and again; new streams pass.\n")?;
    Ok(outcome)
}

fn heading(text: &str) -> Result<()> {
    say(&format!("== {text} ==\n"))
}

/// Shows a command and the first lines of its output.
fn show(command: &str, output: &str, n_lines: usize) -> Result<()> {
    say(command)?;
    let output = output.trim_end();
    for line in output.lines().take(n_lines) {
        say(&format!("  {line}"))?;
    }
    match output.lines().count().saturating_sub(n_lines) {
        0 => say(""),
        more => say(&format!("  ... and {more} more\n")),
    }
}

fn say(line: &str) -> Result<()> {
    writeln!(stdout().lock(), "{line}").context("write to the terminal")
}
