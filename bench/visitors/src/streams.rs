//! Visitors who speak HTTP/2, with many requests at once.

use super::{Met, Outcome, PATIENCE, REFUSED_REST, visitor};
use e2e::{
    frames::{OPENING, Wire, ask_on},
    response::{Bytes, Checked, Fault},
};
use rustls::{ClientConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;

/// Asks on one connection after the other, each as long as the server keeps it.
pub(super) fn ask_until(
    is_over: &AtomicBool,
    address: SocketAddr,
    pem: Option<&str>,
) -> Outcome<Met> {
    let secure = match pem {
        None => None,
        Some(pem) => {
            let mut visitor = (*visitor(pem, true)?).clone();
            visitor.alpn_protocols = vec![b"h2".to_vec()];
            Some(Arc::new(visitor))
        }
    };
    let (answered, mut refused, mut cut) = (AtomicU32::new(0), 0, 0);
    while !is_over.load(Ordering::Relaxed) {
        let Ok(socket) = TcpStream::connect(address) else {
            refused += 1;
            thread::sleep(REFUSED_REST);
            continue;
        };
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let met = match &secure {
            None => ask(Peer(socket), is_over, &answered),
            Some(visitor) => {
                let tls = ClientConnection::new(Arc::clone(visitor), "localhost".try_into()?)?;
                ask(Peer(StreamOwned::new(tls, socket)), is_over, &answered)
            }
        };
        cut += usize::from(met.is_err());
    }
    Ok([usize::try_from(answered.into_inner())?, refused, cut, 0])
}

fn ask(mut peer: impl Wire, is_over: &AtomicBool, answered: &AtomicU32) -> Checked<()> {
    peer.put(OPENING)?;
    ask_on(&mut peer, ("/page.html", None), (is_over, answered))
}

/// Whom frames come from and go to.
struct Peer<S>(S);

impl<S: Read> Bytes for Peer<S> {
    fn line(&mut self) -> Checked<Vec<u8>> {
        Err(Fault("frames have no lines".to_owned()))
    }

    fn exactly(&mut self, count: usize) -> Checked<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).map_err(|error| Fault(error.to_string()))?;
        Ok(bytes)
    }

    fn rest(&mut self) -> Checked<Vec<u8>> {
        Err(Fault("frames have no end".to_owned()))
    }
}

impl<S: Read + Write> Wire for Peer<S> {
    fn put(&mut self, bytes: &[u8]) -> Checked<()> {
        self.0.write_all(bytes).map_err(|error| Fault(error.to_string()))
    }
}
