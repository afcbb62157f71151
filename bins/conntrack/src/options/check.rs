//! Rules between options.

use super::Refusal;
use super::given::Given;
use super::matrix::{ADDRESS_PAIRS, check_general, check_pairs, check_protocol, illegal_part};
use super::table::{Column, Kind, Part, ProtocolRow};
use crate::command::{Format, Output};

/// Columns of what selects flows: `-z` would reset the counters of others too.
const FILTERS: u32 = Column::Src.bit()
    | Column::Dst.bit()
    | Column::ReplySrc.bit()
    | Column::ReplyDst.bit()
    | Column::Proto.bit()
    | Column::Mark.bit()
    | Column::Secmark.bit()
    | Column::Status.bit()
    | Column::Id.bit()
    | Column::Zone.bit()
    | Column::OrigZone.bit()
    | Column::ReplyZone.bit()
    | Column::Label.bit()
    | Column::SrcNat.bit()
    | Column::DstNat.bit()
    | Column::AnyNat.bit();

/// Checks a whole command line, in the order in which the stock tool does.
pub(super) fn check(given: &Given<'_>) -> Result<(), Refusal> {
    if given.has(Column::AnyNat) && (given.has(Column::SrcNat) || given.has(Column::DstNat)) {
        return Err(Refusal::AnyNatWithNat);
    }
    if given.has(Column::LabelAdd) && given.has(Column::LabelDel) {
        return Err(Refusal::LabelAddAndDel);
    }
    check_general(given.kind, given.columns)?;
    check_output(given)?;
    let is_tuple = matches!(given.kind, Kind::Create | Kind::Add | Kind::Get);
    if is_tuple {
        let [orig, reply] = addresses(given);
        check_pairs(orig, reply, ADDRESS_PAIRS)?;
    }
    if given.kind != Kind::Help {
        match given.tracked {
            Some(tracked) => check_protocol(tracked, given.kind, given.parts)?,
            None => illegal_part(given.parts).map_or(Ok(()), |name| Err(Refusal::IllegalOption(name)))?,
        }
    }
    if let Some(row) = given.tracked.filter(|_| is_tuple) {
        check_sides(given, row.row())?;
    }
    // The kernel takes tags together with a state alone.
    let has_tags = given.has_part(Part::OrigVtag) || given.has_part(Part::ReplyVtag);
    if given.kind == Kind::Update && has_tags && !given.has_part(Part::State) {
        return Err(Refusal::NeededOption("state"));
    }
    check_filter(given)
}

/// Returns which addresses were given, of the original and of the reply direction.
pub(super) const fn addresses(given: &Given<'_>) -> [[bool; 2]; 2] {
    [
        [given.has(Column::Src), given.has(Column::Dst)],
        [given.has(Column::ReplySrc), given.has(Column::ReplyDst)],
    ]
}

/// Where there are no entries to print, objects are all that can be printed.
fn check_output(given: &Given<'_>) -> Result<(), Refusal> {
    const JSON: Output = Output {
        format: Format::Json,
        extended: false,
        id: false,
        timestamp: false,
        ktimestamp: false,
        labels: false,
    };
    let is_ours = matches!(given.kind, Kind::Stats | Kind::ExpectStats | Kind::ExpectGet);
    if is_ours && given.has(Column::Output) && given.output != JSON {
        return Err(Refusal::IllegalOption("output"));
    }
    Ok(())
}

/// Ports go with the addresses of their direction.
fn check_sides(given: &Given<'_>, row: &ProtocolRow) -> Result<(), Refusal> {
    let (Some(orig_names), Some(reply_names)) = (row.orig_pair, row.reply_pair) else {
        return Ok(());
    };
    let orig = [given.has_part(Part::OrigSrc), given.has_part(Part::OrigDst)];
    let reply = [given.has_part(Part::ReplySrc), given.has_part(Part::ReplyDst)];
    check_pairs(orig, reply, [orig_names, reply_names])?;
    let [orig_addrs, reply_addrs] = addresses(given).map(|pair| pair == [true; 2]);
    let missing = match (orig_addrs, reply_addrs) {
        (true, false) if orig != [true; 2] => orig_names,
        (false, true) if reply != [true; 2] => reply_names,
        _ => return Ok(()),
    };
    Err(Refusal::NeededPair(missing[0], missing[1]))
}

fn check_filter(given: &Given<'_>) -> Result<(), Refusal> {
    if given.has(Column::Zero) && given.columns & FILTERS != 0 {
        return Err(Refusal::ZeroWithFilter);
    }
    if !matches!(
        given.kind,
        Kind::List | Kind::Events | Kind::Update | Kind::Delete
    ) {
        return Ok(());
    }
    let sides = [
        (&given.src, Column::MaskSrc, ["mask-src", "src"]),
        (&given.dst, Column::MaskDst, ["mask-dst", "dst"]),
    ];
    for (addr, _, names) in sides.into_iter().filter(|(_, mask, _)| given.has(*mask)) {
        let [mask_name, name] = names;
        match addr {
            None => return Err(Refusal::MaskWithoutAddress(mask_name, name)),
            Some(addr) if addr.is_list => return Err(Refusal::MaskOfList(mask_name, name)),
            Some(_) => {}
        }
    }
    Ok(())
}
