//! The socket that hears of every change of the table.

use std::array;
use std::io::{self, IoSliceMut};
use std::os::fd::AsRawFd;

use engine::input::{Errno, EventKind, Table};
use nix::sys::socket::{MsgFlags, MultiHeaders, NetlinkAddr, recvmmsg};
use socket2::SockRef;

use super::listed::ListedSocket;
use super::netfilter::{NetfilterSocket, impl_as_fd};
use super::{NetlinkError, Operation};
use crate::ctnetlink::EventFilter;
use crate::ctnetlink::uapi::*;

/// Most datagrams that one read takes: a system call costs about as much as the copying of one.
const N_SLOTS: usize = 64;

/// Room for one datagram. An event with every attribute has 460 bytes, a security context is the
/// only one that can be long. No power of two: else all datagrams would begin in the same cache set.
const SLOT_LEN: usize = 2048 + 64;

/// What to listen to, and how.
#[derive(Clone, Copy, Debug)]
pub struct EventSocketOptions<'a> {
    /// Size of the receive buffer in bytes as [`EventSocket::buffer_len`] tells it; an event takes
    /// 1,280. `None` leaves the system's default, which holds 166 events.
    pub buffer_len: Option<usize>,
    /// Of which tables, if of any.
    pub tables: Option<Table>,
    /// What the kernel does with an event for which there is no room.
    pub delivery: Delivery,
    /// What we do not want to hear of.
    pub filter: &'a EventFilter,
}

/// What the kernel does with an event for which the receive buffer has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Drops it; the next read says so.
    BestEffort,
    /// Delivers it later, and keeps dead flows until then; the table can fill up by that.
    Reliable,
}

/// Subscription to the events of flows and expectations.
pub struct EventSocket {
    socket: NetfilterSocket,
    headers: MultiHeaders<NetlinkAddr>,
    /// The datagrams of the last read, one a slot.
    slots: Vec<u8>,
    /// Their lengths, 0 for what is no complete datagram.
    lens: [usize; N_SLOTS],
}

/// What a read found.
#[derive(Debug)]
pub enum EventRead<'a> {
    /// Events.
    Datagrams {
        /// The complete ones, each for [`crate::ctnetlink::messages`].
        datagrams: Datagrams<'a>,
        /// How many were longer than we have room for, and are lost.
        n_truncated: usize,
    },
    /// Events were lost: the receive buffer was full. What is in it comes with the next read.
    Overrun,
    /// There is nothing to read.
    Empty,
}

/// Iterator over the datagrams of a read.
#[derive(Clone, Debug)]
pub struct Datagrams<'a> {
    slots: std::slice::ChunksExact<'a, u8>,
    lens: std::slice::Iter<'a, usize>,
}

impl<'a> Iterator for Datagrams<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (slot, len) = (self.slots.next()?, *self.lens.next()?);
            if len > 0 {
                return slot.get(..len);
            }
        }
    }
}

impl EventSocket {
    /// Subscribes.
    ///
    /// A kernel without connection tracking over netlink lets us subscribe in vain: it is
    /// [`super::RequestSocket::open`] that notices.
    ///
    /// # Errors
    /// No permission, no netlink to netfilter at all.
    pub fn open(options: &EventSocketOptions<'_>) -> Result<Self, NetlinkError> {
        let this = Self {
            socket: NetfilterSocket::open()?,
            headers: MultiHeaders::preallocate(N_SLOTS, None),
            slots: vec![0; N_SLOTS.saturating_mul(SLOT_LEN)],
            lens: [0; N_SLOTS],
        };
        // Events come with the first group joined: all else is in place before.
        if let Some(len) = options.buffer_len {
            this.socket.set_buffer_len(len)?;
        }
        match options.delivery {
            Delivery::BestEffort => {}
            Delivery::Reliable => {
                let socket = this.socket.inner();
                socket
                    .set_broadcast_error(true)
                    .and_then(|()| socket.set_no_enobufs(true))
                    .map_err(|error| Operation::SetDelivery.failed_io(&error))?;
            }
        }
        this.set_filter(options.filter)?;
        for group in options.tables.map_or(&[][..], groups) {
            this.socket
                .inner()
                .add_membership(*group)
                .map_err(|error| Operation::Subscribe.failed_io(&error))?;
        }
        Ok(this)
    }

    /// Hears of this kind of events of flows too.
    ///
    /// # Errors
    /// No permission.
    pub fn join(&self, kind: EventKind) -> Result<(), NetlinkError> {
        let group = match kind {
            EventKind::New => NFNLGRP_CONNTRACK_NEW,
            EventKind::Update => NFNLGRP_CONNTRACK_UPDATE,
            EventKind::Destroy => NFNLGRP_CONNTRACK_DESTROY,
        };
        let joined = self.socket.inner().add_membership(group);
        joined.map_err(|error| Operation::Subscribe.failed_io(&error))
    }

    /// Returns the number by which the kernel's list of sockets (`/proc/net/netlink`) names this one.
    #[must_use]
    pub const fn port_id(&self) -> u32 {
        self.socket.port_id()
    }

    /// Returns how many events found no room in the receive buffer since the socket is there.
    ///
    /// It grows behind an [`EventRead::Overrun`] too: the kernel drops everything until the buffer has
    /// been read empty. `None` if the kernel does not list the socket to this thread.
    ///
    /// # Errors
    /// The list cannot be read.
    pub fn n_dropped(&self) -> io::Result<Option<u32>> {
        let listed = ListedSocket::find(self.port_id())?;
        Ok(listed.map(|socket| socket.n_dropped))
    }

    /// Hears of nothing new; what is queued stays.
    ///
    /// # Errors
    /// The kernel does not want to.
    pub fn unsubscribe(&self) -> Result<(), NetlinkError> {
        for group in groups(Table::Both) {
            let left = self.socket.inner().drop_membership(*group);
            left.map_err(|error| Operation::Subscribe.failed_io(&error))?;
        }
        Ok(())
    }

    /// Stops hearing of new flows; what is queued stays.
    ///
    /// The kernel makes no event for which there is no listener, which saves more than half of the
    /// cost of a flow that is created.
    ///
    /// # Errors
    /// The kernel does not want to.
    pub fn leave_new_flows(&self) -> Result<(), NetlinkError> {
        let left = self.socket.inner().drop_membership(NFNLGRP_CONNTRACK_NEW);
        left.map_err(|error| Operation::Subscribe.failed_io(&error))
    }

    /// Hears of new flows again.
    ///
    /// # Errors
    /// The kernel does not want to.
    pub fn join_new_flows(&self) -> Result<(), NetlinkError> {
        self.join(EventKind::New)
    }

    /// Replaces the filter.
    ///
    /// # Errors
    /// The kernel does not take it.
    pub fn set_filter(&self, filter: &EventFilter) -> Result<(), NetlinkError> {
        SockRef::from(&self.socket)
            .attach_filter(&filter.program())
            .map_err(|error| Operation::SetFilter.failed_io(&error))
    }

    /// Returns the receive buffer's size in bytes.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn buffer_len(&self) -> Result<usize, NetlinkError> {
        self.socket.buffer_len()
    }

    /// Doubles the receive buffer, unless that were more than `len_max` bytes. Returns the new size
    /// if it grew.
    ///
    /// # Errors
    /// The kernel does not want to.
    pub fn double_buffer(&self, len_max: usize) -> Result<Option<usize>, NetlinkError> {
        let len = self.buffer_len()?;
        let doubled = len.saturating_mul(2);
        if doubled > len_max {
            return Ok(None);
        }
        let grown = self.socket.set_buffer_len(doubled)?;
        Ok((grown > len).then_some(grown))
    }

    /// Reads up to 64 datagrams.
    ///
    /// # Errors
    /// Anything but an overrun.
    pub fn read(&mut self) -> Result<EventRead<'_>, NetlinkError> {
        let mut free = self.slots.chunks_exact_mut(SLOT_LEN);
        let mut slots: [_; N_SLOTS] = array::from_fn(|_| [IoSliceMut::new(free.next().unwrap_or_default())]);
        let fd = self.socket.as_raw_fd();
        let received = match recvmmsg(fd, &mut self.headers, &mut slots, MsgFlags::empty(), None) {
            Ok(received) => received,
            Err(nix::Error::EAGAIN) => return Ok(EventRead::Empty),
            Err(nix::Error::ENOBUFS) => return Ok(EventRead::Overrun),
            Err(errno) => return Err(Operation::ReadEvents.failed(Errno(errno as i32))),
        };
        let (mut n_received, mut n_truncated) = (0_usize, 0_usize);
        for (datagram, len) in received.zip(&mut self.lens) {
            n_received = n_received.saturating_add(1);
            *len = datagram.bytes;
            if datagram.flags.contains(MsgFlags::MSG_TRUNC) {
                n_truncated = n_truncated.saturating_add(1);
                *len = 0;
            }
        }
        Ok(EventRead::Datagrams {
            datagrams: Datagrams {
                slots: self.slots.chunks_exact(SLOT_LEN),
                lens: self.lens.get(..n_received).unwrap_or_default().iter(),
            },
            n_truncated,
        })
    }
}

/// Returns the groups that tell of `tables`.
const fn groups(tables: Table) -> &'static [u32] {
    match tables {
        Table::Flows => &[
            NFNLGRP_CONNTRACK_NEW,
            NFNLGRP_CONNTRACK_UPDATE,
            NFNLGRP_CONNTRACK_DESTROY,
        ],
        Table::Expectations => &[
            NFNLGRP_CONNTRACK_EXP_NEW,
            NFNLGRP_CONNTRACK_EXP_UPDATE,
            NFNLGRP_CONNTRACK_EXP_DESTROY,
        ],
        Table::Both => &[
            NFNLGRP_CONNTRACK_NEW,
            NFNLGRP_CONNTRACK_UPDATE,
            NFNLGRP_CONNTRACK_DESTROY,
            NFNLGRP_CONNTRACK_EXP_NEW,
            NFNLGRP_CONNTRACK_EXP_UPDATE,
            NFNLGRP_CONNTRACK_EXP_DESTROY,
        ],
    }
}

impl_as_fd!(EventSocket);
