//! What the configuration names on this machine: is it there, and may it be used?
//!
//! Everything is only looked at. What cannot be known by looking, such as a port in use, is found when
//! the daemon opens it.

mod files;
mod links;

use std::path::Path;

use conf_grammar::{Code, Config, Diagnostic, Span};
use io::process::sysctl;

/// Returns what is wrong on this machine with the configuration read from `path`.
pub(crate) fn findings(config: &Config, path: &Path) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    if let Some(sync) = config.sync() {
        links::check(&sync.links, &mut findings);
    }
    files::check(config, path, &mut findings);
    findings.extend(table(config, sysctl::table_len_max()));
    findings
}

/// Compares the caches with the kernel's table of `table_len_max` flows.
fn table(config: &Config, table_len_max: Option<u32>) -> Option<Diagnostic> {
    let limit = &config.general.hash_limit;
    let table_len_max = table_len_max?;
    let advised = table_len_max.saturating_mul(2);
    let lost = if limit.value < table_len_max {
        "flows beyond are not replicated"
    } else {
        "ended flows that wait for the peer also take room"
    };
    let message = format!(
        "each cache takes {} flows, the kernel's table {table_len_max} (`nf_conntrack_max`): {lost}",
        limit.value
    );
    let finding = match limit.span {
        _ if limit.value >= advised => return None,
        Some(span) => Diagnostic::warning(Code::HashLimitSmall, span, message),
        None if limit.value < table_len_max => {
            Diagnostic::warning(Code::HashLimitSmall, Span::START, message)
        }
        // Nobody chose it, and it is short only while flows that have ended wait for the peer.
        None => Diagnostic::note(Code::HashLimitSmall, Span::START, message),
    };
    Some(finding.with_help(format!("set `HashLimit` to {advised}, twice as many")))
}

#[cfg(test)]
mod tests;
