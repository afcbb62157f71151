//! Files that `conntrack -R` reads.

use std::cell::RefCell;
use std::path::Path;

use conntrack::command::{Command, Creation};
use conntrack::options::{Context, parse_line};
use engine::flow::save::{SaveLine, Verb};

thread_local! {
    // Names of the system would make runs differ from machine to machine.
    static CONTEXT: RefCell<Context> =
        RefCell::new(Context::with_files(Path::new("/nonexistent"), Path::new("/nonexistent")));
}

/// A file of commands, each line as `-R` reads it.
pub fn load_file(file: &[u8]) {
    CONTEXT.with_borrow_mut(|context| {
        for line in file.split(|byte| *byte == b'\n') {
            match parse_line(line, context) {
                Ok(Some(Command::Create { creation, .. })) => saved(&creation, context),
                Ok(_) => {}
                Err(refusal) => {
                    assert!(matches!(refusal.exit_code(), 1 | 2));
                    assert!(!refusal.to_string().is_empty());
                }
            }
            context.take_warnings();
        }
    });
}

/// The flow that is to be created prints as a line that creates the same, as far as a line can say it: a
/// translation to do is not part of a flow.
fn saved(creation: &Creation, context: &mut Context) {
    let line = SaveLine {
        flow: &creation.flow,
        verb: Verb::Add,
        labels: None,
    };
    let line = line.to_string();
    let read = parse_line(line.as_bytes(), context);
    let Ok(Some(Command::Create { creation: again, .. })) = read else {
        panic!("{line}: {read:?}");
    };
    assert_eq!(again.flow.orig, creation.flow.orig, "{line}");
    assert_eq!(again.flow.timeout_secs, creation.flow.timeout_secs, "{line}");
    assert_eq!(again.flow.proto, creation.flow.proto, "{line}");
    assert_eq!(
        again.flow.labels.unwrap_or(engine::flow::Labels(0)),
        creation.flow.labels.unwrap_or(engine::flow::Labels(0)),
        "{line}"
    );
    assert_eq!(again.flow.helper, creation.flow.helper, "{line}");
}
