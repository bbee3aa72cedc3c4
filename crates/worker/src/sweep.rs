//! What a loop looks at again and again: connections that are due, log lines that wait.

use crate::core::Core;
use config::Plan;
use control::{Counter, trail::Phase};
use std::{rc::Rc, time::Duration};
use tokio::time::sleep;

/// How often the loops look for connections that are due, at most and at least. Between those, a
/// quarter of the shortest time that is configured.
const SWEEP_MIN: Duration = Duration::from_millis(10);
pub(crate) const SWEEP_MAX: Duration = Duration::from_millis(100);

/// Wakes what is due, again and again while there is anything to watch over.
pub(crate) async fn sweep(core: Rc<Core>) {
    let period = sweep_period(core.plan);
    loop {
        let is_at_rest = core.watch.len() == 0 && core.turned_away.is_empty();
        if is_at_rest && !core.log.borrow().is_waiting() {
            core.sweeper.notified().await;
        }
        sleep(period).await;
        core.get_on();
        core.trail.go(Phase::Sweeping);
        let now = core.now();
        core.watch.sweep(now);
        core.turned_away.sweep(now);
        let dropped = core.log.borrow_mut().sweep(now);
        core.count_many(Counter::LinesDropped, dropped);
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
