//! The php-fpms of a server that are waited for, on a terminal.

use super::{NAME_WIDTH_MAX, name};
use control::status::Status;
use std::cmp::Reverse;

/// How many are shown.
const SHOWN: usize = 3;

/// A line for each; nothing where nobody waits.
pub(super) fn of(server: &Status) -> String {
    let mut pools: Vec<_> = server.pools.iter().filter(|pool| pool.waiting > 0).collect();
    pools.sort_by_key(|pool| Reverse(pool.waiting));
    let mut text = String::new();
    for pool in pools.iter().take(SHOWN) {
        let site = name(&pool.site, NAME_WIDTH_MAX);
        text += &format!("php          {} wait for a worker of {site}\n", pool.waiting);
    }
    if let more @ 1.. = pools.len().saturating_sub(SHOWN) {
        text += &format!("and {more} more\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::status::Pool;

    #[test]
    fn who_is_waited_for_most_comes_first() {
        let pool = |site: &str, waiting| Pool { site: site.to_owned(), waiting, ..Pool::default() };
        let pools = vec![pool("a", 1), pool("b\x1b", 3), pool("c", 0), pool("d", 2), pool("e", 1)];
        let lines = "php          3 wait for a worker of b\\x1b\n\
                     php          2 wait for a worker of d\n\
                     php          1 wait for a worker of a\n\
                     and 1 more\n";
        assert_eq!(of(&Status { pools, ..Status::default() }), lines);
        assert_eq!(of(&Status { pools: vec![pool("c", 0)], ..Status::default() }), "");
    }
}
