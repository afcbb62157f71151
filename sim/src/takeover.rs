//! The HA manager: what it asks of the node that takes over.

use std::collections::VecDeque;

use engine::input::{ClientId, Request, Table};

use crate::scene::Machine;
use crate::side::Side;

/// A list of requests to one daemon, each made when the one before it is answered.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) side: Side,
    requests: VecDeque<Request>,
    /// Waits for the answer to the first of them.
    client: Option<ClientId>,
}

impl Script {
    /// Moves the external cache into the kernel.
    pub(crate) fn commit(side: Side) -> Self {
        Self::of(side, [Request::Commit(Table::Both)])
    }

    /// Begins anew as the primary, and tells the peer, after [`Self::commit`].
    pub(crate) fn begin_anew(side: Side) -> Self {
        Self::of(
            side,
            [
                Request::FlushCache(None),
                Request::ResyncKernel(Table::Both),
                Request::Bulk,
            ],
        )
    }

    /// Does both.
    pub(crate) fn take_over(side: Side) -> Self {
        let mut script = Self::commit(side);
        script.requests.extend(Self::begin_anew(side).requests);
        script
    }

    /// Makes these requests, one after the other.
    pub(crate) fn of(side: Side, requests: impl Into<VecDeque<Request>>) -> Self {
        Self {
            side,
            requests: requests.into(),
            client: None,
        }
    }

    /// Goes on if the daemon has answered; `new_client` makes a client. Returns whether the last
    /// answer has come.
    pub(crate) fn go_on(&mut self, machine: &mut Machine, mut new_client: impl FnMut() -> ClientId) -> bool {
        if self.client.is_some_and(|client| machine.answered.remove(&client)) {
            self.requests.pop_front();
            self.client = None;
        }
        let Some(request) = self.requests.front() else {
            return true;
        };
        if self.client.is_none() && machine.view.is_some() {
            let client = new_client();
            machine.requests.push_back((client, *request));
            self.client = Some(client);
        }
        false
    }

    /// The daemon has died: the request that it has not answered is made again when it is back.
    pub(crate) fn hung_up(&mut self) {
        self.client = None;
    }
}
