//! The two tools, run on the same table, and tables of random flows to run them on.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result};
use engine::flow::{
    Addrs, Family, Flow, HelperName, L4Key, Labels, Nat, ProtoState, Protocol, SctpState, Status, Tcp,
    TcpState, Tuple,
};
use engine::output::FlowRequest;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::kernel;
use crate::netns::{Namespace, command};
use crate::programs::{conntrack, our_conntrack};

/// What a run of a tool left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its lines, in order.
    pub stdout: String,
    /// Its remarks; the version of the program does not show.
    pub stderr: String,
    /// Its exit status, none after a signal.
    pub code: Option<i32>,
}

impl Outcome {
    /// The same as if run on another table of the same flows: in an order of its own, with the lifetimes
    /// that were asked for, all of which are whole hundreds of seconds, and without ages.
    #[must_use]
    pub fn comparable(mut self) -> Self {
        let mut lines: Vec<String> = self.stdout.lines().map(ageless).collect();
        lines.sort_unstable();
        self.stdout = lines.join("\n");
        self
    }
}

/// Rounds the lifetime up and takes away the age. The lifetime is the number behind that of the protocol.
fn ageless(line: &str) -> String {
    let is_number = |word: &str| word.parse::<u32>().is_ok();
    let mut words: Vec<String> = line
        .split_whitespace()
        .filter(|word| !word.starts_with("delta-time="))
        .map(str::to_owned)
        .collect();
    let lifetime = (1..words.len()).rfind(|i| is_number(&words[*i]) && is_number(&words[i - 1]));
    if let Some(i) = lifetime {
        let secs: u32 = words[i].parse().unwrap_or_default();
        words[i] = secs.next_multiple_of(100).to_string();
    }
    words.join(" ")
}

/// Whose tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// The one this workspace builds.
    Ours,
    /// The one of the distribution's package `conntrack`.
    Stock,
}

impl Tool {
    fn program(self) -> Result<PathBuf> {
        match self {
            Self::Ours => our_conntrack(),
            Self::Stock => Ok(conntrack().into()),
        }
    }
}

/// The place where tools find the names of labels.
#[derive(Debug)]
pub struct Etc(TempDir);

impl Etc {
    /// Makes it.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn new() -> Result<Self> {
        let dir = TempDir::new()?;
        fs::create_dir(dir.path().join("xtables"))?;
        fs::write(dir.path().join("xtables/connlabel.conf"), LABELS)?;
        Ok(Self(dir))
    }

    /// Runs `tool` in `ns` to its end, whatever that is.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn run(&self, tool: Tool, ns: &Namespace, args: &[String]) -> Result<Outcome> {
        let etc = self.0.path().to_str().context("a path in UTF-8")?;
        let program = tool.program()?;
        // They look at a fixed path below `/etc`: in a mount namespace of their own they see ours.
        let script = "mount --bind \"$0\" /etc && exec \"$@\"";
        let head = [
            "--mount",
            "sh",
            "-ec",
            script,
            etc,
            program.to_str().context("a path in UTF-8")?,
        ];
        let args: Vec<&str> = head.into_iter().chain(args.iter().map(String::as_str)).collect();
        let mut command = command("unshare", &args);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let output = ns.spawn(command)?.wait_with_output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Outcome {
            stdout: text(&output.stdout),
            stderr: without_version(&text(&output.stderr)),
            code: output.status.code(),
        })
    }
}

/// Replaces the version that begins each remark of a tool.
fn without_version(stderr: &str) -> String {
    let line = |line: &str| match (
        line.strip_prefix("conntrack v"),
        line.split_once(" (conntrack-tools): "),
    ) {
        (Some(_), Some((_, remark))) => format!("conntrack: {remark}\n"),
        _ => format!("{line}\n"),
    };
    stderr.lines().map(line).collect()
}

/// Names of the labels of [`flows`], in the form of `connlabel.conf`.
pub const LABELS: &str = "0 zero\n1 web\n2 db\n40 forty\n127 last\n";
/// Their bits.
const LABEL_BITS: [u32; 5] = [0, 1, 2, 40, 127];

/// Lets flows of `ns` have labels, helpers, counters and times.
///
/// # Errors
/// When the kernel refuses.
pub fn prepare(ns: &Namespace) -> Result<()> {
    ns.sysctl("netfilter/nf_conntrack_acct", "1")?;
    ns.sysctl("netfilter/nf_conntrack_timestamp", "1")?;
    ns.nft(
        "table inet tools {
            ct helper ftp { type \"ftp\" protocol tcp; }
            chain out { type filter hook output priority 0; tcp dport 21 ct helper set \"ftp\"; udp dport 9 ct label set 127; }
        }",
    )
}

/// Makes some real traffic, which is counted.
///
/// # Errors
/// When there is none to be made.
pub fn talk(ns: &Namespace) -> Result<()> {
    ns.enter(|| {
        for loopback in ["127.0.0.1:0", "[::1]:0"] {
            let (one, other) = (UdpSocket::bind(loopback)?, UdpSocket::bind(loopback)?);
            for _ in 0..3 {
                one.send_to(b"counted", other.local_addr()?)?;
                other.send_to(b"counted too", one.local_addr()?)?;
            }
        }
        Ok(())
    })
}

/// Puts `flows` into the table of `ns`.
///
/// # Errors
/// When the kernel refuses one.
pub fn fill(ns: &Namespace, flows: &[Flow]) -> Result<()> {
    kernel::request(ns, flows.iter().cloned().map(FlowRequest::Create).collect())
}

/// A table of up to `n` flows of every kind, no two of which are in each other's way.
pub fn flows(n: usize) -> impl Strategy<Value = Vec<Flow>> {
    let drawn = prop::collection::vec(any::<Drawn>(), 1..n);
    drawn.prop_map(|drawn| (1..).zip(drawn).map(|(i, drawn)| drawn.flow(i)).collect())
}

/// The protocols that are drawn.
pub const PROTOCOLS: [Protocol; 9] = [
    Protocol::TCP,
    Protocol::UDP,
    Protocol::UDPLITE,
    Protocol::SCTP,
    Protocol::DCCP,
    Protocol::GRE,
    Protocol::ICMP,
    Protocol::ICMPV6,
    Protocol(99),
];

/// Everything about a flow that is left to chance.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    proto: prop::sample::Index,
    is_ipv6: bool,
    src: u8,
    dst: u8,
    dst_port: prop::sample::Index,
    nat: u8,
    zone: u8,
    status: u8,
    state: u8,
    mark: prop::sample::Index,
    labels: u8,
    hundreds_secs: u16,
}

impl Arbitrary for Drawn {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        let places = (
            any::<prop::sample::Index>(),
            any::<bool>(),
            0..3_u8,
            1..4_u8,
            any::<prop::sample::Index>(),
        );
        let rest = (
            0..8_u8,
            0..8_u8,
            0..8_u8,
            1..9_u8,
            any::<prop::sample::Index>(),
            0..32_u8,
            10..20_u16,
        );
        (places, rest)
            .prop_map(
                |(
                    (proto, is_ipv6, src, dst, dst_port),
                    (nat, zone, status, state, mark, labels, hundreds_secs),
                )| {
                    Self {
                        proto,
                        is_ipv6,
                        src,
                        dst,
                        dst_port,
                        nat,
                        zone,
                        status,
                        state,
                        mark,
                        labels,
                        hundreds_secs,
                    }
                },
            )
            .boxed()
    }
}

/// Values that are drawn, and asked for.
pub const DST_PORTS: [u16; 4] = [21, 53, 80, 8080];
/// Values that are drawn, and asked for.
pub const MARKS: [u32; 4] = [0, 1, 0x12, 0xff00_ff00];

/// The address of a host in the net of its role.
#[must_use]
pub fn addr(family: Family, net: u8, host: u16) -> String {
    match family {
        Family::Ipv4 => v4(net, host).to_string(),
        Family::Ipv6 => v6(net, host).to_string(),
    }
}

fn v4(net: u8, host: u16) -> Ipv4Addr {
    let [high, low] = host.to_be_bytes();
    Ipv4Addr::new(10, net, high, low)
}

fn v6(net: u8, host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd00 + u16::from(net), 0, 0, 0, 0, 0, 0, host)
}

impl Drawn {
    /// Returns the flow; `i` keeps it apart from others.
    fn flow(self, i: u16) -> Flow {
        let proto = *self.proto.get(&PROTOCOLS);
        let is_ipv6 = self.is_ipv6 && proto != Protocol::ICMP || proto == Protocol::ICMPV6;
        // Without ports the addresses must do.
        let src = if proto.has_ports() && proto != Protocol::DCCP || proto.is_icmp() {
            u16::from(self.src)
        } else {
            0x100 + i
        };
        let dst = u16::from(self.dst);
        let addrs = if is_ipv6 {
            Addrs::V6 {
                src: v6(1, src),
                dst: v6(2, dst),
            }
        } else {
            Addrs::V4 {
                src: v4(1, src),
                dst: v4(2, dst),
            }
        };
        let dst_port = *self.dst_port.get(&DST_PORTS);
        let key = match proto {
            Protocol::ICMP => L4Key::Icmp {
                icmp_type: 8,
                code: 0,
                id: i,
            },
            Protocol::ICMPV6 => L4Key::Icmp {
                icmp_type: 128,
                code: 0,
                id: i,
            },
            _ if proto.has_ports() => L4Key::Ports {
                src: 1000 + i,
                dst: dst_port,
            },
            _ => L4Key::None,
        };
        let orig = Tuple { addrs, proto, key };
        let state = match proto {
            Protocol::TCP => ProtoState::Tcp(Tcp::in_state(TcpState(self.state))),
            Protocol::SCTP => ProtoState::Sctp {
                state: SctpState(self.state.min(7)),
                vtag_orig: 0x0102_0304,
                vtag_reply: 7,
            },
            _ => ProtoState::None,
        };
        let (zone, zone_orig, zone_reply) = match self.zone {
            0 => (Some(5), None, None),
            1 => (None, Some(6), None),
            2 => (None, None, Some(7)),
            _ => (None, None, None),
        };
        let mark = *self.mark.get(&MARKS);
        // What has no mark has nothing else either that saved lines lose.
        let has_more = mark != 0;
        let helper = (has_more && proto == Protocol::TCP && dst_port == 21)
            .then(|| HelperName::from_bytes(b"ftp").expect("three bytes are few"));
        Flow {
            zone,
            zone_orig,
            zone_reply,
            status: Some(self.status()),
            timeout_secs: Some(u32::from(self.hundreds_secs) * 100),
            mark: Some(mark),
            proto: state,
            nat: self.nat(is_ipv6, proto, i, has_more),
            helper,
            labels: has_more.then(|| self.labels()),
            ..Flow::new(orig)
        }
    }

    fn status(self) -> Status {
        let bits = [
            Status::SEEN_REPLY,
            Status::SEEN_REPLY | Status::ASSURED,
            Status::FIXED_TIMEOUT,
        ];
        let drawn = (0..).zip(bits).filter(|(i, _)| self.status & (1 << i) != 0);
        drawn.fold(Status::CONFIRMED, |status, (_, bit)| status | bit)
    }

    fn labels(self) -> Labels {
        let set = (0..).zip(LABEL_BITS).filter(|(i, _)| self.labels & (1 << i) != 0);
        Labels(set.fold(0, |labels, (_, bit)| labels | 1 << bit))
    }

    /// Both translations only if it may have `more`.
    fn nat(self, is_ipv6: bool, proto: Protocol, i: u16, more: bool) -> Nat {
        let to = |net, host: u16| {
            if is_ipv6 {
                v6(net, host).into()
            } else {
                std::net::IpAddr::from(v4(net, host))
            }
        };
        // The kernel translates ports of those, and the stock tool shows it of them.
        let ports = matches!(proto, Protocol::TCP | Protocol::UDP).then_some(30_000 + i);
        let src = Nat {
            snat: Some(to(3, i)),
            ..Nat::NONE
        };
        let dst = Nat {
            dnat: Some(to(4, i)),
            ..Nat::NONE
        };
        match self.nat {
            0 => src,
            1 => dst,
            2 => Nat { spat: ports, ..src },
            3 => Nat { dpat: ports, ..dst },
            4 if more => Nat {
                snat: src.snat,
                dnat: dst.dnat,
                spat: ports,
                dpat: ports,
            },
            _ => Nat::NONE,
        }
    }
}
