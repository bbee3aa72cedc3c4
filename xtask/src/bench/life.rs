//! The cases about processes: what clients notice of it when they are replaced or die, and what the
//! one that watches them takes for itself.

use std::thread::sleep;
use std::time::Duration;

use super::cases::{self, BROWSER_CODINGS, Case, Clients, Life, SMALL, Site, Variant};
use super::content::{Content, targets};
use super::crowd::{self, CLIENTS_EACH, Met};
use super::fleet::{Fleet, Kind};
use super::load::request;
use super::table::{Table, verdict};
use super::{Outcome, measure, visitors};

/// Workers where their number is not what a case is about.
const WORKERS: usize = 2;
/// So many times is done what a case is about, where the command line does not say.
const RELOADS: usize = 200;
const UPGRADES: usize = 20;
const KILLS: usize = 200;
const SHRINKS: usize = 20;
const LARGE_RELOADS: usize = 5;
/// A worker that has served so long is replaced at once if it dies.
const KILL_INTERVAL: Duration = Duration::from_millis(2100);
/// A death is over by then, for whoever connects, in 99 of 100 cases.
const BACK_MILLISECONDS_MAX: f64 = 200.0;
/// Sites of a large host.
const SITES: usize = 10_000;
/// What a reload of that may cost others: twice the time, or so much more.
const SLOWER_MAX: f64 = 2.0;
const SLOWER_MILLISECONDS_MAX: f64 = 5.0;
/// How long a quiet server is asked to know its pace.
const QUIET: Duration = Duration::from_secs(10);
/// Memory of the process that watches, in MiB: all that is resident, whoever else has it as well.
const WATCHER_MIB_MAX: f64 = 6.0;
const MIB: f64 = 1024.0 * 1024.0;

/// The cases.
pub(super) const CASES: &[Case] = &[
    Case {
        name: "reloads",
        what: "200 reloads and 20 upgrades while clients ask, on kept and on new connections",
        kind: cases::Kind::Life(Life::Reloads(Clients::Plain)),
    },
    Case {
        name: "kills",
        what: "the only worker is killed 200 times, two seconds apart, while clients ask",
        kind: cases::Kind::Life(Life::Kills),
    },
    Case {
        name: "shrink",
        what: "from four workers to one and back, while clients ask",
        kind: cases::Kind::Life(Life::Shrink),
    },
    Case {
        name: "reload-many",
        what: "reloads of 10,000 sites on the one core that serves as well",
        kind: cases::Kind::Life(Life::LargeReload),
    },
    Case {
        name: "supervisor",
        what: "memory of the process that watches the others",
        kind: cases::Kind::Life(Life::Memory),
    },
];

/// Runs a case; `rounds` says how often to do what it is about, if anybody does.
pub(super) fn run(case: Life, content: &Content, rounds: Option<usize>) -> Outcome<Table> {
    let target = targets(Site::Single { bytes: SMALL }).next().ok_or("a site without targets")?;
    let request = request(&target, Variant::Plain, BROWSER_CODINGS, None);
    let stage = Stage { content, request, rounds };
    match case {
        Life::Reloads(clients) => stage.reloads(clients),
        Life::Kills => stage.kills(),
        Life::Shrink => stage.shrink(),
        Life::LargeReload => stage.large_reload(),
        Life::Memory => stage.memory(),
    }
}

struct Stage<'c> {
    content: &'c Content,
    request: String,
    rounds: Option<usize>,
}

/// What clients have met with, as cells.
fn cells(name: &str, what: String, counts: [usize; 4]) -> Vec<String> {
    [name.to_owned(), what].into_iter().chain(counts.map(|count| count.to_string())).collect()
}

const HEADING: [&str; 8] =
    ["server", "under full load", "answers", "refused", "cut off", "odd", "at most", ""];

impl Stage<'_> {
    fn around<T>(&self, fleet: &Fleet, work: impl FnOnce() -> Outcome<T>) -> Outcome<(T, Met)> {
        crowd::around(fleet.address, &self.request, Duration::ZERO, work)
    }

    fn reloads(&self, clients: Clients) -> Outcome<Table> {
        let mut table = Table::new(&HEADING);
        let reloads = self.rounds.unwrap_or(RELOADS);
        let upgrades = self.rounds.map_or(UPGRADES, |rounds| rounds.div_ceil(10));
        for kind in [Kind::Gannet, Kind::Nginx] {
            let mut fleet = match clients.are_secure() {
                true => Fleet::start_secure(kind, self.content, WORKERS)?,
                false => Fleet::start(kind, self.content, WORKERS, 0)?,
            };
            let (address, pem) = (fleet.address, fleet.pem());
            let counts = |work: &mut dyn FnMut() -> Outcome<()>| match clients {
                Clients::Plain => {
                    let met = crowd::around(address, &self.request, Duration::ZERO, work);
                    met.map(|(_, met)| met.counts())
                }
                _ => {
                    let met = visitors::around(clients, address, pem.as_deref(), work);
                    met.map(|(_, counts)| counts)
                }
            };
            let of_reloads =
                counts(&mut || (0..reloads).try_for_each(|_| fleet.reload(WORKERS, 0)))?;
            fleet.wait_for_workers(WORKERS)?;
            let of_upgrades = counts(&mut || (0..upgrades).try_for_each(|_| fleet.upgrade()))?;
            let rows = [
                (format!("{reloads} reloads"), of_reloads),
                (format!("{upgrades} upgrades"), of_upgrades),
            ];
            for (what, counts) in rows {
                let mut cells = cells(fleet.name(), what, counts);
                if kind == Kind::Gannet {
                    let failed: usize = counts[1..].iter().sum();
                    cells.extend(["0 failed".to_owned(), verdict(failed as f64, 0.0)]);
                }
                table.row(cells);
            }
        }
        Ok(table)
    }

    fn kills(&self) -> Outcome<Table> {
        let mut table = Table::new(&HEADING);
        let kills = self.rounds.unwrap_or(KILLS);
        for kind in [Kind::Gannet, Kind::Nginx] {
            // One, so that somebody who is answered shows that it is back.
            let fleet = Fleet::start(kind, self.content, 1, 0)?;
            let (mut times, met) = self.around(&fleet, || {
                let mut times = Vec::new();
                for _ in 0..kills {
                    sleep(KILL_INTERVAL);
                    times.push(fleet.kill(&self.request)?);
                }
                Ok(times)
            })?;
            times.sort_unstable();
            let within = |percent: usize| {
                let at = (times.len() * percent / 100).min(times.len().saturating_sub(1));
                times.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
            };
            let mut cells = cells(fleet.name(), format!("{kills} × SIGKILL"), met.counts());
            if kind == Kind::Gannet {
                // Each client has one request under way at most.
                let most = kills * 2 * CLIENTS_EACH;
                let lost = if met.refused + met.odd > 0 { usize::MAX } else { met.cut };
                cells.extend([format!("{most} cut off"), verdict(lost as f64, most as f64)]);
            }
            table.row(cells);
            let (half, p99) = (within(50), within(99));
            let word = match kind {
                Kind::Gannet => format!(
                    ", at most {BACK_MILLISECONDS_MAX:.0}: {}",
                    verdict(p99, BACK_MILLISECONDS_MAX)
                ),
                Kind::Nginx => String::new(),
            };
            let name = fleet.name();
            table
                .note(format!("{name} is back in {half:.1} ms, in 99 of 100 cases {p99:.1}{word}"));
        }
        Ok(table)
    }

    fn shrink(&self) -> Outcome<Table> {
        let mut table = Table::new(&HEADING);
        let turns = self.rounds.unwrap_or(SHRINKS);
        for kind in [Kind::Gannet, Kind::Nginx] {
            let fleet = Fleet::start(kind, self.content, 4, 0)?;
            let ((), met) = self.around(&fleet, || {
                (0..turns).try_for_each(|_| {
                    fleet.reload(1, 0)?;
                    fleet.reload(4, 0)
                })
            })?;
            let what = format!("{turns} × 4 workers, 1, 4");
            let mut cells = cells(fleet.name(), what, met.counts());
            if kind == Kind::Gannet {
                cells.extend(["0 failed".to_owned(), verdict(met.failed() as f64, 0.0)]);
            }
            table.row(cells);
        }
        Ok(table)
    }

    fn large_reload(&self) -> Outcome<Table> {
        let mut table = Table::new(&[
            "server",
            "at half load",
            "answers",
            "failed",
            "p99 in ms",
            "at most",
            "",
        ]);
        let reloads = self.rounds.unwrap_or(LARGE_RELOADS);
        for kind in [Kind::Gannet, Kind::Nginx] {
            let fleet = Fleet::start(kind, self.content, 1, SITES)?;
            let rest = crowd::rest_for_half(fleet.address, &self.request)?;
            let around = |work: &dyn Fn() -> Outcome<()>| {
                let (given, met) = crowd::around(fleet.address, &self.request, rest, work)?;
                Ok::<_, Box<dyn std::error::Error>>((given, met))
            };
            let ((), quiet) = around(&|| {
                sleep(QUIET);
                Ok(())
            })?;
            let ((), busy) = around(&|| (0..reloads).try_for_each(|_| fleet.reload(1, SITES)))?;
            let p99 = |met: &Met| met.within(99).as_secs_f64() * 1e3;
            let (before, during) = (p99(&quiet), p99(&busy));
            let most = (before * SLOWER_MAX).max(before + SLOWER_MILLISECONDS_MAX);
            let row = |what: String, met: &Met| {
                let counts = [met.times.len(), met.failed()].map(|count| count.to_string());
                let name = fleet.name().to_owned();
                let time = format!("{:.2}", p99(met));
                [name, what].into_iter().chain(counts).chain([time]).collect::<Vec<_>>()
            };
            table.row(row("nothing else".to_owned(), &quiet));
            let mut cells = row(format!("{reloads} reloads of {SITES} sites"), &busy);
            if kind == Kind::Gannet {
                cells.extend([format!("{most:.2}"), verdict(during, most)]);
            }
            table.row(cells);
        }
        Ok(table)
    }

    fn memory(&self) -> Outcome<Table> {
        let mut table = Table::new(&[
            "the process that watches",
            "MiB resident",
            "at most",
            "",
            "by its share",
            "its own alone",
        ]);
        let reloads = self.rounds.unwrap_or(UPGRADES);
        for kind in [Kind::Gannet, Kind::Nginx] {
            let fleet = Fleet::start(kind, self.content, WORKERS, 0)?;
            let mut row = |what: String| {
                let memory = measure::memory(fleet.first())?;
                let [resident, share, own] =
                    [memory.resident, memory.share, memory.own].map(|bytes| bytes as f64 / MIB);
                let limits = match kind {
                    Kind::Gannet => {
                        [format!("{WATCHER_MIB_MAX:.0}"), verdict(resident, WATCHER_MIB_MAX)]
                    }
                    Kind::Nginx => Default::default(),
                };
                let figures = [format!("{share:.1}"), format!("{own:.1}")];
                let first = [format!("{}, {what}", fleet.name()), format!("{resident:.1}")];
                table.row(first.into_iter().chain(limits).chain(figures));
                Outcome::Ok(())
            };
            row("at first".to_owned())?;
            (0..reloads).try_for_each(|_| fleet.reload(WORKERS, 0))?;
            row(format!("after {reloads} reloads"))?;
        }
        Ok(table)
    }
}
