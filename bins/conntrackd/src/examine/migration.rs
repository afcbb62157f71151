//! What a migration changes, as findings: told where the old clauses would be.

use conf_grammar::{Change, Code, Diagnostic};

/// More changes are made, but not told one by one.
const TOLD_MAX: usize = 200;

/// Replaces what `findings` say of the age of clauses by what became of them.
pub(super) fn tell_instead(changes: &[Change], findings: &mut Vec<Diagnostic>) {
    // Both are in the order of the file.
    let is_changed = |found: &Diagnostic| {
        changes
            .binary_search_by_key(&found.span.location, |change| change.span.location)
            .is_ok()
    };
    findings.retain(|found| !is_about_age(found.code) || !is_changed(found));
    let (told, untold) = changes.split_at_checked(TOLD_MAX).unwrap_or((changes, &[]));
    let note = |change: &Change| Diagnostic::note(Code::Migrated, change.span, &change.message);
    findings.extend(told.iter().map(note));
    if let Some(first) = untold.first() {
        let message = format!("{} further changes are made and not shown", untold.len());
        findings.push(Diagnostic::note(Code::TooMany, first.span, message));
    }
    conf_grammar::sort(findings);
}

/// Returns whether a finding of this code is gone once the file is in today's spelling.
fn is_about_age(code: Code) -> bool {
    const OF_AGE: [Code; 6] = [
        Code::DeprecatedIgnored,
        Code::DeprecatedRenamed,
        Code::DeprecatedTranslated,
        Code::DocumentedElsewhere,
        Code::RedundantClause,
        Code::BomSkipped,
    ];
    OF_AGE.contains(&code)
}
