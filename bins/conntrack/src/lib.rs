//! The command-line tool: what its arguments mean, and how entries are printed.
//!
//! The program itself is `main.rs`; this crate is what its tests, fuzz targets and benches see too.

pub mod command;
pub mod labels;
pub mod options;
pub mod render;

pub mod run {
    //! What the commands do.
    pub mod events;
}

/// What `-V` prints, and with `: ` behind it the beginning of each line on stderr that has one.
///
/// The version is that of the conntrack-tools whose behaviour this program has: scripts compare it
/// before they use an option.
pub const IDENT: &str = "conntrack v1.4.8 (conntrack-tools)";
