//! The processes that the supervisor starts: one looks at a config, the others serve.

mod admin;
mod certs;
mod ear;
mod spans;

use crate::{
    arguments::Role,
    comparing,
    doctor::{self, Warning},
    greeting, machine,
    renewal::{self, Renewal},
    serving, supervising,
    trouble::Trouble,
    verb, walls,
};
use config::{Blueprint, Bundle, Paint, Plan, plan::Address};
use control::{
    Clients, Lives, Recents, Rows, Seats, Tallies, TicketKeys, Trails, finding,
    note::{Note, Order, Question, Report, Verdict},
    status::pack_certificates,
    wish::Outcome,
};
use ear::{Ear, take_files};
use net::{channel, clock, layer::Layer, memory, process, sealed};
use std::{
    future::poll_fn,
    io::{self, ErrorKind},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    path::Path,
    pin::pin,
    process::ExitCode,
    sync::{Arc, mpsc},
    thread,
};
use supervisor::Failure;
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
};
use worker::{Asked, LogFiles, Setup, Signs, Worker};

/// What the look at a config may cost.
const CHECK_CPU_SECONDS: u64 = 30;
const CHECK_MEMORY_BYTES: u64 = 1 << 30;

/// Bytes of a bundle at most: what the look at it could have held.
const BUNDLE_BYTES_MAX: u64 = CHECK_MEMORY_BYTES;

/// Does what the supervisor wants of a process in that role.
pub(crate) fn play(role: Role) -> Result<ExitCode, Trouble> {
    let failed = |error: io::Error| match error.kind() {
        ErrorKind::InvalidInput => {
            let message = "error: `gannet role` is for gannet itself: use `gannet run FILE`";
            Trouble::new(2, message.to_owned())
        }
        _ => Trouble::new(1, format!("error: {error}")),
    };
    let end = channel::inherited().map_err(failed)?;
    let end_there = end.as_fd();
    match role {
        Role::Check => check(end_there).or_else(|error| refuse(end_there, &error)).map_err(failed),
        Role::Trial => {
            rehearse_all(end_there).or_else(|error| refuse(end_there, &error)).map_err(failed)
        }
        Role::Worker => serve(&end).map_err(failed),
        Role::Keeper => keep(end).map_err(failed),
        Role::Certs => certs::issue(end, false).map_err(failed),
        Role::CertsProgram => certs::issue(end, true).map_err(failed),
        Role::Admin => admin::show(&end).map_err(failed),
        Role::Spans => spans::send(&end).map_err(failed),
    }
}

/// Says why nothing can be found out.
fn refuse(end: BorrowedFd<'_>, error: &io::Error) -> io::Result<ExitCode> {
    let verdict = Verdict::Refused { code: 1, text: format!("error: {error}") };
    channel::send(end, &verdict.encode(), &[], true)?;
    Ok(ExitCode::FAILURE)
}

/// Looks at a config, within limits, and hands over what it has found.
fn check(end: BorrowedFd<'_>) -> io::Result<ExitCode> {
    process::set_name(c"gannet-check");
    process::confine(CHECK_CPU_SECONDS, CHECK_MEMORY_BYTES)?;
    net::failpoint::hit("check");
    let message = channel::receive(end, true)?.ok_or(ErrorKind::UnexpectedEof)?;
    let question = Question::decode(&message.bytes).ok_or(ErrorKind::InvalidData)?;
    let (file, is_painted) = match question {
        Question::Check { file, is_painted } => (file, is_painted),
        Question::Renew => return renew(end, &message.descriptors),
        Question::Compare { file } => return compare(end, &file, &message.descriptors),
        Question::Try { .. } => return Err(ErrorKind::InvalidData.into()),
    };
    let before = message.descriptors.first();
    match look(&file, if is_painted { Paint::Coloured } else { Paint::Plain }, before) {
        Ok((bundle, blueprint, warnings)) => {
            let bundle = sealed::bytes(c"gannet-config", &bundle.encode())?;
            let blueprint = sealed::bytes(c"gannet-blueprint", &blueprint.encode())?;
            let warnings = sealed::bytes(c"gannet-warnings", warnings.as_bytes())?;
            let along = [bundle.as_fd(), blueprint.as_fd(), warnings.as_fd()];
            channel::send(end, &Verdict::Fine.encode(), &along, true)?;
        }
        Err(Trouble { exit_code: code, message: text }) => {
            channel::send(end, &Verdict::Refused { code, text }.encode(), &[], true)?;
        }
    }
    net::failpoint::hit("checked");
    Ok(ExitCode::SUCCESS)
}

/// Finds out what a config would change.
fn compare(end: BorrowedFd<'_>, file: &Path, along: &[OwnedFd]) -> io::Result<ExitCode> {
    match comparing::compare(file, along) {
        Ok(comparison) => {
            let found = Outcome::Compared(comparison).encode();
            let found = sealed::bytes(c"gannet-comparison", &found)?;
            channel::send(end, &Verdict::Compared.encode(), &[found.as_fd()], true)?;
        }
        Err(Trouble { exit_code: code, message: text }) => {
            channel::send(end, &Verdict::Refused { code, text }.encode(), &[], true)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Looks whether the files of certificates hold other ones by now.
fn renew(end: BorrowedFd<'_>, along: &[OwnedFd]) -> io::Result<ExitCode> {
    let bundle = along.first().ok_or(ErrorKind::InvalidData)?;
    let bytes = sealed::read(bundle.as_fd(), BUNDLE_BYTES_MAX)?;
    let bundle = Bundle::decode(&bytes).ok_or(ErrorKind::InvalidData)?;
    let unkept = along.get(1).map(|memory| sealed::read(memory.as_fd(), BUNDLE_BYTES_MAX));
    let unkept = unkept.transpose()?.and_then(|bytes| finding::unpack(&bytes)).unwrap_or_default();
    let unkept = unkept.into_iter().map(|(path, text)| (path.into(), text)).collect();
    let now = clock::wall().seconds;
    let Renewal { bundle, renewed, troubles, known, wait } = renewal::look(bundle, &unkept, now);
    let known = sealed::bytes(c"gannet-certificates", &pack_certificates(&known))?;
    let bundle = bundle.map(|bundle| sealed::bytes(c"gannet-config", &bundle.encode()));
    let bundle = bundle.transpose()?;
    let along: Vec<_> =
        [Some(&known), bundle.as_ref()].into_iter().flatten().map(AsFd::as_fd).collect();
    let verdict = Verdict::Renewed { renewed, troubles, wait: wait.unwrap_or(u64::MAX) };
    channel::send(end, &verdict.encode(), &along, true)?;
    Ok(ExitCode::SUCCESS)
}

/// Shows that this program could take the place of the one that asks.
fn rehearse_all(end: BorrowedFd<'_>) -> io::Result<ExitCode> {
    process::set_name(c"gannet-trial");
    let message = channel::receive(end, true)?.ok_or(ErrorKind::UnexpectedEof)?;
    let question = Question::decode(&message.bytes).ok_or(ErrorKind::InvalidData)?;
    let Question::Try { file, state } = question else {
        return Err(ErrorKind::InvalidData.into());
    };
    let state = i32::try_from(state).map_err(|_| ErrorKind::InvalidData)?;
    let verdict = match supervising::rehearse(file, state) {
        Ok(()) => Verdict::Fine,
        Err(Failure { code, text }) => Verdict::Refused { code, text },
    };
    channel::send(end, &verdict.encode(), &[], true)?;
    Ok(ExitCode::SUCCESS)
}

/// Keeps what the supervisor holds.
fn keep(door: OwnedFd) -> io::Result<ExitCode> {
    process::set_name(c"gannet-keeper");
    process::raise_descriptor_limit();
    supervisor::keep(door, process::parent().unsigned_abs())?;
    Ok(ExitCode::SUCCESS)
}

/// Looks at a config that is to be served, in the place of the one `before` where there is one.
/// With it comes what is to be warned of, a line for each thing.
fn look(
    file: &Path,
    paint: Paint,
    before: Option<&OwnedFd>,
) -> Result<(Bundle, Blueprint, String), Trouble> {
    let (plan, mut bundle) = machine::record(file, paint)?;
    let before = before.and_then(|memory| sealed::read(memory.as_fd(), BUNDLE_BYTES_MAX).ok());
    let before = before.and_then(|bytes| Bundle::decode(&bytes)?.resolve().ok());
    if let Some(before) = before {
        bundle = renewal::go_on(&plan, bundle, &before, clock::wall().seconds);
    }
    let hosts = |address: &Address| {
        address.tcp().map(|address| greeting::hosts(address.ip())).unwrap_or_default()
    };
    let threads = verb::loops(plan.threads);
    let blueprint = Blueprint::new(&plan, threads, verb::found(&plan), hosts);
    let warnings = doctor::warnings(&plan, false);
    let lines = warnings.into_iter().map(|Warning { what, cure }| format!("{what}: {cure}\n"));
    Ok((bundle, blueprint, lines.collect()))
}

/// Serves, from the first order to the last.
fn serve(end: &OwnedFd) -> io::Result<ExitCode> {
    process::set_name(c"gannet-worker");
    process::raise_descriptor_limit();
    let (runtime, mut worker, mut ear, layers) = match ready(end) {
        Ok(ready) => ready,
        Err(text) => {
            channel::send(end.as_fd(), &Report::Failed(text).encode(), &[], true)?;
            return Ok(ExitCode::FAILURE);
        }
    };
    channel::send(end.as_fd(), &Report::Ready(layers).encode(), &[], true)?;
    let Some(listeners) = ear.listeners()? else { return Ok(ExitCode::SUCCESS) };
    let listeners = listeners.into_iter().map(serving::listeners).collect();
    worker.run(listeners, ear.obey());
    // What is left: the other loops, and the last log lines.
    let (ended, mut over) = oneshot::channel::<()>();
    let (give, given) = mpsc::channel::<Worker>();
    let wait = move || {
        given.iter().for_each(|worker| worker.wait(|_| Vec::new()));
        drop(ended);
    };
    let spawned = net::failpoint::call().and_then(|()| thread::Builder::new().spawn(wait));
    match spawned {
        // What is under way is finished all the same, though nobody can have it hurry.
        Err(_) => worker.wait(|_| Vec::new()),
        Ok(_) => drop(give.send(worker)),
    }
    drop(give);
    runtime.block_on(async {
        let mut obeying = pin!(ear.obey());
        let mut over = pin!(&mut over);
        poll_fn(|context| {
            let _ = obeying.as_mut().poll(context);
            over.as_mut().poll(context).map(drop)
        })
        .await;
    });
    Ok(ExitCode::SUCCESS)
}

/// All that a worker is, once it could serve.
type Ready<'e> = (Runtime, Worker, Ear<'e>, Vec<String>);

/// Gets ready to serve; in words for an operator, why not.
fn ready(end: &OwnedFd) -> Result<Ready<'_>, String> {
    let failed = |error: io::Error| format!("error: {error}");
    net::failpoint::call().map_err(failed)?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let (worker, files, layers) = prepare(end.as_fd())?;
    let ear = Ear::new(end, &worker, files, &runtime).map_err(failed)?;
    Ok((runtime, worker, ear, layers))
}

/// Takes what is given and makes loops of it. The process is as good as one that serves, then.
fn prepare(end: BorrowedFd<'_>) -> Result<(Worker, Arc<LogFiles>, Vec<String>), String> {
    let odd = |_| "error: the supervisor is another program".to_owned();
    let failed = |error: io::Error| format!("error: {error}");
    let files = Arc::new(LogFiles::given());
    let (mut begun, mut spans) = (None, None);
    loop {
        let message = channel::receive(end, true).map_err(failed)?;
        let message = message.ok_or("error: the supervisor is gone")?;
        let order = Order::decode(&message.bytes).ok_or(()).map_err(odd)?;
        match order {
            Order::Begin { loops, place, seed } => {
                let along: Result<[OwnedFd; 9], _> = message.descriptors.try_into();
                begun = Some((loops, place, seed, along.map_err(|_| ()).map_err(odd)?));
            }
            Order::Spans => spans = message.descriptors.into_iter().next(),
            Order::Resolve => break,
            order => take_files(&files, order, message.descriptors),
        }
    }
    let (loops, place, seed, along) = begun.ok_or(()).map_err(odd)?;
    let [bundle, clients, seats, rows, trails, tallies, recents, lives, tickets] = along;
    let bytes = sealed::read(bundle.as_fd(), BUNDLE_BYTES_MAX).map_err(failed)?;
    let bundle = Bundle::decode(&bytes).ok_or(()).map_err(odd)?;
    let plan = bundle.resolve().map_err(|errors| errors.render(Paint::Plain))?;
    // The plan lives as long as the process: nobody ever has to ask which one is in force.
    let plan: &'static Plan = Box::leak(Box::new(plan));
    let layers = confine(plan)?;
    let seats = Seats::new(memory::shared(seats.as_fd()).map_err(failed)?);
    let clients = memory::shared(clients.as_fd()).map_err(failed)?;
    let clients = Clients::new(clients, seed).with_seats(seats);
    let words = |memory: OwnedFd| memory::shared(memory.as_fd()).map_err(failed);
    let signs = Signs {
        rows: Rows::new(words(rows)?),
        trails: Trails::new(words(trails)?),
        tallies: Tallies::new(words(tallies)?, plan.labels.len()),
        recents: Recents::new(words(recents)?, loops),
        lives: Lives::new(words(lives)?),
    };
    let tickets = TicketKeys::new(words(tickets)?);
    let (given, live, board) = (Arc::clone(&files), None, None);
    let setup = Setup { plan, loops, place, live, files, clients, signs, tickets, board, spans };
    let worker = worker::start(setup).map_err(|error| match layers.first() {
        // What keeps it may be that it is no longer who was started.
        Some(user) if user.starts_with("user: ") => format!("error: {error} ({user})"),
        _ => format!("error: {error}"),
    })?;
    rehearse(plan)?;
    Ok((worker, given, layers))
}

/// Gives up all that serving does not need, before there are threads.
fn confine(plan: &Plan) -> Result<Vec<String>, String> {
    let words = |trouble: Trouble| trouble.message;
    let mut layers = Vec::new();
    if let Some(user) = machine::serving_user(plan).map_err(words)? {
        layers.push(machine::become_user(&user).map_err(words)?);
    }
    let failed = |error: io::Error| format!("error: the sandbox cannot be had: {error}");
    layers.extend(walls::around_worker(plan).enter().map_err(failed)?);
    Ok(layers.iter().map(Layer::to_string).collect())
}

/// Answers a request of its own, which asks no disk for anything.
fn rehearse(plan: &'static Plan) -> Result<(), String> {
    let host = plan.sites.first().map_or("localhost", |site| &site.name);
    let request = format!("OPTIONS * HTTP/1.1\r\nHost: {}\r\n\r\n", host.trim_start_matches("*."));
    let asked = Asked { bytes: request.as_bytes(), client: None, listener: 0 };
    let answer = worker::explain(plan, &asked);
    answer.map(drop).map_err(|why| format!("error: it cannot answer itself: {why}"))
}
