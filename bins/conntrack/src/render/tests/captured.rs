use std::path::Path;

use engine::flow::parse;
use engine::flow::{Addrs, ExpectFlags, Expectation, L4Key, Protocol, Status, Tuple};

use super::saved::made;
use super::xml_reader::{expectations, flows};
use super::*;
use crate::command::Command;
use crate::options::{Context, parse_line};

#[test]
fn lines_are_those_of_the_stock_program() {
    let labels = label_map();
    for line in include_str!("list.txt")
        .lines()
        .chain(include_str!("everything.txt").lines())
        .chain(include_str!("extended.txt").lines())
        .chain(include_str!("events.txt").lines())
        .chain(include_str!("requested.txt").lines())
    {
        let read = parse::line(line).unwrap();
        let output = Output {
            extended: line.contains("ipv4     2 ") || line.contains("ipv6     10 "),
            id: read.flow.id.is_some(),
            timestamp: read.stamp.is_some(),
            ktimestamp: read.notes.start.is_some(),
            labels: read.notes.labels.is_some(),
            ..Output::default()
        };
        let (flow, circumstances) = told(read, &labels);
        let printer = printer(&output, Table::Flows, &labels);
        let printed = text(|out| printer.flow(out, &flow, &circumstances));
        assert_eq!(printed, format!("{line}\n"));
    }
}

#[test]
fn a_line_says_no_more_than_was_asked_for() {
    let labels = label_map();
    for (captured, plain) in include_str!("everything.txt").lines().zip([
        "tcp      6 999 ESTABLISHED src=1.1.1.1 dst=2.2.2.2 sport=1 dport=21 packets=0 bytes=0 [UNREPLIED] \
         src=2.2.2.2 dst=1.1.1.1 sport=21 dport=1 packets=0 bytes=0 [OFFLOAD] mark=7 \
         secctx=system_u:object_r:ssh_t:s0 zone=9 delta-time=0 use=1\n",
    ]) {
        let (flow, circumstances) = told(parse::line(captured).unwrap(), &labels);
        let printer = printer(&Output::default(), Table::Flows, &labels);
        assert_eq!(text(|out| printer.flow(out, &flow, &circumstances)), plain);
    }
}

#[test]
fn what_a_command_did_is_told_without_times_and_a_deletion_without_labels() {
    let labels = label_map();
    let captured = include_str!("everything.txt").lines().next().unwrap();
    let (flow, circumstances) = told(parse::line(captured).unwrap(), &labels);
    let output = Output {
        ktimestamp: true,
        labels: true,
        timestamp: true,
        ..Output::default()
    };
    let printer = printer(&output, Table::Flows, &labels);
    for (occasion, times, names) in [
        (Occasion::Listed, true, true),
        (Occasion::Updated, false, true),
        (Occasion::Deleted, false, false),
    ] {
        let circumstances = Circumstances {
            occasion,
            ..circumstances
        };
        let line = text(|out| printer.flow(out, &flow, &circumstances));
        assert_eq!(line.contains(" [start="), times, "{occasion:?}: {line}");
        assert_eq!(line.contains(" labels=web"), names, "{occasion:?}: {line}");
        assert!(line.starts_with("tcp"), "only events have a stamp: {line}");
    }
}

/// Prints the flows of a document again, with their times where it tells them.
fn document_again(document: &str) -> String {
    let labels = label_map();
    let output = |line: &str| Output {
        format: Format::Xml,
        ktimestamp: line.contains("<timestamp>"),
        ..Output::default()
    };
    let lines = document.lines().filter(|line| line.starts_with("<flow"));
    text(|out| {
        printer(&output(""), Table::Flows, &labels).begin(out);
        for (line, (flow, circumstances)) in lines.zip(flows(document)) {
            printer(&output(line), Table::Flows, &labels).flow(out, &flow, &circumstances);
        }
        printer(&output(""), Table::Flows, &labels).end(out);
    })
}

#[test]
fn documents_are_those_of_the_stock_program() {
    let captured = include_str!("list.xml");
    assert_eq!(document_again(captured), captured);
    // The stock program leaves ICMP fields out.
    let with_fields = |flows: &str, icmp_type| {
        let fields = format!("\"icmp\"><type>{icmp_type}</type><code>0</code><id>4242</id></layer4>");
        flows.replacen("\"icmp\"></layer4>", &fields, 1)
    };
    let flows = with_fields(&with_fields(include_str!("flows.xml"), 8), 0);
    let (header, footer) = Table::Flows.document();
    let document = format!("{header}{flows}{footer}");
    assert_eq!(document_again(&document), document);
}

#[test]
fn a_document_is_one_even_when_nothing_is_in_it() {
    let labels = label_map();
    let output = Output {
        format: Format::Xml,
        ..Output::default()
    };
    for (table, root) in [(Table::Flows, "conntrack"), (Table::Expectations, "expect")] {
        let printer = printer(&output, table, &labels);
        let document = text(|out| {
            printer.begin(out);
            printer.end(out);
        });
        let document = roxmltree::Document::parse(&document).unwrap();
        assert!(document.root_element().has_tag_name(root));
    }
}

#[test]
fn the_document_of_an_event_holds_all_that_is_known_of_it() {
    let labels = label_map();
    let line = "[1795208095.059057]\t[DESTROY] sctp     132 6 ESTABLISHED src=10.4.1.2 dst=10.4.2.2 sport=1 dport=2 \
                src=10.4.2.2 dst=10.4.1.2 sport=2 dport=1 [HW_OFFLOAD] id=7 labels=web,spaced name \
                [USERSPACE] portid=6120 progname=a<b";
    let output = Output {
        format: Format::Xml,
        timestamp: true,
        labels: true,
        ..Output::default()
    };
    let (flow, circumstances) = told(parse::line(line).unwrap(), &labels);
    let printer = printer(&output, Table::Flows, &labels);
    let element = text(|out| printer.flow(out, &flow, &circumstances));
    assert!(element.starts_with("<flow type=\"destroy\">"), "{element}");
    let end = "<state>ESTABLISHED</state><timeout>6</timeout><labels><label>web</label><label>spaced name</label>\
               </labels><id>7</id><hw-offload/></meta><when><hour>20</hour><min>54</min><sec>55</sec><wday>6</wday>\
               <day>20</day><month>11</month><year>2026</year></when><userspace><portid>6120</portid>\
               <progname>a&lt;b</progname></userspace></flow>\n";
    assert!(element.ends_with(end), "{element}");
}

/// Returns the flow that a saved line of the stock program makes, as the kernel tells of it.
fn saved_flow(line: &str) -> Flow {
    let mut context = Context::with_files(Path::new("/nonexistent"), Path::new("/nonexistent"));
    let Ok(Some(Command::Create { creation, .. })) = parse_line(line.as_bytes(), &mut context) else {
        panic!("no creation: {line}");
    };
    let flow = made(&creation);
    let told = Status::CONFIRMED | Status::SRC_NAT_DONE | Status::DST_NAT_DONE;
    Flow {
        status: flow.status.map(|status| status | told),
        mark: Some(0),
        ..flow
    }
}

#[test]
fn saved_lines_are_those_of_the_stock_program_where_it_loses_nothing() {
    let labels = label_map();
    let output = Output {
        format: Format::Save,
        ..Output::default()
    };
    for line in include_str!("save.txt").lines() {
        let printer = printer(&output, Table::Flows, &labels);
        let printed = text(|out| printer.flow(out, &saved_flow(line), &listed()));
        assert_eq!(printed, format!("{line}\n"));
    }
}

#[test]
fn a_saved_line_is_the_command_that_repeats_what_happened() {
    let labels = label_map();
    let output = Output {
        format: Format::Save,
        ..Output::default()
    };
    let line = "-A -t 27 -u UNSET -s 10.4.1.2 -d 10.4.2.2 -r 10.4.2.2 -q 10.4.1.2 -p 50";
    let flow = Flow {
        mark: Some(7),
        labels: Some(Labels(0b1010)),
        helper: helper("ftp"),
        ..saved_flow(line)
    };
    let requester = Some(Requester {
        port_id: 6120,
        program: Some("conntrack"),
    });
    let words = line.strip_prefix("-A").unwrap();
    let all = " -m 7 --label-add web,#3 --helper ftp";
    for (occasion, verb, end) in [
        (Occasion::Listed, "-A", all),
        (Occasion::Updated, "-A", all),
        (Occasion::Deleted, "-D", ""),
        (Occasion::Event(Event::New), "-A", all),
        (Occasion::Event(Event::Update), "-U", " -m 7 --label-add web,#3"),
        (Occasion::Event(Event::Destroy), "-D", ""),
    ] {
        let circumstances = Circumstances {
            occasion,
            requester,
            ..listed()
        };
        let printer = printer(&output, Table::Flows, &labels);
        let printed = text(|out| printer.flow(out, &flow, &circumstances));
        assert_eq!(printed, format!("{verb}{words}{end}\n"), "{occasion:?}");
    }
}

#[test]
fn expectations_are_those_of_the_stock_program() {
    let labels = label_map();
    let expectation = |proto, timeout_secs, helper_name, addrs: [[u8; 4]; 6], ports: [u16; 6]| {
        let tuple = |n: usize| Tuple {
            addrs: Addrs::V4 {
                src: addrs[n].into(),
                dst: addrs[n + 1].into(),
            },
            proto,
            key: L4Key::Ports {
                src: ports[n],
                dst: ports[n + 1],
            },
        };
        Expectation {
            tuple: tuple(0),
            mask: tuple(2),
            master: tuple(4),
            timeout_secs: Some(timeout_secs),
            id: Some(1),
            zone: None,
            flags: Some(ExpectFlags(0)),
            class: Some(0),
            nat: None,
            helper: helper(helper_name),
            function: None,
        }
    };
    let (all, local) = ([255; 4], [127, 0, 0, 1]);
    let (client, server) = ([10, 4, 1, 2], [10, 4, 2, 2]);
    let printer = printer(&Output::default(), Table::Expectations, &labels);
    let printed = text(|out| {
        for expectation in [
            expectation(
                Protocol::UDP,
                299,
                "tftp",
                [[4; 4], [5; 4], [255, 255, 255, 0], all, local, local],
                [0, 20, 0, 65_535, 45_000, 69],
            ),
            expectation(
                Protocol::TCP,
                296,
                "ftp",
                [server, client, all, all, client, server],
                [0, 40_000, 0, 65_535, 42_174, 21],
            ),
        ] {
            printer.expectation(out, &expectation, &listed());
        }
    });
    assert_eq!(printed, include_str!("expectations.txt"));
}

#[test]
fn documents_of_expectations_are_those_of_the_stock_program() {
    let labels = label_map();
    let output = Output {
        format: Format::Xml,
        ..Output::default()
    };
    let printer = printer(&output, Table::Expectations, &labels);
    let captured = include_str!("expectations.xml");
    let printed = text(|out| {
        printer.begin(out);
        for expectation in expectations(captured) {
            printer.expectation(out, &expectation, &listed());
        }
        printer.end(out);
    });
    assert_eq!(printed, captured);
}

#[test]
fn an_event_of_an_expectation_has_a_stamp_of_six_digits() {
    let labels = label_map();
    let [expectation] = &expectations(include_str!("expectations.xml"))[..] else {
        panic!("the document has one expectation");
    };
    let output = Output {
        timestamp: true,
        ..Output::default()
    };
    let circumstances = Circumstances {
        occasion: Occasion::Event(Event::New),
        at: UnixTime::from_micros(1_795_208_095_000_570),
        requester: None,
    };
    let plain = printer(&output, Table::Expectations, &labels);
    let line = text(|out| plain.expectation(out, expectation, &circumstances));
    assert!(
        line.starts_with("[1795208095.000570]\t    [NEW] 299 proto=17 src=4.4.4.4 "),
        "{line}"
    );
    let output = Output {
        format: Format::Xml,
        ..output
    };
    let xml = printer(&output, Table::Expectations, &labels);
    let element = text(|out| xml.expectation(out, expectation, &circumstances));
    assert!(element.starts_with("<flow type=\"new\">"), "{element}");
    assert!(
        element.ends_with("<year>2026</year></when></meta></flow>\n"),
        "{element}"
    );
}

#[test]
fn counters_of_a_cpu_are_a_line() {
    let labels = label_map();
    let counters = [("expect_new", 0), ("expect_create", 1), ("expect_delete", 0)];
    let plain = printer(&Output::default(), Table::Expectations, &labels);
    assert_eq!(
        text(|out| plain.counters(out, 0, &counters)),
        "cpu=0   \texpect_new=0 expect_create=1 expect_delete=0 \n"
    );
    let output = Output {
        format: Format::Json,
        ..Output::default()
    };
    let json = printer(&output, Table::Expectations, &labels);
    assert_eq!(
        text(|out| json.counters(out, 12, &counters)),
        "{\"cpu\":12,\"expect_new\":0,\"expect_create\":1,\"expect_delete\":0}\n"
    );
}
