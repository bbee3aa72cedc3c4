//! What has to be settled before a connection's first request is read: on some listeners a balancer
//! says first who the client is, by the PROXY protocol.

use crate::{
    account::SERVER_LOG,
    core::Core,
    log::{Incident, Kind},
    record::{About, End, Subject},
};
use config::plan::Capacity;
use control::{
    Counter, Seat,
    clients::{Entry, Room},
};
use message::{Status, limits::Exceeded};
use std::net::IpAddr;

/// How far a connection has come.
pub(crate) enum Admission {
    /// Its header is due.
    HeaderDue,
    /// Requests are read.
    Open,
    /// Its client turned out to have as many connections as it may have: the first request is the
    /// last, and is told so.
    OneTooMany,
    /// TLS is spoken here, and it has begun without: the first request is the last, and is told so.
    InClear,
}

/// What the bytes so far have settled.
pub(crate) enum Introduction {
    /// Nothing: more of them are needed.
    NotYet,
    /// The client, behind so many bytes of header, and its own seat where it has one.
    Of(Option<IpAddr>, usize, Admission, Option<Seat>),
    /// That they will never be a header.
    Malformed,
}

/// Why a client is turned away that has as many connections as it may have.
pub(crate) const TOO_MANY_OF_CLIENT: &str =
    "more connections from this address than `connections-per-client-max` allows";

/// Why anybody is turned away where there are as many connections as there may be.
pub(crate) const TOO_MANY: &str = "more connections than `connections-max` allows";

/// Why a connection is shut out, as the log says it.
pub(crate) const MALFORMED: &str = "no header of the PROXY protocol";
pub(crate) const LATE: &str = "the header of the PROXY protocol came too late";
pub(crate) const STRANGER: &str = "the PROXY protocol, from nobody who is trusted";

impl Admission {
    /// Where a connection to the listener of that number begins.
    pub(crate) fn of(core: &Core, listener: usize) -> Self {
        let listen = core.plan.listen.get(listener);
        if listen.is_some_and(|listen| listen.proxy_protocol) {
            Self::HeaderDue
        } else {
            Self::Open
        }
    }
}

/// The limit of one client's connections.
pub(crate) fn of_client(capacity: &Capacity) -> Exceeded {
    let most = capacity.connections_per_client_max as usize;
    Exceeded { setting: "connections-per-client-max", most, unit: "connections" }
}

/// The limit of all connections.
pub(crate) fn of_all(capacity: &Capacity) -> Exceeded {
    Exceeded { setting: "connections-max", most: capacity.connections_max, unit: "connections" }
}

/// Whether somebody at `address` may send a header: anybody where no proxies are named.
pub(crate) fn may_introduce(core: &Core, address: Option<IpAddr>) -> bool {
    !core.plan.has_proxies() || core.plan.trusts(address)
}

/// Reads the header at the start of `unread` on a connection from `peer`.
pub(crate) fn introduce(core: &Core, peer: Option<IpAddr>, unread: &[u8]) -> Introduction {
    let header = match proxy_protocol::parse(unread) {
        Ok(Some(header)) => header,
        Ok(None) => return Introduction::NotYet,
        Err(_) => return Introduction::Malformed,
    };
    let Some(source) = header.source else {
        return Introduction::Of(peer, header.bytes, Admission::Open, None);
    };
    let client = Some(source.ip().to_canonical());
    let max = core.plan.capacity.connections_per_client_max;
    match core.clients.enter(client.filter(|_| !core.plan.trusts(client)), max, core.now()) {
        Entry::Counted(seat, room) => {
            core.count_many(Counter::Uncounted, u64::from(room == Room::None));
            Introduction::Of(client, header.bytes, Admission::Open, Some(seat))
        }
        Entry::Full => Introduction::Of(client, header.bytes, Admission::OneTooMany, None),
    }
}

/// Counts and puts down that a connection is closed without an answer, as nobody knows whose it is.
pub(crate) fn shut_out(core: &Core, peer: Option<IpAddr>, reason: &'static str) {
    core.count(Counter::ShutOut);
    let end = End { status: Status::BAD_REQUEST, bytes: 0, us: 0, reason: Some(reason) };
    let about = About {
        client: peer,
        id: None,
        user: None,
        certificate: None,
        subject: Subject::Refused(b""),
    };
    let dropped = core.log.borrow_mut().record(SERVER_LOG, about, &end, core.tick());
    core.count_many(Counter::LinesDropped, dropped);
    core.report(&Incident { about: Some(about), ..Incident::new(Kind::Refused, reason) });
}
