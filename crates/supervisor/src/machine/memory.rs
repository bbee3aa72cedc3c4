//! What a machine leaves to the one of another program: the generations, and where each member
//! stands. Times are not left: they begin anew.

use super::{
    Attempt, Checked, HEALTHY_TIME, Machine, SLACK_TIME, WorkerId,
    generation::{Generation, Member, Phase, Stage},
    ready_time,
};
use base::Moment;

/// What is left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory<S> {
    /// How many generations there were.
    pub count: u64,
    /// How many workers there were.
    pub workers: WorkerId,
    /// Those that are there, the oldest first.
    pub generations: Vec<Kept<S>>,
}

/// A generation that is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept<S> {
    /// Its number.
    pub number: u64,
    /// Its config.
    pub config: Checked<S>,
    /// Whether it serves those who come; else it ends.
    pub is_serving: bool,
    /// Its workers.
    pub members: Vec<KeptMember>,
}

/// A worker that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptMember {
    /// Its number.
    pub id: WorkerId,
    /// Where it stands.
    pub standing: Standing,
}

/// Where a worker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It gets ready.
    Starting,
    /// It serves.
    Serving,
    /// It was told to end.
    Leaving,
    /// It has died, and another is to be started.
    Absent,
    /// It is gone.
    Gone,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Starting, Self::Serving, Self::Leaving, Self::Absent, Self::Gone];
}

impl<S> Memory<S> {
    /// The same with each config in another form; nothing where one of them has none.
    pub fn map<T>(self, mut to: impl FnMut(S) -> Option<T>) -> Option<Memory<T>> {
        let kept = |Kept { number, config, is_serving, members }| {
            let Checked { source, workers, stop_time, drain_time } = config;
            let config = Checked { source: to(source)?, workers, stop_time, drain_time };
            Some(Kept { number, config, is_serving, members })
        };
        let generations = self.generations.into_iter().map(kept).collect::<Option<_>>()?;
        Some(Memory { count: self.count, workers: self.workers, generations })
    }
}

impl<S: Clone> Machine<S> {
    /// Whether a config is served and nothing is under way: only then it can be left.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.has_started
            && self.attempt == Attempt::None
            && !self.is_wanted
            && self.stopping.is_none()
    }

    /// What there is to leave.
    #[must_use]
    pub fn memory(&self) -> Memory<&S> {
        let standing = |stage| match stage {
            Stage::Starting(_) => Standing::Starting,
            Stage::Ready | Stage::Serving(_) => Standing::Serving,
            Stage::Leaving(_) => Standing::Leaving,
            Stage::Absent(_) => Standing::Absent,
            Stage::Gone => Standing::Gone,
        };
        let member =
            |member: &Member| KeptMember { id: member.id, standing: standing(member.stage) };
        // What does not serve yet ends with the process that has started it.
        let has_served = |generation: &&Generation<S>| {
            matches!(generation.phase, Phase::Serving | Phase::Draining)
        };
        let generations = self.generations.iter().filter(has_served).map(|generation| {
            let Checked { source, workers, stop_time, drain_time } = &generation.config;
            let (stop_time, drain_time) = (*stop_time, *drain_time);
            Kept {
                number: generation.number,
                config: Checked { source, workers: *workers, stop_time, drain_time },
                is_serving: generation.phase == Phase::Serving,
                members: generation.members.iter().map(member).collect(),
            }
        });
        let generations = generations.collect();
        Memory { count: self.count, workers: self.workers, generations }
    }

    /// A machine that goes on with what was left.
    #[must_use]
    pub fn of(memory: Memory<S>, now: Moment) -> Self {
        let generation = |kept: Kept<S>| {
            let healthy = u64::try_from(HEALTHY_TIME.as_millis()).unwrap_or(u64::MAX);
            let end = now.after(kept.config.drain_time).after(SLACK_TIME);
            let member = |KeptMember { id, standing }| {
                let mut member = Member::new(id, now.after(ready_time()));
                member.stage = match standing {
                    Standing::Starting => member.stage,
                    // Its death would say nothing of its config.
                    Standing::Serving => Stage::Serving(Moment(now.0.saturating_sub(healthy))),
                    Standing::Leaving => Stage::Leaving(end),
                    Standing::Absent => Stage::Absent(now),
                    Standing::Gone => Stage::Gone,
                };
                // Nobody waits for it to say so a second time.
                member.has_parted = standing == Standing::Leaving;
                member
            };
            Generation {
                number: kept.number,
                config: kept.config,
                phase: if kept.is_serving { Phase::Serving } else { Phase::Draining },
                members: kept.members.into_iter().map(member).collect(),
                deaths: Vec::new(),
            }
        };
        Self {
            generations: memory.generations.into_iter().map(generation).collect(),
            count: memory.count,
            workers: memory.workers,
            has_started: true,
            ..Self::default()
        }
    }
}
