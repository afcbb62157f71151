//! The daemon and its command line: glue between the configuration, the engine and the shell.

mod args;
mod client;
mod config_file;
mod daemon;
mod examine;
mod explain;
mod host;
mod operator;
mod translate;

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use io::clock;
use io::process::background::{self, BackgroundError};
use io::process::log::{Log, Severity};
use io::process::{reason, restrict_umask};

use args::{Invocation, NoRun, Place, Run};
use config_file::Unreadable;

fn main() -> ExitCode {
    let run = match args::parse(std::env::args_os()) {
        Ok(invocation) => {
            restrict_umask();
            carry_out(invocation)
        }
        Err(NoRun::Text(text)) => print(&text),
        Err(NoRun::Refused { message, usage }) => {
            print(&usage.unwrap_or_default()).and_then(|_| Err(anyhow::Error::msg(message)))
        }
    };
    run.unwrap_or_else(|error| {
        tell(Severity::Error, &with_causes(&error));
        let unreadable = error.downcast_ref::<Unreadable>();
        unreadable.map_or(ExitCode::FAILURE, |file| ExitCode::from(file.exit_code()))
    })
}

fn carry_out(invocation: Invocation) -> anyhow::Result<ExitCode> {
    let Invocation { config, dialect, run } = invocation;
    match run {
        Run::Examination(examination) => examine::run(&config, dialect, &examination),
        Run::Client { request, advice } => {
            if let Some(advice) = advice {
                tell(Severity::Warning, advice);
            }
            client::run(&config, dialect, request)?;
            Ok(ExitCode::SUCCESS)
        }
        Run::Daemon(Place::Foreground) => daemon::run(&config, dialect, None),
        Run::Daemon(Place::Background) => match background::waiting_parent()? {
            Some(parent) => daemon::run(&config, dialect, Some(parent)),
            None => match background::start() {
                Ok(()) => Ok(ExitCode::SUCCESS),
                // The child has said why.
                Err(BackgroundError::GaveUp) => Ok(ExitCode::FAILURE),
                Err(error @ BackgroundError::Untold { .. }) => {
                    tell(Severity::Warning, &error.to_string());
                    Ok(ExitCode::SUCCESS)
                }
                Err(error @ (BackgroundError::Spawn(_) | BackgroundError::Killed(_))) => Err(error.into()),
            },
        },
    }
}

/// Prints to stdout; that nobody reads it is no failure.
fn print(text: &str) -> anyhow::Result<ExitCode> {
    match stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Prints to stderr; that nobody reads it is no failure.
fn remark(text: &str) -> std::io::Result<()> {
    match stderr().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        remarked => remarked,
    }
}

/// Returns an error and its causes, but for those that the message before them tells already.
fn with_causes(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = match cause.downcast_ref() {
            Some(of_kernel) => reason(of_kernel),
            None => cause.to_string(),
        };
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Tells the caller in the form of a log line, as the daemon does.
fn tell(severity: Severity, text: &str) {
    Log::terminal().write(severity, text, clock::wall());
}
