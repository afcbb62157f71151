//! The fill of the kernel's table, and its counters.

use super::{Body, DecodeError, DecodeErrorKind};
use crate::ctnetlink::uapi::*;

/// How full the kernel's table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TableStats {
    /// Flows in this network namespace.
    pub entries: u32,
    /// Most that it takes (`nf_conntrack_max`); kernels before 5.14 do not tell.
    pub entries_max: Option<u32>,
}

/// Reads the answer to a request for the table's statistics.
///
/// # Errors
/// A value of the wrong length, or no count.
pub fn decode_table_stats(body: &Body<'_>) -> Result<TableStats, DecodeError> {
    let (mut entries, mut entries_max) = (None, None);
    for attribute in body.attributes() {
        let attribute = attribute?;
        match attribute.kind {
            CTA_STATS_GLOBAL_ENTRIES => entries = Some(attribute.be32()?),
            CTA_STATS_GLOBAL_MAX_ENTRIES => entries_max = Some(attribute.be32()?),
            _ => {}
        }
    }
    Ok(TableStats {
        entries: entries.ok_or_else(|| body.error(DecodeErrorKind::Missing(CTA_STATS_GLOBAL_ENTRIES)))?,
        entries_max,
    })
}

/// The counters of one CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuCounters {
    /// Its number.
    pub cpu: u16,
    /// Numbers of the counters (`enum ctattr_stats_cpu`, `enum ctattr_expect_stats`) and what they
    /// count, as the kernel orders them.
    pub counters: Vec<(u16, u32)>,
}

/// Reads a message of [`crate::ctnetlink::encode::List::FlowCounters`] or of its like for expectations.
///
/// # Errors
/// A value of the wrong length.
pub fn decode_cpu_counters(body: &Body<'_>) -> Result<CpuCounters, DecodeError> {
    let counters = body.attributes().map(|attribute| {
        let attribute = attribute?;
        Ok((attribute.kind, attribute.be32()?))
    });
    Ok(CpuCounters {
        cpu: body.res_id,
        counters: counters.collect::<Result<_, _>>()?,
    })
}
