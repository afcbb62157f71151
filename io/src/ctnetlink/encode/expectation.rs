//! Requests about expectations.

use engine::flow::{Direction, Expectation};
use engine::output::ExpectRequest;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};

use super::AckMode;
use super::writer::{Header, Writer, write_message};
use crate::ctnetlink::uapi::*;

/// Appends `request` to `buffer`; answers to it will carry `seq`.
pub fn encode_expect_request(request: &ExpectRequest, seq: u32, ack: AckMode, buffer: &mut Vec<u8>) {
    let (message, flags, expectation) = match request {
        ExpectRequest::Create(expectation) => {
            (IPCTNL_MSG_EXP_NEW, NLM_F_CREATE | NLM_F_EXCL, Some(expectation))
        }
        ExpectRequest::Update(expectation) => (IPCTNL_MSG_EXP_NEW, 0, Some(expectation)),
        ExpectRequest::Delete(expectation) => (IPCTNL_MSG_EXP_DELETE, 0, Some(expectation)),
        ExpectRequest::Flush => (IPCTNL_MSG_EXP_DELETE, 0, None),
    };
    let header = Header {
        message_type: message_type(NFNL_SUBSYS_CTNETLINK_EXP, message),
        flags,
        seq,
        ack,
        family: expectation.map(|expectation| expectation.tuple.addrs.family()),
        version: 0,
    };
    write_message(buffer, &header, |writer| match request {
        ExpectRequest::Create(expectation) | ExpectRequest::Update(expectation) => {
            write_expectation(writer, expectation);
        }
        ExpectRequest::Delete(expectation) => {
            // Without the tuple this would delete all of them.
            writer.tuple(CTA_EXPECT_TUPLE, &expectation.tuple, None);
            if let Some(zone) = expectation.zone {
                writer.be16(CTA_EXPECT_ZONE, zone);
            }
            if let Some(id) = expectation.id {
                writer.be32(CTA_EXPECT_ID, id);
            }
        }
        ExpectRequest::Flush => {}
    });
}

fn write_expectation(writer: &mut Writer<'_>, expectation: &Expectation) {
    writer.tuple(CTA_EXPECT_TUPLE, &expectation.tuple, None);
    writer.tuple(CTA_EXPECT_MASTER, &expectation.master, None);
    writer.tuple(CTA_EXPECT_MASK, &expectation.mask, None);
    if let Some(timeout_secs) = expectation.timeout_secs {
        writer.be32(CTA_EXPECT_TIMEOUT, timeout_secs);
    }
    if let Some(flags) = expectation.flags {
        writer.be32(CTA_EXPECT_FLAGS, flags.0);
    }
    if let Some(zone) = expectation.zone {
        writer.be16(CTA_EXPECT_ZONE, zone);
    }
    if let Some(class) = expectation.class {
        writer.be32(CTA_EXPECT_CLASS, class);
    }
    if let Some(nat) = &expectation.nat {
        writer.nest(CTA_EXPECT_NAT, |writer| {
            let direction = match nat.direction {
                Direction::Orig => 0,
                Direction::Reply => 1,
            };
            writer.be32(CTA_EXPECT_NAT_DIR, direction);
            writer.tuple(CTA_EXPECT_NAT_TUPLE, &nat.tuple, None);
        });
    }
    if let Some(function) = &expectation.function {
        writer.name(CTA_EXPECT_FN, function.as_bytes());
    }
    if let Some(helper) = &expectation.helper {
        writer.name(CTA_EXPECT_HELP_NAME, helper.as_bytes());
    }
}
