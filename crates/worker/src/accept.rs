//! Taking connections: within the limits, and without burning a core when descriptors run out.

use crate::{
    connection::Connection,
    core::Core,
    flow::SERVER_LOG,
    log::{Incident, Kind},
    record::{About, End, Subject},
    turned_away::CONTENT_BYTES,
};
use control::Counter;
use message::Status;
use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    rc::Rc,
    time::Duration,
};
use tokio::net::{TcpListener, TcpStream};

/// The first and the longest pause of a loop that cannot accept for want of descriptors or memory.
const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Accepts from the listener of that number until the task is stopped.
pub(crate) async fn accept(listener: TcpListener, number: usize, core: Rc<Core>) {
    let mut pause = PAUSE_MIN;
    loop {
        match listener.accept().await {
            Ok((socket, client)) => {
                pause = PAUSE_MIN;
                take(socket, client, number, &core);
            }
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                // Not for want of a client: descriptors or memory have run out. An idle connection
                // gives way; those that wait in the backlog are not lost meanwhile.
                core.count(Counter::Exhausted);
                core.report(&Incident::new(Kind::Exhausted, &error.to_string()));
                core.turned_away.close_all();
                if core.watch.evict_oldest() {
                    core.count(Counter::Evicted);
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// Gives a connection its task, or turns it away.
fn take(socket: TcpStream, client: SocketAddr, listener: usize, core: &Rc<Core>) {
    net::failpoint::hit("accept");
    core.count(Counter::Connections);
    let capacity = &core.plan.capacity;
    if core.clients.total() >= capacity.connections_max {
        if !core.watch.evict_oldest() {
            return turn_away(socket, client, "too many connections", core);
        }
        core.count(Counter::Evicted);
    }
    match core.clients.enter(client.ip(), capacity.connections_per_client_max) {
        Some(seat) => {
            let connection =
                Connection::new(socket, (client.ip(), listener), seat, Rc::clone(core));
            tokio::task::spawn_local(connection);
            core.sweeper.notify_one();
        }
        None => turn_away(socket, client, "too many connections from this address", core),
    }
}

fn turn_away(socket: TcpStream, client: SocketAddr, reason: &'static str, core: &Core) {
    core.count(Counter::TurnedAway);
    let tick = core.tick();
    let until = tick.now.after(core.plan.limits.linger_time);
    core.turned_away.answer(socket, &core.date(tick), until);
    let status = Status::SERVICE_UNAVAILABLE;
    let end = End { status, bytes: CONTENT_BYTES, us: 0, reason: Some(reason) };
    let about =
        About { client: Some(client.ip()), id: None, user: None, subject: Subject::Refused(b"") };
    let dropped = core.log.borrow_mut().record(SERVER_LOG, about, &end, tick.now);
    core.count_many(Counter::LinesDropped, dropped);
    let incident = Incident {
        about: Some(about),
        status: Some(status),
        ..Incident::new(Kind::TurnedAway, reason)
    };
    core.report(&incident);
    core.sweeper.notify_one();
}

/// Whether one connection failed before it was accepted, which says nothing of the next one.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}
