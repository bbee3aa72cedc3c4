//! The certificate of `gannet PATH --tls`: the local authority makes it, and makes it anew while it
//! is used.

use crate::{greeting, keep::Keep, machine, trouble::Trouble};
use base::private::is_private;
use certs::{LEAF_SECONDS, Local};
use config::{
    plan::{Address, Pem},
    unsent::is_sent_from,
};
use net::{clock, process};
use std::path::Path;

/// How long one is used after it was made, and how much earlier than that a clock may be: it may
/// have been wrong then.
const USE_SECONDS: i64 = LEAF_SECONDS / 3 * 2;
const SLACK_SECONDS: i64 = 60 * 60;

/// The certificate.
pub(crate) struct OwnCertificate {
    keep: Keep,
    hosts: Vec<Box<str>>,
    text: String,
    /// When it was made, in seconds since 1970.
    made: i64,
}

impl OwnCertificate {
    /// One for all private hosts that these addresses are known by, and what there is to say about
    /// it. From here on this process has keys in memory, and leaves no core dump. Files are sent
    /// from `root`, which may not be where the authority's key is kept.
    pub(crate) fn make(addresses: &[Address], root: &Path) -> Result<(Self, String), Trouble> {
        let failed =
            |why: String| Trouble::new(1, format!("error: no certificate can be made: {why}"));
        process::keep_private().map_err(|error| failed(error.to_string()))?;
        let folder = machine::keep_folder();
        let keep = Keep::at(&folder);
        let hosts = addresses.iter().filter_map(Address::tcp);
        let hosts = hosts.flat_map(|address| greeting::hosts(address.ip()));
        let mut hosts: Vec<Box<str>> = hosts.map(Into::into).collect();
        hosts.push("localhost".into());
        hosts.retain(|host| is_private(host));
        hosts.sort();
        hosts.dedup();
        let made = clock::wall().seconds;
        let (local, trouble) = keep.local(made).map_err(failed)?;
        refuse_sent(&folder, root)?;
        let text = sign(&local, &hosts, made).map_err(failed)?;
        let words = match trouble {
            None => "browsers trust it after `gannet trust`".to_owned(),
            Some(why) => format!("its authority is another one each time: {why}"),
        };
        Ok((Self { keep, hosts, text, made }, words))
    }

    pub(crate) fn pem(&self) -> Pem {
        Pem { chain: self.text.clone().into_bytes(), key: self.text.clone().into_bytes() }
    }

    /// Another one, once it is time; the one that is there goes on where none can be made.
    pub(crate) fn anew(&mut self) -> Option<Pem> {
        let now = clock::wall().seconds;
        if (self.made - SLACK_SECONDS..self.made + USE_SECONDS).contains(&now) {
            return None;
        }
        let (local, _) = self.keep.local(now).ok()?;
        self.text = sign(&local, &self.hosts, now).ok()?;
        self.made = now;
        Some(self.pem())
    }
}

/// Refuses to send files from where the key of the local authority is kept.
fn refuse_sent(folder: &Path, root: &Path) -> Result<(), Trouble> {
    // Where there is none, nothing is kept.
    let Ok(folder) = folder.canonicalize() else { return Ok(()) };
    if !is_sent_from(root, &folder) {
        return Ok(());
    }
    let why = format!("{}, where private keys are kept, would be sent", folder.display());
    Err(Trouble::new(2, format!("error: {why}: serve another folder, or leave out `--tls`")))
}

fn sign(local: &Local, hosts: &[Box<str>], now: i64) -> Result<String, String> {
    local.sign(hosts, now).map_err(|error| error.to_string())
}
