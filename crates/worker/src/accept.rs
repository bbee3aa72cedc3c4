//! Taking connections: within the limits, and without burning a core when descriptors run out.

use crate::{connection::Connection, core::Core};
use control::Counter;
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

/// What a connection over a limit is told.
const TURNED_AWAY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nserver: gannet\r\n\
    content-type: text/plain\r\ncontent-length: 21\r\nretry-after: 1\r\nconnection: close\r\n\r\n\
    too many connections\n";

/// Accepts until the task is stopped.
pub(crate) async fn accept(listener: TcpListener, core: Rc<Core>) {
    let mut pause = PAUSE_MIN;
    loop {
        match listener.accept().await {
            Ok((socket, client)) => {
                pause = PAUSE_MIN;
                take(socket, client, &core);
            }
            Err(error) if is_the_clients(&error) => {}
            Err(_) => {
                // Not for want of a client: descriptors or memory have run out. An idle connection
                // gives way; those that wait in the backlog are not lost meanwhile.
                core.count(Counter::Exhausted);
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
fn take(socket: TcpStream, client: SocketAddr, core: &Rc<Core>) {
    net::failpoint::hit("accept");
    core.count(Counter::Connections);
    let capacity = &core.plan.capacity;
    if core.clients.total() >= capacity.connections_max {
        if !core.watch.evict_oldest() {
            return turn_away(&socket, core);
        }
        core.count(Counter::Evicted);
    }
    match core.clients.enter(client.ip(), capacity.connections_per_client_max) {
        Some(seat) => {
            let connection = Connection::new(socket, client.ip(), seat, Rc::clone(core));
            tokio::task::spawn_local(connection);
            core.sweeper.notify_one();
        }
        None => turn_away(&socket, core),
    }
}

fn turn_away(socket: &TcpStream, core: &Core) {
    core.count(Counter::TurnedAway);
    // The send buffer of a new connection has room for this.
    let _ = socket.try_write(TURNED_AWAY);
}

/// Whether one connection failed before it was accepted, which says nothing of the next one.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}
