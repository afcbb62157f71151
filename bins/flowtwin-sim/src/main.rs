//! Runs virtual clusters: one with its trace, or many with a line each.
//!
//! Exit codes: 0 all held, 2 usage, 101 an engine panicked, 128 no progress, 129 wrong result.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser;
use sim::{Failure, Seed};

const NO_PROGRESS: u8 = 128;
const WRONG: u8 = 129;

/// Runs virtual clusters of two firewalls, each decided by one number.
#[derive(Debug, Parser)]
#[command(version)]
#[group(required = true, multiple = false)]
struct Arguments {
    /// Run this one, and print all that happens in it; hexadecimal after 0x.
    seed: Option<Seed>,
    /// Run the first N, and print how each ended.
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let result = match (arguments.seed, arguments.seeds) {
        (Some(seed), _) => run_one(seed),
        (None, n_seeds) => run_many(n_seeds.unwrap_or(0)),
    };
    match result {
        // Who reads no further has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        result => Ok(result?),
    }
}

fn run_one(seed: Seed) -> io::Result<ExitCode> {
    let mut out = io::stdout().lock();
    writeln!(out, "{seed}")?;
    out.flush()?;
    let outcome = sim::run(seed, None);
    out.write_all(outcome.trace.as_bytes())?;
    match &outcome.result {
        Ok(()) => writeln!(out, "all held, {} flows were taken over", outcome.n_taken_over)?,
        Err(failure) => writeln!(out, "{failure}\n{seed}")?,
    }
    out.flush()?;
    Ok(exit_code(outcome.result.err().as_ref()))
}

fn run_many(n_seeds: u64) -> io::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let mut first_failure = None;
    for seed in (0..n_seeds).map(Seed) {
        write!(out, "{seed}  ")?;
        out.flush()?;
        let outcome = sim::run(seed, None);
        match outcome.result {
            Ok(()) => writeln!(out, "held, {} flows were taken over", outcome.n_taken_over)?,
            Err(failure) => {
                writeln!(out, "FAILED\n{failure}\n{seed}")?;
                first_failure.get_or_insert(failure);
            }
        }
    }
    out.flush()?;
    Ok(exit_code(first_failure.as_ref()))
}

fn exit_code(failure: Option<&Failure>) -> ExitCode {
    match failure {
        None => ExitCode::SUCCESS,
        Some(Failure::NoProgress(_)) => ExitCode::from(NO_PROGRESS),
        Some(Failure::Wrong(_)) => ExitCode::from(WRONG),
    }
}
