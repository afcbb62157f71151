//! Questions about the configuration, answered without a daemon and without any privilege.

mod flows;
mod migration;

use std::path::Path;
use std::process::ExitCode;

use conf_grammar::{Code, Config, Diagnostic, Dialect, Migration, Severity, migrate_with};

use crate::args::{Examination, MessageFormat, Question, Scope, Warnings};
use crate::config_file::ConfigFile;
use crate::explain::Explainer;
use crate::translate::translate;
use crate::{host, print, remark};

/// Answers a question about the configuration at `path`.
///
/// The answer goes to standard output, findings to standard error; those of a check are its answer if
/// they are for programs. With errors there is no answer, and standard output stays empty.
pub(crate) fn run(path: &Path, dialect: Dialect, examination: &Examination) -> anyhow::Result<ExitCode> {
    let file = ConfigFile::read_or_report(path, dialect);
    let Examination {
        question,
        format,
        warnings,
    } = examination;
    let migration = match question {
        Question::Migrate => Some(migrate_with(&file.outcome.file_name, file.source(), dialect)),
        Question::Check(_) | Question::Print | Question::Explain(_) => None,
    };
    let mut findings = findings(&file, path, question);
    if let Some(Migration { changes, .. }) = &migration {
        migration::tell_instead(changes, &mut findings);
    }
    let json = || conf_grammar::render_json(&findings, &file.outcome.file_name, file.source());
    match (question, format) {
        (Question::Check(_), MessageFormat::Json) => _ = print(&json())?,
        (_, MessageFormat::Json) => remark(&json())?,
        (_, MessageFormat::Human) => remark(&file.render(&findings))?,
    }
    let has = |severity| findings.iter().any(|found| found.severity == severity);
    let is_denied = *warnings == Warnings::Denied && has(Severity::Warning);
    let Some(config) = file.outcome.config.as_ref().filter(|_| !has(Severity::Error)) else {
        return Ok(ExitCode::FAILURE);
    };
    if is_denied {
        if *format == MessageFormat::Human {
            remark(&format!("{}: warnings are denied\n", file.outcome.file_name))?;
        }
        return Ok(ExitCode::FAILURE);
    }
    match question {
        Question::Check(_) if findings.is_empty() && *format == MessageFormat::Human => {
            remark(&format!("{}: no errors, no warnings\n", file.outcome.file_name))?;
            Ok(ExitCode::SUCCESS)
        }
        Question::Check(_) => Ok(ExitCode::SUCCESS),
        Question::Print => print(&conf_grammar::print(config)),
        Question::Migrate => migration
            .and_then(|migration| migration.text)
            .map_or(Ok(ExitCode::FAILURE), |text| print(&text)),
        Question::Explain(flows) => {
            let explainer = Explainer::new(config, &file.outcome.file_name, file.source());
            flows::explain(&explainer, flows, *format)
        }
    }
}

/// Returns what is worth saying before the answer, in the order of the file.
fn findings(file: &ConfigFile, path: &Path, question: &Question) -> Vec<Diagnostic> {
    let mut findings = match question {
        Question::Check(_) => file.findings(Severity::Note),
        Question::Print | Question::Migrate | Question::Explain(_) => file.findings(Severity::Warning),
    };
    if let Some(config) = &file.outcome.config {
        findings.extend(beyond_the_text(config, path, question));
    }
    conf_grammar::sort(&mut findings);
    findings
}

/// Returns what hinders a daemon although the text is right.
fn beyond_the_text(config: &Config, path: &Path, question: &Question) -> Vec<Diagnostic> {
    let refusals = || translate(config).err().unwrap_or_default();
    match question {
        // That the daemon cannot do it yet is no fault of the text.
        Question::Check(Scope::Text) | Question::Explain(_) => {
            let mut refusals = refusals();
            for refusal in &mut refusals {
                if refusal.code == Code::NotSupported {
                    refusal.severity = Severity::Warning;
                }
            }
            refusals
        }
        Question::Check(Scope::Host) => {
            let mut findings = refusals();
            findings.extend(host::findings(config, path));
            findings
        }
        Question::Print | Question::Migrate => Vec::new(),
    }
}
