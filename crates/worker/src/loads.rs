//! How many requests are with each application, for all loops of a process.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// The loads of all applications, by their numbers.
#[derive(Clone)]
pub(crate) struct Loads(Arc<[AtomicUsize]>);

/// A place among the requests that an application has to do with; free again when it is dropped.
pub(crate) struct Place(Loads, usize);

impl Loads {
    /// So many applications, none of which has anything to do.
    pub(crate) fn new(count: usize) -> Self {
        Self((0..count).map(|_| AtomicUsize::default()).collect())
    }

    /// How many are with the application `number`.
    pub(crate) fn of(&self, number: usize) -> usize {
        self.0.get(number).map_or(0, |load| load.load(Relaxed))
    }

    /// One more request for the application `number`, if it has fewer than `most`.
    pub(crate) fn take(&self, number: usize, most: usize) -> Option<Place> {
        let load = self.0.get(number)?;
        let place = Place(self.clone(), number);
        (load.fetch_add(1, Relaxed) < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Self(Loads(loads), number) = self;
        if let Some(load) = loads.get(*number) {
            load.fetch_sub(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_so_many_have_a_place() {
        let loads = Loads::new(2);
        let first = loads.take(1, 1);
        assert!(first.is_some() && loads.take(1, 1).is_none() && loads.take(0, 1).is_some());
        drop(first);
        assert!(loads.take(1, 1).is_some());
        assert!(loads.take(2, 1).is_none(), "there is no such application");
    }
}
