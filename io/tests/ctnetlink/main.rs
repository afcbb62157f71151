//! Our ctnetlink against the real kernel: each test in a network namespace of its own.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a step of a test that fails is a failed test, also in the functions that the tests share"
)]

mod dumps;
mod events;
mod expectations;
mod flows;
mod kernel;
mod namespace;
mod requests;
