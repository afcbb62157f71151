//! The command-line tool: what its arguments mean, and how entries are printed.
//!
//! The program itself is `main.rs`; this crate is what its tests, fuzz targets and benches see too.

pub mod command;
pub mod labels;
pub mod options;
pub mod render;
pub mod run;

use std::io::{Write as _, stderr};

/// What `-V` prints, and with `: ` behind it the beginning of each line on stderr that has one.
///
/// The version is that of the conntrack-tools whose behaviour this program has: scripts compare it
/// before they use an option.
pub const IDENT: &str = "conntrack v1.4.8 (conntrack-tools)";

/// Prints on stderr; that nobody can read it is no failure.
pub fn remark(text: &str) {
    drop(stderr().write_all(text.as_bytes()));
}

/// Returns the C library's text for an error, without its number.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((reason, _)) => reason.to_owned(),
        None => text,
    }
}
