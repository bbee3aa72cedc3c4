//! `cargo xtask bench [CASE…] [--rounds N]`: what gannet costs beside its peers and the floor.
//!
//! Servers are compared by the CPU time that a request costs them, not by requests per second, and
//! by ratios within one run, not by absolute figures: both hold on a small and noisy machine. All
//! servers of a case run at once, each with one worker on core 0; the load runs on core 1 and goes
//! round from server to server in slices of a second, so that a disturbance meets all of them.

mod cases;
mod content;
mod crowd;
mod fleet;
mod issuing;
mod life;
mod load;
mod machine;
mod measure;
mod peers;
mod php;
mod runs;
mod secure;
mod server;
mod streams;
mod table;
mod visitors;
mod watched;
mod wordpress;

use std::error::Error;
use std::fs;

use crate::{release, tools};
use cases::Case;
use machine::Machine;
use runs::Bench;

/// What the steps of the bench give; every error is a sentence for the person at the terminal.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// Cases that need an example, be it to count its instructions, with its package and its name.
const EXAMPLES: [(&str, &str, &str); 3] = [
    ("engine", "gannet-http1", "engine"),
    ("route", "gannet-route", "find"),
    ("wordpress", "e2e", "wordpress"),
];

/// Rounds where none are asked for.
const ROUNDS: usize = 7;
/// Rounds of one run at most, which bounds the longest case to some ten minutes.
const ROUNDS_MAX: usize = 100;

/// Runs the cases that `words` name (all where they name none), prints a table for each and writes
/// the tables to `bench/results`. A missed target is a result, not an error.
pub(crate) fn run(words: &[String]) -> Outcome<()> {
    let request = Request::parse(words)?;
    tools::install_bench(&machine::root())?;
    release::build(&machine::root())?;
    machine::build(&["--package", "gannet-floor"])?;
    if request.cases.iter().any(|case| visitors::are_needed(case)) {
        machine::build(&["--package", "gannet-visitors"])?;
    }
    for (name, package, example) in EXAMPLES {
        if request.cases.iter().any(|case| case.name == name) {
            machine::build(&["--package", package, "--example", example])?;
        }
    }
    let machine = Machine::look()?;
    machine::raise_descriptor_limit()?;
    machine::keep_to(machine::LOAD_CORE)?;

    let bench = Bench::new(request.rounds.unwrap_or(ROUNDS), request.rounds)?;
    let mut report = format!("# Bench: {}\n\n{machine}", request.title());
    let mut failures = Vec::new();
    println!("{report}");
    for case in &request.cases {
        let section = match bench.run(case) {
            Ok(table) => format!("\n## {}: {}\n\n{table}", case.name, case.what),
            Err(error) => {
                failures.push(case.name);
                format!("\n## {}: {}\n\nfailed: {error}\n", case.name, case.what)
            }
        };
        println!("{section}");
        report.push_str(&section);
    }
    let folder = machine::root().join("bench/results");
    fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{}-{}.md", machine.date, request.title()));
    fs::write(&file, report)?;
    println!("written to {}", file.display());
    if failures.is_empty() { Ok(()) } else { Err(format!("failed: {}", failures.join(" ")).into()) }
}

/// What was asked for on the command line.
struct Request {
    cases: Vec<&'static Case>,
    rounds: Option<usize>,
    is_all: bool,
}

impl Request {
    fn parse(words: &[String]) -> Outcome<Self> {
        let (mut names, mut rounds) = (Vec::new(), None);
        let mut words = words.iter().map(String::as_str);
        while let Some(word) = words.next() {
            if word == "--rounds" {
                let count = words.next().and_then(|count| count.parse().ok());
                let is_good = |count: &usize| (1..=ROUNDS_MAX).contains(count);
                let odd = format!("--rounds takes a number from 1 to {ROUNDS_MAX}");
                rounds = Some(count.filter(is_good).ok_or(odd)?);
            } else if cases::all().any(|case| case.name == word) {
                names.push(word);
            } else {
                let mut known: Vec<_> = cases::all().map(|case| case.name).collect();
                known.dedup();
                return Err(format!("no case {word:?}; there are: {}", known.join(" ")).into());
            }
        }
        let is_chosen = |case: &&'static Case| names.is_empty() || names.contains(&case.name);
        let cases = cases::all().filter(is_chosen).collect();
        Ok(Self { cases, rounds, is_all: names.is_empty() })
    }

    /// The names of the cases, or `all`.
    fn title(&self) -> String {
        let mut names: Vec<_> = self.cases.iter().map(|case| case.name).collect();
        names.dedup();
        if self.is_all { "all".into() } else { names.join("-") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &str, expect: Result<(&str, Option<usize>), &str>) {
        let words: Vec<_> = words.split_whitespace().map(String::from).collect();
        match (Request::parse(&words), expect) {
            (Ok(request), Ok(expect)) => {
                assert_eq!((request.title().as_str(), request.rounds), expect);
            }
            (Err(error), Err(expect)) => {
                assert!(error.to_string().contains(expect), "{error}");
            }
            (outcome, expect) => panic!("{:?}, expected {expect:?}", outcome.map(|r| r.title())),
        }
    }

    #[test]
    fn words_name_cases_and_rounds() {
        check("", Ok(("all", None)));
        check("--rounds 3", Ok(("all", Some(3))));
        check("large small --rounds 2", Ok(("small-large", Some(2))));
        check("smal", Err("small medium large"));
        check("--rounds", Err("from 1 to"));
        check("--rounds 0", Err("from 1 to"));
    }
}
