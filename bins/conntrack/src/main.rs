//! Shows and edits the kernel's connection-tracking table.

fn main() {}
