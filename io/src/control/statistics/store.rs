//! What is kept of flows and expectations: the blocks of the two caches, or of what stands in their place.

use std::io::{self, Write};

use engine::stats::{BypassStats, CacheStats, InjectStats, Statistics};

/// What stands on one side of a node.
pub(super) enum Store<'a> {
    /// A cache, and its name.
    Cache(&'static str, &'a CacheStats),
    /// The link takes the place of the internal cache.
    Bypass(BypassStats),
    /// The kernel takes the place of the external cache.
    Inject(InjectStats),
}

impl<'a> Store<'a> {
    /// Returns what keeps the flows of this node, and those of the peer.
    pub(super) fn of_flows(engine: &'a Statistics) -> [Self; 2] {
        let external = engine
            .inject
            .map_or(Self::Cache("external", &engine.external), Self::Inject);
        let internal = engine
            .bypass
            .map_or(Self::Cache("internal", &engine.internal), Self::Bypass);
        [internal, external]
    }

    /// The same of expectations.
    pub(super) fn of_expectations(engine: &'a Statistics) -> [Self; 2] {
        let external = engine
            .inject_expect
            .map_or(Self::Cache("external", &engine.external_expect), Self::Inject);
        let internal = engine
            .bypass_expect
            .map_or(Self::Cache("internal", &engine.internal_expect), Self::Bypass);
        [internal, external]
    }

    /// Writes the block of `-s`.
    pub(super) fn summary(&self, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Cache(name, cache) => cache_summary(out, name, cache),
            Self::Bypass(stats) => bypass(out, stats),
            Self::Inject(stats) => inject(out, stats),
        }
    }

    /// Writes the block of `-s cache`.
    pub(super) fn details(&self, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Cache(name, cache) => cache_details(out, name, cache),
            Self::Bypass(stats) => bypass(out, stats),
            Self::Inject(stats) => inject(out, stats),
        }
    }
}

fn cache_summary(out: &mut Vec<u8>, name: &str, cache: &CacheStats) -> io::Result<()> {
    let CacheStats {
        live,
        created,
        updated,
        destroyed,
        destroy_not_found: not_found,
        ..
    } = *cache;
    let refused = cache.create_failed_full;
    writeln!(out, "cache {name}:")?;
    writeln!(out, "current active connections:\t{live:>12}")?;
    writeln!(
        out,
        "connections created:\t\t{created:>12}\tfailed:\t{refused:>12}"
    )?;
    writeln!(out, "connections updated:\t\t{updated:>12}\tfailed:\t{:>12}", 0)?;
    write!(
        out,
        "connections destroyed:\t\t{destroyed:>12}\tfailed:\t{not_found:>12}\n\n"
    )
}

fn cache_details(out: &mut Vec<u8>, name: &str, cache: &CacheStats) -> io::Result<()> {
    let CacheStats {
        live,
        total,
        created,
        updated,
        destroyed,
        destroy_not_found: not_found,
        ..
    } = *cache;
    let full = cache.create_failed_full;
    writeln!(out, "cache:{name}\tactive objects:\t\t{total:>12}")?;
    writeln!(out, "\tactive/total entries:\t\t{live:>12}/{total:>12}")?;
    writeln!(out, "\tcreation OK/failed:\t\t{created:>12}/{full:>12}")?;
    writeln!(out, "\t\tno memory available:\t{:>12}", 0)?;
    writeln!(out, "\t\tno space left in cache:\t{full:>12}")?;
    // An update of what is not there creates it: none fails.
    writeln!(out, "\tupdate OK/failed:\t\t{updated:>12}/{:>12}", 0)?;
    writeln!(out, "\t\tentry not found:\t{:>12}", 0)?;
    writeln!(out, "\tdeletion created/failed:\t{destroyed:>12}/{not_found:>12}")?;
    write!(out, "\t\tentry not found:\t{not_found:>12}\n\n")
}

fn bypass(out: &mut Vec<u8>, stats: &BypassStats) -> io::Result<()> {
    writeln!(out, "internal bypass:")?;
    for (what, n_events) in [
        ("new", stats.created),
        ("updated", stats.updated),
        ("destroyed", stats.destroyed),
    ] {
        writeln!(out, "connections {what}:\t\t{n_events:>12}")?;
    }
    writeln!(out)
}

fn inject(out: &mut Vec<u8>, stats: &InjectStats) -> io::Result<()> {
    writeln!(out, "external inject:")?;
    for (what, done, failed) in [
        ("created", stats.created, stats.create_failed),
        ("updated", stats.updated, stats.update_failed),
        ("destroyed", stats.destroyed, stats.destroy_failed),
    ] {
        writeln!(out, "connections {what}:\t\t{done:>12}\tfailed:\t{failed:>12}")?;
    }
    writeln!(out)
}
