//! The control socket, both ends.

pub mod statistics;
