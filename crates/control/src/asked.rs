//! What a server has others run, and what it asks them at the moment, as it tells those who ask.

use crate::{status::list, trail::calls::Call};
use base::pack::{Packer, Unpacker};
use std::path::PathBuf;

/// What a server has others run, and what it asks them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Each php-fpm by its site, and where it says how it is.
    pub pools: Vec<(String, PathBuf)>,
    /// What they are asked, and others that the server has not started.
    pub calls: Vec<Call>,
}

impl Asked {
    pub(crate) fn pack(&self, out: &mut Packer) {
        list(out, &self.pools, |out, (site, path)| {
            out.bytes(site.as_bytes());
            out.bytes(path.as_os_str().as_encoded_bytes());
        });
        list(out, &self.calls, |out, Call { since_ms, id, method, target, script }| {
            out.number(*since_ms);
            [id, method, target, script].iter().for_each(|part| out.bytes(part.as_bytes()));
        });
    }

    pub(crate) fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        let pools = from.list(|from| Some((from.text()?, from.path()?)))?;
        let calls = from.list(|from| {
            let (since_ms, id, method) = (from.number()?, from.text()?, from.text()?);
            Some(Call { since_ms, id, method, target: from.text()?, script: from.text()? })
        })?;
        Some(Self { pools, calls })
    }
}
