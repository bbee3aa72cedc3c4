//! The notes between a supervisor and the process that shows how the server is.
//!
//! ```text
//!   supervisor ── Telling ──► admin      Begin │ IsReady… │ Pool… Lives… Status…
//!              ◄── Asking ───                Ready ◄──┘      Look ──► Status
//! ```

use crate::{
    note::{Note, read, short, write},
    status::Pool,
};
use base::pack::Unpacker;

/// What the supervisor tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Telling {
    /// What to be: the first note. Along with it go the sockets to show it at.
    Begin(Vec<u8>),
    /// Whether the server serves whoever comes.
    IsReady(bool),
    /// What runs PHP, of which there is more to know: along with it goes a connection to ask it by,
    /// if there is one. Behind all of them comes how the server is.
    Pool(Pool),
    /// Along with it goes where workers put down the lives of their connections, to be read only:
    /// of all of them in as many notes as it takes. Behind those comes how the server is.
    Lives,
    /// Along with it goes how the server is, sealed.
    Status,
}

/// What the supervisor is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asking {
    /// Nothing: it can show things, and has given up so much.
    Ready(Vec<String>),
    /// Nothing: it cannot, and ends.
    Failed(String),
    /// How the server is; closely, where each answer is to be seen from now on.
    Look {
        /// Whether it is.
        is_close: bool,
    },
}

impl Note for Telling {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Begin(what) => write(0, |out| out.bytes(what)),
            Self::IsReady(is_ready) => write(1, |out| out.byte(u8::from(*is_ready))),
            Self::Status => write(2, |_| ()),
            Self::Lives => write(4, |_| ()),
            Self::Pool(Pool { site, waiting, waiting_max, deaths, restarts, says: _ }) => {
                write(3, |out| {
                    out.bytes(site.as_bytes());
                    let numbers = [waiting, waiting_max, deaths, restarts];
                    numbers.into_iter().for_each(|number| out.number(*number));
                })
            }
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        read(bytes, |tag, from| match tag {
            0 => Some(Self::Begin(from.bytes()?.to_vec())),
            1 => Some(Self::IsReady(from.flag()?)),
            2 => Some(Self::Status),
            3 => Some(Self::Pool(Pool {
                site: from.text()?,
                waiting: from.number()?,
                waiting_max: from.number()?,
                deaths: from.number()?,
                restarts: from.number()?,
                says: None,
            })),
            4 => Some(Self::Lives),
            _ => None,
        })
    }
}

impl Note for Asking {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Ready(layers) => write(0, |out| {
                out.number(layers.len() as u64);
                layers.iter().for_each(|layer| out.bytes(layer.as_bytes()));
            }),
            Self::Failed(text) => write(1, |out| out.bytes(short(text).as_bytes())),
            Self::Look { is_close } => write(2, |out| out.byte(u8::from(*is_close))),
        }
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        read(bytes, |tag, from| match tag {
            0 => Some(Self::Ready(from.list(Unpacker::text)?)),
            1 => Some(Self::Failed(from.text()?)),
            2 => Some(Self::Look { is_close: from.flag()? }),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::tests::check;

    #[test]
    fn what_is_told_and_asked_comes_back_as_it_was() {
        check(&[Telling::Begin(vec![1, 2]), Telling::IsReady(true)]);
        check(&[Telling::Lives, Telling::Status]);
        let (waiting, waiting_max, deaths, restarts, says) = (3, 4, 5, 6, None);
        let site = "a".to_owned();
        check(&[Telling::Pool(Pool { site, waiting, waiting_max, deaths, restarts, says })]);
        let layers = vec!["landlock: on".to_owned()];
        check(&[Asking::Ready(layers), Asking::Failed("no".to_owned())]);
        check(&[Asking::Look { is_close: true }, Asking::Look { is_close: false }]);
    }
}
