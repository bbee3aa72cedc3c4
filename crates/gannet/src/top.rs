//! `gannet top`: what a running server does, second by second, on a terminal.

use crate::{arguments::Desk, greeting, status::time, trouble::Trouble, wishing};
use base::text::{push_printable, push_size};
use control::{
    latency::Latency,
    status::{Site, Status},
    tally::Counts,
};
use std::{
    process::ExitCode,
    time::{Duration, Instant},
};
use tokio::{runtime::Builder, time::sleep};

/// Time between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// Sites that are shown, those that are asked most, and characters of the longest name.
const SITES_SHOWN: usize = 20;
const NAME_WIDTH: usize = 28;

/// To the upper left corner; from here on the line, and all that is below, is empty.
const HOME: &str = "\x1b[H";
const LINE_END: &str = "\x1b[K\n";
const REST: &str = "\x1b[J";

/// Shows what a server does until it ends or Ctrl-C is pressed; where that is no terminal, once.
pub(crate) fn top(desk: &Desk) -> Result<ExitCode, Trouble> {
    let is_terminal = greeting::is_terminal();
    let clock = Builder::new_current_thread().enable_time().build();
    let clock = clock.map_err(|error| Trouble::new(1, format!("error: {error}")))?;
    let (mut last, mut at) = (wishing::look(desk)?, Instant::now());
    loop {
        clock.block_on(async { sleep(PAUSE).await });
        let now = wishing::look(desk)?;
        let text = frame(&last, &now, at.elapsed().as_secs_f64());
        if !is_terminal {
            net::stream::say(text.as_bytes());
            return Ok(ExitCode::SUCCESS);
        }
        let screen = format!("{HOME}{}{REST}", text.replace('\n', LINE_END));
        net::stream::say(screen.as_bytes());
        (last, at) = (now, Instant::now());
    }
}

/// What has happened between two looks.
fn frame(last: &Status, now: &Status, seconds: f64) -> String {
    let rate = |of: &dyn Fn(&Status) -> u64| of(now).saturating_sub(of(last)) as f64 / seconds;
    let class = |at: usize| rate(&|status: &Status| sum(status, |counts| counts.classes[at]));
    let counter = |name: &'static str| move |status: &Status| count(status, name);
    let requests = rate(&counter("requests"));
    let cpu = cpu_us(now).zip(cpu_us(last));
    let cpu = cpu.map(|(now, last)| now.saturating_sub(last) as f64 / seconds / 1e6);
    let generation = now.generations.last();
    let phase = generation.map_or("not there", |one| &*one.phase);
    let number = generation.map_or(0, |one| one.number);
    let times = latency(now.sites.iter(), last);
    let mut text = format!(
        "gannet {}   pid {}   up {}   generation {number} {phase}\n\n",
        now.version,
        now.pid,
        time(now.seconds)
    );
    text += &format!(
        "requests     {requests:.0}/s   4xx {:.0}/s   5xx {:.0}/s   p50 {}   p99 {}\n",
        class(3),
        class(4),
        quantile(&times, 0.5),
        quantile(&times, 0.99)
    );
    text += &format!(
        "connections  {} open   {:.0}/s accepted   {} under way   {} wait to be accepted\n",
        now.connections,
        rate(&counter("connections")),
        workers(now, |worker| worker.under_way),
        now.listeners.iter().map(|one| one.waiting).sum::<u64>()
    );
    let each = cpu.filter(|_| requests > 0.0).map(|cpu| format!("{:.0} µs", cpu / requests * 1e6));
    let sent = size(rate(&|status| sum(status, |counts| counts.bytes)));
    text += &format!(
        "sent         {sent}/s   processor {} of a core, {} for each request\n",
        share(cpu),
        known(each)
    );
    push_sites(&mut text, last, now, seconds);
    push_workers(&mut text, last, now, seconds);
    text
}

fn push_sites(text: &mut String, last: &Status, now: &Status, seconds: f64) {
    let before = |site: &Site| total_of(last, &site.name);
    let mut sites: Vec<_> = now.sites.iter().collect();
    let asked = |site: &Site| site.total().requests().saturating_sub(before(site).requests());
    sites.sort_by_key(|site| std::cmp::Reverse((asked(site), site.total().requests())));
    sites.retain(|site| site.total().requests() > 0);
    *text += &format!(
        "\n{:<NAME_WIDTH$} {:>8} {:>8} {:>8} {:>8} {:>8} {:>10}\n",
        "site", "req/s", "4xx/s", "5xx/s", "p50", "p99", "sent/s"
    );
    for site in sites.into_iter().take(SITES_SHOWN) {
        let (own, before) = (site.total(), before(site));
        let rate = |of: fn(&Counts) -> u64| of(&own).saturating_sub(of(&before)) as f64 / seconds;
        let times = latency(std::iter::once(site), last);
        *text += &format!(
            "{:<NAME_WIDTH$} {:>8.0} {:>8.0} {:>8.0} {:>8} {:>8} {:>10}\n",
            name(&site.name),
            rate(Counts::requests),
            rate(|counts| counts.classes[3]),
            rate(|counts| counts.classes[4]),
            quantile(&times, 0.5),
            quantile(&times, 0.99),
            size(rate(|counts| counts.bytes))
        );
    }
}

fn push_workers(text: &mut String, last: &Status, now: &Status, seconds: f64) {
    *text += &format!(
        "\n{:>10} {:>10} {:>8} {:>12} {:>10} {:>6} {:>10}\n",
        "generation", "does", "worker", "connections", "under way", "CPU", "memory"
    );
    let before = |pid: u64| {
        let mut workers = last.generations.iter().flat_map(|one| &one.workers);
        workers.find(|worker| worker.pid == pid)?.used
    };
    for generation in &now.generations {
        for worker in &generation.workers {
            let before = before(worker.pid).map_or(0, |used| used.cpu_us);
            let cpu = worker.used.map(|used| used.cpu_us.saturating_sub(before) as f64);
            let memory = worker.used.map(|used| size(used.memory_bytes as f64));
            *text += &format!(
                "{:>10} {:>10} {:>8} {:>12} {:>10} {:>6} {:>10}\n",
                generation.number,
                generation.phase,
                worker.pid,
                worker.connections,
                worker.under_way,
                share(cpu.map(|cpu| cpu / seconds / 1e6)),
                known(memory)
            );
        }
    }
}

fn count(status: &Status, name: &str) -> u64 {
    let found = status.counted.iter().find(|(known, _)| known == name);
    found.map_or(0, |(_, count)| *count)
}

fn sum(status: &Status, of: impl Fn(&Counts) -> u64) -> u64 {
    status.sites.iter().map(|site| of(&site.total())).sum()
}

fn workers(status: &Status, of: impl Fn(&control::status::Worker) -> u64) -> u64 {
    status.generations.iter().flat_map(|one| &one.workers).map(of).sum()
}

/// Microseconds of processor time of all workers together, where the system tells.
fn cpu_us(status: &Status) -> Option<u64> {
    let workers = status.generations.iter().flat_map(|one| &one.workers);
    workers.map(|worker| Some(worker.used?.cpu_us)).sum()
}

/// A part of one, in percent.
fn share(part: Option<f64>) -> String {
    known(part.map(|part| format!("{:.0} %", part * 100.0)))
}

/// What is not known is no 0.
fn known(text: Option<String>) -> String {
    text.unwrap_or_else(|| "–".to_owned())
}

fn total_of(status: &Status, name: &str) -> Counts {
    let found = status.sites.iter().find(|site| site.name == name);
    found.map_or_else(Counts::default, Site::total)
}

/// How long the answers of these sites took since the `last` look.
fn latency<'s>(sites: impl Iterator<Item = &'s Site>, last: &Status) -> Latency {
    let mut all = Latency::default();
    for site in sites {
        let (now, before) =
            (site.total().times.to_end(), total_of(last, &site.name).times.to_end());
        all += now.since(&before);
    }
    all
}

fn quantile(times: &Latency, share: f64) -> String {
    match times.quantile_us(share) {
        None => "–".to_owned(),
        Some(us) if us < 1_000 => format!("{us} µs"),
        Some(us) if us < 1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        Some(us) => format!("{:.1} s", us as f64 / 1e6),
    }
}

fn size(bytes: f64) -> String {
    let mut text = String::new();
    push_size(&mut text, bytes as u64, ' ');
    text
}

/// A name as far as it has room, harmless on a terminal.
fn name(name: &str) -> String {
    let mut shown = Vec::new();
    push_printable(&mut shown, name.as_bytes());
    String::from_utf8_lossy(&shown).chars().take(NAME_WIDTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::status::{Generation, Used, Worker};

    fn status(requests: u64) -> Status {
        let mut counts = Counts { classes: [0, requests, 0, 0, requests], ..Counts::default() };
        counts.bytes = requests * 2048;
        counts.times.at_once.counts[1] = requests * 2;
        let used = Some(Used { cpu_us: requests * 1000, memory_bytes: 2048 });
        let worker = Worker { pid: 12, used, ..Worker::default() };
        let (number, phase, workers) = (3, "serving".to_owned(), vec![worker]);
        Status {
            version: "1.2".to_owned(),
            generations: vec![Generation { number, phase, seconds_left: None, workers }],
            counted: vec![("requests".to_owned(), requests * 2)],
            sites: vec![Site { name: "a\x1b.test".into(), routes: vec![("/*".into(), counts)] }],
            ..Status::default()
        }
    }

    #[test]
    fn a_frame_shows_what_lies_between_two_looks() {
        let text = frame(&status(10), &status(110), 2.0);
        for line in [
            "gannet 1.2   pid 0   up 0s   generation 3 serving\n",
            "requests     100/s   4xx 0/s   5xx 50/s   p50 96 µs   p99 127 µs\n",
            "sent         100 KiB/s   processor 5 % of a core, 500 µs for each request\n",
            "a\\x1b.test                        100        0       50    96 µs   127 µs    100 KiB\n",
            "         3    serving       12            0          0    5 %    2.0 KiB\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        // Where nothing was asked there are no times.
        assert!(frame(&status(10), &status(10), 1.0).contains("p50 –"));
        let mut hidden = status(110);
        hidden.generations[0].workers[0].used = None;
        let text = frame(&status(10), &hidden, 2.0);
        for line in ["processor – of a core, – for each request\n", "      –          –\n"]
        {
            assert!(text.contains(line), "{line}{text}");
        }
    }
}
