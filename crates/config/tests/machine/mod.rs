//! A machine on which every folder is there unless it is called `missing`; the files of
//! `/etc/gannet` lie in `tests/files`.

use config::{Content, Fpm, PairFault, Whose, World, plan::PoolUser};
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

pub(crate) struct Machine;

impl World for Machine {
    fn base(&self) -> &Path {
        Path::new("/etc/gannet")
    }

    fn check_folder(&self, path: &Path) -> Result<(), String> {
        match path.ancestors().find(|part| part.to_string_lossy().contains("missing")) {
            Some(part) => Err(format!("{} is not there", part.display())),
            None => Ok(()),
        }
    }

    fn check_log(&self, path: &Path) -> Result<(), String> {
        match path.extension() {
            None => Err(format!("{} is not a file", path.display())),
            Some(_) => self.check_folder(path.parent().unwrap_or(path)),
        }
    }

    fn read(&self, path: &Path, bytes_max: u64) -> Result<Content, String> {
        let absent = |_| format!("{} is not there", path.display());
        let real = here(path).canonicalize().map_err(absent)?;
        if real.is_dir() {
            return Err(format!("{} is not a file", path.display()));
        }
        let bytes = fs::read(&real).map_err(absent)?;
        if bytes.len() as u64 > bytes_max {
            return Err(format!("{} has more than {bytes_max} bytes", path.display()));
        }
        let path = self.base().join(real.strip_prefix(here(self.base())).unwrap_or(&real));
        Ok(Content { bytes, path })
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>, String> {
        let entries = fs::read_dir(here(path));
        let entries = entries.map_err(|_| format!("{} is not a folder", path.display()))?;
        Ok(entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect())
    }

    fn check_pair(&self, chain: (&Path, &[u8]), key: (&Path, &[u8])) -> Result<(), PairFault> {
        let is = |file: (&Path, &[u8]), word: &str| String::from_utf8_lossy(file.1).contains(word);
        match () {
            () if is(chain, "malformed") => no_pair(Whose::Certificate, "it is no PEM"),
            () if is(key, "weak") => no_pair(Whose::Key, "its key is too weak"),
            () if is(key, "foreign") => no_pair(Whose::Both, "the key is another one's"),
            () => Ok(()),
        }
    }

    fn check_authorities(&self, _path: &Path, text: &[u8]) -> Result<(), PairFault> {
        match text {
            b"malformed\n" => no_pair(Whose::Certificate, "it is no PEM"),
            _ => Ok(()),
        }
    }

    fn fpm(&self, version: Option<&str>, user: Option<&str>) -> Result<Fpm, String> {
        match version.unwrap_or("8.4") {
            version @ ("8.2" | "8.4") => Ok(Fpm {
                program: format!("/usr/sbin/php-fpm{version}").into(),
                stamp: 7,
                sockets: "/run/gannet/own".into(),
                group: if user.is_some() { 34 } else { 33 },
            }),
            version => Err(format!("there is no php-fpm {version} here: there are 8.2, 8.4")),
        }
    }

    fn runner(&self, name: Option<&str>, root: &Path) -> Result<Option<PoolUser>, String> {
        let user = |name: &str| PoolUser {
            name: name.to_owned(),
            number: 1000,
            group: 1001,
            groups: vec![7],
        };
        match name {
            Some("nobody-knows") => {
                Err("there is no user `nobody-knows`: name one that is there".to_owned())
            }
            Some(name) => Ok(Some(user(name))),
            None if root.ends_with("root") => {
                Err("the folder is root's: say whom programs run as, by `user`".to_owned())
            }
            None => Ok(None),
        }
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        match name {
            "PORT" => Some("7890".into()),
            "EMPTY" => Some("".into()),
            "NESTED" => Some("${PORT} $${PORT}".into()),
            "HOME" => Some("/home/me".into()),
            "SECRET" => Some("correct horse battery staple".into()),
            _ => None,
        }
    }
}

fn no_pair(whose: Whose, cause: &str) -> Result<(), PairFault> {
    Err(PairFault { whose, cause: cause.to_owned(), help: "take another one".to_owned() })
}

/// Where a file of that machine lies on this one.
fn here(path: &Path) -> PathBuf {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files");
    files.join(path.strip_prefix(Machine.base()).unwrap_or(path))
}
