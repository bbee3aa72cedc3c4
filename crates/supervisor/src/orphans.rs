//! Children whose end nobody waits for, and of whose end this process has to take notice, as nobody
//! else will: the keeper, whichever program has started it, and all that the first process of a
//! container inherits.

use std::{cell::RefCell, collections::HashSet, io, time::Duration};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::spawn_local,
    time::sleep,
};

/// How long those who wait for a child of their own are given to do so.
const PAUSE: Duration = Duration::from_millis(20);

thread_local! {
    /// The children that this process has started, and whose end somebody waits for.
    static OWN: RefCell<HashSet<u32>> = RefCell::default();
}

/// A child that somebody waits for, as long as this is there.
pub(crate) struct Own(u32);

impl Own {
    /// The child of that number.
    pub(crate) fn new(pid: u32) -> Self {
        OWN.with_borrow_mut(|own| own.insert(pid));
        Self(pid)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        OWN.with_borrow_mut(|own| own.remove(&self.0));
    }
}

/// How many there are whose end somebody waits for.
pub(crate) fn awaited() -> usize {
    OWN.with_borrow(HashSet::len)
}

/// Takes notice of the end of all that nobody waits for.
///
/// # Errors
///
/// There is no way to hear of it.
pub(crate) fn adopt() -> io::Result<()> {
    let mut ends = signal(SignalKind::child())?;
    spawn_local(async move {
        loop {
            while let Some(pid) = net::process::ended_child() {
                if OWN.with_borrow(|own| own.contains(&pid)) {
                    sleep(PAUSE).await;
                } else {
                    net::process::forget_child(pid);
                }
            }
            if ends.recv().await.is_none() {
                return;
            }
        }
    });
    Ok(())
}
