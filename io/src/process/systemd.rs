//! Word to the service manager, by the datagram protocol of `sd_notify(3)`.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

/// The service manager that started us, if one did.
#[derive(Debug, Default)]
pub struct Systemd {
    manager: Option<(UnixDatagram, SocketAddr)>,
    watchdog_period: Option<Duration>,
}

impl Systemd {
    /// Returns a service manager that is not there (`Systemd off`).
    #[must_use]
    pub fn absent() -> Self {
        Self::default()
    }

    /// Finds the service manager through the environment.
    ///
    /// # Errors
    /// If `NOTIFY_SOCKET` names no possible socket.
    pub fn from_env() -> io::Result<Self> {
        let Some(address) = std::env::var_os("NOTIFY_SOCKET") else {
            return Ok(Self::absent());
        };
        let watches_us = std::env::var("WATCHDOG_PID")
            .ok()
            .is_none_or(|pid| pid.parse() == Ok(std::process::id()));
        let watchdog_period = std::env::var("WATCHDOG_USEC")
            .ok()
            .filter(|_| watches_us)
            .and_then(|micros| micros.parse().ok())
            .map(Duration::from_micros);
        Self::at(&address, watchdog_period)
    }

    fn at(address: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let address = match address.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(Path::new(address))?,
        };
        let socket = UnixDatagram::unbound()?;
        // A manager that does not read must not stop us.
        socket.set_nonblocking(true)?;
        Ok(Self {
            manager: Some((socket, address)),
            watchdog_period: watchdog.map(|timeout| timeout / 2).filter(|half| !half.is_zero()),
        })
    }

    /// Returns whether there is somebody to tell.
    #[must_use]
    pub fn is_present(&self) -> bool {
        self.manager.is_some()
    }

    /// Returns how often [`Self::alive`] must be called, if at all.
    #[must_use]
    pub fn watchdog_period(&self) -> Option<Duration> {
        self.watchdog_period
    }

    /// Tells that we serve.
    ///
    /// # Errors
    /// If the manager cannot be told; so with the others.
    pub fn ready(&self) -> io::Result<()> {
        self.tell("READY=1")
    }

    /// Tells that process `pid`, a child of ours, serves in our place.
    ///
    /// Both facts are one message, so that the manager never waits for a main process that has ended.
    ///
    /// # Errors
    /// If the manager cannot be told.
    pub fn child_ready(&self, pid: u32) -> io::Result<()> {
        self.tell(&format!("MAINPID={pid}\nREADY=1"))
    }

    /// Tells the watchdog that the loop turns.
    ///
    /// # Errors
    /// If the manager cannot be told.
    pub fn alive(&self) -> io::Result<()> {
        self.tell("WATCHDOG=1")
    }

    /// Tells that we end.
    ///
    /// # Errors
    /// If the manager cannot be told.
    pub fn stopping(&self) -> io::Result<()> {
        self.tell("STOPPING=1")
    }

    fn tell(&self, state: &str) -> io::Result<()> {
        let Some((socket, address)) = &self.manager else {
            return Ok(());
        };
        socket.send_to_addr(state.as_bytes(), address).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(manager: &UnixDatagram) -> String {
        let mut bytes = [0; 128];
        let len = manager.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..len].to_vec()).unwrap()
    }

    #[test]
    fn the_manager_hears_each_state() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let systemd = Systemd::at(path.as_os_str(), Some(Duration::from_secs(30))).unwrap();
        assert_eq!(systemd.watchdog_period(), Some(Duration::from_secs(15)));

        systemd.ready().unwrap();
        assert_eq!(heard(&manager), "READY=1");
        systemd.child_ready(77).unwrap();
        assert_eq!(heard(&manager), "MAINPID=77\nREADY=1");
        systemd.alive().unwrap();
        assert_eq!(heard(&manager), "WATCHDOG=1");
        systemd.stopping().unwrap();
        assert_eq!(heard(&manager), "STOPPING=1");
    }

    #[test]
    fn an_abstract_socket_is_named_with_an_at_sign() {
        let name = format!("flowtwin-notify-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let systemd = Systemd::at(OsStr::new(&format!("@{name}")), None).unwrap();
        systemd.ready().unwrap();
        assert_eq!(heard(&manager), "READY=1");
        assert_eq!(systemd.watchdog_period(), None);
    }

    #[test]
    fn without_a_manager_nothing_is_said() {
        let systemd = Systemd::absent();
        assert!(systemd.ready().is_ok() && systemd.stopping().is_ok());
    }
}
