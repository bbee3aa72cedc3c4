//! `gannet certs`: the certificates of a config: for whom, from whom, until when, and what is next.
//! It reads what the server keeps, so that nothing has to run.

use crate::{
    keep::{self, Keep},
    machine,
    trouble::Trouble,
};
use base::{Date, text::push_json};
use certs::{Attempts, Object, due};
use config::{
    Plan,
    plan::{Certificate, Issuer},
};
use std::{path::Path, process::ExitCode};
use tls::{Pair, der::Facts};

/// What is known of one certificate.
struct Row {
    hosts: Vec<String>,
    issuer: String,
    until: Option<i64>,
    next: String,
    error: Option<String>,
}

/// Shows all certificates of the config `file`.
pub(crate) fn list(file: &Path, is_json: bool) -> Result<ExitCode, Trouble> {
    let plan = machine::load(file)?;
    let now = net::clock::wall().seconds;
    let rows: Vec<Row> = plan.certificates.iter().map(|one| row(one, &plan, now)).collect();
    net::stream::say(&if is_json { json(&rows) } else { pretty(&rows) });
    Ok(ExitCode::SUCCESS)
}

fn row(certificate: &Certificate, plan: &Plan, now: i64) -> Row {
    let at = |time: i64| format!("{} UTC", Date::of(time).to_string().replace('T', " "));
    match &certificate.issuer {
        Issuer::Files => {
            let sites = plan.sites.iter().filter(|site| {
                let number =
                    plan.certificates.iter().position(|one| one.chain == certificate.chain);
                let tls = site.tls.as_ref();
                tls.zip(number).is_some_and(|(tls, number)| tls.certificates.contains(&number))
            });
            let pem = &certificate.pem;
            let facts = Pair::load(&pem.chain, &pem.key).ok().and_then(|pair| pair.facts());
            let facts = facts.unwrap_or_default();
            Row {
                hosts: sites.map(|site| site.name.to_string()).collect(),
                issuer: facts.issuer,
                until: Some(facts.until),
                next: format!("whoever writes {} renews it", certificate.chain.display()),
                error: None,
            }
        }
        Issuer::Local(hosts) => Row {
            hosts: hosts.iter().map(ToString::to_string).collect(),
            issuer: "the local authority".to_owned(),
            until: None,
            next: "made anew when the server reads its config, and in its last third".to_owned(),
            error: None,
        },
        Issuer::Authority(hosts) => {
            let keep = Keep::at(&plan.issuing.folder);
            let object = keep::object(&certificate.chain).map(|(object, _)| object);
            let object = object.filter(|object| object.covers(hosts));
            let attempts: Attempts = keep.attempts(&certificate.chain);
            let term = object.as_ref().and_then(Object::term);
            let next = due(term.as_ref(), &attempts, now, certificate.chance());
            let next = match (next <= now, &object) {
                (true, _) => "asked for as soon as the server runs".to_owned(),
                (false, None) => format!("asked for {}", at(next)),
                (false, Some(_)) => format!("renewed {}", at(next)),
            };
            let facts: Option<Facts> = object.as_ref().and_then(Object::facts);
            let issuer = facts.as_ref().map_or("nobody yet", |facts| &facts.issuer).to_owned();
            let error = (attempts.failures > 0).then(|| {
                let Attempts { failures, last, why, .. } = attempts;
                format!("{why} ({}, failure {failures} in a row)", at(last))
            });
            let hosts = hosts.iter().map(ToString::to_string).collect();
            Row { hosts, issuer, until: facts.map(|facts| facts.until), next, error }
        }
    }
}

fn pretty(rows: &[Row]) -> Vec<u8> {
    let mut text = String::new();
    if rows.is_empty() {
        text.push_str("no site is served over TLS\n");
    }
    for Row { hosts, issuer, until, next, error } in rows {
        text.push_str(&format!("{}\n  issued by {issuer}\n", hosts.join(", ")));
        if let Some(until) = until {
            let until = Date::of(*until).to_string().replace('T', " ");
            text.push_str(&format!("  until {until} UTC\n"));
        }
        text.push_str(&format!("  {next}\n"));
        error.iter().for_each(|error| text.push_str(&format!("  last error: {error}\n")));
    }
    text.into_bytes()
}

fn json(rows: &[Row]) -> Vec<u8> {
    let mut out = b"{\"certificates\":[".to_vec();
    let text = |out: &mut Vec<u8>, text: &str| {
        out.push(b'"');
        push_json(out, text.as_bytes());
        out.push(b'"');
    };
    for (at, Row { hosts, issuer, until, next, error }) in rows.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b",{\"hosts\":[" } else { b"{\"hosts\":[" });
        for (at, host) in hosts.iter().enumerate() {
            out.extend_from_slice(if at > 0 { b"," } else { b"" });
            text(&mut out, host);
        }
        out.extend_from_slice(b"],\"issuer\":");
        text(&mut out, issuer);
        if let Some(until) = until {
            out.extend_from_slice(format!(",\"until\":\"{}Z\"", Date::of(*until)).as_bytes());
        }
        out.extend_from_slice(b",\"next\":");
        text(&mut out, next);
        if let Some(error) = error {
            out.extend_from_slice(b",\"error\":");
            text(&mut out, error);
        }
        out.push(b'}');
    }
    out.extend_from_slice(b"]}\n");
    out
}
