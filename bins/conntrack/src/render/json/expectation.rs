//! An expectation as an object.

use engine::flow::{Direction, ExpectFlags, Expectation, FunctionName, HelperName, Tuple};
use serde::Serialize;
use serde::ser::Serializer;

use super::append;
use super::parts::{LoneTuple, Moment, RequesterObject, Side, Text, family};
use crate::render::Circumstances;

/// Appends an expectation.
pub(crate) fn expectation(out: &mut Vec<u8>, expectation: &Expectation, circumstances: &Circumstances<'_>) {
    append(out, &ExpectationObject::of(expectation, circumstances));
}

#[derive(Serialize)]
struct ExpectationObject<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<Moment>,
    family: &'static str,
    protocol: &'static str,
    protocol_number: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<u32>,
    expected: Side,
    mask: Side,
    master: LoneTuple,
    #[serde(skip_serializing_if = "Option::is_none")]
    zone: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<FlagNames>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    helper: Option<Text<HelperName>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function: Option<Text<FunctionName>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nat: Option<NatObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requester: Option<RequesterObject<'a>>,
}

impl<'a> ExpectationObject<'a> {
    fn of(expectation: &Expectation, circumstances: &Circumstances<'a>) -> Self {
        let event = circumstances.event();
        // The mask tells nothing of a protocol; its bits are for that of the expected flow.
        let proto = expectation.tuple.proto;
        let side = |tuple: &Tuple| Side::of(tuple, proto);
        Self {
            event: event.map(|event| event.name()),
            time: event.map(|_| Moment::of(circumstances.at)),
            family: family(&expectation.tuple),
            protocol: proto.name(),
            protocol_number: proto.0,
            timeout: expectation.timeout_secs,
            expected: side(&expectation.tuple),
            mask: side(&expectation.mask),
            master: LoneTuple::of(&expectation.master),
            zone: expectation.zone,
            flags: expectation.flags.map(FlagNames),
            class: expectation.class,
            helper: expectation.helper.map(Text),
            function: expectation.function.map(Text),
            nat: expectation.nat.map(|nat| NatObject {
                direction: match nat.direction {
                    Direction::Orig => "orig",
                    Direction::Reply => "reply",
                },
                tuple: side(&nat.tuple),
            }),
            id: expectation.id,
            requester: circumstances.requester.map(RequesterObject::from),
        }
    }
}

/// Translation that the expected flow will get.
#[derive(Serialize)]
struct NatObject {
    direction: &'static str,
    tuple: Side,
}

/// The flags as a list of their names.
struct FlagNames(ExpectFlags);

impl Serialize for FlagNames {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.names())
    }
}
