//! How much of a peer's patience-taking is put up with: frames that cost work and bring nothing.

use crate::{
    fault::{Code, Fault},
    limits::{CANCELS, CANCELS_BEGUN, IDLE_FRAMES, RESETS, Rate, UPDATE_BYTES, UPDATES_PAID},
};
use base::Moment;

/// Four accounts, which fill with time; that of cancels and that of updates with what is sent, too.
#[derive(Debug)]
pub(crate) struct Calm {
    resets: Account,
    cancels: Account,
    /// Cancels of streams whose answer had begun.
    begun: u32,
    idle_frames: Account,
    updates: Account,
}

const RESET: Fault = Fault::new(Code::EnhanceYourCalm, "too many streams are reset");
const IDLE: Fault = Fault::new(Code::EnhanceYourCalm, "too many frames carry nothing forward");

#[derive(Debug)]
struct Account {
    left: u32,
    /// Up to when it has been filled.
    filled: Moment,
}

impl Calm {
    pub(crate) const fn new(now: Moment) -> Self {
        Self {
            resets: Account::full(RESETS, now),
            cancels: Account::full(CANCELS, now),
            begun: 0,
            idle_frames: Account::full(IDLE_FRAMES, now),
            updates: Account::full(IDLE_FRAMES, now),
        }
    }

    /// A stream was reset because of the peer.
    pub(crate) fn reset(&mut self, now: Moment) -> Result<(), Fault> {
        self.resets.take(RESETS, now).ok_or(RESET)
    }

    /// The peer has reset a stream, whose answer may have begun.
    pub(crate) fn cancel(&mut self, has_begun: bool, now: Moment) -> Result<(), Fault> {
        self.begun = self.begun.wrapping_add(u32::from(has_begun));
        if has_begun && !self.begun.is_multiple_of(CANCELS_BEGUN) {
            return Ok(());
        }
        self.cancels.take(CANCELS, now).ok_or(RESET)
    }

    /// A stream has come to its end on both sides: who takes answers may cancel as many others.
    pub(crate) fn completed(&mut self) {
        self.cancels.left = self.cancels.left.saturating_add(1).min(CANCELS.burst);
    }

    /// A frame came that carries nothing forward.
    pub(crate) fn idle_frame(&mut self, now: Moment) -> Result<(), Fault> {
        self.idle_frames.take(IDLE_FRAMES, now).ok_or(IDLE)
    }

    /// An update of a window came.
    pub(crate) fn update(&mut self, now: Moment) -> Result<(), Fault> {
        self.updates.take(IDLE_FRAMES, now).ok_or(IDLE)
    }

    /// So much content went to the peer, perhaps the last of an answer: it may answer with updates
    /// of its windows, all of them at once where it has all of that at once.
    pub(crate) fn sent(&mut self, bytes: u32, ends: bool) {
        let paid = bytes / UPDATE_BYTES + if ends { UPDATES_PAID } else { 0 };
        self.updates.left = self.updates.left.saturating_add(paid);
    }
}

impl Account {
    const fn full(rate: Rate, now: Moment) -> Self {
        Self { left: rate.burst, filled: now }
    }

    fn take(&mut self, rate: Rate, now: Moment) -> Option<()> {
        if self.left == 0 {
            self.fill(rate, now);
        }
        self.left = self.left.checked_sub(1)?;
        Some(())
    }

    fn fill(&mut self, rate: Rate, now: Moment) {
        let gained = now.since(self.filled).as_millis() * u128::from(rate.per_second) / 1000;
        if gained > 0 {
            self.left = u32::try_from(gained).unwrap_or(u32::MAX).min(rate.burst);
            self.filled = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_put_up_with_and_then_the_average() {
        let mut calm = Calm::new(Moment(0));
        let takes = |calm: &mut Calm, now| (0..).find(|_| calm.reset(Moment(now)).is_err());
        assert_eq!(takes(&mut calm, 0), Some(300));
        assert_eq!(takes(&mut calm, 20), Some(0));
        assert_eq!(takes(&mut calm, 1000), Some(30));
        assert_eq!(takes(&mut calm, 1_000_000), Some(300));
    }
}
