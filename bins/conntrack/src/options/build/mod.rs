//! From what was given to the command that it asks for.

mod expect;
mod flow;
mod query;

use engine::flow::{Addrs, ProtoState, SctpState, Tcp, TcpFlags, TcpState};
use engine::flow::{DccpRole, DccpState};
use std::net::IpAddr;

use super::Refusal;
use super::given::Given;
use super::table::{Column, Kind, Part, Table, Tracked};
use crate::command::{Change, Command, ExpectCommand, FlowList, Groups, IfExists, LabelChange, Output};

/// Makes the command of options that go together.
pub(super) fn command(given: &Given<'_>) -> Result<Command, Refusal> {
    let output = output(given);
    Ok(match given.kind {
        Kind::List => Command::List {
            list: match given.table {
                Some(Table::Dying) => FlowList::Dying,
                Some(Table::Unconfirmed) => FlowList::Unconfirmed,
                Some(Table::Conntrack | Table::Expect) | None => FlowList::Conntrack,
            },
            query: query::query(given)?,
            zero: given.has(Column::Zero),
            output,
        },
        Kind::Get => Command::Get {
            tuple: flow::looked_up(given)?,
            zone: given.has(Column::Zone).then_some(given.zone),
            query: query::query(given)?,
            output,
        },
        Kind::Delete => Command::Delete {
            query: query::query(given)?,
            output,
        },
        Kind::Update => Command::Update {
            query: query::query(given)?,
            change: change(given),
            output,
        },
        Kind::Create => Command::Create {
            creation: Box::new(flow::creation(given)?),
            if_exists: IfExists::Fail,
        },
        Kind::Add => Command::Create {
            creation: Box::new(flow::creation(given)?),
            if_exists: IfExists::Update,
        },
        Kind::Events => Command::Events {
            query: query::query(given)?,
            groups: given.groups.unwrap_or(Groups {
                new: true,
                update: true,
                destroy: true,
            }),
            buffer_len: given.has(Column::BufferSize).then_some(given.buffer_len),
            output,
        },
        Kind::Flush => Command::Flush(given.family),
        Kind::Count => Command::Count,
        Kind::Stats => Command::Stats(output),
        Kind::Version => Command::Version,
        Kind::None | Kind::Help => Command::Help(given.proto),
        Kind::ExpectList => Command::Expect(ExpectCommand::List(given.family, output)),
        Kind::ExpectGet => Command::Expect(ExpectCommand::Get(expect::expected(given)?, output)),
        Kind::ExpectDelete => Command::Expect(ExpectCommand::Delete(expect::expected(given)?)),
        Kind::ExpectCreate => Command::Expect(ExpectCommand::Create(Box::new(expect::expectation(given)?))),
        Kind::ExpectEvents => Command::Expect(ExpectCommand::Events(output)),
        Kind::ExpectFlush => Command::Expect(ExpectCommand::Flush),
        Kind::ExpectCount => Command::Expect(ExpectCommand::Count),
        Kind::ExpectStats => Command::Expect(ExpectCommand::Stats(output)),
    })
}

/// Labels are printed where the line speaks of them, but not of flows that are deleted.
fn output(given: &Given<'_>) -> Output {
    let has_labels = given.has(Column::Label) || given.has(Column::LabelAdd) || given.has(Column::LabelDel);
    Output {
        labels: (given.output.labels || has_labels) && given.kind != Kind::Delete,
        ..given.output
    }
}

fn change(given: &Given<'_>) -> Change {
    let labels = match (given.label_add, given.label_del) {
        (Some(labels), _) => Some(LabelChange::Add(labels)),
        (None, Some(labels)) => Some(LabelChange::Delete(labels)),
        (None, None) => given.has(Column::LabelDel).then_some(LabelChange::DeleteAll),
    };
    Change {
        timeout_secs: given.has(Column::Timeout).then_some(given.timeout_secs),
        mark: given.mark,
        status: given.status.set,
        state: proto_state(given),
        labels,
    }
}

/// The state that a flow shall have, if one was given.
///
/// Windows of TCP are not checked: nobody knows those of a flow that a person describes.
fn proto_state(given: &Given<'_>) -> Option<ProtoState> {
    let state = state(given)?;
    let ProtoState::Tcp(tcp) = state else {
        return Some(state);
    };
    let closed = if tcp.state.0 >= TcpState::TIME_WAIT.0 {
        TcpFlags::CLOSE_INIT.0
    } else {
        0
    };
    let flags = Some(TcpFlags(TcpFlags::SACK_PERM.0 | TcpFlags::BE_LIBERAL.0 | closed));
    Some(ProtoState::Tcp(Tcp {
        flags_orig: flags,
        flags_reply: flags,
        ..tcp
    }))
}

/// The state that was given, as a flow is compared with it.
fn state(given: &Given<'_>) -> Option<ProtoState> {
    let has_tags = given.has_part(Part::OrigVtag) || given.has_part(Part::ReplyVtag);
    match given.tracked? {
        Tracked::Tcp => {
            let tcp = Tcp::in_state(TcpState(given.state));
            given.has_part(Part::State).then_some(ProtoState::Tcp(tcp))
        }
        Tracked::Sctp => (given.has_part(Part::State) || has_tags).then_some(ProtoState::Sctp {
            state: SctpState(given.state),
            vtag_orig: given.vtag_orig,
            vtag_reply: given.vtag_reply,
        }),
        Tracked::Dccp => given.has_part(Part::State).then_some(ProtoState::Dccp {
            state: DccpState(given.state),
            role: given.role.unwrap_or(DccpRole(0)),
        }),
        Tracked::Udp | Tracked::Udplite | Tracked::Icmp | Tracked::Icmpv6 | Tracked::Gre => None,
    }
}

/// Both addresses of a direction; the scanner has seen to it that they are of one family.
fn addrs(src: IpAddr, dst: IpAddr) -> Result<Addrs, Refusal> {
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => Ok(Addrs::V4 { src, dst }),
        (IpAddr::V6(src), IpAddr::V6(dst)) => Ok(Addrs::V6 { src, dst }),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Err(Refusal::Family),
    }
}
