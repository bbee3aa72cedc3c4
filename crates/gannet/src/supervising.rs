//! `gannet run`: what its supervisor says to people.

use crate::{
    arguments::Left,
    greeting::{self, Greeting},
    place,
    trouble::Trouble,
};
use config::{Blueprint, plan::Address};
use control::Counter;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
    slice,
    sync::mpsc,
    thread,
    time::Duration,
};
use supervisor::{Failure, Started, Succession, Voice};

/// How long a stopping server waits for somebody to take its last line.
const LAST_LINE_TIME: Duration = Duration::from_secs(1);

/// `gannet run FILE`: serves what a config file says, by workers that it watches.
pub(crate) fn run(file: PathBuf, left: &Left) -> Result<ExitCode, Trouble> {
    let before = left.before;
    let succession = left.state.map(|state| Succession { state, before });
    if succession.is_some() {
        // It was started by a number.
        net::process::set_name(c"gannet");
    }
    let words = Words { file: &file };
    let desk_path = place::own_desk_path(&file);
    match supervisor::run(file.clone(), desk_path, succession, &words) {
        Ok(code) => Ok(ExitCode::from(code)),
        Err(Failure { code, text }) => Err(Trouble::new(code, text)),
    }
}

/// Shows, to the process at the other end, that this program could go on with `state`.
pub(crate) fn rehearse(file: PathBuf, state: i32) -> Result<(), Failure> {
    supervisor::rehearse(file.clone(), state, &Words { file: &file })
}

struct Words<'f> {
    file: &'f Path,
}

impl Voice for Words<'_> {
    fn started(&self, blueprint: &Blueprint, started: &Started<'_>) {
        let Started { addresses, admin, layers } = started;
        let urls = |(at, address): &(usize, Address)| match address {
            Address::Tcp(address) => blueprint
                .hosts
                .get(*at)
                .map(|hosts| {
                    let is_tls = blueprint.listen.get(*at).is_some_and(|listen| listen.tls);
                    greeting::urls_by(hosts, address.port(), is_tls)
                })
                .unwrap_or_default(),
            Address::Unix { .. } => vec![address.to_string()],
        };
        let urls = greeting::once_each(addresses.iter().flat_map(urls).collect());
        let listens: Vec<_> = addresses.iter().map(|(_, address)| address.to_string()).collect();
        // A person would be led to a page that says that nobody is there.
        let remark = urls
            .is_empty()
            .then(|| format!("at {}, by the names of the sites and no others", listens.join(", ")));
        let greeting = Greeting {
            urls,
            listens,
            what: self.file.display().to_string(),
            found: blueprint.found.clone(),
            remark,
            layers: layers.to_vec(),
            live: None,
            admin: admin
                .and_then(|admin| greeting::urls(slice::from_ref(admin), false).into_iter().next()),
            loops: blueprint.threads,
            is_for_others: false,
        };
        net::stream::say(&match is_json(blueprint) {
            true => greeting.json(),
            false => greeting.pretty(),
        });
    }

    fn words(&self, succession: Succession) -> Vec<OsString> {
        let mut words: Vec<OsString> =
            vec!["gannet".into(), "run".into(), format!("--state={}", succession.state).into()];
        words.extend(succession.before.map(|before| format!("--before={before}").into()));
        words.extend(["--".into(), self.file.into()]);
        words
    }

    fn stopped(&self, blueprint: &Blueprint, totals: &[(Counter, u64)]) {
        let line = greeting::farewell(totals, is_json(blueprint));
        let (said, over) = mpsc::channel::<()>();
        // Nobody may read it, or have read for a long time.
        let say = move || {
            net::stream::say(&line);
            drop(said);
        };
        if thread::Builder::new().spawn(say).is_ok() {
            let _ = over.recv_timeout(LAST_LINE_TIME);
        }
    }
}

fn is_json(blueprint: &Blueprint) -> bool {
    blueprint.is_json.unwrap_or_else(|| !greeting::is_terminal())
}
