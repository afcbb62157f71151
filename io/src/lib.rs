//! The thin shell around the engine: sockets, clocks, the control socket and the loop between them.
//!
//! **Invariant:** nothing here decides anything about the protocol. What arrives is handed to the
//! engine, what the engine asks for is done, and what could not be done is told to it as an input.

pub mod clock;
pub mod control;
pub mod ctnetlink;
pub mod event_loop;
pub mod link;
pub mod process;
#[cfg(test)]
mod testing;
