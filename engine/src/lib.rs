//! The deterministic core of Flowtwin: one node of the cluster, without its sockets.
//!
//! # How a flow travels
//!
//! ```text
//! kernel event ─► Engine ─► internal cache ─► machine ─► wire ─► Output::Send ─► peer
//! peer datagram ─► Engine ─► wire ─► machine ─► external cache
//! commit ─► Engine ─► external cache ─► Output::Kernel(batch) ─► kernel
//! clock ─► Engine::handle_timeout, which announced that deadline before
//! ```
//!
//! # The contract
//!
//! [`Engine`] has five public methods, and nothing else changes it. The driver
//!
//! 1. tells it what happened: [`Engine::handle_input`], or [`Engine::handle_timeout`] at the
//!    announced deadline. Inputs that arrived in one wake-up may be told one after the other;
//!    messages made from them share datagrams.
//! 2. takes what is to be done with [`Engine::poll_output`] until there is nothing more, and does it
//!    in that order. What it could not do comes back as an input; it retries nothing by itself.
//! 3. arms [`Engine::poll_timeout`] and waits.
//!
//! Everything is a value: time comes in through signatures, randomness through the seed. The same
//! inputs and the same seed give the same outputs, byte for byte. Every queue, table and batch has
//! a limit from [`config::Config`]; reaching it is counted and reported.
//!
//! Before the first output is carried out, the driver must have subscribed to the kernel's events:
//! the engine asks for the whole table first, and a change in between would be lost.
#![no_std]
#![cfg_attr(
    not(test),
    warn(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::cast_possible_truncation
    )
)]

extern crate alloc;

pub mod cache;
mod channels;
pub mod config;
mod engine;
pub mod filter;
pub mod flow;
pub mod input;
mod jobs;
pub mod output;
mod outputs;
mod peer;
pub mod report;
mod rng;
mod senders;
pub mod seq;
pub mod stats;
mod sync;
#[cfg(test)]
mod testing;
mod throttle;
pub mod time;
mod timer;
pub mod wire;

pub use engine::Engine;
pub use rng::Seed;
pub use timer::Timer;
