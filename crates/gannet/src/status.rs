//! `gannet status`: how a server is, for people.

use crate::{greeting, listed};
use base::text::{push_printable, push_size};
use control::{
    status::{Certificate, Generation, Reload, Site, Status},
    tally::Counts,
};

/// Sites that people are shown, those with the most requests, and routes of each of them.
const SITES_SHOWN: usize = 10;
const ROUTES_SHOWN: usize = 3;

/// Certificates that people are shown.
const CERTIFICATES_SHOWN: usize = 5;

/// Characters of the longest name that is shown whole.
const NAME_WIDTH: usize = 40;

/// For people.
pub(crate) fn pretty(status: &Status) -> Vec<u8> {
    let Status { version, pid, seconds, generations, connections, reload, layers, sites, .. } =
        status;
    let mut text = format!("gannet {version}, pid {pid}, up {}\n", time(*seconds));
    for Generation { number, phase, seconds_left, workers } in generations {
        let left = seconds_left.map(|left| format!(", for {} at most", time(left)));
        let left = left.unwrap_or_default();
        text.push_str(&format!("  generation {number}, {phase}{left}\n"));
        for worker in workers {
            text.push_str(&format!(
                "    worker {}: {}, {}, {}\n",
                worker.pid,
                counted(worker.loops.len() as u64, "loop", "loops"),
                counted(worker.connections, "connection", "connections"),
                counted(worker.requests(), "request", "requests")
            ));
        }
    }
    let now = counted(*connections, "connection", "connections");
    text.push_str(&format!("  {now} now; since the start {}\n", since_start(status)));
    match reload {
        None => {}
        Some(Reload { seconds, fault: None }) => {
            text.push_str(&format!("  reloaded {} ago\n", time(*seconds)));
        }
        Some(Reload { seconds, fault: Some(fault) }) => {
            text.push_str(&format!("  not reloaded {} ago:\n{fault}\n", time(*seconds)));
        }
    }
    if !layers.is_empty() {
        text.push_str("  sandbox\n");
        layers.iter().for_each(|layer| text.push_str(&format!("    {layer}\n")));
    }
    push_certificates(&mut text, &status.certificates);
    push_sites(&mut text, sites);
    text.into_bytes()
}

/// The certificates that end first, those that something is wrong with in front.
fn push_certificates(text: &mut String, certificates: &[Certificate]) {
    let mut all: Vec<_> = certificates.iter().collect();
    let is_well = |one: &Certificate| one.warning.is_none() && one.error.is_none();
    all.sort_by_key(|one| (is_well(one), one.until));
    if !all.is_empty() {
        text.push_str("  certificates\n");
    }
    all.iter().take(CERTIFICATES_SHOWN).for_each(|one| listed::push(text, one, "    "));
    if let more @ 1.. = all.len().saturating_sub(CERTIFICATES_SHOWN) {
        let more = counted(more as u64, "more certificate", "more certificates");
        text.push_str(&format!("    and {more}: --json has all\n"));
    }
}

/// What was counted; what is no good sign only where there is any.
fn since_start(status: &Status) -> String {
    let total = |name: &str| {
        let found = status.counted.iter().find(|(known, _)| known == name);
        found.map_or(0, |(_, count)| *count)
    };
    let mut all = vec![
        counted(total("connections"), "connection", "connections"),
        counted(total("requests"), "request", "requests"),
        counted(status.restarts, "restart", "restarts"),
    ];
    let troubles = [
        (status.cut_off, "request cut off", "requests cut off"),
        (total("log_lines_dropped"), "log line dropped", "log lines dropped"),
        (total("spans_dropped"), "span dropped", "spans dropped"),
    ];
    let troubles = troubles.into_iter().filter(|(number, ..)| *number > 0);
    all.extend(troubles.map(|(number, one, several)| counted(number, one, several)));
    all.join(", ")
}

/// The sites with the most requests, in a table.
fn push_sites(text: &mut String, sites: &[Site]) {
    let most = |counts: &Counts| std::cmp::Reverse(counts.requests());
    let mut all: Vec<_> = sites.iter().map(|site| (site, site.total())).collect();
    all.retain(|(_, total)| total.requests() > 0);
    all.sort_by_key(|(_, total)| most(total));
    let mut lines = Vec::new();
    for (site, total) in all.iter().take(SITES_SHOWN) {
        lines.push((name(&site.name, ""), *total));
        let mut routes: Vec<_> = site.routes.iter().filter(|(_, had)| had.requests() > 0).collect();
        routes.sort_by_key(|(_, counts)| most(counts));
        let routes = routes.into_iter().take(ROUTES_SHOWN).filter(|(_, had)| had != total);
        lines.extend(routes.map(|(key, counts)| (name(key, "  "), *counts)));
    }
    if lines.is_empty() {
        return;
    }
    let width = lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let heads = ["requests", "2xx", "3xx", "4xx", "5xx"];
    let head: String = heads.iter().map(|head| format!(" {head:>10}")).collect();
    text.push_str(&format!("  {:<width$}{head} {:>8}\n", "site", "sent"));
    for (name, counts) in lines {
        let [_, classes @ ..] = counts.classes;
        let numbers = [counts.requests()].into_iter().chain(classes);
        let numbers: String = numbers.map(|number| format!(" {number:>10}")).collect();
        let mut sent = String::new();
        push_size(&mut sent, counts.bytes, ' ');
        text.push_str(&format!("  {name:<width$}{numbers} {sent:>8}\n"));
    }
    if let more @ 1.. = all.len().saturating_sub(SITES_SHOWN) {
        let more = counted(more as u64, "more site", "more sites");
        text.push_str(&format!("  and {more}: --json has all\n"));
    }
}

/// A name as it stands in the table.
fn name(name: &str, indent: &str) -> String {
    let mut shown = indent.as_bytes().to_vec();
    push_printable(&mut shown, name.as_bytes());
    let shown = String::from_utf8_lossy(&shown);
    match shown.char_indices().nth(NAME_WIDTH) {
        Some((end, _)) => format!("{}…", shown.get(..end).unwrap_or_default()),
        None => shown.into_owned(),
    }
}

/// A count, and what is counted.
pub(crate) fn counted(count: u64, one: &str, several: &str) -> String {
    greeting::counted(usize::try_from(count).unwrap_or(usize::MAX), one, several)
}

/// A stretch of time in its two largest units.
pub(crate) fn time(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{hours}h {minutes}m"),
        _ => format!("{days}d {hours}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::status::{Loop, Worker};

    fn status() -> Status {
        let loops =
            vec![Loop { connections: 1, requests: 5 }, Loop { connections: 2, requests: 4 }];
        let worker = Worker { pid: 12, connections: 1, loops, ..Worker::default() };
        let (number, phase, seconds_left) = (2, "draining".to_owned(), Some(3_540));
        let before = Generation { number, phase, seconds_left, workers: Vec::new() };
        let (number, phase, seconds_left) = (3, "serving".to_owned(), None);
        let counts = |good, bad| Counts {
            classes: [0, good, 0, bad, 0],
            bytes: 1500 * good,
            ..Counts::default()
        };
        let routes = vec![("/*".to_owned(), counts(1, 1)), ("/a/*".to_owned(), counts(6, 0))];
        let none = vec![("(other)".to_owned(), counts(0, 1))];
        let serving = Generation { number, phase, seconds_left, workers: vec![worker] };
        Status {
            version: "1.2".to_owned(),
            pid: 7,
            seconds: 3_700,
            generations: vec![before, serving],
            connections: 1,
            restarts: 2,
            cut_off: 1,
            reload: Some(Reload { seconds: 61, fault: Some("a \"b\"".to_owned()) }),
            layers: vec!["no core dumps: on".to_owned()],
            counted: vec![("requests".to_owned(), 9), ("log_lines_dropped".to_owned(), 4)],
            sites: vec![
                Site { name: "(none)".to_owned(), routes: none },
                Site { name: "example.com".to_owned(), routes },
            ],
            ..Status::default()
        }
    }

    #[test]
    fn people_see_what_matters_in_lines_and_a_table() {
        let expect = [
            "gannet 1.2, pid 7, up 1h 1m",
            "  generation 2, draining, for 59m 0s at most",
            "  generation 3, serving",
            "    worker 12: 2 loops, 1 connection, 9 requests",
            "  1 connection now; since the start 0 connections, 9 requests, 2 restarts, 1 request \
             cut off, 4 log lines dropped",
            "  not reloaded 1m 1s ago:",
            "a \"b\"",
            "  sandbox",
            "    no core dumps: on",
            "  site          requests        2xx        3xx        4xx        5xx     sent",
            "  example.com          8          7          0          1          0   10 KiB",
            "    /a/*               6          6          0          0          0  8.7 KiB",
            "    /*                 2          1          0          1          0  1.4 KiB",
            "  (none)               1          0          0          1          0      0 B",
            "",
        ];
        assert_eq!(String::from_utf8(pretty(&status())).unwrap(), expect.join("\n"));
    }

    #[test]
    fn of_many_sites_people_see_the_first_ones() {
        let counts = |count| Counts { classes: [0, count, 0, 0, 0], ..Counts::default() };
        let site = |at: u64| Site {
            name: format!("{at}.{}", "x".repeat(50)),
            routes: vec![("/*".to_owned(), counts(at))],
        };
        let text = pretty(&Status { sites: (0..20).map(site).collect(), ..Status::default() });
        let text = String::from_utf8(text).unwrap();
        assert!(text.contains(&format!("  19.{}… ", "x".repeat(37))), "{text}");
        assert!(text.ends_with("  and 9 more sites: --json has all\n"), "{text}");
    }
}
