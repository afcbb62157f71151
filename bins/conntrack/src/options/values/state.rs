//! States and roles of connections.

use engine::flow::{DccpRole, DccpState, SctpState, TcpState};

use super::super::Refusal;
use super::super::refusal::shown;

/// Finds the number of a name among those that `name_of` gives to the numbers below 10.
fn find(text: &[u8], name_of: impl Fn(u8) -> &'static str) -> Option<u8> {
    (0..10).find(|state| name_of(*state).as_bytes() == text)
}

/// Reads a state of TCP; `LISTEN` is what old versions called `SYN_SENT2`.
pub(crate) fn tcp(text: &[u8]) -> Result<u8, Refusal> {
    let listen = (text == b"LISTEN").then_some(TcpState::SYN_SENT2.0);
    find(text, |state| TcpState(state).name())
        .or(listen)
        .ok_or_else(|| Refusal::TcpState(shown(text)))
}

/// Reads a state of SCTP.
pub(crate) fn sctp(text: &[u8]) -> Result<u8, Refusal> {
    find(text, |state| SctpState(state).name()).ok_or_else(|| Refusal::SctpState(shown(text)))
}

/// Reads a state of DCCP.
pub(crate) fn dccp(text: &[u8]) -> Result<u8, Refusal> {
    find(text, |state| DccpState(state).name()).ok_or_else(|| Refusal::DccpState(shown(text)))
}

/// The ends of a DCCP connection.
pub(crate) const ROLES: [&str; 2] = ["client", "server"];

/// Returns the states of all protocols, each name once.
pub(crate) fn names() -> Vec<&'static str> {
    let tcp = (0..10).map(|state| TcpState(state).name());
    let sctp = (0..10).map(|state| SctpState(state).name());
    let dccp = (0..10).map(|state| DccpState(state).name());
    let mut names = Vec::new();
    for name in tcp.chain(sctp).chain(dccp) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Reads the end that opened a DCCP connection, in any case and perhaps cut short.
pub(crate) fn role(text: &[u8]) -> Result<DccpRole, Refusal> {
    let begins = |name: &str| {
        let begin = name.as_bytes().get(..text.len());
        begin.is_some_and(|begin| !text.is_empty() && begin.eq_ignore_ascii_case(text))
    };
    let role = (0..).zip(ROLES).find(|(_, name)| begins(name));
    role.map(|(role, _)| DccpRole(role))
        .ok_or_else(|| Refusal::DccpRole(shown(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_found_by_their_exact_names() {
        assert_eq!(tcp(b"ESTABLISHED"), Ok(3));
        assert_eq!(tcp(b"NONE"), Ok(0));
        assert_eq!(tcp(b"LISTEN"), tcp(b"SYN_SENT2"));
        assert_eq!(tcp(b"established"), Err(Refusal::TcpState("established".into())));
        assert_eq!(sctp(b"HEARTBEAT_ACKED"), Ok(9));
        assert_eq!(sctp(b"OPEN"), Err(Refusal::SctpState("OPEN".into())));
        assert_eq!(dccp(b"OPEN"), Ok(4));
        assert_eq!(dccp(b"FOO"), Err(Refusal::DccpState("FOO".into())));
    }

    #[test]
    fn a_role_may_be_cut_short() {
        assert_eq!(role(b"client"), Ok(DccpRole(0)));
        assert_eq!(role(b"S"), Ok(DccpRole(1)));
        assert_eq!(role(b"boss"), Err(Refusal::DccpRole("boss".into())));
        assert_eq!(role(b""), Err(Refusal::DccpRole(String::new())));
    }
}
