//! What runs PHP: it is started before workers are that ask it, and ends once none of them is left.

use super::{Happening, Shell, Source};
use crate::{
    machine::{Event, Note},
    pools::{Heard, Pools, Tale},
};
use config::plan::Pool;
use std::rc::Rc;
use tokio::sync::mpsc::UnboundedSender;

/// Pools of which this process hears.
pub(super) fn listen(happenings: &UnboundedSender<Happening>) -> Pools {
    let happenings = happenings.clone();
    Pools::new(move |number, heard| drop(happenings.send(Happening::Pool(number, heard))))
}

impl Shell<'_> {
    /// Starts what a config needs that is not there yet. The machine is told once that is ready.
    pub(super) fn open_pools(&mut self, source: Rc<Source>) -> Result<(), String> {
        if self.is_trial {
            self.due.push_back(Event::Opened);
            return Ok(());
        }
        let opened = self.pools.open(&source.blueprint.pools);
        match &opened {
            Ok(()) => self.opening = Some(source),
            Err(_) => self.tidy_pools(),
        }
        self.look_at_pools();
        opened
    }

    /// Takes notice of what is heard of a process.
    pub(super) fn hear_of_pool(&mut self, number: u64, heard: Heard) {
        if !matches!(heard, Heard::Word(_)) {
            self.keeping.touch();
        }
        let note = match self.pools.heard(number, heard) {
            Some((site, Tale::Died(how))) => Some(Note::PhpDied(site, how)),
            Some((site, Tale::Said(text))) => Some(Note::PhpSaid(site, text)),
            None => None,
        };
        match note {
            Some(Note::PhpSaid(site, text)) if self.serving.is_none() => {
                net::stream::try_to_tell(format!("php-fpm of {site}: {text}\n").as_bytes());
            }
            note => note.iter().for_each(|note| self.note(note)),
        }
        self.look_at_pools();
    }

    /// Tells the machine what has become of those that it waits for.
    fn look_at_pools(&mut self) {
        let wanted = self.opening.as_ref().map(|source| &source.blueprint.pools);
        if let Some(outcome) = wanted.and_then(|wanted| self.pools.standing(wanted)) {
            self.opening = None;
            if outcome.is_err() {
                self.tidy_pools();
            }
            self.due.push_back(outcome.map_or_else(Event::NotOpened, |()| Event::Opened));
        }
    }

    /// Parts with those that nobody asks any more.
    pub(super) fn tidy_pools(&mut self) {
        let all = self.workers.sources().chain(&self.serving).chain(&self.opening);
        let is_wanted = |source: &Rc<Source>, pool: &Pool| source.blueprint.pools.contains(pool);
        if self.pools.keep(|pool| all.clone().any(|source| is_wanted(source, pool))) {
            self.keeping.touch();
        }
    }
}
