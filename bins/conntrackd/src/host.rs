//! What the configuration names on this machine: is it there, and may it be used?
//!
//! Everything is only looked at. What cannot be known by looking, such as a port in use, is found when
//! the daemon opens it.

mod files;
mod links;

use std::num::NonZeroU32;
use std::path::Path;

use conf_grammar::{Code, Config, Diagnostic, Spanned};
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

/// Returns how many flows each cache takes at the most: what the file says. If it says nothing, as many
/// as the kernel's table, and as many that have ended and wait for the peer, but no fewer than
/// documented; an empty cache costs nothing.
pub(crate) fn cache_len_max(limit: Spanned<u32>, table_len_max: Option<u32>) -> NonZeroU32 {
    let len_max = match (limit.span, table_len_max) {
        (None, Some(table_len_max)) => limit.value.max(table_len_max.saturating_mul(2)),
        (Some(_), _) | (None, None) => limit.value,
    };
    NonZeroU32::new(len_max).unwrap_or(NonZeroU32::MIN)
}

/// Compares caches of a size that the file says with the kernel's table of `table_len_max` flows.
fn table(config: &Config, table_len_max: Option<u32>) -> Option<Diagnostic> {
    let limit = &config.general.hash_limit;
    let (span, table_len_max) = (limit.span?, table_len_max?);
    let advised = table_len_max.saturating_mul(2);
    if limit.value >= advised {
        return None;
    }
    let lost = if limit.value < table_len_max {
        "flows beyond are not replicated"
    } else {
        "ended flows that wait for the peer also take room"
    };
    let message = format!(
        "each cache takes {} flows, the kernel's table {table_len_max} (`nf_conntrack_max`): {lost}",
        limit.value
    );
    let finding = Diagnostic::warning(Code::HashLimitSmall, span, message);
    Some(finding.with_help(format!("set `HashLimit` to {advised}, twice as many")))
}

#[cfg(test)]
mod tests;
