//! Ids for exchanges: made by each loop for itself, without a lock and without asking the kernel.

use config::Plan;
use message::{Field, Request, RequestId, Response, TraceContext, response::Line};
use std::{
    borrow::Cow,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    num::NonZero,
};

/// One loop's ids. None of them comes twice, and no two loops are likely ever to have one in
/// common: each begins at a place of its own among 2^128.
pub(crate) struct Ids {
    next: u128,
}

impl Ids {
    pub(crate) fn new() -> Self {
        // The standard library seeds its hash maps from the kernel's random numbers.
        let random = RandomState::new();
        let half = |number: u8| u128::from(random.hash_one(number));
        Self { next: half(0) << 64 | half(1) }
    }

    /// The next id. What it is does not show how many there were.
    pub(crate) fn next(&mut self) -> RequestId {
        RequestId::of(self.bits())
    }

    /// A place for the exchange that `request` begins: in the trace that it names, or in a new one.
    /// Of those that begin here, every so many are sampled.
    fn trace(&mut self, request: &Request<'_>, share: NonZero<u32>) -> TraceContext {
        let bits = self.bits();
        let span = NonZero::new(bits as u64).unwrap_or(NonZero::<u64>::MIN);
        TraceContext::received(&request.fields, span).unwrap_or_else(|| {
            let trace = NonZero::new(self.bits()).unwrap_or(NonZero::<u128>::MIN);
            let is_sampled = ((bits >> 64) as u64).is_multiple_of(u64::from(share.get()));
            TraceContext { trace, span, parent: None, is_sampled, keeps_state: false }
        })
    }

    fn bits(&mut self) -> u128 {
        // The golden ratio's bits, odd: all 2^128 numbers are passed before one comes again.
        self.next = self.next.wrapping_add(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let high = mix((self.next >> 64) as u64);
        let low = mix(self.next as u64);
        u128::from(high) << 64 | u128::from(low)
    }
}

/// Steele, Lea and Flood's mixing of 64 bits (SplitMix), which never makes two numbers one.
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

/// The id of the exchange that `request` begins, where the plan gives ids: the one that a trusted
/// proxy has sent along, or a new one; with its place in a trace, where the plan has them traced.
pub(crate) fn of(
    plan: &Plan,
    request: &Request<'_>,
    peer: Option<IpAddr>,
    ids: &mut Ids,
) -> Option<RequestId> {
    let name = plan.request_id.as_deref()?.as_bytes();
    let is_id = |line: &&Field<'_>| line.name.eq_ignore_ascii_case(name);
    let mut named = request.fields.lines().iter().filter(is_id);
    let only = named.next().filter(|_| named.next().is_none() && plan.trusts(peer));
    let id = only.and_then(|line| RequestId::parse(line.value)).unwrap_or_else(|| ids.next());
    Some(match plan.trace {
        Some(share) => id.traced(ids.trace(request, share)),
        None => id,
    })
}

/// Puts the id of its exchange on an answer.
pub(crate) fn mark(plan: &'static Plan, id: Option<&RequestId>, response: &mut Response) {
    if let (Some(id), Some(name)) = (id, &plan.request_id) {
        let name = Cow::Borrowed(&**name);
        response.lines.push(Line::new(name, id.as_str().to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_id_comes_twice() {
        let mut seen = HashSet::new();
        for mut loop_ids in [Ids::new(), Ids::new()] {
            for _ in 0..10_000 {
                assert!(seen.insert(loop_ids.next().as_str().to_owned()));
            }
        }
    }
}
