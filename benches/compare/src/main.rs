//! `make bench-compare`: our programs and the stock ones, measured in one run on the same load.
//!
//! ```text
//!  fwA                                   fwB
//!  load -> kernel table -> conntrackd == veth, FT-FW over UDP == conntrackd -> commit -> kernel table
//! ```
//!
//! Both daemons of a pair are of one kind. A round measures the pairs one after the other, and the
//! next round in the opposite order. What is reported is the median of the rounds, and the ratio of
//! the medians against the budget. A missed budget is printed, it does not fail the run: the run
//! fails when something did not work.

mod daemon;
mod host;
mod load;
mod namespace;
mod reader;
mod report;
mod scenario;
mod tool;
mod wait;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;

use daemon::Kind;
use load::Load;
use report::Report;
use tool::Tools;
use wait::Waiter;

/// Measures our conntrackd and the stock one on the same load and prints the ratios.
#[derive(Debug, Parser)]
struct Args {
    /// Flows to add.
    #[arg(long, default_value_t = 400_000)]
    flows: u32,
    /// Flows added in a second.
    #[arg(long, default_value_t = 100_000)]
    rate: u32,
    /// How often each kind is measured.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Our daemon; without it the one built beside this program.
    #[arg(long)]
    ours: Option<PathBuf>,
    /// The stock daemon.
    #[arg(long, default_value = "/usr/sbin/conntrackd")]
    stock: PathBuf,
    /// Our tool; without it the one built beside this program.
    #[arg(long)]
    our_tool: Option<PathBuf>,
    /// The stock tool.
    #[arg(long, default_value = "/usr/sbin/conntrack")]
    stock_tool: PathBuf,
    /// File to which the tables are written as well.
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// Keep configuration and logs of the daemons.
    #[arg(long)]
    keep: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(
        nix::unistd::geteuid().is_root(),
        "the comparison makes network namespaces: run it as root"
    );
    ensure!(
        args.rounds > 0 && args.flows > 0 && args.rate > 0,
        "rounds, flows and rate are at least 1"
    );
    ensure!(
        args.flows <= load::FLOWS_MAX,
        "at most {} flows have distinct tuples",
        load::FLOWS_MAX
    );
    let kinds = [
        Kind::new("ours", our_program(args.ours.as_deref(), "conntrackd")?)?,
        Kind::new("stock", args.stock.clone())?,
    ];

    let waiter = Waiter::new()?;
    let _table = host::TableSize::raise(args.flows)?;
    let directory = host::Directory::new(args.keep)?;
    let load = Load {
        flows: args.flows,
        rate: args.rate,
    };

    note(&format!(
        "load generator, flat out, nobody listening: {} flows",
        args.flows
    ))?;
    let generator_max = scenario::generator_alone(load)?;
    note("the events alone, read by a loop that does nothing else")?;
    let floors = [
        scenario::reading_alone(load, Duration::ZERO)?,
        scenario::reading_alone(load, Duration::from_millis(1))?,
    ];

    let mut report = Report::new(&kinds, load, args.rounds, generator_max, floors);
    for round in 0..args.rounds {
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        for index in order {
            let kind = &kinds[index];
            note(&format!("round {} of {}: {}", round + 1, args.rounds, kind.name))?;
            // A daemon that was killed leaves its lock file behind: each has a directory of its own.
            let place = directory.path().join(format!("{}-{}", round + 1, kind.name));
            std::fs::create_dir(&place).with_context(|| format!("make {}", place.display()))?;
            let measured = scenario::measure(kind, load, &place, &waiter).with_context(|| {
                format!("round {}, {} ({})", round + 1, kind.name, kind.program.display())
            })?;
            report.add(index, measured);
        }
    }

    let mut tools = Tools::new(
        our_program(args.our_tool.as_deref(), "conntrack")?,
        args.stock_tool,
        args.flows,
    );
    for round in 0..args.rounds {
        note(&format!("tools, round {} of {}", round + 1, args.rounds))?;
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        tools.round(order, directory.path())?;
    }

    let text = format!("{report}\n\n{tools}");
    writeln!(std::io::stdout().lock(), "{text}")?;
    if let Some(path) = args.markdown {
        std::fs::write(&path, &text).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// One of ours: the one named, or the one cargo built into the directory of this program.
fn our_program(named: Option<&Path>, name: &str) -> Result<PathBuf> {
    match named {
        Some(path) => Ok(path.to_owned()),
        None => Ok(std::env::current_exe()?.with_file_name(name)),
    }
}

/// Tells on stderr what is being done: a run takes minutes.
fn note(line: &str) -> Result<()> {
    writeln!(std::io::stderr().lock(), "compare: {line}")?;
    Ok(())
}
