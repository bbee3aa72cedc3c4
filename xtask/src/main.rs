//! The house's own tools: `cargo xtask tidy`, `cargo xtask test`.

mod command;
mod tidy;

use std::process::ExitCode;

const HELP: &str = "\
Usage: cargo xtask VERB

  tidy           checks the house rules (CONTRIBUTING.md)
  help           shows this page
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["tidy"] => tidy::run(),
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
