//! The configuration file: read, and what the reader found printed.

use std::path::Path;

use anyhow::anyhow;
use conf_grammar::{Diagnostic, Location, Outcome, Severity};
use io::process::reason;

/// A configuration file that was read, whatever is in it.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    /// What is in it.
    pub(crate) outcome: Outcome,
    source: Vec<u8>,
}

impl ConfigFile {
    /// Reads the file at `path`.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let source = std::fs::read(path)
            .map_err(|error| anyhow!("can't open config file `{name}': {}", reason(&error)))?;
        Ok(Self {
            outcome: conf_grammar::parse(&name, &source),
            source,
        })
    }

    /// Returns what was found that weighs `least` or more, with the lines it was found in.
    pub(crate) fn findings(&self, least: Severity) -> String {
        // Severities are ordered from the heaviest.
        let found: Vec<Diagnostic> = self
            .outcome
            .diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity <= least)
            .cloned()
            .collect();
        conf_grammar::render(&found, &self.outcome.file_name, &self.source)
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
