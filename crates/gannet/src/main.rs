//! gannet: argument words → one of its verbs.

mod arguments;
mod verb;
mod password;
mod machine;
mod listening;
mod found;
mod greeting;
mod serving;
mod trouble;

use arguments::{Arguments, Verb};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.verb {
        None => verb::quick(&arguments.quick),
        Some(Verb::Run { file }) => verb::run(&file),
        Some(Verb::Check { file }) => verb::check(&file).map(|()| ExitCode::SUCCESS),
        Some(Verb::HashPassword { user }) => {
            password::hash(user.as_deref()).map(|()| ExitCode::SUCCESS)
        }
    };
    match outcome {
        Ok(code) => code,
        Err(trouble) => {
            // Where standard error is closed there is nobody left to tell.
            use std::io::Write;
            if !trouble.message.is_empty() {
                let _ = writeln!(std::io::stderr(), "{}", trouble.message.trim_end());
            }
            ExitCode::from(trouble.exit_code)
        }
    }
}
