//! No bytes make the decoders panic, and what they take can be sent on.

use engine::seq::Seq;
use engine::wire::{
    Change, Content, EXPECTATION_MESSAGE_LEN_MAX, EncodeOptions, FLOW_MESSAGE_LEN_MAX, Flags, StreamPart,
    Timeouts, WindowScales, decode_expectation, decode_flow, encode_expectation, encode_flow, messages,
    stream_part,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::vectors::{all_payloads, payloads};

const SEND_ALL: EncodeOptions = EncodeOptions {
    timeouts: Timeouts::Send,
    window_scales: WindowScales::Send,
};

/// Reads everything a payload has; what was read is written and read again.
fn receive(payload: &[u8]) -> Result<(), TestCaseError> {
    let mut messages = messages(payload);
    let mut n_bytes = 0;
    for item in messages.by_ref() {
        let Ok(message) = item else { continue };
        prop_assert!(message.offset >= n_bytes, "messages follow each other");
        n_bytes = message.offset + usize::from(message.header.len);
        match message.content() {
            Ok(Content::Flow(_)) => flow(message.body)?,
            Ok(Content::Expectation(_)) => expectation(message.body)?,
            Ok(Content::Ack(range) | Content::Nack(range)) => prop_assert!(!range.to.is_before(range.from)),
            Ok(Content::Resync | Content::Alive) | Err(_) => {}
        }
    }
    prop_assert!(n_bytes + messages.rest().len() <= payload.len());
    Ok(())
}

fn flow(body: &[u8]) -> Result<(), TestCaseError> {
    let Ok(decoded) = decode_flow(body, 8) else {
        return Ok(());
    };
    let mut out = Vec::new();
    encode_flow(
        &mut out,
        Change::New,
        Flags::NONE,
        Seq(1),
        &decoded.flow,
        SEND_ALL,
    );
    prop_assert!(out.len() <= FLOW_MESSAGE_LEN_MAX && out.len().is_multiple_of(4));
    let again = decode_flow(&out[8..], 8);
    prop_assert!(again.is_ok(), "{:?} of {:?}", again, decoded);
    Ok(())
}

fn expectation(body: &[u8]) -> Result<(), TestCaseError> {
    let Ok(decoded) = decode_expectation(body, 8) else {
        return Ok(());
    };
    let mut out = Vec::new();
    encode_expectation(
        &mut out,
        Change::New,
        Flags::NONE,
        Seq(1),
        &decoded.expectation,
        SEND_ALL,
    );
    prop_assert!(out.len() <= EXPECTATION_MESSAGE_LEN_MAX && out.len().is_multiple_of(4));
    let again = decode_expectation(&out[8..], 8);
    prop_assert!(again.is_ok(), "{:?} of {:?}", again, decoded);
    Ok(())
}

/// A change to a payload.
#[derive(Clone, Debug)]
enum Mutation {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Truncate(Index),
}

impl Mutation {
    fn strategy() -> impl Strategy<Value = Self> {
        let at = || any::<Index>();
        prop_oneof![
            4 => (at(), any::<u8>()).prop_map(|(at, byte)| Self::Set(at, byte)),
            1 => (at(), vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Self::Insert(at, bytes)),
            1 => (at(), 1_usize..12).prop_map(|(at, n)| Self::Remove(at, n)),
            1 => at().prop_map(Self::Truncate),
        ]
    }

    fn apply(self, bytes: &mut Vec<u8>) {
        let len = bytes.len();
        match self {
            Self::Set(at, byte) if len > 0 => bytes[at.index(len)] = byte,
            Self::Insert(at, new) => {
                let at = at.index(len + 1);
                bytes.splice(at..at, new);
            }
            Self::Remove(at, n) if len > 0 => {
                let at = at.index(len);
                bytes.drain(at..len.min(at + n));
            }
            Self::Truncate(at) => bytes.truncate(at.index(len + 1)),
            Self::Set(..) | Self::Remove(..) => {}
        }
    }
}

fn vectors() -> Vec<Vec<u8>> {
    let all = all_payloads()
        .into_iter()
        .chain(payloads("parser-acceptance-ftfw.txt"));
    let mut vectors: Vec<Vec<u8>> = all.map(|payload| payload.bytes).collect();
    vectors.sort();
    vectors.dedup();
    vectors
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn random_bytes_are_survived(bytes in vec(any::<u8>(), 0..512)) {
        receive(&bytes)?;
        flow(&bytes)?;
        expectation(&bytes)?;
    }

    #[test]
    fn damaged_datagrams_are_survived(
        mut bytes in select(vectors()),
        mutations in vec(Mutation::strategy(), 1..8),
    ) {
        for mutation in mutations {
            mutation.apply(&mut bytes);
        }
        receive(&bytes)?;
    }
}

#[test]
fn every_prefix_of_a_stream_is_incomplete_or_whole() {
    for payload in all_payloads() {
        let whole: Vec<_> = messages(&payload.bytes).map_while(Result::ok).collect();
        for cut in 0..payload.bytes.len() {
            let mut prefix = messages(&payload.bytes[..cut]);
            let items: Vec<_> = prefix.by_ref().collect();
            let n_whole = items.iter().filter(|item| item.is_ok()).count();
            let complete: usize = whole[..n_whole]
                .iter()
                .map(|message| usize::from(message.header.len))
                .sum();
            assert_eq!(
                prefix.rest().len(),
                cut - complete,
                "{} cut at {cut}",
                payload.name
            );
            for error in items.into_iter().filter_map(Result::err) {
                assert!(
                    error.kind.is_incomplete(),
                    "{} cut at {cut}: {error}",
                    payload.name
                );
            }
        }
    }
}

proptest! {
    /// Whatever the reads take, what is handed on is the stream, in whole messages.
    #[test]
    fn a_stream_cut_anywhere_gives_the_messages_that_were_written(lens in vec(1..3_000_usize, 1..60)) {
        let stream: Vec<u8> = all_payloads().into_iter().flat_map(|payload| payload.bytes).collect();
        let (mut begun, mut handed_on, mut rest) = (Vec::new(), Vec::new(), &stream[..]);
        for len in lens.into_iter().cycle() {
            let (read, left) = rest.split_at(len.min(rest.len()));
            begun.extend(read);
            let StreamPart::Whole(n_whole) = stream_part(&begun) else {
                return Err(TestCaseError::fail("the stream is sound"));
            };
            let whole: Vec<u8> = begun.drain(..n_whole).collect();
            prop_assert!(messages(&whole).all(|message| message.is_ok()));
            handed_on.extend(whole);
            rest = left;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert!(begun.is_empty() && handed_on == stream);
    }

    #[test]
    fn no_bytes_of_a_stream_are_handed_on_that_did_not_come(bytes in vec(any::<u8>(), 0..200)) {
        if let StreamPart::Whole(n_whole) = stream_part(&bytes) {
            prop_assert!(n_whole <= bytes.len());
            let mut whole = messages(&bytes[..n_whole]);
            whole.by_ref().for_each(drop);
            prop_assert!(whole.rest().is_empty());
        }
    }
}
