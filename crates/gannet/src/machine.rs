//! This machine as a config file asks about it, and reading that file.

use crate::{
    greeting,
    keep::{self, Keep},
    pem, php, place,
    trouble::Trouble,
};
use base::text::shell_word;
use certs::Local;
use config::{
    Bundle, Content, Errors, Fpm, Paint, PairFault, Plan, Whose, World,
    limits::FILE_BYTES_MAX,
    plan::{Issuer, PoolUser, Wanted},
};
use net::{
    Root, RootError,
    identity::{IdentityError, User},
    layer::Layer,
    permission, process,
};
use std::{
    cell::{OnceCell, RefCell},
    env,
    ffi::OsString,
    fs::{self, File},
    io::{self, IsTerminal, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};
use tls::diagnosis::{Culprit, Diagnosis};

/// Whom root has serve where nobody says so: the first that there is. The last is a number, which
/// no list has to know.
const USERS: [&str; 3] = ["www-data", "nobody", "65534"];

/// What to do where the file behind a verb cannot be read.
const WAY_OUT: &str = "name a config file behind the verb, or serve a folder by `gannet PATH`";

/// Reads the config file behind a verb, with all that it includes, and makes a plan of it.
pub(crate) fn load(file: &Path) -> Result<Plan, Trouble> {
    load_by(file, WAY_OUT)
}

/// The same of one that is named in another way, as `way_out` says where it cannot be read.
pub(crate) fn load_by(file: &Path, way_out: &str) -> Result<Plan, Trouble> {
    let (bytes, machine) = open(file, way_out)?;
    config::load(&file.to_string_lossy(), bytes, &machine).map_err(refused)
}

fn refused(errors: Errors) -> Trouble {
    let paint = if io::stderr().is_terminal() { Paint::Coloured } else { Paint::Plain };
    Trouble::new(2, errors.render(paint))
}

/// The same, though certificates in it may be broken, or their files not be read: those are empty.
pub(crate) fn load_to_list(file: &Path) -> Result<Plan, Trouble> {
    let (bytes, machine) = open(file, WAY_OUT)?;
    let machine = Machine { unread: Some(RefCell::default()), ..machine };
    let plan = config::load(&file.to_string_lossy(), bytes, &machine).ok();
    let is_of_certificates = |plan: &Plan, path: &PathBuf| {
        plan.certificates.iter().any(|one| one.chain == *path || one.key == *path)
            || plan.authorities.iter().any(|one| one.file == *path)
    };
    let unread = machine.unread.unwrap_or_default().into_inner();
    match plan.filter(|plan| unread.iter().all(|path| is_of_certificates(plan, path))) {
        Some(plan) => Ok(plan),
        None => load(file),
    }
}

/// The control socket that a config file names, whatever else is wrong with it; `None` where it
/// names none. What is wrong with its text is said where that cannot be told; of the files that it
/// names nothing is asked, as their disk may not answer.
pub(crate) fn control(file: &Path) -> Result<Option<PathBuf>, Trouble> {
    let (bytes, machine) = open(file, WAY_OUT)?;
    config::control(&file.to_string_lossy(), bytes, &machine).map_err(refused)
}

/// A plan of a config file, looked at as [`record`] does, though nothing is made for it.
pub(crate) fn check(file: &Path) -> Result<Plan, Trouble> {
    let (bytes, machine) = open(file, WAY_OUT)?;
    let paint = if io::stderr().is_terminal() { Paint::Coloured } else { Paint::Plain };
    plan_of(file, &bytes, &machine, paint).map(|(plan, _)| plan)
}

/// The same, with a bundle of all that was read, from which another process makes the same plan.
/// The folders in it are those that the user can read whom the plan will be served by; this process
/// is that user from then on.
pub(crate) fn record(file: &Path, paint: Paint) -> Result<(Plan, Bundle), Trouble> {
    let (bytes, machine) = open(file, WAY_OUT)?;
    plan_of(file, &bytes, &Machine { is_for_show: false, ..machine }, paint)
}

/// The same by this user, in a test.
#[cfg(test)]
pub(crate) fn bundle_of(file: &Path) -> Result<Bundle, String> {
    let (bytes, machine) = open(file, WAY_OUT).map_err(|trouble| trouble.message)?;
    let machine = Machine { is_for_show: false, ..machine };
    let recorded = config::record(&file.to_string_lossy(), &bytes, &machine);
    recorded.map(|(_, bundle)| bundle).map_err(|errors| errors.to_string())
}

fn plan_of(
    file: &Path,
    bytes: &[u8],
    machine: &Machine,
    paint: Paint,
) -> Result<(Plan, Bundle), Trouble> {
    let refused = |errors: Errors| Trouble::new(2, errors.render(paint));
    let (plan, bundle) =
        config::record(&file.to_string_lossy(), bytes, machine).map_err(refused)?;
    match serving_user(&plan)? {
        None => Ok((plan, bundle)),
        Some(user) => {
            become_user(&user)?;
            bundle.recheck(machine).map_err(refused)
        }
    }
}

/// Whom a plan is served by: another user than this process's where root has started it. That user
/// belongs to the groups of those whom PHP runs as, too: what they let their groups read is sent.
pub(crate) fn serving_user(plan: &Plan) -> Result<Option<User>, Trouble> {
    let user = user_named(plan.user.as_deref())?;
    Ok(user.map(|user| with_groups(user, plan)))
}

/// The same of a process that sends nobody a file, where that user is called so.
pub(crate) fn user_named(name: Option<&str>) -> Result<Option<User>, Trouble> {
    let named = find_user(name)?;
    let trouble = |error: IdentityError| Trouble::new(2, format!("error: `user`: {error}"));
    match (named, process::is_root()) {
        (Some(user), false) if user.number == process::user() => Ok(None),
        (Some(_), false) => Err(trouble(IdentityError::NotRoot(process::user()))),
        (None, false) => Ok(None),
        (named, true) => user_of_root(named).map(Some),
    }
}

/// Whom a plan is served by that the user of that number serves already.
pub(crate) fn user_beside(plan: &Plan, starter: u32) -> Result<Option<User>, Trouble> {
    match starter {
        0 => {
            let user = user_of_root(find_user(plan.user.as_deref())?)?;
            Ok(Some(with_groups(user, plan)))
        }
        own if own == process::user() => Ok(None),
        other => User::find(&other.to_string())
            .map(Some)
            .map_err(|error| Trouble::new(2, format!("error: {error}"))),
    }
}

/// Whom root has serve: who is `named`, else the first that there is.
fn user_of_root(named: Option<User>) -> Result<User, Trouble> {
    let nobody = || format!("error: `user`: {}", IdentityError::Unknown(USERS.join(", ")));
    named.or_else(usual_user).ok_or_else(|| Trouble::new(2, nobody()))
}

fn usual_user() -> Option<User> {
    USERS.iter().find_map(|name| User::find(name).ok())
}

/// The group of whoever serves where that user is named, or nobody is. Where nobody can serve so,
/// it does not matter: [`serving_user`] says why.
fn serving_group(name: Option<&str>) -> u32 {
    let find = || name.map_or_else(usual_user, |name| User::find(name).ok());
    let user = process::is_root().then(find).flatten();
    user.map_or_else(process::group, |user| user.group)
}

fn with_groups(mut user: User, plan: &Plan) -> User {
    let groups = plan.pools.iter().filter_map(|pool| Some(pool.user.as_ref()?.group));
    user.groups.extend(groups);
    user.groups.sort_unstable();
    user.groups.dedup();
    user
}

/// The user of that name, who has to be known here.
fn find_user(name: Option<&str>) -> Result<Option<User>, Trouble> {
    let trouble = |error: IdentityError| Trouble::new(2, format!("error: `user`: {error}"));
    name.map(User::find).transpose().map_err(trouble)
}

/// Makes this process one of that user.
pub(crate) fn become_user(user: &User) -> Result<Layer, Trouble> {
    let trouble = |error: IdentityError| Trouble::new(1, format!("error: `user`: {error}"));
    user.become_user().map_err(trouble)
}

fn open(file: &Path, way_out: &str) -> Result<(Vec<u8>, Machine), Trouble> {
    let Content { bytes, path } = read(file, FILE_BYTES_MAX).map_err(|why| {
        let message = match file.is_dir() {
            true => of_folder(file),
            false => format!("error: {why}: {way_out}"),
        };
        Trouble::typed(&message)
    })?;
    let base = path.parent().unwrap_or(&path).to_owned();
    let local = OnceCell::new();
    let (file, unread) = (file.to_owned(), None);
    Ok((bytes, Machine { base, file, is_for_show: true, unread, local }))
}

/// That a folder was named where a config file is to be.
fn of_folder(folder: &Path) -> String {
    let (inside, shown) = (folder.join("gannet.toml"), folder.display());
    let word = |path: &Path| shell_word(&path.to_string_lossy());
    match inside.is_file() {
        true => {
            format!("error: {shown} is a folder: name the config file in it, {}", word(&inside))
        }
        false => format!(
            "error: {shown} is a folder, not a config file: `gannet {}` serves it as it is",
            word(folder)
        ),
    }
}

/// Whether this user can serve the folder `path`. It is opened for good when it is first asked for.
pub(crate) fn check_folder(path: &Path) -> Result<(), RootError> {
    Root::open(path, &[]).map(drop)
}

/// The machine that this process runs on.
struct Machine {
    base: PathBuf,
    /// The config file, as it was named.
    file: PathBuf,
    /// Whether nobody is going to be served: then nothing is made that would be kept.
    is_for_show: bool,
    /// The files that could not be read, where that and broken certificates are put up with.
    unread: Option<RefCell<Vec<PathBuf>>>,
    /// The local authority, once it was asked.
    local: OnceCell<Result<Local, String>>,
}

impl Machine {
    fn local(&self, folder: &Path, now: i64) -> Result<&Local, String> {
        let local = self.local.get_or_init(|| Keep::at(folder).local(now).map(|(local, _)| local));
        local.as_ref().map_err(Clone::clone)
    }
}

impl World for Machine {
    fn base(&self) -> &Path {
        &self.base
    }

    fn check_folder(&self, path: &Path) -> Result<(), String> {
        check_folder(path).map_err(|error| error.to_string())
    }

    fn check_private(&self, path: &Path) -> Result<(), String> {
        let mode = fs::metadata(path).map_err(|error| error.to_string())?.mode();
        match mode & 0o022 {
            0 => Ok(()),
            _ => Err(format!("{}: others may write there (chmod go-w {0})", path.display())),
        }
    }

    fn real(&self, path: &Path) -> PathBuf {
        let there = path.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
        let Some((part, real)) = there else { return path.to_owned() };
        // What is not there, such as a log before its first line, has no links.
        let rest = path.strip_prefix(part).unwrap_or(Path::new(""));
        real.join(rest).components().collect()
    }

    fn check_log(&self, path: &Path) -> Result<(), String> {
        let folder = path.parent().unwrap_or(path);
        self.check_folder(folder)?;
        net::stream::check(path).map_err(|error| format!("{}: {error}", path.display()))
    }

    fn read(&self, path: &Path, bytes_max: u64) -> Result<Content, String> {
        read(path, bytes_max).or_else(|why| {
            let unread = self.unread.as_ref().ok_or(why)?;
            unread.borrow_mut().push(path.to_owned());
            Ok(Content { bytes: Vec::new(), path: path.to_owned() })
        })
    }

    fn list(&self, path: &Path) -> Result<Vec<OsString>, String> {
        self.check_folder(path)?;
        let names = fs::read_dir(path).and_then(|entries| {
            entries.map(|entry| entry.map(|entry| entry.file_name())).collect()
        });
        names.map_err(|error| format!("{}: {error}", path.display()))
    }

    fn check_pair(&self, chain: (&Path, &[u8]), key: (&Path, &[u8])) -> Result<(), PairFault> {
        match self.unread {
            Some(_) => Ok(()),
            None => pem::check_pair(chain, key).map_err(fault),
        }
    }

    fn check_authorities(&self, path: &Path, text: &[u8]) -> Result<(), PairFault> {
        match self.unread {
            Some(_) => Ok(()),
            None => pem::check_authorities(path, text).map_err(fault),
        }
    }

    fn keep(&self) -> PathBuf {
        keep_folder()
    }

    fn certificate(&self, wanted: &Wanted<'_>) -> Result<Vec<u8>, String> {
        let now = net::clock::wall().seconds;
        let failed = |error: certs::NoKey| error.to_string();
        match wanted.issuer {
            _ if self.is_for_show => Ok(Vec::new()),
            Issuer::Files => Ok(Vec::new()),
            Issuer::Local(hosts) => {
                let signed = self.local(wanted.folder, now)?.sign(hosts, now);
                signed.map(String::into_bytes).map_err(failed)
            }
            Issuer::Authority(hosts) => match keep::best(wanted.path, hosts) {
                // However old it is: a visitor may go past a warning about that.
                Some((_, text)) => Ok(text),
                None => certs::stand_in(hosts, now).map(String::into_bytes).map_err(failed),
            },
        }
    }

    fn account(&self, folder: &Path) -> Option<String> {
        // One that is not kept is not the one that authorities are asked with.
        let (key, trouble) = (!self.is_for_show).then(|| Keep::at(folder).account())?.ok()?;
        certs::thumbprint_of(key.as_bytes()).ok().filter(|_| trouble.is_none())
    }

    fn fpm(&self, version: Option<&str>, user: Option<&str>) -> Result<Fpm, String> {
        let program = php::find(version)?;
        let sockets = place::desk_path(&self.file).map(|path| path.with_extension(""));
        let sockets = sockets.ok_or("there is no place for the sockets of php-fpm")?;
        Ok(Fpm { stamp: php::stamp(&program), program, sockets, group: serving_group(user) })
    }

    fn runner(&self, name: Option<&str>, root: &Path) -> Result<Option<PoolUser>, String> {
        php::runner(name, root)
    }

    fn variable(&self, name: &str) -> Option<OsString> {
        env::var_os(name)
    }

    fn is_terminal(&self) -> bool {
        greeting::is_terminal()
    }

    fn is_error_terminal(&self) -> bool {
        io::stderr().is_terminal()
    }
}

fn fault(Diagnosis { culprit, cause, cure }: Diagnosis) -> PairFault {
    let whose = match culprit {
        Culprit::Certificate => Whose::Certificate,
        Culprit::Key => Whose::Key,
        Culprit::Both => Whose::Both,
    };
    PairFault { whose, cause, help: cure }
}

/// Where what comes by itself of certificates is kept of a user, below that user's folder.
pub(crate) const KEEP_IN_HOME: &str = ".local/share/gannet";

/// The folder in which what comes by itself of certificates is kept where the config names none.
pub(crate) fn keep_folder() -> PathBuf {
    let own = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    // Where systemd has given it one, which nobody else has.
    if let Some(state) = own("STATE_DIRECTORY") {
        return state;
    }
    match (process::user(), own("XDG_DATA_HOME"), own("HOME")) {
        (0, ..) | (_, None, None) => PathBuf::from("/var/lib/gannet"),
        (_, Some(data), _) => data.join("gannet"),
        (_, None, Some(home)) => home.join(KEEP_IN_HOME),
    }
}

/// Reads a file of `bytes_max` bytes at most; says why where that cannot be.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<Content, String> {
    let why = |error: io::Error| explain(path, &error);
    // What is no file, such as a pipe, might never end or never begin.
    if !fs::metadata(path).map_err(why)?.is_file() {
        return Err(format!("{} is not a file", path.display()));
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(why)?;
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(why)?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!("{} has more than {bytes_max} bytes", path.display()));
    }
    Ok(Content { bytes, path: path.canonicalize().map_err(why)? })
}

/// What keeps `path` from being read; it says of a folder on the way there that it does.
pub(crate) fn explain(path: &Path, error: &io::Error) -> String {
    let folder = path.parent().filter(|folder| *folder != "");
    if let Some(fault) = folder.and_then(|folder| Root::open(folder, &[]).err()) {
        return RootError { path: path.to_owned(), ..fault }.to_string();
    }
    match error.kind() {
        io::ErrorKind::NotFound => format!("{} does not exist", path.display()),
        io::ErrorKind::PermissionDenied => permission::unreadable(path),
        _ => format!("{}: {error}", path.display()),
    }
}
