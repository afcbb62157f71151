//! An FTP session in passive mode, with a data connection that only a helper lets in.
//!
//! The server names its own address in the 227 answer; the firewall's helper reads it and foretells the
//! data connection. If the client knows the server by the gateway's address alone, the helper writes that
//! in its place. The two have not the same length, so the kernel shifts sequence numbers from there on.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddrV4, TcpListener, TcpStream};

use anyhow::{Context, Result, bail, ensure};

use crate::cluster::Cluster;
use crate::netns::Namespace;
use crate::wait::LIMIT;

/// The server as seen through destination NAT.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
/// Where it is.
pub const SERVER: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 10);

/// Destination NAT to the server, and nothing to high ports that nobody foretold.
const RULES: &str = "
table ip destination_nat {
    chain in {
        type nat hook prerouting priority dstnat
        iifname lan0 ip daddr 10.1.0.1 tcp dport 21 dnat to 10.2.0.10
    }
}
table ip foretold {
    chain forward {
        type filter hook forward priority -1
        iifname lan0 tcp dport 1024-65535 ct state new drop
    }
}
";

/// A session that waits for its data connection.
#[derive(Debug)]
pub struct Session {
    client: BufReader<TcpStream>,
    server: BufReader<TcpStream>,
    data: TcpListener,
    announced: SocketAddrV4,
}

/// Loads the rules for such a session on both firewalls.
///
/// # Errors
/// When `nft` refuses them.
pub fn load_rules(cluster: &Cluster) -> Result<()> {
    cluster.fw1.ns.nft(RULES)?;
    cluster.fw2.ns.nft(RULES)
}

/// Opens a control connection to `at` and goes on to the answer that announces the data connection.
///
/// # Errors
/// When the connection is not let through, or the answer is not rewritten.
pub fn begin(cluster: &Cluster, at: Ipv4Addr) -> Result<Session> {
    let (control, data) = cluster
        .server
        .enter(|| {
            Ok::<_, std::io::Error>((TcpListener::bind((SERVER, 21))?, TcpListener::bind((SERVER, 0))?))
        })
        .context("listen")?;
    let client = connect(&cluster.client, SocketAddrV4::new(at, 21)).context("open control")?;
    let server = control.accept()?.0;
    server.set_read_timeout(Some(LIMIT))?;
    let mut session = Session {
        client: BufReader::new(client),
        server: BufReader::new(server),
        announced: SocketAddrV4::new(SERVER, data.local_addr()?.port()),
        data,
    };
    session.ask("USER nobody", "331 Any password will do.")?;
    let [a, b, c, d] = SERVER.octets();
    let [high, low] = session.announced.port().to_be_bytes();
    let told = session.ask(
        "PASV",
        &format!("227 Entering Passive Mode ({a},{b},{c},{d},{high},{low})."),
    )?;
    session.announced = address(&told).with_context(|| format!("no address in {told:?}"))?;
    ensure!(*session.announced.ip() == at, "the client cannot use {told:?}");
    Ok(session)
}

impl Session {
    /// Opens the data connection that was announced, and carries bytes over it in both directions.
    ///
    /// # Errors
    /// When it is not let through, goes elsewhere, or bytes are lost.
    pub fn transfer(&self, client: &Namespace) -> Result<()> {
        let mut receiver = connect(client, self.announced)
            .with_context(|| format!("open data to {}, which was announced", self.announced))?;
        let (mut sender, from) = self.accept()?;
        let file: Vec<u8> = (0..=u8::MAX).cycle().take(100_000).collect();
        let sent = file.clone();
        let sending = std::thread::spawn(move || {
            sender.write_all(&sent)?;
            sender.shutdown(Shutdown::Write)?;
            let mut thanks = String::new();
            sender.read_to_string(&mut thanks)?;
            Ok::<_, std::io::Error>(thanks)
        });
        let mut received = Vec::new();
        receiver.read_to_end(&mut received).context("receive the file")?;
        ensure!(
            received == file,
            "{} of {} bytes came",
            received.len(),
            file.len()
        );
        receiver.write_all(b"thanks")?;
        receiver.shutdown(Shutdown::Write)?;
        match sending.join() {
            Ok(thanks) => ensure!(
                thanks? == "thanks",
                "the other direction carries bytes from {from}"
            ),
            Err(_) => bail!("the sender panicked"),
        }
        Ok(())
    }

    /// Says a command and returns what the client reads of the server's answer.
    ///
    /// # Errors
    /// When one of them does not arrive.
    pub fn ask(&mut self, command: &str, answer: &str) -> Result<String> {
        say(&mut self.client, command)?;
        let heard = listen(&mut self.server).with_context(|| format!("{command} does not arrive"))?;
        ensure!(heard == command, "{command} arrives as {heard}");
        say(&mut self.server, answer)?;
        listen(&mut self.client).with_context(|| format!("the answer to {command} does not arrive"))
    }

    fn accept(&self) -> Result<(TcpStream, std::net::SocketAddr)> {
        // The client is connected: what it is connected to waits here, or it is not the server.
        self.data.set_nonblocking(true)?;
        let (sender, from) = self.data.accept().context("the data connection went elsewhere")?;
        sender.set_nonblocking(false)?;
        sender.set_read_timeout(Some(LIMIT))?;
        sender.set_write_timeout(Some(LIMIT))?;
        Ok((sender, from))
    }
}

fn connect(from: &Namespace, to: SocketAddrV4) -> Result<TcpStream> {
    let stream = from.enter(move || TcpStream::connect_timeout(&to.into(), LIMIT))?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    Ok(stream)
}

fn say(stream: &mut BufReader<TcpStream>, line: &str) -> Result<()> {
    // In one segment: the helper does not put them together.
    Ok(stream.get_mut().write_all(format!("{line}\r\n").as_bytes())?)
}

fn listen(stream: &mut BufReader<TcpStream>) -> Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

/// The address in a 227 answer.
fn address(answer: &str) -> Option<SocketAddrV4> {
    let (_, rest) = answer.split_once('(')?;
    let (numbers, _) = rest.split_once(')')?;
    let numbers: Vec<u8> = numbers.split(',').map_while(|n| n.parse().ok()).collect();
    let [a, b, c, d, high, low] = numbers.try_into().ok()?;
    Some(SocketAddrV4::new(
        Ipv4Addr::new(a, b, c, d),
        u16::from_be_bytes([high, low]),
    ))
}
