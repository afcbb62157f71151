//! The configuration language: any bytes, in both dialects.

use conf_grammar::{Config, Diagnostic, Dialect, Outcome, Severity};

/// Errors that are told of one file.
const ERRORS_MAX: usize = 50;

/// A configuration file: everything that a program does with one.
pub fn configuration(source: &[u8]) {
    let strict = read(source, Dialect::Strict);
    let stock = read(source, Dialect::Stock);
    shown(&strict, source);
    if stock.diagnostics != strict.diagnostics {
        shown(&stock, source);
    }
    if let Some(config) = &strict.config {
        assert_eq!(
            stock.config.as_ref(),
            Some(config),
            "today's language is part of the other"
        );
        printed(config, Dialect::Strict);
        migrated(source, config, Dialect::Strict);
    }
    if let Some(config) = &stock.config {
        printed(config, Dialect::Stock);
        migrated(source, config, Dialect::Stock);
    }
}

/// Reads a file; what was found is bounded, and lies in it.
fn read(source: &[u8], dialect: Dialect) -> Outcome {
    let outcome = conf_grammar::parse_with("conntrackd.conf", source, dialect);
    let found = &outcome.diagnostics;
    let is_error = |diagnostic: &&Diagnostic| diagnostic.severity == Severity::Error;
    let n_errors = found.iter().filter(is_error).count();
    assert_eq!(outcome.config.is_none(), n_errors > 0, "{found:?}");
    assert_eq!(outcome.has_errors(), n_errors > 0);
    assert!(n_errors <= ERRORS_MAX, "{n_errors}");
    assert!(found.is_sorted_by_key(|diagnostic| diagnostic.span.location));
    found.iter().for_each(|diagnostic| lies_in(diagnostic, source));
    outcome
}

/// What was found is shown to people, and to programs.
fn shown(outcome: &Outcome, source: &[u8]) {
    let found = &outcome.diagnostics;
    let shown = conf_grammar::render(found, &outcome.file_name, source);
    let is_harmless = |c: char| c == '\n' || !c.is_control();
    assert!(shown.chars().all(is_harmless), "a terminal would obey {shown:?}");
    let lines = conf_grammar::render_json(found, &outcome.file_name, source);
    assert_eq!(lines.lines().count(), found.len());
}

/// Every place is in the file, and where that is text it begins and ends with a character.
fn lies_in(diagnostic: &Diagnostic, source: &[u8]) {
    let related = diagnostic.related.iter().map(|related| related.span);
    for span in related.chain([diagnostic.span]) {
        assert!(
            span.start <= span.end && span.end <= source.len(),
            "{diagnostic:?}"
        );
        if let Ok(text) = str::from_utf8(source) {
            let is_whole = text.is_char_boundary(span.start) && text.is_char_boundary(span.end);
            assert!(is_whole, "{diagnostic:?}");
        }
    }
}

/// The printed configuration is the same one, and is printed as the same text.
fn printed(config: &Config, dialect: Dialect) {
    let text = conf_grammar::print(config);
    let again = conf_grammar::parse_with("printed.conf", text.as_bytes(), dialect);
    let again = again.config.expect("what is printed has no errors");
    assert_eq!(again, *config, "{text}");
    assert_eq!(conf_grammar::print(&again), text);
}

/// The migrated file configures the same and has nothing left to migrate.
fn migrated(source: &[u8], config: &Config, dialect: Dialect) {
    let text = conf_grammar::migrate_with("conntrackd.conf", source, dialect).text;
    let text = text.expect("a file without errors can be migrated");
    let again = conf_grammar::migrate_with("migrated.conf", text.as_bytes(), dialect);
    assert_eq!(again.outcome.config.as_ref(), Some(config), "{text}");
    assert_eq!(again.text.as_ref(), Some(&text), "{:?}", again.changes);
}
