use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};

use engine::input::StatsTopic;
use mio::{Events, Poll};
use tempfile::TempDir;

use super::*;

const FIRST_TOKEN: usize = 10;

/// A server, the poll that drives it, and what it had to tell.
struct Daemon {
    dir: TempDir,
    poll: Poll,
    server: ControlServer,
    news: Vec<Input<'static>>,
}

impl Daemon {
    fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let poll = Poll::new().unwrap();
        let server = ControlServer::open(&path_in(&dir), poll.registry(), FIRST_TOKEN).unwrap();
        Self {
            dir,
            poll,
            server,
            news: Vec::new(),
        }
    }

    fn connect(&self) -> StdStream {
        StdStream::connect(path_in(&self.dir)).unwrap()
    }

    fn ask(&self, code: i32) -> StdStream {
        let mut stream = self.connect();
        stream.write_all(&code.to_ne_bytes()).unwrap();
        stream
    }

    /// Waits for one batch of events and handles it.
    fn turn(&mut self) {
        let mut events = Events::with_capacity(64);
        self.poll
            .poll(&mut events, Some(Duration::from_secs(20)))
            .unwrap();
        assert!(!events.is_empty(), "nothing happened for 20 s");
        for event in &events {
            self.server.handle(event, Instant::START, &mut self.news);
        }
    }

    fn turn_until(&mut self, done: impl Fn(&Self) -> bool) {
        while !done(self) {
            self.turn();
        }
    }

    /// Waits for one request and returns who asked for what.
    fn request(&mut self) -> (ClientId, Request) {
        self.turn_until(|daemon| !daemon.news.is_empty());
        let input = self.news.remove(0);
        let Input::Request(id, request) = input else {
            panic!("want a request, have {input:?}")
        };
        (id, request)
    }

    fn write(&mut self, id: ClientId, part: impl Into<Vec<u8>>) {
        self.server.write(id, part.into(), &mut self.news);
    }

    fn end(&mut self, id: ClientId) {
        self.server.end(id, &mut self.news);
    }

    fn news(&self) -> Vec<String> {
        self.news.iter().map(|input| format!("{input:?}")).collect()
    }
}

fn path_in(dir: &TempDir) -> PathBuf {
    dir.path().join("control")
}

fn read_all(mut stream: StdStream) -> Vec<u8> {
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    reply
}

#[test]
fn a_reply_comes_in_parts_and_ends_with_end_of_file() {
    let mut daemon = Daemon::start();
    let client = daemon.ask(21);
    let (id, request) = daemon.request();
    assert_eq!(request, Request::Statistics(StatsTopic::Flows));
    daemon.write(id, "first\n");
    assert_eq!(daemon.news(), ["Client(ClientId(0), Ready)"]);
    daemon.write(id, "second\n");
    daemon.end(id);
    assert_eq!(read_all(client), b"first\nsecond\n");
    assert_eq!(
        daemon.news().len(),
        2,
        "the end is nothing the engine has to be told"
    );
}

#[test]
fn our_client_gets_what_our_server_says() {
    let mut daemon = Daemon::start();
    let path = path_in(&daemon.dir);
    let client = std::thread::spawn(move || {
        let mut reply = Vec::new();
        super::super::ask(&path, Request::Bulk, &mut reply).map(|()| reply)
    });
    let (id, request) = daemon.request();
    assert_eq!(request, Request::Bulk);
    daemon.write(id, "done\n");
    daemon.end(id);
    assert_eq!(client.join().unwrap().unwrap(), b"done\n");
}

#[test]
fn a_silent_client_freezes_nothing_and_is_closed_in_time() {
    let mut daemon = Daemon::start();
    let silent = daemon.connect();
    let client = daemon.ask(22);
    let (id, _) = daemon.request();
    daemon.end(id);
    assert_eq!(read_all(client), b"");
    let deadline = daemon.server.deadline().expect("the silent one has one");
    assert_eq!(deadline, Instant::START.saturating_add(ASK_WITHIN));
    daemon.server.expire(deadline);
    assert_eq!(read_all(silent), b"");
    assert_eq!(
        daemon.server.counters(),
        ControlCounters {
            timed_out: 1,
            ..ControlCounters::default()
        }
    );
    assert_eq!(daemon.server.deadline(), None);
}

#[test]
fn a_client_that_does_not_read_holds_up_itself_only() {
    let mut daemon = Daemon::start();
    let mut slow = daemon.ask(16);
    let (slow_id, _) = daemon.request();
    let part: Vec<u8> = (0..4_000_000u32)
        .map(|n| u8::try_from(n % 251).unwrap())
        .collect();
    daemon.write(slow_id, part.clone());
    assert_eq!(daemon.news(), [""; 0], "the part is not written");

    let client = daemon.ask(21);
    let (id, _) = daemon.request();
    daemon.end(id);
    assert_eq!(read_all(client), b"");

    slow.set_nonblocking(true).unwrap();
    let mut reply = Vec::new();
    while daemon.news.is_empty() {
        let error = slow.read_to_end(&mut reply).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        daemon.turn();
    }
    assert_eq!(daemon.news(), ["Client(ClientId(0), Ready)"]);
    daemon.end(slow_id);
    slow.read_to_end(&mut reply).unwrap();
    assert!(
        reply == part,
        "want {} bytes in order, have {}",
        part.len(),
        reply.len()
    );
}

#[test]
fn a_client_that_leaves_too_much_unread_is_cut_off() {
    let mut daemon = Daemon::start();
    let _client = daemon.ask(16);
    let (id, _) = daemon.request();
    for _ in 0..=16 {
        daemon.write(id, vec![b'x'; 1024 * 1024]);
    }
    assert_eq!(daemon.news(), ["Client(ClientId(0), Gone)"]);
    assert_eq!(daemon.server.counters().cut_off, 1);
}

#[test]
fn two_hundred_clients_at_once_are_served() {
    let mut daemon = Daemon::start();
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(daemon.ask(30));
        // The backlog holds fewer: a daemon that is not busy takes them as they come.
        daemon.turn();
    }
    daemon.turn_until(|daemon| daemon.news.len() == 200);
    for input in std::mem::take(&mut daemon.news) {
        let Input::Request(id, _) = input else {
            panic!("want a request, have {input:?}")
        };
        daemon.write(id, format!("{}", id.0));
        daemon.end(id);
    }
    for (n, client) in clients.into_iter().enumerate() {
        assert_eq!(read_all(client), n.to_string().into_bytes());
    }
}

/// A daemon with as many clients as it has room for, all of which wait for their answer.
fn full() -> (Daemon, Vec<StdStream>) {
    let mut daemon = Daemon::start();
    let mut clients = Vec::new();
    for _ in 0..CLIENTS_MAX {
        clients.push(daemon.ask(46));
        daemon.request();
    }
    (daemon, clients)
}

#[test]
fn more_clients_than_there_is_room_for_are_refused_and_counted() {
    let (mut daemon, mut clients) = full();
    let refused = daemon.connect();
    daemon.turn_until(|daemon| daemon.server.counters().refused == 1);
    assert_eq!(read_all(refused), b"");
    drop(clients.pop());
    daemon.turn_until(|daemon| daemon.server.clients.len() < CLIENTS_MAX);
    daemon.news.clear();
    let _client = daemon.ask(21);
    daemon.request();
}

#[test]
fn silent_clients_give_way_to_whoever_comes() {
    let mut daemon = Daemon::start();
    let mut silent = Vec::new();
    for _ in 0..CLIENTS_MAX {
        silent.push(daemon.connect());
        daemon.turn();
    }
    let _client = daemon.ask(46);
    let (_, request) = daemon.request();
    assert_eq!(request, Request::Commit(engine::input::Table::Both));
    assert_eq!(daemon.server.counters().not_served(), 1, "counted once");
    assert_eq!(read_all(silent.remove(0)), b"", "the one that came first");
}

#[test]
fn a_client_that_does_not_read_gives_way_to_whoever_comes() {
    let (mut daemon, _clients) = full();
    let lazy = ClientId(5);
    daemon.write(lazy, vec![b'x'; OUT_LEN_MAX / 2]);
    let _client = daemon.ask(21);
    let told = format!("{:?}", Input::Client(lazy, ClientEvent::Gone));
    daemon.turn_until(|daemon| daemon.news.len() == 2);
    assert_eq!(daemon.news()[0], told, "the engine stops writing for it");
}

#[test]
fn what_is_left_in_the_backlog_is_taken_in_the_next_turn() {
    let mut daemon = Daemon::start();
    let clients: Vec<_> = (0..=ACCEPT_TURN_MAX).map(|_| daemon.ask(21)).collect();
    daemon.turn_until(|daemon| daemon.news.len() == clients.len());
}

#[test]
fn a_client_that_hangs_up_is_gone() {
    let mut daemon = Daemon::start();
    let client = daemon.ask(18);
    daemon.request();
    drop(client);
    daemon.turn_until(|daemon| !daemon.news.is_empty());
    assert_eq!(daemon.news(), ["Client(ClientId(0), Gone)"]);
}

#[test]
fn a_client_that_closes_its_writing_half_still_gets_its_reply() {
    let mut daemon = Daemon::start();
    let client = daemon.ask(21);
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let (id, _) = daemon.request();
    daemon.write(id, "reply");
    daemon.end(id);
    assert_eq!(read_all(client), b"reply");
}

#[test]
fn a_short_request_and_an_unknown_one_are_closed_without_a_reply() {
    let mut daemon = Daemon::start();
    let mut short = daemon.connect();
    short.write_all(&[21, 0]).unwrap();
    short.shutdown(std::net::Shutdown::Write).unwrap();
    daemon.turn_until(|daemon| daemon.server.counters().read_failed == 1);
    assert_eq!(read_all(short), b"");
    let unknown = daemon.ask(27);
    daemon.turn_until(|daemon| daemon.server.counters().unknown_request == 1);
    assert_eq!(read_all(unknown), b"");
    assert_eq!(daemon.news(), [""; 0]);
}

#[test]
fn the_socket_is_for_its_owner_and_is_removed_at_the_end() {
    let mut daemon = Daemon::start();
    let path = path_in(&daemon.dir);
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    daemon.server.unlink().unwrap();
    assert!(!path.exists());
    daemon.server.unlink().unwrap();
}

#[test]
fn a_socket_that_is_not_ours_stays() {
    let mut daemon = Daemon::start();
    let path = path_in(&daemon.dir);
    std::fs::remove_file(&path).unwrap();
    let _other = StdListener::bind(&path).unwrap();
    daemon.server.unlink().unwrap();
    drop(daemon.server);
    assert!(path.exists());
}

#[test]
fn a_path_on_which_somebody_answers_is_refused() {
    let daemon = Daemon::start();
    let path = path_in(&daemon.dir);
    let error = ControlServer::open(&path, daemon.poll.registry(), FIRST_TOKEN).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("another conntrackd listens on {}", path.display())
    );
    assert!(path.exists());
}

#[test]
fn a_path_left_over_from_a_crash_is_replaced() {
    let dir = TempDir::new().unwrap();
    let path = path_in(&dir);
    drop(StdListener::bind(&path).unwrap());
    assert!(path.exists());
    let poll = Poll::new().unwrap();
    let _server = ControlServer::open(&path, poll.registry(), FIRST_TOKEN).unwrap();
    StdStream::connect(&path).unwrap();
}

#[test]
fn a_file_that_is_no_socket_is_not_touched() {
    let dir = TempDir::new().unwrap();
    let path = path_in(&dir);
    std::fs::write(&path, "precious").unwrap();
    let poll = Poll::new().unwrap();
    let error = ControlServer::open(&path, poll.registry(), FIRST_TOKEN).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("{} exists and is not a socket", path.display())
    );
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}
