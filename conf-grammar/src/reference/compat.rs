//! A row for every clause of every block.

use std::fmt::Write;

use super::{TOP_LEVEL, facts};
use crate::schema::{BlockKind, BlockSpec, ClauseSpec, Compat, block};

pub(super) fn rows() -> String {
    let mut table = "| Block | Clause | State |\n|---|---|---|\n".to_owned();
    for kind in BlockKind::ALL {
        let block = block(kind);
        let home = if kind == BlockKind::File {
            TOP_LEVEL
        } else {
            block.title
        };
        for clause in block.clauses() {
            let state = facts::state(compat(block, clause));
            // Writing to a string does not fail.
            let _ = writeln!(table, "| {home} | `{}` | {state} |", clause.name);
        }
    }
    table
}

/// Returns the clauses that are not there yet, each with the title of its block.
pub(super) fn not_yet() -> impl Iterator<Item = (&'static str, &'static str)> {
    BlockKind::ALL.into_iter().map(block).flat_map(|block| {
        let clauses = block.clauses().iter();
        clauses
            .filter(|clause| matches!(compat(block, clause), Compat::NotYet(_)))
            .map(|clause| (block.title, clause.name))
    })
}

/// How a clause stands to the stock daemon; what is refused is refused with all of its clauses.
fn compat(block: &BlockSpec, clause: &ClauseSpec) -> Compat {
    block.refused.map_or(clause.compat, Compat::NotYet)
}
