//! Lines that the stock programs printed of real flows are read whole: printed again they are the same.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use engine::flow::parse;
use engine::flow::text::{FlowLine, Timeout};
use engine::flow::{Event, Flow, Timestamps};
use engine::time::UnixTime;

#[test]
fn dumps_of_the_daemon_are_read() {
    for capture in [
        include_str!("data/outputs/i-ct.ftfw.A.txt"),
        include_str!("data/outputs/e-ct.ftfw.B.txt"),
        include_str!("data/outputs/e-ct.alarm.B.txt"),
        include_str!("data/outputs/i-protos.A.txt"),
        include_str!("data/outputs/e-protos.B.txt"),
        include_str!("data/outputs/i-ct.bypass.A.txt"),
    ] {
        for captured in entries(capture) {
            let text = parse::line(captured).unwrap();
            let tail = text.notes.tail.map_or_else(String::new, |tail| tail.to_string());
            assert_eq!(printed(&text.flow, text.notes.age_secs) + &tail, captured);
        }
    }
}

#[test]
fn the_flow_log_is_read_with_its_dates() {
    for captured in entries(include_str!("data/outputs/stats-logfile.stats.A.txt")) {
        let text = parse::line(captured).unwrap();
        let again = printed(&text.flow, text.notes.age_secs);
        assert_eq!(format!("{}\t{again}", text.stamp.unwrap()), captured);
    }
}

#[test]
fn lists_of_the_kernels_table_are_read() {
    for capture in [
        include_str!("data/outputs/kernel-ct.ftfw.A.txt"),
        include_str!("data/outputs/conntrack-list.txt"),
    ] {
        for captured in entries(capture) {
            assert_eq!(as_listed(captured), captured);
        }
    }
}

#[test]
fn events_are_read() {
    for captured in entries(include_str!("data/outputs/conntrack-events.txt")) {
        let text = parse::line(captured).unwrap();
        let kind = match text.event.unwrap() {
            Event::New => "    [NEW] ",
            Event::Update => " [UPDATE] ",
            Event::Destroy => "[DESTROY] ",
        };
        let stamp = text.stamp.map_or_else(String::new, |time| format!("[{time}]\t"));
        let mut again = format!("{stamp}{kind}{}", as_listed(captured));
        if let Some(port_id) = text.notes.port_id {
            again.push_str(&format!(" [USERSPACE] portid={port_id}"));
        }
        if let Some(program) = text.notes.program {
            again.push_str(&format!(" progname={program}"));
        }
        assert_eq!(again, captured);
    }
}

/// Reads a line and prints it as `conntrack -L` does, with what only that program prints.
fn as_listed(captured: &str) -> String {
    let text = parse::line(captured).unwrap();
    let mut line = printed(&text.flow, text.notes.age_secs);
    let mut times = String::new();
    for (name, time) in [("start", text.notes.start), ("stop", text.notes.stop)] {
        if let Some(time) = time {
            times.push_str(&format!(" [{name}={time}]"));
        }
    }
    // They stand between the age and the helper.
    let place = [" helper=", " use="].iter().find_map(|word| line.find(word));
    line.insert_str(place.unwrap_or(line.len()), &times);
    if let Some(id) = text.flow.id {
        line.push_str(&format!(" id={id}"));
    }
    if let Some(labels) = text.notes.labels {
        line.push_str(&format!(" labels={labels}"));
    }
    let families = ["ipv4     2 ", "ipv6     10 "].into_iter();
    let family = families
        .filter(|family| captured.contains(family))
        .collect::<String>();
    family + &line
}

fn printed(flow: &Flow, age_secs: Option<u64>) -> String {
    let flow = Flow {
        timestamps: age_secs.map(|_| Timestamps {
            start_nanos: 0,
            stop_nanos: None,
        }),
        ..flow.clone()
    };
    let line = FlowLine {
        flow: &flow,
        timeout: Timeout::Shown,
        now: UnixTime::from_secs(age_secs.unwrap_or_default()),
    };
    line.to_string()
}

/// The captured entries: all lines but the one that says how they were made.
fn entries(capture: &str) -> impl Iterator<Item = &str> {
    capture.lines().filter(|line| !line.starts_with('#'))
}
