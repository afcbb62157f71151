//! Shows and edits the kernel's connection-tracking table.

pub mod command;

fn main() {}
