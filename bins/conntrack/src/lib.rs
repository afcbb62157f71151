//! The command-line tool: what its arguments mean, and how entries are printed.
//!
//! The program itself is `main.rs`; this crate is what its tests, fuzz targets and benches see too.

pub mod command;
pub mod labels;
pub mod render;
