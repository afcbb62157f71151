//! The control socket, both ends.

mod client;
pub mod codes;
mod server;
pub mod statistics;

pub use client::{ClientError, ask};
pub use server::{ControlCounters, ControlError, ControlServer, ControlSource};
