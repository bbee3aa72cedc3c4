//! What the process that starts the others has to know of a config: everything else is for those.

use crate::plan::{
    Address, Admin, Issuer, Label, Listen, LogFormat, Otlp, Plan, Pool, Secret, Target,
};
use base::pack::{Packer, Unpacker};
use std::{os::unix::ffi::OsStrExt, path::PathBuf, time::Duration};

/// The form of the bytes; another one is refused.
const VERSION: u64 = 9;

/// What a supervisor knows of a config.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blueprint {
    /// The addresses to listen on, in the order of the plan.
    pub listen: Vec<Listen>,
    /// Event loops of each worker.
    pub threads: usize,
    /// Workers.
    pub workers: usize,
    /// The socket by which the server is told what to do, where one is named.
    pub control: Option<PathBuf>,
    /// Where the server is looked at, if anywhere.
    pub admin: Option<Admin>,
    /// Where spans are sent, if anywhere.
    pub otlp: Option<Otlp>,
    /// Connections of all workers at a time.
    pub connections_max: usize,
    /// Clients and limits that account is kept of.
    pub clients_max: usize,
    /// The files that lines are written to, each with its place among the targets of the plan.
    pub logs: Vec<(usize, PathBuf)>,
    /// Where lines about what goes wrong are written.
    pub errors: Option<Errors>,
    /// Time for what is under way when the server stops.
    pub stop_time: Duration,
    /// Time for what is under way in a worker that another one has replaced.
    pub drain_time: Duration,
    /// Whether the lines that say when the server starts and stops are JSON; where nobody has said
    /// so, that is for whoever sees the terminal to decide.
    pub is_json: Option<bool>,
    /// The sites, in a few words.
    pub found: String,
    /// For each address to listen on, the hosts that stand for it and that a site answers to.
    pub hosts: Vec<Vec<String>>,
    /// The files of certificates and their keys, and of authorities.
    pub certificates: Vec<PathBuf>,
    /// Whether some of them are had from an authority by itself.
    pub issues: bool,
    /// What the labels of sites and routes stand for.
    pub labels: Vec<Label>,
    /// What runs PHP.
    pub pools: Vec<Pool>,
}

/// The error log, as a supervisor has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Errors {
    /// Whether lines are for eyes; else they are JSON.
    pub is_pretty: bool,
    /// The file; standard error where there is none.
    pub file: Option<PathBuf>,
}

impl Blueprint {
    /// What a supervisor has to know of `plan`, each worker of which has so many `threads`;
    /// `found` says in a few words what is in it. `hosts` tells which hosts stand
    /// for an address.
    #[must_use]
    pub fn new(
        plan: &Plan,
        threads: usize,
        found: String,
        hosts: impl Fn(&Address) -> Vec<String>,
    ) -> Self {
        let answers = |(at, listen): (usize, &Listen)| {
            let mut hosts = hosts(&listen.address);
            hosts.retain(|host| plan.site(host, at).is_some());
            hosts
        };
        let targets = plan.logs.targets.iter().enumerate();
        let file = |(at, target): (usize, &Target)| match target {
            Target::File(path) if plan.logs.uses(at) => Some((at, path.clone())),
            Target::File(_) | Target::Output | Target::Errors => None,
        };
        let errors = plan.logs.errors.as_ref().map(|errors| Errors {
            is_pretty: errors.is_pretty,
            file: match plan.logs.targets.get(errors.target) {
                Some(Target::File(path)) => Some(path.clone()),
                _ => None,
            },
        });
        let files = plan.certificates.iter().flat_map(|one| one.files(&plan.issuing));
        let files = files.chain(plan.authorities.iter().map(|one| one.file.clone()));
        let mut certificates: Vec<PathBuf> = files.collect();
        certificates.dedup();
        Self {
            listen: plan.listen.clone(),
            threads,
            workers: plan.workers.get(),
            control: plan.control.clone(),
            admin: plan.admin.clone(),
            otlp: plan.otlp.clone(),
            connections_max: plan.capacity.connections_max,
            clients_max: plan.capacity.clients_max,
            logs: targets.filter_map(file).collect(),
            errors,
            stop_time: plan.capacity.stop_time,
            drain_time: plan.capacity.drain_time,
            is_json: match plan.logs.access.first().map(|log| &log.format) {
                Some(LogFormat::Json) => Some(true),
                Some(LogFormat::Pretty) => Some(false),
                _ => None,
            },
            found,
            hosts: plan.listen.iter().enumerate().map(answers).collect(),
            certificates,
            issues: plan.certificates.iter().any(|one| matches!(one.issuer, Issuer::Authority(_))),
            labels: plan.labels.clone(),
            pools: plan.pools.clone(),
        }
    }

    /// All addresses that somebody listens on: those of sites, then the one of `admin`.
    #[must_use]
    pub fn addresses(&self) -> Vec<Listen> {
        self.listen.iter().chain(self.admin.iter().map(|admin| &admin.listen)).cloned().collect()
    }

    /// The blueprint as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Packer::default();
        out.number(VERSION);
        out.number(self.listen.len() as u64);
        self.listen.iter().for_each(|listen| pack_listen(&mut out, listen));
        out.number(self.threads as u64);
        out.number(self.workers as u64);
        out.byte(u8::from(self.control.is_some()));
        self.control.iter().for_each(|path| out.bytes(path.as_os_str().as_bytes()));
        out.byte(u8::from(self.admin.is_some()));
        self.admin.iter().for_each(|admin| pack_admin(&mut out, admin));
        out.byte(u8::from(self.otlp.is_some()));
        self.otlp.iter().for_each(|otlp| pack_otlp(&mut out, otlp));
        out.number(self.connections_max as u64);
        out.number(self.clients_max as u64);
        out.number(self.logs.len() as u64);
        for (at, path) in &self.logs {
            out.number(*at as u64);
            out.bytes(path.as_os_str().as_bytes());
        }
        out.byte(u8::from(self.errors.is_some()));
        if let Some(Errors { is_pretty, file }) = &self.errors {
            out.byte(u8::from(*is_pretty));
            out.byte(u8::from(file.is_some()));
            file.iter().for_each(|path| out.bytes(path.as_os_str().as_bytes()));
        }
        for time in [self.stop_time, self.drain_time] {
            out.number(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        }
        out.byte(u8::from(self.is_json.is_some()));
        self.is_json.iter().for_each(|&is_json| out.byte(u8::from(is_json)));
        out.bytes(self.found.as_bytes());
        out.number(self.hosts.len() as u64);
        for hosts in &self.hosts {
            out.number(hosts.len() as u64);
            hosts.iter().for_each(|host| out.bytes(host.as_bytes()));
        }
        out.number(self.certificates.len() as u64);
        self.certificates.iter().for_each(|file| out.bytes(file.as_os_str().as_bytes()));
        out.byte(u8::from(self.issues));
        out.number(self.labels.len() as u64);
        for Label { site, route } in &self.labels {
            out.bytes(site.as_bytes());
            out.bytes(route.as_bytes());
        }
        out.number(self.pools.len() as u64);
        self.pools.iter().for_each(|pool| pool.pack(&mut out));
        out.finish()
    }

    /// The blueprint in `bytes`; `None` where they are not one of this program.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut from = Unpacker::new(bytes);
        if from.number()? != VERSION {
            return None;
        }
        let blueprint = Self {
            listen: from.list(unpack_listen)?,
            threads: from.count()?,
            workers: from.count()?,
            control: maybe(&mut from, Unpacker::path)?,
            admin: maybe(&mut from, unpack_admin)?,
            otlp: maybe(&mut from, unpack_otlp)?,
            connections_max: from.count()?,
            clients_max: from.count()?,
            logs: from.list(|from| Some((from.count()?, from.path()?)))?,
            errors: maybe(&mut from, |from| {
                Some(Errors { is_pretty: from.flag()?, file: maybe(from, Unpacker::path)? })
            })?,
            stop_time: Duration::from_millis(from.number()?),
            drain_time: Duration::from_millis(from.number()?),
            is_json: maybe(&mut from, Unpacker::flag)?,
            found: from.text()?,
            hosts: from.list(|from| from.list(Unpacker::text))?,
            certificates: from.list(Unpacker::path)?,
            issues: from.flag()?,
            labels: from.list(|from| {
                Some(Label { site: from.text()?.into(), route: from.text()?.into() })
            })?,
            pools: from.list(Pool::unpack)?,
        };
        from.is_empty().then_some(blueprint)
    }
}

/// Appends where a server is looked at; [`unpack_admin`] reads it.
pub fn pack_admin(out: &mut Packer, admin: &Admin) {
    let Admin { listen, token, user } = admin;
    pack_listen(out, listen);
    for text in [token.as_deref(), user.as_deref()] {
        out.byte(u8::from(text.is_some()));
        text.iter().for_each(|text| out.bytes(text.as_bytes()));
    }
}

/// Reads where a server is looked at; `None` where there is nothing of the kind.
pub fn unpack_admin(from: &mut Unpacker<'_>) -> Option<Admin> {
    let (listen, token) = (unpack_listen(from)?, maybe(from, Unpacker::text)?);
    Some(Admin { listen, token: token.map(Into::into), user: maybe(from, Unpacker::text)? })
}

/// Appends where spans are sent; [`unpack_otlp`] reads it.
pub fn pack_otlp(out: &mut Packer, otlp: &Otlp) {
    let Otlp { url, fields, service, user } = otlp;
    [url, service].iter().for_each(|text| out.bytes(text.as_bytes()));
    out.number(fields.len() as u64);
    for (name, Secret(value)) in fields {
        out.bytes(name.as_bytes());
        out.bytes(value.as_bytes());
    }
    out.byte(u8::from(user.is_some()));
    user.iter().for_each(|user| out.bytes(user.as_bytes()));
}

/// Reads where spans are sent; `None` where there is nothing of the kind.
pub fn unpack_otlp(from: &mut Unpacker<'_>) -> Option<Otlp> {
    Some(Otlp {
        url: from.text()?,
        service: from.text()?,
        fields: from.list(|from| Some((from.text()?, Secret(from.text()?))))?,
        user: maybe(from, Unpacker::text)?,
    })
}

/// Appends an address; [`unpack_address`] reads it.
pub fn pack_address(out: &mut Packer, address: &Address) {
    match address {
        Address::Tcp(address) => {
            out.byte(0);
            out.bytes(address.to_string().as_bytes());
        }
        Address::Unix { path, mode } => {
            out.byte(1);
            out.bytes(path.as_os_str().as_bytes());
            out.number(u64::from(*mode));
        }
    }
}

/// Reads an address; `None` where there is none.
pub fn unpack_address(from: &mut Unpacker<'_>) -> Option<Address> {
    match from.byte()? {
        0 => Some(Address::Tcp(from.text()?.parse().ok()?)),
        1 => Some(Address::Unix { path: from.path()?, mode: from.count()? }),
        _ => None,
    }
}

fn pack_listen(out: &mut Packer, listen: &Listen) {
    let Listen { address, written, is_implied, proxy_protocol, http2, tls } = listen;
    pack_address(out, address);
    out.bytes(written.as_bytes());
    [is_implied, proxy_protocol, http2, tls].iter().for_each(|flag| out.byte(u8::from(**flag)));
}

fn unpack_listen(from: &mut Unpacker<'_>) -> Option<Listen> {
    Some(Listen {
        address: unpack_address(from)?,
        written: from.text()?.into(),
        is_implied: from.flag()?,
        proxy_protocol: from.flag()?,
        http2: from.flag()?,
        tls: from.flag()?,
    })
}

/// A value that may be missing.
fn maybe<'b, T>(
    from: &mut Unpacker<'b>,
    value: impl FnOnce(&mut Unpacker<'b>) -> Option<T>,
) -> Option<Option<T>> {
    if from.flag()? { value(from).map(Some) } else { Some(None) }
}
