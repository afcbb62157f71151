//! A flow foretold by a helper.

use core::fmt;

use super::attributes::{copy_until_nul, write_lossy};
use super::{Direction, HelperName, Tuple};

/// Flags of an expectation (`NF_CT_EXPECT_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ExpectFlags(pub u32);

impl ExpectFlags {
    /// Survives its first match.
    pub const PERMANENT: Self = Self(0x1);
    /// Does not match.
    pub const INACTIVE: Self = Self(0x2);
    /// Made by a helper in user space.
    pub const USERSPACE: Self = Self(0x4);

    /// Returns the names of the flags that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [
            (Self::PERMANENT, "PERMANENT"),
            (Self::INACTIVE, "INACTIVE"),
            (Self::USERSPACE, "USERSPACE"),
        ]
        .into_iter()
        .filter(move |(flag, _)| self.0 & flag.0 != 0)
        .map(|(_, name)| name)
    }
}

/// Translation that an expected flow will get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExpectNat {
    /// Direction of the master that the expected flow follows.
    pub direction: Direction,
    /// Saved tuple: its source is used, its destination is zero.
    pub tuple: Tuple,
}

/// A name longer than the 31 bytes that the wire can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an expectation function name of {len} bytes, at most {} are allowed",
    FunctionName::LEN_MAX
)]
pub struct FunctionNameTooLong {
    /// Length of the name in bytes.
    pub len: usize,
}

/// Name of the kernel function that sets up an expected flow, at most 31 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FunctionName {
    bytes: [u8; Self::LEN_MAX],
    len: u8,
}

impl FunctionName {
    /// Longest name in bytes.
    pub const LEN_MAX: usize = 31;

    /// Returns the name up to the first NUL of `bytes`.
    ///
    /// # Errors
    /// [`FunctionNameTooLong`] if it has more than 31 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FunctionNameTooLong> {
        let (bytes, len) = copy_until_nul(bytes).map_err(|len| FunctionNameTooLong { len })?;
        Ok(Self { bytes, len })
    }

    /// Returns the bytes, without NUL.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

impl fmt::Display for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_lossy(f, self.as_bytes())
    }
}

impl fmt::Debug for FunctionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FunctionName({self})")
    }
}

/// A flow foretold by a helper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// Original tuple of the flow that foretells it.
    pub master: Tuple,
    /// What the first packet of the expected flow will look like.
    pub tuple: Tuple,
    /// Which bits of it must match.
    pub mask: Tuple,
    /// Seconds until it is forgotten.
    pub timeout_secs: Option<u32>,
    /// The kernel's opaque identifier.
    pub id: Option<u32>,
    /// Zone; the wire does not carry it.
    pub zone: Option<u16>,
    /// Flags.
    pub flags: Option<ExpectFlags>,
    /// Class within the helper.
    pub class: Option<u32>,
    /// Translation of the expected flow.
    pub nat: Option<ExpectNat>,
    /// Name of the helper.
    pub helper: Option<HelperName>,
    /// Name of the set-up function.
    pub function: Option<FunctionName>,
}
