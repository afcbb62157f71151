//! The bodies of the fuzz targets: bytes in, a panic out if something is wrong with us.
//!
//! `cargo test --manifest-path fuzz/Cargo.toml` runs them over the committed corpus, one folder a
//! target. `cargo fuzz run <target>`, or the programs of this package built with the flags of
//! fuzz/README.md, let libFuzzer look for more.

mod bytes;
mod commands;
mod configuration;
mod decoders;
mod operations;

pub use commands::load_file;
pub use configuration::configuration;
pub use decoders::{control_request, ctnetlink_datagram, flow_line, wire_datagram, wire_payload};
pub use operations::cache_operations;
