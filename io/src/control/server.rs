//! The answering end of the control socket; nothing a client does or leaves undone stops anything else.
//!
//! ```text
//! accept ─► Asking ── 4 bytes ─► Answering ── last part written ─► closed
//!              │ silent too long,     │ hung up: the engine is told
//!              ▼ short or unknown     ▼
//!            closed                 closed
//! ```

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::input::{ClientEvent, ClientId, Input, Request};
use engine::time::Instant;
use mio::event::Event;
use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use rustix::fs::Mode;
use socket2::{Domain, SockAddr, Socket, Type};

use super::codes;

/// Clients served at the same time.
const CLIENTS_MAX: usize = 256;
/// Clients taken in one turn of the loop.
const ACCEPT_TURN_MAX: usize = 64;
/// Connections the kernel keeps until they are taken.
const BACKLOG: i32 = 128;
/// How long a client may take to say what it wants.
const ASK_WITHIN: Duration = Duration::from_secs(5);
/// Most bytes kept for a client that does not read; the longest single part of a reply is the list
/// of a full resend queue.
const OUT_LEN_MAX: usize = 16 * 1024 * 1024;
/// A buffer larger than this is given back once its content is written.
const OUT_LEN_KEPT: usize = 256 * 1024;

/// Why the control socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another daemon answers there.
    #[error("another conntrackd listens on {}", path.display())]
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// Something that is not ours to remove is there.
    #[error("{} exists and is not a socket", path.display())]
    NotASocket {
        /// The path.
        path: PathBuf,
    },
    /// Anything else.
    #[error("can't {operation} the control socket {}: {source}", path.display())]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The path.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// What went wrong with clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ControlCounters {
    /// Turned away, or made to give way, because too many were there.
    pub refused: u64,
    /// Did not say in time what they want.
    pub timed_out: u64,
    /// Hung up or failed before they had said what they want.
    pub read_failed: u64,
    /// Asked for something unknown.
    pub unknown_request: u64,
    /// Cut off because they left too much unread.
    pub cut_off: u64,
    /// Accepting a client failed.
    pub accept_failed: u64,
}

impl ControlCounters {
    /// Returns how many clients were not served to the end, but for those that asked for something
    /// unknown.
    #[must_use]
    pub const fn not_served(&self) -> u64 {
        self.refused
            .saturating_add(self.timed_out)
            .saturating_add(self.read_failed)
            .saturating_add(self.cut_off)
            .saturating_add(self.accept_failed)
    }
}

/// What an event of the poll is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlSource {
    /// Somebody connects.
    Listener,
    /// A client can be read, written or has hung up.
    Client(ClientId),
}

/// The listening socket and its clients.
#[derive(Debug)]
pub struct ControlServer {
    // Goes before the listener, which keeps the inode and so its number from being used again.
    file: SocketFile,
    listener: UnixListener,
    registry: Registry,
    first_token: usize,
    clients: BTreeMap<ClientId, Client>,
    next_id: u64,
    counters: ControlCounters,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Has yet to say what it wants.
    Asking {
        code: [u8; 4],
        len: usize,
        until: Instant,
    },
    /// The engine knows it.
    Answering {
        out: Vec<u8>,
        n_written: usize,
        then: Then,
    },
}

/// What is due when everything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// The engine has yet to answer.
    Wait,
    /// Ask the engine for the next part.
    AskForMore,
    /// Close.
    Close,
}

impl ControlServer {
    /// Opens the socket at `path` and watches it; tokens from `first_token` on are the server's.
    ///
    /// A socket that nobody answers on is left over from a crash and is replaced.
    ///
    /// # Errors
    /// When somebody answers, or the socket cannot be made.
    pub fn open(path: &Path, registry: &Registry, first_token: usize) -> Result<Self, ControlError> {
        let at = |operation| {
            move |source| ControlError::Io {
                operation,
                path: path.to_owned(),
                source,
            }
        };
        remove_stale(path)?;
        let mut listener = listen(path).map_err(at("open"))?;
        let file = SocketFile::created(path).map_err(at("look at"))?;
        let registry = registry.try_clone().map_err(at("watch"))?;
        registry
            .register(&mut listener, Token(first_token), Interest::READABLE)
            .map_err(at("watch"))?;
        Ok(Self {
            file,
            listener,
            registry,
            first_token,
            clients: BTreeMap::new(),
            next_id: 0,
            counters: ControlCounters::default(),
        })
    }

    /// Returns the counters.
    #[must_use]
    pub const fn counters(&self) -> ControlCounters {
        self.counters
    }

    /// Returns what a token of ours means.
    #[must_use]
    pub fn source(&self, token: Token) -> Option<ControlSource> {
        match token.0.checked_sub(self.first_token)? {
            0 => Some(ControlSource::Listener),
            n => Some(ControlSource::Client(ClientId(
                u64::try_from(n).ok()?.saturating_sub(1),
            ))),
        }
    }

    /// Does what an event calls for and adds to `news` what the engine has to know.
    pub fn handle(&mut self, event: &Event, now: Instant, news: &mut Vec<Input<'static>>) {
        match self.source(event.token()) {
            Some(ControlSource::Listener) => self.accept(now, news),
            Some(ControlSource::Client(id)) if event.is_write_closed() => self.hang_up(id, news),
            Some(ControlSource::Client(id)) => self.serve(id, news),
            None => {}
        }
    }

    /// Writes a part of a reply.
    pub fn write(&mut self, id: ClientId, part: Vec<u8>, news: &mut Vec<Input<'static>>) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        let State::Answering { out, then, .. } = &mut client.state else {
            return;
        };
        if out.is_empty() {
            *out = part;
        } else {
            out.extend(part);
        }
        *then = Then::AskForMore;
        if out.len() > OUT_LEN_MAX {
            self.counters.cut_off = self.counters.cut_off.saturating_add(1);
            self.hang_up(id, news);
        } else {
            self.serve(id, news);
        }
    }

    /// Closes the connection once everything is written.
    pub fn end(&mut self, id: ClientId, news: &mut Vec<Input<'static>>) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if let State::Answering { then, .. } = &mut client.state {
            *then = Then::Close;
            self.serve(id, news);
        }
    }

    /// Returns when [`Self::expire`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.clients.values().filter_map(Client::deadline).min()
    }

    /// Closes connections that stayed silent for too long.
    pub fn expire(&mut self, now: Instant) {
        let n_before = self.clients.len();
        self.clients
            .retain(|_, client| client.deadline().is_none_or(|until| until > now));
        let n_expired = n_before.saturating_sub(self.clients.len());
        self.counters.timed_out = self
            .counters
            .timed_out
            .saturating_add(u64::try_from(n_expired).unwrap_or(u64::MAX));
    }

    /// Removes the socket from the file system, so that nobody else connects; clients stay.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn unlink(&mut self) -> io::Result<()> {
        self.file.remove()
    }

    fn accept(&mut self, now: Instant, news: &mut Vec<Input<'static>>) {
        for _ in 0..ACCEPT_TURN_MAX {
            match self.listener.accept() {
                Ok((stream, _)) => {
                    if self.make_room(news) {
                        self.admit(stream, now, news);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // No descriptor is left: somebody gives way, and whoever waits is taken next.
                Err(error) if is_out_of_descriptors(&error) && self.give_way(news) => {}
                Err(_) => {
                    self.counters.accept_failed = self.counters.accept_failed.saturating_add(1);
                    return;
                }
            }
        }
        // More may wait, but the poll tells of new ones only: ask it to look again.
        let token = Token(self.first_token);
        if self
            .registry
            .reregister(&mut self.listener, token, Interest::READABLE)
            .is_err()
        {
            self.counters.accept_failed = self.counters.accept_failed.saturating_add(1);
        }
    }

    /// Returns whether there is room for one more client. One that says nothing, or else one that
    /// does not read, gives way: whoever comes may have a takeover to ask for.
    fn make_room(&mut self, news: &mut Vec<Input<'static>>) -> bool {
        if self.clients.len() < CLIENTS_MAX {
            return true;
        }
        self.give_way(news)
    }

    /// Makes a client that stands idle give way; returns whether there is one. Counts whoever goes.
    fn give_way(&mut self, news: &mut Vec<Input<'static>>) -> bool {
        self.counters.refused = self.counters.refused.saturating_add(1);
        let first = |is_idle: fn(&Client) -> bool| {
            let mut clients = self.clients.iter();
            clients.find(|(_, client)| is_idle(client)).map(|(id, _)| *id)
        };
        let Some(id) = first(Client::is_asking).or_else(|| first(Client::leaves_unread)) else {
            return false;
        };
        self.part_from(id, news);
        true
    }

    fn admit(&mut self, mut stream: UnixStream, now: Instant, news: &mut Vec<Input<'static>>) {
        let id = ClientId(self.next_id);
        let token = usize::try_from(self.next_id)
            .ok()
            .and_then(|n| n.checked_add(self.first_token)?.checked_add(1))
            .map(Token);
        self.next_id = self.next_id.saturating_add(1);
        let interests = Interest::READABLE | Interest::WRITABLE;
        let registered = token.map(|token| self.registry.register(&mut stream, token, interests));
        if !matches!(registered, Some(Ok(()))) {
            self.counters.accept_failed = self.counters.accept_failed.saturating_add(1);
            return;
        }
        let state = State::Asking {
            code: [0; 4],
            len: 0,
            until: now.saturating_add(ASK_WITHIN),
        };
        self.clients.insert(id, Client { stream, state });
        self.serve(id, news);
    }

    /// The client is gone, or is made to be.
    fn hang_up(&mut self, id: ClientId, news: &mut Vec<Input<'static>>) {
        if let Some(State::Asking { .. }) = self.part_from(id, news) {
            self.counters.read_failed = self.counters.read_failed.saturating_add(1);
        }
    }

    /// Closes a connection and tells the engine, if that knows the client; returns how far it had come.
    fn part_from(&mut self, id: ClientId, news: &mut Vec<Input<'static>>) -> Option<State> {
        let state = self.clients.remove(&id).map(|client| client.state);
        match state {
            // After the end of the reply the engine does not know the client any more.
            Some(
                State::Asking { .. }
                | State::Answering {
                    then: Then::Close, ..
                },
            )
            | None => {}
            Some(State::Answering { .. }) => news.push(Input::Client(id, ClientEvent::Gone)),
        }
        state
    }

    /// Reads and writes as much as possible.
    fn serve(&mut self, id: ClientId, news: &mut Vec<Input<'static>>) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if let State::Asking { .. } = client.state {
            match client.read_code() {
                Asked::NotYet => return,
                Asked::For(request) => news.push(Input::Request(id, request)),
                Asked::Unknown => {
                    self.counters.unknown_request = self.counters.unknown_request.saturating_add(1);
                    self.clients.remove(&id);
                    return;
                }
                Asked::Broken => return self.hang_up(id, news),
            }
        }
        match client.write_out() {
            Wrote::All(Then::Wait) | Wrote::Some => {}
            Wrote::All(Then::AskForMore) => news.push(Input::Client(id, ClientEvent::Ready)),
            Wrote::All(Then::Close) => drop(self.clients.remove(&id)),
            Wrote::Broken => self.hang_up(id, news),
        }
    }
}

enum Asked {
    NotYet,
    For(Request),
    Unknown,
    Broken,
}

enum Wrote {
    All(Then),
    Some,
    Broken,
}

impl Client {
    const fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Asking { until, .. } => Some(*until),
            State::Answering { .. } => None,
        }
    }

    const fn is_asking(&self) -> bool {
        matches!(self.state, State::Asking { .. })
    }

    const fn leaves_unread(&self) -> bool {
        matches!(&self.state, State::Answering { out, .. } if !out.is_empty())
    }

    /// Reads the four bytes of the request; what follows them is never looked at.
    fn read_code(&mut self) -> Asked {
        let State::Asking { code, len, .. } = &mut self.state else {
            return Asked::NotYet;
        };
        while let Some(rest) = code.get_mut(*len..).filter(|rest| !rest.is_empty()) {
            match self.stream.read(rest) {
                Ok(0) => return Asked::Broken,
                Ok(n) => *len = len.saturating_add(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Asked::NotYet,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Asked::Broken,
            }
        }
        let request = codes::request(i32::from_ne_bytes(*code));
        self.state = State::Answering {
            out: Vec::new(),
            n_written: 0,
            then: Then::Wait,
        };
        request.map_or(Asked::Unknown, Asked::For)
    }

    /// Writes what there is; what is due after it is told once.
    fn write_out(&mut self) -> Wrote {
        let State::Answering { out, n_written, then } = &mut self.state else {
            return Wrote::Some;
        };
        while let Some(rest) = out.get(*n_written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(n) => *n_written = n_written.saturating_add(n),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Wrote::Some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Wrote::Broken,
            }
        }
        out.clear();
        out.shrink_to(OUT_LEN_KEPT);
        *n_written = 0;
        let due = *then;
        if due == Then::AskForMore {
            *then = Then::Wait;
        }
        Wrote::All(due)
    }
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(nix::libc::EMFILE | nix::libc::ENFILE))
}

/// Makes room at `path` if what is there is a socket without a listener.
fn remove_stale(path: &Path) -> Result<(), ControlError> {
    let failed = |source| ControlError::Io {
        operation: "replace",
        path: path.to_owned(),
        source,
    };
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(ControlError::NotASocket {
                path: path.to_owned(),
            });
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(failed)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        // A full backlog is somebody, too.
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(failed(error)),
        Ok(_) | Err(_) => Err(ControlError::InUse {
            path: path.to_owned(),
        }),
    }
}

/// Binds with mode 0600 from the first moment: bind takes the mode over from the socket.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(UnixListener::from_std(socket.into()))
}

/// The name in the file system, and what tells it from one that another daemon made meanwhile.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: Option<(u64, u64)>,
}

impl SocketFile {
    fn created(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            identity: Some(identity(path)?),
        })
    }

    fn remove(&mut self) -> io::Result<()> {
        let Some(ours) = self.identity.take() else {
            return Ok(());
        };
        match identity(&self.path) {
            Ok(found) if found == ours => std::fs::remove_file(&self.path),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Drop for SocketFile {
    /// Removes the name on the way out of a failed start; an orderly end calls `remove` and reports.
    fn drop(&mut self) {
        // A failure leaves a stale socket, which the next start replaces: there is nobody to tell here.
        let _removed = self.remove();
    }
}

/// Device and inode of what is at `path`.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests;
