//! The collector that spans are sent to.

use super::{Finding, Look};
use crate::visit;
use config::Plan;
use std::{
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    sync::mpsc,
    thread,
    time::Duration,
};

/// How long it may take to let somebody in at one of its addresses, and to be found and let
/// somebody in at all.
const CONNECT_TIME: Duration = Duration::from_secs(2);
const TIME: Duration = Duration::from_secs(10);

/// Whether it can be reached, where spans are sent to one.
pub(super) fn look(plan: &Plan) -> Look {
    let url = plan.otlp.as_ref().map(|otlp| &*otlp.url);
    let place = url.and_then(visit::authority);
    let finding = place.and_then(|(host, port)| {
        let why = reach(host.to_owned(), port).err()?;
        let cause = format!("nobody can be reached there, so that spans wait, and are lost: {why}");
        let cure = "start the collector, or have `otlp` name the one that runs";
        Some(Finding::fault(format!("{host}:{port}"), cause, cure))
    });
    let well = match place {
        Some((host, port)) => format!("{host}:{port} is there"),
        None => "no spans are sent".to_owned(),
    };
    Look { kind: "collector", well, findings: finding.into_iter().collect() }
}

/// Connects to the host at that port; in words, why that cannot be.
fn reach(host: String, port: u16) -> Result<(), String> {
    let (tell, told) = mpsc::channel();
    // Nobody waits for one that is stuck: it ends with this program.
    thread::spawn(move || {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = (bare, port).to_socket_addrs().map_err(|error| error.to_string());
        let _ = tell.send(found.and_then(connect));
    });
    let late = |_| Err("it does not answer in time".to_owned());
    told.recv_timeout(TIME).unwrap_or_else(late)
}

/// Connects to the first of these that lets somebody in.
fn connect(addresses: impl Iterator<Item = SocketAddr>) -> Result<(), String> {
    let mut why = "no address is known for that name".to_owned();
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECT_TIME) {
            Ok(_) => return Ok(()),
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}
