//! A php-fpm of the server's own: one for each site that has PHP run so.

use base::{
    pack::{Packer, Unpacker},
    stable,
};
use std::{os::unix::ffi::OsStrExt, path::PathBuf};

/// A php-fpm that is started for one site alone. What differs in anything is another one, with
/// another socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// What it is called: as its site is.
    pub name: Box<str>,
    /// Its program, and what tells that, and the settings it comes with, from another version.
    pub program: PathBuf,
    pub(crate) stamp: u64,
    /// Whom it runs as; `None` stands for this process's own user.
    pub user: Option<PoolUser>,
    /// The group of those who may ask it: the workers.
    pub group: u32,
    /// Requests that it answers at a time.
    pub workers: usize,
    /// Seconds after which it says what a program is at.
    pub slow_seconds: u64,
    /// Settings of PHP that no program changes: each a name and a value.
    pub ini: Vec<(String, String)>,
    /// Where it listens; absolute.
    pub socket: PathBuf,
}

/// Whom programs run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolUser {
    /// The user's name.
    pub name: String,
    /// The number.
    pub number: u32,
    /// The user's own group.
    pub group: u32,
    /// Further groups.
    pub groups: Vec<u32>,
}

impl Pool {
    /// A pool of this machine's newest php-fpm, for `gannet PATH`; whose `group` may ask it.
    #[must_use]
    pub fn quick(
        program: PathBuf,
        user: Option<PoolUser>,
        (socket, group): (PathBuf, u32),
    ) -> Self {
        let mut ini = usual(super::Php::CONTENT_BYTES_MAX);
        // Whoever changes a program wants to see what comes of it.
        ini.push(("opcache.revalidate_freq".to_owned(), "0".to_owned()));
        let (name, stamp, workers) = ("www".into(), 0, WORKERS);
        let slow_seconds = super::Php::SLOW.as_secs();
        Self { name, program, stamp, user, group, workers, slow_seconds, ini, socket }
    }

    /// Names its socket, whose path begins like this, after all that it is.
    pub(crate) fn place(&mut self, start: &std::path::Path) {
        let mut out = Packer::default();
        self.pack(&mut out);
        let mut path = start.as_os_str().to_owned();
        path.push(format!("-php-{:016x}.sock", stable::hash(&out.finish())));
        self.socket = path.into();
    }

    /// Where it says how it is, to the user of the server alone; absolute.
    #[must_use]
    pub fn shown(&self) -> PathBuf {
        self.socket.with_extension("shown")
    }

    /// Appends it; [`Pool::unpack`] reads it.
    pub fn pack(&self, out: &mut Packer) {
        out.bytes(self.name.as_bytes());
        out.bytes(self.program.as_os_str().as_bytes());
        out.number(self.stamp);
        out.byte(u8::from(self.user.is_some()));
        self.user.iter().for_each(|user| user.pack(out));
        out.number(u64::from(self.group));
        out.number(self.workers as u64);
        out.number(self.slow_seconds);
        out.number(self.ini.len() as u64);
        for (name, value) in &self.ini {
            out.bytes(name.as_bytes());
            out.bytes(value.as_bytes());
        }
        out.bytes(self.socket.as_os_str().as_bytes());
    }

    /// Reads one; `None` where there is none.
    pub fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        Some(Self {
            name: from.text()?.into(),
            program: from.path()?,
            stamp: from.number()?,
            user: if from.flag()? { Some(PoolUser::unpack(from)?) } else { None },
            group: from.count()?,
            workers: from.count()?,
            slow_seconds: from.number()?,
            ini: from.list(|from| Some((from.text()?, from.text()?)))?,
            socket: from.path()?,
        })
    }
}

impl PoolUser {
    /// Appends the user; [`PoolUser::unpack`] reads it.
    pub(crate) fn pack(&self, out: &mut Packer) {
        out.bytes(self.name.as_bytes());
        let numbers = [self.number, self.group, self.groups.len() as u32];
        numbers.iter().chain(&self.groups).for_each(|&number| out.number(u64::from(number)));
    }

    /// Reads one; `None` where there is none.
    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        Some(Self {
            name: from.text()?,
            number: from.count()?,
            group: from.count()?,
            groups: from.list(Unpacker::count)?,
        })
    }
}

/// Requests that a pool answers at a time, where nobody says how many.
pub(crate) const WORKERS: usize = 10;

/// The settings of PHP that all pools have, where a request may bring along so much.
pub(crate) fn usual(content_bytes_max: u64) -> Vec<(String, String)> {
    let most = content_bytes_max.to_string();
    let all = [
        // What goes wrong is said to whoever has asked.
        ("log_errors", "on"),
        // More is refused before PHP is asked.
        ("upload_max_filesize", &*most),
        ("post_max_size", &*most),
    ];
    all.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}
