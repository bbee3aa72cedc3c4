//! The files that a pattern of `include` names.

use crate::{limits::LOOKED_AT_MAX, world::World};
use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// A file that was found, and its name in messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) name: PathBuf,
}

/// All that `pattern` names, seen from the folder `from`, sorted by name. `*` stands for any
/// characters of a name and `?` for one; neither stands for a dot at its start. `looked_at` counts
/// what was looked at.
///
/// # Errors
///
/// Why a folder that is named without either cannot be looked through, or that there is too much
/// to look at; and the way out.
pub(super) fn find(
    pattern: &str,
    from: Found,
    world: &dyn World,
    looked_at: &mut usize,
) -> Result<Vec<Found>, (String, &'static str)> {
    let mut found = vec![from];
    let mut is_sure = true;
    for part in Path::new(pattern).iter() {
        if is_sure && !is_pattern(part) {
            found.iter_mut().for_each(|found| found.push(part));
            continue;
        }
        let mut inside = Vec::new();
        for folder in &found {
            let mut names: Vec<OsString> = match world.list(&folder.path) {
                Ok(names) => names,
                Err(cause) if is_sure => return Err((cause, "correct it, or make the folder")),
                // What a pattern found may be a file, or have no such file in it.
                Err(_) => Vec::new(),
            };
            *looked_at += 1 + names.len();
            if *looked_at > LOOKED_AT_MAX {
                let cause = format!("there are more than {LOOKED_AT_MAX} files and folders to see");
                return Err((cause, "name the folders, with a `*` only for what differs"));
            }
            names.retain(|name| matches(part.as_bytes(), name.as_bytes()));
            names.sort_unstable();
            inside.extend(names.iter().map(|name| {
                let mut found = folder.clone();
                found.push(name);
                found
            }));
        }
        found = inside;
        is_sure = false;
    }
    Ok(found)
}

impl Found {
    /// The folder it lies in.
    pub(super) fn folder(&self) -> Self {
        let parent = |path: &Path| path.parent().unwrap_or(path).to_owned();
        Self { path: parent(&self.path), name: parent(&self.name) }
    }

    fn push(&mut self, part: &OsStr) {
        self.path.push(part);
        self.name.push(part);
    }
}

fn is_pattern(part: &OsStr) -> bool {
    part.as_bytes().iter().any(|byte| matches!(byte, b'*' | b'?'))
}

/// Whether `name` is one that `pattern` stands for. At worst it takes as many steps as the product
/// of the two lengths, since only the last `*` is ever tried anew.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let (mut at, mut of) = (0, 0);
    // Behind the last star: where the pattern goes on, and how much of the name it may still eat.
    let mut star = None;
    while let Some(byte) = name.get(at) {
        match pattern.get(of) {
            Some(b'*') => {
                of += 1;
                star = Some((of, at));
            }
            // A character is one byte, and more that begin with the bits 10.
            Some(b'?') => {
                let rest = name.get(at + 1..).unwrap_or_default();
                at += 1 + rest.iter().take_while(|byte| **byte & 0xc0 == 0x80).count();
                of += 1;
            }
            Some(same) if same == byte => {
                at += 1;
                of += 1;
            }
            _ => match &mut star {
                Some((behind, eaten)) => {
                    *eaten += 1;
                    (at, of) = (*eaten, *behind);
                }
                None => return false,
            },
        }
    }
    pattern.get(of..).is_some_and(|rest| rest.iter().all(|byte| *byte == b'*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_stands_for_names() {
        fn check(pattern: &str, name: &str, expect: bool) {
            let found = matches(pattern.as_bytes(), name.as_bytes());
            assert_eq!(found, expect, "{pattern:?} for {name:?}");
        }
        check("a.toml", "a.toml", true);
        check("a.toml", "a.tom", false);
        check("a.tom", "a.toml", false);
        check("*.toml", "a.toml", true);
        check("*.toml", "a.toml~", false);
        check("*.toml", ".a.toml", false);
        check(".*", ".a", true);
        check("*", ".toml", false);
        check("*", "", true);
        check("?", "", false);
        check("?.toml", "a.toml", true);
        check("?.toml", "\u{e4}.toml", true);
        check("?.toml", "ab.toml", false);
        check("?", ".", false);
        check("a*b*c", "axxbxbxc", true);
        check("a*b*c", "axxbxbx", false);
        check("**x", "abx", true);
        check(&"a*".repeat(1000), &"a".repeat(50_000), true);
        check(&("a*".repeat(1000) + "b"), &"a".repeat(5_000), false);
    }
}
