//! Why a link cannot be opened.

use std::io;
use std::net::IpAddr;

/// Why a link could not be opened; the caller knows which one and where it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There is no such interface.
    #[error("interface `{name}` does not exist")]
    NoInterface {
        /// Its name.
        name: String,
    },
    /// No interface has the address by which the link finds its own.
    #[error("no interface carries address {address}")]
    NoCarrier {
        /// The address.
        address: IpAddr,
    },
    /// The local address belongs to another machine.
    #[error("address {address} is not on this machine")]
    AddressNotLocal {
        /// The address.
        address: IpAddr,
    },
    /// Somebody else receives there.
    #[error("port {port} of {address} is in use by another program")]
    PortInUse {
        /// The local address.
        address: IpAddr,
        /// The port.
        port: u16,
    },
    /// One address is IPv4, the other IPv6.
    #[error("{local} and {peer} are of different families")]
    MixedFamilies {
        /// The local address.
        local: IpAddr,
        /// The peer's.
        peer: IpAddr,
    },
    /// The process may not do that.
    #[error("no permission to {operation}: CAP_NET_ADMIN is needed")]
    NoPermission {
        /// What was tried.
        operation: &'static str,
    },
    /// Anything else.
    #[error("cannot {operation}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl LinkError {
    /// Returns a closure for `map_err` that names the operation.
    pub(super) fn at(operation: &'static str) -> impl Fn(io::Error) -> Self {
        move |source| {
            if source.kind() == io::ErrorKind::PermissionDenied {
                Self::NoPermission { operation }
            } else {
                Self::Io { operation, source }
            }
        }
    }
}
