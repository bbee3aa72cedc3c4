//! What signals mean to a supervisor.

use super::Happening;
use crate::machine::Event;
use std::{io, panic, process};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc::UnboundedSender,
    task::spawn_local,
};

/// Has signals heard as nginx's users expect.
pub(super) fn catch(happenings: &UnboundedSender<Happening>) -> io::Result<()> {
    let stop = |kind: SignalKind, is_gentle| {
        let signal = u8::try_from(kind.as_raw_value()).unwrap_or(0);
        move || Happening::Event(Event::Stop { signal, is_gentle })
    };
    type What = Box<dyn Fn() -> Happening>;
    let signals: [(SignalKind, What); 6] = [
        (SignalKind::interrupt(), Box::new(stop(SignalKind::interrupt(), false))),
        (SignalKind::terminate(), Box::new(stop(SignalKind::terminate(), false))),
        (SignalKind::quit(), Box::new(stop(SignalKind::quit(), true))),
        (SignalKind::hangup(), Box::new(|| Happening::Event(Event::Load))),
        (SignalKind::user_defined1(), Box::new(|| Happening::Reopen)),
        (SignalKind::user_defined2(), Box::new(|| Happening::Upgrade)),
    ];
    for (kind, what) in signals {
        net::failpoint::call()?;
        let mut signal = signal(kind)?;
        let happenings = happenings.clone();
        spawn_local(async move {
            while signal.recv().await.is_some() {
                let _ = happenings.send(what());
            }
        });
    }
    Ok(())
}

/// Has a panic be a death like any other: nothing is taken away on the way out that the next
/// process could go on with.
pub(super) fn die_of_panics() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        tell(panic);
        process::abort();
    }));
}
