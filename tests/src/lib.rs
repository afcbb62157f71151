//! Two firewalls on real kernels: network namespaces, real daemons, real streams.
//!
//! A test describes a [`Setup`], builds a [`Cluster`] from it and talks to the cluster alone:
//!
//! ```text
//!            lan 10.1.0.0/16, fd01::/64            wan 10.2.0.0/16, fd02::/64
//!                         ┌── lan0  fw1  wan0 ──┐
//!  client ── bridge lan ──┤        sync0        ├── bridge wan ── server
//!                         │          │          │
//!                         └── lan0  fw2  wan0 ──┘
//! ```
//!
//! - Namespaces have no name and no file: they live as long as the thread that works in them and the processes it
//!   started, which die with it ([`Namespace`]).
//! - Nothing sleeps: whoever waits names the condition, and its failure shows the logs of both daemons
//!   ([`wait_until`]).
//! - Each firewall runs our daemon or the stock one ([`Daemon`]); the kernel's table is written and read by the
//!   stock `conntrack`, which shares no code with us ([`table`], [`flows`]).

pub mod clock;
mod cluster;
mod conf;
pub mod expectations;
pub mod failover;
mod firewall;
pub mod flows;
pub mod ftp;
pub mod keepalived;
pub mod kernel;
mod losses;
mod netns;
pub mod noise;
mod parity;
pub mod passive_ftp;
mod programs;
pub mod streams;
pub mod table;
pub mod tool;
mod trio;
mod wait;
pub mod xml;

pub use cluster::{Cluster, Gateway, Setup, TEMPLATE};
pub use conf::{Link, Mode, Transport};
pub use firewall::Firewall;
pub use netns::Namespace;
pub use programs::{Daemon, conntrack, missing, on_real_kernels, our_conntrack};
pub use trio::Trio;
pub use wait::{LIMIT, Watched, wait_until};
