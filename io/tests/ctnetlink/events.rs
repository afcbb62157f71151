//! Events.

use engine::flow::{Flow, Status};
use engine::input::{EventKind, Table};
use engine::output::FlowRequest;
use io::ctnetlink::decode::decode_flow;
use io::ctnetlink::{
    Delivery, EventFilter, EventRead, EventSocket, EventSocketOptions, Message, RequestSocket, messages,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::flows::{as_reported, name_of, tcp, udp};
use crate::kernel::{create_all, execute};
use crate::namespace::in_namespace;

pub(crate) fn subscribe(tables: Table, buffer_len: Option<usize>, ignored: &[u32]) -> EventSocket {
    EventSocket::open(&EventSocketOptions {
        buffer_len,
        tables: Some(tables),
        delivery: Delivery::BestEffort,
        filter: &EventFilter::default().ignoring(ignored),
    })
    .unwrap()
}

/// Reads all events about flows that wait, and whether some were lost.
fn read_events(socket: &mut EventSocket) -> (Vec<(EventKind, u32, Flow)>, bool) {
    let (mut events, mut is_overrun) = (Vec::new(), false);
    loop {
        match socket.read().unwrap() {
            EventRead::Empty => return (events, is_overrun),
            EventRead::Overrun => is_overrun = true,
            EventRead::Datagrams {
                datagrams,
                n_truncated,
            } => {
                assert_eq!(n_truncated, 0);
                for message in datagrams.flat_map(messages) {
                    let Message::Flow {
                        kind,
                        port_id,
                        seq,
                        body,
                    } = message.unwrap()
                    else {
                        panic!("{message:?} is no event about a flow");
                    };
                    assert_eq!(seq, 0);
                    events.push((kind, port_id, decode_flow(&body).unwrap()));
                }
            }
        }
    }
}

#[test]
fn events_tell_kind_cause_and_contents() {
    in_namespace(|| {
        let mut events = subscribe(Table::Flows, Some(4 << 20), &[]);
        let mut socket = RequestSocket::open().unwrap();
        let made = Flow {
            zone: Some(3),
            mark: Some(9),
            ..tcp(1000)
        };
        execute(
            &mut socket,
            vec![
                FlowRequest::Create(made.clone()),
                FlowRequest::Update(Flow {
                    mark: Some(10),
                    ..made.clone()
                }),
                FlowRequest::Delete(name_of(&made)),
            ],
        );
        let (events, is_overrun) = read_events(&mut events);
        assert!(!is_overrun);
        let kinds: Vec<_> = events
            .iter()
            .map(|(kind, port_id, _)| (*kind, *port_id))
            .collect();
        let us = socket.port_id();
        assert_eq!(
            kinds,
            [
                (EventKind::New, us),
                (EventKind::Update, us),
                (EventKind::Destroy, us)
            ]
        );
        assert_eq!(events[0].2, as_reported(&made, &events[0].2));
        assert_eq!(events[1].2.mark, Some(10));
        let gone = &events[2].2;
        assert_eq!(
            (gone.orig, gone.zone, gone.id),
            (made.orig, Some(3), events[0].2.id)
        );
        assert!(gone.status.unwrap().contains(Status::DYING));
    });
}

#[test]
fn more_events_than_one_read_takes_come_in_order() {
    in_namespace(|| {
        let mut events = subscribe(Table::Flows, Some(4 << 20), &[]);
        let flows: Vec<_> = (1..=500).map(udp).collect();
        create_all(&mut RequestSocket::open().unwrap(), &flows);
        let (events, is_overrun) = read_events(&mut events);
        assert!(!is_overrun);
        let sources: Vec<_> = events
            .iter()
            .map(|(_, _, flow)| flow.orig.ports().unwrap().0)
            .collect();
        assert_eq!(sources, (1..=500).collect::<Vec<_>>());
    });
}

#[test]
fn the_filter_drops_what_our_own_sockets_cause() {
    in_namespace(|| {
        let mut ours = RequestSocket::open().unwrap();
        let mut other = RequestSocket::open().unwrap();
        let mut events = subscribe(Table::Flows, None, &[ours.port_id()]);
        // More than the buffer holds: what is dropped takes no room in it.
        create_all(&mut ours, &(1..=2000).map(udp).collect::<Vec<_>>());
        create_all(&mut other, &[tcp(1)]);
        execute(&mut ours, vec![FlowRequest::Delete(name_of(&tcp(1)))]);
        let (seen, is_overrun) = read_events(&mut events);
        assert!(!is_overrun);
        assert_eq!(seen.len(), 1);
        assert_eq!(
            (seen[0].0, seen[0].1, seen[0].2.orig),
            (EventKind::New, other.port_id(), tcp(1).orig)
        );
    });
}

#[test]
fn an_overrun_is_seen_and_what_is_queued_is_still_read() {
    in_namespace(|| {
        let mut events = subscribe(Table::Flows, Some(64 << 10), &[]);
        create_all(
            &mut RequestSocket::open().unwrap(),
            &(1..=500).map(udp).collect::<Vec<_>>(),
        );
        let (seen, is_overrun) = read_events(&mut events);
        assert!(is_overrun);
        assert!((1..500).contains(&seen.len()), "{} events", seen.len());
        // The next one is read as if nothing had happened.
        create_all(&mut RequestSocket::open().unwrap(), &[udp(1000)]);
        let (seen, is_overrun) = read_events(&mut events);
        assert_eq!((seen.len(), is_overrun), (1, false));
    });
}

#[test]
fn the_event_buffer_doubles_up_to_its_limit() {
    in_namespace(|| {
        let events = subscribe(Table::Both, Some(1 << 20), &[]);
        assert_eq!(events.buffer_len().unwrap(), 1 << 20);
        assert_eq!(events.double_buffer(4 << 20).unwrap(), Some(2 << 20));
        assert_eq!(events.double_buffer(4 << 20).unwrap(), Some(4 << 20));
        assert_eq!(events.double_buffer(4 << 20).unwrap(), None);
        assert_eq!(events.buffer_len().unwrap(), 4 << 20);
    });
}

#[test]
fn with_reliable_delivery_no_end_of_a_flow_is_lost() {
    in_namespace(|| {
        let mut events = EventSocket::open(&EventSocketOptions {
            buffer_len: Some(64 << 10),
            tables: Some(Table::Flows),
            delivery: Delivery::Reliable,
            filter: &EventFilter::default(),
        })
        .unwrap();
        let mut socket = RequestSocket::open().unwrap();
        let flows: Vec<_> = (1..=300).map(udp).collect();
        create_all(&mut socket, &flows);
        execute(
            &mut socket,
            flows
                .iter()
                .map(|flow| FlowRequest::Delete(name_of(flow)))
                .collect(),
        );
        // The kernel tries again what it could not deliver: each poll waits for that.
        let mut n_destroyed = 0;
        while n_destroyed < flows.len() {
            let mut fds = [PollFd::new(&events, PollFlags::IN)];
            let limit = Timespec {
                tv_sec: 10,
                tv_nsec: 0,
            };
            assert_eq!(
                poll(&mut fds, Some(&limit)).unwrap(),
                1,
                "after {n_destroyed} nothing came"
            );
            let (seen, is_overrun) = read_events(&mut events);
            assert!(!is_overrun);
            n_destroyed += seen
                .iter()
                .filter(|(kind, ..)| *kind == EventKind::Destroy)
                .count();
        }
        assert_eq!(n_destroyed, flows.len());
    });
}
