//! The attributes of an expectation.

use engine::flow::{Direction, ExpectFlags, ExpectNat, Expectation, Family, FunctionName, HelperName};

use super::attributes::Attribute;
use super::tuple::{decode_tuple, family};
use super::{Body, DecodeError, DecodeErrorKind};
use crate::ctnetlink::uapi::*;

/// Reads the expectation that a message is about.
///
/// # Errors
/// A value of the wrong length, or one of master, tuple and mask is missing.
pub fn decode_expectation(body: &Body<'_>) -> Result<Expectation, DecodeError> {
    let family = family(body.family).map_err(|kind| body.error(kind))?;
    let (mut master, mut tuple, mut mask) = (None, None, None);
    let (mut timeout_secs, mut id, mut zone, mut flags, mut class) = (None, None, None, None, None);
    let (mut nat, mut helper, mut function) = (None, None, None);
    for attribute in body.attributes() {
        let attribute = &attribute?;
        match attribute.kind {
            CTA_EXPECT_MASTER => master = Some(decode_tuple(attribute, family)?.tuple),
            CTA_EXPECT_TUPLE => tuple = Some(decode_tuple(attribute, family)?.tuple),
            CTA_EXPECT_MASK => mask = Some(decode_tuple(attribute, family)?.tuple),
            CTA_EXPECT_TIMEOUT => timeout_secs = Some(attribute.be32()?),
            CTA_EXPECT_ID => id = Some(attribute.be32()?),
            CTA_EXPECT_HELP_NAME => {
                helper =
                    Some(HelperName::from_bytes(attribute.value).map_err(|error| attribute.error(error))?);
            }
            CTA_EXPECT_ZONE => zone = Some(attribute.be16()?),
            CTA_EXPECT_FLAGS => flags = Some(ExpectFlags(attribute.be32()?)),
            CTA_EXPECT_CLASS => class = Some(attribute.be32()?),
            CTA_EXPECT_NAT => nat = Some(decode_nat(attribute, family)?),
            CTA_EXPECT_FN => {
                function =
                    Some(FunctionName::from_bytes(attribute.value).map_err(|error| attribute.error(error))?);
            }
            _ => {}
        }
    }
    let missing = |kind| body.error(DecodeErrorKind::Missing(kind));
    Ok(Expectation {
        master: master.ok_or_else(|| missing(CTA_EXPECT_MASTER))?,
        tuple: tuple.ok_or_else(|| missing(CTA_EXPECT_TUPLE))?,
        mask: mask.ok_or_else(|| missing(CTA_EXPECT_MASK))?,
        timeout_secs,
        id,
        zone,
        flags,
        class,
        nat,
        helper,
        function,
    })
}

fn decode_nat(nest: &Attribute<'_>, family: Family) -> Result<ExpectNat, DecodeError> {
    let (mut direction, mut tuple) = (None, None);
    for attribute in nest.nest() {
        let attribute = &attribute?;
        match attribute.kind {
            CTA_EXPECT_NAT_DIR if attribute.be32()? == 0 => direction = Some(Direction::Orig),
            CTA_EXPECT_NAT_DIR => direction = Some(Direction::Reply),
            CTA_EXPECT_NAT_TUPLE => tuple = Some(decode_tuple(attribute, family)?.tuple),
            _ => {}
        }
    }
    Ok(ExpectNat {
        direction: direction.ok_or_else(|| nest.missing(CTA_EXPECT_NAT_DIR))?,
        tuple: tuple.ok_or_else(|| nest.missing(CTA_EXPECT_NAT_TUPLE))?,
    })
}
