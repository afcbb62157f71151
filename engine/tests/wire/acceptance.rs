//! Datagrams made by hand, and what a stock daemon made of them.

use engine::wire::{Content, DecodeError, Malformation, decode_expectation, decode_flow, messages};

use crate::vectors::payloads;

/// Cases that we take otherwise than the stock daemon: what we do, and why.
const DEVIATIONS: [(&str, Option<Malformation>, &str); 3] = [
    (
        "unknown attribute 33",
        None,
        "a newer peer may say more than we know; the rest of its message is sound",
    ),
    (
        "EXP_NEW with CLASS, FLAGS only (nothing mandatory is checked)",
        Some(Malformation::BadPayload),
        "an expectation of nothing can be neither found nor committed",
    ),
    (
        "CT_NEW without any attribute: accepted (and crashes the forked child of a later dump)",
        Some(Malformation::BadPayload),
        "a flow without addresses can be neither found nor committed",
    ),
];

/// Returns the errors of all messages of a datagram and the number of unknown attributes.
fn receive(datagram: &[u8]) -> (Vec<DecodeError>, u16) {
    let (mut errors, mut unknown) = (Vec::new(), 0);
    for message in messages(datagram) {
        let result = message.and_then(|message| match message.content()? {
            Content::Flow(_) => {
                decode_flow(message.body, message.body_offset()).map(|decoded| decoded.unknown_attributes)
            }
            Content::Expectation(_) => decode_expectation(message.body, message.body_offset())
                .map(|decoded| decoded.unknown_attributes),
            Content::Ack(_) | Content::Nack(_) | Content::Resync | Content::Alive => Ok(0),
        });
        match result {
            Ok(number) => unknown += number,
            Err(error) => errors.push(error),
        }
    }
    (errors, unknown)
}

/// Returns the counter that moved at the stock daemon.
fn stock_malformation(result: &str) -> Option<Malformation> {
    [
        ("Wrong protocol version +1", Malformation::BadVersion),
        ("Malformed header +1", Malformation::BadHeader),
        ("Malformed payload +1", Malformation::BadPayload),
        ("Bad message type +1", Malformation::BadType),
        ("Truncated message +1", Malformation::Truncated),
        ("Bad message size +1", Malformation::BadSize),
    ]
    .into_iter()
    .find_map(|(label, malformation)| result.contains(label).then_some(malformation))
}

#[test]
fn malformed_messages_are_counted_as_the_stock_daemon_counts_them() {
    let cases = payloads("parser-acceptance-ftfw.txt");
    assert_eq!(cases.len(), 54);
    let mut n_deviations = 0;
    for case in cases {
        let title = case.name.split_once(": ").map_or("", |(_, title)| title);
        let stock = stock_malformation(&case.result);
        let deviation = DEVIATIONS.iter().find(|(name, _, _)| *name == title);
        let expected = deviation.map_or(stock, |(_, ours, _)| *ours);
        if let Some((_, ours, why)) = deviation {
            assert_ne!(*ours, stock, "{title} is no deviation: {why}");
            n_deviations += 1;
        }
        let (errors, _) = receive(&case.bytes);
        let ours: Vec<Malformation> = errors.iter().map(|error| error.kind.malformation()).collect();
        assert_eq!(ours, Vec::from_iter(expected), "{title}: {errors:?}");
    }
    assert_eq!(n_deviations, DEVIATIONS.len(), "each deviation names a case");
}

#[test]
fn unknown_attributes_are_counted() {
    let cases = payloads("parser-acceptance-ftfw.txt");
    let case = cases
        .iter()
        .find(|case| case.name.ends_with(": unknown attribute 33"))
        .expect("it is there");
    assert_eq!(receive(&case.bytes), (Vec::new(), 1));
}

#[test]
fn errors_say_where_and_what() {
    let told = |title: &str| {
        let cases = payloads("parser-acceptance-ftfw.txt");
        let case = cases
            .into_iter()
            .find(|case| case.name.ends_with(title))
            .expect("it is there");
        let (errors, _) = receive(&case.bytes);
        errors
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; ")
    };
    for (title, error) in [
        (": version 2", "at byte 0: protocol version 2, only 1 is known"),
        (
            ": len field 7",
            "at byte 0: length field says 7, the header alone has 8 bytes",
        ),
        (
            "beyond the datagram",
            "at byte 0: length field says 500, 60 bytes are left",
        ),
        (
            ": 7-byte datagram",
            "at byte 0: a message header has 8 bytes, 7 are left",
        ),
        (
            ": 5 stray bytes after a valid message: first accepted",
            "at byte 60: a message header has 8 bytes, 5 are left",
        ),
        ("control NACK with to < from", "at byte 8: a range from 10 to 5"),
        (
            "type 15 with ALIVE flag",
            "at byte 0: type 15 with flags 0x10 is no message",
        ),
        (
            "MARK with a 2-byte payload",
            "at byte 60: attribute 7 has length 6, it must be 8",
        ),
        (
            "attribute length 3",
            "at byte 60: attribute 7 has length 3, its header alone has 4 bytes",
        ),
        (
            "beyond the message",
            "at byte 60: attribute 7 has length 40, 8 bytes of the message are left",
        ),
        (
            "LABELS of 1028 bytes",
            "at byte 60: attribute 28 has length 1032, at most 1028 is allowed",
        ),
        ("as the only one", "at byte 8: the message has no IPV4 or IPV6"),
    ] {
        assert_eq!(told(title), error, "{title}");
    }
}
