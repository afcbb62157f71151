//! Reads the files of `tests/vectors`.
//!
//! Three forms: captures (`# payload` lines, then bytes), the acceptance cases (`# case:` and
//! `# result:` lines, then bytes) and transcripts (`> hex` and `< hex` lines). In each, comment
//! lines beginning with `v1` say in plain words what the messages of a payload are.

use std::fs;
use std::path::Path;

/// One payload of a file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Payload {
    /// File and title, for messages.
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
    /// What the file says of each of its messages, from `v1` on.
    pub(crate) messages: Vec<String>,
    /// What a stock daemon did, for acceptance cases.
    pub(crate) result: String,
}

/// Returns the names of all files, sorted.
pub(crate) fn files() -> Vec<String> {
    let entries = fs::read_dir(folder()).expect("tests/vectors is there");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry of tests/vectors")
                .file_name()
                .into_string()
                .expect("ASCII name")
        })
        .filter(|name| name.ends_with(".txt"))
        .collect();
    names.sort();
    names
}

/// Returns the payloads of a file.
pub(crate) fn payloads(file: &str) -> Vec<Payload> {
    let text = fs::read_to_string(folder().join(file)).expect("a file of tests/vectors");
    if file.starts_with("transcript-") {
        transcript(file, &text)
    } else {
        capture(file, &text)
    }
}

/// Returns all payloads of all files but the acceptance cases.
pub(crate) fn all_payloads() -> Vec<Payload> {
    let files = files()
        .into_iter()
        .filter(|file| !file.starts_with("parser-acceptance"));
    files.flat_map(|file| payloads(&file)).collect()
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors"))
}

/// Captures and acceptance cases: blocks between blank lines.
fn capture(file: &str, text: &str) -> Vec<Payload> {
    let mut payloads = Vec::new();
    for block in text.split("\n\n") {
        let mut payload = Payload::default();
        for line in block.lines() {
            if let Some(comment) = line.strip_prefix('#') {
                let comment = comment.trim_start();
                if let Some(title) = comment
                    .strip_prefix("case: ")
                    .or(comment.strip_prefix("payload "))
                {
                    payload.name = format!("{file}: {title}");
                } else if let Some(result) = comment.strip_prefix("result: ") {
                    payload.result = result.to_owned();
                } else if comment.starts_with("v1 ") {
                    payload.messages.push(comment.to_owned());
                }
            } else {
                payload.bytes.extend(bytes(line));
            }
        }
        if !payload.bytes.is_empty() {
            payloads.push(payload);
        }
    }
    payloads
}

/// Transcripts: one payload a line, its messages in the comments behind it.
fn transcript(file: &str, text: &str) -> Vec<Payload> {
    let mut payloads: Vec<Payload> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(hex) = line.strip_prefix("> ").or(line.strip_prefix("< ")) {
            payloads.push(Payload {
                name: format!("{file}:{}", number + 1),
                bytes: bytes(hex),
                ..Payload::default()
            });
        } else if let Some(message) = line.strip_prefix("#     ").filter(|text| text.starts_with("v1 ")) {
            let payload = payloads
                .last_mut()
                .expect("messages are told behind their payload");
            payload.messages.push(message.to_owned());
        }
    }
    payloads
}

/// Returns the bytes that these hexadecimal digits say.
fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.trim().as_bytes();
    assert!(digits.len().is_multiple_of(2), "whole bytes in {hex}");
    let byte = |pair: &[u8]| {
        let pair = str::from_utf8(pair).expect("ASCII digits");
        u8::from_str_radix(pair, 16).expect("hexadecimal digits")
    };
    digits.chunks(2).map(byte).collect()
}
