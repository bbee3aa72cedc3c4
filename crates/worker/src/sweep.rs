//! What a loop looks at again and again: connections that are due, log lines that wait.

use crate::core::Core;
use base::Moment;
use config::Plan;
use control::{Counter, trail::Phase};
use std::{rc::Rc, time::Duration};

/// How long after one look the loops look again at the earliest: a quarter of the shortest time
/// that is configured, and not less or more than these.
const SWEEP_MIN: Duration = Duration::from_millis(10);
pub(crate) const SWEEP_MAX: Duration = Duration::from_millis(100);

/// When they do at the latest while they have connections: who begins to watch them waits that
/// long for what is under way.
pub(crate) const REST_MAX: Duration = Duration::from_secs(1);

/// Wakes what is due when it is, again and again.
pub(crate) async fn sweep(core: Rc<Core>) {
    let period = sweep_period(core.plan);
    let mut was_wanted = false;
    loop {
        let late_us = core.due.wait(core.now().after(period)).await;
        core.count(Counter::Sweeps);
        core.count_many(Counter::LagUs, late_us);
        core.get_on();
        core.trail.go(Phase::Sweeping);
        let now = core.now();
        core.due.next(Moment::NEVER);
        core.watch.sweep(now);
        // What has begun before somebody looks is shown as well.
        if core.life.is_wanted() && !was_wanted {
            core.watch.wake_busy();
        }
        was_wanted = core.life.is_wanted();
        core.talks.sweep(now);
        core.turned_away.sweep(now);
        core.due.by(core.kept.sweep(now));
        core.sweep_files(now);
        let dropped = core.log.borrow_mut().sweep(now);
        core.count_many(Counter::LinesDropped, dropped);
        core.hand_over_spans(Some(now));
        if core.watch.len() + core.talks.len() > 0 {
            core.due.by(now.after(REST_MAX));
        }
        core.trail.go(Phase::Rest);
    }
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
