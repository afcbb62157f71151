//! Which addresses this machine has.

use std::io;
use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;

use super::socket::ip_addr;

/// An interface and an address that it carries; one without any has one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalAddress {
    /// Name of the interface.
    pub interface: String,
    /// The address, if it is an IP address.
    pub address: Option<IpAddr>,
}

/// Returns all interfaces with their addresses.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn local_addresses() -> io::Result<Vec<LocalAddress>> {
    let entries = getifaddrs()?.map(|entry| LocalAddress {
        interface: entry.interface_name,
        address: entry.address.as_ref().and_then(ip_addr),
    });
    Ok(entries.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_there() {
        let known = local_addresses().unwrap();
        assert!(known.iter().any(|known| known.interface == "lo"), "{known:?}");
    }
}
