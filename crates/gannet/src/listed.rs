//! What is known of the certificates of a config: for whom, from whom, until when, what is next,
//! and what went wrong. `gannet certs` reads it from what the server keeps: nothing has to run.

use crate::{
    keep::{self, Keep},
    machine, operators, servers,
    trouble::Trouble,
};
use base::Date;
use certs::{Attempts, Object, due};
use config::{
    Plan,
    plan::{Certificate, DEFAULT_SITE, Issuer, Issuing, Pem, Site},
};
use control::status;
use dashboard::push_certificate;
use std::{fmt::Write as _, path::Path, process::ExitCode};
use tls::der::Facts;

/// How long before its end a certificate is spoken of, and in which part of its life at most: one
/// that comes by itself is renewed before its last third.
const WARNING_SECONDS: i64 = 14 * 24 * 60 * 60;
const WARNING_PART: i64 = 3;

/// How long before its end that certificate is spoken of.
pub(crate) fn warned_within(pem: &Pem) -> i64 {
    let facts = tls::certificate_in(&pem.chain).and_then(|der| Facts::of(&der));
    within(facts.map_or(0, |facts| facts.until.saturating_sub(facts.from)))
}

/// The same of one that lives for so many seconds.
fn within(life: i64) -> i64 {
    WARNING_SECONDS.min(life / WARNING_PART)
}

/// For which of the hosts of an issued certificate it is not, where it is for some: it was issued
/// before there were all of them.
pub(crate) fn missing(pem: &Pem, hosts: &[Box<str>]) -> Option<String> {
    let object = Object::read(&pem.chain)?;
    let missing = object.missing(hosts);
    (!missing.is_empty()).then(|| {
        let hosts = missing.join(", ");
        format!("is not for {hosts} yet: until another one is there browsers refuse it there")
    })
}

/// For which of `hosts` a certificate from files is not, where it is not for all.
pub(crate) fn uncovered(pem: &Pem, hosts: &[String]) -> Option<String> {
    let missing = tls::missing(&tls::certificate_in(&pem.chain)?, hosts);
    (!missing.is_empty()).then(|| not_for(&missing))
}

/// That a certificate is not for these hosts.
pub(crate) fn not_for(hosts: &[&str]) -> String {
    let shown = hosts.get(..HOSTS_SHOWN).unwrap_or(hosts);
    let more = match hosts.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("is not for {}{more}: browsers refuse it there", shown.join(", "))
}

/// Hosts that are named of many.
const HOSTS_SHOWN: usize = 8;

/// What is said of what this user may not read.
const UNKNOWN: &str = "unknown to this user";

/// Shows all certificates of the config `file`.
pub(crate) fn list(file: &Path, is_json: bool) -> Result<ExitCode, Trouble> {
    let plan =
        machine::load_to_list(file).map_err(|trouble| servers::beside(trouble, file, "certs"))?;
    let mut listing = Listing::of(&plan, net::clock::wall().seconds);
    let row = |one: &Certificate| match &one.issuer {
        Issuer::Authority(hosts) => {
            let text = keep::best(&one.chain, hosts).map(|(_, text)| text).unwrap_or_default();
            let mut row = listing.row(one, &Pem { chain: text, key: Vec::new() }, None);
            if let Some(why) = keep::unreadable(&one.chain) {
                // Whether it is there is not known either.
                (row.issuer, row.next) = (UNKNOWN.to_owned(), UNKNOWN.to_owned());
                row.error = Some(why);
            }
            row
        }
        Issuer::Files => {
            let row = listing.row(one, &one.pem, None);
            status::Certificate { error: operators::fault_of_pair(&one.chain, &one.key), ..row }
        }
        Issuer::Local(_) => listing.row(one, &one.pem, None),
    };
    let mut rows: Vec<_> = plan.certificates.iter().map(row).collect();
    rows.extend(plan.authorities.iter().enumerate().map(|(number, one)| {
        let error = operators::fault_of_authorities(&one.file);
        status::Certificate { error, ..of_clients(&plan, number) }
    }));
    net::stream::say(&if is_json { json(&rows) } else { pretty(&rows) });
    Ok(ExitCode::SUCCESS)
}

/// Lists the certificates of a plan, in their order.
pub(crate) struct Listing {
    keep: Keep,
    issuing: Issuing,
    /// Why nothing can be kept.
    trouble: Option<String>,
    /// What is to be said of the local authority, once that is known.
    ending: Option<Option<String>>,
    now: i64,
    /// The hosts that each is shown for.
    hosts: std::vec::IntoIter<Vec<String>>,
}

impl Listing {
    pub(crate) fn of(plan: &Plan, now: i64) -> Self {
        let keep = Keep::at(&plan.issuing.folder);
        let trouble = keep.trouble();
        let issuing = plan.issuing.clone();
        let (hosts, ending) = (plan.certified().into_iter(), None);
        Self { keep, issuing, trouble, ending, now, hosts }
    }

    /// What is known of the next certificate of the plan, where `pem` is used. What went wrong with
    /// it of late is `held`, or noted where it is kept.
    pub(crate) fn row(
        &mut self,
        certificate: &Certificate,
        pem: &Pem,
        held: Option<Attempts>,
    ) -> status::Certificate {
        let mut hosts = self.hosts.next().unwrap_or_default();
        let facts = tls::certificate_in(&pem.chain).and_then(|der| Facts::of(&der));
        let mut row = status::Certificate {
            file: certificate.chain.display().to_string(),
            hosts: certificate.issuer.hosts().iter().map(ToString::to_string).collect(),
            ..status::Certificate::default()
        };
        let mut known = facts.as_ref();
        match &certificate.issuer {
            Issuer::Files => {
                row.next = format!("whoever writes {} renews it", row.file);
                row.warning = known.and_then(|facts| facts.warning(self.now, warned_within(pem)));
                row.warning = row.warning.or_else(|| uncovered(pem, &hosts));
                if hosts.is_empty() {
                    hosts.push(DEFAULT_SITE.to_owned());
                }
                row.hosts = hosts;
            }
            Issuer::Local(_) => {
                "the local authority".clone_into(&mut row.issuer);
                "made anew in its last third".clone_into(&mut row.next);
                let ending = self.ending.get_or_insert_with(|| self.keep.ending(self.now));
                row.warning.clone_from(ending);
            }
            Issuer::Authority(hosts) => {
                let object = Object::read(&pem.chain);
                known = known.filter(|_| object.is_some());
                let attempts = held.unwrap_or_else(|| self.keep.attempts(&certificate.chain));
                row.error.clone_from(&self.trouble);
                row.next = self.next(object.as_ref(), certificate, &attempts);
                row.warning = known.and_then(|known| known.warning(self.now, warned_within(pem)));
                row.warning = row.warning.or_else(|| missing(pem, hosts));
                if let Attempts { failures: failures @ 1.., last, why, .. } = attempts {
                    row.error =
                        Some(format!("{why} ({}, failure {failures} in a row)", date(last)));
                }
            }
        }
        row.until = known.map(|facts| facts.until);
        if row.issuer.is_empty() {
            let nobody = match certificate.issuer {
                Issuer::Files => "nobody known",
                _ => "nobody yet",
            };
            row.issuer = known.map_or(nobody, |facts| &facts.issuer).to_owned();
        }
        row
    }

    /// What is next with one that an authority issues.
    fn next(&self, object: Option<&Object>, one: &Certificate, attempts: &Attempts) -> String {
        let hosts = one.issuer.hosts();
        let term = object.and_then(|object| keep::term(object, hosts, &self.issuing));
        let next = due(term.as_ref(), attempts, self.now, one.chance());
        match (next <= self.now, term) {
            (true, _) => "asked for now, or as soon as the server runs".to_owned(),
            (false, None) => format!("asked for {}", date(next)),
            (false, Some(_)) => format!("renewed {}", date(next)),
        }
    }
}

/// What is known of the file of authorities of that number, by one of which clients are certified.
pub(crate) fn of_clients(plan: &Plan, number: usize) -> status::Certificate {
    let asks =
        |site: &&Site| site.tls.as_ref().is_some_and(|tls| tls.client_authorities == Some(number));
    let file = plan.authorities.get(number).map(|one| one.file.display().to_string());
    let file = file.unwrap_or_default();
    status::Certificate {
        is_of_clients: true,
        hosts: plan.sites.iter().filter(asks).map(|site| site.name.to_string()).collect(),
        next: format!("whoever writes {file} renews them"),
        file,
        ..status::Certificate::default()
    }
}

fn date(time: i64) -> String {
    format!("{} UTC", Date::of(time).to_string().replace('T', " "))
}

fn pretty(rows: &[status::Certificate]) -> Vec<u8> {
    let mut text = String::new();
    if rows.is_empty() {
        text.push_str("no site is served over TLS\n");
    }
    rows.iter().for_each(|row| push(&mut text, row, ""));
    text.into_bytes()
}

/// A few lines about a certificate.
pub(crate) fn push(text: &mut String, row: &status::Certificate, indent: &str) {
    let status::Certificate { is_of_clients, hosts, issuer, until, next, warning, error, .. } = row;
    let _ = writeln!(text, "{indent}{}", hosts.join(", "));
    let until = until.map(|until| format!(", until {}", date(until))).unwrap_or_default();
    let _ = match is_of_clients {
        true => writeln!(text, "{indent}  authorities that certify its clients"),
        false => writeln!(text, "{indent}  issued by {issuer}{until}"),
    };
    let _ = writeln!(text, "{indent}  {next}");
    for (what, said) in [("warning", warning), ("last error", error)] {
        said.iter().for_each(|said| _ = writeln!(text, "{indent}  {what}: {said}"));
    }
}

fn json(rows: &[status::Certificate]) -> Vec<u8> {
    let mut out = b"{\"certificates\":[".to_vec();
    for (at, row) in rows.iter().enumerate() {
        out.extend_from_slice(if at > 0 { b"," } else { b"" });
        push_certificate(&mut out, row);
    }
    out.extend_from_slice(b"]}\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_spoken_of_14_days_before_or_in_the_last_third() {
        const DAY: i64 = 24 * 60 * 60;
        for (life, expect) in [(398, 14), (90, 14), (45, 14), (6, 2), (0, 0)] {
            assert_eq!(within(life * DAY), expect * DAY, "{life}");
        }
    }
}
