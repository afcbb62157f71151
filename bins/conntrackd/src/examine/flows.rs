//! The flows that are to be explained, and what is said of a line that is none.

use std::io::{self, BufRead, BufWriter, ErrorKind, Write, stdin, stdout};
use std::process::ExitCode;

use anyhow::Context;
use conf_grammar::{Code, Diagnostic, Location, Span};
use engine::flow::parse::{self, FlowLineError};

use crate::args::{Flows, MessageFormat};
use crate::explain::Explainer;
use crate::{print, remark};

/// No tool prints a longer line, in bytes.
const LINE_LEN_MAX: usize = 64 * 1024;

/// Explains all flows; a line that is none is told and makes the run a failure.
pub(super) fn explain(
    explainer: &Explainer<'_>,
    flows: &Flows,
    format: MessageFormat,
) -> anyhow::Result<ExitCode> {
    let line = match flows {
        Flows::Line(line) => line,
        Flows::StandardInput => {
            let mut out = BufWriter::new(stdout().lock());
            let explained = explain_lines(explainer, &mut stdin().lock(), &mut out, format);
            return match explained.and_then(|code| out.flush().map(|()| code)) {
                // Whoever reads has seen enough.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
                explained => explained.context("can't explain what is on standard input"),
            };
        }
    };
    match parse::line(line) {
        Ok(text) => print(&explainer.explain(&text)),
        Err(error) => {
            remark(&match format {
                MessageFormat::Human => format!("no flow: {error}\n"),
                MessageFormat::Json => Start::FIRST.refused(line, &error).json("<argument>"),
            })?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Explains every line of `input`, each with the line before it and an empty one behind it.
fn explain_lines(
    explainer: &Explainer<'_>,
    input: &mut impl BufRead,
    out: &mut impl Write,
    format: MessageFormat,
) -> io::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    let mut start = Start::FIRST;
    let mut bytes = Vec::new();
    loop {
        let taken = take_line(input, &mut bytes)?;
        let line = String::from_utf8_lossy(&bytes);
        let refused = match taken {
            Taken::Nothing => return Ok(code),
            Taken::Line if line.trim().is_empty() => None,
            Taken::Line => match parse::line(&line) {
                Ok(text) => {
                    writeln!(out, "flow: {}\n{}", line.trim(), explainer.explain(&text))?;
                    None
                }
                Err(error) => Some(start.refused(&line, &error)),
            },
            Taken::Beginning => Some(start.too_long()),
        };
        if let Some(refused) = refused {
            code = ExitCode::FAILURE;
            out.flush()?;
            remark(&match format {
                MessageFormat::Human => format!("line {}: {}\n", start.line, refused.message),
                MessageFormat::Json => refused.json("<stdin>"),
            })?;
        }
        let skipped = match taken {
            Taken::Beginning => input.skip_until(b'\n')?,
            Taken::Line | Taken::Nothing => "\n".len(),
        };
        start.offset = start.offset.saturating_add(bytes.len()).saturating_add(skipped);
        start.line = start.line.saturating_add(1);
    }
}

/// What was taken from the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// It is at its end.
    Nothing,
    /// A line with its end, of which only the line is given.
    Line,
    /// The beginning of a line that is too long.
    Beginning,
}

/// Takes a line, but no more than shows that it is too long.
fn take_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Taken> {
    const TAKEN_MAX: u64 = LINE_LEN_MAX as u64 + 1;
    line.clear();
    if io::Read::take(input, TAKEN_MAX).read_until(b'\n', line)? == 0 {
        return Ok(Taken::Nothing);
    }
    if line.pop_if(|last| *last == b'\n').is_none() && line.len() > LINE_LEN_MAX {
        return Ok(Taken::Beginning);
    }
    Ok(Taken::Line)
}

/// Where a line starts.
struct Start {
    /// Offset of its first byte.
    offset: usize,
    /// Its number.
    line: u32,
}

impl Start {
    const FIRST: Self = Self { offset: 0, line: 1 };

    /// Says why a line is no flow.
    fn refused(&self, line: &str, error: &FlowLineError) -> Refused {
        let before = line.get(..error.offset).unwrap_or(line);
        Refused {
            offset: self.offset.saturating_add(before.len()),
            location: Location {
                line: self.line,
                column: u32::try_from(before.chars().count()).map_or(u32::MAX, |n| n.saturating_add(1)),
            },
            message: format!("no flow: {error}"),
        }
    }

    /// Says that a line is too long.
    fn too_long(&self) -> Refused {
        Refused {
            offset: self.offset,
            location: Location {
                line: self.line,
                column: 1,
            },
            message: format!("no flow: the line is longer than {LINE_LEN_MAX} bytes"),
        }
    }
}

/// A line that is no flow.
struct Refused {
    offset: usize,
    location: Location,
    message: String,
}

impl Refused {
    /// Returns it as an object of a line, like the findings about a configuration.
    fn json(self, source_name: &str) -> String {
        let place = Span {
            start: self.offset,
            end: self.offset,
            location: self.location,
        };
        let finding = Diagnostic::error(Code::BadFlow, place, self.message);
        conf_grammar::render_json(&[finding], source_name, b"")
    }
}
