//! The words of a line of a file.

use super::Refusal;

/// Longest line in bytes.
pub(super) const LINE_LEN_MAX: usize = 10_239;
/// Longest word of a line in bytes.
const WORD_LEN_MAX: usize = 1_023;
/// Most words of a line.
const N_WORDS_MAX: usize = 253;

/// Returns whether the words of the line are what stands between its blanks, and as many and as long as
/// they may be. So it is of nearly all lines.
pub(super) fn is_plain(line: &[u8]) -> bool {
    // Each word takes two bytes at least.
    line.len() <= 2 * N_WORDS_MAX && !line.contains(&b'"')
}

/// Returns what stands between the blanks of a line.
pub(super) fn plain(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| is_blank(*byte)).filter(|word| !word.is_empty())
}

pub(super) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Splits a line at its blanks. A quote keeps blanks in a word until the next quote, which ends the
/// word; between them a backslash takes the byte behind it as it is.
pub(super) fn quoted(line: &[u8]) -> Result<Vec<Vec<u8>>, Refusal> {
    let mut words: Vec<Vec<u8>> = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut is_quoted = false;
    let mut bytes = line.iter().copied();
    while let Some(byte) = bytes.next() {
        let literal = match byte {
            b'"' if is_quoted => {
                is_quoted = false;
                push(&mut words, word.take().unwrap_or_default())?;
                continue;
            }
            b'"' => {
                is_quoted = true;
                word.get_or_insert_default();
                continue;
            }
            b'\\' if is_quoted => bytes.next().unwrap_or(byte),
            blank if is_blank(blank) && !is_quoted => {
                if let Some(word) = word.take() {
                    push(&mut words, word)?;
                }
                continue;
            }
            byte => byte,
        };
        word.get_or_insert_default().push(literal);
    }
    if let Some(word) = word {
        push(&mut words, word)?;
    }
    Ok(words)
}

fn push(words: &mut Vec<Vec<u8>>, word: Vec<u8>) -> Result<(), Refusal> {
    if word.len() > WORD_LEN_MAX {
        return Err(Refusal::LongWord);
    }
    if words.len() >= N_WORDS_MAX {
        return Err(Refusal::ManyWords);
    }
    words.push(word);
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(line: &str) -> Vec<String> {
        let words = quoted(line.as_bytes()).unwrap();
        words
            .into_iter()
            .map(|word| String::from_utf8(word).unwrap())
            .collect()
    }

    #[test]
    fn quotes_keep_blanks_and_end_words() {
        assert_eq!(words("a  b\tc "), ["a", "b", "c"]);
        assert_eq!(words(r#"-l "spaced name" x"#), ["-l", "spaced name", "x"]);
        assert_eq!(words(r#""1.1.1.1"/32"#), ["1.1.1.1", "/32"]);
        assert_eq!(words(r#"a"b c"d"#), ["ab c", "d"]);
        assert_eq!(words(r#""a\"b\\c" \d"#), [r#"a"b\c"#, r"\d"]);
        assert_eq!(words(r#"x "to the end  "#), ["x", "to the end  "]);
        assert_eq!(words(r#""" x"#), ["", "x"]);
        assert_eq!(words("it's"), ["it's"]);
    }

    #[test]
    fn words_and_their_number_are_limited() {
        assert!(quoted(&[b'x'; 1_023]).is_ok());
        assert_eq!(quoted(&[b'x'; 1_024]), Err(Refusal::LongWord));
        assert!(quoted("x ".repeat(253).as_bytes()).is_ok());
        assert_eq!(quoted("x ".repeat(254).as_bytes()), Err(Refusal::ManyWords));
    }

    proptest! {
        #[test]
        fn both_ways_to_split_agree(line in "[ -~\t]{0,80}") {
            prop_assume!(is_plain(line.as_bytes()));
            let split = quoted(line.as_bytes()).unwrap();
            prop_assert!(plain(line.as_bytes()).eq(split.iter().map(Vec::as_slice)));
        }
    }
}
