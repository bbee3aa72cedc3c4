//! Files beside those that are served: certificates, and what is written: logs and caches.

use super::{Eyes, Finding, Look, folders, kept};
use crate::{greeting::counted, keep, listed};
use config::{
    Plan,
    plan::{Address, Certificate, Issuer, Pem, Target},
};
use net::{permission, stat::Room, way};
use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use tls::der::Facts;

/// What has to be free where something is written: of bytes and of files, one in a hundred, but
/// for the bytes no more than that is ever asked for.
const FREE_SHARE: u64 = 100;
const FREE_BYTES: u64 = 1 << 30;

/// Certificates: whether they hold now, whom they are for, and who can read their keys.
pub(super) fn certificates(plan: &Plan, starter: &Eyes) -> Look {
    let now = net::clock::wall().seconds;
    let mut findings = Vec::new();
    for (certificate, hosts) in plan.certificates.iter().zip(plan.certified()) {
        let pem = match &certificate.issuer {
            Issuer::Authority(hosts) => {
                let text = keep::best(&certificate.chain, hosts).map(|(_, text)| text);
                let text = text.unwrap_or_default();
                Pem { chain: text.clone(), key: text }
            }
            _ => certificate.pem.clone(),
        };
        findings.extend(refused(certificate, &pem, &hosts, now));
        let about = certificate.chain.display().to_string();
        findings.extend(open_key(about, &certificate.key, starter));
    }
    findings.extend(kept::look(plan));
    let well = counted(plan.certificates.len(), "certificate", "certificates");
    Look { kind: "certificates", well, findings }
}

/// Certificates from files that browsers refuse, or will soon: what is in those may be meant to be
/// used later, or be replaced in a moment.
pub(super) fn of_files(plan: &Plan) -> impl Iterator<Item = Finding> {
    let now = net::clock::wall().seconds;
    let all = plan.certificates.iter().zip(plan.certified());
    all.filter(|(certificate, _)| certificate.issuer == Issuer::Files)
        .flat_map(move |(certificate, hosts)| refused(certificate, &certificate.pem, &hosts, now))
}

/// Why browsers refuse a certificate, or will soon.
fn refused(certificate: &Certificate, pem: &Pem, hosts: &[String], now: i64) -> Vec<Finding> {
    let about = certificate.chain.display().to_string();
    let mut findings = Vec::new();
    let Some(der) = tls::certificate_in(&pem.chain) else { return findings };
    let facts = Facts::of(&der);
    if let Some(warning) = facts.and_then(|it| it.warning(now, listed::warned_within(pem))) {
        let cure = if certificate.issuer != Issuer::Files {
            "see what `gannet certs` says: it should have been renewed by itself"
        } else if warning.starts_with("holds only") {
            "set the clock of this machine, if that is what is wrong; else wait"
        } else {
            "have it renewed: where files are replaced, the server uses them by itself"
        };
        findings.push(Finding::fault(&about, format!("it {warning}"), cure));
    }
    let missing = tls::missing(&der, hosts);
    if !missing.is_empty() {
        let cause = format!("it {} ({})", listed::not_for(&missing), certificate.place);
        let cure = format!("have one made that names {}", missing.join(", "));
        findings.push(Finding::fault(about, cause, cure));
    }
    findings
}

/// A key that everybody can read, and how it stays readable for whoever starts the server only.
/// What lies in a folder that is closed nobody gets at.
fn open_key(about: String, key: &Path, starter: &Eyes) -> Option<Finding> {
    let found = fs::metadata(key).ok().filter(|found| found.mode() & permission::READ != 0)?;
    let is_closed = |part: &PathBuf| {
        let folder = fs::metadata(part).ok().filter(Metadata::is_dir);
        folder.is_some_and(|folder| folder.mode() & permission::PASS == 0)
    };
    if way::to(key).parts.iter().any(is_closed) {
        return None;
    }
    let mode = found.mode() & 0o7777;
    let key = key.display();
    let cause = format!("its key {key} can be read by everybody (mode {mode:04o})");
    let cure = match permission::is_of_others(&found, starter) {
        true => {
            let group = net::identity::group_name(starter.group);
            format!("chgrp {group} {key} && chmod 640 {key}")
        }
        false => format!("chmod o= {key}"),
    };
    Some(Finding::fault(about, cause, cure))
}

/// Folders that are written to: whether they can be, and how much room there is. Logs and sockets
/// are opened by whoever starts the server; with that come the folders in `made`.
pub(super) fn written(plan: &Plan, eyes: &Eyes, starter: &Eyes, made: &[PathBuf]) -> Look {
    let comes =
        |folder: &Path| !folder.exists() && made.iter().any(|made| folder.starts_with(made));
    let mut findings = Vec::new();
    let logs: Vec<&Path> = plan
        .logs
        .targets
        .iter()
        .filter_map(|target| match target {
            Target::File(path) => Some(&**path),
            Target::Output | Target::Errors => None,
        })
        .collect();
    let cache = plan.compress_cache.folder.as_deref();
    if let Some(cache) = cache.filter(|cache| cache.exists()) {
        // What is not there yet is made.
        let wanted = permission::READ | permission::WRITE | permission::PASS;
        findings.extend(folders::way(cache, eyes, wanted));
    }
    let admin = plan.admin.iter().map(|admin| &admin.listen);
    let sockets = plan.listen.iter().chain(admin).filter_map(|listen| match &listen.address {
        Address::Unix { path, .. } => path.parent(),
        Address::Tcp(_) => None,
    });
    let sockets: Vec<&Path> =
        sockets.chain(plan.control.as_deref().and_then(Path::parent)).collect();
    let (there, missing): (Vec<&Path>, Vec<&Path>) = logs.iter().partition(|log| log.exists());
    findings.extend(there.iter().filter_map(|log| folders::way(log, starter, permission::WRITE)));
    let parents = |logs: &[&'_ Path]| -> Vec<_> {
        logs.iter().filter_map(|log| log.parent().map(Path::to_owned)).collect()
    };
    let mut used = parents(&missing);
    used.extend(sockets.iter().map(|folder| folder.to_path_buf()));
    used.sort_unstable();
    used.dedup();
    let wanted = permission::WRITE | permission::PASS;
    let used = used.iter().filter(|folder| !comes(folder));
    findings.extend(used.filter_map(|folder| folders::way(folder, starter, wanted)));
    let mut all = parents(&logs);
    let keeps = plan.certificates.iter().any(|one| one.issuer != Issuer::Files);
    let kept = keeps.then_some(&*plan.issuing.folder);
    all.extend(cache.into_iter().chain(sockets).chain(kept).map(Path::to_owned));
    all.sort_unstable();
    all.dedup();
    findings.extend(spilled(plan));
    let spill = Path::new(worker::SPILL_FOLDER).to_owned();
    all.extend((!plan.applications.is_empty()).then_some(spill));
    for folder in &all {
        findings.extend(full(folder));
    }
    let well = match all.len() {
        0 => "nothing is written to it".to_owned(),
        many => {
            let count = counted(many, "folder", "folders");
            format!("there is room in {count} that something is written to")
        }
    };
    Look { kind: "disk", well, findings }
}

/// Whether what is too large for memory can be written, where PHP is asked.
pub(super) fn spilled(plan: &Plan) -> Option<Finding> {
    let folder = Path::new(worker::SPILL_FOLDER);
    let error = match plan.applications.is_empty() {
        true => return None,
        false => net::file::nameless(folder).err()?,
    };
    let cause = format!("what is too large for memory cannot be written there: {error}");
    let cure = "make it a folder that everybody may write to (chmod 1777), on a disk with room; until \
                then uploads of more than 32 KiB are 507, and programs wait for slow clients";
    Some(Finding::fault(folder.display().to_string(), cause, cure))
}

fn full(folder: &Path) -> Option<Finding> {
    let there = folder.ancestors().find(|part| part.exists())?;
    let Room { free_bytes, bytes, free_files, files, .. } = Room::of(there).ok()?;
    let about = folder.display().to_string();
    let cure = "remove what is not needed there, or name a folder of another disk";
    if free_bytes < (bytes / FREE_SHARE).min(FREE_BYTES) {
        let percent = free_bytes.saturating_mul(100).checked_div(bytes).unwrap_or(0);
        let cause = format!("its disk is full: {} KiB are free, {percent} %", free_bytes / 1024);
        return Some(Finding::fault(about, cause, cure));
    }
    if files > 0 && free_files < files / FREE_SHARE {
        let cause = format!("its disk has room for {free_files} files more (inodes)");
        return Some(Finding::fault(about, cause, cure));
    }
    None
}
