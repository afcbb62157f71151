use super::*;

fn parsed(line: &str) -> Result<Invocation, NoRun> {
    parse(
        ["conntrackd"]
            .into_iter()
            .chain(line.split_whitespace())
            .map(OsString::from),
    )
}

fn run(line: &str) -> Run {
    parsed(line)
        .unwrap_or_else(|refused| panic!("{line}: {refused:?}"))
        .run
}

fn refusal(line: &str) -> String {
    match parsed(line) {
        Err(NoRun::Refused { message, .. }) => message,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn without_a_client_action_the_program_is_the_daemon() {
    for (line, config, place) in [
        ("", CONFIG_PATH, Place::Foreground),
        ("-d", CONFIG_PATH, Place::Background),
        ("-C /a -d", "/a", Place::Background),
        ("-d -C /a -C /b", "/b", Place::Background),
        ("-C /a", "/a", Place::Foreground),
    ] {
        let want = Invocation {
            config: config.into(),
            run: Run::Daemon(place),
        };
        assert_eq!(parsed(line), Ok(want), "{line}");
    }
}

#[test]
fn every_client_action_asks_for_what_it_says() {
    use CacheName::{External, Internal};
    use Table::{Both, Expectations, Flows};
    let dump = |cache, table, format| Request::Dump { cache, table, format };
    for (line, request) in [
        ("-c", Request::Commit(Both)),
        ("-c ct", Request::Commit(Flows)),
        ("-c exp", Request::Commit(Expectations)),
        ("-i", dump(Internal, Flows, DumpFormat::Text)),
        ("-i e", dump(Internal, Expectations, DumpFormat::Text)),
        ("-i -x", dump(Internal, Flows, DumpFormat::Xml)),
        ("-e expect -x", dump(External, Expectations, DumpFormat::Xml)),
        ("-f", Request::FlushCache(None)),
        ("-f int", Request::FlushCache(Some(Internal))),
        ("-f external", Request::FlushCache(Some(External))),
        ("-F", Request::FlushKernel(Both)),
        ("-F ct", Request::FlushKernel(Flows)),
        ("-R", Request::ResyncKernel(Both)),
        ("-R exp -C /a", Request::ResyncKernel(Expectations)),
        ("-B", Request::Bulk),
        ("-n", Request::RequestResync),
        ("-t", Request::SchedulePurge),
        ("-k", Request::Stop),
        ("-C /a -k", Request::Stop),
    ] {
        assert_eq!(
            run(line),
            Run::Client {
                request,
                advice: None
            },
            "{line}"
        );
    }
}

#[test]
fn a_topic_may_be_cut_short_and_ties_have_an_order() {
    for (line, topic) in [
        ("-s", StatsTopic::Flows),
        ("-s ct", StatsTopic::Flows),
        ("-s c", StatsTopic::Cache),
        ("-s n", StatsTopic::Network),
        ("-s r", StatsTopic::Runtime),
        ("-s rs", StatsTopic::ResendQueue),
        ("-s rsqueue", StatsTopic::ResendQueue),
        ("-s p", StatsTopic::Process),
        ("-s queue", StatsTopic::Queue),
        ("-s link", StatsTopic::Link),
        ("-s exp", StatsTopic::Expectations),
    ] {
        let request = Request::Statistics(topic);
        assert_eq!(
            run(line),
            Run::Client {
                request,
                advice: None
            },
            "{line}"
        );
    }
    let Run::Client { request, advice } = run("-s multicast") else {
        panic!("a client run");
    };
    assert_eq!(request, Request::Statistics(StatsTopic::Link));
    assert!(advice.is_some_and(|advice| advice.contains("use `link'")));
}

#[test]
fn what_means_nothing_is_refused_in_known_words() {
    for (line, message) in [
        ("-s foo", "unknown parameter `foo' for option `-s'"),
        ("-f foo", "unknown parameter `foo' for option `-f'"),
        ("-c foo", "unknown parameter `foo' for option `-c'"),
        ("-i ct foo", "Unknown option: foo"),
        ("--stats", "Unknown option: --stats"),
        ("-S", "Unknown option: -S"),
        ("-", "Unknown option: -"),
        ("--", "Unknown option: --"),
        ("-ix", "Unknown option: -ix"),
        ("-iexp", "Unknown option: -iexp"),
        ("-dv", "Unknown option: -dv"),
        ("xi", "Unknown option: xi"),
    ] {
        assert_eq!(refusal(line), message, "{line}");
    }
    for line in [
        "-i -d", "-d -i", "-i -s", "-c -f", "-x", "-x -i", "-s -x", "-d -x", "-C", "-s -C",
    ] {
        let message = refusal(line);
        assert!(message.starts_with("Invalid parameters: "), "{line}: {message}");
    }
}

#[test]
fn an_empty_argument_is_refused() {
    for args in [&["conntrackd", ""][..], &["conntrackd", "-s", ""]] {
        let refused = parse(args.iter().map(OsString::from));
        assert!(
            matches!(refused, Err(NoRun::Refused { .. })),
            "{args:?}: {refused:?}"
        );
    }
}

#[test]
fn help_and_version_are_texts() {
    for (line, part) in [
        ("-h", "Client mode commands"),
        ("--help", "commit external cache"),
        ("-v", env!("CARGO_PKG_VERSION")),
        ("-C /a -v", "conntrackd"),
    ] {
        let Err(NoRun::Text(text)) = parsed(line) else {
            panic!("{line} is a text");
        };
        assert!(text.contains(part), "{line}: {text}");
    }
}

#[test]
fn the_table_of_options_is_consistent() {
    command().debug_assert();
}
