//! The way to a path, part by part, as the kernel goes it: links are followed where they stand.

use rustix::io::Errno;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// How many links one path may lead through; the kernel's own limit.
const LINKS_MAX: usize = 40;

/// The parts of a way, and where it ends too early.
#[derive(Debug, Default)]
pub struct Way {
    /// What is passed, the first first; the last is what the path leads to. None of them is a link.
    pub parts: Vec<PathBuf>,
    /// The part that is not there or cannot be looked at, and why: `parts` end before it.
    pub end: Option<(PathBuf, io::Error)>,
}

/// The way to `path`, as far as this user sees it.
#[must_use]
pub fn to(path: &Path) -> Way {
    let mut way = Way::default();
    let (mut place, mut pending, mut links) = (PathBuf::new(), names(path), 0);
    while let Some(name) = pending.pop() {
        if name == "." {
            continue;
        }
        // It is the parent in truth, as no part of `place` is a link.
        if name == ".." && place.file_name().is_some() {
            place.pop();
            way.parts.push(place.clone());
            continue;
        }
        let part = place.join(name);
        let found = part.symlink_metadata();
        let target = found.and_then(|found| {
            links += usize::from(found.is_symlink());
            match found.is_symlink() {
                true if links > LINKS_MAX => Err(Errno::LOOP.into()),
                true => fs::read_link(&part).map(Some),
                false => Ok(None),
            }
        });
        match target {
            Ok(Some(target)) => pending.extend(names(&target)),
            Ok(None) => {
                way.parts.push(part.clone());
                place = part;
            }
            Err(error) => {
                way.end = Some((part, error));
                return way;
            }
        }
    }
    way
}

/// The names in a path, the last one first.
fn names(path: &Path) -> Vec<OsString> {
    path.components().rev().map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_followed_where_they_stand() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        fs::create_dir_all(top.join("a/b")).unwrap();
        fs::create_dir_all(top.join("c")).unwrap();
        fs::write(top.join("a/b/file"), "").unwrap();
        symlink("../a/b", top.join("c/near")).unwrap();
        symlink(top.join("c/near"), top.join("far")).unwrap();
        symlink("circle", top.join("circle")).unwrap();
        symlink("a/none", top.join("astray")).unwrap();
        let check = |name: &str, expect: &[&str], end: Option<(&str, Errno)>| {
            let Way { parts, end: found } = to(&top.join(name));
            // What stands before is passed once more behind an absolute link.
            let below = parts.iter().filter_map(|part| part.strip_prefix(&top).ok());
            let below: Vec<_> = below.filter(|part| *part != Path::new("")).collect();
            assert_eq!(below, expect.iter().map(Path::new).collect::<Vec<_>>(), "{name}");
            let found = found.map(|(part, error)| (part, Errno::from_io_error(&error).unwrap()));
            assert_eq!(found, end.map(|(part, errno)| (top.join(part), errno)), "{name}");
        };
        check("a/b/file", &["a", "a/b", "a/b/file"], None);
        check("far/file", &["c", "a", "a/b", "a/b/file"], None);
        check("c/near/..", &["c", "a", "a/b", "a"], None);
        check("astray/x", &["a"], Some(("a/none", Errno::NOENT)));
        check("a/b/file/x", &["a", "a/b", "a/b/file"], Some(("a/b/file/x", Errno::NOTDIR)));
        check("circle", &[], Some(("circle", Errno::LOOP)));
    }
}
