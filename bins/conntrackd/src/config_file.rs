//! The configuration file: read, and what the reader found printed.

use std::io::{IsTerminal, Read};
use std::path::Path;

use anyhow::anyhow;
use conf_grammar::{Code, Diagnostic, Dialect, Location, Outcome, Severity, Span};
use io::process::reason;

use crate::args::STANDARD_INPUT;

/// A configuration file that was read, whatever is in it.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    /// What is in it.
    pub(crate) outcome: Outcome,
    source: Vec<u8>,
}

impl ConfigFile {
    /// Reads the file at `path`.
    pub(crate) fn read(path: &Path, dialect: Dialect) -> anyhow::Result<Self> {
        let file = Self::read_or_report(path, dialect);
        match file.outcome.diagnostics.first() {
            Some(finding) if finding.code == Code::UnreadableFile => Err(anyhow!(finding.message.clone())),
            Some(_) | None => Ok(file),
        }
    }

    /// Reads the file at `path`; that it cannot be read is a finding like others.
    pub(crate) fn read_or_report(path: &Path, dialect: Dialect) -> Self {
        let is_stdin = path == Path::new(STANDARD_INPUT);
        let name = if is_stdin {
            "<stdin>".to_owned()
        } else {
            path.display().to_string()
        };
        let source = if is_stdin {
            let mut source = Vec::new();
            std::io::stdin().read_to_end(&mut source).map(|_| source)
        } else {
            std::fs::read(path)
        };
        match source {
            Ok(source) => Self {
                outcome: conf_grammar::parse_with(&name, &source, dialect),
                source,
            },
            Err(error) => {
                let message = format!("can't open config file `{name}': {}", reason(&error));
                Self {
                    outcome: Outcome {
                        file_name: name,
                        config: None,
                        control_socket: None,
                        syslog: None,
                        diagnostics: vec![Diagnostic::error(Code::UnreadableFile, Span::START, message)],
                    },
                    source: Vec::new(),
                }
            }
        }
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

    /// Returns findings as the same text without colours, for a log.
    pub(crate) fn render_plain(&self, findings: &[Diagnostic]) -> String {
        conf_grammar::render(findings, &self.outcome.file_name, &self.source)
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
