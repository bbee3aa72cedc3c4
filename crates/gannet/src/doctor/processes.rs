//! What the server needs of others: applications, descriptors, the time.

use super::{Eyes, Finding, Look, folders, ini, server::Server, unit::Unit};
use crate::{greeting::counted, pools};
use config::{
    Plan,
    plan::{Pool, Upstream},
};
use net::permission;
use std::{
    io::{self, ErrorKind},
    net::TcpStream,
    path::Path,
    thread,
    time::Duration,
};

/// How long an application may take to let somebody in.
const CONNECT_TIME: Duration = Duration::from_secs(2);

/// How many php-fpms are asked at once how they are, and how often one that does not say so.
const AT_ONCE: usize = 20;
const ASKED_TIMES: usize = 2;

/// Descriptors of a worker beside those of connections: logs, folders, hot files, its own.
const OTHERS: u64 = 512;

/// Whether the applications are there, and the user that serves may come to them. Those of other
/// machines, which may not answer, are only asked where somebody waits for that.
pub(super) fn applications(plan: &Plan, eyes: &Eyes, may_wait: bool) -> Look {
    // Those that the server starts are there once it is.
    let own: Vec<_> = plan.pools.iter().map(|pool| Upstream::Unix(pool.socket.clone())).collect();
    let all = plan.applications.iter().filter(|application| !own.contains(application));
    let all: Vec<_> = all.collect();
    let findings = all.iter().filter_map(|application| match application {
        Upstream::Unix(path) => unix(path, eyes),
        Upstream::Tcp(_) if !may_wait => None,
        Upstream::Tcp(address) => {
            let error = TcpStream::connect_timeout(address, CONNECT_TIME).err()?;
            let cause = format!("nobody can be reached there: {error}");
            Some(Finding::fault(address.to_string(), cause, FPM_CURE))
        }
    });
    let findings = findings.chain(apart(plan, eyes)).chain(ini::misspelt(plan)).collect();
    Look { kind: "applications", well: there(all.len(), own.len()), findings }
}

/// Those of a running server that answer nobody. One that it has not started yet has no socket.
pub(super) fn deaf(plan: &Plan) -> Vec<Finding> {
    let is_deaf = |pool: &Pool| {
        let is_late =
            |error: io::Error| matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock);
        (0..ASKED_TIMES).all(|_| pools::ask(&pool.shown()).is_err_and(is_late))
    };
    let look = |some: &[Pool]| {
        thread::scope(|scope| {
            let ask = |pool| (pool, scope.spawn(move || is_deaf(pool)));
            let asked: Vec<_> = some.iter().map(ask).collect();
            let answers = asked
                .into_iter()
                .filter_map(|(pool, answer)| answer.join().unwrap_or(false).then(|| of_deaf(pool)));
            answers.collect::<Vec<_>>()
        })
    };
    plan.pools.chunks(AT_ONCE).flat_map(look).collect()
}

fn of_deaf(pool: &Pool) -> Finding {
    let cause = "its php-fpm answers nobody, not even how it is";
    let cure = "look what the error log says of it, and end its master process, which `ps -e f` \
                shows as `php-fpm: master process`: the server starts another one";
    Finding::fault(format!("PHP of {}", pool.name), cause, cure)
}

/// So many applications are there, beside those that the server starts.
fn there(all: usize, own: usize) -> String {
    let started = counted(own, "is started by the server", "are started by the server");
    match (all, own) {
        (0, 0) => "none is asked".to_owned(),
        (0, _) => started,
        (_, 0) => counted(all, "application is there", "applications are there"),
        _ => counted(all, "application is there", "applications are there") + ", and " + &started,
    }
}

/// Sites that are named where there may be many.
const NAMED: usize = 5;

/// Sites whose programs may ask the php-fpms of others, as the user of those who serve, or of their
/// group: so they can do there what they like.
fn apart(plan: &Plan, eyes: &Eyes) -> Option<Finding> {
    let user = |pool: &Pool| pool.user.as_ref().map(|user| user.number);
    let is_asking = |pool: &&Pool| {
        let user = pool.user.as_ref();
        user.is_some_and(|user| user.number == eyes.number || user.group == pool.group)
    };
    let one = plan.pools.iter().find(is_asking)?;
    let others: Vec<_> =
        plan.pools.iter().filter(|pool| user(pool) != user(one)).map(|pool| &*pool.name).collect();
    let name = &one.user.as_ref()?.name;
    let (some, more) = others.split_at(others.len().min(NAMED));
    let named = some.join(", ")
        + &match more.len() {
            _ if some.is_empty() => return None,
            0 => String::new(),
            more => format!(", and {more} more"),
        };
    let cause =
        format!("its programs run as {name}, who may ask the php-fpms of other sites: {named}");
    let cure = "give the site a user of its own, by `user` of `php`, who is not in the group of those \
                who serve";
    Some(Finding::remark(format!("PHP of {}", one.name), cause, cure))
}

const FPM_CURE: &str = "start php-fpm, and have its `listen` say the same as the config here";

fn unix(path: &Path, eyes: &Eyes) -> Option<Finding> {
    let about = path.display().to_string();
    // Where its queue is full, who connects would have to wait for as long as it is.
    match net::unix::connect_at_once(path).err().map(|error| error.kind()) {
        None => {}
        Some(ErrorKind::WouldBlock) => {
            let cause = "its queue is full: php-fpm is there, and takes in nobody, or too few";
            let cure = "look at what its workers wait for (its `slowlog` and `pm.status_path` say \
                        so); then start it anew, or give it more of them (`pm.max_children`)";
            return Some(Finding::fault(about, cause, cure));
        }
        Some(ErrorKind::NotFound) => {
            return Some(Finding::fault(about, "there is no such socket", FPM_CURE));
        }
        Some(ErrorKind::ConnectionRefused) => {
            return Some(Finding::fault(about, "nobody listens at that socket any more", FPM_CURE));
        }
        Some(_) => {}
    }
    if let Some(finding) =
        path.parent().and_then(|folder| folders::way(folder, eyes, permission::PASS))
    {
        return Some(Finding { about, ..finding });
    }
    // To connect is to write.
    let finding = folders::way(path, eyes, permission::WRITE)?;
    let cure = format!(
        "have php-fpm's `listen.owner` be {}, or its `listen.group` one of its groups with a \
         `listen.mode` of 0660",
        eyes.name
    );
    Some(Finding { cure, ..finding })
}

/// Whether as many descriptors can be had as there may be connections, by the server that runs or
/// that its unit would start, else by one that would be started from here.
pub(super) fn descriptors(plan: &Plan, server: Option<&Server>, unit: Option<&Unit>) -> Look {
    let process = server.and_then(|server| server.process.as_ref());
    let running = process.and_then(|process| Some((process.pid, process.descriptors_max()?)));
    let (who, allowed) = match (running, unit) {
        (Some((pid, allowed)), _) => (format!("the server (pid {pid})"), allowed),
        (None, Some(unit)) => {
            (format!("a process of {}", unit.file.display()), unit.descriptors_max)
        }
        (None, None) => {
            let allowed = net::process::raise_descriptor_limit();
            ("a process started from here".to_owned(), allowed)
        }
    };
    let workers = plan.workers.get() as u64;
    let wanted = (plan.capacity.connections_max as u64).div_ceil(workers) + OTHERS;
    let short = (allowed < wanted).then(|| {
        let cause = format!(
            "{who} may have {allowed} descriptors open, and {} connections need some {wanted}",
            plan.capacity.connections_max
        );
        let cure = format!(
            "`LimitNOFILE={wanted}` in its systemd unit, or `ulimit -Hn {wanted}` as root before it \
             is started; or a smaller `connections-max`"
        );
        Finding::fault("descriptors", cause, cure)
    });
    let well = format!("{allowed} may be open");
    Look { kind: "descriptors", well, findings: short.into_iter().collect() }
}

/// Whether anything sets the clock of this machine.
pub(super) fn clock() -> Look {
    let is_set = net::clock::is_synchronized();
    let finding = (!is_set).then(|| {
        let cause = "nothing keeps it right, as far as its kernel knows";
        let cure = "run an NTP client, such as systemd-timesyncd or chrony; in a virtual machine its \
                    host may do it";
        Finding::remark("this machine", cause, cure)
    });
    let well = "something keeps it right".to_owned();
    Look { kind: "clock", well, findings: finding.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_counted_where_there_is_any() {
        for (all, own, expect) in [
            (0, 0, "none is asked"),
            (2, 0, "2 applications are there"),
            (0, 1, "1 is started by the server"),
            (1, 2, "1 application is there, and 2 are started by the server"),
        ] {
            assert_eq!(there(all, own), expect);
        }
    }
}
