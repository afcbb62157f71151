//! What command lines mean.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use conntrack::command::{Command, Creation, ExpectCommand, Format, IfExists, LabelChange};
use conntrack::options::table::{GENERAL, PARTS, VERBS};
use conntrack::options::{Context, Refusal, parse, parse_line};
use engine::flow::query::{Masked, NatKind};
use engine::flow::save::{SaveLine, Verb};
use engine::flow::{
    Addrs, Family, Flow, HelperName, L4Key, Labels, ProtoState, Protocol, Status, Tcp, TcpState, Tuple,
};
use proptest::prelude::*;

fn context() -> Context {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stock");
    Context::with_files(&files.join("connlabel.conf"), &files.join("protocols"))
}

fn read(line: &str) -> Result<Command, Refusal> {
    let words = ["conntrack"].into_iter().chain(line.split_whitespace());
    parse(words.map(OsString::from), &mut context())
}

fn creation(line: &str) -> Creation {
    match read(line) {
        Ok(Command::Create { creation, .. }) => *creation,
        other => unreachable!("{line}: {other:?}"),
    }
}

fn tuple(src: &str, dst: &str, proto: Protocol, key: L4Key) -> Tuple {
    let addrs = Addrs::V4 {
        src: src.parse().expect("an address of a test"),
        dst: dst.parse().expect("an address of a test"),
    };
    Tuple { addrs, proto, key }
}

fn ports(src: u16, dst: u16) -> L4Key {
    L4Key::Ports { src, dst }
}

#[test]
fn a_creation_without_reply_side_is_mirrored_later() {
    let made = creation(
        "-I -p udp -t 100 -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -m 7 -u ASSURED -w 5 --helper ftp",
    );
    let orig = tuple("1.1.1.1", "2.2.2.2", Protocol::UDP, ports(1, 2));
    assert_eq!(made.flow.orig, orig);
    assert_eq!(made.flow.reply, None);
    assert_eq!(made.flow.timeout_secs, Some(100));
    assert_eq!(made.flow.mark, Some(7));
    assert_eq!(made.flow.status, Some(Status::ASSURED));
    assert_eq!(made.flow.zone, Some(5));
    assert_eq!(
        made.flow.helper.map(|name| name.to_string()).as_deref(),
        Some("ftp")
    );
    assert_eq!((made.src_nat, made.dst_nat), (None, None));
}

#[test]
fn a_creation_by_its_reply_side_has_the_mirrored_original_one() {
    let made = creation("-I -p udp -t 1 -r 1.1.1.1 -q 2.2.2.2 --reply-port-src 10 --reply-port-dst 20");
    assert_eq!(
        made.flow.orig,
        tuple("2.2.2.2", "1.1.1.1", Protocol::UDP, ports(20, 10))
    );
    assert_eq!(
        made.flow.reply,
        Some(tuple("1.1.1.1", "2.2.2.2", Protocol::UDP, ports(10, 20)))
    );
}

#[test]
fn the_type_of_an_icmp_flow_may_stand_anywhere() {
    let echo = |icmp_type| L4Key::Icmp {
        icmp_type,
        code: 0,
        id: 7,
    };
    for line in [
        "-I -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 7 -t 1 -s 1.1.1.1 -d 2.2.2.2",
        "-I -p icmp -t 1 -s 1.1.1.1 -d 2.2.2.2 --icmp-type 8 --icmp-code 0 --icmp-id 7",
        "-I -p icmp -t 1 -r 2.2.2.2 -q 1.1.1.1 --icmp-type 8 --icmp-code 0 --icmp-id 7",
        "-I -p icmp -t 1 -s 1.1.1.1 -d 2.2.2.2 -r 2.2.2.2 -q 1.1.1.1 --icmp-type 8 --icmp-code 0 --icmp-id 7",
    ] {
        let flow = creation(line).flow;
        assert_eq!(
            flow.orig,
            tuple("1.1.1.1", "2.2.2.2", Protocol::ICMP, echo(8)),
            "{line}"
        );
        let reply = tuple("2.2.2.2", "1.1.1.1", Protocol::ICMP, echo(0));
        assert_eq!(flow.reply.unwrap_or(reply), reply, "{line}");
    }
}

#[test]
fn one_translated_side_leaves_the_other_to_be_mirrored() {
    let made = creation(
        "-A -t 9 -s 10.4.1.2 -d 10.4.1.1 -g 10.4.2.2 -q 10.4.1.2 -p tcp --sport 49916 --dport 8888 \
         --reply-port-src 8080 --reply-port-dst 49916 --state ESTABLISHED",
    );
    let reply = tuple("10.4.1.1", "10.4.1.2", Protocol::TCP, ports(8080, 49916));
    assert_eq!(made.flow.reply, Some(reply));
    assert!(matches!(
        made.flow.proto,
        ProtoState::Tcp(Tcp {
            state: TcpState::ESTABLISHED,
            flags_orig: Some(_),
            ..
        })
    ));
    let addr = "10.4.2.2".parse().unwrap();
    assert_eq!(made.dst_nat.and_then(|nat| nat.addrs), Some((addr, addr)));
}

#[test]
fn values_count_wherever_they_stand() {
    let base = "-I -p udp -t 1 -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2";
    let wanted = creation(&format!("{base} -n 5.5.5.5:80"));
    assert!(wanted.src_nat.is_some());
    for value in ["-n5.5.5.5:80", "--src-nat=5.5.5.5:80", "--src-n 5.5.5.5:80"] {
        assert_eq!(creation(&format!("{base} {value}")), wanted, "{value}");
    }
    let ranges = creation(&format!("{base} -n 5.5.5.5-5.5.5.9:80-90"))
        .src_nat
        .unwrap();
    assert_eq!(ranges.ports, Some((80, 90)));
    assert_eq!(read("-Fexpect"), Ok(Command::Expect(ExpectCommand::Flush)));
    assert_eq!(read("--flush=e"), Ok(Command::Expect(ExpectCommand::Flush)));
    assert_eq!(read("-F -f ipv6"), Ok(Command::Flush(Some(Family::Ipv6))));
    let labels = |line| match read(line) {
        Ok(Command::Update { change, .. }) => change.labels,
        other => unreachable!("{line}: {other:?}"),
    };
    assert_eq!(
        labels("-U --label-del=db,#9"),
        Some(LabelChange::Delete(Labels(1 << 2 | 1 << 9)))
    );
    assert_eq!(labels("-U --label-del"), Some(LabelChange::DeleteAll));
    assert_eq!(labels("-U --label-add web"), Some(LabelChange::Add(Labels(2))));
}

#[test]
fn a_filter_is_all_that_was_given() {
    let Ok(Command::List {
        query, output, zero, ..
    }) = read(
        "-L -p tcp -s 10.0.0.1/24 -d 10.0.1.9 --mask-dst 255.255.0.0 --dport 80,8000-8100 -m 1/3 \
         -u SEEN_REPLY,!ASSURED -w 0 -l web -j 5.5.5.5:7 --state SYN_SENT -c 4 -o id,extended",
    )
    else {
        unreachable!("it is a list");
    };
    assert_eq!(query.family, Some(Family::Ipv4));
    assert_eq!(query.proto, Some(Protocol::TCP));
    assert_eq!(query.orig.src[0].mask.to_string(), "255.255.255.0");
    assert_eq!(query.orig.dst[0].mask.to_string(), "255.255.0.0");
    assert_eq!(query.orig.dst_ports, [80..=80, 8000..=8100]);
    assert_eq!(query.mark, Some(Masked { value: 1, mask: 3 }));
    assert_eq!(
        (query.status_set, query.status_clear),
        (Status::SEEN_REPLY, Status::ASSURED)
    );
    assert_eq!((query.zone, query.secmark), (Some(0), Some(4)));
    assert_eq!(query.labels, Some(Labels(2)));
    assert_eq!((query.nat[0].kind, query.nat[0].port), (NatKind::Any, Some(7)));
    assert!(matches!(query.state, Some(ProtoState::Tcp(_))));
    assert!(output.id && output.extended && output.labels && !zero);
}

#[test]
fn what_an_update_sets_selects_nothing() {
    let Ok(Command::Update { query, change, .. }) =
        read("-U -p tcp -s 10.0.0.1 -m 7 -t 9 -u ASSURED --state CLOSE --sport 4")
    else {
        unreachable!("it is an update");
    };
    assert_eq!((query.mark, query.timeout_secs, query.state), (None, None, None));
    assert_eq!((query.status_set, query.status_clear), (Status(0), Status(0)));
    assert_eq!(query.orig.src_ports, [4..=4]);
    assert_eq!((change.timeout_secs, change.status), (Some(9), Status::ASSURED));
    assert!(change.state.is_some());
}

#[test]
fn a_flow_is_looked_up_by_either_tuple_in_any_zone() {
    let looked_up = |line| match read(line) {
        Ok(Command::Get { tuple, zone, .. }) => (tuple, zone),
        other => unreachable!("{line}: {other:?}"),
    };
    let by_orig = looked_up("-G -p tcp -s 1.1.1.1 -d 2.2.2.2 --sport 1 --dport 2 -w 5 -r 3.3.3.3,4.4.4.4");
    assert_eq!(
        by_orig,
        (tuple("1.1.1.1", "2.2.2.2", Protocol::TCP, ports(1, 2)), Some(5))
    );
    let by_reply = looked_up("-G -p tcp -r 2.2.2.2 -q 1.1.1.1 --reply-port-src 2 --reply-port-dst 1");
    assert_eq!(
        by_reply,
        (tuple("2.2.2.2", "1.1.1.1", Protocol::TCP, ports(2, 1)), None)
    );
    let lists = "-G -p tcp -s 1.1.1.1,1.1.1.2 -d 2.2.2.2 --sport 1 --dport 2";
    assert_eq!(read(lists), Err(Refusal::Address("1.1.1.1,1.1.1.2".into())));
}

#[test]
fn objects_are_printed_alone() {
    let output = |line| match read(line) {
        Ok(Command::Stats(output)) => Ok(output.format),
        other => Err(other.map_err(|error| error.to_string()).map(drop)),
    };
    assert_eq!(output("-S -o json"), Ok(Format::Json));
    assert_eq!(
        output("-S -o xml"),
        Err(Err("Illegal option `--output' with this command".to_owned()))
    );
    assert_eq!(read("-L -o json,save"), Err(Refusal::JsonWithOutput));
    assert_eq!(read("-L -o json,save").map_err(|error| error.exit_code()), Err(1));
}

#[test]
fn a_file_is_loaded_by_the_first_argument_alone() {
    assert_eq!(read("-R f"), Ok(Command::Load("f".into())));
    assert_eq!(read("--load-file -"), Ok(Command::Load("-".into())));
    assert_eq!(read("-R f -L"), Err(Refusal::AfterFile("-L".into())));
    assert_eq!(read("-R"), Err(Refusal::UnknownOption("-R".into())));
    assert_eq!(read("-L -R f"), Err(Refusal::UnknownOption("-R".into())));
    assert_eq!(
        read("--load-file=f"),
        Err(Refusal::UnknownOption("--load-file=f".into()))
    );
}

#[test]
fn a_refusal_still_warns() {
    let mut context = context();
    let words = ["conntrack", "-L", "-a", "x", "-u", "SRC_NAT", "--bogus"].map(OsString::from);
    assert!(parse(words, &mut context).is_err());
    let warnings = context.take_warnings();
    assert_eq!(
        warnings,
        [
            "WARNING: ignoring -a, deprecated option.",
            "WARNING: ignoring SRC_NAT, use --src-nat instead"
        ]
    );
}

#[test]
fn lines_of_a_file_are_commands_that_change_flows() {
    let mut context = context();
    let mut line = |text: &str| parse_line(text.as_bytes(), &mut context);
    for nothing in ["", "\n", "  \t", "# comment\n", " \t# comment"] {
        assert_eq!(line(nothing), Ok(None), "{nothing:?}");
    }
    assert_eq!(line("-F\n"), Ok(Some(Command::Flush(None))));
    assert_eq!(
        line("conntrack -F -f ipv4 # x"),
        Ok(Some(Command::Flush(Some(Family::Ipv4))))
    );
    let added =
        line("-A -p udp -t 1 -s \"1.1.1.1\" -d 2.2.2.2 --sport 1 --dport 2 --label-add \"spaced name\"\n");
    let Ok(Some(Command::Create { creation, if_exists })) = added else {
        unreachable!("it is a creation: {added:?}");
    };
    assert_eq!(
        (creation.flow.labels, if_exists),
        (Some(Labels(1 << 7)), IfExists::Update)
    );
    for (text, name) in [
        ("-L", "-L"),
        ("-L expect", "-L expect"),
        ("-F expect", "-F expect"),
        ("foo", "unknown"),
    ] {
        assert_eq!(line(text), Err(Refusal::NotInFile(name)), "{text}");
    }
    assert_eq!(line("-I -p foo"), Err(Refusal::Protocol("foo".into())));
    assert_eq!(line(&format!("-F {}", "x".repeat(1_024))), Err(Refusal::LongWord));
    assert_eq!(line(&"x ".repeat(300)), Err(Refusal::ManyWords));
    assert_eq!(line(&"x".repeat(10_240)), Err(Refusal::LongLine(10_240, 10_239)));
}

/// The status bits that a saved line has words for.
const SAVED: Status =
    Status(Status::SEEN_REPLY.0 | Status::ASSURED.0 | Status::FIXED_TIMEOUT.0 | Status::EXPECTED.0);

/// Flows as a kernel lists them.
fn saved() -> impl Strategy<Value = Flow> {
    let ends = (any::<[u8; 4]>(), any::<[u8; 4]>(), any::<u16>(), any::<u16>());
    let proto = prop::sample::select(vec![Protocol::UDP, Protocol::GRE, Protocol::ICMP, Protocol(50)]);
    let attributes = (
        any::<u32>(),
        any::<u32>(),
        any::<Option<u16>>(),
        1_u128..,
        any::<bool>(),
        0_u32..0x10000,
    );
    (ends, proto, any::<Option<[u8; 4]>>(), attributes).prop_map(|(ends, proto, nat, attributes)| {
        let (src, dst, sport, dport) = ends;
        let key = match proto {
            Protocol::ICMP => L4Key::Icmp {
                icmp_type: 8,
                code: 0,
                id: sport,
            },
            Protocol(50) => L4Key::None,
            _ => ports(sport, dport),
        };
        let addrs = Addrs::V4 {
            src: src.into(),
            dst: dst.into(),
        };
        let mut flow = Flow::new(Tuple { addrs, proto, key });
        let (timeout, mark, zone, labels, has_helper, status) = attributes;
        let mut reply = flow.orig.mirrored();
        let nat_bits = nat.map_or(0, |to| {
            reply.addrs = Addrs::V4 {
                src: dst.into(),
                dst: to.into(),
            };
            Status::SRC_NAT.0 | Status::SRC_NAT_DONE.0
        });
        let is_nat = Status::SRC_NAT.0 | Status::DST_NAT.0 | Status::SRC_NAT_DONE.0 | Status::DST_NAT_DONE.0;
        flow.reply = Some(reply);
        flow.status = Some(Status(status & !is_nat | nat_bits));
        flow.timeout_secs = Some(timeout);
        flow.mark = Some(mark);
        flow.zone = zone;
        flow.labels = Some(Labels(labels));
        flow.helper = has_helper.then(|| HelperName::from_bytes(b"ftp").expect("a short name"));
        flow
    })
}

/// Words that command lines are made of, right and wrong ones.
fn word() -> impl Strategy<Value = OsString> {
    let verbs = VERBS
        .iter()
        .flat_map(|row| [format!("-{}", char::from(row.short)), format!("--{}", row.long)]);
    let general = GENERAL.iter().flat_map(|row| {
        let letter = row.short.map(|letter| format!("-{}", char::from(letter)));
        row.names.iter().map(|name| format!("--{name}")).chain(letter)
    });
    let parts = PARTS
        .iter()
        .flat_map(|row| row.names.iter().map(|name| format!("--{name}")));
    let values = [
        "tcp",
        "udp",
        "icmp",
        "sctp",
        "dccp",
        "gre",
        "50",
        "1.1.1.1",
        "2.2.2.2/8",
        "::1",
        "1.1.1.1-1.1.1.9,3.3.3.3",
        "80",
        "80,90-99",
        "5",
        "ESTABLISHED",
        "SEEN_REPLY,!ASSURED",
        "save",
        "json,id",
        "web",
        "#5",
        "expect",
        "-1",
        "[::1]:80",
        "NEW",
        "ipv4",
        "0x10/0xff",
        "",
        "-",
        "--",
        "!",
    ];
    let known: Vec<_> = verbs
        .chain(general)
        .chain(parts)
        .chain(values.map(str::to_owned))
        .collect();
    prop_oneof![
        8 => prop::sample::select(known).prop_map(OsString::from),
        1 => prop::collection::vec(any::<u8>(), 0..8).prop_map(|bytes| OsStr::from_bytes(&bytes).to_owned()),
        1 => "--[a-z-]{0,6}(=.{0,4})?".prop_map(OsString::from),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_arguments_panic(words in prop::collection::vec(word(), 0..12)) {
        let words = [OsString::from("conntrack")].into_iter().chain(words);
        if let Err(refusal) = parse(words, &mut context()) {
            prop_assert!(matches!(refusal.exit_code(), 1 | 2));
            prop_assert!(!refusal.to_string().is_empty());
        }
    }

    #[test]
    fn a_saved_flow_is_read_back(flow in saved()) {
        let line = SaveLine { flow: &flow, verb: Verb::Add, labels: None }.to_string();
        let read = parse_line(line.as_bytes(), &mut context());
        let Ok(Some(Command::Create { creation, .. })) = read else {
            return Err(TestCaseError::fail(format!("{line}: {read:?}")));
        };
        let made = creation.flow;
        prop_assert_eq!(made.orig, flow.orig);
        prop_assert_eq!(made.timeout_secs, flow.timeout_secs);
        prop_assert_eq!(made.mark.unwrap_or(0), flow.mark.unwrap_or(0));
        prop_assert_eq!((made.zone, made.zone_orig), (flow.zone, flow.zone_orig));
        prop_assert_eq!((made.labels, made.helper), (flow.labels, flow.helper));
        prop_assert_eq!(made.status, flow.status.map(|status| status & SAVED));
        // A translated side is told as the translation.
        if creation.src_nat.is_none() && creation.dst_nat.is_none() {
            prop_assert_eq!(made.reply, flow.reply);
        }
    }

    #[test]
    fn a_line_means_what_its_words_mean(words in prop::collection::vec("-[a-zA-QS-Z]|[a-z0-9.,/]{1,8}", 1..10)) {
        let line = words.join(" ");
        let of_line = parse_line(line.as_bytes(), &mut context());
        let args = ["conntrack"].into_iter().map(OsString::from).chain(words.iter().map(OsString::from));
        match (of_line, parse(args, &mut context())) {
            (Ok(Some(of_line)), of_args) => prop_assert_eq!(Ok(of_line), of_args),
            (Ok(None), _) => prop_assert!(false, "no comment: {}", line),
            (Err(Refusal::NotInFile(_)), of_args) => prop_assert!(of_args.is_ok()),
            (Err(of_line), of_args) => prop_assert_eq!(Err(of_line), of_args),
        }
    }
}
