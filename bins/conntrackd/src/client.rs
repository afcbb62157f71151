//! A client run: ask the daemon, print its answer.

use std::io::{ErrorKind, stdout};
use std::path::Path;

use anyhow::bail;
use conf_grammar::{Dialect, Severity};
use engine::input::Request;
use io::control::{ClientError, ask};

use crate::config_file::ConfigFile;
use crate::remark;

/// Asks the daemon that the configuration at `path` names and prints its answer.
pub(crate) fn run(path: &Path, dialect: Dialect, request: Request) -> anyhow::Result<()> {
    let file = ConfigFile::read(path, dialect)?;
    // A client needs the socket and nothing else: a mistake elsewhere in the file must not make it
    // impossible to stop the daemon.
    let Some(socket) = &file.outcome.control_socket else {
        remark(&file.render(&file.findings(Severity::Error)))?;
        bail!(
            "`{}' names no control socket, nothing was asked",
            file.outcome.file_name
        );
    };
    match ask(&socket.value, request, &mut stdout().lock()) {
        // Whoever reads has seen enough (`conntrackd -i | head`).
        Err(ClientError::Write(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        asked => Ok(asked?),
    }
}
