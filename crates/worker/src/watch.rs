//! When each connection of a loop, or each conversation, must be looked at again: one table, read
//! in one sweep.
//!
//! A deadline moves with every request, so arming a timer for it would cost more than serving it.
//! Here a connection writes one word, and a sweep every fraction of a second wakes those that are
//! due.

use crate::due::Due;
use base::Moment;
use std::{cell::RefCell, rc::Rc, task::Waker};

/// A connection's place in the table.
pub(crate) type Place = u32;

/// All connections of one loop.
pub(crate) struct Watch {
    table: RefCell<Table>,
    due: Rc<Due>,
}

#[derive(Default)]
struct Table {
    rows: Vec<Row>,
    free: Vec<Place>,
}

struct Row {
    /// `None` for a place that nobody has.
    waker: Option<Waker>,
    /// When the connection must be woken.
    deadline: Moment,
    /// Since when it is idle, or from when on it counts as that; `NEVER` while it is busy.
    idle_since: Moment,
    is_evicted: bool,
}

impl Watch {
    /// None yet. The loop looks at them by `due`.
    pub(crate) fn new(due: &Rc<Due>) -> Self {
        Self { table: RefCell::default(), due: Rc::clone(due) }
    }

    /// Gives the task behind `waker` a place.
    pub(crate) fn enter(&self, waker: Waker) -> Place {
        let mut table = self.table.borrow_mut();
        let row = Row {
            waker: Some(waker),
            deadline: Moment::NEVER,
            idle_since: Moment::NEVER,
            is_evicted: false,
        };
        if let Some(place) = table.free.pop() {
            table.rows[place as usize] = row;
            return place;
        }
        table.rows.push(row);
        (table.rows.len() - 1) as Place
    }

    /// Frees a place.
    pub(crate) fn leave(&self, place: Place) {
        let mut table = self.table.borrow_mut();
        table.rows[place as usize].waker = None;
        table.rows[place as usize].deadline = Moment::NEVER;
        table.rows[place as usize].idle_since = Moment::NEVER;
        table.free.push(place);
    }

    /// Sets when to wake the connection, and since when it is idle.
    pub(crate) fn set(&self, place: Place, deadline: Moment, idle_since: Moment) {
        let row = &mut self.table.borrow_mut().rows[place as usize];
        row.deadline = deadline;
        row.idle_since = idle_since;
        self.due.by(deadline);
    }

    /// Sets when to wake the task behind `waker`, whichever had that place before, if any did.
    pub(crate) fn wait(&self, place: &mut Option<Place>, deadline: Moment, waker: &Waker) {
        let place = *place.get_or_insert_with(|| self.enter(waker.clone()));
        let row = &mut self.table.borrow_mut().rows[place as usize];
        row.deadline = deadline;
        if let Some(own) = &mut row.waker {
            own.clone_from(waker);
        }
        self.due.by(deadline);
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        let table = self.table.borrow();
        table.rows.len() - table.free.len()
    }

    /// Wakes every connection whose deadline is not after `now`; the others are due later.
    pub(crate) fn sweep(&self, now: Moment) {
        let mut next = Moment::NEVER;
        for row in &self.table.borrow().rows {
            if row.deadline > now {
                next = next.min(row.deadline);
            } else if let Some(waker) = &row.waker {
                waker.wake_by_ref();
            }
        }
        self.due.by(next);
    }

    /// Wakes every connection that is not idle.
    pub(crate) fn wake_busy(&self) {
        let table = self.table.borrow();
        let busy = table.rows.iter().filter(|row| row.idle_since == Moment::NEVER);
        busy.filter_map(|row| row.waker.as_ref()).for_each(Waker::wake_by_ref);
    }

    /// Wakes every connection.
    pub(crate) fn wake_all(&self) {
        self.table
            .borrow()
            .rows
            .iter()
            .filter_map(|row| row.waker.as_ref())
            .for_each(Waker::wake_by_ref);
    }

    /// Marks the connection that has been idle longest and wakes it to close; false if none is
    /// `now`.
    pub(crate) fn evict_oldest(&self, now: Moment) -> bool {
        let mut table = self.table.borrow_mut();
        let idle = |row: &&mut Row| row.idle_since <= now && !row.is_evicted;
        let Some(oldest) = table.rows.iter_mut().filter(idle).min_by_key(|row| row.idle_since)
        else {
            return false;
        };
        oldest.is_evicted = true;
        if let Some(waker) = &oldest.waker {
            waker.wake_by_ref();
        }
        true
    }

    /// Whether the connection has been chosen to make room.
    pub(crate) fn is_evicted(&self, place: Place) -> bool {
        self.table.borrow().rows[place as usize].is_evicted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_look_is_at_the_first_deadline_that_is_left() {
        let due = Rc::new(Due::new());
        let watch = Watch::new(&due);
        let [first, second] = [(); 2].map(|()| watch.enter(Waker::noop().clone()));
        watch.set(first, Moment(500), Moment::NEVER);
        watch.set(second, Moment(300), Moment(200));
        assert_eq!(due.at(), Moment(300));
        due.next(Moment::NEVER);
        watch.sweep(Moment(400));
        assert_eq!(due.at(), Moment(500), "who is woken says itself when it is due again");
    }
}
