//! What is wrong with a file, or worth a word, and where.

mod code;
mod json;
mod render;
pub(crate) mod suggest;

use std::fmt;

pub use code::Code;
pub use json::render_json;
pub use render::{render, render_styled};

use crate::dialect::Dialect;
use crate::span::Span;

/// After so many errors the rest is left out: the first ones explain the others.
pub(crate) const ERRORS_MAX: usize = 50;
/// Warnings and notes are bounded too, for files that repeat one clause a million times.
const REMARKS_MAX: usize = 200;
/// A word of the file is echoed in a message up to this many characters.
const ECHO_MAX: usize = 48;

/// How much a diagnostic weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It works, but hardly as it was meant.
    Warning,
    /// Worth knowing when one checks a file, not when the daemon starts.
    Note,
}

impl Severity {
    /// Returns the word that begins a rendered diagnostic.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Another place that explains a diagnostic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Related {
    /// The place.
    pub span: Span,
    /// What is there, in a few words.
    pub message: String,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it weighs.
    pub severity: Severity,
    /// Which kind it is.
    pub code: Code,
    /// Bytes, line and column of its cause.
    pub span: Span,
    /// What is wrong, with the values, in one sentence.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Other places that belong to it.
    pub related: Vec<Related>,
}

impl Diagnostic {
    fn new(severity: Severity, code: Code, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity,
            code,
            span,
            message: message.into(),
            help: None,
            related: Vec::new(),
        }
    }

    /// Returns a finding that makes the configuration unusable; `message` is one sentence, with the values.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, span, message)
    }

    /// Returns a finding that a running daemon suffers from.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, span, message)
    }

    /// Returns a finding that nobody has to act upon.
    pub fn note(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, span, message)
    }

    /// Adds what to do about it; a second help replaces the first.
    #[must_use]
    pub fn with_help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds another place of the same file that belongs to it, and what is there.
    #[must_use]
    pub fn with_related(mut self, span: Span, message: impl Into<String>) -> Self {
        self.related.push(Related {
            span,
            message: message.into(),
        });
        self
    }
}

/// Brings diagnostics into the order of the file; errors of one place go before remarks about it.
pub fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by_key(|d| (d.span.location, d.severity));
}

/// Collects the diagnostics of a file.
#[derive(Default)]
pub(crate) struct Sink {
    dialect: Dialect,
    diagnostics: Vec<Diagnostic>,
    n_errors: usize,
    n_remarks: usize,
    /// Where the first error stands that is not kept.
    dropped_error: Option<Span>,
    /// The same of warnings and notes.
    dropped_remark: Option<Span>,
}

impl Sink {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            ..Self::default()
        }
    }

    /// Adds an error that the stock dialect takes for a warning: there `consequence` says what the
    /// daemon makes of the mistake.
    pub(crate) fn tolerate(&mut self, error: Diagnostic, consequence: &str) {
        match self.dialect {
            Dialect::Strict => self.push(error),
            Dialect::Stock => {
                let warning = Diagnostic {
                    severity: Severity::Warning,
                    ..error
                };
                self.push(warning.with_help(format!("accepted for compatibility: {consequence}")));
            }
        }
    }

    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        let (count, limit, dropped) = match diagnostic.severity {
            Severity::Error => (&mut self.n_errors, ERRORS_MAX, &mut self.dropped_error),
            Severity::Warning | Severity::Note => {
                (&mut self.n_remarks, REMARKS_MAX, &mut self.dropped_remark)
            }
        };
        *count = count.saturating_add(1);
        if *count > limit {
            dropped.get_or_insert(diagnostic.span);
        } else {
            self.diagnostics.push(diagnostic);
        }
    }

    pub(crate) fn extend(&mut self, diagnostics: impl IntoIterator<Item = Diagnostic>) {
        for diagnostic in diagnostics {
            self.push(diagnostic);
        }
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.n_errors > 0
    }

    /// Whether more errors are of no interest: it is known that there are more than are kept.
    pub(crate) fn is_full(&self) -> bool {
        self.n_errors > ERRORS_MAX
    }

    /// Whether an error was found inside `span`, or errors have become too many to know.
    pub(crate) fn has_error_in(&self, span: Span) -> bool {
        self.is_full()
            || self
                .diagnostics
                .iter()
                .any(|d| d.severity == Severity::Error && span.contains(d.span))
    }

    /// Whether a word inside `span` was taken for a clause that the block does not have.
    pub(crate) fn has_unknown_clause_in(&self, span: Span) -> bool {
        let is_unknown = |code| matches!(code, Code::UnknownClause | Code::UnexpectedCharacter);
        self.is_full()
            || self
                .diagnostics
                .iter()
                .any(|d| is_unknown(d.code) && span.contains(d.span))
    }

    /// Returns all diagnostics in the order of the file, with a note where the first one is missing. How
    /// many errors are missing is not known: after the first one of them the file is not read to its end.
    pub(crate) fn into_sorted(mut self) -> Vec<Diagnostic> {
        let errors = self.dropped_error.map(|span| {
            let message = format!("there are more than {ERRORS_MAX} errors: the others are not shown");
            Diagnostic::note(Code::TooMany, span, message)
        });
        let remarks = self.dropped_remark.map(|span| {
            let message = format!("of {} warnings and notes {REMARKS_MAX} are shown", self.n_remarks);
            Diagnostic::note(Code::TooMany, span, message)
        });
        self.diagnostics.extend(errors.into_iter().chain(remarks));
        sort(&mut self.diagnostics);
        self.diagnostics
    }
}

/// Writes a word of the file for a message: in backticks, shortened, control characters escaped.
pub(crate) fn echo(text: &str) -> String {
    let escaped: String = text.chars().take(ECHO_MAX).flat_map(printable).collect();
    let more = if text.chars().nth(ECHO_MAX).is_some() {
        "..."
    } else {
        ""
    };
    format!("`{escaped}{more}`")
}

fn printable(character: char) -> Vec<char> {
    if character.is_control() || character == '\u{FEFF}' {
        character.escape_unicode().collect()
    } else {
        vec![character]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echo_shortens_and_escapes() {
        assert_eq!(echo("a\u{1b}b"), "`a\\u{1b}b`");
        assert_eq!(echo(&"x".repeat(60)), format!("`{}...`", "x".repeat(48)));
    }

    #[test]
    fn no_two_codes_share_a_name() {
        let mut names: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }

    /// How many of so many equal findings are kept, and what the note about the others says.
    fn kept(severity: Severity, n: usize) -> (usize, Option<String>) {
        let mut sink = Sink::default();
        for _ in 0..n {
            sink.push(Diagnostic::new(severity, Code::BadNumber, Span::START, "x"));
        }
        let (more, kept): (Vec<Diagnostic>, Vec<Diagnostic>) = sink
            .into_sorted()
            .into_iter()
            .partition(|d| d.code == Code::TooMany);
        assert!(more.len() < 2, "{more:?}");
        (kept.len(), more.into_iter().next().map(|note| note.message))
    }

    #[test]
    fn the_sink_keeps_so_many_findings_and_says_that_there_are_more() {
        assert_eq!(kept(Severity::Error, 50), (50, None));
        let more = "there are more than 50 errors: the others are not shown".to_owned();
        assert_eq!(kept(Severity::Error, 51), (50, Some(more)));
        assert_eq!(kept(Severity::Warning, 200), (200, None));
        let more = "of 203 warnings and notes 200 are shown".to_owned();
        assert_eq!(kept(Severity::Note, 203), (200, Some(more)));
    }

    #[test]
    fn the_sink_is_full_once_it_knows_of_more_errors_than_it_keeps() {
        let mut sink = Sink::default();
        for n in 1..=51 {
            sink.push(Diagnostic::error(Code::BadNumber, Span::START, "x"));
            assert_eq!(sink.is_full(), n == 51);
        }
    }
}
