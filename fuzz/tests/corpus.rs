//! Every file of the corpus goes through its target.

use std::fs;
use std::path::Path;

/// Runs `target` over the files of its folder.
fn replay(name: &str, target: fn(&[u8])) {
    replay_folder(&format!("corpus/{name}"), target);
}

/// Runs `target` over the files of a folder, which is given from that of this package.
fn replay_folder(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let mut n_files = 0;
    for entry in fs::read_dir(&folder).expect("the corpus has a folder for each target") {
        let path = entry.expect("the folder can be read").path();
        let bytes = fs::read(&path).expect("the file can be read");
        // Shown if the target panics.
        eprintln!("{}", path.display());
        target(&bytes);
        n_files += 1;
    }
    assert!(n_files > 0, "{} has no files", folder.display());
}

#[test]
fn no_operations_on_a_table_panic() {
    replay("cache_operations", fuzz::cache_operations);
}

#[test]
fn no_configuration_panics() {
    replay("configuration", fuzz::configuration);
    replay_folder("../conf-grammar/tests/samples", fuzz::configuration);
}

#[test]
fn no_control_request_panics() {
    replay("control_request", fuzz::control_request);
}

#[test]
fn no_datagram_of_the_kernel_panics() {
    replay("ctnetlink_datagram", fuzz::ctnetlink_datagram);
}

#[test]
fn no_datagram_of_a_peer_panics() {
    replay("wire_datagram", fuzz::wire_datagram);
}

#[test]
fn no_line_of_an_operator_panics() {
    replay("flow_line", fuzz::flow_line);
}

#[test]
fn no_file_of_commands_panics() {
    replay("load_file", fuzz::load_file);
}

#[test]
fn no_body_of_a_message_panics() {
    replay("wire_payload", fuzz::wire_payload);
}
