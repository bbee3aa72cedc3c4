//! Taking connections: within the limits, and without burning a core when descriptors run out.

use crate::{
    account::SERVER_LOG,
    admission::{self, Admission, TOO_MANY, TOO_MANY_OF_CLIENT},
    connection::Connection,
    core::Core,
    log::{Incident, Kind},
    record::{About, End, Subject},
    socket::{Acceptor, Socket},
    sweep::REST_MAX,
    turned_away::CONTENT_BYTES,
};
use control::{
    Counter,
    clients::{Entry, Room},
    trail::Phase,
};
use message::{Status, limits::Exceeded};
use std::{
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr},
    rc::Rc,
    time::Duration,
};

/// The first and the longest pause of a loop that cannot accept for want of descriptors or memory.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Accepts from the listener of that number until the task is stopped.
pub(crate) async fn accept(acceptor: Acceptor, number: usize, core: Rc<Core>) {
    let (mut pause, port) = (PAUSE_MIN, acceptor.port());
    loop {
        match acceptor.accept().await {
            Ok((socket, peer)) => {
                pause = PAUSE_MIN;
                core.trail.go(Phase::Accepting);
                take(socket, (peer, port), number, &core);
                core.trail.go(Phase::Rest);
            }
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                // Not for want of a client: descriptors or memory have run out. An idle connection
                // gives way; those that wait in the backlog are not lost meanwhile.
                core.count(Counter::Exhausted);
                core.report(&Incident::new(Kind::Exhausted, &error.to_string()));
                core.turned_away.close_all();
                if core.watch.evict_oldest(core.now()) {
                    core.count(Counter::Evicted);
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// Gives a connection its task, or turns it away.
fn take(socket: Socket, (peer, port): (Option<SocketAddr>, u16), listener: usize, core: &Rc<Core>) {
    let client = peer.map(|peer| peer.ip());
    net::failpoint::hit("accept");
    core.count_accepted(listener);
    let capacity = &core.plan.capacity;
    if core.clients.connections() >= capacity.connections_max as u64 {
        if !core.watch.evict_oldest(core.now()) {
            let why = (TOO_MANY, admission::of_all(capacity));
            return turn_away(socket, (client, listener), why, core);
        }
        core.count(Counter::Evicted);
    }
    let admission = Admission::of(core, listener);
    let is_introduced = matches!(admission, Admission::HeaderDue);
    if is_introduced && !admission::may_introduce(core, client) {
        return admission::shut_out(core, client, admission::STRANGER);
    }
    // A trusted proxy has the connections of many clients, and whoever introduces others has, too.
    let counted = client.filter(|_| !is_introduced && !core.plan.trusts(client));
    let now = core.tick().now;
    match core.clients.enter(counted, capacity.connections_per_client_max, now) {
        Entry::Counted(seat, room) => {
            core.count_many(Counter::Uncounted, u64::from(room == Room::None));
            let name = core.tell_begin(&socket, peer.map(|peer| (peer, port)));
            let from = (client, listener);
            let connection =
                Connection::new(socket, from, (seat, admission), (name, now), Rc::clone(core));
            tokio::task::spawn_local(connection);
            core.due.by(now.after(REST_MAX));
        }
        Entry::Full => {
            let why = (TOO_MANY_OF_CLIENT, admission::of_client(capacity));
            turn_away(socket, (client, listener), why, core);
        }
    }
}

fn turn_away(
    socket: Socket,
    (client, listener): (Option<IpAddr>, usize),
    (reason, limit): (&'static str, Exceeded),
    core: &Core,
) {
    core.count(Counter::TurnedAway);
    let tick = core.tick();
    let until = tick.now.after(core.plan.limits.linger_time);
    // Where TLS is spoken, nobody would understand it before hands are shaken.
    if !core.speaks_tls(listener) {
        core.turned_away.answer(socket, &core.date(tick), until);
    }
    let status = Status::SERVICE_UNAVAILABLE;
    let end = End { status, bytes: CONTENT_BYTES, us: 0, reason: Some(reason) };
    let about =
        About { client, id: None, user: None, certificate: None, subject: Subject::Refused(b"") };
    let dropped = core.log.borrow_mut().record(SERVER_LOG, about, &end, tick);
    core.count_many(Counter::LinesDropped, dropped);
    let incident = Incident::of(Kind::TurnedAway, reason, about, status);
    core.report(&Incident { limit: Some(limit), ..incident });
}

/// Whether one connection failed before it was accepted, which says nothing of the next one.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}
