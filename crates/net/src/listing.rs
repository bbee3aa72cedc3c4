//! What lies in a directory, for whoever draws an index of it.

use crate::fault::FindError;
use crate::root::{Patience, Root};
use crate::stat;
use crate::stat::{Kind, Stat};
use rustix::fd::AsFd;
use rustix::fs::{AtFlags, Dir, FileType};

/// The content of a directory, in no order.
#[derive(Debug)]
pub struct Entries {
    /// What a request could be answered with: files, directories, and links to them.
    pub entries: Vec<Entry>,
    /// How many names it holds that were not looked at, hidden ones and special files among them.
    pub more: usize,
}

/// One name in a directory.
#[derive(Debug)]
pub struct Entry {
    /// Any bytes but `/` and NUL.
    pub name: Vec<u8>,
    /// What it is; for a link, what it leads to.
    pub stat: Stat,
}

impl Root {
    /// Lists the directory at `path`, of which at most `entries_max` names are looked at and the
    /// others counted. Names that `find` would refuse (special files, links that leave the root)
    /// are left out, hidden ones are not. Blocks: for the pool.
    ///
    /// # Errors
    ///
    /// See [`FindError`]; `NotFound` also for what is not a directory.
    pub fn list(&self, path: &[u8], entries_max: usize) -> Result<Entries, FindError> {
        let directory = self.find(path, Patience::Wait)?;
        if directory.stat.kind != Kind::Directory {
            return Err(FindError::NotFound);
        }
        let (mut entries, mut seen, mut more) = (Vec::new(), 0, 0);
        for entry in Dir::read_from(&directory.file)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            seen += 1;
            if seen > entries_max {
                more += 1;
                continue;
            }
            // A name may vanish while the directory is read; then it is not there.
            let described = stat::at(directory.file.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW);
            let stat = match described {
                Ok((_, FileType::Symlink)) => {
                    let path = [path, b"/", name].concat();
                    self.find(&path, Patience::Wait).ok().map(|found| found.stat)
                }
                Ok((stat, _)) => Some(stat),
                Err(_) => None,
            };
            if let Some(stat) = stat.filter(|stat| stat.kind != Kind::Other) {
                entries.push(Entry { name: name.to_vec(), stat });
            }
        }
        Ok(Entries { entries, more })
    }

    /// Whether the directory at `path` holds a name that is `wanted`, or more than `names_max`
    /// names. Blocks: for the pool.
    ///
    /// # Errors
    ///
    /// See [`FindError`]; `NotFound` also for what is not a directory.
    pub fn any_name(
        &self,
        path: &[u8],
        names_max: usize,
        wanted: impl Fn(&[u8]) -> bool,
    ) -> Result<bool, FindError> {
        let directory = self.find(path, Patience::Wait)?;
        if directory.stat.kind != Kind::Directory {
            return Err(FindError::NotFound);
        }
        for (count, entry) in Dir::read_from(&directory.file)?.enumerate() {
            if count >= names_max || wanted(entry?.file_name().to_bytes()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
