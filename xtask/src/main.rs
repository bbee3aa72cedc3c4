//! The house's own tools: `cargo xtask tidy`, `test`, `soak`, `bench`, `release`.

mod bench;
mod command;
mod full;
mod httpwg;
mod release;
mod soak;
mod step;
mod test;
mod tidy;
mod tools;

use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask VERB

  tidy           checks the house rules (CONTRIBUTING.md)
  test           checks all that has to hold before a change may land
  test --full    and the long items; writes bench/results/DATE-full.md
  soak [--minutes N]
                 does everything to a server at once, for so long (a minute)
  release        builds gannet with what loads have taught about it; says where it is
  bench [CASE…]  measures gannet beside its peers; writes bench/results/
  help           shows this page
";

fn main() -> ExitCode {
    let typed: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = typed.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["tidy"] => tidy::run(),
        ["test"] => test::run(false),
        ["test", "--full"] => test::run(true),
        ["soak", words @ ..] => soak::run(words),
        ["release"] => release::run(),
        ["bench", ..] => bench::run(&typed[1..]).map_err(|error| error.to_string()),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => Err(format!("`{}` is not among the verbs\n\n{HELP}", words.join(" "))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(cause) => {
            eprintln!("{cause}");
            ExitCode::FAILURE
        }
    }
}
