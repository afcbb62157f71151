//! Our `conntrack` and the stock one on the same random table: the same bytes, the same exit status.
//!
//! What is left out here is what the stock tool does wrong; `cases/` has it case by case.

use anyhow::{Result, anyhow, ensure};
use engine::flow::{Family, Flow, L4Key, Protocol, Status, Tuple};
use netns_tests::tool::{self, DST_PORTS, Etc, MARKS, Outcome, PROTOCOLS, Tool, addr};
use netns_tests::{Namespace, kernel, on_real_kernels};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

/// How often a second may pass between two runs until it is no chance any more.
const N_ATTEMPTS: usize = 20;

#[test]
fn lists_are_the_same_to_the_byte() -> Result<()> {
    on_real_kernels(|| {
        let etc = Etc::new()?;
        let (ns, n_flows) = filled("lists")?;
        tool::talk(&ns)?;
        ensure!(kernel::dump(&ns)?.len() > n_flows, "some traffic was counted");
        run(&mut runner(250), &(filter(), output()), |(filter, output)| {
            same_list(&etc, &ns, &[vec!["-L".to_owned()], filter, output].concat())
        })
    })
}

#[test]
fn single_flows_are_the_same_to_the_byte() -> Result<()> {
    on_real_kernels(|| {
        let etc = Etc::new()?;
        run(&mut runner(25), &tool::flows(20), |flows| {
            let ns = Namespace::new("single")?;
            tool::prepare(&ns)?;
            tool::fill(&ns, &flows)?;
            for flow in flows
                .iter()
                .filter(|flow| flow.zone.is_none() && flow.zone_orig.is_none())
            {
                same_list(&etc, &ns, &[vec!["-G".to_owned()], named(flow)].concat())?;
            }
            Ok(())
        })
    })
}

#[test]
fn deletions_leave_the_same_table() -> Result<()> {
    on_real_kernels(|| {
        let etc = Etc::new()?;
        let edit = filter().prop_map(|filter| [vec!["-D".to_owned()], filter].concat());
        run(&mut runner(40), &(tool::flows(60), edit), |(flows, edit)| {
            same_edit(&etc, &flows, &edit)
        })
    })
}

#[test]
fn changes_leave_the_same_table() -> Result<()> {
    on_real_kernels(|| {
        let etc = Etc::new()?;
        run(
            &mut runner(40),
            &(tool::flows(20), change()),
            |(flows, change)| {
                // The stock tool loses flows in zones, and its place in the answers when it changes several.
                let is_changeable = |flow: &&Flow| {
                    let is_fixed = flow
                        .status
                        .is_some_and(|status| status.contains(Status::FIXED_TIMEOUT));
                    // The kernel tracks no DCCP: such flows have no ports by which they could be named.
                    let has_name = flow.orig.proto != Protocol::DCCP;
                    flow.zone.is_none() && flow.zone_orig.is_none() && !is_fixed && has_name
                };
                let Some(one) = flows.iter().find(is_changeable) else {
                    return Ok(());
                };
                same_edit(
                    &etc,
                    &flows,
                    &[vec!["-U".to_owned()], named(one), change].concat(),
                )
            },
        )
    })
}

#[test]
fn creations_leave_the_same_table() -> Result<()> {
    on_real_kernels(|| {
        let etc = Etc::new()?;
        run(&mut runner(60), &creation(), |edit| same_edit(&etc, &[], &edit))
    })
}

/// The same tables and command lines in every run: a difference is found once, not now and then.
fn runner(cases: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        // A namespace takes its time, and a shrunk case is worth little more.
        max_shrink_iters: 60,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

/// A namespace with a big random table, and how many flows were put into it.
fn filled(name: &'static str) -> Result<(Namespace, usize)> {
    let ns = Namespace::new(name)?;
    tool::prepare(&ns)?;
    let drawn = tool::flows(600).new_tree(&mut runner(1));
    let flows = drawn.map_err(|why| anyhow!("{why}"))?.current();
    tool::fill(&ns, &flows)?;
    Ok((ns, flows.len()))
}

fn run<S: Strategy>(
    runner: &mut TestRunner,
    strategy: &S,
    test: impl Fn(S::Value) -> Result<()>,
) -> Result<()> {
    let test = |value| test(value).map_err(|error| TestCaseError::fail(format!("{error:#}")));
    runner.run(strategy, test).map_err(|why| anyhow!("{why}"))
}

/// Lifetimes and ages move on by the second: counts what is the same between two runs of the stock tool.
fn same_list(etc: &Etc, ns: &Namespace, args: &[String]) -> Result<()> {
    for _ in 0..N_ATTEMPTS {
        let before = etc.run(Tool::Stock, ns, args)?;
        let ours = etc.run(Tool::Ours, ns, args)?;
        if etc.run(Tool::Stock, ns, args)? == before {
            ensure!(ours == before, "{args:?}: ours {ours:#?}, stock {before:#?}");
            return Ok(());
        }
    }
    Err(anyhow!("{args:?}: the table does not hold still"))
}

/// Runs both tools on a table of their own and compares what they print and leave.
fn same_edit(etc: &Etc, flows: &[Flow], args: &[String]) -> Result<()> {
    let list = ["-L", "-o", "extended,labels"].map(str::to_owned);
    let end = |tool: Tool| -> Result<[Outcome; 2]> {
        let ns = Namespace::new("edit")?;
        tool::prepare(&ns)?;
        tool::fill(&ns, flows)?;
        let outcomes = [etc.run(tool, &ns, args)?, etc.run(Tool::Stock, &ns, &list)?];
        Ok(outcomes.map(Outcome::comparable))
    };
    let (ours, stock) = (end(Tool::Ours)?, end(Tool::Stock)?);
    ensure!(ours == stock, "{args:?}: ours {ours:#?}, stock {stock:#?}");
    Ok(())
}

/// The options that name one flow.
fn named(flow: &Flow) -> Vec<String> {
    let Tuple { addrs, proto, key } = flow.orig;
    let mut args = vec![
        "-p".to_owned(),
        proto.0.to_string(),
        format!("-s{}", addrs.src()),
        format!("-d{}", addrs.dst()),
    ];
    let prefix = if addrs.family() == Family::Ipv6 {
        "icmpv6"
    } else {
        "icmp"
    };
    args.extend(match key {
        L4Key::Ports { src, dst } if proto == Protocol::GRE => {
            vec![format!("--srckey={src}"), format!("--dstkey={dst}")]
        }
        L4Key::Ports { src, dst } => vec![format!("--sport={src}"), format!("--dport={dst}")],
        L4Key::Icmp { icmp_type, code, id } => vec![
            format!("--{prefix}-type={icmp_type}"),
            format!("--{prefix}-code={code}"),
            format!("--{prefix}-id={id}"),
        ],
        L4Key::None => Vec::new(),
    });
    args
}

/// One of the values, or nothing.
fn maybe(values: Vec<String>) -> impl Strategy<Value = Vec<String>> {
    let given = prop::sample::select(values).prop_map(|words| words.split(' ').map(str::to_owned).collect());
    prop_oneof![3 => Just(Vec::new()), 1 => given]
}

/// Filters that the stock tool gets right.
fn filter() -> impl Strategy<Value = Vec<String>> {
    prop_oneof![Just(Family::Ipv4), Just(Family::Ipv6)].prop_flat_map(|family| {
        let name = match family {
            Family::Ipv4 => "ipv4",
            Family::Ipv6 => "ipv6",
        };
        let (n_bits, net_len) = match family {
            Family::Ipv4 => (32, 24),
            Family::Ipv6 => (128, 120),
        };
        let hosts = |option: &str, net| {
            let one = move |host: u16| addr(family, net, host);
            let mut given: Vec<String> = (0..4).map(|host| format!("{option} {}", one(host))).collect();
            if option == "-s" || option == "-d" {
                given.extend([net_len, n_bits, n_bits - 1].map(|len| format!("{option} {}/{len}", one(1))));
            }
            given
        };
        let mut sources = hosts("-s", 1);
        sources.push(format!(
            "-s {} --mask-src {}",
            addr(family, 1, 2),
            addr(family, 1, 2)
        ));
        let sides = (
            maybe(vec![format!("-f {name}")]),
            maybe(sources),
            maybe(hosts("-d", 2)),
            maybe(hosts("-r", 2)),
            maybe(hosts("-q", 1)),
        );
        // The status stands before the mark: the stock tool takes the mark for its mask otherwise.
        let rest = (
            protocol(),
            maybe(
                ["SEEN_REPLY", "ASSURED", "SEEN_REPLY,ASSURED", "FIXED_TIMEOUT"]
                    .map(|bits| format!("-u {bits}"))
                    .into(),
            ),
            maybe(
                MARKS
                    .iter()
                    .flat_map(|mark| [format!("-m {mark}"), format!("-m {mark}/0xff")])
                    .collect(),
            ),
            maybe(
                ["-w 5", "-w 0", "--orig-zone 6", "--orig-zone 0", "--reply-zone 7"]
                    .map(str::to_owned)
                    .into(),
            ),
            maybe(["-l web", "-l web,db", "-l last"].map(str::to_owned).into()),
        );
        (sides, rest).prop_map(
            |((family, src, dst, reply_src, reply_dst), (proto, status, mark, zone, label))| {
                [
                    family, src, dst, reply_src, reply_dst, proto, status, mark, zone, label,
                ]
                .concat()
            },
        )
    })
}

/// A protocol with options of its own; translations only of what has ports.
fn protocol() -> impl Strategy<Value = Vec<String>> {
    let port = || maybe(DST_PORTS.iter().map(|port| format!("--dport {port}")).collect());
    let reply_port = || {
        maybe(
            DST_PORTS
                .iter()
                .map(|port| format!("--reply-port-src {port}"))
                .collect(),
        )
    };
    let tcp_state = maybe(
        ["ESTABLISHED", "SYN_SENT", "CLOSE_WAIT"]
            .map(|state| format!("--state {state}"))
            .into(),
    );
    let sctp_state = maybe(
        ["ESTABLISHED", "CLOSED"]
            .map(|state| format!("--state {state}"))
            .into(),
    );
    let nat = || {
        let given = [
            "-n",
            "-g",
            "-n -g",
            "-n 10.3.0.1",
            "-g 10.4.0.2",
            "-n 10.3.0.3:30003",
            "-g 10.4.0.3:30003",
        ];
        maybe(given.map(str::to_owned).into())
    };
    let of = |proto: &str| vec!["-p".to_owned(), proto.to_owned()];
    let any = PROTOCOLS.map(|proto| of(&proto.0.to_string()));
    prop_oneof![
        Just(Vec::new()),
        prop::sample::select(any.to_vec()),
        (port(), tcp_state, nat()).prop_map(move |(port, state, nat)| [of("tcp"), port, state, nat].concat()),
        (port(), reply_port(), nat())
            .prop_map(move |(port, reply, nat)| [of("udp"), port, reply, nat].concat()),
        (port(), sctp_state).prop_map(move |(port, state)| [of("sctp"), port, state].concat()),
        port().prop_map(move |port| [of("udplite"), port].concat()),
        (0..4_u8, 0..8_u8).prop_map(move |(code, id)| {
            [
                of("icmp"),
                vec![format!("--icmp-code={}", code & 1), format!("--icmp-id={id}")],
            ]
            .concat()
        }),
    ]
}

/// Ways of printing; documents and saved lines only of what the stock tool prints in full.
fn output() -> impl Strategy<Value = Vec<String>> {
    let words = prop::sample::subsequence(
        vec!["extended", "id", "timestamp", "ktimestamp", "labels", "userspace"],
        0..5,
    );
    let option = |words: Vec<&str>| vec!["-o".to_owned(), words.join(",")];
    prop_oneof![
        2 => Just(Vec::new()),
        5 => words.prop_filter("an empty list is refused", |words| !words.is_empty()).prop_map(option),
    ]
}

/// What `-U` may change; of what the kernel refuses the stock tool speaks as if it were done.
fn change() -> impl Strategy<Value = Vec<String>> {
    let changes = (
        maybe(["-t 500", "-t 90000"].map(str::to_owned).into()),
        maybe(["-u ASSURED", "-u SEEN_REPLY,ASSURED"].map(str::to_owned).into()),
        maybe(["-m 5", "-m 0x10/0xf0", "-m 3/0"].map(str::to_owned).into()),
        maybe(
            [
                "--label-add web",
                "--label-add db,last",
                "--label-del web",
                "--label-del",
            ]
            .map(str::to_owned)
            .into(),
        ),
    );
    changes.prop_map(|(timeout, status, mark, labels)| [timeout, status, mark, labels].concat())
}

/// A creation, which the kernel may refuse.
fn creation() -> impl Strategy<Value = Vec<String>> {
    let proto = prop_oneof![
        Just("-p tcp --sport 1 --dport 2 --state ESTABLISHED"),
        Just("-p tcp --sport 1 --dport 2 --state SYN_SENT"),
        Just("-p udp --sport 1 --dport 2"),
        Just("-p udplite --sport 1 --dport 2"),
        Just("-p sctp --sport 1 --dport 2 --state CLOSED --orig-vtag 0 --reply-vtag 0"),
        Just("-p gre --srckey 1 --dstkey 2"),
        Just("-p esp"),
        Just("-p 99"),
    ];
    let extras = (
        prop_oneof![Just("-I"), Just("-A")],
        maybe(
            [
                "-u ASSURED",
                "-u SEEN_REPLY,ASSURED",
                "-u FIXED_TIMEOUT",
                "-u UNSET",
            ]
            .map(str::to_owned)
            .into(),
        ),
        maybe(["-m 5", "-m 0xffffffff"].map(str::to_owned).into()),
        maybe(
            ["-w 5", "--orig-zone 6", "--reply-zone 7", "-w 5 --orig-zone 6"]
                .map(str::to_owned)
                .into(),
        ),
        maybe(
            ["--label-add web", "--label-add db,last"]
                .map(str::to_owned)
                .into(),
        ),
    );
    let nat = maybe(
        ["-n 10.3.0.1", "-g 10.4.0.1", "-n 10.3.0.1 -g 10.4.0.1"]
            .map(str::to_owned)
            .into(),
    );
    (proto, extras, nat, 0..30_u16).prop_map(|(proto, (command, status, mark, zone, labels), nat, secs)| {
        let secs = secs * 100;
        let tuple = format!("{command} -s 10.1.0.1 -d 10.2.0.1 -t {secs} {proto}");
        let tuple = tuple.split(' ').map(str::to_owned).collect();
        [tuple, status, mark, zone, labels, nat].concat()
    })
}

#[test]
fn documents_and_saved_lines_are_the_same_to_the_byte() -> Result<()> {
    on_real_kernels(|| {
        let etc = Etc::new()?;
        let (ns, _) = filled("documents")?;
        // Of ICMP, SCTP and marked flows the stock tool loses something.
        for proto in ["tcp", "udp", "udplite", "gre", "99"] {
            for filter in ["-f ipv4", "-f ipv6", "-u SEEN_REPLY", "-w 5"] {
                for output in [
                    "xml",
                    "xml,labels",
                    "xml,ktimestamp",
                    "xml,id,extended",
                    "save -m 0",
                ] {
                    let line = format!("-L -p {proto} {filter} -o {output}");
                    let args: Vec<String> = line.split(' ').map(str::to_owned).collect();
                    // Of nothing the stock tool makes no document.
                    if !etc.run(Tool::Stock, &ns, &args)?.stdout.is_empty() {
                        same_list(&etc, &ns, &args)?;
                    }
                }
            }
        }
        Ok(())
    })
}
