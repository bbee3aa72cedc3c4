//! Counters: one row for each thread that counts, written by it alone and read by anybody.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($name:ident $label:literal $doc:literal;)*) => {
        /// Everything that is counted. A new counter is one line here and one call elsewhere.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Counter {
            $(#[doc = $doc] $name,)*
        }

        impl Counter {
            /// All counters, in the order they are shown.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The name in reports, in snake case.
            #[must_use]
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$name => $label,)*
                }
            }
        }
    };
}

counters! {
    Connections "connections" "Connections accepted.";
    Requests "requests" "Requests answered, refused ones among them.";
    Refused "refused" "Messages that were refused as malformed, ambiguous, too large or too slow.";
    Evicted "evicted" "Idle connections closed to make room for new ones.";
    TurnedAway "turned_away" "Connections answered 503 because a limit of connections was reached.";
    ShutOut "shut_out" "Connections closed without an answer for want of a PROXY protocol header.";
    Exhausted "exhausted" "Times that accepting paused because descriptors or memory ran out.";
    Limited "limited" "Requests answered 429 as their client asks too often.";
    LimitedOnTrial "limited_on_trial" "Requests beyond a limit that is only on trial.";
    Uncounted "uncounted" "Times that the table of clients had no room to keep account of one.";
    Panics "panics" "Faults of ours that ended one exchange or restarted a loop.";
    TemplatesFailed "templates_failed" "Pages whose template failed, and that a built-in page stood in for.";
    LinesDropped "log_lines_dropped" "Access-log lines given up because the log could not take them.";
}

/// One thread's counters, on cache lines that no other thread writes to.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Row([AtomicU64; Counter::ALL.len()]);

impl Row {
    /// Adds `amount`. Only the row's own thread calls this, so a plain load and store will do.
    pub fn add(&self, counter: Counter, amount: u64) {
        let cell = &self.0[counter as usize];
        cell.store(cell.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
    }

    /// The value at this moment.
    #[must_use]
    pub fn get(&self, counter: Counter) -> u64 {
        self.0[counter as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_a_cell_and_a_label_of_its_own() {
        let row = Row::default();
        for (index, &counter) in Counter::ALL.iter().enumerate() {
            assert_eq!(counter as usize, index);
            row.add(counter, index as u64 + 1);
            assert_eq!(row.get(counter), index as u64 + 1);
        }
        let mut labels: Vec<_> = Counter::ALL.iter().map(|counter| counter.label()).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), Counter::ALL.len());
    }
}
