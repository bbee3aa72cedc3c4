//! Prometheus's own judge has nothing to say against what it is given.

#![allow(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

use e2e::{
    Sites,
    binary::workspace,
    eventually,
    look::{admin, ask},
    sites::{HOSTS, get},
};
use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

/// Has it look at something, which may come on its standard input.
fn judge(words: &[&str], input: &[u8]) -> String {
    let mut tool = Command::new("promtool");
    tool.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tool.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
    assert!(output.status.success(), "{said}");
    said
}

/// Checks that what these tests of rules expect comes about.
fn hold(tests: &str) {
    let folder = e2e::folder();
    let file = folder.path().join("tests.yml");
    fs::write(&file, tests).unwrap();
    let said = judge(&["test", "rules", file.to_str().unwrap()], b"");
    assert!(said.contains("SUCCESS"), "{said}");
}

#[test]
fn figures_are_as_it_wants_them() {
    let place = Sites::new();
    place.edit("threads = 1", "threads = 1\nadmin = '127.0.0.1:0'");
    place.edit("workers = 2 }", "workers = 2, micro-cache = '1h' }");
    let server = place.start();
    for (host, target) in HOSTS.iter().flat_map(|host| ["/style.css", "/"].map(|to| (host, to))) {
        assert_eq!(get(&server, host, target).status, 200);
    }
    let mut text = String::new();
    // A php-fpm that takes its time is not waited for.
    for name in ["site_requests_total", "micro_cache_requests_total", "php_workers"] {
        let is_told = eventually(|| {
            text = ask(admin(&server), "/metrics", "").text();
            text.contains(&format!("gannet_{name}{{site="))
        });
        assert!(is_told, "{text}");
    }
    assert_eq!(judge(&["check", "metrics"], text.as_bytes()), "");
    server.stop();
}

#[test]
fn rules_of_alerts_are_rules() {
    let rules = workspace().join("contrib/prometheus/gannet.rules.yml");
    let said = judge(&["check", "rules", rules.to_str().unwrap()], b"");
    assert!(said.contains("SUCCESS"), "{said}");
}

/// Whoever speaks no HTTP that is known here is answered 505, of no site: nobody has to get up.
#[test]
fn a_scanner_wakes_nobody() {
    let rules = workspace().join("contrib/prometheus/gannet.rules.yml");
    let series = |site: &str, class: &str, step: u32| {
        format!(
            "      - {{ series: 'gannet_site_requests_total{{site=\"{site}\",class=\"{class}\"}}', \
             values: '0+{step}x20' }}\n"
        )
    };
    let input = [("(none)", "5xx", 60), ("a.test", "2xx", 60), ("a.test", "5xx", 60)];
    let input = input.map(|(site, class, step)| series(site, class, step)).concat();
    let text = format!(
        "rule_files: [{rules:?}]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    \
         input_series:\n{input}    alert_rule_test:\n      - eval_time: 15m\n        \
         alertname: GannetErrors\n        exp_alerts:\n          \
         - exp_labels: {{ severity: page, site: a.test }}\n            \
         exp_annotations: {{ summary: \"a.test answers 50% of requests with 5xx\" }}\n"
    );
    hold(&text);
}

/// One for a few days, which is renewed in time, is no reason to page somebody.
#[test]
fn of_certificates_the_server_says_whether_their_end_is_near() {
    let rules = workspace().join("contrib/prometheus/gannet.rules.yml");
    let day_and_hour = 90_000;
    let series = |name: &str, file: &str, value: u32| {
        format!(
            "      - {{ series: 'gannet_certificate_{name}{{file=\"{file}\"}}', values: '{value}x9' }}\n"
        )
    };
    let input = [
        series("end_seconds", "/fresh.pem", day_and_hour),
        series("warning", "/fresh.pem", 0),
        series("end_seconds", "/late.pem", day_and_hour),
        series("warning", "/late.pem", 1),
    ]
    .concat();
    let text = format!(
        "rule_files: [{rules:?}]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    \
         input_series:\n{input}    alert_rule_test:\n      - eval_time: 5m\n        \
         alertname: GannetCertificateEnds\n        exp_alerts:\n          \
         - exp_labels: {{ severity: page, file: /late.pem }}\n            \
         exp_annotations: {{ summary: \"/late.pem ends in 1d 0h 55m 0s\" }}\n"
    );
    hold(&text);
}

/// The kernel counts what finds no room at any program of the machine.
#[test]
fn the_full_queue_of_another_program_gets_nobody_up() {
    let rules = workspace().join("contrib/prometheus/gannet.rules.yml");
    let series = |name: &str, instance: &str, address: &str, values: &str| {
        format!(
            "      - {{ series: 'gannet_accept_{name}{{instance=\"{instance}\"{address}}}', \
             values: '{values}' }}\n"
        )
    };
    let of = |instance: &str, overflows: &str, queue: &str| {
        let address = ",address=\"[::]:80\"";
        series("overflows_total", instance, "", overflows)
            + &series("queue", instance, address, queue)
            + &series("queue_max", instance, address, "4096x20")
    };
    let input = of("calm", "7x20", "0x20")
        + &of("other", "0+1x20", "0 3x19")
        + &of("burst", "0+1x20", "0x8 500 0x11")
        + &of("full", "7x20", "4000x20");
    let alert = |name: &str, expect: &[(&str, &str, &str)]| {
        let one = |(severity, labels, summary): &(&str, &str, &str)| {
            format!(
                "          - exp_labels: {{ severity: {severity}, {labels} }}\n            \
                 exp_annotations: {{ summary: \"{summary}\" }}\n"
            )
        };
        format!(
            "      - eval_time: 12m\n        alertname: {name}\n        exp_alerts:\n{}",
            expect.iter().map(one).collect::<String>()
        )
    };
    let (own, any) = (
        "connections wait to be accepted at [::]:80, or find no room to: too few loops, or a burst",
        "a connection has found no room in a queue of this machine, of gannet or of another \
         program: `ss -ltn` shows whose is full",
    );
    let [burst, full] =
        ["burst", "full"].map(|one| format!("instance: {one}, address: \"[::]:80\""));
    let tests = alert("GannetAcceptQueue", &[("page", &burst, own), ("page", &full, own)])
        + &alert(
            "GannetMachineOverflows",
            &[("ticket", "instance: other", any), ("ticket", "instance: burst", any)],
        );
    hold(&format!(
        "rule_files: [{rules:?}]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    \
         input_series:\n{input}    alert_rule_test:\n{tests}"
    ));
}

/// A php-fpm that is gone, or that somebody always waits for, is told of; one that is well is not.
#[test]
fn what_happens_to_php_is_told() {
    let rules = workspace().join("contrib/prometheus/gannet.rules.yml");
    let series = |name: &str, site: &str, values: &str| {
        format!(
            "      - {{ series: 'gannet_php_{name}{{site=\"{site}\"}}', values: '{values}' }}\n"
        )
    };
    let names = ["up", "deaths_total", "queue", "queue_max"];
    let of = |site: &str, values: [&str; 4]| {
        let all = names.into_iter().zip(values).map(|(name, values)| series(name, site, values));
        all.collect::<String>()
    };
    let input = of("well.test", ["1x30", "2x30", "0x30", "50x30"])
        + &of("ill.test", ["0x30", "2+1x30", "1+2x30", "50x30"]);
    let tests = [
        ("Down", "page", "php-fpm of ill.test does not say how it is: it is gone, or hangs"),
        ("Dies", "page", "php-fpm of ill.test has died; the error log says how (php_died)"),
        (
            "QueueFull",
            "page",
            "61 requests wait for php-fpm of ill.test: soon others are answered 503",
        ),
        (
            "QueueGrows",
            "ticket",
            "somebody always waits for php-fpm of ill.test, and more do: raise `workers`, or see \
             what is slow",
        ),
    ];
    let tests = tests.map(|(name, severity, summary)| {
        format!(
            "      - eval_time: 30m\n        alertname: GannetPhp{name}\n        exp_alerts:\n\
             \x20         - exp_labels: {{ severity: {severity}, site: ill.test }}\n            \
             exp_annotations: {{ summary: \"{summary}\" }}\n"
        )
    });
    let text = format!(
        "rule_files: [{rules:?}]\nevaluation_interval: 1m\ntests:\n  - interval: 1m\n    \
         input_series:\n{input}    alert_rule_test:\n{}",
        tests.concat()
    );
    hold(&text);
}
