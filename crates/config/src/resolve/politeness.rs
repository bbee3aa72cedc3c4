//! What a client may ask for, and how fast it is served.

use super::{context::Context, policy::last};
use crate::{
    mistake::Mistake,
    plan::{Bandwidth, Limit},
    source::Word,
    unit::RATES,
    written::Policy,
};
use base::Bucket;
use std::{num::NonZero, time::Duration};

/// The time in which a bucket must be full again that somebody has emptied.
const REFILL_TIME_MAX: Duration = Duration::from_secs(30 * 86_400);

/// The least and the most that a connection asks for at a time: a packet or two, and as much of a
/// file as is sent in one step anyway.
const STEP_BYTES_MIN: u64 = 2 * 1024;
const STEP_BYTES_MAX: u64 = 256 * 1024;

/// How often a client may ask.
pub(super) fn limit(chain: &[&Policy], context: &mut Context<'_>) -> Option<Limit> {
    if let Some(own) = chain.last() {
        check(own, context);
    }
    let words = chain.iter().rev().map(|words| &words.limit).find(|limit| limit.rate.is_some())?;
    let rate = words.rate.as_ref()?;
    let frequency = rate.value?;
    let burst = words.burst.as_ref().map_or(frequency.burst(), |word| word.value);
    let text = format!("{frequency}, {burst} at once");
    Some(Limit {
        number: context.limit_number(rate.span, &text),
        bucket: Bucket::new(frequency.count, frequency.period, burst),
        text: text.into(),
        is_dry_run: words.dry_run.as_ref().is_some_and(|word| word.value),
        place: context.at(rate.span),
    })
}

/// Notes what makes no sense of the limit in `own`; what is inherited was judged where it stands.
fn check(own: &Policy, context: &mut Context<'_>) {
    let words = &own.limit;
    let frequency = words.rate.as_ref().and_then(|word| word.value);
    let Some(frequency) = frequency else {
        let burst = words.burst.as_ref().map(|word| ("burst", word.span));
        let dry_run = words.dry_run.as_ref().map(|word| ("dry-run", word.span));
        if let Some((name, span)) = burst.or(dry_run) {
            let cause = format!("`{name}` has no effect without a rate");
            let mistake = Mistake::new(span, cause, "of which rate?");
            context.mistakes.push(mistake.help("for example: `limit = { rate = \"20/s\" }`"));
        }
        return;
    };
    if let Some(burst) = &words.burst {
        let seconds = burst.value.saturating_mul(frequency.period.as_secs());
        let refill = Duration::from_secs(seconds / frequency.count);
        if refill > REFILL_TIME_MAX {
            let days = refill.as_secs() / 86_400;
            let cause = format!("who has used up this `burst` has it again only after {days} days");
            let mistake = Mistake::new(burst.span, cause, "more than 30 days");
            context.mistakes.push(mistake.help("lower it, or raise `rate`"));
        }
    }
}

/// How fast a client is served.
pub(super) fn bandwidth(chain: &[&Policy], context: &mut Context<'_>) -> Option<Bandwidth> {
    let word: &Word<Option<u64>> = last(chain, |words| words.bandwidth.as_ref())?;
    let rate = NonZero::new(word.value?)?;
    // A turn comes every tenth of a second: an eighth of a second's bytes, and as much again that
    // could not be sent while others had theirs, keep the rate whoever is late.
    let step_bytes = (rate.get() / 8).clamp(STEP_BYTES_MIN, STEP_BYTES_MAX);
    let burst = (rate.get() / 4).max(2 * step_bytes);
    Some(Bandwidth {
        number: context.limit_number(word.span, &RATES.show(rate.get())),
        bucket: Bucket::new(rate, Duration::from_secs(1), burst),
        text: RATES.show(rate.get()).into(),
        step_bytes,
        place: context.at(word.span),
    })
}
