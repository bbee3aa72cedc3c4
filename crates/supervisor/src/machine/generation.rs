//! A generation: the workers that serve one config, and what becomes of each.

use super::{
    ABORT_TIME, AT_ONCE_TIME, Checked, DEATHS_TIME, HEALTHY_TIME, KILL_TIME, Note, Order,
    PAUSE_MAX, PAUSE_MIN, SLACK_TIME, WorkerId,
};
use base::Moment;

#[derive(Debug)]
pub(super) struct Generation<S> {
    pub(super) number: u64,
    pub(super) config: Checked<S>,
    pub(super) phase: Phase,
    pub(super) members: Vec<Member>,
    /// When workers died young, lately.
    pub(super) deaths: Vec<Moment>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Starting,
    Serving,
    Draining,
    GivenUp,
}

/// A worker in its place.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: WorkerId,
    pub(super) stage: Stage,
    /// Whether it accepts nobody any more.
    pub(super) has_parted: bool,
    /// It was aborted, and has until then to end.
    pub(super) aborted: Moment,
    /// It was killed, and has until then to end.
    pub(super) killed: Moment,
    /// How often those in this place have died young, one after the other.
    pub(super) young_deaths: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has until then to get ready.
    Starting(Moment),
    Ready,
    /// Since when.
    Serving(Moment),
    /// It has until then to end.
    Leaving(Moment),
    /// It has died, and another is started then.
    Absent(Moment),
    Gone,
}

impl Member {
    pub(super) fn new(id: WorkerId, until: Moment) -> Self {
        Self {
            id,
            stage: Stage::Starting(until),
            has_parted: false,
            aborted: Moment::NEVER,
            killed: Moment::NEVER,
            young_deaths: 0,
        }
    }

    /// When something has to be done about it.
    pub(super) fn deadline(&self) -> Moment {
        self.aborted.min(self.killed).min(match self.stage {
            Stage::Starting(until) | Stage::Leaving(until) | Stage::Absent(until) => until,
            Stage::Ready | Stage::Serving(_) | Stage::Gone => Moment::NEVER,
        })
    }

    /// Has it leave by `order`, if it is there and has not been told to be faster.
    fn leave<S>(
        &mut self,
        order: fn(WorkerId) -> Order<S>,
        until: Moment,
        out: &mut Vec<Order<S>>,
    ) {
        let until = match self.stage {
            Stage::Gone => return,
            Stage::Absent(_) => {
                self.stage = Stage::Gone;
                return;
            }
            Stage::Leaving(before) => until.min(before),
            Stage::Starting(_) | Stage::Ready | Stage::Serving(_) => until,
        };
        self.stage = Stage::Leaving(until);
        out.push(order(self.id));
    }
}

impl<S> Generation<S> {
    pub(super) fn new(number: u64, config: Checked<S>) -> Self {
        Self { number, config, phase: Phase::Starting, members: Vec::new(), deaths: Vec::new() }
    }

    /// Has all members end once their clients have gone elsewhere.
    pub(super) fn drain(&mut self, now: Moment, out: &mut Vec<Order<S>>) {
        self.phase = Phase::Draining;
        let until = now.after(self.config.drain_time).after(SLACK_TIME);
        self.members.iter_mut().for_each(|member| match member.stage {
            // It has no clients yet.
            Stage::Starting(_) => member.leave(Order::Kill, until, out),
            _ => member.leave(Order::Drain, until, out),
        });
    }

    /// Has all members end within the stop time.
    pub(super) fn hurry(&mut self, now: Moment, out: &mut Vec<Order<S>>) {
        self.phase = Phase::Draining;
        let until = now.after(self.config.stop_time).after(SLACK_TIME);
        for member in &mut self.members {
            match member.stage {
                // It has been told before.
                Stage::Leaving(before) if before <= until => {}
                Stage::Starting(_) => member.leave(Order::Kill, until, out),
                _ => member.leave(Order::Stop, until, out),
            }
        }
    }

    /// When the last of its workers that were told to leave is made to; `None` where none was.
    pub(super) fn until(&self) -> Option<Moment> {
        let leaving = |member: &Member| match member.stage {
            Stage::Leaving(until) => Some(until),
            _ => None,
        };
        self.members.iter().filter_map(leaving).max()
    }

    pub(super) fn stop_at_once(&mut self, now: Moment, out: &mut Vec<Order<S>>) {
        let until = now.after(AT_ONCE_TIME);
        self.members.iter_mut().for_each(|member| member.leave(Order::StopAtOnce, until, out));
    }

    pub(super) fn kill(&mut self, out: &mut Vec<Order<S>>) {
        let forever = Moment::NEVER;
        self.members.iter_mut().for_each(|member| member.leave(Order::Kill, forever, out));
    }

    /// Takes notice that the member `at` accepts nobody any more.
    pub(super) fn parted(&mut self, at: usize) {
        if let Some(member) = self.members.get_mut(at) {
            member.has_parted = true;
        }
    }

    /// Whether none of its members accepts anybody.
    pub(super) fn has_parted(&self) -> bool {
        self.members.iter().all(|member| member.has_parted || member.stage == Stage::Gone)
    }

    /// Has the member `at` end, which does nothing any more.
    pub(super) fn hung(&mut self, at: usize, how: String, now: Moment, out: &mut Vec<Order<S>>) {
        let Some(member) = self.members.get_mut(at) else { return };
        member.aborted = now.after(ABORT_TIME);
        out.push(Order::Note(Note::Hung(member.id, how)));
        out.push(Order::Abort(member.id));
    }

    /// Has the member `at` killed.
    pub(super) fn killed(&mut self, at: usize, now: Moment) {
        if let Some(member) = self.members.get_mut(at) {
            member.killed = member.killed.min(now.after(KILL_TIME));
        }
    }

    /// Takes notice that the member `at`, which was to replace another, cannot serve, and says why
    /// once; it ends by itself.
    pub(super) fn failed(&mut self, at: usize, why: String, now: Moment, out: &mut Vec<Order<S>>) {
        let Some(member) = self.members.get_mut(at) else { return };
        if self.phase == Phase::Serving && matches!(member.stage, Stage::Starting(_)) {
            member.stage = Stage::Leaving(now.after(ABORT_TIME));
            out.push(Order::Note(Note::NotStarted(member.id, why)));
        }
    }

    /// Takes notice that the member `at` has ended, as it was told.
    pub(super) fn gone(&mut self, at: usize) {
        if let Some(member) = self.members.get_mut(at) {
            (member.aborted, member.killed) = (Moment::NEVER, Moment::NEVER);
            member.stage = Stage::Gone;
        }
    }

    /// Takes notice that the member `at` has died: another comes, at once if this one was healthy.
    pub(super) fn lost(&mut self, at: usize, now: Moment) {
        let Some(member) = self.members.get_mut(at) else { return };
        (member.aborted, member.killed) = (Moment::NEVER, Moment::NEVER);
        let was_healthy = match member.stage {
            Stage::Serving(since) => now.since(since) >= HEALTHY_TIME,
            _ => false,
        };
        if was_healthy {
            member.young_deaths = 0;
            member.stage = Stage::Absent(now);
            return;
        }
        let pause = PAUSE_MIN.saturating_mul(1 << member.young_deaths.min(16)).min(PAUSE_MAX);
        member.young_deaths += 1;
        member.stage = Stage::Absent(now.after(pause));
        self.deaths.retain(|&death| now.since(death) < DEATHS_TIME);
        self.deaths.push(now);
    }
}
