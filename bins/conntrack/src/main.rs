//! Shows and edits the kernel's connection-tracking table.

use std::fs::File;
use std::io::stdout;
use std::os::fd::AsFd;
use std::process::ExitCode;

use conntrack::options::{self, Context, Refusal};
use conntrack::run::{Failure, Sink, run};
use conntrack::{IDENT, remark};

fn main() -> ExitCode {
    let mut context = Context::default();
    let command = options::parse(std::env::args_os(), &mut context);
    let command = match command {
        Ok(command) => command,
        Err(refusal) => {
            warn(&mut context);
            tell(&refusal.to_string(), refusal.has_hint());
            return ExitCode::from(refusal.exit_code());
        }
    };
    warn(&mut context);
    let done = sink().and_then(|mut sink| {
        let done = run(command, &mut context, &mut sink);
        // Of a command that fails too what it printed stays.
        sink.flush().and(done)
    });
    match done {
        Ok(done) => {
            if let Some(summary) = &done.summary {
                tell(summary, false);
            }
            if done.is_success {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(failure) => {
            warn(&mut context);
            tell(&failure.to_string(), failure.has_hint());
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Standard output without a buffer of its own.
fn sink() -> Result<Sink, Failure> {
    let stdout = stdout().as_fd().try_clone_to_owned();
    Ok(Sink::new(File::from(stdout.map_err(Failure::Output)?)))
}

/// Tells what a command line has in it that its writer should know.
fn warn(context: &mut Context) {
    for warning in context.take_warnings() {
        remark(&format!("{warning}\n"));
    }
}

fn tell(text: &str, has_hint: bool) {
    remark(&format!("{IDENT}: {text}\n"));
    if has_hint {
        remark(&format!("{}\n", Refusal::HINT));
    }
}
