//! What a command line is read with: the names of the tables, and those of two files.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use engine::flow::{Labels, Protocol};

use super::Refusal;
use super::lookup::Index;
use super::refusal::shown;
use super::table::{PROTOCOLS, Tracked};
use super::values::number::{c, trimmed};
use crate::labels::LabelMap;
use crate::reason;

/// What stays the same from one command line to the next.
///
/// The files are read when a name in them is first asked for.
#[derive(Debug)]
pub struct Context {
    pub(super) index: Index,
    protocols_path: PathBuf,
    protocols: Option<Vec<(Vec<u8>, u8)>>,
    labels_path: PathBuf,
    labels: Option<LabelMap>,
    warnings: Vec<Cow<'static, str>>,
}

impl Default for Context {
    fn default() -> Self {
        Self::with_files(Path::new(LabelMap::PATH), Path::new("/etc/protocols"))
    }
}

impl Context {
    /// Returns a context with the names of other files than those of the system.
    #[must_use]
    pub fn with_files(labels: &Path, protocols: &Path) -> Self {
        Self {
            index: Index::new(),
            protocols_path: protocols.to_owned(),
            protocols: None,
            labels_path: labels.to_owned(),
            labels: None,
            warnings: Vec::new(),
        }
    }

    /// Returns the names of labels, if a command line asked for them.
    #[must_use]
    pub const fn labels(&self) -> Option<&LabelMap> {
        self.labels.as_ref()
    }

    /// Takes what the user should be told on stderr, a line each, before anything else.
    pub fn take_warnings(&mut self) -> Vec<Cow<'static, str>> {
        std::mem::take(&mut self.warnings)
    }

    pub(super) fn warn(&mut self, warning: impl Into<Cow<'static, str>>) {
        self.warnings.push(warning.into());
    }

    /// Reads the file of labels unless it has been.
    pub(super) fn open_labels(&mut self) -> &LabelMap {
        let Self {
            labels,
            labels_path,
            warnings,
            ..
        } = self;
        labels.get_or_insert_with(|| {
            LabelMap::read(labels_path).unwrap_or_else(|error| {
                warnings.push(format!("nfct_labelmap_new: {}", reason(&error)).into());
                LabelMap::default()
            })
        })
    }

    /// Reads names of labels with commas between them; `#BIT` is the label of that bit.
    pub(super) fn label_list(&mut self, text: &[u8]) -> Result<Labels, Refusal> {
        let map = self.open_labels();
        let mut labels = 0;
        for item in text.split(|byte| *byte == b',') {
            let bit = match item.strip_prefix(b"#") {
                Some(digits) => c(digits).and_then(|bit| u16::try_from(bit).ok()),
                None => str::from_utf8(item).ok().and_then(|name| map.bit(name)),
            };
            let bit = bit.ok_or_else(|| Refusal::Label(shown(item)))?;
            labels |= 1_u128.checked_shl(bit.into()).ok_or(Refusal::LabelRange)?;
        }
        Ok(Labels(labels))
    }

    /// Reads a protocol: one of the table in any case, a number, or a name of `/etc/protocols`.
    pub(super) fn protocol(&mut self, text: &[u8]) -> Result<(Protocol, Option<Tracked>), Refusal> {
        let of_table = PROTOCOLS
            .iter()
            .find(|row| row.name.as_bytes().eq_ignore_ascii_case(text));
        if let Some(row) = of_table {
            return Ok((row.number, Some(row.tracked)));
        }
        let number = c(trimmed(text)).and_then(|number| u8::try_from(number).ok());
        let number = number
            .or_else(|| self.protocol_of_file(text))
            .ok_or_else(|| Refusal::Protocol(shown(text)))?;
        let tracked = PROTOCOLS.iter().find(|row| row.number.0 == number);
        Ok((Protocol(number), tracked.map(|row| row.tracked)))
    }

    /// A file that cannot be read has no names.
    fn protocol_of_file(&mut self, name: &[u8]) -> Option<u8> {
        let path = &self.protocols_path;
        let protocols = self
            .protocols
            .get_or_insert_with(|| fs::read(path).map_or_else(|_| Vec::new(), |text| protocols(&text)));
        let found = protocols.iter().find(|(known, _)| known == name);
        found.map(|(_, number)| *number)
    }
}

/// Reads `/etc/protocols`: `NAME NUMBER ALIAS… # comment`.
fn protocols(text: &[u8]) -> Vec<(Vec<u8>, u8)> {
    let mut protocols = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let mut words = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty());
        let (name, number) = (words.next(), words.next());
        let number = number.and_then(c).and_then(|number| u8::try_from(number).ok());
        if let (Some(name), Some(number)) = (name, number) {
            protocols.push((name.to_owned(), number));
            protocols.extend(words.map(|alias| (alias.to_owned(), number)));
        }
    }
    protocols
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        let files = tempfile::tempdir().unwrap();
        let (labels, names) = (files.path().join("labels"), files.path().join("protocols"));
        fs::write(&labels, "1 web\n128 beyond\n").unwrap();
        fs::write(
            &names,
            "# comment\nesp 50 IPSEC-ESP # other\nudp 17 UDP\nicmp6 58\nodd x\n",
        )
        .unwrap();
        let mut context = Context::with_files(&labels, &names);
        // Both files are read while they are there.
        context.open_labels();
        let _ = context.protocol(b"none");
        context
    }

    #[test]
    fn protocols_have_names_and_numbers() {
        let mut context = context();
        let mut read = |text: &str| context.protocol(text.as_bytes()).map(|(protocol, _)| protocol.0);
        assert_eq!(read("TCP"), Ok(6));
        assert_eq!(read("0x11"), Ok(17));
        assert_eq!(read("esp"), Ok(50));
        assert_eq!(read("IPSEC-ESP"), Ok(50));
        for text in ["ESP", "odd", "256", "-1", "", "tcp,udp", "other", "6x"] {
            assert_eq!(read(text), Err(Refusal::Protocol(text.into())), "{text}");
        }
        assert_eq!(context.protocol(b"icmp6").unwrap().1, Some(Tracked::Icmpv6));
        assert_eq!(context.protocol(b"50").unwrap().1, None);
    }

    #[test]
    fn labels_have_names_and_bits() {
        let mut context = context();
        assert_eq!(context.label_list(b"web,#5"), Ok(Labels(1 << 1 | 1 << 5)));
        assert_eq!(context.label_list(b"#127"), Ok(Labels(1 << 127)));
        assert_eq!(
            context.label_list(b"web,nosuch"),
            Err(Refusal::Label("nosuch".into()))
        );
        assert_eq!(context.label_list(b""), Err(Refusal::Label(String::new())));
        assert_eq!(context.label_list(b"#"), Err(Refusal::Label("#".into())));
        assert_eq!(context.label_list(b"beyond"), Err(Refusal::LabelRange));
        assert_eq!(context.label_list(b"#128"), Err(Refusal::LabelRange));
        assert_eq!(
            context.label_list(b"#65536"),
            Err(Refusal::Label("#65536".into()))
        );
        assert!(context.take_warnings().is_empty());
    }

    #[test]
    fn a_file_of_labels_that_is_not_there_is_a_warning_once() {
        let none = Path::new("/nonexistent");
        let mut context = Context::with_files(none, none);
        assert!(context.label_list(b"web").is_err());
        assert_eq!(context.label_list(b"#1"), Ok(Labels(2)));
        assert_eq!(
            context.take_warnings(),
            ["nfct_labelmap_new: No such file or directory"]
        );
    }
}
