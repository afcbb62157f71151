//! An FTP session in active mode: the kernel's helper follows it, so its data connection is an expected flow.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};

use anyhow::{Context, Result};

use crate::cluster::Cluster;

const CLIENT: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 10);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 10);

/// The open sockets of a session.
#[derive(Debug)]
pub struct Session {
    _sockets: [TcpStream; 4],
}

/// Opens a control connection from the client, and a data connection from the server.
///
/// # Errors
/// When a connection is not let through, above all the expected one.
pub fn open(cluster: &Cluster) -> Result<Session> {
    let listener = cluster
        .server
        .enter(|| TcpListener::bind((SERVER, 21)))
        .context("listen for control")?;
    let mut client = cluster
        .client
        .enter(|| TcpStream::connect((SERVER, 21)))
        .context("open control")?;
    let (server, _) = listener.accept()?;
    let data = cluster
        .client
        .enter(|| TcpListener::bind((CLIENT, 0)))
        .context("listen for data")?;
    let [a, b, c, d] = CLIENT.octets();
    let [high, low] = data.local_addr()?.port().to_be_bytes();
    let mut commands = BufReader::new(&server);
    let mut line = String::new();
    // The helper reads what follows a line's end that it has seen, and does not put segments together.
    for command in [
        "USER nobody\r\n".to_owned(),
        format!("PORT {a},{b},{c},{d},{high},{low}\r\n"),
    ] {
        client.write_all(command.as_bytes())?;
        line.clear();
        commands.read_line(&mut line)?;
    }
    let to = announced(&line).with_context(|| format!("no address in {line:?}"))?;
    let sender = cluster
        .server
        .enter(move || TcpStream::connect(to))
        .with_context(|| format!("open data to {to}"))?;
    let (receiver, _) = data.accept()?;
    Ok(Session {
        _sockets: [client, server, sender, receiver],
    })
}

/// The address of a `PORT` command, as source NAT has rewritten it.
fn announced(line: &str) -> Option<SocketAddrV4> {
    let numbers: Vec<u8> = line
        .trim()
        .strip_prefix("PORT ")?
        .split(',')
        .map_while(|n| n.parse().ok())
        .collect();
    let [a, b, c, d, high, low] = numbers.try_into().ok()?;
    Some(SocketAddrV4::new(
        Ipv4Addr::new(a, b, c, d),
        u16::from_be_bytes([high, low]),
    ))
}
