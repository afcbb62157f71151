//! Every message that stock daemons sent: read, told in the words of its file, written again.

use engine::wire::{
    Change, Content, ControlMessage, DecodeErrorKind, EncodeOptions, Flags, MessageView, Packer, Timeouts,
    WindowScales, decode_expectation, decode_flow, encode_control, encode_expectation, encode_flow, messages,
};

use crate::vectors::{Payload, all_payloads, files, payloads};
use crate::view;

/// What is not in a received message is not known, so nothing has to be left out by configuration:
/// `CommitTimeout` and `TCPWindowTracking` of the sending daemon show in what was decoded.
const SEND_ALL: EncodeOptions = EncodeOptions {
    timeouts: Timeouts::Send,
    window_scales: WindowScales::Send,
};

/// Hello bits of a message.
fn hello(message: &MessageView<'_>) -> Flags {
    Flags(message.header.flags.0 & (Flags::HELLO | Flags::HELLO_BACK).0)
}

/// Returns a message in the words of the files.
fn words(message: &MessageView<'_>, name: &str) -> String {
    let mut words = view::header(&message.header);
    match message.content() {
        Ok(Content::Flow(_)) => {
            let decoded = decode_flow(message.body, message.body_offset());
            let decoded = decoded.unwrap_or_else(|error| unreachable!("{name}: {error}"));
            assert_eq!(decoded.unknown_attributes, 0, "{name}");
            words += &view::flow(&decoded.flow);
        }
        Ok(Content::Expectation(_)) => {
            let decoded = decode_expectation(message.body, message.body_offset());
            let decoded = decoded.unwrap_or_else(|error| unreachable!("{name}: {error}"));
            assert_eq!(decoded.unknown_attributes, 0, "{name}");
            words += &view::expectation(&decoded.expectation);
        }
        Ok(content) => words += &view::control(&content),
        // A transcript has a control message of which nothing but its HELLO has a meaning.
        Err(error) => assert!(
            matches!(error.kind, DecodeErrorKind::Header { .. }),
            "{name}: {error}"
        ),
    }
    words
}

/// Appends the message again as our encoders write it; `false` for one that we never send.
fn encode(out: &mut Vec<u8>, message: &MessageView<'_>) -> bool {
    let (hello, seq) = (hello(message), message.header.seq);
    let control = match message.content() {
        Ok(Content::Flow(change)) => {
            let decoded = decode_flow(message.body, message.body_offset()).expect("words() decoded it");
            encode_flow(out, change, hello, seq, &decoded.flow, SEND_ALL);
            return true;
        }
        Ok(Content::Expectation(change)) => {
            let decoded =
                decode_expectation(message.body, message.body_offset()).expect("words() decoded it");
            encode_expectation(out, change, hello, seq, &decoded.expectation, SEND_ALL);
            return true;
        }
        Ok(Content::Ack(range)) => ControlMessage::Ack(range),
        Ok(Content::Nack(range)) => ControlMessage::Nack(range),
        Ok(Content::Resync) => ControlMessage::Resync,
        Ok(Content::Alive) => ControlMessage::Alive,
        Err(_) => return false,
    };
    encode_control(out, control, hello, seq);
    true
}

fn views(payload: &Payload) -> Vec<MessageView<'_>> {
    let mut messages = messages(&payload.bytes);
    let views = messages.by_ref().collect::<Result<Vec<_>, _>>();
    let views = views.unwrap_or_else(|error| unreachable!("{}: {error}", payload.name));
    assert!(messages.rest().is_empty(), "{}: bytes left over", payload.name);
    views
}

#[test]
fn every_message_is_what_its_file_says() {
    let mut n_messages = 0;
    for payload in all_payloads() {
        let told: Vec<String> = views(&payload)
            .iter()
            .map(|message| words(message, &payload.name))
            .collect();
        assert_eq!(told, payload.messages, "{}", payload.name);
        n_messages += told.len();
    }
    assert!(n_messages > 310, "only {n_messages} messages in the files");
}

#[test]
fn every_message_is_written_as_stock_daemons_write_it() {
    for payload in all_payloads() {
        let mut packer = Packer::new(1472);
        let mut is_sendable = true;
        for message in views(&payload) {
            let full = packer.append(|out| is_sendable &= encode(out, &message));
            assert_eq!(full, None, "{}: it was one datagram", payload.name);
        }
        if is_sendable {
            assert_eq!(packer.flush(), Some(payload.bytes), "{}", payload.name);
        } else {
            assert!(
                payload.name.starts_with("transcript-"),
                "{}: a stock daemon sent it",
                payload.name
            );
        }
    }
}

/// On a kernel without a DCCP tracker the stock daemon knows no ports; it sends PORT all the same,
/// with the bytes its buffer held before: here the ports of the UDP flow sent before. A receiver
/// cannot tell. We send the attribute only with ports that are known.
#[test]
fn ports_of_dccp_are_whatever_the_stock_daemon_sent_before() {
    let ports = |file: &str| -> Vec<_> {
        let payloads = payloads(file);
        let is_new = |message: &MessageView<'_>| message.content() == Ok(Content::Flow(Change::New));
        let flows = payloads.iter().flat_map(views).filter(is_new);
        flows
            .map(|message| {
                decode_flow(message.body, 0)
                    .expect("a sound flow")
                    .flow
                    .orig
                    .ports()
            })
            .collect()
    };
    assert_eq!(
        ports("ftfw-udp-dccp4-stale-port.txt"),
        [Some((0xabcd, 0x1234)); 2]
    );
    assert_eq!(ports("ftfw-udp-dccp4-new.txt"), [Some((0, 0))]);
}

#[test]
fn the_files_are_complete() {
    assert_eq!(files().len(), 49);
}
