//! The attributes of a message or nest, read in place.

use netlink_packet_core::{NLA_HEADER_SIZE, NLA_TYPE_MASK};

use super::{DecodeError, DecodeErrorKind};

/// One attribute.
#[derive(Clone, Copy)]
pub(super) struct Attribute<'a> {
    /// Its number, without the flags.
    pub(super) kind: u16,
    /// Its value, without padding.
    pub(super) value: &'a [u8],
    /// Offset of the value in the datagram.
    pub(super) offset: usize,
}

impl<'a> Attribute<'a> {
    /// Returns the attributes nested in the value.
    pub(super) fn nest(&self) -> Attributes<'a> {
        Attributes::new(self.value, self.offset)
    }

    pub(super) fn u8(&self) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(super) fn be16(&self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn be32(&self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn be64(&self) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(super) fn array<const N: usize>(&self) -> Result<[u8; N], DecodeError> {
        self.value.try_into().map_err(|_| {
            self.error(DecodeErrorKind::ValueLen {
                attribute: self.kind,
                len: self.value.len(),
                want: N,
            })
        })
    }

    /// Returns the error of `kind` at this attribute's value.
    pub(super) fn error(&self, kind: impl Into<DecodeErrorKind>) -> DecodeError {
        DecodeError {
            offset: self.offset,
            kind: kind.into(),
        }
    }

    /// Returns the error that this nest lacks the attribute `kind`.
    pub(super) fn missing(&self, kind: u16) -> DecodeError {
        self.error(DecodeErrorKind::Missing(kind))
    }
}

/// Iterator over the attributes of a message or nest; ends after its first error.
///
/// `netlink_packet_core::NlasIterator` does the same in twice the time (193 ns for an established
/// TCP flow against 103 ns), it does not say where in the datagram an attribute stands, and it
/// allocates its error.
pub(super) struct Attributes<'a> {
    rest: &'a [u8],
    /// Offset of the next attribute in the datagram.
    offset: usize,
}

impl<'a> Attributes<'a> {
    /// Returns those in `bytes`, which begin at `offset` of their datagram.
    pub(super) const fn new(bytes: &'a [u8], offset: usize) -> Self {
        Self { rest: bytes, offset }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, DecodeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (rest, offset) = (self.rest, self.offset);
        if rest.is_empty() {
            return None;
        }
        if let [len_0, len_1, kind_0, kind_1, ..] = *rest {
            let len = usize::from(u16::from_ne_bytes([len_0, len_1]));
            if let Some(value) = rest.get(NLA_HEADER_SIZE..len) {
                // The padding behind the last attribute may be missing.
                let aligned = len.next_multiple_of(NLA_HEADER_SIZE);
                self.rest = rest.get(aligned..).unwrap_or_default();
                self.offset = offset.wrapping_add(aligned);
                return Some(Ok(Attribute {
                    kind: u16::from_ne_bytes([kind_0, kind_1]) & NLA_TYPE_MASK,
                    value,
                    offset: offset.wrapping_add(NLA_HEADER_SIZE),
                }));
            }
        }
        self.rest = &[];
        Some(Err(DecodeError {
            offset,
            kind: DecodeErrorKind::Attribute,
        }))
    }
}
