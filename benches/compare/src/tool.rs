//! The two tools on the same table: how long a command takes from its start to its end, output to a file.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::host;
use crate::load::{self, Load};
use crate::namespace::Namespace;
use crate::report::{median, write_table};
use crate::wait::now;

/// Flows that are loaded from a file.
const LOADED: u32 = 100_000;

/// What is measured: its name, the largest ratio ours : stock that holds.
const BUDGETS: [(&str, f64); 5] = [
    ("-L, s", 0.65),
    ("-L -s of one client, s", 0.4),
    ("-U -m, µs a flow changed", 0.4),
    ("-D -p tcp, s", 0.35),
    ("-R of 100,000 flows, s", 0.35),
];

/// One round of one tool, in the order of [`BUDGETS`].
type Round = [f64; 5];

/// The measurements of both tools, ours first.
#[derive(Debug)]
pub(crate) struct Tools {
    programs: [(&'static str, PathBuf); 2],
    flows: u32,
    rounds: [Vec<Round>; 2],
    /// Flows that the stock tool changed before it gave up.
    stock_changed: u64,
}

impl Tools {
    /// Nothing is measured yet.
    pub(crate) const fn new(ours: PathBuf, stock: PathBuf, flows: u32) -> Self {
        Self {
            programs: [("ours", ours), ("stock", stock)],
            flows,
            rounds: [Vec::new(), Vec::new()],
            stock_changed: 0,
        }
    }

    /// Measures both, each in a network of its own, in `order`.
    pub(crate) fn round(&mut self, order: [usize; 2], place: &Path) -> Result<()> {
        for index in order {
            let (name, program) = &self.programs[index];
            let (round, changed) = measure(program, self.flows, place)
                .with_context(|| format!("{name} ({})", program.display()))?;
            self.rounds[index].push(round);
            if index == 1 {
                self.stock_changed = changed;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Tools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounds = self.rounds[0].len();
        writeln!(
            f,
            "{} TCP flows in the table, two dozen a client, output to a file, median of {rounds} rounds.\n",
            self.flows
        )?;
        for (name, program) in &self.programs {
            writeln!(f, "- {name}: {}", host::first_line(program, "-V"))?;
        }
        writeln!(f)?;
        let rows: Vec<Vec<String>> = (0..)
            .zip(BUDGETS)
            .map(|(i, (name, budget))| {
                let [ours, stock] = self
                    .rounds
                    .each_ref()
                    .map(|rounds| median(rounds.iter().map(|round| round[i]).collect()));
                let ratio = ours / stock;
                let verdict = if ratio <= budget { "held" } else { "missed" };
                vec![
                    format!("`conntrack` {name}"),
                    format!("{ours:.3}"),
                    format!("{stock:.3}"),
                    format!("{ratio:.2}"),
                    format!("{budget}"),
                    verdict.to_owned(),
                ]
            })
            .collect();
        write_table(f, &["", "ours", "stock", "ours : stock", "budget", ""], &rows)?;
        if self.stock_changed < u64::from(self.flows) {
            write!(
                f,
                "\nThe stock tool gave up changing flows after {} of them.",
                self.stock_changed
            )?;
        }
        Ok(())
    }
}

/// Runs every command once; returns how long each took, and how many flows were changed.
fn measure(program: &Path, flows: u32, place: &Path) -> Result<(Round, u64)> {
    let ns = Namespace::new()?;
    ns.enter(|| {
        let all = Load {
            flows,
            rate: u32::MAX,
        };
        all.run_flat_out()?;
        Ok(())
    })?;
    let run = |args: &[&str]| run(&ns, program, args, place);
    let list = run(&["-L"])?;
    ensure!(
        list.lines == u64::from(flows),
        "-L printed {} lines of {flows}",
        list.lines
    );
    let few = run(&["-L", "-s", &load::CLIENT.to_string()])?;
    ensure!(few.lines > 0, "-L -s printed nothing");
    // The stock tool may give up on the way.
    let change = run(&["-U", "-p", "tcp", "-d", &load::SERVER.to_string(), "-m", "7"])?;
    ensure!(change.lines > 0, "-U changed nothing");
    let delete = run(&["-D", "-p", "tcp"])?;
    ensure!(
        delete.lines == u64::from(flows),
        "-D printed {} lines of {flows}",
        delete.lines
    );
    let file = place.join("flows");
    fs::write(&file, saved())?;
    let load = run(&["-R", file.to_str().context("a path in UTF-8")?])?;
    ensure!(
        ns.flows()? == u64::from(LOADED),
        "-R made {} flows of {LOADED}",
        ns.flows()?
    );
    #[expect(clippy::cast_precision_loss, reason = "a few hundred thousand")]
    let change_micros = change.secs * 1e6 / change.lines as f64;
    Ok((
        [list.secs, few.secs, change_micros, delete.secs, load.secs],
        change.lines,
    ))
}

/// What a command did.
struct Run {
    secs: f64,
    lines: u64,
}

/// Runs a command to its end, whatever that is.
fn run(ns: &Namespace, program: &Path, args: &[&str], place: &Path) -> Result<Run> {
    let out = place.join("out");
    let file = File::create(&out)?;
    let begin = now()?;
    ns.enter(|| {
        let mut command = Command::new(program);
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(file)
            .stderr(Stdio::null());
        command.status().context("run it")
    })?;
    let secs = (now()? - begin).as_secs_f64();
    let text = fs::read(&out)?;
    let lines = text.split(|byte| *byte == b'\n').count().saturating_sub(1);
    Ok(Run {
        secs,
        lines: u64::try_from(lines)?,
    })
}

/// Flows as lines of a file.
fn saved() -> String {
    (0..LOADED)
        .map(|i| {
            let [_, net, high, low] = (i / 8).to_be_bytes();
            let (client, port) = (format!("10.{net}.{high}.{low}"), 1_024 + i % 8);
            format!(
                "-A -t 1000 -u SEEN_REPLY,ASSURED -s {client} -d 10.200.0.1 -r 10.200.0.1 -q {client} -p tcp \
                 --sport {port} --dport 80 --reply-port-src 80 --reply-port-dst {port} --state ESTABLISHED\n"
            )
        })
        .collect()
}
