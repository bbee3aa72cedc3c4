//! The verbs that only write something: help, a schema, a config, a script for the shell.

use crate::{
    arguments::{Arguments, Quick},
    found, machine,
    trouble::Trouble,
    verb,
};
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use std::{
    fs::File,
    io::{ErrorKind, Write},
    path::Path,
    process::ExitCode,
};

/// `gannet help [WORD]`: explains a setting, the settings of a table, a verb, or all verbs.
pub(crate) fn help(word: Option<&str>) -> Result<(), Trouble> {
    let mut command = Arguments::command();
    // Only then do the verbs know how they are called.
    command.build();
    let Some(word) = word else {
        say(&command.render_help().to_string());
        return Ok(());
    };
    let verb = command.find_subcommand_mut(word).map(|verb| verb.render_help().to_string());
    let verbs: Vec<_> = command.get_subcommands().map(|verb| verb.get_name()).collect();
    let text = config::help(word, &verbs);
    if let Some(verb) = verb {
        // A setting may be called like a verb.
        let settings = text.map(|text| format!("\n{text}")).unwrap_or_default();
        say(&(verb + &settings));
        return Ok(());
    }
    let text = text.or_else(|guess| {
        if let Some(text) = option(&command, word) {
            return Ok(text);
        }
        let way_out = match guess {
            Some(guess) => format!("did you mean `{guess}`?"),
            None => "docs/book/settings.md has them all".to_owned(),
        };
        let message = format!("error: there is no setting, table or verb `{word}`: {way_out}");
        Err(Trouble::new(2, message))
    })?;
    say(&text);
    Ok(())
}

/// What `word` means as an option for serving a folder, such as `live`.
fn option(command: &Command, word: &str) -> Option<String> {
    let option = command.get_arguments().find(|option| option.get_long() == Some(word))?;
    Some(format!("gannet PATH --{word}\n  {}\n", option.get_help()?))
}

/// `gannet schema`: prints the JSON Schema of config files.
pub(crate) fn schema() -> ExitCode {
    say(&config::schema());
    ExitCode::SUCCESS
}

/// `gannet save`: writes the config that serves a folder as `gannet PATH` does.
pub(crate) fn save(quick: &Quick, output: Option<&Path>) -> Result<(), Trouble> {
    if quick.live {
        let message = "error: a config has no setting for --live, which is for a desk, not for a \
                       server: leave it out, or serve the folder by `gannet PATH --live`";
        return Err(Trouble::new(2, message.to_owned()));
    }
    let mut asked = verb::asked(quick)?;
    if let Some(application) = found::application(&asked.root) {
        let found::Application { root, php, .. } = application;
        (asked.root, asked.listing, asked.php) = (root, false, Some(php));
    }
    let text = config::save(&asked).ok_or_else(|| {
        let root = asked.root.display();
        let message = format!("error: {root}: a config is UTF-8, and this path is not: rename it");
        Trouble::new(2, message)
    })?;
    let Some(file) = output else {
        say(&text);
        return Ok(());
    };
    let written = File::create_new(file).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| {
        let why = match error.kind() {
            ErrorKind::AlreadyExists => format!("{} exists already", file.display()),
            _ => machine::explain(file, &error),
        };
        Trouble::new(1, format!("error: {why}: name a file that is not there yet"))
    })
}

/// `gannet completions SHELL`: prints a script that completes the command line.
pub(crate) fn completions(shell: Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "gannet", &mut script);
    net::stream::say(&script);
    ExitCode::SUCCESS
}

fn say(text: &str) {
    net::stream::say(text.as_bytes());
}
