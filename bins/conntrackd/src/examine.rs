//! Questions about the configuration, answered without a daemon and without any privilege.

use std::io::{Write, stderr};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use conf_grammar::{Diagnostic, Dialect, Severity};

use crate::args::{Examination, MessageFormat, Question, Scope, Warnings};
use crate::config_file::ConfigFile;
use crate::print;
use crate::translate::translate;

/// Answers a question about the configuration at `path`.
///
/// The answer goes to standard output, findings to standard error; those of a check are its answer if
/// they are for programs. Without an answer, because of errors, standard output stays empty.
pub(crate) fn run(path: &Path, dialect: Dialect, examination: &Examination) -> anyhow::Result<ExitCode> {
    let file = ConfigFile::read_or_report(path, dialect);
    let mut findings = findings(&file, &examination.question);
    conf_grammar::sort(&mut findings);
    match (&examination.question, examination.format) {
        (Question::Check(_), MessageFormat::Json) => {
            print(&conf_grammar::render_json(
                &findings,
                &file.outcome.file_name,
                file.source(),
            ))?;
        }
        (_, MessageFormat::Json) => {
            tell(&conf_grammar::render_json(
                &findings,
                &file.outcome.file_name,
                file.source(),
            ))?;
        }
        (_, MessageFormat::Human) => tell(&file.render(&findings))?,
    }
    let count = |severity| findings.iter().filter(|found| found.severity == severity).count();
    let (n_errors, n_warnings) = (count(Severity::Error), count(Severity::Warning));
    if n_errors > 0 {
        return Ok(ExitCode::FAILURE);
    }
    let is_denied = examination.warnings == Warnings::Denied && n_warnings > 0;
    if examination.format == MessageFormat::Human {
        conclude(&file, &examination.question, &findings, is_denied)?;
    }
    if is_denied {
        return Ok(ExitCode::FAILURE);
    }
    answer(&file, &examination.question)
}

/// Returns what is worth saying before the answer.
fn findings(file: &ConfigFile, question: &Question) -> Vec<Diagnostic> {
    let Question::Check(scope) = question else {
        return file.findings(Severity::Warning);
    };
    let mut findings = file.findings(Severity::Note);
    let Some(config) = &file.outcome.config else {
        return findings;
    };
    let refusals = translate(config).err().unwrap_or_default();
    match scope {
        // The text is right; that the daemon cannot do it yet is no fault of it.
        Scope::Text => findings.extend(refusals.into_iter().map(|refusal| Diagnostic {
            severity: Severity::Warning,
            ..refusal
        })),
        Scope::Host => findings.extend(refusals),
    }
    findings
}

/// Says in one line how a check ended that found no error.
fn conclude(
    file: &ConfigFile,
    question: &Question,
    findings: &[Diagnostic],
    is_denied: bool,
) -> anyhow::Result<()> {
    let name = &file.outcome.file_name;
    if is_denied {
        return tell(&format!("{name}: warnings are denied\n"));
    }
    match question {
        Question::Check(_) if findings.is_empty() => tell(&format!("{name}: no errors, no warnings\n")),
        Question::Check(_) | Question::Print => Ok(()),
    }
}

/// Prints the answer of a question about a configuration without errors.
fn answer(file: &ConfigFile, question: &Question) -> anyhow::Result<ExitCode> {
    match (question, &file.outcome.config) {
        (Question::Print, Some(config)) => print(&conf_grammar::print(config)),
        (Question::Check(_), _) | (Question::Print, None) => Ok(ExitCode::SUCCESS),
    }
}

fn tell(text: &str) -> anyhow::Result<()> {
    stderr()
        .write_all(text.as_bytes())
        .context("can't write to standard error")
}
