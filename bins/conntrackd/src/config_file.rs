//! The configuration file: read, and what the reader found printed.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::Path;

use anyhow::anyhow;
use conf_grammar::{Code, Diagnostic, Dialect, FILE_MAX, Location, Outcome, Severity, Span};
use io::process::reason;

use crate::args::STANDARD_INPUT;

/// A configuration file that cannot be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    name: String,
    step: Step,
    reason: String,
}

/// What could not be done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Open,
    Read,
}

impl Unreadable {
    /// Returns the exit code of the stock daemon.
    pub(crate) fn exit_code(&self) -> u8 {
        match self.step {
            Step::Open => 1,
            Step::Read => 2,
        }
    }
}

impl std::error::Error for Unreadable {}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let step = match self.step {
            Step::Open => "open",
            Step::Read => "read",
        };
        write!(f, "can't {step} config file `{}': {}", self.name, self.reason)
    }
}

/// A configuration file that was read, whatever is in it.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    /// What is in it.
    pub(crate) outcome: Outcome,
    source: Vec<u8>,
}

impl ConfigFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`Unreadable`] if it cannot be read.
    pub(crate) fn read(path: &Path, dialect: Dialect) -> Result<Self, Unreadable> {
        let name = name(path);
        match contents(path) {
            Ok(source) => Ok(Self {
                outcome: conf_grammar::parse_with(&name, &source, dialect),
                source,
            }),
            Err((step, error)) => Err(Unreadable {
                name,
                step,
                reason: reason(&error),
            }),
        }
    }

    /// Reads the file at `path`; that it cannot be read is a finding like others.
    pub(crate) fn read_or_report(path: &Path, dialect: Dialect) -> Self {
        Self::read(path, dialect).unwrap_or_else(|unreadable| {
            let finding = Diagnostic::error(Code::UnreadableFile, Span::START, unreadable.to_string());
            Self {
                outcome: Outcome {
                    file_name: unreadable.name,
                    config: None,
                    control_socket: None,
                    syslog: None,
                    diagnostics: vec![finding],
                },
                source: Vec::new(),
            }
        })
    }

    /// Returns the bytes of the file.
    pub(crate) fn source(&self) -> &[u8] {
        &self.source
    }

    /// Returns what was found that weighs `least` or more.
    pub(crate) fn findings(&self, least: Severity) -> Vec<Diagnostic> {
        // Severities are ordered from the heaviest.
        let found = self.outcome.diagnostics.iter();
        found.filter(|found| found.severity <= least).cloned().collect()
    }

    /// Returns findings as text for standard error, with the lines they were found in; in colours if it
    /// is a terminal and nobody asked for none (<https://no-color.org>).
    pub(crate) fn render(&self, findings: &[Diagnostic]) -> String {
        let is_unset = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
        let render = if std::io::stderr().is_terminal() && is_unset("NO_COLOR") && !is_dumb {
            conf_grammar::render_styled
        } else {
            conf_grammar::render
        };
        render(findings, &self.outcome.file_name, &self.source)
    }

    /// Returns a finding as one line, for a log.
    pub(crate) fn log_line(&self, finding: &Diagnostic) -> String {
        let Diagnostic {
            code, span, message, ..
        } = finding;
        format!("{}:{}: {message} [{code}]", self.outcome.file_name, span.location)
    }

    /// Returns `problem` as an error that names the place in the file that leads to it, if there is one.
    pub(crate) fn error_at(
        &self,
        location: Option<Location>,
        problem: impl std::fmt::Display,
    ) -> anyhow::Error {
        let name = &self.outcome.file_name;
        match location {
            Some(location) => anyhow!("{name}:{location}: {problem}"),
            None => anyhow!("{problem}"),
        }
    }
}

/// Returns how messages call the file at `path`.
fn name(path: &Path) -> String {
    if path == Path::new(STANDARD_INPUT) {
        "<stdin>".to_owned()
    } else {
        path.display().to_string()
    }
}

/// Returns what is in a file, of a longer one as much as shows that it is too long.
fn contents(path: &Path) -> Result<Vec<u8>, (Step, std::io::Error)> {
    // One byte more than may be read tells that there is more.
    const READ_MAX: u64 = FILE_MAX as u64 + 1;
    let mut contents = Vec::new();
    let read = if path == Path::new(STANDARD_INPUT) {
        std::io::stdin().take(READ_MAX).read_to_end(&mut contents)
    } else {
        let file = File::open(path).map_err(|error| (Step::Open, error))?;
        file.take(READ_MAX).read_to_end(&mut contents)
    };
    read.map_err(|error| (Step::Read, error))?;
    Ok(contents)
}
