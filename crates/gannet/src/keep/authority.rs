//! The local authority as it is kept: it stays the same one, is followed by another one in good
//! time, and is never lost.

use super::{Keep, explain, failed};
use base::Date;
use certs::{LEAF_SECONDS, Local};
use config::plan::AUTHORITY_FILE;
use net::folder::Folder;
use std::{
    ffi::OsStr,
    fs,
    io::{self, ErrorKind},
};

const NEXT_AUTHORITY: &str = "next-authority.pem";
const OLD_AUTHORITY: &str = "old-authority.pem";

const NO_AUTHORITY: &str = "is no authority: put it back, or remove it and have another one made";

impl Keep {
    /// The local authority at that time, which is made where there is none yet. One that can be
    /// made but not kept is used all the same, until this process ends: why it is not kept. The
    /// same goes for one in the place of one that is there and cannot be read.
    pub(crate) fn local(&self, now: i64) -> Result<(Local, Option<String>), String> {
        let own = self.path(AUTHORITY_FILE);
        match fs::read(&own) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Ok((made(now)?, Some(failed(&own, &error)))),
            Ok(text) => match Local::load(&text) {
                None => return Ok((made(now)?, Some(explain(&own, NO_AUTHORITY)))),
                Some(current) => return Ok((self.at_time(current, now)?, None)),
            },
        }
        let local = made(now)?;
        match self.put_new(&own, &local.pem()) {
            Ok(()) => Ok((local, None)),
            // Another process was first.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                match self.load(AUTHORITY_FILE) {
                    Some(local) => Ok((local, None)),
                    None => Ok((local, Some(explain(&own, NO_AUTHORITY)))),
                }
            }
            Err(error) => Ok((local, Some(failed(&own, &error)))),
        }
    }

    /// The roots of the local authority that are there, with the names they are known by.
    pub(crate) fn roots(&self) -> Vec<Local> {
        [AUTHORITY_FILE, NEXT_AUTHORITY].into_iter().filter_map(|name| self.load(name)).collect()
    }

    /// What is to be said in the last year of the one that signs, as whoever trusts it has to trust
    /// the next one before that takes its place.
    pub(crate) fn ending(&self, now: i64) -> Option<String> {
        let own = self.load(AUTHORITY_FILE)?;
        let is_near = own.has_begun(now) && own.is_ending(now);
        let folder = self.folder.display();
        let Date { year, month, day, .. } = Date::of(own.until() - LEAF_SECONDS);
        let way_out = match self.load(NEXT_AUTHORITY) {
            Some(_) => "`gannet trust` where it is trusted has the next one trusted, too",
            None => "the next one cannot be made beside it",
        };
        is_near.then(|| {
            let until = format!("{year:04}-{month:02}-{day:02}");
            format!("the local authority in {folder} signs until {until}: {way_out}")
        })
    }

    /// The one that signs at that time, where the file has `current`.
    fn at_time(&self, current: Local, now: i64) -> Result<Local, String> {
        // A clock that was years ahead has put the next one in its place, while all trust this one.
        if let Some(old) = self.load(OLD_AUTHORITY)
            && old.until() < current.until()
            && old.has_begun(now)
            && !old.is_over(now)
            && self.replace(OLD_AUTHORITY, NEXT_AUTHORITY).is_ok()
        {
            return Ok(old);
        }
        if !current.has_begun(now) {
            // It was made by such a clock, and nobody takes it for years.
            let local = made(now)?;
            let path = self.path(NEXT_AUTHORITY);
            let put = self.put(&path, &local.pem());
            let is_there = put.and_then(|()| self.replace(NEXT_AUTHORITY, OLD_AUTHORITY)).is_ok();
            return Ok(if is_there { local } else { current });
        }
        if !current.is_ending(now) {
            return Ok(current);
        }
        match self.load(NEXT_AUTHORITY) {
            Some(next)
                if current.is_over(now) && self.replace(NEXT_AUTHORITY, OLD_AUTHORITY).is_ok() =>
            {
                Ok(next)
            }
            Some(_) => Ok(current),
            None => {
                // Where it cannot be made or kept, the current one goes on.
                let path = self.path(NEXT_AUTHORITY);
                let _ = made(now).map(|local| self.put_new(&path, &local.pem()));
                Ok(current)
            }
        }
    }

    /// Puts the authority in the file `name` in the place of the one that signs, which goes on to
    /// be there as `other`.
    fn replace(&self, name: &str, other: &str) -> io::Result<()> {
        let own = self.path(AUTHORITY_FILE);
        self.put(&self.path(other), &fs::read_to_string(&own)?)?;
        let folder = Folder::open(own.parent().unwrap_or(&own))?;
        folder.rename(OsStr::new(name), OsStr::new(AUTHORITY_FILE))?;
        folder.settle()
    }

    fn load(&self, name: &str) -> Option<Local> {
        Local::load(&fs::read(self.path(name)).ok()?)
    }
}

fn made(now: i64) -> Result<Local, String> {
    let year = Date::of(now).year;
    let name = format!("gannet local authority {year} ({})", net::environment::host());
    Local::make(&name, now).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const NOW: i64 = 1_795_906_260;
    const YEAR: i64 = 365 * 86_400;

    #[test]
    fn the_local_authority_stays_and_is_followed_by_another_in_good_time() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep::at(&folder.path().join("below"));
        let (first, trouble) = keep.local(NOW).unwrap();
        assert_eq!(trouble, None);
        let file = folder.path().join("below").join(AUTHORITY_FILE);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let again = |now| keep.local(now).unwrap().0.root_pem();
        assert_eq!(again(NOW + 8 * YEAR), first.root_pem());
        assert_eq!(keep.roots().len(), 1);
        assert_eq!(keep.ending(NOW + 8 * YEAR), None);
        let late = NOW + 10 * YEAR - YEAR / 2;
        assert!(keep.ending(late).unwrap().ends_with("the next one cannot be made beside it"));
        assert_eq!(again(late), first.root_pem(), "it signs on");
        let roots: Vec<_> = keep.roots().iter().map(Local::root_pem).collect();
        assert_eq!((roots.len(), &roots[0]), (2, &first.root_pem()), "the next can be trusted");
        let said = keep.ending(late).unwrap();
        assert!(said.contains(" signs until 2036-") && said.contains("`gannet trust`"), "{said}");
        assert_eq!(again(NOW + 10 * YEAR), roots[1]);
        assert_eq!(keep.ending(NOW + 10 * YEAR), None, "another one signs");
        assert_eq!(keep.roots().len(), 1);
        let names: Vec<_> = fs::read_dir(file.parent().unwrap()).unwrap().collect();
        assert_eq!(names.len(), 2, "the old one, and nothing is left over: {names:?}");
    }

    #[test]
    fn an_authority_that_cannot_be_read_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep::at(folder.path());
        let (first, _) = keep.local(NOW).unwrap();
        let file = folder.path().join(AUTHORITY_FILE);
        let text = fs::read(&file).unwrap();
        fs::write(&file, &text[..text.len() / 2]).unwrap();
        let (other, trouble) = keep.local(NOW).unwrap();
        assert!(trouble.unwrap().ends_with(NO_AUTHORITY));
        assert_ne!(other.root_pem(), first.root_pem());
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(keep.local(NOW).unwrap().1.unwrap().contains("authority.pem: "));
        fs::remove_dir(&file).unwrap();
        fs::write(&file, &text).unwrap();
        let (again, trouble) = keep.local(NOW).unwrap();
        assert_eq!((again.root_pem(), trouble), (first.root_pem(), None));
    }

    #[test]
    fn a_clock_that_was_wrong_costs_no_authority() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep::at(folder.path());
        let at = |now| keep.local(now).unwrap().0.root_pem();
        // One that is made while the clock is ahead by days, or by a year, holds when it is right.
        for ahead in [2 * 86_400, YEAR] {
            let first = at(NOW + ahead);
            assert_eq!(at(NOW), first);
            assert!(
                Local::load(&fs::read(folder.path().join(AUTHORITY_FILE)).unwrap())
                    .is_some_and(|local| local.has_begun(NOW))
            );
            fs::remove_file(folder.path().join(AUTHORITY_FILE)).unwrap();
        }
        // By 20 years, it does not: another one is made, and nothing is lost.
        let early = at(NOW + 20 * YEAR);
        let first = at(NOW);
        assert_ne!(early, first);
        let old = fs::read_to_string(folder.path().join(OLD_AUTHORITY)).unwrap();
        assert!(old.ends_with(&early));
        // Nor does it come back once it holds.
        assert_eq!(at(NOW + 8 * YEAR), first);
        // Each look goes on as if time had passed, and all is as before once the clock is right.
        let looks = [(0, false), (0, false), (10, false), (10, true), (10, true), (0, false)];
        for (years, is_other) in looks {
            assert_eq!(at(NOW + years * YEAR) != first, is_other, "{years}");
        }
        assert_eq!(at(NOW), first);
    }
}
