//! What a loop looks at again and again: connections that are due, log lines that wait.

use crate::core::Core;
use config::Plan;
use control::{Counter, trail::Phase};
use net::clock;
use std::{rc::Rc, time::Duration};
use tokio::time::sleep;

/// How often the loops look for connections that are due, at most and at least. Between those, a
/// quarter of the shortest time that is configured.
const SWEEP_MIN: Duration = Duration::from_millis(10);
pub(crate) const SWEEP_MAX: Duration = Duration::from_millis(100);

/// How much later than it should a timer may go off with nothing in its way.
const TIMER_SLACK: Duration = Duration::from_millis(2);

/// Wakes what is due, again and again while there is anything to watch over.
pub(crate) async fn sweep(core: Rc<Core>) {
    let period = sweep_period(core.plan);
    let mut was_wanted = false;
    loop {
        let is_at_rest = core.watch.len() + core.talks.len() == 0
            && core.turned_away.is_empty()
            && core.kept.is_empty()
            && !core.keeps_files_open();
        if is_at_rest && !core.log.borrow().is_waiting() && !core.has_spans() {
            core.sweeper.notified().await;
        }
        let began_us = clock::precise_us();
        sleep(period).await;
        core.count(Counter::Sweeps);
        core.count_many(Counter::LagUs, late_us(clock::precise_us() - began_us, period));
        core.get_on();
        core.trail.go(Phase::Sweeping);
        let now = core.now();
        core.watch.sweep(now);
        // What has begun before somebody looks is shown as well.
        if core.life.is_wanted() && !was_wanted {
            core.watch.wake_busy();
        }
        was_wanted = core.life.is_wanted();
        core.talks.sweep(now);
        core.turned_away.sweep(now);
        core.kept.sweep(now);
        core.sweep_files(now);
        let dropped = core.log.borrow_mut().sweep(now);
        core.count_many(Counter::LinesDropped, dropped);
        core.hand_over_spans(Some(now));
        core.trail.go(Phase::Rest);
    }
}

/// How much later than after `period` it is after so many microseconds; that the timer itself
/// rounds up to milliseconds, and the kernel to its ticks, is nobody's delay.
fn late_us(us: u64, period: Duration) -> u64 {
    let period_us = u64::try_from((period + TIMER_SLACK).as_micros()).unwrap_or(u64::MAX);
    us.saturating_sub(period_us)
}

fn sweep_period(plan: &Plan) -> Duration {
    let limits = &plan.limits;
    let times = [
        limits.head_time,
        limits.idle_time,
        limits.body_idle_time,
        limits.write_stall_time,
        limits.linger_time,
        plan.logs.flush_time,
    ];
    let shortest = times.into_iter().min().unwrap_or(SWEEP_MAX);
    (shortest / 4).clamp(SWEEP_MIN, SWEEP_MAX)
}
