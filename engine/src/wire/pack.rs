//! Messages into datagrams (docs/sync-protocol.md, "Packing").

use alloc::vec::Vec;

/// Buffers kept for reuse; a turn that sends more allocates.
const POOL_LEN_MAX: usize = 64;

/// Collects messages into a datagram and gives it out when the next one does not fit.
///
/// A message fits if the datagram stays shorter than the limit: the stock daemon leaves the last
/// byte free, and both fill datagrams alike. A message that is too long for any datagram travels
/// alone.
#[derive(Debug)]
pub struct Packer {
    payload_len_max: usize,
    datagram: Vec<u8>,
    pool: Vec<Vec<u8>>,
}

impl Packer {
    /// Returns a packer for datagrams of less than `payload_len_max` bytes.
    #[must_use]
    pub const fn new(payload_len_max: u16) -> Self {
        Self {
            payload_len_max: payload_len_max as usize,
            datagram: Vec::new(),
            pool: Vec::new(),
        }
    }

    /// Sets the limit for what is appended from here on.
    pub const fn set_payload_len_max(&mut self, payload_len_max: u16) {
        self.payload_len_max = payload_len_max as usize;
    }

    /// Appends the message that `encode` writes to the end of the buffer it is given.
    ///
    /// Returns the datagram collected before, to be sent first, if the message did not fit in.
    #[must_use = "a full datagram must be sent"]
    pub fn append(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> Option<Vec<u8>> {
        let len_before = self.datagram.len();
        encode(&mut self.datagram);
        if len_before == 0 || self.datagram.len() < self.payload_len_max {
            return None;
        }
        let mut next = self.pool.pop().unwrap_or_default();
        next.extend(self.datagram.drain(len_before..));
        Some(core::mem::replace(&mut self.datagram, next))
    }

    /// Returns what is collected, if anything is.
    #[must_use = "the datagram must be sent"]
    pub fn flush(&mut self) -> Option<Vec<u8>> {
        if self.datagram.is_empty() {
            return None;
        }
        let next = self.pool.pop().unwrap_or_default();
        Some(core::mem::replace(&mut self.datagram, next))
    }

    /// Takes back a buffer whose datagram was sent.
    pub fn give_back(&mut self, mut buffer: Vec<u8>) {
        if self.pool.len() < POOL_LEN_MAX {
            buffer.clear();
            self.pool.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(len: usize, byte: u8) -> impl FnOnce(&mut Vec<u8>) {
        move |out| out.extend(core::iter::repeat_n(byte, len))
    }

    /// The counts were seen at a stock daemon.
    #[test]
    fn a_datagram_stays_shorter_than_the_limit() {
        for (payload_len_max, n_fit) in [(760, 9), (761, 10)] {
            let mut packer = Packer::new(payload_len_max);
            for byte in 0..n_fit {
                assert_eq!(
                    packer.append(message(76, byte)),
                    None,
                    "message {byte} of {n_fit}"
                );
            }
            let full = packer.append(message(76, 99)).unwrap();
            assert_eq!(full.len(), 76 * usize::from(n_fit));
            assert_eq!(packer.flush(), Some(alloc::vec![99; 76]));
            assert_eq!(packer.flush(), None);
        }
    }

    #[test]
    fn a_message_too_long_for_any_datagram_travels_alone() {
        let mut packer = Packer::new(72);
        assert_eq!(packer.append(message(8, 1)), None);
        assert_eq!(packer.append(message(76, 2)), Some(alloc::vec![1; 8]));
        assert_eq!(packer.append(message(8, 3)), Some(alloc::vec![2; 76]));
        assert_eq!(packer.flush(), Some(alloc::vec![3; 8]));
    }

    #[test]
    fn a_smaller_limit_counts_for_the_next_message() {
        let mut packer = Packer::new(100);
        assert_eq!(packer.append(message(40, 1)), None);
        packer.set_payload_len_max(60);
        assert_eq!(packer.append(message(40, 2)), Some(alloc::vec![1; 40]));
    }

    #[test]
    fn buffers_given_back_are_used_again() {
        let mut packer = Packer::new(100);
        let mut seen = alloc::collections::BTreeSet::new();
        for _ in 0..1000 {
            let full = packer.append(message(80, 1));
            let sent = full.or_else(|| packer.flush()).unwrap();
            seen.insert(sent.as_ptr().addr());
            packer.give_back(sent);
        }
        assert!(seen.len() <= 2, "{} buffers", seen.len());
        for _ in 0..1000 {
            packer.give_back(Vec::with_capacity(1));
        }
        assert_eq!(packer.pool.len(), POOL_LEN_MAX);
    }
}
