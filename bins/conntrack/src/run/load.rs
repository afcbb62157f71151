//! Carrying out the lines of a file: `-R`.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use super::failure::{Failure, Task};
use super::sink::Sink;
use super::{Done, create, edit, labels_for, names};
use crate::IDENT;
use crate::command::{Command, Creation, IfExists};
use crate::options::{Context, parse_line};

/// Commands that are carried out together.
enum Step {
    /// Flows to make.
    Creations(Vec<(Creation, IfExists)>),
    /// Anything else, by itself.
    Other(Box<Command>),
}

/// Reads the whole file, then carries out its lines in order. A line that means nothing hinders all, one
/// that the kernel refuses those behind it.
pub(super) fn load(path: &Path, context: &mut Context, sink: &mut Sink) -> Result<Done, Failure> {
    let steps = if path == Path::new("-") {
        read(io::stdin().lock(), path, context)?
    } else {
        let file = File::open(path).map_err(|source| Failure::Open {
            path: path.to_owned(),
            source,
        })?;
        read(BufReader::with_capacity(64 * 1024, file), path, context)?
    };
    let mut socket = super::requests(Task::Create)?;
    let batch_len = socket.edits_max();
    let batch_len = batch_len.map_err(|error| Failure::netlink(Task::Create, error))?;
    let mut n_made = 0;
    let mut progress = super::progress::Progress::of("created");
    for step in steps {
        match step {
            Step::Creations(creations) => {
                for batch in creations.chunks(batch_len) {
                    create::batch(&mut socket, batch)?;
                    n_made += u64::try_from(batch.len()).unwrap_or(u64::MAX);
                    progress.at(n_made);
                }
            }
            Step::Other(command) => other(*command, context, sink)?,
        }
    }
    Ok(Done::SILENT)
}

/// Carries out a command that is no creation; of deletions and changes nothing is said but the flows.
fn other(command: Command, context: &Context, sink: &mut Sink) -> Result<(), Failure> {
    match command {
        Command::Delete { query, output } => {
            let labels = labels_for(&output, context);
            edit::delete(&query, &output, names(labels.as_ref(), context), sink)?;
        }
        Command::Update {
            query,
            change,
            output,
        } => {
            let labels = labels_for(&output, context);
            edit::update(&query, &change, &output, names(labels.as_ref(), context), sink)?;
        }
        Command::Flush(family) => {
            create::flush(family)?;
            crate::remark(&format!("{IDENT}: connection tracking table has been emptied.\n"));
        }
        Command::Create { .. }
        | Command::List { .. }
        | Command::Get { .. }
        | Command::Events { .. }
        | Command::Count
        | Command::Stats(_)
        | Command::Expect(_)
        | Command::Load(_)
        | Command::Version
        | Command::Help(_) => unreachable!("a line of a file is no such command: refused by parse_line"),
    }
    Ok(())
}

/// Reads all lines.
fn read(mut file: impl BufRead, path: &Path, context: &mut Context) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = file.read_until(b'\n', &mut line);
        let n_read = read.map_err(|source| Failure::Read {
            path: path.to_owned(),
            source,
        })?;
        if n_read == 0 {
            return Ok(steps);
        }
        match parse_line(&line, context).map_err(Failure::Line)? {
            None => {}
            Some(Command::Create { creation, if_exists }) => {
                let creation = (*creation, if_exists);
                match steps.last_mut() {
                    Some(Step::Creations(creations)) => creations.push(creation),
                    _ => steps.push(Step::Creations(vec![creation])),
                }
            }
            Some(other) => steps.push(Step::Other(Box::new(other))),
        }
    }
}
