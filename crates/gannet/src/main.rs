//! gannet: argument words → one of its verbs.

mod value;
mod arguments;
mod advice;
mod verb;
mod password;
mod paper;
mod keep;
mod pem;
mod operators;
mod own_certificate;
mod php;
mod place;
mod machine;
mod port;
mod found;
mod wordpress;
mod explain;
mod greeting;
mod serving;
mod renewal;
mod deadline;
mod visit;
mod walls;
mod role;
mod supervising;
mod status;
mod listed;
mod revoking;
mod trust;
mod comparing;
mod diff;
mod doctor;
mod top;
mod servers;
mod wishing;
mod pools;
mod selftest;
mod trouble;

use arguments::{Desk, Verb};
use std::process::ExitCode;

fn main() -> ExitCode {
    let outcome = advice::parse(std::env::args_os()).and_then(|arguments| match arguments.verb {
        None => verb::quick(&arguments.quick),
        Some(Verb::Run { file, selftest_sandbox: true, .. }) => {
            machine::load(&file).and_then(|plan| selftest::run(&plan))
        }
        Some(Verb::Run { file, left, .. }) => supervising::run(file, &left),
        Some(Verb::Reload { desk, diff: true, json }) => wishing::compare(&desk, json),
        Some(Verb::Reload { desk, .. }) => wishing::reload(&desk),
        Some(Verb::Stop { desk }) => wishing::stop(&desk),
        Some(Verb::Upgrade { binary, config, control }) => {
            wishing::upgrade(&Desk { file: None, config, control }, binary)
        }
        Some(Verb::Status { desk, php: true, json }) => pools::show(&desk, json),
        Some(Verb::Status { desk, php: false, json }) => wishing::status(&desk, json),
        Some(Verb::Role { role }) => role::play(role),
        Some(Verb::Check { file }) => verb::check(&file).map(|()| ExitCode::SUCCESS),
        Some(Verb::Top { desk }) => top::top(&desk),
        Some(Verb::Doctor { file, json }) => doctor::doctor(&file, json),
        Some(Verb::Certs { file, revoke: Some(host), .. }) => revoking::revoke(&file, &host),
        Some(Verb::Certs { file, json, .. }) => listed::list(&file, json),
        Some(Verb::Trust(place)) => trust::trust(&place.wish(false)),
        Some(Verb::Untrust(place)) => trust::trust(&place.wish(true)),
        Some(Verb::HashPassword { user }) => {
            password::hash(user.as_deref()).map(|()| ExitCode::SUCCESS)
        }
        Some(Verb::Explain(arguments)) if arguments.live => {
            wishing::request(arguments.config().to_owned(), &arguments.url)
        }
        Some(Verb::Explain(arguments)) => explain::explain(&arguments).map(|()| ExitCode::SUCCESS),
        Some(Verb::Help { word }) => paper::help(word.as_deref()).map(|()| ExitCode::SUCCESS),
        Some(Verb::Schema) => Ok(paper::schema()),
        Some(Verb::Save { quick, output }) => {
            paper::save(&quick, output.as_deref()).map(|()| ExitCode::SUCCESS)
        }
        Some(Verb::Completions { shell }) => Ok(paper::completions(shell)),
    });
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
