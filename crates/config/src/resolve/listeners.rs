//! The addresses to listen on, each once, whoever named it.

use crate::{
    plan::{Address, Listen},
    source::Span,
};
use foldhash::HashMap;
use std::{net::SocketAddr, path::PathBuf};

/// All addresses so far, whoever named them.
#[derive(Default)]
pub(crate) struct Listeners {
    pub(crate) all: Vec<Listen>,
    /// Where each was typed; `None` for the default ones.
    pub(crate) spans: Vec<Option<Span>>,
    numbers: HashMap<Name, usize>,
    /// How many of them are the server's.
    pub(crate) of_server: usize,
}

/// What makes two addresses the same one.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Name {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Listeners {
    /// The number of an address, and whether it was named before; port 0 is another each time.
    pub(crate) fn add(&mut self, listen: Listen, span: Option<Span>) -> (usize, bool) {
        let next = self.all.len();
        let name = match &listen.address {
            Address::Tcp(address) if address.port() == 0 => None,
            Address::Tcp(address) => Some(Name::Tcp(*address)),
            Address::Unix { path, .. } => Some(Name::Unix(path.clone())),
        };
        let number = name.map_or(next, |name| *self.numbers.entry(name).or_insert(next));
        if number == next {
            self.all.push(listen);
            self.spans.push(span);
        }
        (number, number < next)
    }
}
