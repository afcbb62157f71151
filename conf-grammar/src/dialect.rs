//! Whose language a file is read in.

/// How strictly a file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// Today's language: what has no clear meaning is an error.
    #[default]
    Strict,
    /// What the stock daemon 1.4.7 accepts although it has no clear meaning is a warning, and is
    /// carried out as it would: two modes or defaults, multicast links over one group, filter sets that
    /// contradict each other, filter entries that are none, unknown syslog facilities, links without a
    /// peer or a port (0 is none), a node that is its own peer, one file for both logs, helpers on one
    /// queue.
    ///
    /// Never accepted: text the stock daemon silently does not read, numbers that it wraps, ports out
    /// of range, `|` in a boolean, octal addresses, `ExpectationSync` that is on and off, more addresses
    /// than a filter in the kernel holds, and what the daemon could not start with: two `UDP` or `TCP`
    /// links that listen on one address and port, a multicast or broadcast address as an end of one, and
    /// paths that are directories or those of two files.
    Stock,
}
