//! A machine on which every folder is there unless it is called `missing`; the files of
//! `/etc/gannet` lie in `tests/files`.

use config::{Content, Fpm, PairFault, World, plan::PoolUser};
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

    fn check_pair(&self, chain: &[u8], key: &[u8]) -> Result<(), PairFault> {
        let is = |text: &[u8], word: &str| String::from_utf8_lossy(text).contains(word);
        match () {
            () if is(chain, "malformed") => Err(PairFault::Certificate("it is no PEM".to_owned())),
            () if is(key, "weak") => Err(PairFault::Key("its key is too weak".to_owned())),
            () if is(key, "foreign") => Err(PairFault::Mismatch),
            () => Ok(()),
        }
    }

    fn check_authorities(&self, text: &[u8]) -> Result<(), String> {
        match text {
            b"malformed\n" => Err("it is no PEM".to_owned()),
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

/// Where a file of that machine lies on this one.
fn here(path: &Path) -> PathBuf {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files");
    files.join(path.strip_prefix(Machine.base()).unwrap_or(path))
}
