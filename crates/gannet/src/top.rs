//! `gannet top`: what a running server does, second by second, on a terminal.

mod connections;
mod pools;

use crate::{arguments::Desk, greeting, status::time, trouble::Trouble, wishing};
use base::text::{push_printable, push_size};
use control::{
    latency::Latency,
    status::{Site, Status, Worker},
    tally::Counts,
};
use std::{
    collections::{HashMap, VecDeque},
    future::{Future as _, poll_fn},
    io,
    pin::pin,
    process::ExitCode,
    task::Poll,
    time::{Duration, Instant},
};
use tokio::{
    runtime::Builder,
    signal::unix::{SignalKind, signal},
    task::spawn_blocking,
    time::sleep,
};

/// Time between two looks.
const PAUSE: Duration = Duration::from_secs(1);

/// Looks that the processor time of a request is found from at most, and how much of it has to be
/// known: the kernel counts it by ticks of 10 ms.
const LOOKS_MAX: usize = 60;
const TICKS_US: u64 = 100_000;

/// Sites that are shown, those that are asked most, and what a line about one has beside its name.
const SITES_SHOWN: usize = 20;
const CONNECTIONS_SHOWN: usize = 20;
const FIGURES_WIDTH: usize = 56;

/// Characters of the longest name, by how many columns there are.
const NAME_WIDTH_MIN: usize = 12;
const NAME_WIDTH_MAX: usize = 28;

/// A screen of its own, on which the cursor is not seen, and back to the one before.
const OPEN: &str = "\x1b[?1049h\x1b[?25l";
const CLOSE: &str = "\x1b[?25h\x1b[?1049l";

/// To the upper left corner; from here on the line, and all that is below, is empty.
const HOME: &str = "\x1b[H";
const LINE_END: &str = "\x1b[K\n";
const REST: &str = "\x1b[J";

/// What there is room for.
#[derive(Clone, Copy)]
struct Size {
    rows: usize,
    columns: usize,
}

impl Size {
    /// Where the terminal does not say how many it has.
    const USUAL: Self = Self { rows: 24, columns: 80 };

    /// Where what is shown is no terminal.
    const ENDLESS: Self = Self { rows: usize::MAX, columns: usize::MAX };

    fn of_terminal() -> Self {
        let known = net::stream::terminal_size();
        known.map_or(Self::USUAL, |(rows, columns)| Self { rows, columns })
    }

    fn name_width(self) -> usize {
        self.columns.saturating_sub(FIGURES_WIDTH).clamp(NAME_WIDTH_MIN, NAME_WIDTH_MAX)
    }
}

/// Shows what a server does until Ctrl-C is pressed; where that is no terminal, once.
pub(crate) fn top(desk: &Desk) -> Result<ExitCode, Trouble> {
    let failed = |error: io::Error| Trouble::new(1, format!("error: {error}"));
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let first = wishing::look(desk, "top")?;
    if !greeting::is_terminal() {
        let at = Instant::now();
        runtime.block_on(async { sleep(PAUSE).await });
        let now = wishing::look(desk, "top")?;
        let seconds = at.elapsed().as_secs_f64();
        let each = Each::default().of(&first, &now);
        let connections = connections::of(&now);
        let text = frame(&first, &now, seconds, (Size::ENDLESS, &connections, each));
        net::stream::say(text.as_bytes());
        return Ok(ExitCode::SUCCESS);
    }
    let ended = runtime.block_on(async {
        let mut key = signal(SignalKind::interrupt())?;
        let mut end = signal(SignalKind::terminate())?;
        net::stream::say(OPEN.as_bytes());
        let mut watching = pin!(watch(desk, first));
        poll_fn(|context| {
            let is_over = key.poll_recv(context).is_ready() || end.poll_recv(context).is_ready();
            if is_over { Poll::Ready(()) } else { watching.as_mut().poll(context) }
        })
        .await;
        net::stream::say(CLOSE.as_bytes());
        Ok(())
    });
    // A server that does not answer is not waited for.
    runtime.shutdown_background();
    ended.map(|()| ExitCode::SUCCESS).map_err(failed)
}

/// Shows what lies between two looks, second by second. A server that is gone is looked for.
async fn watch(desk: &Desk, first: Status) {
    let (mut last, mut at) = (first, Instant::now());
    let mut each = Each::default();
    loop {
        sleep(PAUSE).await;
        let asking = desk.clone();
        let look = move || wishing::look(&asking, "top").map(|now| (connections::of(&now), now));
        let Ok(found) = spawn_blocking(look).await else { return };
        let room = Size::of_terminal();
        let text = match found {
            Ok((connections, now)) => {
                let seconds = at.elapsed().as_secs_f64();
                let each = each.of(&last, &now);
                let text = frame(&last, &now, seconds, (room, &connections, each));
                (last, at) = (now, Instant::now());
                text
            }
            Err(trouble) => format!("{}\n\nThe server is looked for.\n", trouble.message),
        };
        let screen = format!("{HOME}{}{REST}", fit(&text, room).replace('\n', LINE_END));
        net::stream::say(screen.as_bytes());
    }
}

/// As much of a text as there is room for: the ends of its lines and of itself go.
fn fit(text: &str, Size { rows, columns }: Size) -> String {
    let cut = |line: &str| line.chars().take(columns).collect::<String>();
    let lines: Vec<String> = text.lines().take(rows).map(cut).collect();
    // A line end behind the last row would move all of them.
    lines.join("\n")
}

/// Microseconds of processor time that a request takes, in the last looks.
type Took = Option<u64>;

/// What has happened between two looks, and the connections that are there now.
fn frame(
    last: &Status,
    now: &Status,
    seconds: f64,
    (room, connections, each): (Size, &str, Took),
) -> String {
    let rate = |of: &dyn Fn(&Status) -> u64| of(now).saturating_sub(of(last)) as f64 / seconds;
    let class = |at: usize| rate(&|status: &Status| sum(status, |counts| counts.classes[at]));
    let counter = |name: &'static str| move |status: &Status| count(status, name);
    let requests = rate(&counter("requests"));
    let cpu = cpu_us(last, now).map(|us| us as f64 / seconds / 1e6);
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
        workers(now).map(|worker| worker.under_way).sum::<u64>(),
        now.listeners.iter().map(|one| one.waiting).sum::<u64>()
    );
    let each = each.map(|us| format!("{us} µs"));
    let sent = size(rate(&|status| sum(status, |counts| counts.bytes)));
    text += &format!(
        "sent         {sent}/s   processor {} of a core, {} for each request\n",
        share(cpu),
        known(each)
    );
    text += &pools::of(now);
    let mut below = String::new();
    push_workers(&mut below, last, now, seconds);
    // Workers and connections have a third of the rows each at most, and sites what is left.
    let left = room.rows.saturating_sub(text.lines().count());
    let part = (left / 3).max(3);
    // Their heads have two lines, and the last one says how many more there are.
    let below = first_of(&below, part) + &first_of(connections, part.min(CONNECTIONS_SHOWN + 3));
    let rows = left.saturating_sub(below.lines().count());
    let mut above = String::new();
    push_sites(&mut above, last, now, seconds, room.name_width());
    text + &first_of(&above, rows.min(SITES_SHOWN + 3)) + &below
}

/// The first `rows` of these lines, the last of which says how many more there are.
fn first_of(lines: &str, rows: usize) -> String {
    let count = lines.lines().count();
    if count <= rows {
        return lines.to_owned();
    }
    let shown = rows.saturating_sub(1);
    let mut text: String = lines.split_inclusive('\n').take(shown).collect();
    text += &format!("and {} more\n", count - shown);
    text
}

fn push_sites(text: &mut String, last: &Status, now: &Status, seconds: f64, width: usize) {
    let before = |site: &Site| total_of(last, &site.name);
    let mut sites: Vec<_> = now.sites.iter().collect();
    let asked = |site: &Site| site.total().requests().saturating_sub(before(site).requests());
    sites.sort_by_key(|site| std::cmp::Reverse((asked(site), site.total().requests())));
    sites.retain(|site| site.total().requests() > 0);
    *text += &format!(
        "\n{:<width$} {:>8} {:>8} {:>8} {:>8} {:>8} {:>10}\n",
        "site", "req/s", "4xx/s", "5xx/s", "p50", "p99", "sent/s"
    );
    for site in sites {
        let (own, before) = (site.total(), before(site));
        let rate = |of: fn(&Counts) -> u64| of(&own).saturating_sub(of(&before)) as f64 / seconds;
        let times = latency(std::iter::once(site), last);
        *text += &format!(
            "{:<width$} {:>8.0} {:>8.0} {:>8.0} {:>8} {:>8} {:>10}\n",
            name(&site.name, width),
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
    let before = |pid: u64| workers(last).find(|worker| worker.pid == pid)?.used;
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

/// Microseconds of processor time that the workers which are there have used since the last look,
/// where the system tells: what one that has left since had used is not taken from it.
fn cpu_us(last: &Status, now: &Status) -> Option<u64> {
    let before: HashMap<u64, u64> =
        workers(last).filter_map(|worker| Some((worker.pid, worker.used?.cpu_us))).collect();
    let since = |worker: &Worker| {
        let before = before.get(&worker.pid).copied().unwrap_or(0);
        Some(worker.used?.cpu_us.saturating_sub(before))
    };
    workers(now).map(since).sum()
}

/// How much processor time requests have taken at each look, and how many they were.
#[derive(Default)]
struct Each(VecDeque<(Option<u64>, u64)>);

impl Each {
    /// What one takes, by this look and as many before as are needed to tell.
    fn of(&mut self, last: &Status, now: &Status) -> Took {
        let requests = count(now, "requests").saturating_sub(count(last, "requests"));
        self.0.truncate(LOOKS_MAX - 1);
        self.0.push_front((cpu_us(last, now), requests));
        let (mut used_us, mut count) = (0, 0);
        for (used, requests) in &self.0 {
            used_us += (*used)?;
            count += requests;
            if used_us >= TICKS_US {
                return u64::checked_div(used_us, count);
            }
        }
        None
    }
}

fn workers(status: &Status) -> impl Iterator<Item = &Worker> {
    status.generations.iter().flat_map(|one| &one.workers)
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
    known(times.quantile_us(share).map(duration))
}

/// So many microseconds.
fn duration(us: u64) -> String {
    match us {
        us if us < 1_000 => format!("{us} µs"),
        us if us < 1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        us => format!("{:.1} s", us as f64 / 1e6),
    }
}

fn size(bytes: f64) -> String {
    let mut text = String::new();
    push_size(&mut text, bytes as u64, ' ');
    text
}

/// A name as far as it has room, harmless on a terminal.
fn name(name: &str, width: usize) -> String {
    let mut shown = Vec::new();
    push_printable(&mut shown, name.as_bytes());
    String::from_utf8_lossy(&shown).chars().take(width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use control::status::{Generation, Used};

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
    fn a_small_terminal_shows_what_comes_first() {
        let small = Size { rows: 3, columns: 7 };
        assert_eq!(fit("gannet µ\n\nrequests\nmore\n", small), "gannet \n\nrequest");
        assert_eq!(fit("a\n", Size::USUAL), "a");
        assert_eq!(first_of("a\nb\nc\n", 3), "a\nb\nc\n");
        assert_eq!(first_of("a\nb\nc\n", 2), "a\nand 2 more\n");
    }

    /// Many sites and workers leave room for each other, and for the head.
    #[test]
    fn each_part_has_its_place_on_a_usual_terminal() {
        let mut now = status(110);
        let site = now.sites[0].clone();
        now.sites = (0..30).map(|at| Site { name: format!("{at}.test"), ..site.clone() }).collect();
        let worker = now.generations[0].workers[0].clone();
        now.generations[0].workers = (0..30).map(|pid| Worker { pid, ..worker.clone() }).collect();
        let connections = format!("\nclient\n{}", "192.0.2.1:4242\n".repeat(30));
        let text = frame(&status(10), &now, 1.0, (Size::USUAL, &connections, None));
        assert!(text.lines().count() <= 24, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        for words in ["requests     ", "0.test ", "generation       does", "\nclient\n192.0.2.1"] {
            assert!(text.contains(words), "{words}{text}");
        }
        let more = text.lines().filter(|line| line.starts_with("and 2") && line.ends_with(" more"));
        assert_eq!(more.count(), 3, "{text}");
        // Where there is no terminal all is told.
        let text = frame(&status(10), &now, 1.0, (Size::ENDLESS, &connections, None));
        assert!(text.lines().count() > 70, "{text}");
    }

    /// A tick of the kernel's clock is much for one request.
    #[test]
    fn what_a_request_takes_is_told_when_it_is_known() {
        let mut each = Each::default();
        assert_eq!(each.of(&status(10), &status(11)), None);
        for at in 11..108 {
            assert_eq!(each.of(&status(at), &status(at + 1)), None, "a minute is too little");
        }
        let one = each.of(&status(0), &status(100)).unwrap();
        assert_eq!(each.of(&status(100), &status(101)), Some(one));
        assert_eq!(each.of(&status(9), &status(9)), Some(one));
        let mut hidden = status(101);
        hidden.generations[0].workers[0].used = None;
        assert_eq!(each.of(&status(100), &hidden), None);
    }

    #[test]
    fn a_frame_shows_what_lies_between_two_looks() {
        let text = frame(&status(10), &status(110), 2.0, (Size::ENDLESS, "", Some(500)));
        for line in [
            "gannet 1.2   pid 0   up 0s   generation 3 serving\n",
            "requests     100/s   4xx 0/s   5xx 50/s   p50 96 µs   p99 127 µs\n",
            "sent         100 KiB/s   processor 5 % of a core, 500 µs for each request\n",
            "a\\x1b.test                        100        0       50    96 µs   127 µs    100 KiB\n",
            "         3    serving       12            0          0    5 %    2.0 KiB\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        // One that has left since takes nothing away.
        let mut before = status(10);
        let gone = Worker {
            pid: 7,
            used: Some(Used { cpu_us: 9_000_000, memory_bytes: 1 }),
            ..Worker::default()
        };
        before.generations[0].workers.push(gone);
        let text = frame(&before, &status(110), 2.0, (Size::ENDLESS, "", None));
        assert!(text.contains("processor 5 % of a core"));
        // Where nothing was asked there are no times.
        let text = frame(&status(10), &status(10), 1.0, (Size::ENDLESS, "", None));
        assert!(text.contains("p50 –"));
        let mut hidden = status(110);
        hidden.generations[0].workers[0].used = None;
        let text = frame(&status(10), &hidden, 2.0, (Size::ENDLESS, "", None));
        for line in ["processor – of a core, – for each request\n", "      –          –\n"]
        {
            assert!(text.contains(line), "{line}{text}");
        }
    }
}
