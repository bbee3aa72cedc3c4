//! Certificates and authorities that change: read anew where they come from files, made anew where
//! they come from the local authority, and put in the place of those before where they are sound.

use crate::{
    keep::{self, Keep},
    listed::{self, Listing},
    operators::{Reader, sound},
};
use certs::{Attempts, Local, Object, Term, stand_in};
use config::{
    Bundle, Plan,
    plan::{Authorities, Certificate, Issuer, Issuing, Pem},
};
use control::status::{self, GOES_ON};
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};
use tls::{Pair, der::Facts};

/// The seconds until there is another look where a file has not answered: it may only be slow.
const AGAIN_SECONDS: u64 = 60;

/// What a look at the files has found.
#[derive(Default)]
pub(crate) struct Renewal {
    /// The config with the new certificates, where there are any.
    pub(crate) bundle: Option<Bundle>,
    /// Those that are used from now on.
    pub(crate) renewed: Vec<String>,
    /// What is wrong with some.
    pub(crate) troubles: Vec<String>,
    /// What is known of each that is used from now on.
    pub(crate) known: Vec<status::Certificate>,
    /// The seconds until one holds that is refused now, if any will, or one may answer.
    pub(crate) wait: Option<u64>,
}

/// What could not be put into files, by where it would be.
pub(crate) type Unkept = HashMap<PathBuf, Vec<u8>>;

/// A look.
struct Look<'l> {
    now: i64,
    issuing: &'l Issuing,
    unkept: &'l Unkept,
    /// The local authority, once it was asked, and whether it is one that stays.
    local: Option<(Local, bool)>,
    /// The same certificate, where its file says something else about it by now.
    noted: Option<Pem>,
    /// Why what is in the files that are looked at is not used.
    fault: Option<String>,
    reader: Reader,
    renewal: Renewal,
}

/// Looks at all certificates that `bundle` names, at that time in seconds since 1970.
pub(crate) fn look(mut bundle: Bundle, unkept: &Unkept, now: i64) -> Renewal {
    // What was checked once is sound.
    let Ok(plan) = bundle.resolve() else { return Renewal::default() };
    let (renewal, mut has_new) = (Renewal::default(), false);
    let (issuing, local, noted, fault) = (&plan.issuing, None, None, None);
    let reader = Reader::default();
    let mut look = Look { now, issuing, unkept, local, noted, fault, reader, renewal };
    let mut of_clients = Vec::new();
    for (number, Authorities { file, pem, place }) in plan.authorities.iter().enumerate() {
        let found = look.at_authorities(file, pem, &format!("{} ({place})", file.display()));
        if let Some(found) = found {
            bundle.renew(file, found);
            has_new = true;
        }
        let row = listed::of_clients(&plan, number);
        of_clients.push(status::Certificate { error: look.fault.take(), ..row });
    }
    let (mut listing, keep) = (Listing::of(&plan, now), Keep::at(&plan.issuing.folder));
    for (certificate, shown) in plan.certificates.iter().zip(plan.certified()) {
        let found = match &certificate.issuer {
            Issuer::Files => look.at_files(certificate, &shown),
            Issuer::Local(hosts) => look.at_local(certificate, hosts),
            Issuer::Authority(hosts) => look.at_kept(certificate, hosts),
        };
        let noted = look.noted.take();
        let used = found.as_ref().or(noted.as_ref()).unwrap_or(&certificate.pem);
        let held = unkept.get(&keep.attempts_path(&certificate.chain));
        let held = held.map(|text| Attempts::read(text));
        let mut row = listing.row(certificate, used, held);
        row.error = look.fault.take().or(row.error);
        if unkept.get(&certificate.chain).is_some_and(|text| *text == used.chain) {
            let folder = plan.issuing.folder.display();
            row.error.get_or_insert_with(|| format!("it cannot be kept in {folder}"));
        }
        look.renewal.known.push(row);
        if let Some(Pem { chain, key }) = found {
            bundle.renew(&certificate.chain, chain);
            bundle.renew(&certificate.key, key);
            has_new = true;
        }
    }
    let has_stalled = look.reader.has_stalled();
    let mut renewal = look.renewal;
    renewal.wait = renewal.wait.into_iter().chain(has_stalled.then_some(AGAIN_SECONDS)).min();
    renewal.known.extend(of_clients);
    renewal.bundle = has_new.then_some(bundle);
    renewal
}

impl Look<'_> {
    /// Authorities of clients.
    fn at_authorities(&mut self, file: &Path, pem: &[u8], name: &str) -> Option<Vec<u8>> {
        match self.reader.authorities(file) {
            Err(why) => self.refuse(name, &format!("cannot be used: {why}")),
            Ok(found) if found == pem => None,
            Ok(found) => {
                self.renewal.renewed.push(name.to_owned());
                Some(found)
            }
        }
    }

    /// One from files of the operator's.
    fn at_files(&mut self, certificate: &Certificate, hosts: &[String]) -> Option<Pem> {
        let Certificate { chain, key, pem, place, .. } = certificate;
        let name = format!("{} ({place})", chain.display());
        let found = self.reader.pair(chain, key);
        if found.as_ref() == Ok(pem) {
            self.tell(&name, pem, hosts);
            return None;
        }
        let found = match found.and_then(|found| sound(found, chain, key)) {
            Ok(found) => found,
            Err(why) => return self.refuse(&name, &format!("cannot be used: {why}")),
        };
        if let Some((why, until)) = worse(&found, pem, hosts, self.now) {
            let wait = u64::try_from(until - self.now).ok();
            self.renewal.wait = self.renewal.wait.into_iter().chain(wait).min();
            return self.refuse(&name, &why);
        }
        self.tell(&name, &found, hosts);
        self.renewal.renewed.push(name);
        Some(found)
    }

    /// Says what browsers will not like about one that is used.
    fn tell(&mut self, name: &str, pem: &Pem, hosts: &[String]) {
        self.warn(name, pem, listed::warned_within(pem));
        let uncovered = listed::uncovered(pem, hosts);
        self.renewal.troubles.extend(uncovered.map(|why| format!("{name} {why}")));
    }

    /// Goes on with what is used, since what is in its files is not.
    fn refuse<T>(&mut self, name: &str, why: &str) -> Option<T> {
        let fault = format!("{why}{GOES_ON}");
        self.renewal.troubles.push(format!("{name} {fault}"));
        self.fault = Some(fault);
        None
    }

    /// One of the local authority: made anew in the last third of its life, and where another one
    /// signs by now.
    fn at_local(&mut self, certificate: &Certificate, hosts: &[Box<str>]) -> Option<Pem> {
        let Certificate { pem, place, .. } = certificate;
        if self.local.is_none() {
            match Keep::at(&self.issuing.folder).local(self.now) {
                Ok((local, trouble)) => {
                    self.local = Some((local, trouble.is_none()));
                    self.renewal.troubles.extend(trouble);
                    let ending = Keep::at(&self.issuing.folder).ending(self.now);
                    self.renewal.troubles.extend(ending);
                }
                Err(why) => self.renewal.troubles.push(why),
            }
        }
        let (local, stays) = self.local.as_ref()?;
        let is_well = facts(pem).is_some_and(|facts| {
            let (from, until) = (facts.from, facts.until);
            let term = Term { from, until, window: None, issued: from, is_early: false };
            let until = term.renewal(certificate.chance());
            // One may have been made by a clock that was wrong. Where the one that has signed it
            // cannot be read, nobody would trust another one.
            (local.has_signed(&facts) || !stays) && (from..until).contains(&self.now)
        });
        if is_well {
            return None;
        }
        let text = local.sign(hosts, self.now).ok()?.into_bytes();
        let host = hosts.first().map_or("", |host| host);
        self.renewal
            .renewed
            .push(format!("a certificate of the local authority for {host} ({place})"));
        Some(Pem { chain: text.clone(), key: text })
    }

    /// One that an authority of the world has issued, or one that stands in for it.
    fn at_kept(&mut self, certificate: &Certificate, hosts: &[Box<str>]) -> Option<Pem> {
        let Certificate { chain, pem, place, .. } = certificate;
        let host = hosts.first().map_or("", |host| host);
        let name = format!("the certificate of {host} ({place})");
        if fs::read(chain).is_ok_and(|text| text == pem.chain) {
            self.warn(&name, pem, listed::warned_within(pem));
            self.renewal.troubles.extend(listed::missing(pem, hosts).map(|why| name + " " + &why));
            return None;
        }
        let unkept = self.unkept.get(chain).cloned();
        let unkept = unkept.and_then(|text| Some((Object::read(&text)?, text)));
        let kept = keep::object(chain).into_iter().chain(unkept);
        let kept = kept.filter(|(object, _)| object.covers(hosts));
        // The last one that was issued.
        let found = kept.max_by_key(|(object, _)| object.issued);
        let Some((object, text)) = found else {
            let is_issued = Object::read(&pem.chain).is_some();
            let way = if is_issued { self.put_back(chain, pem) } else { WAITS };
            self.renewal.troubles.push(format!("{host} ({place}): its certificate {way}"));
            return (!is_issued && !self.holds(pem)).then(|| self.stand_in(hosts)).flatten();
        };
        let found = Pem { chain: text.clone(), key: text };
        self.warn(&name, &found, listed::warned_within(&found));
        if !self.holds(&found) && self.is_issued_and_holds(pem) {
            return None;
        }
        if Object::read(&pem.chain).is_some_and(|before| before.pem == object.pem) {
            // Its authority wants it to be renewed at another time, which is no matter of workers.
            self.noted = Some(found);
            return None;
        }
        self.renewal.renewed.push(name);
        Some(found)
    }

    /// Puts one that is used into its file again, where that holds none any more: what to say.
    fn put_back(&self, chain: &Path, pem: &Pem) -> &'static str {
        let put = |text| Keep::at(&self.issuing.folder).put(chain, text);
        let is_lost = keep::object(chain).is_none();
        match is_lost && str::from_utf8(&pem.chain).is_ok_and(|text| put(text).is_ok()) {
            true => "was gone or broken: the one that is used is in its file again",
            false => "is gone: the one before goes on",
        }
    }

    /// Speaks of the end of one that is used, where that is near.
    fn warn(&mut self, name: &str, pem: &Pem, within: i64) {
        let warning = facts(pem).and_then(|facts| facts.warning(self.now, within));
        self.renewal.troubles.extend(warning.map(|why| format!("{name} {why}")));
    }

    fn stand_in(&self, hosts: &[Box<str>]) -> Option<Pem> {
        let text = stand_in(hosts, self.now).ok()?.into_bytes();
        Some(Pem { chain: text.clone(), key: text })
    }

    fn is_issued_and_holds(&self, pem: &Pem) -> bool {
        Object::read(&pem.chain).is_some() && self.holds(pem)
    }

    fn holds(&self, pem: &Pem) -> bool {
        holds(pem, self.now)
    }
}

/// Goes on with the pairs of `before` in `bundle`, which makes `plan`, where those that are in the
/// same files by now are worse.
pub(crate) fn go_on(plan: &Plan, bundle: Bundle, before: &Plan, now: i64) -> Bundle {
    fn files(one: &Certificate) -> (&Path, &Path) {
        (&one.chain, &one.key)
    }
    let of_files = |one: &&Certificate| one.issuer == Issuer::Files;
    let used: HashMap<_, _> =
        before.certificates.iter().filter(of_files).map(|one| (files(one), &one.pem)).collect();
    let better: Vec<_> = plan
        .certificates
        .iter()
        .zip(plan.certified())
        .filter_map(|(one, hosts)| {
            let used = *used.get(&files(one)).filter(|used| **used != &one.pem)?;
            worse(&one.pem, used, &hosts, now).map(|_| (one, used))
        })
        .collect();
    if better.is_empty() {
        return bundle;
    }
    let mut merged = bundle.clone();
    for (Certificate { chain, key, .. }, used) in better {
        merged.renew(chain, used.chain.clone());
        merged.renew(key, used.key.clone());
    }
    // A file may belong to several, of which some go on.
    let is_sound = |one: &Certificate| Pair::load(&one.pem.chain, &one.pem.key).is_ok();
    match merged.resolve() {
        Ok(plan) if plan.certificates.iter().filter(of_files).all(is_sound) => merged,
        _ => bundle,
    }
}

/// Why one that was found is no reason to part with one that is used, where that is so, and the
/// time at which that may be otherwise: it does not hold, or is not for hosts that the other is
/// for.
fn worse(found: &Pem, used: &Pem, hosts: &[String], now: i64) -> Option<(String, i64)> {
    let (after, before) = (facts(found)?, facts(used).filter(|before| before.holds(now))?);
    if !after.holds(now) {
        return after.warning(now, 0).map(|why| (why, after.from));
    }
    let der = |pem: &Pem| tls::certificate_in(&pem.chain).unwrap_or_default();
    let missing = tls::missing(&der(used), hosts);
    let mut lost = tls::missing(&der(found), hosts);
    lost.retain(|host| !missing.contains(host));
    (!lost.is_empty()).then(|| (listed::not_for(&lost), before.until.saturating_add(1)))
}

fn holds(pem: &Pem, now: i64) -> bool {
    facts(pem).is_some_and(|facts| facts.holds(now))
}

/// What is said of one that is not there yet.
const WAITS: &str = "is not there yet: until then browsers are shown one that they refuse";

fn facts(pem: &Pem) -> Option<Facts> {
    Facts::of(&tls::certificate_in(&pem.chain)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine;
    use config::plan::AUTHORITY_FILE;

    const DAY: i64 = 86_400;
    const YEAR: i64 = 365 * DAY;

    /// A config with this site, and the folder in which it keeps certificates.
    fn bundle(folder: &Path, site: &str) -> (Bundle, PathBuf) {
        let (file, kept) = (folder.join("gannet.toml"), folder.join("kept"));
        let root = folder.join("site");
        fs::create_dir_all(&root).unwrap();
        let text = format!(
            "[server]\nlisten = [{{ address = \"127.0.0.1:0\", tls = true }}]\n\
             [server.certificates]\nfolder = {kept:?}\nauthority = \"https://127.0.0.1:1/dir\"\n\
             {site}\nroot = {root:?}\n"
        );
        fs::write(&file, text).unwrap();
        (machine::bundle_of(&file).unwrap(), kept)
    }

    /// Looks, and goes on with what was found: the certificate that is used then.
    fn look_at(bundle: &mut Bundle, now: i64) -> (Facts, Renewal) {
        let mut found = look(bundle.clone(), &Unkept::new(), now);
        if let Some(next) = found.bundle.take() {
            *bundle = next;
        }
        let plan = bundle.resolve().unwrap();
        (facts(&plan.certificates[0].pem).unwrap(), found)
    }

    #[test]
    fn what_the_local_authority_signs_is_made_anew_and_by_the_next_one_at_last() {
        let folder = tempfile::tempdir().unwrap();
        let now = net::clock::wall().seconds;
        let (mut bundle, kept) = bundle(folder.path(), "[site.localhost]\ntls = \"internal\"");
        let (first, found) = look_at(&mut bundle, now + 30 * DAY);
        assert!(found.renewed.is_empty() && found.troubles.is_empty());
        let (second, found) = look_at(&mut bundle, now + 61 * DAY);
        assert_eq!((found.renewed.len(), &second.issuer_key), (1, &first.issuer_key));
        assert!(second.until > first.until);
        // Nobody trusts another one than that which cannot be read.
        let file = kept.join(AUTHORITY_FILE);
        let text = fs::read(&file).unwrap();
        fs::write(&file, "spoilt").unwrap();
        let (third, found) = look_at(&mut bundle, now + 70 * DAY);
        assert_eq!((third, found.renewed.len(), found.troubles.len()), (second, 0, 1));
        fs::write(&file, text).unwrap();
        // In its last year the next one lies beside it, and it signs on.
        let (last, found) = look_at(&mut bundle, now + 9 * YEAR + YEAR / 2);
        assert_eq!(last.issuer_key, first.issuer_key);
        // Whoever trusts it is told in time.
        let said = found.troubles.iter().find(|said| said.contains("`gannet trust`")).unwrap();
        assert_eq!(found.known[0].warning.as_ref(), Some(said));
        assert_eq!(Keep::at(&kept).roots().len(), 2);
        let (next, found) = look_at(&mut bundle, now + 10 * YEAR - 30 * DAY);
        assert_ne!(next.issuer_key, first.issuer_key);
        assert_eq!((found.renewed.len(), Keep::at(&kept).roots().len()), (1, 1));
        let (same, found) = look_at(&mut bundle, now + 10 * YEAR - 20 * DAY);
        assert_eq!((same, found.renewed.len()), (next, 0), "and stays");
    }

    /// P10 of the promises.
    #[test]
    fn the_end_of_one_that_was_issued_is_spoken_of_from_14_days_before() {
        let folder = tempfile::tempdir().unwrap();
        let now = net::clock::wall().seconds;
        let kept = folder.path().join("kept");
        let hosts = ["a.test".into()];
        let authority = "https://127.0.0.1:1/dir".to_owned();
        let pem = stand_in(&hosts, now).unwrap();
        let object = Object { authority, issued: now, window: None, is_early: false, pem };
        let path = kept.join("sites/a.test.pem");
        Keep::at(&kept).put(&path, &object.write()).unwrap();
        let (mut bundle, _) = bundle(folder.path(), "[site.\"a.test\"]\ntls = \"auto\"");
        for (day, is_said) in [(0, false), (75, false), (77, true), (91, true)] {
            let (_, found) = look_at(&mut bundle, now + day * DAY);
            let row = &found.known[0];
            assert_eq!(row.warning.is_some(), is_said, "{day}: {row:?}");
            assert_eq!(found.troubles.len(), usize::from(is_said), "{:?}", found.troubles);
            assert!(found.renewed.is_empty(), "it is shown on");
        }
    }
}
