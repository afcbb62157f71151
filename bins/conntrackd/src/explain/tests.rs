use super::*;

const SYNC: &str = "Sync {
    Mode FTFW {
    }
    UDP {
        IPv4_address 192.0.2.1
        IPv4_Destination_Address 192.0.2.2
        Port 3780
        Interface eth2
    }
}
";

const FILTER: &str = "General {
    Filter From Userspace {
        Protocol Accept {
            TCP
            esp
        }
        Address Ignore {
            IPv4_address 127.0.0.1
            IPv4_address 10.0.0.0/8
        }
        State Accept {
            ESTABLISHED CLOSED for TCP
        }
    }
}
";

fn explained(file: &str, flow: &str) -> String {
    let outcome = conf_grammar::parse("x.conf", file.as_bytes());
    let found = conf_grammar::render(&outcome.diagnostics, "x.conf", file.as_bytes());
    let config = outcome.config.unwrap_or_else(|| panic!("{found}"));
    let line = engine::flow::parse::line(flow).unwrap();
    Explainer::new(&config, "x.conf", file.as_bytes()).explain(&line)
}

#[test]
fn a_flow_that_no_set_excludes_is_sent_by_the_mode() {
    let answer = explained(
        &(SYNC.to_owned() + FILTER),
        "tcp 6 ESTABLISHED src=198.51.100.1 dst=203.0.113.1 sport=1 dport=80",
    );
    assert_eq!(
        answer,
        "replicated: yes
x.conf:2:5: Mode FTFW sends it to the other node: every set of the filter lets it pass
  x.conf:14:13: Protocol Accept tcp matches, the flow passes: the protocol is tcp
  x.conf:17:17: Address Ignore has no entry that matches, the flow passes: the sources of its two directions \
         are 198.51.100.1 and 203.0.113.1
  x.conf:22:13: State Accept ESTABLISHED matches, the flow passes: the state is ESTABLISHED
"
    );
}

#[test]
fn the_first_set_that_excludes_a_flow_decides_and_the_others_are_told_too() {
    let answer = explained(
        &(SYNC.to_owned() + FILTER),
        "tcp 6 TIME_WAIT src=10.1.2.3 dst=203.0.113.1 sport=1 dport=80",
    );
    assert_eq!(
        answer,
        "replicated: no
x.conf:19:26: Address Ignore 10.0.0.0/8 excludes it: the source of the original direction is 10.1.2.3
  x.conf:14:13: Protocol Accept tcp matches, the flow passes: the protocol is tcp
  x.conf:19:26: Address Ignore 10.0.0.0/8 matches, the flow is excluded: the source of the original direction \
         is 10.1.2.3
  x.conf:21:15: State Accept has no entry that matches, the flow is excluded: the state is TIME_WAIT
"
    );
}

fn decided_by(file: &str, flow: &str) -> String {
    let answer = explained(file, flow);
    let (first, rest) = answer.split_once('\n').unwrap();
    let reason = rest.lines().next().unwrap();
    format!("{first}; {reason}")
}

#[test]
fn every_set_can_decide() {
    let file = SYNC.to_owned() + FILTER;
    for (flow, want) in [
        (
            "udp 17 src=198.51.100.1 dst=203.0.113.1 sport=1 dport=80",
            "replicated: no; x.conf:13:18: Protocol Accept excludes it, no entry matches: the protocol is udp",
        ),
        (
            "tcp 6 src=198.51.100.1 dst=203.0.113.1 sport=1 dport=80 src=10.9.9.9 dst=203.0.113.1 sport=80 dport=1",
            "replicated: no; x.conf:19:26: Address Ignore 10.0.0.0/8 excludes it: the source of the reply \
             direction is 10.9.9.9",
        ),
        (
            "tcp 6 SYN_SENT src=198.51.100.1 dst=203.0.113.1 sport=1 dport=80",
            "replicated: no; x.conf:21:15: State Accept excludes it, no entry matches: the state is SYN_SENT; \
             if it was sent in an earlier state, the peer keeps it so",
        ),
    ] {
        assert_eq!(decided_by(&file, flow), want);
    }
}

#[test]
fn a_flow_without_a_known_tcp_state_passes_the_states() {
    let file = SYNC.to_owned() + FILTER;
    for (flow, why) in [
        (
            "tcp src=198.51.100.1 dst=203.0.113.1 sport=1 dport=80",
            "its state is unknown",
        ),
        (
            "unknown 50 src=198.51.100.1 dst=203.0.113.1",
            "the protocol is number 50",
        ),
    ] {
        let answer = explained(&file, flow);
        assert!(answer.starts_with("replicated: yes\n"), "{answer}");
        let want = format!("  x.conf:21:15: State Accept is about TCP states, the flow passes: {why}\n");
        assert!(answer.ends_with(&want), "{answer}");
    }
}

#[test]
fn without_a_filter_every_flow_is_replicated() {
    let answer = explained(SYNC, "udp src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2");
    assert_eq!(
        answer,
        "replicated: yes
x.conf:2:5: Mode FTFW sends it to the other node: there is no filter
  Protocol: no such set, every flow passes
  Address: no such set, every flow passes
  State: no such set, every flow passes
"
    );
}

#[test]
fn a_daemon_that_keeps_statistics_replicates_nothing() {
    let decided = decided_by("Stats {\nLogFile on\n}\n", "udp src=::1 dst=::2 sport=1 dport=2");
    assert_eq!(
        decided,
        "replicated: no; x.conf: without section `Sync` the daemon keeps statistics and replicates nothing"
    );
}

#[test]
fn the_last_state_of_a_flow_does_not_keep_its_end_from_the_peer() {
    let file = SYNC.to_owned() + FILTER;
    let ended = "[DESTROY] tcp 6 TIME_WAIT src=198.51.100.1 dst=203.0.113.1 sport=1 dport=80";
    assert_eq!(
        decided_by(&file, ended),
        "replicated: yes; x.conf:2:5: Mode FTFW tells its end to the other node if the flow was sent: \
         no set of the filter excludes its end"
    );
    let answer = explained(&file, ended);
    let state = "  x.conf:21:15: State Accept has no entry that matches, \
                 the flow passes all the same, for it ended: the state is TIME_WAIT\n";
    assert!(answer.ends_with(state), "{answer}");
    assert_eq!(
        decided_by(&file, &ended.replace("198.51.100.1", "10.1.2.3")),
        "replicated: no; x.conf:19:26: Address Ignore 10.0.0.0/8 excludes it: the source of the original \
         direction is 10.1.2.3"
    );
}

#[test]
fn a_state_excludes_a_living_flow_but_not_what_was_sent_before() {
    let file = SYNC.to_owned() + FILTER;
    let flow = "tcp 6 TIME_WAIT src=198.51.100.1 dst=203.0.113.1 sport=1 dport=80";
    let excluded =
        "replicated: no; x.conf:21:15: State Accept excludes it, no entry matches: the state is TIME_WAIT";
    let kept = "; if it was sent in an earlier state, the peer keeps it so";
    for event in ["", "[UPDATE] "] {
        assert_eq!(
            decided_by(&file, &format!("{event}{flow}")),
            format!("{excluded}{kept}")
        );
    }
    assert_eq!(
        decided_by(&file, &format!("[NEW] {flow}")),
        excluded,
        "it had no earlier state"
    );
}

#[test]
fn a_state_is_called_as_the_file_calls_it() {
    let file = SYNC.to_owned() + &FILTER.replace("ESTABLISHED CLOSED", "LISTEN CLOSED CLOSE");
    for (printed, entry) in [
        (
            "SYN_SENT2",
            "x.conf:22:13: State Accept LISTEN (printed as SYN_SENT2)",
        ),
        ("CLOSE", "x.conf:22:20: State Accept CLOSED (printed as CLOSE)"),
    ] {
        let flow = format!("tcp 6 {printed} src=198.51.100.1 dst=203.0.113.1 sport=1 dport=80");
        let answer = explained(&file, &flow);
        let want = format!("  {entry} matches, the flow passes: the state is {printed}\n");
        assert!(answer.ends_with(&want), "{answer}");
    }
}

#[test]
fn the_reply_source_of_a_flow_told_without_one_is_the_one_that_the_filter_asked() {
    let file = SYNC.to_owned() + FILTER;
    let outcome = conf_grammar::parse("x.conf", file.as_bytes());
    let config = outcome.config.unwrap();
    let mut line =
        engine::flow::parse::line("tcp 6 ESTABLISHED src=198.51.100.1 dst=203.0.113.1 sport=1 dport=80")
            .unwrap();
    line.flow.nat.dnat = Some([10, 9, 9, 9].into());
    assert_eq!(line.flow.reply, None);
    let answer = Explainer::new(&config, "x.conf", file.as_bytes()).explain(&line);
    let want =
        "19:26: Address Ignore 10.0.0.0/8 excludes it: the source of the reply direction is 10.9.9.9\n";
    assert!(answer.contains(want), "{answer}");
}
