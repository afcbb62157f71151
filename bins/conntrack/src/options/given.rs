//! What the options of a command line said, before it is known whether they go together.

use std::net::IpAddr;

use engine::flow::query::Masked;
use engine::flow::{DccpRole, Family, HelperName, Labels, Protocol};

use super::refusal::shown;
use super::table::{Column, Kind, OptionRow, Part, PartRow, Table, Tracked, Verb};
use super::values::address::{AddressList, Network, Prefix, family, network};
use super::values::list::{self, Item, StatusBits};
use super::values::nat::NatValue;
use super::values::number::{Notation, number};
use super::values::port::PortList;
use super::values::state;
use super::{Context, Refusal};
use crate::command::{Format, Groups, Output};

const U32_MAX: u64 = u32::MAX as u64;
const U16_MAX: u64 = u16::MAX as u64;
const U8_MAX: u64 = u8::MAX as u64;

/// Values by the columns of the tables; a value counts if its bit is set.
#[derive(Debug, Default)]
pub(super) struct Given<'a> {
    has_command: bool,
    pub(super) kind: Kind,
    pub(super) table: Option<Table>,
    /// General options.
    pub(super) columns: u32,
    /// Options of protocols.
    pub(super) parts: u16,
    /// Protocols whose options are known.
    pub(super) known: u8,
    pub(super) proto: Option<Protocol>,
    pub(super) tracked: Option<Tracked>,
    pub(super) family: Option<Family>,
    pub(super) src: Option<AddressList<'a>>,
    pub(super) dst: Option<AddressList<'a>>,
    pub(super) reply_src: Option<AddressList<'a>>,
    pub(super) reply_dst: Option<AddressList<'a>>,
    pub(super) tuple_src: Option<IpAddr>,
    pub(super) tuple_dst: Option<IpAddr>,
    pub(super) mask_src: Option<IpAddr>,
    pub(super) mask_dst: Option<IpAddr>,
    pub(super) timeout_secs: u32,
    pub(super) status: StatusBits,
    pub(super) mark: Option<Masked>,
    pub(super) secmark: u32,
    pub(super) id: u32,
    pub(super) buffer_len: u32,
    pub(super) zone: u16,
    pub(super) zone_orig: u16,
    pub(super) zone_reply: u16,
    pub(super) src_nat: Option<NatValue<'a>>,
    pub(super) dst_nat: Option<NatValue<'a>>,
    pub(super) any_nat: Option<NatValue<'a>>,
    pub(super) output: Output,
    pub(super) groups: Option<Groups>,
    pub(super) label: Option<Labels>,
    pub(super) label_add: Option<Labels>,
    pub(super) label_del: Option<Labels>,
    pub(super) helper: Option<HelperName>,
    /// Ports and keys, by [`Given::port_place`].
    ports: [PortList<'a>; 8],
    pub(super) state: u8,
    pub(super) role: Option<DccpRole>,
    pub(super) vtag_orig: u32,
    pub(super) vtag_reply: u32,
    pub(super) icmp_type: u8,
    pub(super) icmp_code: u8,
    pub(super) icmp_id: u16,
}

impl<'a> Given<'a> {
    /// Returns whether an option was given.
    pub(super) const fn has(&self, column: Column) -> bool {
        self.columns & column.bit() != 0
    }

    /// Returns whether an option of a protocol was given.
    pub(super) const fn has_part(&self, part: Part) -> bool {
        self.parts & part.bit() != 0
    }

    /// Returns the ports of an option.
    pub(super) fn ports(&self, part: Part) -> Option<&PortList<'a>> {
        let place = Self::port_place(part)?;
        self.has_part(part).then_some(&self.ports[place])
    }

    const fn port_place(part: Part) -> Option<usize> {
        Some(match part {
            Part::OrigSrc => 0,
            Part::OrigDst => 1,
            Part::ReplySrc => 2,
            Part::ReplyDst => 3,
            Part::MaskSrc => 4,
            Part::MaskDst => 5,
            Part::TupleSrc => 6,
            Part::TupleDst => 7,
            Part::State
            | Part::OrigVtag
            | Part::ReplyVtag
            | Part::Role
            | Part::IcmpType
            | Part::IcmpCode
            | Part::IcmpId => return None,
        })
    }

    /// Takes a command.
    pub(super) fn command(&mut self, verb: Verb, table: Table) -> Result<(), Refusal> {
        if std::mem::replace(&mut self.has_command, true) {
            return Err(Refusal::SecondCommand);
        }
        let is_list = matches!(table, Table::Dying | Table::Unconfirmed);
        if is_list && verb != Verb::List {
            return Err(Refusal::ListOnly);
        }
        self.table = Some(table);
        let is_expect = table == Table::Expect;
        self.kind = match verb {
            Verb::Update if is_expect => return Err(Refusal::NotOnExpectations("update")),
            Verb::Add if is_expect => return Err(Refusal::NotOnExpectations("add")),
            Verb::List if is_expect => Kind::ExpectList,
            Verb::Get if is_expect => Kind::ExpectGet,
            Verb::Delete if is_expect => Kind::ExpectDelete,
            Verb::Create if is_expect => Kind::ExpectCreate,
            Verb::Events if is_expect => Kind::ExpectEvents,
            Verb::Flush if is_expect => Kind::ExpectFlush,
            Verb::Count if is_expect => Kind::ExpectCount,
            Verb::Stats if is_expect => Kind::ExpectStats,
            Verb::List => Kind::List,
            Verb::Get => Kind::Get,
            Verb::Delete => Kind::Delete,
            Verb::Create => Kind::Create,
            Verb::Add => Kind::Add,
            Verb::Update => Kind::Update,
            Verb::Events => Kind::Events,
            Verb::Flush => Kind::Flush,
            Verb::Count => Kind::Count,
            Verb::Stats => Kind::Stats,
            Verb::Version => Kind::Version,
            Verb::Help => Kind::Help,
        };
        Ok(())
    }

    /// Takes a general option.
    pub(super) fn general(
        &mut self,
        row: &OptionRow,
        value: Option<&'a [u8]>,
        context: &mut Context,
    ) -> Result<(), Refusal> {
        self.columns |= row.column.bit();
        let text = value.unwrap_or_default();
        let name = row.names[0];
        let u16_number = || number(name, text, Notation::C, U16_MAX).map(to_u16);
        match row.column {
            Column::Src => self.src = Some(self.addresses(text, Prefix::Allowed, Column::MaskSrc)?),
            Column::Dst => self.dst = Some(self.addresses(text, Prefix::Allowed, Column::MaskDst)?),
            Column::ReplySrc => {
                self.reply_src = Some(self.addresses(text, Prefix::Refused(name), Column::MaskSrc)?);
            }
            Column::ReplyDst => {
                self.reply_dst = Some(self.addresses(text, Prefix::Refused(name), Column::MaskDst)?);
            }
            Column::TupleSrc => {
                self.tuple_src = Some(self.address(text, Prefix::Allowed, Column::MaskSrc)?);
            }
            Column::TupleDst => {
                self.tuple_dst = Some(self.address(text, Prefix::Allowed, Column::MaskDst)?);
            }
            Column::MaskSrc => {
                self.mask_src = Some(self.address(text, Prefix::Refused(name), Column::MaskSrc)?);
            }
            Column::MaskDst => {
                self.mask_dst = Some(self.address(text, Prefix::Refused(name), Column::MaskDst)?);
            }
            Column::Proto => return self.protocol(text, context),
            Column::Family => return self.family_name(text),
            Column::Timeout => self.timeout_secs = number(name, text, Notation::Decimal, U32_MAX)?,
            Column::BufferSize => {
                self.buffer_len = number(name, text, Notation::Decimal, u64::from(u32::MAX >> 1))?;
            }
            Column::Status => list::status(text, &mut self.status, |warning| context.warn(warning))?,
            Column::EventMask => return self.events(text, context),
            Column::Output => return self.outputs(text, context),
            Column::Zero => {}
            Column::NatRange => context.warn("WARNING: ignoring -a, deprecated option."),
            Column::Mark => self.mark = Some(mark(name, text)?),
            Column::Id => self.id = number(name, text, Notation::C, U32_MAX)?,
            Column::Secmark => self.secmark = number(name, text, Notation::C, U32_MAX)?,
            Column::Zone => self.zone = u16_number()?,
            Column::OrigZone => self.zone_orig = u16_number()?,
            Column::ReplyZone => self.zone_reply = u16_number()?,
            Column::SrcNat => self.src_nat = self.nat(value, name)?,
            Column::DstNat => self.dst_nat = self.nat(value, name)?,
            Column::AnyNat => self.any_nat = self.nat(value, name)?,
            Column::Label => add_labels(&mut self.label, context.label_list(text)?),
            Column::LabelAdd => add_labels(&mut self.label_add, context.label_list(text)?),
            Column::LabelDel => match value {
                Some(text) => add_labels(&mut self.label_del, context.label_list(text)?),
                None => {
                    context.open_labels();
                }
            },
            Column::Helper => {
                let helper = HelperName::from_bytes(text).ok().filter(|_| !text.is_empty());
                self.helper = Some(helper.ok_or_else(|| Refusal::Helper(shown(text)))?);
            }
        }
        Ok(())
    }

    /// The first address or `-f` decides for the family.
    fn one_family(&mut self, family: Family) -> Result<(), Refusal> {
        if *self.family.get_or_insert(family) == family {
            Ok(())
        } else {
            Err(Refusal::Family)
        }
    }

    /// Takes a list of addresses. The prefix length of a single one is a mask.
    fn addresses(
        &mut self,
        text: &'a [u8],
        prefix: Prefix,
        mask: Column,
    ) -> Result<AddressList<'a>, Refusal> {
        let list = AddressList::parse(text, prefix)?;
        self.one_family(family(list.first.addr))?;
        if !list.is_list {
            self.prefix(list.first, mask);
        }
        Ok(list)
    }

    /// Takes a single address.
    fn address(&mut self, text: &[u8], prefix: Prefix, mask: Column) -> Result<IpAddr, Refusal> {
        let network = network(text, prefix)?;
        self.one_family(family(network.addr))?;
        self.prefix(network, mask);
        Ok(network.addr)
    }

    /// A prefix length is as good as the option with its mask.
    fn prefix(&mut self, network: Network, column: Column) {
        let Some(mask) = network.mask else { return };
        self.columns |= column.bit();
        if column == Column::MaskSrc {
            self.mask_src = Some(mask);
        } else {
            self.mask_dst = Some(mask);
        }
    }

    /// The last protocol decides; the options of all that were named stay known.
    fn protocol(&mut self, text: &[u8], context: &mut Context) -> Result<(), Refusal> {
        let (proto, tracked) = context.protocol(text)?;
        if self.tracked != tracked {
            // The states of protocols have their names in common, but not their numbers.
            self.parts &= !Part::State.bit();
        }
        self.proto = Some(proto);
        self.tracked = tracked;
        self.known |= tracked.map_or(0, Tracked::bit);
        Ok(())
    }

    /// Only the first four bytes count.
    fn family_name(&mut self, text: &[u8]) -> Result<(), Refusal> {
        match text.get(..4) {
            Some(b"ipv4") => self.one_family(Family::Ipv4),
            Some(b"ipv6") => self.one_family(Family::Ipv6),
            _ => Err(Refusal::Protocol(shown(text))),
        }
    }

    fn nat(
        &mut self,
        value: Option<&'a [u8]>,
        option: &'static str,
    ) -> Result<Option<NatValue<'a>>, Refusal> {
        let Some(text) = value else { return Ok(None) };
        let nat = NatValue::parse(text, option)?;
        nat.family().map_or(Ok(()), |family| self.one_family(family))?;
        Ok(Some(nat))
    }

    fn events(&mut self, text: &[u8], context: &mut Context) -> Result<(), Refusal> {
        let groups = self.groups.get_or_insert(Groups {
            new: false,
            update: false,
            destroy: false,
        });
        list::names(text, &EVENTS, |item| {
            match item {
                Item::Is([new, update, destroy]) => {
                    groups.new |= new;
                    groups.update |= update;
                    groups.destroy |= destroy;
                }
                Item::Warns(warning) => context.warn(warning),
            }
            Ok(())
        })
    }

    fn outputs(&mut self, text: &[u8], context: &mut Context) -> Result<(), Refusal> {
        let output = &mut self.output;
        list::names(text, &OUTPUTS, |item| {
            match item {
                Item::Is(Name::Format(format)) => set_format(output, format)?,
                Item::Is(Name::Extended) => output.extended = true,
                Item::Is(Name::Timestamp) => output.timestamp = true,
                Item::Is(Name::Id) => output.id = true,
                Item::Is(Name::Ktimestamp) => output.ktimestamp = true,
                Item::Is(Name::Labels) => {
                    context.open_labels();
                    output.labels = true;
                }
                Item::Is(Name::Userspace) => {}
                Item::Warns(warning) => context.warn(warning),
            }
            Ok(())
        })?;
        let has_more = output.extended || output.timestamp || output.id || output.ktimestamp || output.labels;
        if output.format == Format::Save && has_more {
            return Err(Refusal::SaveWithOutput);
        }
        Ok(())
    }

    /// Takes an option of a protocol.
    pub(super) fn part(&mut self, row: &PartRow, text: &'a [u8]) -> Result<(), Refusal> {
        let name = row.names[0];
        let is_gre = row.protocols() & Tracked::Gre.bit() != 0;
        let notation = if is_gre { Notation::C } else { Notation::Decimal };
        if let Some(place) = Self::port_place(row.part) {
            self.ports[place] = PortList::parse(text, notation)?;
        }
        let decimal = |max| number(name, text, Notation::Decimal, max);
        match row.part {
            Part::OrigSrc | Part::OrigDst | Part::ReplySrc | Part::ReplyDst => {}
            Part::MaskSrc | Part::MaskDst | Part::TupleSrc | Part::TupleDst => {}
            Part::State => {
                self.state = match self.tracked {
                    Some(Tracked::Sctp) => state::sctp(text),
                    Some(Tracked::Dccp) => state::dccp(text),
                    // A protocol without states is told when the options are compared with it.
                    Some(
                        Tracked::Tcp
                        | Tracked::Udp
                        | Tracked::Udplite
                        | Tracked::Icmp
                        | Tracked::Icmpv6
                        | Tracked::Gre,
                    )
                    | None => state::tcp(text),
                }?;
            }
            Part::OrigVtag => self.vtag_orig = decimal(U32_MAX)?,
            Part::ReplyVtag => self.vtag_reply = decimal(U32_MAX)?,
            Part::Role => self.role = Some(state::role(text)?),
            Part::IcmpType => self.icmp_type = to_u8(decimal(U8_MAX)?),
            Part::IcmpCode => self.icmp_code = to_u8(decimal(U8_MAX)?),
            Part::IcmpId => self.icmp_id = to_u16(decimal(U16_MAX)?),
        }
        self.parts |= row.part.bit();
        Ok(())
    }
}

/// The names of `-e`, and which events they are: beginnings, changes, ends.
pub(super) const EVENTS: [(&str, [bool; 3]); 4] = [
    ("ALL", [true, true, true]),
    ("NEW", [true, false, false]),
    ("UPDATES", [false, true, false]),
    ("DESTROY", [false, false, true]),
];

/// What a name of `-o` stands for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Name {
    Format(Format),
    Extended,
    Timestamp,
    Id,
    Ktimestamp,
    Labels,
    Userspace,
}

/// The names of `-o`.
pub(super) const OUTPUTS: [(&str, Name); 9] = [
    ("xml", Name::Format(Format::Xml)),
    ("extended", Name::Extended),
    ("timestamp", Name::Timestamp),
    ("id", Name::Id),
    ("ktimestamp", Name::Ktimestamp),
    ("labels", Name::Labels),
    ("userspace", Name::Userspace),
    ("save", Name::Format(Format::Save)),
    ("json", Name::Format(Format::Json)),
];

fn set_format(output: &mut Output, format: Format) -> Result<(), Refusal> {
    match (output.format, format) {
        (Format::Plain, _) => output.format = format,
        (known, format) if known == format => {}
        (Format::Json, _) | (_, Format::Json) => return Err(Refusal::JsonWithOutput),
        (_, _) => return Err(Refusal::SaveWithOutput),
    }
    Ok(())
}

/// Reads `MARK` or `MARK/MASK`.
fn mark(name: &'static str, text: &[u8]) -> Result<Masked, Refusal> {
    let slash = text.iter().position(|byte| *byte == b'/');
    let read = |text| number(name, text, Notation::C, U32_MAX);
    Ok(match slash {
        Some(slash) => Masked {
            value: read(&text[..slash])?,
            mask: read(&text[slash + 1..])?,
        },
        None => Masked {
            value: read(text)?,
            mask: u32::MAX,
        },
    })
}

fn add_labels(labels: &mut Option<Labels>, more: Labels) {
    labels.get_or_insert(Labels(0)).0 |= more.0;
}

/// The number has been compared with the largest one.
fn to_u16(number: u32) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// The number has been compared with the largest one.
fn to_u8(number: u32) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}
