//! What a config asks about the machine it is for, so that this room need not look itself.

use crate::plan::{PoolUser, Wanted};
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The machine that a config is resolved for; where nothing else is said, one on which every folder
/// is there and no file.
pub trait World {
    /// The folder of the main config file, from which relative paths in it start; absolute.
    fn base(&self) -> &Path {
        Path::new("/")
    }

    /// Whether `path` is a folder that can be read.
    ///
    /// # Errors
    ///
    /// A sentence that names the component of the path that is missing, denied or no folder.
    fn check_folder(&self, _path: &Path) -> Result<(), String> {
        Ok(())
    }

    /// Whether `path` is a folder for a socket of whoever starts the server, which may be another
    /// user than the one that serves.
    ///
    /// # Errors
    ///
    /// As [`World::check_folder`].
    fn check_place(&self, path: &Path) -> Result<(), String> {
        self.check_folder(path)
    }

    /// Whether nobody but this user may write into the folder `path`, which is there.
    ///
    /// # Errors
    ///
    /// A sentence that says who else may.
    fn check_private(&self, _path: &Path) -> Result<(), String> {
        Ok(())
    }

    /// The one name of `path`, without links as far as it is there.
    fn real(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }

    /// Whether lines can be appended to the file `path`, which may have to be made for it; nothing
    /// is made yet.
    ///
    /// # Errors
    ///
    /// A sentence that says why not, and names what is missing, denied or no file.
    fn check_log(&self, path: &Path) -> Result<(), String> {
        self.check_folder(path.parent().unwrap_or(path))
    }

    /// The content of the file `path`, which must have `bytes_max` bytes at most.
    ///
    /// # Errors
    ///
    /// A sentence that says why there is none, and names the component of the path that is missing
    /// or denied.
    fn read(&self, path: &Path, _bytes_max: u64) -> Result<Content, String> {
        Err(format!("{} is not there", path.display()))
    }

    /// The names in the folder `path`, in any order.
    ///
    /// # Errors
    ///
    /// A sentence that says why there are none, and names the component of the path that is
    /// missing, denied or no folder.
    fn list(&self, _path: &Path) -> Result<Vec<OsString>, String> {
        Ok(Vec::new())
    }

    /// Whether two files, which hold that, are a certificate with its chain, and its key, as PEM.
    ///
    /// # Errors
    ///
    /// What is wrong, and with which of them.
    fn check_pair(&self, _chain: (&Path, &[u8]), _key: (&Path, &[u8])) -> Result<(), PairFault> {
        Ok(())
    }

    /// Whether a file, which holds that, has authorities in it that can certify, as PEM.
    ///
    /// # Errors
    ///
    /// Why not.
    fn check_authorities(&self, _path: &Path, _text: &[u8]) -> Result<(), PairFault> {
        Ok(())
    }

    /// The folder in which what comes by itself of certificates is kept where nothing else is said.
    fn keep(&self) -> PathBuf {
        PathBuf::from("/var/lib/gannet")
    }

    /// A certificate that comes by itself, as PEM with its key: what is kept, or else one that
    /// stands in for it. Nothing where nobody is going to be shown it.
    ///
    /// # Errors
    ///
    /// A sentence that says why there is none.
    fn certificate(&self, _wanted: &Wanted<'_>) -> Result<Vec<u8>, String> {
        Ok(Vec::new())
    }

    /// What the key in `folder` is called by which authorities are asked; `None` where there is
    /// none.
    fn account(&self, _folder: &Path) -> Option<String> {
        None
    }

    /// The php-fpm of that version, or the newest, where this server starts one itself; `user` is
    /// who serves, if one is named.
    ///
    /// # Errors
    ///
    /// A sentence that says that there is none, and how it is had.
    fn fpm(&self, _version: Option<&str>, _user: Option<&str>) -> Result<Fpm, String> {
        Err("there is no php-fpm".to_owned())
    }

    /// Whom programs in the folder `root` run as: the user `name`, or else whoever they belong to.
    /// `None` stands for the user of this process.
    ///
    /// # Errors
    ///
    /// A sentence that says why not, and whom to name.
    fn runner(&self, _name: Option<&str>, _root: &Path) -> Result<Option<PoolUser>, String> {
        Ok(None)
    }

    /// The variable `name` of the environment, if it is set.
    fn variable(&self, _name: &str) -> Option<OsString> {
        None
    }

    /// Whether standard output, where log lines go unless a file is named, is a terminal.
    fn is_terminal(&self) -> bool {
        false
    }

    /// Whether standard error, where lines of the error log go unless a file is named, is one.
    fn is_error_terminal(&self) -> bool {
        false
    }
}

/// A php-fpm that can be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fpm {
    /// The program.
    pub program: PathBuf,
    /// A number that changes with the program, and with the settings that come with it.
    pub stamp: u64,
    /// What the paths of this server's own sockets begin with; absolute.
    pub sockets: PathBuf,
    /// The group of those who serve, by which they connect to them.
    pub group: u32,
}

/// What is wrong with a certificate and its key, or with authorities.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairFault {
    /// With which of them.
    pub whose: Whose,
    /// A sentence without a full stop.
    pub cause: String,
    /// The way out.
    pub help: String,
}

/// Which of two files is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// That of the certificate, or of authorities.
    Certificate,
    /// That of the key.
    Key,
    /// Each may be sound, but not together.
    Both,
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// What it holds.
    pub bytes: Vec<u8>,
    /// Its one path, without links.
    pub path: PathBuf,
}
