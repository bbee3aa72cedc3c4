//! A config file with all that the world answered while it was resolved: enough to resolve it once
//! more without a world, to the same plan.

use crate::{
    Content, Errors, Fpm, PairFault, Plan, World,
    plan::{PoolUser, Wanted},
};
use base::pack::{Packer, Unpacker};
use foldhash::HashMap;
use std::{
    cell::RefCell,
    ffi::OsString,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// The form of the bytes; another one is refused.
const VERSION: u64 = 5;

/// What a world that has no answer says: the config asks for something that it did not ask for when
/// it was checked.
const UNKNOWN: &str = "nobody has looked";

/// A config and the answers of a world. Two of them are the same config if they are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    /// The file in messages.
    name: String,
    text: Vec<u8>,
    base: PathBuf,
    is_terminal: bool,
    is_error_terminal: bool,
    folders: HashMap<PathBuf, Result<(), String>>,
    places: HashMap<PathBuf, Result<(), String>>,
    privates: HashMap<PathBuf, Result<(), String>>,
    logs: HashMap<PathBuf, Result<(), String>>,
    reals: HashMap<PathBuf, PathBuf>,
    files: HashMap<(PathBuf, u64), Result<Content, String>>,
    lists: HashMap<PathBuf, Result<Vec<OsString>, String>>,
    variables: HashMap<String, Option<OsString>>,
    keep: PathBuf,
    account: Option<String>,
    fpms: HashMap<Option<String>, Result<Fpm, String>>,
    runners: HashMap<Runner, Result<Option<PoolUser>, String>>,
}

/// What stands for the most bytes of a certificate that comes by itself, among files.
const BY_ITSELF: u64 = 0;

/// A user, if one was named, and the folder that programs lie in.
type Runner = (Option<String>, PathBuf);

/// Makes a plan of a config as [`crate::load`] does, and keeps what `world` answers.
///
/// # Errors
///
/// Everything that is wrong with it, at once.
pub fn record(name: &str, text: &[u8], world: &dyn World) -> Result<(Plan, Bundle), Errors> {
    let bundle = Bundle {
        name: name.to_owned(),
        text: text.to_owned(),
        base: world.base().to_owned(),
        keep: world.keep(),
        is_terminal: world.is_terminal(),
        is_error_terminal: world.is_error_terminal(),
        ..Bundle::default()
    };
    let recorder = Recorder { world, bundle: RefCell::new(bundle) };
    let plan = crate::load(name, text, &recorder)?;
    Ok((plan, recorder.bundle.into_inner()))
}

impl Bundle {
    /// The plan that the config and these answers make.
    ///
    /// # Errors
    ///
    /// As [`crate::load`]: nothing that was checked by the same program has any.
    pub fn resolve(&self) -> Result<Plan, Errors> {
        crate::load(&self.name, &self.text, self)
    }

    /// The same config for `world`, of which only the folders are looked at anew: what was read
    /// stays as it was.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it there, at once.
    pub fn recheck(self, world: &dyn World) -> Result<(Plan, Self), Errors> {
        let (name, text) = (self.name.clone(), self.text.clone());
        let bundle = RefCell::new(Self { folders: HashMap::default(), ..self });
        let recorder = Recorder { world, bundle };
        let plan = crate::load(&name, &text, &recorder)?;
        Ok((plan, recorder.bundle.into_inner()))
    }

    /// Puts other content in the place of what was in the file `path`.
    pub fn renew(&mut self, path: &Path, bytes: Vec<u8>) {
        let files = self.files.iter_mut().filter(|((name, _), _)| name == path);
        for content in files.filter_map(|(_, answer)| answer.as_mut().ok()) {
            content.bytes.clone_from(&bytes);
        }
    }

    /// The bundle as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { name, text, base, is_terminal, is_error_terminal, .. } = self;
        let mut out = Packer::default();
        out.number(VERSION);
        out.bytes(name.as_bytes());
        out.bytes(text);
        out.bytes(base.as_os_str().as_bytes());
        out.byte(u8::from(*is_terminal));
        out.byte(u8::from(*is_error_terminal));
        for looks in [&self.folders, &self.places, &self.privates, &self.logs] {
            out.number(looks.len() as u64);
            for (path, answer) in looks {
                out.bytes(path.as_os_str().as_bytes());
                push(&mut out, answer, |_, ()| ());
            }
        }
        out.number(self.reals.len() as u64);
        for (path, real) in &self.reals {
            out.bytes(path.as_os_str().as_bytes());
            out.bytes(real.as_os_str().as_bytes());
        }
        out.number(self.files.len() as u64);
        for ((path, bytes_max), answer) in &self.files {
            out.bytes(path.as_os_str().as_bytes());
            out.number(*bytes_max);
            push(&mut out, answer, |out, content| {
                out.bytes(&content.bytes);
                out.bytes(content.path.as_os_str().as_bytes());
            });
        }
        out.number(self.lists.len() as u64);
        for (path, answer) in &self.lists {
            out.bytes(path.as_os_str().as_bytes());
            push(&mut out, answer, |out, names| {
                out.number(names.len() as u64);
                names.iter().for_each(|name| out.bytes(name.as_bytes()));
            });
        }
        out.number(self.variables.len() as u64);
        for (name, value) in &self.variables {
            out.bytes(name.as_bytes());
            out.byte(u8::from(value.is_some()));
            value.iter().for_each(|value| out.bytes(value.as_bytes()));
        }
        out.bytes(self.keep.as_os_str().as_bytes());
        out.byte(u8::from(self.account.is_some()));
        self.account.iter().for_each(|account| out.bytes(account.as_bytes()));
        out.number(self.fpms.len() as u64);
        for (version, answer) in &self.fpms {
            push_name(&mut out, version.as_ref());
            push(&mut out, answer, |out, fpm| {
                out.bytes(fpm.program.as_os_str().as_bytes());
                out.number(fpm.stamp);
                out.bytes(fpm.sockets.as_os_str().as_bytes());
                out.number(u64::from(fpm.group));
            });
        }
        out.number(self.runners.len() as u64);
        for ((name, root), answer) in &self.runners {
            push_name(&mut out, name.as_ref());
            out.bytes(root.as_os_str().as_bytes());
            push(&mut out, answer, |out, user| {
                out.byte(u8::from(user.is_some()));
                user.iter().for_each(|user| user.pack(out));
            });
        }
        out.finish()
    }

    /// The bundle in `bytes`; `None` where they are not one of this program.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Unpacker::new(bytes);
        if from.number()? != VERSION {
            return None;
        }
        let bundle = Self {
            name: from.text()?,
            text: from.bytes()?.to_owned(),
            base: from.path()?,
            is_terminal: from.flag()?,
            is_error_terminal: from.flag()?,
            folders: looks(&mut from)?,
            places: looks(&mut from)?,
            privates: looks(&mut from)?,
            logs: looks(&mut from)?,
            reals: from.list(|from| Some((from.path()?, from.path()?)))?.into_iter().collect(),
            files: from
                .list(|from| Some(((from.path()?, from.number()?), take(from, content)?)))?
                .into_iter()
                .collect(),
            lists: from
                .list(|from| {
                    Some((from.path()?, take(from, |from| from.list(Unpacker::os_text))?))
                })?
                .into_iter()
                .collect(),
            variables: from
                .list(|from| {
                    let name = from.text()?;
                    Some((name, if from.flag()? { Some(from.os_text()?) } else { None }))
                })?
                .into_iter()
                .collect(),
            keep: from.path()?,
            account: if from.flag()? { Some(from.text()?) } else { None },
            fpms: from.list(|from| Some((name(from)?, take(from, fpm)?)))?.into_iter().collect(),
            runners: from
                .list(|from| Some(((name(from)?, from.path()?), take(from, runner)?)))?
                .into_iter()
                .collect(),
        };
        from.is_empty().then_some(bundle)
    }
}

impl World for Bundle {
    fn base(&self) -> &Path {
        &self.base
    }

    fn check_folder(&self, path: &Path) -> Result<(), String> {
        self.folders.get(path).cloned().unwrap_or_else(|| Err(UNKNOWN.to_owned()))
    }

    fn check_place(&self, path: &Path) -> Result<(), String> {
        self.places.get(path).cloned().unwrap_or_else(|| Err(UNKNOWN.to_owned()))
    }

    fn check_private(&self, path: &Path) -> Result<(), String> {
        self.privates.get(path).cloned().unwrap_or_else(|| Err(UNKNOWN.to_owned()))
    }

    fn real(&self, path: &Path) -> PathBuf {
        self.reals.get(path).cloned().unwrap_or_else(|| path.to_owned())
    }

    fn check_log(&self, path: &Path) -> Result<(), String> {
        self.logs.get(path).cloned().unwrap_or_else(|| Err(UNKNOWN.to_owned()))
    }

    fn read(&self, path: &Path, bytes_max: u64) -> Result<Content, String> {
        let key = (path.to_owned(), bytes_max);
        self.files.get(&key).cloned().unwrap_or_else(|| Err(UNKNOWN.to_owned()))
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>, String> {
        self.lists.get(path).cloned().unwrap_or_else(|| Err(UNKNOWN.to_owned()))
    }

    fn keep(&self) -> PathBuf {
        self.keep.clone()
    }

    fn certificate(&self, wanted: &Wanted<'_>) -> Result<Vec<u8>, String> {
        self.read(wanted.path, BY_ITSELF).map(|content| content.bytes)
    }

    fn account(&self, _folder: &Path) -> Option<String> {
        self.account.clone()
    }

    fn fpm(&self, version: Option<&str>, _user: Option<&str>) -> Result<Fpm, String> {
        let known = self.fpms.get(&version.map(str::to_owned)).cloned();
        known.unwrap_or_else(|| Err(UNKNOWN.to_owned()))
    }

    fn runner(&self, name: Option<&str>, root: &Path) -> Result<Option<PoolUser>, String> {
        let known = self.runners.get(&(name.map(str::to_owned), root.to_owned())).cloned();
        known.unwrap_or_else(|| Err(UNKNOWN.to_owned()))
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        self.variables.get(name).cloned().flatten()
    }

    fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    fn is_error_terminal(&self) -> bool {
        self.is_error_terminal
    }
}

/// A world whose answers are kept. The same question gets the same answer again, so that what is
/// resolved from the bundle is what was checked, whatever changes meanwhile.
struct Recorder<'w> {
    world: &'w dyn World,
    bundle: RefCell<Bundle>,
}

impl World for Recorder<'_> {
    fn base(&self) -> &Path {
        self.world.base()
    }

    fn check_folder(&self, path: &Path) -> Result<(), String> {
        let answers = &mut self.bundle.borrow_mut().folders;
        answers.entry(path.to_owned()).or_insert_with(|| self.world.check_folder(path)).clone()
    }

    fn check_place(&self, path: &Path) -> Result<(), String> {
        let answers = &mut self.bundle.borrow_mut().places;
        answers.entry(path.to_owned()).or_insert_with(|| self.world.check_place(path)).clone()
    }

    fn check_private(&self, path: &Path) -> Result<(), String> {
        let answers = &mut self.bundle.borrow_mut().privates;
        answers.entry(path.to_owned()).or_insert_with(|| self.world.check_private(path)).clone()
    }

    fn real(&self, path: &Path) -> PathBuf {
        let answers = &mut self.bundle.borrow_mut().reals;
        answers.entry(path.to_owned()).or_insert_with(|| self.world.real(path)).clone()
    }

    fn check_log(&self, path: &Path) -> Result<(), String> {
        let answers = &mut self.bundle.borrow_mut().logs;
        answers.entry(path.to_owned()).or_insert_with(|| self.world.check_log(path)).clone()
    }

    fn read(&self, path: &Path, bytes_max: u64) -> Result<Content, String> {
        let answers = &mut self.bundle.borrow_mut().files;
        let key = (path.to_owned(), bytes_max);
        answers.entry(key).or_insert_with(|| self.world.read(path, bytes_max)).clone()
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>, String> {
        let answers = &mut self.bundle.borrow_mut().lists;
        answers.entry(path.to_owned()).or_insert_with(|| self.world.list(path)).clone()
    }

    fn check_pair(&self, chain: (&Path, &[u8]), key: (&Path, &[u8])) -> Result<(), PairFault> {
        self.world.check_pair(chain, key)
    }

    fn check_authorities(&self, path: &Path, text: &[u8]) -> Result<(), PairFault> {
        self.world.check_authorities(path, text)
    }

    fn keep(&self) -> PathBuf {
        self.world.keep()
    }

    fn certificate(&self, wanted: &Wanted<'_>) -> Result<Vec<u8>, String> {
        let answers = &mut self.bundle.borrow_mut().files;
        let key = (wanted.path.to_owned(), BY_ITSELF);
        let make = || {
            let bytes = self.world.certificate(wanted)?;
            Ok(Content { bytes, path: wanted.path.to_owned() })
        };
        answers.entry(key).or_insert_with(make).clone().map(|content| content.bytes)
    }

    fn account(&self, folder: &Path) -> Option<String> {
        let bundle = &mut self.bundle.borrow_mut();
        bundle.account = bundle.account.take().or_else(|| self.world.account(folder));
        bundle.account.clone()
    }

    fn fpm(&self, version: Option<&str>, user: Option<&str>) -> Result<Fpm, String> {
        let answers = &mut self.bundle.borrow_mut().fpms;
        let answer = answers.entry(version.map(str::to_owned));
        answer.or_insert_with(|| self.world.fpm(version, user)).clone()
    }

    fn runner(&self, name: Option<&str>, root: &Path) -> Result<Option<PoolUser>, String> {
        let answers = &mut self.bundle.borrow_mut().runners;
        let answer = answers.entry((name.map(str::to_owned), root.to_owned()));
        answer.or_insert_with(|| self.world.runner(name, root)).clone()
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        let answers = &mut self.bundle.borrow_mut().variables;
        answers.entry(name.to_owned()).or_insert_with(|| self.world.variable(name)).clone()
    }

    fn is_terminal(&self) -> bool {
        self.world.is_terminal()
    }

    fn is_error_terminal(&self) -> bool {
        self.world.is_error_terminal()
    }
}

fn push<T>(out: &mut Packer, answer: &Result<T, String>, mut value: impl FnMut(&mut Packer, &T)) {
    out.byte(u8::from(answer.is_ok()));
    match answer {
        Ok(known) => value(out, known),
        Err(why) => out.bytes(why.as_bytes()),
    }
}

fn take<T>(
    from: &mut Unpacker<'_>,
    value: impl FnOnce(&mut Unpacker<'_>) -> Option<T>,
) -> Option<Result<T, String>> {
    Some(if from.flag()? { Ok(value(from)?) } else { Err(from.text()?) })
}

fn looks(from: &mut Unpacker<'_>) -> Option<HashMap<PathBuf, Result<(), String>>> {
    let looks = from.list(|from| Some((from.path()?, take(from, |_| Some(()))?)))?;
    Some(looks.into_iter().collect())
}

fn content(from: &mut Unpacker<'_>) -> Option<Content> {
    Some(Content { bytes: from.bytes()?.to_owned(), path: from.path()? })
}

fn push_name(out: &mut Packer, name: Option<&String>) {
    out.byte(u8::from(name.is_some()));
    name.iter().for_each(|name| out.bytes(name.as_bytes()));
}

fn name(from: &mut Unpacker<'_>) -> Option<Option<String>> {
    Some(if from.flag()? { Some(from.text()?) } else { None })
}

fn fpm(from: &mut Unpacker<'_>) -> Option<Fpm> {
    let (program, stamp, sockets) = (from.path()?, from.number()?, from.path()?);
    Some(Fpm { program, stamp, sockets, group: from.count()? })
}

fn runner(from: &mut Unpacker<'_>) -> Option<Option<PoolUser>> {
    Some(if from.flag()? { Some(PoolUser::unpack(from)?) } else { None })
}
