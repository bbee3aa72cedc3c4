//! Certificates and authorities whose files have changed: read anew, and put in the place of those
//! before where they are sound.

use crate::machine;
use config::{
    Bundle,
    plan::{Authorities, Certificate, Pem},
};
use tls::Pair;

/// Bytes of a file at most.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// How long before its end a certificate is spoken of.
const WARNING_SECONDS: i64 = 14 * 24 * 60 * 60;

/// What a look at the files has found.
pub(crate) struct Renewal {
    /// The config with the new certificates, where there are any.
    pub(crate) bundle: Option<Bundle>,
    /// Those that are used from now on.
    pub(crate) renewed: Vec<String>,
    /// What is wrong with some.
    pub(crate) troubles: Vec<String>,
}

/// Looks at all files of certificates and authorities that `bundle` names, at that time in seconds
/// since 1970.
pub(crate) fn look(mut bundle: Bundle, now: i64) -> Renewal {
    // What was checked once is sound.
    let plan = bundle.resolve();
    let (certificates, authorities) =
        plan.map(|plan| (plan.certificates, plan.authorities)).unwrap_or_default();
    let (mut renewed, mut troubles) = (Vec::new(), Vec::new());
    for Authorities { file, pem, place } in authorities {
        let name = format!("{} ({place})", file.display());
        let found = read(&file).and_then(|found| match tls::authorities(&found) {
            Ok(()) => Ok(found),
            Err(fault) => Err(fault.to_string()),
        });
        match found {
            Err(why) => troubles.push(useless(&name, &why)),
            Ok(found) if *found != *pem => {
                bundle.renew(&file, found);
                renewed.push(name);
            }
            Ok(_) => {}
        }
    }
    for certificate in certificates {
        let Certificate { chain, key, pem, place } = certificate;
        let name = format!("{} ({place})", chain.display());
        let found = read(&chain).and_then(|chain| Ok(Pem { chain, key: read(&key)? }));
        let found = found.and_then(|found| match Pair::load(&found.chain, &found.key) {
            Ok(pair) => Ok((found, pair)),
            Err(fault) => Err(fault.to_string()),
        });
        match found {
            Err(why) => troubles.push(useless(&name, &why)),
            Ok((found, pair)) => {
                // A new one that does not hold is no reason to part with one that does.
                let is_refused = found != pem && !pair.holds(now) && holds(&pem, now);
                let rest = if is_refused { ": the one before goes on" } else { "" };
                let warning = pair.warning(now, WARNING_SECONDS);
                troubles.extend(warning.map(|warning| format!("{name} {warning}{rest}")));
                if found != pem && !is_refused {
                    bundle.renew(&chain, found.chain);
                    bundle.renew(&key, found.key);
                    renewed.push(name);
                }
            }
        }
    }
    let bundle = (!renewed.is_empty()).then_some(bundle);
    Renewal { bundle, renewed, troubles }
}

fn useless(name: &str, why: &str) -> String {
    format!("{name} cannot be used: {why}: the one before goes on")
}

fn holds(pem: &Pem, now: i64) -> bool {
    Pair::load(&pem.chain, &pem.key).is_ok_and(|pair| pair.holds(now))
}

fn read(path: &std::path::Path) -> Result<Vec<u8>, String> {
    machine::read(path, FILE_BYTES_MAX).map(|content| content.bytes)
}
