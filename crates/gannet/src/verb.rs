//! What each verb does.

use crate::{
    advice,
    arguments::{LogFormat, Quick},
    doctor::{self, Warning},
    found::{self, Application},
    greeting::{self, Greeting, counted},
    machine,
    own_certificate::OwnCertificate,
    php::{self, Fpm},
    port,
    serving::{self, Beside, Secrets},
    trouble::Trouble,
};
use base::text::{shell_word, visible};
use config::{
    Eyes, Plan, QuickPart,
    plan::{self, Address, Listen, Pem, Pool},
};
use net::changes::Limit;
use std::{
    io::{self, IsTerminal},
    net::{IpAddr, Ipv4Addr},
    num::NonZero,
    path::Path,
    process::ExitCode,
    thread,
};
use supervisor::{Sockets, Tickets};
use worker::Live;

/// Sites, or users, that are named of many.
const NAMED_MAX: usize = 3;

/// `gannet [PATH]`: serves one folder.
pub(crate) fn quick(arguments: &Quick) -> Result<ExitCode, Trouble> {
    net::process::keep_descriptors();
    let mut asked = asked(arguments)?;
    let what = asked.root.clone();
    let loops = loops(arguments.threads);
    let (sockets, wanted, remark) = open(arguments.port, &hosts(arguments))?;
    let addresses: Vec<_> =
        sockets.addresses(&wanted).into_iter().map(|(_, address)| address).collect();
    asked.listen = addresses.iter().filter_map(Address::tcp).collect();
    let (live, live_words) = arguments.live.then(|| follow(&asked.root)).unzip();
    let live = live.flatten();
    asked.live = live.is_some();
    let (found, fpm) = run_php(&mut asked);
    let own = arguments.tls.then(|| OwnCertificate::make(&addresses, &asked.root)).transpose()?;
    let (own, tls_words) = own.unzip();
    asked.tls = own.as_ref().map(OwnCertificate::pem);
    let urls = greeting::urls(&addresses, arguments.tls);
    let is_alone = arguments.lan && urls.iter().all(|url| greeting::is_own(url));
    let alone = is_alone.then(|| "this machine is in no network".to_owned());
    let remarks = remark.into_iter().chain(alone).chain(tls_words);
    let greeting = Greeting {
        admin: None,
        layers: Vec::new(),
        urls,
        listens: addresses.iter().map(Address::to_string).collect(),
        what: what.display().to_string(),
        found,
        remark: remarks.reduce(|one, other| format!("{one}; {other}")),
        live: live_words,
        loops,
        is_for_others: arguments.lan,
    };
    let eyes = Eyes { output: greeting::is_terminal(), errors: io::stderr().is_terminal() };
    let tls = own.map(|own| secrets(own, &asked, eyes)).transpose()?;
    let beside = Beside { live, tls };
    let ended = serving::serve(config::quick(asked, eyes), (sockets, &wanted), beside, &greeting);
    drop(fpm);
    ended
}

/// What TLS needs beside serving what is `asked`.
fn secrets(mut own: OwnCertificate, asked: &config::Quick, eyes: Eyes) -> Result<Secrets, Trouble> {
    let tickets = Tickets::new().map_err(|error| Trouble::new(1, format!("error: {error}")))?;
    let asked = asked.clone();
    let anew = move || {
        let tls = Some(own.anew()?);
        Some(config::quick(config::Quick { tls, ..asked.clone() }, eyes))
    };
    Ok(Secrets { tickets, anew: Box::new(anew) })
}

/// Starts what runs the programs of the folder, where it holds an application; what was found.
fn run_php(asked: &mut config::Quick) -> (String, Option<Fpm>) {
    let Some(Application { root, script, mut php, untold }) = found::application(&asked.root)
    else {
        return (found::describe(&asked.root), None);
    };
    let fpm = Fpm::start(&root);
    // Whoever runs it or not, what lies beside the folder that it serves is nobody's to see.
    (asked.root, asked.listing) = (root, false);
    match fpm {
        Ok(fpm) => {
            php.socket = Some(fpm.socket());
            let links = php.links.iter().map(|link| format!(", with links to {}", link.display()));
            let parts = php.parts.iter().map(|QuickPart { name, root, .. }| {
                format!(", with /{name} from {}", root.display())
            });
            let more: String =
                untold.into_iter().map(Into::into).chain(parts).chain(links).collect();
            asked.php = Some(php);
            let (name, user) = (&fpm.name, fpm.user());
            (format!("a PHP application ({script}), run by {name} as {user}{more}"), Some(fpm))
        }
        Err(why) => {
            let words = format!("a PHP application ({script}); its scripts are 404: {why}");
            (words, None)
        }
    }
}

/// What was asked for without a config file; on the port that was named, or else the usual one.
pub(crate) fn asked(arguments: &Quick) -> Result<config::Quick, Trouble> {
    let root = arguments.path.canonicalize().map_err(|error| {
        let path = arguments.path.display();
        let help = match advice::meant(&path.to_string()) {
            Some(verb) => format!("name the folder to serve; or did you mean `gannet {verb}`?"),
            None if path.to_string().parse::<u16>().is_ok() => {
                format!(
                    "name the folder to serve; `gannet --port {path}` serves this one at that port"
                )
            }
            None if arguments.path.extension().is_some_and(|end| end == "toml") => {
                format!("name the folder to serve; `gannet run {path}` serves a config file")
            }
            None => "name the folder to serve".to_owned(),
        };
        let why = machine::explain(&arguments.path, &error);
        Trouble::typed(&format!("error: {why}: {help}"))
    })?;
    if !root.is_dir() {
        let word = |path: &Path| shell_word(&path.to_string_lossy());
        let folder = arguments.path.parent().filter(|folder| *folder != "");
        let way_out = match root.extension().is_some_and(|end| end == "toml") {
            true => {
                format!("`gannet run {}` serves what a config file says", word(&arguments.path))
            }
            // Nobody means the folder of a device or a pipe.
            false if !root.is_file() => "name a folder".to_owned(),
            false => format!("name a folder: `gannet {}`", word(folder.unwrap_or(Path::new(".")))),
        };
        let kind = if root.is_file() { "a file" } else { "no folder" };
        let message = format!("error: {} is {kind}: {way_out}", root.display());
        return Err(Trouble::typed(&message));
    }
    machine::check_folder(&root).map_err(|error| Trouble::typed(&format!("error: {error}")))?;
    if let (true, Some(application)) = (arguments.spa, found::application(&root)) {
        let message = format!(
            "error: --spa has no effect beside a PHP application, whose {} answers what is not there: \
             leave it out",
            application.script
        );
        return Err(Trouble::new(2, message));
    }
    let number = arguments.port.unwrap_or(port::PORT_DEFAULT);
    let wanted = port::named(&hosts(arguments), number);
    let log = arguments.log.map(|format| match format {
        LogFormat::Pretty => plan::LogFormat::Pretty,
        LogFormat::Json => plan::LogFormat::Json,
        LogFormat::Off => plan::LogFormat::Off,
    });
    Ok(config::Quick {
        root,
        listen: wanted.iter().filter_map(|wanted| wanted.address.tcp()).collect(),
        threads: arguments.threads,
        log,
        listing: true,
        php: None,
        fallback: arguments.spa.then(|| "/index.html".to_owned()),
        live: arguments.live,
        tls: arguments.tls.then(Pem::default),
    })
}

fn hosts(arguments: &Quick) -> Vec<IpAddr> {
    match arguments.bind {
        Some(host) => vec![host],
        None if arguments.lan => port::every_address(),
        None => vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
    }
}

/// Begins to watch `root` for the pages that are open, and says what came of it. Where it cannot be
/// watched it is still served.
fn follow(root: &Path) -> (Option<Live>, String) {
    match Live::watch(root) {
        Ok(live) => {
            let words = followed(live.folders(), live.limit());
            (Some(live), words)
        }
        Err(error) => (
            None,
            format!(
                "pages do not follow their files: {error}: raise fs.inotify.max_user_watches or \
                 fs.inotify.max_user_instances"
            ),
        ),
    }
}

/// What is watched, and why not all where it is not all.
fn followed(folders: usize, limit: Option<Limit>) -> String {
    let rest = match limit {
        None => "",
        Some(Limit::Folders) => ", the most that are watched",
        Some(Limit::Kernel) => "; for all of them, raise fs.inotify.max_user_watches",
    };
    format!("pages follow their files in {}{rest}", counted(folders, "folder", "folders"))
}

/// Opens what to listen on, and says where the port is not the usual one.
fn open(
    wanted: Option<u16>,
    hosts: &[IpAddr],
) -> Result<(Sockets, Vec<Listen>, Option<String>), Trouble> {
    if let Some(number) = wanted {
        let (sockets, wanted) = port::open_named(hosts, number)?;
        return Ok((sockets, wanted, None));
    }
    let (sockets, wanted) = port::open_any(hosts)?;
    let mut addresses = sockets.addresses(&wanted).into_iter();
    let chosen = addresses.find_map(|(_, address)| address.tcp()).map_or(0, |chosen| chosen.port());
    let default = port::PORT_DEFAULT;
    let remark = (chosen != default).then(|| format!("port {default} is taken, so it is {chosen}"));
    Ok((sockets, wanted, remark))
}

/// How many event loops to run.
pub(crate) fn loops(wanted: Option<NonZero<usize>>) -> usize {
    wanted.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZero::get)
}

/// `gannet check FILE`: says whether `run` would serve it, and what is wrong where it would not.
/// What may come right by itself, as others start later, is a warning.
pub(crate) fn check(file: &Path) -> Result<(), Trouble> {
    let plan = machine::check(file)?;
    for Warning { what, cure } in
        doctor::warnings_of_certificates(&plan).into_iter().chain(doctor::warnings(&plan, true))
    {
        let text = format!("warning: {what}\n  = help: {cure}\n");
        net::stream::try_to_tell(text.as_bytes());
    }
    let file = visible(&file.to_string_lossy());
    net::stream::say(format!("{file}: {}, no mistakes\n", sites(&plan)).as_bytes());
    Ok(())
}

fn sites(plan: &Plan) -> String {
    counted(plan.sites.len(), "site", "sites")
}

/// Whom programs run as, each user once; a few are named.
fn users(pools: &[Pool]) -> String {
    let mut users: Vec<_> = pools.iter().map(php::user_of).collect();
    users.sort_unstable();
    users.dedup();
    let more = if users.len() > NAMED_MAX { ", …" } else { "" };
    users.truncate(NAMED_MAX);
    users.join(", ") + more
}

/// The sites of `plan`, in a few words.
pub(crate) fn found(plan: &Plan) -> String {
    let names: Vec<_> = plan.sites.iter().take(NAMED_MAX).map(|site| &*site.name).collect();
    let more = if plan.sites.len() > names.len() { ", …" } else { "" };
    let php = match plan.pools.len() {
        0 => String::new(),
        count => {
            let count = counted(count, "php-fpm", "php-fpms");
            format!("; with {count}, whose programs run as {}", users(&plan.pools))
        }
    };
    format!("{}: {}{more}{php}", sites(plan), names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_why_not_all_folders_are_watched() {
        for (folders, limit, expect) in [
            (1, None, "pages follow their files in 1 folder"),
            (
                2,
                Some(Limit::Folders),
                "pages follow their files in 2 folders, the most that are watched",
            ),
            (
                2,
                Some(Limit::Kernel),
                "pages follow their files in 2 folders; for all of them, raise \
                 fs.inotify.max_user_watches",
            ),
        ] {
            assert_eq!(followed(folders, limit), expect);
        }
        let (live, words) = follow(Path::new("/nowhere"));
        assert!(live.is_none() && words.contains("do not follow"), "{words}");
    }
}
