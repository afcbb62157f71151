//! The deterministic core of Flowtwin.
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
pub mod config;
pub mod flow;
pub mod input;
pub mod output;
pub mod report;
pub mod seq;
pub mod stats;
pub mod time;
pub mod wire;
