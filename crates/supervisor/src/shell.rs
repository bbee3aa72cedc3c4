//! Does what the machine orders, and tells it what happens.

mod certificates;
mod compare;
mod desk;
mod had;
mod issuing;
mod keeping;
mod leaving;
mod notes;
mod needs;
mod pools;
mod service;
mod showing;
mod spans;
mod signals;
mod starting;
mod upgrade;
mod table;
mod verdict;
mod voice;
mod watch;
mod workers;

pub use upgrade::{Succession, rehearse};
pub use voice::{Failure, Started, Voice};

use crate::{
    child::{Child, Heard, Program},
    logs::{LogFiles, Reopened},
    machine::{Event, Machine, Note, Order, WorkerId},
    orphans,
    pools::{self as fpms, Pools},
    sockets::Sockets,
    tickets::Tickets,
    wishes::{Asker, Desk},
};
use base::Moment;
use certificates::Certificates;
use compare::Comparison;
use config::Blueprint;
use control::{
    note::{Note as _, Report},
    wish::{Outcome, Wish},
};
use desk::{CURRENT, END, History, NEXT};
use issuing::Issuing;
use keeping::Keeping;
use net::{
    process::Handle,
    store::MARK,
    systemd::{self, Handed},
};
use service::Service;
use showing::Showing;
use signals::{catch, die_of_panics};
use spans::Spans;
use std::{
    cell::OnceCell, collections::VecDeque, io, mem, os::fd::OwnedFd, path::PathBuf, rc::Rc,
    time::Duration,
};
use table::Table;
use tokio::{
    runtime::{Builder, LocalOptions, LocalRuntime},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::yield_now,
    time::{sleep, timeout},
};
use upgrade::Upgrade;
use verdict::not_started;
use workers::Workers;

/// Bytes of a blueprint at most: some 10,000 sites with addresses and logs of their own.
const BLUEPRINT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Bytes of the state at most that is left to another program: the blueprints of all generations.
const STATE_BYTES_MAX: u64 = 8 * BLUEPRINT_BYTES_MAX;

/// A config that was checked.
#[derive(Debug)]
struct Source {
    /// What workers resolve, and what that is called where it is kept.
    bundle: OwnedFd,
    name: String,
    blueprint: Blueprint,
    /// What is said once it is served, a line for each thing.
    warnings: String,
    /// Where its workers count what each client has used up, once it was opened here.
    clients: OnceCell<Rc<Table>>,
}

type Told = Event<Rc<Source>>;

/// What comes from outside.
enum Happening {
    Event(Told),
    Check(u64, Heard),
    Trial(u64, Heard),
    Comparison(u64, Heard),
    Worker(WorkerId, Heard),
    Wish(Wish, Asker),
    Pool(u64, fpms::Heard),
    /// Log files were moved away, and others are open in their places.
    Reopen,
    Reopened(Reopened),
    /// Files of certificates have changed, and what a look at them has found.
    FilesChanged,
    Renewal(u64, Heard),
    /// Something comes from the process that has certificates issued, or another one is due.
    Finding(u64, Heard),
    Issue,
    /// The process that shows how the server is has something to say, or may be told more.
    Showing(u64, Heard),
    ShowingDue(u64),
    /// Something comes from the process that sends spans.
    Spans(u64, Heard),
    /// It is time to look after the workers, and what they share.
    Look,
    /// It is time to say that this process gets on.
    Alive,
    Upgrade,
}

struct Shell<'v> {
    program: Program,
    file: PathBuf,
    voice: &'v dyn Voice,
    machine: Machine<Rc<Source>>,
    happenings: UnboundedSender<Happening>,
    /// What has happened by our own doing, for the machine to hear of next.
    due: VecDeque<Told>,
    /// The check that is under way with its number, and how many processes there were of that kind.
    check: Option<(u64, Child)>,
    checks: u64,
    /// The comparison of configs that is under way.
    comparison: Option<Comparison>,
    sockets: Sockets,
    /// Sockets that nobody has asked for yet, and those of a server of another version that was
    /// killed, with its workers, which are to drain.
    handed: Vec<Handed>,
    taken_over: Vec<Handed>,
    strangers: Vec<Rc<Handle>>,
    /// Where copies of all this are.
    keeping: Keeping,
    /// Whoever has started this process.
    service: Service,
    logs: LogFiles,
    /// Where those count that serve.
    clients: Option<Rc<Table>>,
    tickets: Tickets,
    certificates: Certificates,
    issuing: Issuing,
    showing: Showing,
    spans: Spans,
    seed: [u64; 2],
    workers: Workers,
    /// What runs PHP, and the config that waits for that.
    pools: Pools,
    opening: Option<Rc<Source>>,
    /// What workers have given up: all of them the same.
    layers: Vec<String>,
    /// What is served from now on, which nobody has been told yet.
    greeting: Option<Rc<Source>>,
    /// What is served, once anything is.
    serving: Option<Rc<Source>>,
    /// Where wishes come in; where they do if no config says so.
    desks: Vec<Desk>,
    desk_path: Option<PathBuf>,
    /// Who waits for the next reload to begin, for the one under way to end, and for the end.
    askers: [Vec<Asker>; 3],
    history: History,
    /// The change of programs that is under way, and whether all this is only a trial of one.
    upgrade: Option<Upgrade>,
    is_trial: bool,
    end: Option<Result<u8, Failure>>,
}

/// Serves what the config `file` says, until a signal or a wish says to stop; returns the exit
/// code. Wishes come in by the socket that the config names, or at `desk_path`. Where another
/// program has left this process, it goes on as that has left it, and where a process that has done
/// this was killed, with what it has had kept.
///
/// # Errors
///
/// It cannot be served.
pub fn run(
    file: PathBuf,
    desk_path: Option<PathBuf>,
    succession: Option<Succession>,
    voice: &dyn Voice,
) -> Result<u8, Failure> {
    // What another program has left holds all sockets, those of whoever has started it, too.
    let handed = if succession.is_none() { systemd::handed() } else { Vec::new() };
    let (kept, handed) =
        handed.into_iter().partition::<Vec<_>, _>(|one| one.name.starts_with(MARK));
    die_of_panics();
    // Whatever keeps this program from going on, the one before can.
    let or_back = |failure: Failure| {
        succession.iter().for_each(|found| upgrade::go_back(*found, voice, &failure));
        failure
    };
    runtime().map_err(or_back)?.block_on(async {
        let (happenings, heard) = unbounded_channel();
        let mut shell = Shell::begin(file, happenings, voice).map_err(or_back)?;
        let program = succession.is_none().then_some(&shell.program);
        let (keeping, by_ours) = Keeping::open(desk_path.as_deref(), program, &shell.file).await?;
        (shell.desk_path, shell.handed, shell.keeping) = (desk_path, handed, keeping);
        match succession {
            Some(succession) => {
                // They are copies of what was left.
                drop(by_ours);
                shell.succeed(succession).map_err(or_back)?;
                net::succession::release_signals();
            }
            None => shell.adopt(kept.into_iter().chain(by_ours).collect()).map_err(failed)?,
        }
        shell.live(heard).await
    })
}

fn runtime() -> Result<LocalRuntime, Failure> {
    net::failpoint::call().map_err(failed)?;
    let mut builder = Builder::new_current_thread();
    builder.enable_all().build_local(LocalOptions::default()).map_err(failed)
}

fn failed(error: io::Error) -> Failure {
    Failure { code: 1, text: format!("error: {error}") }
}

impl<'v> Shell<'v> {
    /// A shell that hears what this process is told.
    fn begin(
        file: PathBuf,
        happenings: UnboundedSender<Happening>,
        voice: &'v dyn Voice,
    ) -> Result<Self, Failure> {
        // Signals are caught before anybody can know that there is something to stop.
        catch(&happenings).map_err(failed)?;
        orphans::adopt().map_err(failed)?;
        watch::tick(&happenings);
        Self::new(file, happenings, voice)
    }

    fn new(
        file: PathBuf,
        happenings: UnboundedSender<Happening>,
        voice: &'v dyn Voice,
    ) -> Result<Self, Failure> {
        let program = Program::this().map_err(failed)?;
        let service = Service::new(&happenings);
        let seed = net::random::bytes::<16>().map_err(failed)?;
        let pools = pools::listen(&happenings);
        let [one, other] = [0, 8].map(|at| {
            let half = seed.get(at..).and_then(|rest| rest.first_chunk());
            u64::from_le_bytes(half.copied().unwrap_or_default())
        });
        Ok(Self {
            program,
            file,
            voice,
            machine: Machine::default(),
            happenings,
            due: VecDeque::from([Event::Load]),
            check: None,
            checks: 0,
            comparison: None,
            sockets: Sockets::default(),
            handed: Vec::new(),
            taken_over: Vec::new(),
            strangers: Vec::new(),
            keeping: Keeping::default(),
            service,
            logs: LogFiles::default(),
            clients: None,
            tickets: Tickets::new().map_err(failed)?,
            certificates: Certificates::new(),
            issuing: Issuing::default(),
            showing: Showing::default(),
            spans: Spans::default(),
            seed: [one, other],
            workers: Workers::default(),
            pools,
            opening: None,
            layers: Vec::new(),
            greeting: None,
            serving: None,
            desks: Vec::new(),
            desk_path: None,
            askers: Default::default(),
            history: History::new(),
            upgrade: None,
            is_trial: false,
            end: None,
        })
    }

    async fn live(mut self, mut heard: UnboundedReceiver<Happening>) -> Result<u8, Failure> {
        loop {
            while let Some(event) = self.due.pop_front() {
                let orders = self.machine.handle(event, net::clock::now());
                orders.into_iter().for_each(|order| self.perform(order));
            }
            if let Some(end) = self.end.take() {
                self.end_looks();
                self.send_last_spans(&mut heard).await;
                if let (Ok(_), Some(source)) = (&end, &self.serving) {
                    self.voice.stopped(&source.blueprint, &self.workers.totals());
                }
                self.pools.end();
                self.logs.settle();
                if end.is_ok() {
                    self.keeping.clear();
                }
                self.askers[END].drain(..).for_each(|asker| asker.answer(&Outcome::Done));
                return end;
            }
            self.save();
            self.tell_whether_ready();
            if let Some(source) = self.greeting.take() {
                // Workers first hear that they serve.
                yield_now().await;
                self.greet(&source);
            }
            if heard.is_empty() && self.is_to_hand_over() {
                self.hand_over(|| heard.is_empty()).await;
            }
            let happening = match self.machine.deadline() {
                Moment::NEVER => heard.recv().await,
                deadline => {
                    // The clock that deadlines are counted by may be a tick late.
                    let time = deadline.since(net::clock::now()) + Duration::from_millis(5);
                    timeout(time, heard.recv()).await.unwrap_or(Some(Happening::Event(Event::Tick)))
                }
            };
            match happening {
                Some(happening) => self.hear(happening),
                None => sleep(Duration::MAX).await,
            }
        }
    }

    fn hear(&mut self, happening: Happening) {
        match happening {
            Happening::Event(event) => self.due.push_back(event),
            Happening::Check(number, heard) => self.checked(number, heard),
            Happening::Trial(number, heard) => self.tried(number, heard),
            Happening::Comparison(number, heard) => self.compared(number, heard),
            Happening::Upgrade if self.machine.is_stopping() => {}
            Happening::Upgrade => self.upgrade(None, None),
            Happening::Worker(id, Heard::Note(message)) => {
                self.due.push_back(match Report::decode(&message.bytes) {
                    Some(Report::Ready(layers)) => {
                        self.layers = layers;
                        Event::Ready(id)
                    }
                    Some(Report::Failed(text)) => Event::Failed(id, text),
                    Some(Report::Parted) => Event::Parted(id),
                    Some(Report::Proves(number)) => return self.proves(id, Some(number)),
                    None => return self.workers.kill(id),
                });
            }
            Happening::Worker(id, Heard::Ended(how)) => {
                let requests = self.workers.requests(id);
                if !requests.is_empty() {
                    self.history.cut_off += requests.len() as u64;
                    self.note(&Note::CutOff(id, requests));
                }
                self.workers.ended(id);
                self.proves(id, None);
                self.tidy_pools();
                self.keeping.touch();
                self.due.push_back(Event::Ended(id, how));
            }
            Happening::Pool(number, heard) => self.hear_of_pool(number, heard),
            Happening::Wish(wish, asker) => self.grant(wish, asker),
            Happening::Reopen => self.reopen(),
            Happening::Reopened(reopened) => {
                let kept = self.logs.take(reopened);
                self.workers.reopen(&self.logs, &kept);
            }
            Happening::FilesChanged => self.look_at_certificates(),
            Happening::Renewal(number, heard) => self.looked_at_certificates(number, heard),
            Happening::Finding(number, heard) => self.found_in_issuing(number, heard),
            Happening::Issue => self.have_issued(),
            Happening::Showing(number, heard) => self.asked(number, heard),
            Happening::ShowingDue(number) => self.answer_showing(number),
            Happening::Spans(number, heard) => self.heard_of_spans(number, heard),
            Happening::Alive => self.service.alive(),
            Happening::Look => {
                self.keeping.look();
                self.tickets.renew();
                self.show();
                self.look_away();
                self.have_spans_sent();
                let hung = self.workers.look().into_iter();
                self.due.extend(hung.map(|(id, how)| Event::Hung(id, how)));
            }
        }
    }

    fn perform(&mut self, order: Order<Rc<Source>>) {
        if self.end.is_some() {
            return;
        }
        // The others change nothing that a next process would have to know.
        if !matches!(order, Order::Check | Order::EndCheck | Order::Greet(_) | Order::Note(_)) {
            self.keeping.touch();
        }
        match order {
            Order::Check => {
                let next = mem::take(&mut self.askers[NEXT]);
                self.askers[CURRENT].extend(next);
                if self.serving.is_some() {
                    self.service.reloading();
                }
                self.check();
            }
            Order::EndCheck => self.check.take().iter().for_each(|(_, child)| child.kill()),
            Order::Open(source) => {
                let opened = self.open(&source).and_then(|()| self.open_pools(source));
                self.due.extend(opened.err().map(Event::NotOpened));
            }
            Order::Start(id, source, place) => self.start(id, source, place),
            Order::Keep(_) if self.is_trial => self.end = Some(Ok(0)),
            Order::Keep(source) => self.keep(source),
            Order::Serve(id) => {
                // One that serves is never forgotten.
                self.save();
                self.workers.serve(id, &self.sockets);
                self.show_proofs(id);
            }
            Order::Drain(id) => self.workers.tell(id, &control::note::Order::Drain),
            Order::Stop(id) => self.workers.tell(id, &control::note::Order::Stop),
            Order::StopAtOnce(id) => self.workers.tell(id, &control::note::Order::StopAtOnce),
            Order::Abort(id) => self.workers.abort(id),
            Order::Kill(id) => self.workers.kill(id),
            Order::Close => {
                self.service.stopping();
                self.keeping.wind_up();
                self.save();
                self.end_looks();
                self.turn_away();
                self.close();
            }
            Order::Greet(source) => self.greeting = Some(source),
            Order::Note(note) => self.note(&note),
            Order::Exit(code) => self.end = Some(Ok(code)),
            Order::Fail(code, text) => self.end = Some(Err(Failure { code, text })),
        }
    }

    /// Ends the processes that only find something out: nobody will use it any more.
    fn end_looks(&mut self) {
        self.check.take().iter().for_each(|(_, child)| child.kill());
        self.end_comparison();
        self.end_upgrade();
    }
}
