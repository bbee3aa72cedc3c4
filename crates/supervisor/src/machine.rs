//! What is done when: events come in, with the time, and orders go out.
//!
//! ```text
//!   a generation:  Starting ──all ready──► Serving ──next one ready──► Draining ──all gone──► ∅
//!                     └──anything wrong──► Given up ──────────────────────────────────────────┘
//!   a member:      Starting ─► Ready ─► Serving ─► Leaving ─► Gone
//!                     ▲                    │
//!                     └── Absent ◄─ died ──┘
//! ```
//!
//! A reload is one attempt at a time: a config is checked, a generation of workers is started for
//! it, and only when all of them are ready does it take the place of the one before. Whatever goes
//! wrong until then leaves that one as it is.

mod words;
mod generation;
mod memory;

pub use memory::{Kept, KeptMember, Memory, Standing};
pub use words::{Checked, Event, Note, Order, WorkerId};

use base::Moment;
use generation::{Generation, Member, Phase, Stage};
use std::{mem, time::Duration};

/// Milliseconds for a worker to get ready.
const READY_MS: u64 = 30_000;

/// Time for a check of the config.
const CHECK_TIME: Duration = Duration::from_secs(60);

/// Time for workers to notice that they are replaced.
const PARTING_TIME: Duration = Duration::from_secs(2);

/// A worker that has served so long was healthy: its death says nothing of its config.
const HEALTHY_TIME: Duration = Duration::from_secs(2);

/// The first and the longest wait before a worker that has died young is started again.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// So many young deaths in so much time take a config back, while the one before still drains.
const DEATHS_MAX: usize = 3;
const DEATHS_TIME: Duration = Duration::from_secs(30);

/// Generations at a time; one more has to wait until the oldest has hurried away.
const GENERATIONS_MAX: usize = 4;

/// What a worker may take longer to end than it was told.
const SLACK_TIME: Duration = Duration::from_secs(10);

/// How long a worker that hangs may take to end of that.
const ABORT_TIME: Duration = Duration::from_secs(2);

/// How long a worker that was killed may take to end: the kernel may wait for a disk in its place.
/// Then it is left behind.
const KILL_TIME: Duration = Duration::from_secs(5);

/// How long workers that are to end at once may take.
const AT_ONCE_TIME: Duration = Duration::from_secs(2);

/// What a shell adds to a signal's number in the exit code of a process that it ended.
const EXIT_SIGNAL: u8 = 128;

/// The state of all.
#[derive(Debug)]
pub struct Machine<S> {
    /// The oldest first.
    generations: Vec<Generation<S>>,
    /// How many there were.
    count: u64,
    workers: WorkerId,
    attempt: Attempt,
    /// Whether the config is to be read again after the attempt that is under way.
    is_wanted: bool,
    has_started: bool,
    /// What was served before what is served now.
    before: Option<Checked<S>>,
    stopping: Option<Stopping>,
}

/// How far a reload is.
#[derive(Debug, PartialEq, Eq)]
enum Attempt {
    None,
    Checking(Moment),
    /// The last generation is starting; whether its config is the one before, taken back.
    Starting {
        is_back: bool,
    },
    /// It serves, and until then the one before may still accept somebody.
    Parting(Moment),
}

#[derive(Debug)]
struct Stopping {
    code: u8,
    signals: u32,
}

impl<S: Clone> Default for Machine<S> {
    fn default() -> Self {
        Self {
            generations: Vec::new(),
            count: 0,
            workers: 0,
            attempt: Attempt::None,
            is_wanted: false,
            has_started: false,
            before: None,
            stopping: None,
        }
    }
}

impl<S: Clone> Machine<S> {
    /// Takes notice of an event, and says what to do, in this order.
    pub fn handle(&mut self, event: Event<S>, now: Moment) -> Vec<Order<S>> {
        let mut orders = Vec::new();
        let out = &mut orders;
        match event {
            Event::Load => self.is_wanted = self.stopping.is_none(),
            Event::Checked(checked) if matches!(self.attempt, Attempt::Checking(_)) => {
                self.begin(checked, false, out);
            }
            Event::Refused(code, text) if matches!(self.attempt, Attempt::Checking(_)) => {
                self.give_up(code, text, out);
            }
            Event::Opened => self.start(now, out),
            Event::NotOpened(text) => self.give_up(1, text, out),
            Event::Ready(id) => self.ready(id, now, out),
            Event::Failed(id, text) if self.is_starting(id) => self.give_up(1, text, out),
            Event::Failed(id, text) => {
                if let Some((generation, at)) = self.find(id) {
                    generation.failed(at, text, now, out);
                }
            }
            Event::Parted(id) => {
                if let Some((generation, at)) = self.find(id) {
                    generation.parted(at);
                }
            }
            Event::Hung(id, how) => {
                if let Some((generation, at)) = self.find(id) {
                    generation.hung(at, how, now, out);
                }
            }
            Event::Ended(id, how) => self.ended(id, &how, now, out),
            Event::Stop { signal, is_gentle } => self.stop(signal, is_gentle, now, out),
            Event::End if self.stopping.is_some() => self.hurry(now, out),
            Event::End => self.stop(0, false, now, out),
            Event::Checked(_) | Event::Refused(..) | Event::Tick => {}
        }
        self.keep_time(now, out);
        self.leave_behind(now, out);
        self.settle(now, out);
        self.forget();
        self.go_on(now, out);
        if let Some(Stopping { code, .. }) = self.stopping
            && self.generations.is_empty()
        {
            out.push(Order::Exit(code));
        }
        for order in &orders {
            if let Order::Kill(id) = order
                && let Some((generation, at)) = self.find(*id)
            {
                generation.killed(at, now);
            }
        }
        orders
    }

    /// When something is to be done even if nothing happens.
    #[must_use]
    pub fn deadline(&self) -> Moment {
        let members = self.generations.iter().flat_map(|generation| &generation.members);
        let next = members.map(Member::deadline).min().unwrap_or(Moment::NEVER);
        match self.attempt {
            Attempt::Checking(until) | Attempt::Parting(until) => next.min(until),
            Attempt::None | Attempt::Starting { .. } => next,
        }
    }

    /// Whether the server ends.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    /// Whether whoever comes is served, and will be.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let serves = |member: &Member| matches!(member.stage, Stage::Serving(_));
        let generation = self.generations.iter().find(|one| one.phase == Phase::Serving);
        self.stopping.is_none() && generation.is_some_and(|one| one.members.iter().any(serves))
    }

    /// The generations, the oldest first: the number of each, what it does, in a word, when its
    /// workers are made to end where they were told to leave, and those workers.
    pub fn generations(
        &self,
    ) -> impl Iterator<Item = (u64, &'static str, Option<Moment>, impl Iterator<Item = WorkerId>)>
    {
        self.generations.iter().map(|generation| {
            let phase = match generation.phase {
                Phase::Starting => "starting",
                Phase::Serving => "serving",
                Phase::Draining => "draining",
                Phase::GivenUp => "given up",
            };
            let members = generation.members.iter().map(|member| member.id);
            (generation.number, phase, generation.until(), members)
        })
    }

    /// Begins the next attempt, if there is anything to attempt and room for it.
    fn go_on(&mut self, now: Moment, out: &mut Vec<Order<S>>) {
        if !self.is_wanted || self.attempt != Attempt::None || self.stopping.is_some() {
            return;
        }
        if !self.has_room(now, out) {
            return;
        }
        self.is_wanted = false;
        self.attempt = Attempt::Checking(now.after(CHECK_TIME));
        out.push(Order::Check);
    }

    /// Whether there is room for a generation; if not, the oldest hurries away.
    fn has_room(&mut self, now: Moment, out: &mut Vec<Order<S>>) -> bool {
        if self.generations.len() < GENERATIONS_MAX {
            return true;
        }
        if let Some(oldest) = self.generations.first_mut() {
            oldest.hurry(now, out);
        }
        false
    }

    /// Begins a generation.
    fn begin(&mut self, config: Checked<S>, is_back: bool, out: &mut Vec<Order<S>>) {
        out.push(Order::Open(config.source.clone()));
        self.count += 1;
        self.generations.push(Generation::new(self.count, config));
        self.attempt = Attempt::Starting { is_back };
    }

    /// Starts all workers of the generation that has all it needs.
    fn start(&mut self, now: Moment, out: &mut Vec<Order<S>>) {
        let is_new = |generation: &&mut Generation<S>| generation.phase == Phase::Starting;
        let Some(generation) = self.generations.last_mut().filter(is_new) else { return };
        for place in 0..generation.config.workers {
            self.workers += 1;
            let until = now.after(ready_time());
            generation.members.push(Member::new(self.workers, until));
            out.push(Order::Start(self.workers, generation.config.source.clone(), place));
        }
    }

    fn is_starting(&mut self, id: WorkerId) -> bool {
        self.find(id).is_some_and(|(generation, _)| generation.phase == Phase::Starting)
    }

    fn find(&mut self, id: WorkerId) -> Option<(&mut Generation<S>, usize)> {
        self.generations.iter_mut().find_map(|generation| {
            let at = generation.members.iter().position(|member| member.id == id)?;
            Some((generation, at))
        })
    }

    fn ready(&mut self, id: WorkerId, now: Moment, out: &mut Vec<Order<S>>) {
        let Some((generation, at)) = self.find(id) else { return };
        let Some(member) = generation.members.get_mut(at) else { return };
        if !matches!(member.stage, Stage::Starting(_)) {
            return;
        }
        member.stage = Stage::Ready;
        match generation.phase {
            Phase::Starting => {
                if generation.members.iter().all(|member| member.stage == Stage::Ready) {
                    self.activate(now, out);
                }
            }
            Phase::Serving => {
                member.stage = Stage::Serving(now);
                out.push(Order::Serve(id));
            }
            Phase::Draining | Phase::GivenUp => out.push(Order::Kill(id)),
        }
    }

    /// Puts the last generation, which is ready, in the place of the one before.
    fn activate(&mut self, now: Moment, out: &mut Vec<Order<S>>) {
        let Some((last, others)) = self.generations.split_last_mut() else { return };
        last.phase = Phase::Serving;
        let is_first = !mem::replace(&mut self.has_started, true);
        out.push(Order::Keep(last.config.source.clone()));
        if is_first {
            out.push(Order::Greet(last.config.source.clone()));
        }
        for member in &mut last.members {
            member.stage = Stage::Serving(now);
            out.push(Order::Serve(member.id));
        }
        let is_back = self.attempt == Attempt::Starting { is_back: true };
        self.attempt = match is_first || is_back {
            true => Attempt::None,
            false => Attempt::Parting(now.after(PARTING_TIME)),
        };
        if let Some(serving) = others.iter_mut().find(|other| other.phase == Phase::Serving) {
            serving.drain(now, out);
            self.before = (!is_back).then(|| serving.config.clone());
        }
    }

    /// Says that a reload is done, once the workers before accept nobody any more.
    fn settle(&mut self, now: Moment, out: &mut Vec<Order<S>>) {
        let Attempt::Parting(until) = self.attempt else { return };
        let is_parting = |generation: &Generation<S>| {
            generation.phase == Phase::Draining && !generation.has_parted()
        };
        if until <= now || !self.generations.iter().any(is_parting) {
            self.attempt = Attempt::None;
            out.push(Order::Note(Note::Reloaded));
        }
    }

    /// Gives up the attempt that is under way.
    fn give_up(&mut self, code: u8, text: String, out: &mut Vec<Order<S>>) {
        let is_new = |generation: &&mut Generation<S>| generation.phase == Phase::Starting;
        if let Some(generation) = self.generations.last_mut().filter(is_new) {
            generation.phase = Phase::GivenUp;
            generation.kill(out);
        }
        let attempt = mem::replace(&mut self.attempt, Attempt::None);
        if self.stopping.is_some() || attempt == Attempt::None {
            return;
        }
        out.push(match self.has_started {
            true => Order::Note(Note::NotReloaded(code, text)),
            false => Order::Fail(code, text),
        });
    }

    fn ended(&mut self, id: WorkerId, how: &str, now: Moment, out: &mut Vec<Order<S>>) {
        let is_stopping = self.stopping.is_some();
        let Some((generation, at)) = self.find(id) else { return };
        let phase = generation.phase;
        match phase {
            Phase::Starting => {
                generation.gone(at);
                self.give_up(1, format!("error: a worker ended before it was ready: {how}"), out);
            }
            Phase::Serving if !is_stopping => {
                out.push(Order::Note(Note::Died(id, how.to_owned())));
                generation.lost(at, now);
                self.take_back(now, out);
            }
            Phase::Serving | Phase::Draining | Phase::GivenUp => generation.gone(at),
        }
    }

    /// Goes back to the config before where the one that is served keeps its workers from living.
    fn take_back(&mut self, now: Moment, out: &mut Vec<Order<S>>) {
        let drains = self.generations.iter().any(|other| other.phase == Phase::Draining);
        let is_failing = |generation: &Generation<S>| {
            generation.phase == Phase::Serving && generation.deaths.len() >= DEATHS_MAX
        };
        let is_failing = self.generations.iter().any(is_failing);
        if !drains || !is_failing || self.attempt != Attempt::None {
            return;
        }
        if let Some(before) = self.before.take() {
            out.push(Order::Note(Note::TakenBack));
            // As long as nobody serves, it does not wait for room.
            self.has_room(now, out);
            self.begin(before, true, out);
        }
    }

    /// Has all that serve or have served end within the stop time.
    fn hurry(&mut self, now: Moment, out: &mut Vec<Order<S>>) {
        for generation in &mut self.generations {
            if matches!(generation.phase, Phase::Serving | Phase::Draining) {
                generation.hurry(now, out);
            }
        }
    }

    fn stop(&mut self, signal: u8, is_gentle: bool, now: Moment, out: &mut Vec<Order<S>>) {
        if let Some(stopping) = &mut self.stopping {
            stopping.signals += 1;
            stopping.code = EXIT_SIGNAL.saturating_add(signal);
            let is_urgent = stopping.signals > 2;
            for generation in &mut self.generations {
                if is_urgent {
                    generation.kill(out);
                } else {
                    generation.stop_at_once(now, out);
                }
            }
            return;
        }
        if matches!(self.attempt, Attempt::Checking(_)) {
            out.push(Order::EndCheck);
        }
        self.attempt = Attempt::None;
        self.is_wanted = false;
        self.stopping = Some(Stopping { code: 0, signals: 1 });
        out.push(Order::Close);
        for generation in &mut self.generations {
            match generation.phase {
                Phase::Starting | Phase::GivenUp => {
                    generation.phase = Phase::GivenUp;
                    generation.kill(out);
                }
                Phase::Serving if is_gentle => generation.drain(now, out),
                Phase::Draining if is_gentle => {}
                Phase::Serving | Phase::Draining => generation.hurry(now, out),
            }
        }
    }

    /// Does what its time has come for.
    fn keep_time(&mut self, now: Moment, out: &mut Vec<Order<S>>) {
        if let Attempt::Checking(until) = self.attempt
            && until <= now
        {
            out.push(Order::EndCheck);
            self.give_up(1, format!("error: the check took longer than {CHECK_TIME:?}"), out);
        }
        let mut is_late = false;
        for generation in &mut self.generations {
            let Generation { config, phase, members, .. } = generation;
            for (place, member) in members.iter_mut().enumerate() {
                if member.aborted <= now {
                    member.aborted = Moment::NEVER;
                    out.push(Order::Kill(member.id));
                }
                match member.stage {
                    Stage::Absent(until) if until <= now => {
                        self.workers += 1;
                        member.id = self.workers;
                        member.stage = Stage::Starting(now.after(ready_time()));
                        out.push(Order::Start(member.id, config.source.clone(), place));
                    }
                    Stage::Starting(until) if until <= now && *phase == Phase::Starting => {
                        is_late = true;
                    }
                    Stage::Starting(until) | Stage::Leaving(until) if until <= now => {
                        member.stage = Stage::Leaving(Moment::NEVER);
                        out.push(Order::Note(Note::Killed(member.id)));
                        out.push(Order::Kill(member.id));
                    }
                    _ => {}
                }
            }
        }
        if is_late {
            let time = ready_time();
            self.give_up(1, format!("error: a worker was not ready within {time:?}"), out);
        }
    }

    /// Goes on as if those had ended that do not even when they are killed.
    fn leave_behind(&mut self, now: Moment, out: &mut Vec<Order<S>>) {
        let members = self.generations.iter().flat_map(|generation| &generation.members);
        let late = members.filter(|member| member.killed <= now).map(|member| member.id);
        for id in late.collect::<Vec<_>>() {
            self.ended(id, "does not end though it was killed", now, out);
        }
    }

    /// Forgets generations of which nothing is left.
    fn forget(&mut self) {
        let is_stopping = self.stopping.is_some();
        self.generations.retain(|generation| {
            let is_gone = generation.members.iter().all(|member| match member.stage {
                Stage::Gone => true,
                Stage::Absent(_) => is_stopping || generation.phase != Phase::Serving,
                _ => false,
            });
            // One that waits for its sockets has no members yet.
            !is_gone || (generation.phase == Phase::Starting && !is_stopping)
        });
    }
}

/// Time for a worker to get ready.
fn ready_time() -> Duration {
    Duration::from_millis(net::failpoint::number("ready", READY_MS))
}

#[cfg(test)]
mod tests;
