//! `gannet trust` and `gannet untrust`: puts the root of the local authority where this machine and
//! its browsers keep those that they trust, and takes it away again.

use crate::{keep::Keep, machine, trouble::Trouble};
use certs::Local;
use config::plan::AUTHORITY_FILE;
use net::{identity, process};
use std::{
    env,
    fmt::Write as _,
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
};

/// Where systems keep further authorities, and what has them take notice.
const SYSTEMS: [(&str, &[&str]); 3] = [
    ("/usr/local/share/ca-certificates", &["update-ca-certificates"]),
    ("/etc/pki/ca-trust/source/anchors", &["update-ca-trust", "extract"]),
    ("/etc/ca-certificates/trust-source/anchors", &["trust", "extract-compat"]),
];

/// Where browsers of a user keep them, below the user's folder: Chromium, and Firefox by profile.
const BROWSERS: [&str; 2] = [".pki/nssdb", ".local/share/pki/nssdb"];
const FIREFOX: [&str; 2] = [".mozilla/firefox", "snap/firefox/common/.mozilla/firefox"];

/// What the files and the entries of ours begin with.
const OURS: &str = "gannet-local-authority";

/// How many roots of ours there are at most: the one that signs, and the next.
const ROOTS_MAX: usize = 2;

/// What is to be done.
pub(crate) struct Trust<'t> {
    /// The folder of what is kept, where it is not the usual one.
    pub(crate) folder: Option<&'t Path>,
    /// Only in the browsers of this user.
    pub(crate) only_browsers: bool,
    /// Whether it is to be taken away.
    pub(crate) ends: bool,
}

/// Does it, and says where.
pub(crate) fn trust(wish: &Trust<'_>) -> Result<ExitCode, Trouble> {
    let failed = |why: String| Trouble::new(1, format!("error: {why}"));
    // Whom root acts for, by `sudo`.
    let user = env::var("SUDO_USER").ok().filter(|name| process::is_root() && name != "root");
    let folder = match (wish.folder, &user) {
        (Some(folder), _) => folder.to_owned(),
        (None, Some(name)) if !wish.ends => folder_for(name).map_err(failed)?,
        (None, _) => machine::keep_folder(),
    };
    let keep = Keep::at(&folder);
    let roots = match wish.ends {
        true => Vec::new(),
        false => {
            let now = net::clock::wall().seconds;
            let (_, trouble) = keep.local(now).map_err(failed)?;
            if let Some(why) = trouble {
                return Err(failed(format!("the local authority cannot be kept: {why}")));
            }
            keep.roots()
        }
    };
    let (mut done, mut troubles) = (Vec::new(), Vec::new());
    if !wish.only_browsers {
        match in_system(&roots) {
            Ok(place) => done.push(place),
            Err(why) => troubles.push(why),
        }
    }
    let home = env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
    if let Some(name) = &user {
        // What root writes there its owner could not change.
        let verb = if wish.ends { "untrust" } else { "trust" };
        let way_out = format!("`gannet {verb} --only-browsers`, without sudo");
        troubles.push(format!("browsers of {name}: {way_out}"));
    }
    let home = home.filter(|_| user.is_none());
    let mut is_trusted_still = false;
    for outcome in home.iter().flat_map(|home| in_browsers(home, &roots)) {
        match outcome {
            Ok(place) => done.push(place),
            Err(why) => {
                is_trusted_still |= wish.ends;
                troubles.push(why);
            }
        }
    }
    if done.is_empty() {
        let why = troubles.join("; ");
        return Err(failed(if why.is_empty() { "there is no HOME".to_owned() } else { why }));
    }
    let mut text = String::new();
    for root in &roots {
        let (name, folder) = (root.name(), folder.display());
        let _ = writeln!(text, "{name} of {folder}, for private names and addresses only");
    }
    text.push_str(&said(wish.ends, &done, &troubles));
    net::stream::say(text.as_bytes());
    Ok(ExitCode::from(u8::from(is_trusted_still)))
}

/// Where the authority is kept that signs for a user, or for the whole machine, where no folder is
/// named. It has to be there: one that is made here would be trusted, and never sign.
fn folder_for(name: &str) -> Result<PathBuf, String> {
    let own = identity::home(name).map(|home| home.join(machine::KEEP_IN_HOME));
    let all = || own.iter().cloned().chain([machine::keep_folder()]);
    all().find(|folder| folder.join(AUTHORITY_FILE).exists()).ok_or_else(|| {
        let places: Vec<_> = all().map(|folder| folder.display().to_string()).collect();
        format!(
            "there is no local authority yet in {}: it is made when a site is first served by it; \
             where it is kept elsewhere, name that by `--folder`",
            places.join(" or ")
        )
    })
}

fn said(ends: bool, done: &[String], troubles: &[String]) -> String {
    let mut text = String::new();
    let verb = if ends { "no longer trusted by" } else { "trusted by" };
    done.iter().for_each(|place| _ = writeln!(text, "  {verb} {place}"));
    troubles.iter().for_each(|why| _ = writeln!(text, "  not: {why}"));
    text
}

/// Has the system trust these roots, and no others of ours.
fn in_system(roots: &[Local]) -> Result<String, String> {
    let found = SYSTEMS.iter().find(|(folder, _)| Path::new(folder).is_dir());
    let (folder, command) = found.ok_or("no folder is known in which this system keeps those")?;
    let failed = |error: io::Error| format!("{folder}: {error}");
    let entries = fs::read_dir(folder).map_err(failed)?.flatten();
    let ours = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(OURS));
    for entry in ours {
        fs::remove_file(entry.path()).map_err(failed)?;
    }
    for (at, root) in roots.iter().enumerate() {
        let path = Path::new(folder).join(format!("{OURS}-{at}.crt"));
        fs::write(&path, root.root_pem()).map_err(failed)?;
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).map_err(failed)?;
    }
    run(command[0], &command[1..])?;
    Ok(format!("this machine ({folder})"))
}

/// Has the browsers of a user trust these roots, and no others of ours.
fn in_browsers(home: &Path, roots: &[Local]) -> Vec<Result<String, String>> {
    let mut places: Vec<PathBuf> = BROWSERS.iter().map(|below| home.join(below)).collect();
    // One that was never started has none yet: it is made where it will look.
    let is_there = places.iter().any(|place| place.is_dir());
    for folder in FIREFOX.iter().map(|below| home.join(below)) {
        let profiles = fs::read_dir(folder).into_iter().flatten().flatten();
        places.extend(profiles.map(|entry| entry.path()));
    }
    let (first, rest) = places.split_at(1);
    let first = first.iter().filter(|_| is_there || !roots.is_empty());
    let is_store = |place: &&PathBuf| place.join("cert9.db").is_file();
    let places = first.chain(rest.iter().filter(is_store));
    places.map(|place| in_store(place, roots)).collect()
}

fn in_store(place: &Path, roots: &[Local]) -> Result<String, String> {
    let failed = |error: io::Error| format!("{}: {error}", place.display());
    let store = format!("sql:{}", place.display());
    if !place.join("cert9.db").is_file() {
        if roots.is_empty() {
            return Ok(format!("browsers ({})", place.display()));
        }
        fs::create_dir_all(place).map_err(failed)?;
        run(CERTUTIL, &["-N", "-d", &store, "--empty-password"])?;
    }
    remove(place, &store)?;
    for (at, root) in roots.iter().enumerate() {
        let file = place.join(format!("{OURS}-{at}.pem"));
        // What is left there may be a link that leads elsewhere.
        let _ = fs::remove_file(&file);
        let written =
            File::create_new(&file).and_then(|mut to| to.write_all(root.root_pem().as_bytes()));
        written.map_err(failed)?;
        let (name, path) = (format!("{OURS}-{at}"), file.display().to_string());
        let added = run(CERTUTIL, &["-A", "-d", &store, "-t", "C,,", "-n", &name, "-i", &path]);
        let _ = fs::remove_file(&file);
        added?;
    }
    Ok(format!("browsers ({})", place.display()))
}

/// Removes all roots of ours from a store.
fn remove(place: &Path, store: &str) -> Result<(), String> {
    let names: Vec<_> = (0..ROOTS_MAX).map(|at| format!("{OURS}-{at}")).collect();
    // One that is not there is what is wanted: it is looked for afterwards.
    let remove = |name: &String| run(CERTUTIL, &["-D", "-d", store, "-n", name]);
    let removed: Vec<_> = names.iter().map(remove).collect();
    let listed = run(CERTUTIL, &["-L", "-d", store])?;
    let is_left = |name: &str| listed.lines().any(|line| line.starts_with(name));
    let left = names.iter().zip(removed).find(|(name, _)| is_left(name));
    left.map_or(Ok(()), |(name, removed)| {
        let why = removed.err().unwrap_or_default();
        Err(format!("browsers ({}): {name} is still there: {why}", place.display()))
    })
}

/// The program that changes what browsers trust.
const CERTUTIL: &str = "certutil";

/// Runs a program that has to succeed: what it has said.
fn run(program: &str, words: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = command.output().map_err(|error| match (error.kind(), program) {
        (io::ErrorKind::NotFound, CERTUTIL) => {
            "browsers: certutil is missing (Debian: libnss3-tools)".to_owned()
        }
        _ => format!("{program}: {error}"),
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program}: {}", said.lines().last().unwrap_or("it has failed")))
}
