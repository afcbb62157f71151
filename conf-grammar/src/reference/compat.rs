//! A row for every clause of every block.

use std::fmt::Write;

use super::{TOP_LEVEL, facts};
use crate::schema::{BlockKind, Compat, block};

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
            let compat = block.refused.map_or(clause.compat, Compat::NotYet);
            let state = facts::state(compat);
            // Writing to a string does not fail.
            let _ = writeln!(table, "| {home} | `{}` | {state} |", clause.name);
        }
    }
    table
}
