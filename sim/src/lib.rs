//! A virtual cluster: two firewalls around the same engine, and a world that one number decides.
//!
//! ```text
//! Seed ─► World: configuration, rates of traffic and faults, acts
//!           │
//!           ▼          step of 5 ms
//!        Cluster ─► traffic and faults ─► kernels, link ─► turmoil ─► nodes ─► checks
//!                                                                      │
//!                                              engine::Engine ◄────────┘
//! ```
//!
//! A run is one or two acts. In an act traffic and faults go on for some seconds; what must always
//! hold is checked after every step of every node. Then the faults stop, and the caches must become
//! equal to the kernels, the queues empty, and no deadline be left but the periodic ones. Then,
//! mostly, one machine dies, and the other one's kernel must get all its flows.
//!
//! Nothing is random but by the seed, and no clock is read: the same seed gives the same trace,
//! byte for byte.

mod check;
mod cluster;
mod faults;
mod kernel;
mod node;
mod replay;
mod report;
mod scene;
mod side;
mod takeover;
mod traffic;
mod world;

pub use cluster::{Failure, Outcome, run};
pub use replay::Seed;
pub use scene::PlantedBug;
