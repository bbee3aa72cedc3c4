//! What is weighed on the way of a request, for whoever wants to know why.

use config::plan::Place;

/// What a step is called after which a request is not answered but refused.
pub const REFUSED: &str = "refused";

/// Hears each step on the way. `()` does not listen, and costs nothing.
pub trait Trace {
    /// Takes down a step, which is made only if somebody wants it.
    fn note(&mut self, step: impl FnOnce() -> Step);
}

impl Trace for () {
    #[inline]
    fn note(&mut self, _: impl FnOnce() -> Step) {}
}

impl Trace for Vec<Step> {
    fn note(&mut self, step: impl FnOnce() -> Step) {
        self.push(step());
    }
}

/// One step on the way of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What was weighed, or what it came to: `site`, `route`, `passed over`, `rewrite`.
    pub what: &'static str,
    /// In words.
    pub text: String,
    /// Who said so, where it was written.
    pub place: Option<Place>,
}

impl Step {
    /// A step that was written at `place`.
    #[must_use]
    pub fn new(what: &'static str, text: impl Into<String>, place: &Place) -> Self {
        Self { what, text: text.into(), place: Some(place.clone()) }
    }
}
