//! The asking end of the control socket: one request, one reply, end of file.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use engine::input::Request;

use super::codes;
use crate::process::reason;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody answers at the path.
    // The wording up to the parenthesis is the stock client's: scripts look for it.
    #[error(
        "can't connect: is conntrackd running? appropriate permissions? ({}: {})",
        path.display(),
        reason(source)
    )]
    Connect {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The request could not be sent or the reply not read.
    #[error("the connection to conntrackd broke: {0}")]
    Broken(io::Error),
    /// The reply could not be written.
    #[error("can't write the reply: {0}")]
    Write(io::Error),
    /// The request has no code.
    #[error("conntrackd cannot be asked for that")]
    NoCode,
}

/// Asks the daemon at `path` and copies its reply to `out`.
///
/// Returns when the daemon closes the connection, which is when the request has been carried out.
///
/// # Errors
/// When the daemon is not there, the connection breaks or `out` fails.
pub fn ask(path: &Path, request: Request, out: &mut impl Write) -> Result<(), ClientError> {
    let code = codes::code(request).ok_or(ClientError::NoCode)?;
    let mut stream = UnixStream::connect(path).map_err(|source| ClientError::Connect {
        path: path.to_owned(),
        source,
    })?;
    stream
        .write_all(&code.to_ne_bytes())
        .map_err(ClientError::Broken)?;
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return out.flush().map_err(ClientError::Write),
            Ok(len) => out
                .write_all(buffer.get(..len).unwrap_or(&buffer))
                .map_err(ClientError::Write)?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ClientError::Broken(error)),
        }
    }
}
