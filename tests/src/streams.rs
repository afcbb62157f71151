//! Real traffic through the firewalls: streams that count how often they were answered, and how long they were not.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::clock;
use crate::cluster::{Cluster, SERVER};
use crate::netns::Namespace;
use crate::wait::LIMIT;

/// How often a stream says something.
const PACE: Duration = Duration::from_millis(20);
/// How long a blocking call lasts before its thread looks whether to stop.
const PATIENCE: Duration = Duration::from_millis(100);
/// Where the TCP echo listens.
const TCP_PORT: u16 = 7;
/// Where the UDP source listens; the firewalls accept new flows to it.
const UDP_PORT: u16 = 5000;

/// How many streams of each kind to open.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// TCP streams for each family: the client talks, the server echoes.
    pub n_tcp: usize,
    /// UDP streams for each family: the client asks once, the server sends from then on. A firewall that does not
    /// know the flow cannot learn it from the server's packets.
    pub n_udp: usize,
}

/// Streams from the client to the server through the firewall that has the gateway addresses.
#[derive(Debug)]
pub struct Streams {
    streams: Vec<Stream>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Stream {
    name: String,
    record: Arc<Mutex<Record>>,
}

/// What a stream has lived through.
#[derive(Clone, Copy, Debug)]
struct Record {
    n_answers: u64,
    last: Instant,
    longest_gap: Duration,
}

impl Streams {
    /// Starts the server's side and opens the streams.
    ///
    /// # Errors
    /// When a socket cannot be made, or a TCP connection not be opened.
    pub fn open(cluster: &Cluster, plan: Plan) -> Result<Self> {
        let mut streams = Self {
            streams: Vec::new(),
            stop: Arc::default(),
            threads: Vec::new(),
        };
        for address in SERVER {
            let address: IpAddr = address.parse().context("a constant")?;
            streams.serve_tcp(&cluster.server, SocketAddr::new(address, TCP_PORT))?;
            streams.serve_udp(&cluster.server, SocketAddr::new(address, UDP_PORT))?;
            streams.add_tcp(cluster, SocketAddr::new(address, TCP_PORT), plan.n_tcp)?;
            streams.add_udp(cluster, SocketAddr::new(address, UDP_PORT), plan.n_udp)?;
        }
        Ok(streams)
    }

    /// Opens one more TCP stream and closes it.
    ///
    /// # Errors
    /// When the firewall does not let it through.
    pub fn probe(&self, cluster: &Cluster) -> Result<()> {
        let to = SocketAddr::new(SERVER[0].parse().context("a constant")?, TCP_PORT);
        let connect = move || TcpStream::connect_timeout(&to, LIMIT);
        cluster
            .client
            .enter(connect)
            .map(drop)
            .context("open a new stream")
    }

    /// How often each stream was answered.
    pub fn n_answers(&self) -> Vec<u64> {
        self.streams
            .iter()
            .map(|stream| stream.record().n_answers)
            .collect()
    }

    /// The names of the streams that were answered less than `more` times since `before` was taken.
    pub fn silent_since(&self, before: &[u64], more: u64) -> Vec<&str> {
        let with_before = self.streams.iter().zip(before);
        let silent = with_before.filter(|(stream, before)| stream.record().n_answers < *before + more);
        silent.map(|(stream, _)| stream.name.as_str()).collect()
    }

    /// The longest time any stream that is answered again had to wait.
    pub fn longest_gap(&self) -> Duration {
        self.streams
            .iter()
            .map(|stream| stream.record().longest_gap)
            .max()
            .unwrap_or_default()
    }

    /// How many streams there are.
    pub fn n_streams(&self) -> usize {
        self.streams.len()
    }

    fn serve_tcp(&self, server: &Namespace, address: SocketAddr) -> Result<()> {
        let listener = server
            .enter(move || TcpListener::bind(address))
            .context("bind the TCP echo")?;
        let stop = Arc::clone(&self.stop);
        // The thread ends with the test: nothing wakes it from `accept`.
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let stop = Arc::clone(&stop);
                thread::spawn(move || echo(connection, &stop));
            }
        });
        Ok(())
    }

    fn serve_udp(&mut self, server: &Namespace, address: SocketAddr) -> Result<()> {
        let socket = server
            .enter(move || UdpSocket::bind(address))
            .context("bind the UDP source")?;
        socket.set_read_timeout(Some(PACE))?;
        let stop = Arc::clone(&self.stop);
        self.threads
            .push(thread::spawn(move || send_to_askers(&socket, &stop)));
        Ok(())
    }

    fn add_tcp(&mut self, cluster: &Cluster, to: SocketAddr, n_streams: usize) -> Result<()> {
        for n in 0..n_streams {
            let connect = move || TcpStream::connect_timeout(&to, LIMIT);
            let socket = cluster
                .client
                .enter(connect)
                .with_context(|| format!("TCP stream {n} to {to}"))?;
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            let (record, stop) = self.add(format!("tcp {}", socket.local_addr()?));
            self.threads
                .push(thread::spawn(move || talk(socket, &record, &stop)));
        }
        Ok(())
    }

    fn add_udp(&mut self, cluster: &Cluster, to: SocketAddr, n_streams: usize) -> Result<()> {
        for _ in 0..n_streams {
            let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = cluster.client.enter(move || {
                let socket = UdpSocket::bind(any)?;
                socket.connect(to)?;
                socket.send(b"send").map(|_| socket)
            })?;
            socket.set_read_timeout(Some(PATIENCE))?;
            let (record, stop) = self.add(format!("udp {}", socket.local_addr()?));
            self.threads
                .push(thread::spawn(move || listen(&socket, &record, &stop)));
        }
        Ok(())
    }

    fn add(&mut self, name: String) -> (Arc<Mutex<Record>>, Arc<AtomicBool>) {
        let record = Record {
            n_answers: 0,
            last: clock::now(),
            longest_gap: Duration::ZERO,
        };
        let record = Arc::new(Mutex::new(record));
        self.streams.push(Stream {
            name,
            record: Arc::clone(&record),
        });
        (record, Arc::clone(&self.stop))
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A stream's thread that panicked has said so already.
            drop(thread.join());
        }
    }
}

impl Stream {
    fn record(&self) -> Record {
        *self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note_answer(record: &Mutex<Record>) {
    let (mut record, now) = (
        record.lock().unwrap_or_else(PoisonError::into_inner),
        clock::now(),
    );
    record.n_answers += 1;
    record.longest_gap = record.longest_gap.max(now - record.last);
    record.last = now;
}

/// Whether a read ended only because its time was over.
fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Client of a TCP stream: says a number, waits for its echo, waits a while.
fn talk(mut socket: TcpStream, record: &Mutex<Record>, stop: &AtomicBool) {
    // Nobody ever sends: receiving with a limit is the pause between two numbers.
    let (_pause, pause) = std::sync::mpsc::channel::<()>();
    let mut n = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let mut echo = [0; 8];
        if socket.write_all(&n.to_be_bytes()).is_err() || read_all(&mut socket, &mut echo, stop).is_err() {
            return;
        }
        assert_eq!(
            u64::from_be_bytes(echo),
            n,
            "a TCP stream gives back what it was given"
        );
        note_answer(record);
        n += 1;
        pause.recv_timeout(PACE).expect_err("nobody sends");
    }
}

/// Fills `buffer` unless the stream ends or is told to.
fn read_all(socket: &mut TcpStream, buffer: &mut [u8], stop: &AtomicBool) -> std::io::Result<()> {
    let mut rest = buffer;
    while !rest.is_empty() {
        match socket.read(rest) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => rest = rest.split_at_mut(n).1,
            Err(error) if is_timeout(&error) && !stop.load(Ordering::Relaxed) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Server of a TCP stream.
fn echo(mut socket: TcpStream, stop: &AtomicBool) {
    let mut buffer = [0; 8];
    let is_ready = socket
        .set_read_timeout(Some(PATIENCE))
        .and_then(|()| socket.set_nodelay(true))
        .is_ok();
    while is_ready && read_all(&mut socket, &mut buffer, stop).is_ok() && socket.write_all(&buffer).is_ok() {}
}

/// Client of a UDP stream: has asked once, counts what comes.
fn listen(socket: &UdpSocket, record: &Mutex<Record>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        if socket.recv(&mut [0; 8]).is_ok() {
            note_answer(record);
        }
    }
}

/// Server of the UDP streams: sends to everyone who asked, at every pace.
fn send_to_askers(socket: &UdpSocket, stop: &AtomicBool) {
    let (mut askers, mut due) = (Vec::new(), clock::now());
    while !stop.load(Ordering::Relaxed) {
        if let Ok((_, asker)) = socket.recv_from(&mut [0; 8]) {
            askers.push(asker);
        }
        if clock::now() >= due {
            due = clock::now() + PACE;
            for asker in &askers {
                // What is not sent is not answered, and the client counts that.
                drop(socket.send_to(b"numbers!", asker));
            }
        }
    }
}
