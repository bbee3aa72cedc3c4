//! What was weighed on the way to a route, for whoever wants to know why.

use config::plan::Place;

/// Hears what is weighed. `()` does not listen, and costs nothing.
pub trait Trace {
    /// Takes down a note, which is made only if somebody wants it.
    fn note<'p>(&mut self, note: impl FnOnce() -> Note<'p>);
}

impl Trace for () {
    #[inline]
    fn note<'p>(&mut self, _: impl FnOnce() -> Note<'p>) {}
}

/// One thing that was weighed.
#[derive(Clone, Debug)]
pub struct Note<'p> {
    /// The key of the route, or what a case asks for.
    pub key: &'p str,
    /// Where it is written.
    pub place: &'p Place,
    /// What became of it.
    pub verdict: Verdict,
}

/// What became of a route that was weighed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one.
    Taken,
    /// It matches the path too, but another matches it more exactly.
    LessExact,
    /// It is for another method.
    OtherMethod,
    /// The client's address is none of those that it is for.
    OtherClient,
    /// The request lacks a field that it is for.
    OtherFields,
}
