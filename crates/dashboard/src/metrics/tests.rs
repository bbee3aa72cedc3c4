//! Figures are read again, and compared with what is written about them.

use super::*;
use crate::example;
use std::collections::{BTreeMap, BTreeSet};

fn text(format: Format) -> String {
    String::from_utf8(metrics(&example::status(), format)).unwrap()
}

/// The names of all families.
fn names() -> BTreeSet<String> {
    let own = families().map(|family| family.name.to_owned());
    own.chain(counters().map(counter_name)).collect()
}

/// The figures in a text of this kind, each by its name and labels; what is no such text fails.
fn read(text: &str, format: Format) -> BTreeMap<String, f64> {
    let mut all = BTreeMap::new();
    let mut family = (String::new(), String::new());
    let mut families = BTreeSet::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let name = rest.split(' ').next().unwrap();
            assert!(families.insert(name.to_owned()), "{name} comes in two pieces");
            family.0 = name.to_owned();
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, family.0);
            family.1 = kind.to_owned();
            continue;
        }
        if line == "# EOF" {
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let name = sample.split('{').next().unwrap();
        let ending = name.strip_prefix(&family.0).unwrap_or_else(|| panic!("{line}"));
        let endings: &[&str] = match (&*family.1, format) {
            ("gauge", _) | ("counter", Format::Plain) => &[""],
            ("counter", _) => &["_total"],
            _ => &["_bucket", "_sum", "_count"],
        };
        assert!(endings.contains(&ending), "{line}");
        assert!(all.insert(sample.to_owned(), value.parse().unwrap()).is_none(), "{line}");
    }
    all
}

#[test]
fn figures_are_whole_and_each_is_there_once() {
    for format in [Format::Open, Format::Plain] {
        let text = text(format);
        assert_eq!(text.ends_with("# EOF\n"), format == Format::Open);
        let all = read(&text, format);
        for (sample, expect) in [
            ("gannet_build{version=\"1.2\"}", 1.0),
            ("gannet_site_requests_total{site=\"example.com\",route=\"/a/*\",class=\"2xx\"}", 6.0),
            ("gannet_site_sent_bytes_total{site=\"example.com\",route=\"/*\"}", 1500.0),
            ("gannet_open_connections{phase=\"serving\"}", 1.0),
            ("gannet_workers{phase=\"draining\"}", 0.0),
            ("gannet_worker_cpu_seconds_total{pid=\"12\"}", 1.25),
            ("gannet_loop_requests_total{pid=\"12\",loop=\"1\"}", 4.0),
            ("gannet_loop_lag_seconds_total", 1.5),
            ("gannet_accept_queue{address=\"[::1]:80\"}", 3.0),
            ("gannet_pages_bytes", 8000.0),
            ("gannet_accept_overflows_total", 2.0),
            ("gannet_accept_drops_total", 5.0),
            ("gannet_listener_connections_total{address=\"[::1]:80\"}", 6.0),
            ("gannet_protocol_connections{protocol=\"http2\",tls=\"yes\"}", 1.0),
            ("gannet_protocol_connections{protocol=\"http1\",tls=\"no\"}", 0.0),
            ("gannet_sockets{state=\"TIME_WAIT\"}", 7.0),
            ("gannet_site_requests_under_way{site=\"example.com\",route=\"/a/*\"}", 1.0),
            ("gannet_reloads_total{outcome=\"failed\"}", 1.0),
            ("gannet_last_reload_failed", 1.0),
            ("gannet_certificate_end_seconds{file=\"/a.pem\"}", 1_800_000_000.0),
            ("gannet_certificate_warning{file=\"/a.pem\"}", 1.0),
            ("gannet_certificate_failed{file=\"/a.pem\"}", 1.0),
            ("gannet_php_up{site=\"example.com\"}", 1.0),
            ("gannet_php_up{site=\"mute\"}", 0.0),
            ("gannet_php_workers{site=\"example.com\",state=\"busy\"}", 4.0),
            ("gannet_php_workers{site=\"example.com\",state=\"idle\"}", 2.0),
            ("gannet_php_workers_busy_most{site=\"example.com\"}", 6.0),
            ("gannet_php_workers_all_busy_total{site=\"example.com\"}", 8.0),
            ("gannet_php_slow_total{site=\"example.com\"}", 10.0),
            ("gannet_php_requests_total{site=\"example.com\"}", 18.0),
            ("gannet_php_queue{site=\"mute\"}", 1.0),
            ("gannet_php_queue_max{site=\"example.com\"}", 1022.0),
            ("gannet_micro_cache_requests_total{site=\"example.com\",outcome=\"hit\"}", 3.0),
            ("gannet_micro_cache_requests_total{site=\"example.com\",outcome=\"stale\"}", 1.0),
            ("gannet_micro_cache_requests_total{site=\"example.com\",outcome=\"miss\"}", 2.0),
            ("gannet_micro_cache_waited_total{site=\"example.com\"}", 1.0),
            ("gannet_micro_cache_pages{site=\"example.com\"}", 2.0),
            ("gannet_micro_cache_bytes{site=\"example.com\"}", 5000.0),
            ("gannet_requests_total", 9.0),
            ("gannet_log_lines_dropped_total", 4.0),
        ] {
            assert_eq!(all.get(sample), Some(&expect), "{sample}");
        }
        assert!(!all.contains_key("gannet_php_slow_total{site=\"mute\"}"), "{text}");
        for (verdict, expect) in [("refused", 2.0), ("on trial", 1.0)] {
            let labels = format!("site=\"example.com\",route=\"/a/*\",verdict=\"{verdict}\"");
            let sample = format!("gannet_site_limited_total{{{labels}}}");
            assert_eq!(all.get(&sample), Some(&expect), "{sample}");
        }
    }
}

#[test]
fn what_is_not_known_is_no_figure() {
    let mut status = example::status();
    (status.overflows, status.generations[0].workers[0].used) = (None, None);
    (status.drops, status.sockets) = (None, None);
    let text = String::from_utf8(metrics(&status, Format::Plain)).unwrap();
    let all = read(&text, Format::Plain);
    for name in [
        "gannet_accept_overflows",
        "gannet_accept_drops",
        "gannet_worker_cpu",
        "gannet_worker_memory",
        "gannet_sockets",
    ] {
        assert!(!all.keys().any(|sample| sample.starts_with(name)), "{name}");
    }
}

#[test]
fn a_histogram_adds_up() {
    let all = read(&text(Format::Open), Format::Open);
    let of = |name: &str, more: &str| {
        let labels = "site=\"example.com\",route=\"/a/*\"";
        all[&format!("gannet_first_byte_seconds_{name}{{{labels}{more}}}")]
    };
    assert_eq!((of("count", ""), of("sum", "")), (6.0, 70.0001));
    let first = of("bucket", ",le=\"0.000064\"");
    let (last, rest) = (of("bucket", ",le=\"67.108864\""), of("bucket", ",le=\"+Inf\""));
    assert_eq!((first, last, rest), (5.0, 5.0, 6.0));
}

#[test]
fn no_name_ends_its_label() {
    let mut status = example::status();
    status.sites[1].name = "a\"} 1\n\\".to_owned();
    let text = String::from_utf8(metrics(&status, Format::Open)).unwrap();
    assert!(text.contains("{site=\"a\\\"} 1\\n\\\\\",route=\"/*\","), "{text}");
}

#[test]
fn seconds_are_exact() {
    for (us, expect) in
        [(0, "0.0"), (64, "0.000064"), (1_500_000, "1.5"), (67_108_864, "67.108864")]
    {
        assert_eq!(seconds(us), expect);
    }
}

/// The book has a row for each family, and what is in `contrib` asks for none that is not there.
#[test]
fn what_is_written_about_families_is_true_of_all_of_them() {
    let book = include_str!("../../../../docs/book/admin.md");
    let rows = mentioned(book);
    for name in names() {
        let is_there = [&*name, &format!("{name}_total")].iter().any(|one| rows.contains(one));
        assert!(is_there, "{name} has no row in docs/book/admin.md");
    }
    let contrib = [
        include_str!("../../../../contrib/grafana/gannet.json"),
        include_str!("../../../../contrib/prometheus/gannet.rules.yml"),
    ];
    for text in contrib.into_iter().chain([book]) {
        for name in mentioned(text) {
            let mut bare = ["_total", "_bucket", "_sum", "_count"].iter();
            let bare = bare.find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
            assert!(names().contains(bare) || names().contains(name), "{name} is no family");
        }
    }
}

/// All names that look like those of families.
fn mentioned(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("gannet_")).collect()
}
