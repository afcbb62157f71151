//! Interfaces and addresses of the links.

use std::net::IpAddr;

use conf_grammar::{Code, Diagnostic, Interface, Link, Links, MulticastGroup, Span};
use io::link::{LinkError, LocalAddress, local_addresses};
use io::process::{reason, sysctl};

pub(super) fn check(links: &Links, findings: &mut Vec<Diagnostic>) {
    match local_addresses() {
        Ok(addresses) => Machine(addresses).check(links, findings),
        Err(error) => {
            let message = format!("the kernel does not tell its interfaces: {}", reason(&error));
            findings.push(Diagnostic::error(Code::NoSuchInterface, Span::START, message));
        }
    }
}

/// The interfaces of this machine and their addresses.
pub(super) struct Machine(pub(super) Vec<LocalAddress>);

impl Machine {
    pub(super) fn check(&self, links: &Links, findings: &mut Vec<Diagnostic>) {
        match links {
            Links::Udp(links) | Links::Tcp { links, .. } => {
                for link in links.as_slice() {
                    let local = link.transport.addresses.local();
                    self.check_link(link, Some((local.value, local.span)), findings);
                }
            }
            Links::Multicast(links) => {
                for link in links.as_slice() {
                    let local = match link.transport {
                        MulticastGroup::V4 { local, .. } => {
                            local.value.map(|address| (IpAddr::V4(address), local.span))
                        }
                        MulticastGroup::V6 { .. } => None,
                    };
                    self.check_link(link, local, findings);
                }
            }
        }
    }

    fn check_link<T>(
        &self,
        link: &Link<T>,
        local: Option<(IpAddr, Option<Span>)>,
        findings: &mut Vec<Diagnostic>,
    ) {
        let name = match &link.interface.value {
            Interface::Named(name) => name,
            Interface::Carrying(address) => {
                let address = IpAddr::V4(*address);
                if self.carriers(address).is_some_and(|carriers| carriers.is_empty()) {
                    let message = LinkError::NoCarrier { address }.to_string();
                    findings.push(
                        Diagnostic::error(Code::AddressNotLocal, link.span, message)
                            .with_help("name the interface of the link: `Interface`"),
                    );
                }
                // It is its local address, too.
                return;
            }
        };
        let is_known = self.0.iter().any(|known| known.interface == *name);
        if !is_known {
            let message = LinkError::NoInterface { name: name.clone() }.to_string();
            let place = link.interface.span.unwrap_or(link.span);
            findings.push(
                Diagnostic::error(Code::NoSuchInterface, place, message)
                    .with_help(format!("this machine has {}", self.names().join(", "))),
            );
        }
        let Some((address, place)) = local.filter(|(address, _)| !address.is_unspecified()) else {
            return;
        };
        let place = place.unwrap_or(link.span);
        if let Some(finding) = self.address(address, place) {
            findings.push(finding);
        } else if is_known
            && let Some(carriers) = self.carriers(address)
            && !carriers.contains(&name.as_str())
        {
            let carriers = carriers.join(", ");
            let message = format!("address {address} is not on interface `{name}`, but on {carriers}");
            let mut finding = Diagnostic::warning(Code::InterfaceAddressDiffers, place, message);
            if let Some(interface) = link.interface.span {
                finding = finding.with_related(interface, "the interface of this link");
            }
            findings.push(finding);
        }
    }

    /// Returns what is wrong with a local address, if this machine does not have it.
    fn address(&self, address: IpAddr, place: Span) -> Option<Diagnostic> {
        if self.carriers(address).is_none_or(|carriers| !carriers.is_empty()) {
            return None;
        }
        let message = LinkError::AddressNotLocal { address }.to_string();
        Some(if sysctl::may_use_foreign_addresses(address) {
            Diagnostic::warning(Code::AddressNotLocal, place, message)
                .with_help("the kernel lets it be used all the same (`ip_nonlocal_bind`)")
        } else {
            Diagnostic::error(Code::AddressNotLocal, place, message)
                .with_help("the local address is that of this node, the destination that of the other one")
        })
    }

    /// Returns the interfaces that carry an address; `None` if no interface needs to, for all of
    /// 127.0.0.0/8 is here.
    fn carriers(&self, address: IpAddr) -> Option<Vec<&str>> {
        if address.is_ipv4() && address.is_loopback() {
            return None;
        }
        let carrying = self.0.iter().filter(|known| known.address == Some(address));
        Some(carrying.map(|known| known.interface.as_str()).collect())
    }

    /// Returns the names of all interfaces.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|known| known.interface.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}
