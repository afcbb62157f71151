//! A row for every clause of every block.

use std::fmt::Write;

use super::{TOP_LEVEL, facts};
use crate::schema::{BlockKind, BlockSpec, ClauseSpec, Compat, Status, block};

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

/// How a clause stands to the stock daemon; what is refused is refused with all of its clauses, and an
/// old name that is silently taken stands as the clause that it is for.
fn compat(block: &BlockSpec, clause: &ClauseSpec) -> Compat {
    let own = match clause.status {
        Status::Alias(new) => block.clause(new).unwrap_or(clause).compat,
        Status::Alive
        | Status::Renamed(_)
        | Status::Ignored(_)
        | Status::Lost(_)
        | Status::Redundant(_)
        | Status::Translated(_)
        | Status::Elsewhere(_) => clause.compat,
    };
    block.refused.map_or(own, Compat::NotYet)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_name_stands_to_the_stock_daemon_as_the_new_one() {
        let rows = rows();
        let state = |name: &str| {
            let begin = format!("| `General` | `{name}` | ");
            let row = rows.lines().find_map(|row| row.strip_prefix(begin.as_str()));
            row.map(str::to_owned)
        };
        assert!(state("NetlinkBufferSize").is_some_and(|state| state.starts_with("differs: ")));
        assert_eq!(state("SocketBufferSize"), state("NetlinkBufferSize"));
        assert_eq!(
            state("SocketBufferSizeMaxGrown"),
            state("NetlinkBufferSizeMaxGrowth")
        );
    }
}
