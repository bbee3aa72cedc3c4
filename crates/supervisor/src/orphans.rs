//! Children whose end nobody waits for, and of whose end this process has to take notice, as nobody
//! else will: the keeper, whichever program has started it, and all that the first process of a
//! container inherits. Beside them, who serves here.

use net::process::Handle;
use std::{cell::RefCell, collections::HashSet, io, rc::Rc, time::Duration};
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
    /// The workers of a program of another version, which has ended.
    static STRANGERS: RefCell<Vec<Rc<Handle>>> = RefCell::default();
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

/// A worker that another program has started.
pub(crate) fn stranger(process: Handle) -> Rc<Handle> {
    let process = Rc::new(process);
    STRANGERS.with_borrow_mut(|strangers| strangers.push(Rc::clone(&process)));
    process
}

/// Whether a process of that number is one of those that this one has serve, or anything else done:
/// none of them gives orders.
pub(crate) fn is_servant(pid: u32) -> bool {
    let is_stranger = STRANGERS.with_borrow_mut(|strangers| {
        strangers.retain(|stranger| !stranger.has_ended());
        strangers.iter().any(|stranger| stranger.pid() == Some(pid))
    });
    is_stranger || OWN.with_borrow(|own| own.contains(&pid))
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
