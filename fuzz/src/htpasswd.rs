//! A file of passwords: a plan in which each line is one user, or mistakes that name their lines.

use crate::text::lines;
use config::{Content, World, load};
use std::{collections::HashSet, path::Path};

/// Pieces of files of passwords.
pub const TOKENS: &[&str] = &[
    "alice",
    ":",
    "#",
    "\n",
    "\r\n",
    "$2y$04$LH5JCCkwJSlcnLRYaKEWaOe3Eoq1NqfuKtbYbhqF2HZJiyspQr37q",
    "$2b$",
    "$2a$06$",
    "$16$",
    "$99$",
    "$argon2id$v=19$m=19456,t=2,p=1$",
    "$argon2i$",
    "$argon2d$m=64,t=1,p=1$",
    "m=4294967295",
    "m=4294967296,t=1,p=1",
    "t=0",
    "p=16",
    "c29tZXNhbHQ",
    "$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    "$apr1$",
    "{SHA}",
    "$",
    "=",
    "\0",
    "\u{fc}",
    "\u{feff}",
];

/// Loads a config that names `data` as its file of passwords.
pub fn run(data: &[u8]) {
    let config = "[site.a]\nrespond = \"x\"\nauth = \"f\"\n";
    let text = data.strip_prefix("\u{feff}".as_bytes()).unwrap_or(data);
    let people = lines(text)
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.trim_ascii().is_empty() && !line.starts_with(b"#"));
    match load("a.toml", config, &Disk(data)) {
        Ok(plan) => {
            let mut names = HashSet::new();
            for line in people {
                let line = str::from_utf8(line).unwrap_or_else(|e| panic!("{e}"));
                let (name, hash) = line.split_once(':').unwrap_or_else(|| panic!("{line}"));
                assert!(names.insert(name) && !name.is_empty(), "{line}");
                assert!(!name.contains(|c: char| c.is_control()), "{line}");
                let kinds = ["$2a$", "$2b$", "$2y$", "$argon2id$", "$argon2i$", "$argon2d$"];
                assert!(kinds.iter().any(|kind| hash.starts_with(kind)), "{line}");
            }
            let password = plan.sites[0].routes.rest.policy.access.password.as_ref();
            let users = format!("{:?}", password.map(|password| &password.users));
            let hashes = users.matches("Bcrypt(").count() + users.matches(" KiB, ").count();
            assert!(hashes >= names.len() && !names.is_empty(), "{users}");
        }
        Err(errors) => {
            let count = people.count();
            for problem in errors.problems() {
                let Some(rest) = problem.message.strip_prefix("f:") else {
                    assert!(count == 0 && problem.message == "this file names no users");
                    continue;
                };
                let line = rest.split(':').next().and_then(|line| line.parse::<usize>().ok());
                let is_inside = |line| (1..=lines(data).count()).contains(&line);
                assert!(line.is_some_and(is_inside), "{problem:?}");
                assert!(!problem.message.contains(|c: char| c.is_control()), "{problem:?}");
            }
        }
    }
}

/// A machine on which every file holds the same.
struct Disk<'d>(&'d [u8]);

impl World for Disk<'_> {
    fn read(&self, path: &Path, _: u64) -> Result<Content, String> {
        Ok(Content { bytes: self.0.to_vec(), path: path.to_owned() })
    }
}
