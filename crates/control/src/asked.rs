//! What a server has others run, and what it asks them at the moment, as it tells those who ask.

use crate::{status::list, trail::calls::Call};
use base::pack::{Packer, Unpacker};
use std::path::PathBuf;

/// What a server has others run, and what it asks them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Each php-fpm.
    pub pools: Vec<Pool>,
    /// What they are asked, and others that the server has not started.
    pub calls: Vec<Call>,
}

/// A php-fpm that a server has started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// Its site.
    pub site: String,
    /// Where it says how it is.
    pub path: PathBuf,
    /// Workers that it has at most.
    pub workers: u64,
    /// Requests that wait for one of them.
    pub waiting: u64,
}

impl Asked {
    pub(crate) fn pack(&self, out: &mut Packer) {
        list(out, &self.pools, |out, Pool { site, path, workers, waiting }| {
            out.bytes(site.as_bytes());
            out.bytes(path.as_os_str().as_encoded_bytes());
            [workers, waiting].iter().for_each(|count| out.number(**count));
        });
        list(out, &self.calls, |out, Call { since_ms, id, method, host, target, script }| {
            out.number(*since_ms);
            [id, method, host, target, script].iter().for_each(|part| out.bytes(part.as_bytes()));
        });
    }

    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        let pools = from.list(|from| {
            let (site, path) = (from.text()?, from.path()?);
            Some(Pool { site, path, workers: from.number()?, waiting: from.number()? })
        })?;
        let calls = from.list(|from| {
            let (since_ms, id, method) = (from.number()?, from.text()?, from.text()?);
            let (host, target, script) = (from.text()?, from.text()?, from.text()?);
            Some(Call { since_ms, id, method, host, target, script })
        })?;
        Some(Self { pools, calls })
    }
}
