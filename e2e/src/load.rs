//! Clients that ask all the time while something happens to the server.

use crate::Client;
use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
};

/// Does `work` while clients ask, on new connections and on ones that are kept as long as the
/// server keeps them, and none may fail; how often they have asked.
pub fn under_load(addr: SocketAddr, work: impl FnOnce()) -> u32 {
    let (is_over, asked) = (AtomicBool::new(false), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let answer = Client::connect(addr).get("/digits.txt").unwrap();
                    assert_eq!(answer.status, 200);
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            });
            scope.spawn(|| {
                let mut client = Client::connect(addr);
                while !is_over.load(Ordering::Relaxed) {
                    let answer = client.get("/digits.txt").unwrap();
                    assert_eq!(answer.status, 200);
                    asked.fetch_add(1, Ordering::Relaxed);
                    if answer.closes() {
                        client = Client::connect(addr);
                    }
                }
            });
        }
        let _over = Over(&is_over);
        work();
    });
    asked.into_inner()
}

/// Says that all is over when it is dropped, though a test fail.
pub struct Over<'o>(pub &'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
