//! `gannet certs --revoke HOST`: has an authority take back a certificate whose key is no secret
//! any more, and notes that it is due.

use crate::{
    keep::{self, Keep},
    machine,
    trouble::Trouble,
    visit::Visits,
};
use certs::{Hands, Object, Proof, Reply, Request};
use config::plan::Issuer;
use net::clock;
use std::{
    io::{self, ErrorKind, Write},
    path::Path,
    process::ExitCode,
    thread,
    time::Duration,
};

/// Seconds until it is said that somebody else is waited for.
const PATIENCE_SECONDS: u64 = 2;

/// Has the certificate of `host` taken back that is kept for the config `file`.
pub(crate) fn revoke(file: &Path, host: &str) -> Result<ExitCode, Trouble> {
    let plan = machine::load(file)?;
    let (shown, issuing) = (file.display(), &plan.issuing);
    let failed = |why: String| Trouble::new(1, format!("error: {why}"));
    let is_for = |issuer: &Issuer| match issuer {
        Issuer::Authority(hosts) => hosts.iter().any(|own| **own == *host),
        Issuer::Files | Issuer::Local(_) => false,
    };
    let Some(wanted) = plan.certificates.iter().find(|one| is_for(&one.issuer)) else {
        let why = format!("by {shown} no authority issues a certificate for {host}");
        return Err(failed(format!("{why}: `gannet certs {shown}` shows who has one")));
    };
    let keep = Keep::at(&issuing.folder);
    // Whoever asks for another one at this moment goes first, but for no longer than others wait.
    let _turn = keep.turn_within(&wanted.chain, PATIENCE_SECONDS).or_else(|error| {
        if error.kind() != ErrorKind::TimedOut {
            return Err(error);
        }
        let _ = writeln!(io::stderr(), "somebody asks for another one for {host} now: waiting");
        keep.turn(&wanted.chain)
    });
    let path = wanted.chain.display();
    let Some((object, _)) = keep::object(&wanted.chain) else {
        let why = format!("there is no certificate in {path} that this user can read");
        return Err(failed(format!("{why}: it takes the user that starts gannet")));
    };
    let issuer = issuing.authorities.iter().find(|one| one.url == object.authority);
    let trusted = issuer.and_then(|issuer| issuer.trusted.as_deref());
    let mut hands = OwnHands(Visits::trusting(trusted).map_err(failed)?);
    let failure = |failure: certs::Failure| failed(format!("{host}: {}", failure.why));
    certs::revoke(&object, &mut hands).map_err(failure)?;
    // It is due from now on, whether or not its authority says so.
    let gone = Object { window: Some((0, 0)), is_early: false, ..object };
    let noted = keep.put(&wanted.chain, &gone.write());
    noted.map_err(|error| {
        failed(format!("{host} is revoked, which cannot be noted in {path}: {error}"))
    })?;
    let words = format!(
        "{host}: revoked\nnext: `gannet reload {shown}`, and a running server gets another one at \
         once, or `gannet run {shown}`\n"
    );
    net::stream::say(words.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// Hands that ask, and show nothing.
struct OwnHands(Visits);

impl Hands for OwnHands {
    fn exchange(&mut self, request: &Request<'_>) -> Result<Reply, String> {
        self.0.exchange(request, clock::wall().seconds)
    }

    fn pause(&mut self, time: Duration) {
        thread::park_timeout(time);
    }

    fn show(&mut self, proof: &Proof) -> Result<(), String> {
        Err(format!("nothing shows that {} is ours", proof.host))
    }

    fn hide(&mut self, _: &Proof) {}
}
