//! From a plan and its sockets to the last answer: starts the loops and waits for a signal.

use crate::{
    greeting::{self, Greeting},
    trouble::Trouble,
};
use config::plan::{Listen, LogFormat, Plan};
use net::listener::Listening;
use std::{
    future::{Future, poll_fn},
    io,
    pin::{Pin, pin},
    process::ExitCode,
    task::Poll,
    thread,
    time::Duration,
};
use supervisor::{Sockets, Tickets, sockets};
use tokio::{
    runtime::Builder,
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
    time::timeout,
};
use worker::{Listener, Live, Renewer, Setup};

/// What a shell adds to a signal's number in the exit code of a process that it ended.
const EXIT_SIGNAL: u8 = 128;

/// How long a process that a second signal ends may take for its last line.
const FAREWELL_TIME: Duration = Duration::from_secs(2);

/// How often it is asked whether certificates are others by now, in milliseconds.
const LOOK_MS: u64 = 5000;

/// What goes on beside serving.
pub(crate) struct Beside {
    /// The folder that pages follow, where they do.
    pub(crate) live: Option<Live>,
    /// What TLS needs, where that is spoken.
    pub(crate) tls: Option<Secrets>,
}

/// What TLS needs that becomes another from time to time.
pub(crate) struct Secrets {
    /// The keys of tickets.
    pub(crate) tickets: Tickets,
    /// The same plan with other certificates, if there are any.
    pub(crate) anew: Box<dyn FnMut() -> Option<Plan> + Send>,
}

/// Serves until a signal says to stop; what is under way then may finish. A second signal cuts that
/// off, and its number is in the exit code.
pub(crate) fn serve(
    plan: Plan,
    (mut sockets, wanted): (Sockets, &[Listen]),
    Beside { live, tls }: Beside,
    greeting: &Greeting,
) -> Result<ExitCode, Trouble> {
    let loops = greeting.loops;
    let trouble = |error: &dyn std::fmt::Display| Trouble::new(1, format!("error: {error}"));
    sockets::check_room(loops, wanted.len())?;
    sockets.widen(wanted, loops).map_err(|error| trouble(&error))?;
    // In this order, so that the files go first where this fails.
    let (by_loop, files) = sockets.part(wanted, loops).map_err(|error| trouble(&error))?;
    // The plan lives as long as the process: nobody ever has to ask which one is in force.
    let plan: &'static Plan = Box::leak(Box::new(plan));
    let is_json = match plan.logs.access.first().map(|log| &log.format) {
        Some(LogFormat::Json) => true,
        Some(LogFormat::Pretty) => false,
        _ => !greeting::is_terminal(),
    };
    let first = if is_json { greeting.json() } else { greeting.pretty() };

    // Signals are caught before anybody can know that there is something to stop.
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|e| trouble(&e))?;
    let mut signals = {
        let _guard = runtime.enter();
        Signals::new().map_err(|error| trouble(&error))?
    };
    let tickets = tls.as_ref().map(|tls| tls.tickets.keys()).unwrap_or_default();
    let setup = Setup::alone(plan, loops).map(|setup| Setup { live, tickets, ..setup });
    let mut worker = setup.and_then(worker::start).map_err(|error| trouble(&error))?;
    worker.say(&first);
    tls.map(|tls| renew(tls, worker.renewer())).transpose().map_err(|error| trouble(&error))?;
    let (stopper, reopener) = (worker.stopper(), worker.reopener());
    let mut hurried = None;
    worker.run(by_loop.into_iter().map(listeners).collect(), async {
        signals.next(|| reopener.reopen()).await;
        // While the sockets are open, nobody else can have put a file of the same identity there.
        drop(files);
        stopper.stop();
        hurried = Some(signals.next(|| reopener.reopen()).await);
        stopper.stop_at_once();
    });

    // What is left: the other loops, and the last log lines.
    let (ended, mut end) = oneshot::channel();
    let wait = move || {
        worker.wait(|totals| greeting::farewell(totals, is_json));
        let _ = ended.send(());
    };
    thread::Builder::new().spawn(wait).map_err(|error| trouble(&error))?;
    runtime.block_on(async {
        let number = match hurried {
            Some(number) => number,
            None => match signals.next_unless(&mut end).await {
                Some(number) => number,
                None => return Ok(ExitCode::SUCCESS),
            },
        };
        stopper.stop_at_once();
        // Who is in a hurry even now sends a third one.
        let _ = timeout(FAREWELL_TIME, signals.next_unless(&mut end)).await;
        Ok(ExitCode::from(EXIT_SIGNAL.saturating_add(number)))
    })
}

/// Has other secrets used whenever there are any, from a thread of its own.
fn renew(Secrets { tickets, mut anew }: Secrets, renewer: Renewer) -> io::Result<()> {
    let period = Duration::from_millis(net::failpoint::number("look", LOOK_MS));
    let renew = move || {
        loop {
            // The clock of the wall may be set meanwhile, so no long sleep would be of use.
            thread::park_timeout(period);
            tickets.renew();
            anew().iter().for_each(|plan| renewer.renew(plan));
        }
    };
    thread::Builder::new().name("gannet-renewal".to_owned()).spawn(renew).map(drop)
}

/// Sockets as a loop has them.
pub(crate) fn listeners(sockets: Vec<(usize, Listening)>) -> Vec<Listener> {
    sockets.into_iter().map(|(number, socket)| Listener { number, socket }).collect()
}

/// The signals that this process looks out for.
struct Signals {
    /// Those that stop it, each with its number.
    stopping: Vec<(Signal, u8)>,
    /// The one that says that log files were moved away.
    reopening: Signal,
    /// One that means something to other servers and must not end this one.
    _harmless: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let mut stopping = Vec::new();
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            // Whoever started it with `nohup` means it to outlive the terminal.
            let number = kind.as_raw_value();
            if kind != SignalKind::hangup() || !net::process::is_ignored(number) {
                stopping.push((signal(kind)?, u8::try_from(number).unwrap_or(0)));
            }
        }
        let reopening = signal(SignalKind::user_defined1())?;
        Ok(Self { stopping, reopening, _harmless: signal(SignalKind::user_defined2())? })
    }

    /// Waits for the next signal to stop: its number. Meanwhile those to reopen the logs are heard.
    async fn next(&mut self, reopen: impl Fn()) -> u8 {
        poll_fn(|context| {
            while self.reopening.poll_recv(context).is_ready() {
                reopen();
            }
            for (signal, number) in &mut self.stopping {
                if signal.poll_recv(context).is_ready() {
                    return Poll::Ready(*number);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Waits for the next signal, or in vain until `end` comes.
    async fn next_unless(&mut self, end: &mut oneshot::Receiver<()>) -> Option<u8> {
        let mut next = pin!(self.next(|| ()));
        poll_fn(|context| match Pin::new(&mut *end).poll(context) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => next.as_mut().poll(context).map(Some),
        })
        .await
    }
}
