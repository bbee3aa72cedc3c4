//! The folder of certificates that come by themselves: who gets at what is in it, and what keeps
//! them from coming.

use super::{Eyes, Finding};
use crate::keep::{self, Keep};
use certs::Attempts;
use config::{Plan, plan::Issuer};
use net::{identity, permission};
use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::Path,
};

/// The mode bits by which others than the owner may write.
const OTHERS_WRITE: u32 = 0o022;

/// What is wrong with it; nothing where there is none.
pub(super) fn look(plan: &Plan) -> Vec<Finding> {
    let folder = &plan.issuing.folder;
    let keeps = plan.certificates.iter().any(|one| one.issuer != Issuer::Files);
    // What is not there yet is made.
    let Some(found) = keeps.then(|| fs::metadata(folder).ok()).flatten() else { return Vec::new() };
    let (about, mode) = (folder.display().to_string(), found.mode() & 0o7777);
    let mut findings = Vec::new();
    if mode & OTHERS_WRITE != 0 {
        let cause =
            format!("others may write there (mode {mode:04o}), and put keys of theirs there");
        findings.push(Finding::fault(&about, cause, format!("chmod go-w {about}")));
    }
    if let Err(error) = fs::read_dir(folder) {
        let owner = identity::name(found.uid());
        let cure = format!("run this as root, or as {owner}, whose it is");
        findings.push(Finding::fault(
            &about,
            format!("this user may not look there: {error}"),
            cure,
        ));
        return findings;
    }
    let below = ["", "sites", "accounts", "attempts"].map(|name| folder.join(name));
    findings.extend(below.iter().find_map(|below| foreign(below, (folder, &found))));
    let keep = Keep::at(folder);
    for certificate in &plan.certificates {
        let Issuer::Authority(hosts) = &certificate.issuer else { continue };
        let Attempts { failures: failures @ 1.., why, .. } = keep.attempts(&certificate.chain)
        else {
            continue;
        };
        let is_there = keep::object(&certificate.chain).is_some_and(|(own, _)| own.covers(hosts));
        let about = hosts.join(", ");
        let cause = format!("no certificate is issued, failure {failures} in a row: {why}");
        let cure =
            "mend that; `gannet certs` says when it is asked for next, and what it has until then";
        findings.push(match is_there {
            true => Finding::remark(about, cause, cure),
            false => Finding::fault(about, cause, cure),
        });
    }
    findings
}

/// The first file in a folder that the owner of all of it may not read: root made it, maybe.
fn foreign(below: &Path, (folder, found): (&Path, &Metadata)) -> Option<Finding> {
    let (user, group) = (found.uid(), found.gid());
    let owner = Eyes { name: identity::name(user), number: user, group, groups: vec![group] };
    let paths = fs::read_dir(below).ok()?.flatten().map(|entry| entry.path());
    let mut files = paths.filter_map(|path| Some((fs::metadata(&path).ok()?, path)));
    let (file, path) = files
        .find(|(file, _)| file.is_file() && !permission::may(file, &owner, permission::READ))?;
    let (path, whose) = (path.display(), identity::name(file.uid()));
    let cause =
        format!("it is {whose}'s, and {}, whose folder it is in, may not read it", owner.name);
    let cure = format!("chown --reference={} {path}", folder.display());
    Some(Finding::fault(path.to_string(), cause, cure))
}
