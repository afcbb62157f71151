//! Datagrams that nobody should send: random bytes and mutilated captures of the sync protocol.

use std::path::Path;
use std::{fs, iter};

use anyhow::{Context, Result, ensure};

/// A small generator of numbers that look random; the same seed gives the same noise.
#[derive(Clone, Debug)]
pub struct Noise {
    state: u64,
    captures: Vec<Vec<u8>>,
}

/// What stands in the sequence numbers of the noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequence {
    /// Whatever comes out.
    Wild,
    /// A number long past. FT-FW follows the numbers it gets: after one from the future it would take all that the
    /// peer says for old.
    Past,
}

impl Noise {
    /// Noise from `seed` and the captures of the sync protocol.
    ///
    /// # Errors
    /// When the captures cannot be read.
    pub fn new(seed: u64) -> Result<Self> {
        Ok(Self {
            state: seed,
            captures: captures()?,
        })
    }

    /// The next datagram.
    pub fn datagram(&mut self, sequence: Sequence) -> Vec<u8> {
        let mut bytes = match self.below(4) {
            0 => (0..=self.below(200)).map(|_| self.byte()).collect(),
            1 => {
                let mut capture = self.capture();
                capture.truncate(1 + self.below(capture.len()));
                capture
            }
            2 => {
                let mut capture = self.capture();
                for _ in 0..=self.below(8) {
                    let at = self.below(capture.len());
                    capture[at] = self.byte();
                }
                capture
            }
            _ => {
                let (mut capture, tail) = (self.capture(), self.capture());
                capture.truncate(1 + self.below(capture.len()));
                capture.extend_from_slice(&tail[self.below(tail.len())..]);
                capture
            }
        };
        if sequence == Sequence::Past {
            date_back(&mut bytes);
        }
        bytes
    }

    fn capture(&mut self) -> Vec<u8> {
        let at = self.below(self.captures.len());
        self.captures[at].clone()
    }

    /// A number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).expect("a length");
        usize::try_from(self.next() % limit).expect("below a length")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[0]
    }

    /// Splitmix64.
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// The payloads of all capture files.
fn captures() -> Result<Vec<Vec<u8>>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/vectors");
    let mut paths = fs::read_dir(&dir)
        .with_context(|| format!("read {}", dir.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    let mut payloads = Vec::new();
    for path in paths
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
    {
        payloads.extend(payloads_of(&fs::read_to_string(path)?));
    }
    ensure!(
        payloads.len() > 100,
        "only {} captures in {}",
        payloads.len(),
        dir.display()
    );
    Ok(payloads)
}

/// Blocks of hexadecimal lines; comments and blank lines part them.
fn payloads_of(text: &str) -> Vec<Vec<u8>> {
    let is_hex = |line: &str| !line.is_empty() && line.bytes().all(|b| b.is_ascii_hexdigit());
    let mut payloads = vec![Vec::new()];
    for line in text.lines().chain(iter::once("")) {
        match payloads.last_mut() {
            Some(last) if is_hex(line) => {
                let digits = line
                    .as_bytes()
                    .chunks_exact(2)
                    .filter_map(|pair| std::str::from_utf8(pair).ok());
                last.extend(digits.filter_map(|pair| u8::from_str_radix(pair, 16).ok()));
            }
            Some(last) if last.is_empty() => {}
            _ => payloads.push(Vec::new()),
        }
    }
    payloads.retain(|payload| !payload.is_empty());
    payloads
}

/// Sets the sequence number of every message to one long past.
fn date_back(datagram: &mut [u8]) {
    let mut rest = datagram;
    while rest.len() >= 8 {
        let len = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        rest[4..8].copy_from_slice(&1_000_000_000_u32.to_be_bytes());
        let next = len.clamp(1, rest.len());
        rest = &mut rest[next..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_noise() {
        let (mut one, mut two) = (Noise::new(7).unwrap(), Noise::new(7).unwrap());
        for _ in 0..1000 {
            assert_eq!(one.datagram(Sequence::Wild), two.datagram(Sequence::Wild));
        }
    }

    #[test]
    fn every_message_of_a_datagram_is_dated_back() {
        let mut two = [
            [0x10, 0, 0, 8, 0xff, 0xff, 0xff, 0xff],
            [0x10, 0, 0, 8, 0xff, 0xff, 0xff, 0xff],
        ]
        .concat();
        date_back(&mut two);
        assert!(!two.contains(&0xff), "{two:?}");
    }
}
