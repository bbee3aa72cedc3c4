//! From a plan and its sockets to the last answer: starts the loops and waits for a signal.

use crate::{
    greeting::{self, Greeting},
    listening::Sockets,
    trouble::Trouble,
};
use config::plan::{LogFormat, Plan};
use std::{future::poll_fn, process, task::Poll, thread};
use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

/// What a process that a second signal ended says: as a shell reports SIGINT.
const EXIT_INTERRUPTED: i32 = 130;

/// Serves until a signal says to stop; what is under way then may finish. A second signal ends the
/// process at once.
pub(crate) fn serve(plan: Plan, sockets: Sockets, greeting: &Greeting) -> Result<(), Trouble> {
    check_descriptors(&sockets)?;
    // The plan lives as long as the process: nobody ever has to ask which one is in force.
    let plan: &'static Plan = Box::leak(Box::new(plan));
    let is_json = match plan.log.format {
        LogFormat::Json => true,
        LogFormat::Pretty => false,
        LogFormat::Off => !greeting::is_terminal(),
    };
    let first = if is_json { greeting.json() } else { greeting.pretty() };
    let trouble = |error: &dyn std::fmt::Display| Trouble::new(1, format!("error: {error}"));

    // Signals are caught before anybody can know that there is something to stop.
    let runtime = Builder::new_current_thread().enable_io().build().map_err(|e| trouble(&e))?;
    let mut signals = {
        let _guard = runtime.enter();
        Signals::new().map_err(|error| trouble(&error))?
    };
    let worker = worker::start(plan, sockets.by_loop, &first).map_err(|error| trouble(&error))?;

    runtime.block_on(signals.next());
    worker.stop();
    let (ended, end) = oneshot::channel();
    let wait = move || {
        worker.wait(|totals| greeting::farewell(totals, is_json));
        let _ = ended.send(());
    };
    thread::Builder::new().spawn(wait).map_err(|error| trouble(&error))?;
    if !runtime.block_on(signals.next_unless(end)) {
        process::exit(EXIT_INTERRUPTED);
    }
    Ok(())
}

/// Refuses to start where so few descriptors may be open that some loop, though it holds a socket
/// that the kernel gives connections to, could not accept them.
fn check_descriptors(sockets: &Sockets) -> Result<(), Trouble> {
    // As /proc shows them: a runtime holds four, and each of its sockets twice.
    const LOOP: usize = 4;
    const SOCKET: usize = 2;
    // The process's own, and enough to serve a few clients at least.
    const OTHERS: usize = 32;
    let loops = sockets.by_loop.len();
    let needed = OTHERS + loops * (LOOP + SOCKET * sockets.addresses.len());
    let allowed = net::process::raise_descriptor_limit();
    if allowed >= needed as u64 {
        return Ok(());
    }
    let message = format!(
        "error: {loops} event loops need {needed} open files, and this user may have {allowed}: \
         run fewer with --threads N or `threads`, or raise the limit (ulimit -Hn)"
    );
    Err(Trouble::new(1, message))
}

/// The signals that stop the server.
struct Signals(Vec<Signal>);

impl Signals {
    fn new() -> std::io::Result<Self> {
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        // Who starts it by nohup wants it to stay when the terminal goes.
        if !net::process::ignores_hangup() {
            kinds.push(SignalKind::hangup());
        }
        kinds.into_iter().map(signal).collect::<Result<_, _>>().map(Self)
    }

    async fn next(&mut self) {
        poll_fn(|context| {
            let is_ready = self.0.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
            if is_ready { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Waits for `end` or the next signal; false if the signal came first.
    async fn next_unless(&mut self, mut end: oneshot::Receiver<()>) -> bool {
        use std::{future::Future, pin::Pin};
        poll_fn(|context| {
            if Pin::new(&mut end).poll(context).is_ready() {
                return Poll::Ready(true);
            }
            let is_ready = self.0.iter_mut().any(|signal| signal.poll_recv(context).is_ready());
            if is_ready { Poll::Ready(false) } else { Poll::Pending }
        })
        .await
    }
}
