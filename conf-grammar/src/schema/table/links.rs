//! `Multicast`, `UDP` and `TCP`.

use super::row::{ANY_NUMBER, BOOL, PORT, REMOVE, SOCKET_BUFFER, SYSTEM, or_zero, value};
use crate::schema::{BlockSpec, ClauseSpec, Content, Kind, Status};

const ALL_ADDRESSES: &str = "all local addresses, with a warning";
const WRONG_ADDRESS: &str =
    "a wrong address is an error; the stock daemon warns and listens on all local addresses";
const NO_PEER: &str = "must be given; the stock daemon takes the unspecified address";
const NO_PORT: &str =
    "must be given, and within the range; the stock daemon takes 0, and cuts the rest to 16 bits";

const INTERFACE: ClauseSpec = value("Interface", &[Kind::Interface])
    .required()
    .since("0.9.6")
    .doc(
        "The device of the link. Its MTU bounds the datagrams, its state is watched, and link-local IPv6 \
         addresses are those on it. Unicast traffic is routed, not bound to it.",
    )
    .differs("names may look like anything; the stock daemon refuses `ae0`, which could be an address, and names that begin with a digit");

const SEND_BUFFER: ClauseSpec = value("SndSocketBuffer", SOCKET_BUFFER)
    .unset(SYSTEM)
    .since("0.9.12")
    .doc("Send buffer of the link, which the kernel doubles. `net.core.wmem_max` does not bound it.");

const RECEIVE_BUFFER: ClauseSpec = value("RcvSocketBuffer", SOCKET_BUFFER)
    .unset(SYSTEM)
    .since("0.9.12")
    .doc("Receive buffer of the link, which the kernel doubles. `net.core.rmem_max` does not bound it.");

const OLD_SEND_BUFFER: ClauseSpec = value("McastSndSocketBuffer", SOCKET_BUFFER)
    .status(Status::Renamed("SndSocketBuffer"))
    .since("0.9.7")
    .doc("The name from the time when all links were multicast.")
    .until("1.4.4");

const OLD_RECEIVE_BUFFER: ClauseSpec = value("McastRcvSocketBuffer", SOCKET_BUFFER)
    .status(Status::Renamed("RcvSocketBuffer"))
    .since("0.9.7")
    .doc("The name from the time when all links were multicast.")
    .until("1.4.4");

const CHECKSUM: ClauseSpec = value("Checksum", BOOL)
    .on()
    .since("0.9.10")
    .doc("UDP checksums of what is sent. Without them, damaged messages are applied as they are.");

const LOCAL_IPV4: ClauseSpec = value("IPv4_address", &[Kind::Ipv4])
    .unset(ALL_ADDRESSES)
    .since("0.9.12")
    .doc("The node's own address on the link.")
    .differs(WRONG_ADDRESS);

const LOCAL_IPV6: ClauseSpec = value("IPv6_address", &[Kind::Ipv6])
    .unset(ALL_ADDRESSES)
    .since("0.9.12")
    .doc("The node's own address on the link.")
    .differs(WRONG_ADDRESS);

const PEER_IPV4: ClauseSpec = value("IPv4_Destination_Address", &[Kind::Ipv4])
    .unless("IPv6_Destination_Address")
    .since("0.9.12")
    .doc("Address of the peer.")
    .differs(NO_PEER);

const PEER_IPV6: ClauseSpec = value("IPv6_Destination_Address", &[Kind::Ipv6])
    .unless("IPv4_Destination_Address")
    .since("0.9.12")
    .doc("Address of the peer.")
    .differs(NO_PEER);

const UNICAST_PORT: ClauseSpec = value("Port", PORT)
    .required()
    .since("0.9.12")
    .doc("Port of both ends.")
    .differs(NO_PORT);

pub(super) static MULTICAST: BlockSpec = BlockSpec {
    title: "`Multicast`",
    intro: "A link over a multicast group: every node sends to it and listens to it. All addresses are of \
            one family.",
    refused: None,
    content: Content::Clauses(&[
        value("IPv4_address", &[Kind::Ipv4])
            .unless("IPv6_address")
            .doc("The group, an address of 224.0.0.0/4."),
        value("IPv6_address", &[Kind::Ipv6])
            .unless("IPv4_address")
            .doc("The group, an address of ff00::/8."),
        value("IPv4_interface", &[Kind::Ipv4])
            .unset("the device that `Interface` names")
            .doc("A local address; the group is joined, and sent to, on the device that carries it.")
            .differs("without it `Interface` counts; the stock daemon lets routing decide"),
        value("IPv6_interface", &[Kind::AnyAddress])
            .status(Status::Redundant(
                "the interface is the one that `Interface` names",
            ))
            .doc("The device, by an address."),
        INTERFACE.doc(
            "The device of the link. Its MTU bounds the datagrams, its state is watched, and IPv6 groups are \
             joined on it. Old files may leave it out and give `IPv4_interface`.",
        ),
        value("Group", PORT)
            .required()
            .doc("UDP port of the group; the name is historical.")
            .differs(NO_PORT),
        SEND_BUFFER,
        RECEIVE_BUFFER,
        OLD_SEND_BUFFER,
        OLD_RECEIVE_BUFFER,
        CHECKSUM,
        value("Backlog", ANY_NUMBER)
            .status(Status::Ignored(REMOVE))
            .doc("Without effect ever since 0.9.4.")
            .until("1.4.4"),
    ]),
};

/// The clauses of a link to one peer, and what a transport has besides.
macro_rules! of_one_peer {
    [$($clause:expr),* $(,)?] => {
        Content::Clauses(&[
            LOCAL_IPV4,
            LOCAL_IPV6,
            PEER_IPV4,
            PEER_IPV6,
            INTERFACE,
            UNICAST_PORT,
            SEND_BUFFER,
            RECEIVE_BUFFER,
            OLD_SEND_BUFFER,
            OLD_RECEIVE_BUFFER,
            $($clause),*
        ])
    };
}

pub(super) static UDP: BlockSpec = BlockSpec {
    title: "`UDP`",
    intro: "A link to one peer over UDP. Both addresses are of one family.",
    refused: None,
    content: of_one_peer![CHECKSUM],
};

pub(super) static TCP: BlockSpec = BlockSpec {
    title: "`TCP`",
    intro: "A link to one peer over TCP: each node listens on its own address and connects to that of the \
            peer. It loses nothing by itself, so `Mode NOTRACK` is the one for it.",
    refused: None,
    content: of_one_peer![
        CHECKSUM.doc("Without effect: TCP always has checksums."),
        value("ErrorQueueLength", &[Kind::Uint(or_zero(1, 65_535, "messages"))])
            .number(128)
            .since("0.9.14")
            .doc(
                "Messages that wait for a connection; when there are more, the oldest goes. There is one \
                 queue for all links.",
            )
            .differs("holds while there is no connection; 16,384 datagrams' worth may wait for room in one"),
    ],
};
