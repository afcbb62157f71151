//! Where output goes.

use std::fs::File;
use std::io::Write as _;

use super::Failure;

/// So much is gathered before it is written.
const CHUNK_LEN: usize = 64 * 1024;

/// Gathers text and writes it in big pieces.
pub struct Sink {
    out: File,
    buffer: Vec<u8>,
}

impl Sink {
    /// Returns a sink that writes to `out`.
    #[must_use]
    pub const fn new(out: File) -> Self {
        Self {
            out,
            buffer: Vec::new(),
        }
    }

    /// Returns where the text goes, for those who write by themselves.
    pub(super) const fn file(&mut self) -> &mut File {
        &mut self.out
    }

    /// Returns where to append; [`Self::relieve`] after some entries keeps it small.
    pub const fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Appends text.
    ///
    /// # Errors
    /// As [`Self::flush`].
    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.buffer.extend_from_slice(text.as_bytes());
        self.relieve()
    }

    /// Writes what was gathered if it is much.
    ///
    /// # Errors
    /// As [`Self::flush`].
    pub fn relieve(&mut self) -> Result<(), Failure> {
        if self.buffer.len() < CHUNK_LEN {
            return Ok(());
        }
        self.flush()
    }

    /// Writes what was gathered.
    ///
    /// # Errors
    /// [`Failure::ClosedPipe`] if nobody reads any more, [`Failure::Output`] if it cannot be written.
    pub fn flush(&mut self) -> Result<(), Failure> {
        let written = self.out.write_all(&self.buffer);
        self.buffer.clear();
        written.map_err(Failure::from_output)
    }
}
