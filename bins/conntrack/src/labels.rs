//! Names of connection labels: the file that iptables and nftables read too.

use std::fs;
use std::io;
use std::path::Path;

use engine::flow::LabelNames;

/// Which name a bit has.
///
/// Of the file's lines `BIT NAME` those count whose bit is at most [`LabelMap::BIT_MAX`] and whose
/// name has letters, digits, blanks and `-` alone. Of two lines for one bit or one name the first
/// counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelMap {
    /// In the order of the bits.
    names: Vec<(u16, String)>,
}

impl LabelMap {
    /// Where the file is.
    pub const PATH: &str = "/etc/xtables/connlabel.conf";
    /// Largest bit that the file may name; the kernel keeps those up to 127.
    pub const BIT_MAX: u16 = 1023;

    /// Reads a file.
    ///
    /// # Errors
    /// That the file cannot be read. What is in it is never an error.
    pub fn read(path: &Path) -> io::Result<Self> {
        fs::read(path).map(|text| Self::parse(&text))
    }

    /// Reads the text of a file.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        let mut names: Vec<(u16, String)> = Vec::new();
        for (bit, name) in text.split(|byte| *byte == b'\n').filter_map(entry) {
            if names
                .iter()
                .all(|(known, known_name)| *known != bit && known_name != name)
            {
                names.push((bit, name.to_owned()));
            }
        }
        names.sort_unstable_by_key(|(bit, _)| *bit);
        Self { names }
    }

    /// Returns the bit of a name.
    #[must_use]
    pub fn bit(&self, name: &str) -> Option<u16> {
        let entry = self.names.iter().find(|(_, known)| known == name);
        entry.map(|(bit, _)| *bit)
    }

    /// Returns the name of a bit.
    #[must_use]
    pub fn name(&self, bit: u16) -> Option<&str> {
        let at = self.names.binary_search_by_key(&bit, |(known, _)| *known).ok()?;
        self.names.get(at).map(|(_, name)| name.as_str())
    }
}

impl LabelNames for LabelMap {
    fn name(&self, label: u8) -> Option<&str> {
        Self::name(self, label.into())
    }
}

/// Reads `BIT NAME`; nothing from a comment, nor from a line that the file's other readers skip.
fn entry(line: &[u8]) -> Option<(u16, &str)> {
    let line = str::from_utf8(line).ok()?;
    if line.starts_with('#') {
        return None;
    }
    let (bit, name) = line.trim_ascii().split_once(|c: char| c.is_ascii_whitespace())?;
    let name = name.trim_ascii();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == ' ' || c == '-';
    let bit = number(bit).filter(|bit| *bit <= LabelMap::BIT_MAX)?;
    (!name.is_empty() && name.chars().all(is_plain)).then_some((bit, name))
}

/// Reads a number as C writes them: decimal, after `0x` hexadecimal, after `0` octal.
fn number(text: &str) -> Option<u16> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    // The library takes a sign too.
    let is_digits = digits.bytes().all(|digit| digit.is_ascii_alphanumeric());
    is_digits
        .then(|| u16::from_str_radix(digits, radix).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# bit name\n0 zero\n1 web\n2 db\n3 mail-in\n127 last\n128 outofrange\n5 five\n5 dup5\n\
                        6\ttab6\n7  spaced name \n0x10 hex16\n010 octal8\n8 bad_name\n9 web\n1024 beyond\n \
                        40 indented\n41\n42 \n-1 negative\nx name\n13 n\u{f6}\n";

    #[test]
    fn lines_that_are_well_formed_name_bits() {
        let map = LabelMap::parse(FILE.as_bytes());
        let names: Vec<_> = map
            .names
            .iter()
            .map(|(bit, name)| (*bit, name.as_str()))
            .collect();
        let want = [
            (0, "zero"),
            (1, "web"),
            (2, "db"),
            (3, "mail-in"),
            (5, "five"),
            (6, "tab6"),
            (7, "spaced name"),
            (8, "octal8"),
            (16, "hex16"),
            (40, "indented"),
            (127, "last"),
            (128, "outofrange"),
        ];
        assert_eq!(names, want);
    }

    #[test]
    fn names_and_bits_are_found_by_each_other() {
        let map = LabelMap::parse(FILE.as_bytes());
        assert_eq!(map.bit("spaced name"), Some(7));
        assert_eq!(map.bit("bad_name"), None);
        assert_eq!(map.name(127), Some("last"));
        assert_eq!(map.name(126), None);
    }

    #[test]
    fn a_missing_file_is_an_error() {
        assert!(LabelMap::read(Path::new("/nonexistent/connlabel.conf")).is_err());
    }
}
