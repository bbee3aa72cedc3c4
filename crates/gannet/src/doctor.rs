//! `gannet doctor`: walks through what usually goes wrong with a server, and says of each thing
//! that does what causes it, and what cures it.

mod collector;
mod files;
mod folders;
mod ini;
mod kept;
mod network;
mod processes;
mod server;
mod unit;

use crate::{greeting::counted, machine, place, servers, trouble::Trouble};
use base::text::push_json;
use config::Plan;
use net::identity::User;
use server::Server;
use std::{path::Path, process::ExitCode};
use unit::Unit;

/// The exit code where something is wrong.
const EXIT_FAULTS: u8 = 1;

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    /// Whether it keeps the server from doing what its config says; else it may be meant.
    is_fault: bool,
    /// What it is about.
    about: String,
    cause: String,
    cure: String,
}

/// What a look at one kind of thing has found, and in how many words it says that all is well.
struct Look {
    kind: &'static str,
    well: String,
    findings: Vec<Finding>,
}

impl Finding {
    fn fault(about: impl Into<String>, cause: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { is_fault: true, about: about.into(), cause: cause.into(), cure: cure.into() }
    }

    fn remark(about: impl Into<String>, cause: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { is_fault: false, ..Self::fault(about, cause, cure) }
    }
}

/// Who serves, or has started who does: files are looked at with their eyes.
type Eyes = User;

/// Those of that user, or of this process.
fn eyes(user: Option<User>) -> Eyes {
    user.unwrap_or_else(|| User {
        name: "this user".to_owned(),
        number: net::process::user(),
        group: net::process::group(),
        groups: net::process::groups(),
    })
}

/// Those of whoever has started the server, or would: it is what reads keys.
fn eyes_of_starter(user: Option<u32>) -> Eyes {
    let other = user.filter(|user| *user != net::process::user());
    eyes(other.and_then(|user| User::find(&user.to_string()).ok()))
}

/// Looks at the server that the config `file` describes.
pub(crate) fn doctor(file: &Path, is_json: bool) -> Result<ExitCode, Trouble> {
    let plan = machine::load(file).map_err(|trouble| servers::beside(trouble, file, "doctor"))?;
    let server = server::find(&plan, file);
    let unit = if server.is_none() { unit::find(file) } else { None };
    let mut config = config(&plan, server.as_ref(), unit.as_ref());
    let starter = match (&server, &unit) {
        (Some(server), _) => Some(server.user),
        (None, Some(unit)) => match unit.starter() {
            Ok(user) => Some(user),
            Err(finding) => {
                config.findings.push(finding);
                None
            }
        },
        (None, None) => None,
    };
    let eyes = eyes(match starter {
        Some(user) => machine::user_beside(&plan, user)?,
        None => machine::serving_user(&plan)?,
    });
    let starter = eyes_of_starter(starter);
    // What the user of a server may that another one has started is not known here.
    let is_others = |server: &Server| server.user != net::process::user();
    let may_listen_low = unit.as_ref().is_some_and(|unit| unit.listens_at_low_ports)
        || server.as_ref().is_some_and(is_others);
    let own = (starter.number == 0).then(|| place::SYSTEM.into());
    let made = unit.iter().flat_map(|unit| unit.made.clone()).chain(own).collect::<Vec<_>>();
    let mut applications = processes::applications(&plan, &eyes, true);
    if server.is_some() {
        applications.findings.extend(processes::deaf(&plan));
    }
    let looks = [
        config,
        folders::look(&plan, &eyes),
        files::certificates(&plan, &starter),
        files::written(&plan, &eyes, &starter, &made),
        network::addresses(&plan, server.as_ref(), may_listen_low),
        network::names(&plan),
        network::queues(),
        applications,
        collector::look(&plan),
        processes::descriptors(&plan, server.as_ref(), unit.as_ref()),
        processes::clock(),
    ];
    let text = if is_json { json(&looks) } else { pretty(&looks) };
    net::stream::say(text.as_bytes());
    let has_faults = looks.iter().flat_map(|look| &look.findings).any(|found| found.is_fault);
    Ok(ExitCode::from(if has_faults { EXIT_FAULTS } else { 0 }))
}

/// What is warned of before a server starts, and its cure.
pub(crate) struct Warning {
    pub(crate) what: String,
    pub(crate) cure: String,
}

/// What a server warns of when it takes up a config, for the user that serves, whom this process
/// is: it may be meant, or be otherwise soon. It does not wait for other machines unless it may.
pub(crate) fn warnings(plan: &Plan, may_wait: bool) -> Vec<Warning> {
    let applications = processes::applications(plan, &eyes(None), may_wait).findings;
    applications.into_iter().chain(files::spilled(plan)).map(warning).collect()
}

/// The same of certificates from files, which a server looks at by itself.
pub(crate) fn warnings_of_certificates(plan: &Plan) -> Vec<Warning> {
    files::of_files(plan).map(warning).collect()
}

fn warning(Finding { about, cause, cure, .. }: Finding) -> Warning {
    Warning { what: format!("{about}: {cause}"), cure }
}

/// What there is to serve, and who does it or would.
fn config(plan: &Plan, server: Option<&Server>, unit: Option<&Unit>) -> Look {
    let by = match (server, unit) {
        (Some(Server { process: Some(process), .. }), _) => {
            format!(", which a server (pid {}) serves", process.pid)
        }
        (Some(_), _) => ", which a server serves".to_owned(),
        (None, Some(unit)) => format!(", which {} starts", unit.file.display()),
        (None, None) => String::new(),
    };
    let well = counted(plan.sites.len(), "site", "sites") + &by;
    Look { kind: "config", well, findings: Vec::new() }
}

/// For people.
fn pretty(looks: &[Look]) -> String {
    let mut text = String::new();
    for Look { kind, well, findings } in looks {
        if findings.is_empty() {
            text.push_str(&format!("  well    {kind}: {well}\n"));
        }
        for Finding { is_fault, about, cause, cure } in findings {
            let mark = if *is_fault { "FAULT " } else { "perhaps" };
            text.push_str(&format!(
                "  {mark:<7} {kind}: {about}: {cause}\n          cure: {cure}\n"
            ));
        }
    }
    let count = |is_fault: bool| {
        let all = looks.iter().flat_map(|look| &look.findings);
        all.filter(|found| found.is_fault == is_fault).count()
    };
    let (faults, remarks) = (count(true), count(false));
    let rest = match remarks {
        0 => String::new(),
        count => format!(", {} that may be meant", counted(count, "thing", "things")),
    };
    match faults {
        0 => text + &format!("nothing is wrong{rest}\n"),
        count => text + &format!("{}{rest}\n", counted(count, "fault", "faults")),
    }
}

/// For programs.
fn json(looks: &[Look]) -> String {
    let mut out = b"{\"findings\":[".to_vec();
    let all = looks.iter().flat_map(|look| look.findings.iter().map(|found| (look.kind, found)));
    for (at, (kind, Finding { is_fault, about, cause, cure })) in all.enumerate() {
        let comma = if at > 0 { "," } else { "" };
        let start = format!("{comma}{{\"kind\":\"{kind}\",\"is_fault\":{is_fault}");
        out.extend_from_slice(start.as_bytes());
        for (name, words) in [("about", about), ("cause", cause), ("cure", cure)] {
            out.extend_from_slice(format!(",\"{name}\":\"").as_bytes());
            push_json(&mut out, words.as_bytes());
            out.push(b'"');
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}\n");
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_with_its_cure_to_people_and_programs() {
        let look = |findings| Look { kind: "clock", well: "fine".to_owned(), findings };
        let fault = Finding::fault("here", "it is \"late\"", "wind it up");
        let remark = Finding::remark("there", "it is early", "wait");
        let sound = [look(vec![]), look(vec![])];
        assert_eq!(
            pretty(&sound),
            "  well    clock: fine\n  well    clock: fine\nnothing is wrong\n"
        );
        let ill = [look(vec![fault, remark])];
        assert_eq!(
            pretty(&ill),
            "  FAULT   clock: here: it is \"late\"\n          cure: wind it up\n  perhaps clock: there: \
             it is early\n          cure: wait\n1 fault, 1 thing that may be meant\n"
        );
        assert_eq!(
            json(&ill),
            "{\"findings\":[{\"kind\":\"clock\",\"is_fault\":true,\"about\":\"here\",\"cause\":\"it is \
             \\\"late\\\"\",\"cure\":\"wind it up\"},{\"kind\":\"clock\",\"is_fault\":false,\"about\":\
             \"there\",\"cause\":\"it is early\",\"cure\":\"wait\"}]}\n"
        );
    }
}
