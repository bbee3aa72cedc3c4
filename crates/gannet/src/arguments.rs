//! The words of the command line.

use crate::{
    trust::Trust,
    value::{self, Client},
};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::{
    net::IpAddr,
    num::NonZero,
    path::{Path, PathBuf},
};

/// A web server. `gannet ./site` serves a folder; `gannet run site.toml` serves what a file says.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    #[command(flatten)]
    pub(crate) quick: Quick,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Serve what a config file says
    Run {
        /// The config file
        #[arg(default_value = "gannet.toml")]
        file: PathBuf,
        #[command(flatten)]
        left: Left,
        /// Serve nothing; try to break out of the sandbox of a worker
        #[arg(long, hide = true)]
        selftest_sandbox: bool,
    },
    /// Have a running server read its config again, and wait until it serves that
    ///
    /// With --diff, it goes on as it is, and you see what would change for the last 1,000 requests
    /// that it has had: the exit code is 0 where nothing would, and 3 where something would. What
    /// is wrong with a config has the exit code 2.
    Reload {
        #[command(flatten)]
        desk: Desk,
        /// Only show what would change, by the requests of late
        #[arg(long)]
        diff: bool,
        /// Say it as JSON, for programs
        #[arg(long, requires = "diff")]
        json: bool,
    },
    /// Have another program take the place of the one that a running server runs, and wait until it
    /// serves
    Upgrade {
        /// The program [default: what lies now where the running one was started from]
        binary: Option<PathBuf>,
        /// The config file that the server was started with [default: gannet.toml]
        #[arg(short, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The socket that it listens at [default: what the config says, or one named after it]
        #[arg(long, value_name = "PATH")]
        control: Option<PathBuf>,
    },
    /// Have a running server finish what is under way and end, and wait until it has
    Stop {
        #[command(flatten)]
        desk: Desk,
    },
    /// Show how a running server is
    Status {
        #[command(flatten)]
        desk: Desk,
        /// Show each php-fpm that it runs: which of its workers is at which request
        #[arg(long)]
        php: bool,
        /// Say it as JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Show the certificates of a config: for whom, from whom, until when, what is next
    Certs {
        /// The config file
        #[arg(default_value = "gannet.toml")]
        file: PathBuf,
        /// Have its authority take back the certificate of HOST, whose key is no secret any more
        #[arg(long, value_name = "HOST", conflicts_with = "json")]
        revoke: Option<String>,
        /// Say it as JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Have this machine and its browsers trust gannet's local authority, which signs for private
    /// names only
    Trust(TrustPlace),
    /// Have them trust it no longer
    Untrust(TrustPlace),
    /// Show what a running server does, second by second
    Top {
        #[command(flatten)]
        desk: Desk,
    },
    /// Look for mistakes in a config file, and serve nothing
    Check {
        /// The config file
        #[arg(default_value = "gannet.toml")]
        file: PathBuf,
    },
    /// Look for what usually goes wrong with a server, and say its cause and its cure
    ///
    /// It walks through the folders and files of the config with the eyes of the user that serves,
    /// the ports, names, certificates, applications, limits and disks. The exit code is 0 where
    /// nothing is wrong, 1 where something is, and 2 where the config has mistakes.
    Doctor {
        /// The config file
        #[arg(default_value = "gannet.toml")]
        file: PathBuf,
        /// Say it as JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Read a password from standard input and print its hash, for `auth` in a config file
    HashPassword {
        /// The user; with it, the line for a file of passwords
        user: Option<String>,
    },
    /// Say what would be answered to a request, and why
    Explain(Explain),
    /// Explain a setting of the config, all settings of a table, or a verb
    Help {
        /// Such as `idle-time`, `server.limits` or `run`
        word: Option<String>,
    },
    /// Print the JSON Schema of config files, for editors
    Schema,
    /// Write the config that serves a folder as `gannet PATH` with these options does
    Save {
        #[command(flatten)]
        quick: Quick,
        /// The file to write, which must not be there yet [default: standard output]
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Be one of the processes that `run` starts
    #[command(hide = true)]
    Role {
        /// Which one
        #[arg(value_enum)]
        role: Role,
    },
    /// Print a script that completes words of the command line in a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// Where the local authority is trusted.
#[derive(Args, Debug)]
pub(crate) struct TrustPlace {
    /// The folder of the authority [default: the usual one; `folder` of [server.certificates]]
    #[arg(long, value_name = "PATH")]
    folder: Option<PathBuf>,
    /// Leave the machine as it is: only in the browsers of this user
    #[arg(long)]
    only_browsers: bool,
}

impl TrustPlace {
    /// What is to be done there.
    pub(crate) fn wish(&self, ends: bool) -> Trust<'_> {
        let (folder, only_browsers) = (self.folder.as_deref(), self.only_browsers);
        Trust { folder, only_browsers, ends }
    }
}

/// What a process is that the supervisor has started.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Role {
    /// Looks at a config, once
    Check,
    /// Shows that it could serve, once
    Trial,
    /// Serves
    Worker,
    /// Keeps what the supervisor holds, should that be killed
    Keeper,
    /// Has certificates issued
    Certs,
    /// The same, by a program of the operator's
    CertsProgram,
    /// Shows how the server is
    Admin,
    /// Sends spans to a collector
    Spans,
}

/// What the program before has left, where this one takes its place in the same process.
#[derive(Args, Debug)]
pub(crate) struct Left {
    /// The descriptor of the state
    #[arg(long, hide = true, value_name = "FD")]
    pub(crate) state: Option<i32>,
    /// The descriptor of the program before
    #[arg(long, hide = true, value_name = "FD", requires = "state")]
    pub(crate) before: Option<i32>,
}

/// Where a running server is told what to do.
#[derive(Args, Clone, Debug)]
pub(crate) struct Desk {
    /// The config file that it was started with [default: gannet.toml]
    pub(crate) file: Option<PathBuf>,
    /// The same, as other verbs have it
    #[arg(short, value_name = "FILE", conflicts_with = "file")]
    pub(crate) config: Option<PathBuf>,
    /// The socket it listens at [default: as the config says]
    #[arg(long, value_name = "PATH")]
    pub(crate) control: Option<PathBuf>,
}

impl Desk {
    /// The config file that is named, in either way.
    pub(crate) fn named(&self) -> Option<&Path> {
        self.file.as_deref().or(self.config.as_deref())
    }
}

/// A request that might be sent.
#[derive(Args, Debug)]
pub(crate) struct Explain {
    /// The URL that would be asked for, or `*` for the server as a whole; with --live, the id of a
    /// request
    pub(crate) url: String,
    /// The config file, as other verbs have it
    #[arg(conflicts_with = "config")]
    file: Option<PathBuf>,
    /// The method
    #[arg(short = 'X', value_name = "METHOD", default_value = "GET")]
    pub(crate) method: String,
    /// A field of the request, as "Name: value"; may be given more than once
    #[arg(short = 'H', value_name = "FIELD")]
    pub(crate) fields: Vec<String>,
    /// The address of the client, or `unix` for one that comes by a Unix socket
    #[arg(long, value_name = "ADDR", value_parser = value::client, default_value = "127.0.0.1")]
    pub(crate) from: Client,
    /// The config file
    #[arg(short, value_name = "FILE", default_value = "gannet.toml")]
    config: PathBuf,
    /// Have the running server say what has happened to the request with that id, step by step
    #[arg(long, conflicts_with_all = ["method", "fields", "from", "json"])]
    pub(crate) live: bool,
    /// Say it as JSON, for programs
    #[arg(long)]
    pub(crate) json: bool,
}

impl Explain {
    /// The config file, however it was named.
    pub(crate) fn config(&self) -> &Path {
        self.file.as_deref().unwrap_or(&self.config)
    }
}

/// Serving one folder.
#[derive(Args, Debug)]
pub(crate) struct Quick {
    /// The folder to serve
    #[arg(default_value = ".")]
    pub(crate) path: PathBuf,
    /// The address to listen on [default: 127.0.0.1]
    #[arg(long, value_name = "ADDR", value_parser = value::bind, conflicts_with = "lan")]
    pub(crate) bind: Option<IpAddr>,
    /// The port to listen on [default: 7890, or the next free one]
    #[arg(long, value_name = "N")]
    pub(crate) port: Option<u16>,
    /// Listen on every address of this machine, for other devices in the network
    #[arg(long)]
    pub(crate) lan: bool,
    /// Answer a missing page with /index.html, for an application of a single page
    #[arg(long)]
    pub(crate) spa: bool,
    /// Reload pages in the browser when a file changes
    #[arg(long)]
    pub(crate) live: bool,
    /// Serve it over TLS, with a certificate of this machine's own authority (see `gannet trust`)
    #[arg(long)]
    pub(crate) tls: bool,
    /// How many event loops to run [default: one for each core]
    #[arg(long, value_name = "N", value_parser = value::threads)]
    pub(crate) threads: Option<NonZero<usize>>,
    /// How to log requests [default: pretty on a terminal, else json]
    #[arg(long, value_enum)]
    pub(crate) log: Option<LogFormat>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// A short line for each request
    Pretty,
    /// A JSON object for each request
    Json,
    /// No lines for requests
    Off,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever knows how to name a config to one verb knows it of the others that ask a server.
    #[test]
    fn a_config_is_named_with_an_option_or_without() {
        for words in ["reload", "stop", "status", "status --php", "top", "explain a.test/"] {
            for named in ["x.toml", "-c x.toml"] {
                let words = format!("gannet {words} {named}");
                let parsed = Arguments::try_parse_from(words.split(' ')).unwrap().verb;
                let file = match &parsed {
                    Some(
                        Verb::Reload { desk, .. }
                        | Verb::Stop { desk }
                        | Verb::Status { desk, .. }
                        | Verb::Top { desk },
                    ) => desk.named(),
                    Some(Verb::Explain(explain)) => Some(explain.config()),
                    _ => None,
                };
                assert_eq!(file, Some(Path::new("x.toml")), "{words}");
            }
            let twice = format!("gannet {words} x.toml -c y.toml");
            assert!(Arguments::try_parse_from(twice.split(' ')).is_err(), "{twice}");
        }
    }
}
