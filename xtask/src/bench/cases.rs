//! The cases: what is asked of whom, and what gannet may cost at most.

use super::load::Pace;
use super::peers::{FILE_CACHE_MIB, Peer};
use super::secure::{self, Hands};
use super::streams;

/// A question, with a table as its answer.
pub(super) struct Case {
    /// The word for the command line. Cases of one name are run together.
    pub(super) name: &'static str,
    /// One line for the heading.
    pub(super) what: &'static str,
    pub(super) kind: Kind,
}

/// How the answer is found.
pub(super) enum Kind {
    /// CPU time per request under a load, gannet beside its peers.
    Load(Load),
    /// Memory of connections that wait for their next request.
    Idle(Idle),
    /// Time from exec to the first answer, and memory after it.
    Start(Start),
    /// What becomes of clients while processes are replaced.
    Life(Life),
    /// The part of their rate that others keep, at least, beside so many who read slowly.
    Readers(usize, f64),
    /// What many certificates cost.
    Certificates(Certificates),
    /// What certificates cost that come by themselves.
    Issuing(super::issuing::Issuing),
    /// What it costs that one looks at a server with so many connections that wait, as a multiple
    /// of what the same costs while nobody does, at most.
    Watched { connections: usize, ratio_max: f64 },
    /// Instructions per request of the HTTP/1.1 engine alone, at most.
    Engine { instructions_max: u64 },
    /// Instructions to find a route, among the sites of a small host and of a large one; and how
    /// many times as many the large one may take.
    Route { instructions_max: u64, ratio_max: f64 },
}

/// What is done to the processes of a server, or asked of them.
#[derive(Clone, Copy)]
pub(super) enum Life {
    /// Reloads and upgrades under full load by these clients.
    Reloads(Clients),
    /// A worker is killed again and again, under full load.
    Kills,
    /// Workers become fewer and more, under full load.
    Shrink,
    /// Reloads of many sites, at half load.
    LargeReload,
    /// Memory of the process that watches the others.
    Memory,
}

/// How clients ask while something is done to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clients {
    /// Over HTTP/1.1, without TLS.
    Plain,
    /// The same over TLS.
    Secure,
    /// Over HTTP/2, many requests at once, without TLS.
    Streams,
    /// The same over TLS.
    SecureStreams,
}

impl Clients {
    /// Whether they speak TLS.
    pub(super) fn are_secure(self) -> bool {
        matches!(self, Self::Secure | Self::SecureStreams)
    }
}

/// A load, and who has to bear it beside gannet.
pub(super) struct Load {
    /// gannet, in the way to run it that the case is about.
    pub(super) gannet: Peer,
    pub(super) site: Site,
    pub(super) variant: Variant,
    pub(super) pace: Pace,
    pub(super) access_log: bool,
    pub(super) compression: Compression,
    /// What the 99th of a hundred answers may take at most, as a multiple of what it takes with the
    /// first of the peers.
    pub(super) tail_max: Option<f64>,
    /// Memory of gannet after the load, in MiB at most.
    pub(super) memory_mib_max: Option<f64>,
    /// The peers with what gannet may cost at most, as a multiple of what the peer costs; a peer
    /// without a target is shown for information.
    pub(super) peers: &'static [(Peer, Option<f64>)],
}

/// What is special about the requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Variant {
    /// One after the other on kept connections.
    Plain,
    /// So many at once on kept connections.
    Pipelined(usize),
    /// Conditional on the entity tag that the server gave, so that the answer is 304.
    Conditional,
    /// A new connection for each.
    Close,
    /// Charged to a limit that is never reached.
    Limited,
    /// By one of a hundred routes, which adds five fields.
    Routed,
    /// With a user and the right password.
    Password,
    /// For what a program has said before, which is kept for a moment.
    Cached,
    /// Over TLS.
    Secure(Hands),
    /// Over HTTP/2, so many at once on each of so many kept connections.
    Streams { connections: usize, each: usize },
    /// The same over TLS.
    SecureStreams { connections: usize, each: usize },
}

impl Variant {
    /// Whether TLS is spoken.
    pub(super) fn is_secure(self) -> bool {
        matches!(self, Self::Secure(_) | Self::SecureStreams { .. })
    }
}

/// Whether answers are compressed on the fly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// Nobody does it, whatever the client takes.
    Off,
    /// The client takes none, since a server in one process would do it.
    Declined,
    /// In one of these codings, and what has been compressed is kept.
    Kept(&'static str),
    /// In one of these codings, and hardly anything is kept: each request is a first one.
    First(&'static str),
}

impl Compression {
    /// Whether answers are compressed.
    pub(super) fn is_done(self) -> bool {
        matches!(self, Self::Kept(_) | Self::First(_))
    }

    /// The codings that the client takes.
    pub(super) fn accepted(self) -> &'static str {
        match self {
            Self::Off => BROWSER_CODINGS,
            Self::Declined => "identity",
            Self::Kept(codings) | Self::First(codings) => codings,
        }
    }
}

/// What a current browser takes.
pub(super) const BROWSER_CODINGS: &str = "gzip, deflate, br, zstd";

/// The files that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Site {
    /// One file, always the same.
    Single { bytes: usize },
    /// 100 virtual hosts with ten files of 0.9 KB each, drawn at random.
    Hosts,
    /// 200,000 files of 4 KB, drawn at random.
    Heap,
    /// So many pages of 100 KB, each of its own words, asked for one after the other.
    Articles(usize),
    /// The small file, by so many virtual hosts with a certificate each.
    Certified(usize),
    /// A program that writes so much, run by the same php-fpm for everybody.
    Program { bytes: usize },
    /// WordPress as it is when it has been set up, run in the same way.
    Wordpress,
    /// Its front page as a file.
    FrontPage,
}

impl Site {
    /// Whether programs answer.
    pub(super) fn is_of_programs(self) -> bool {
        matches!(self, Self::Program { .. } | Self::Wordpress)
    }
}

/// Connections that do nothing, after one request each.
pub(super) struct Idle {
    pub(super) site: Site,
    pub(super) variant: Variant,
    pub(super) connections: usize,
    pub(super) bytes_each_max: Option<f64>,
    /// The peers with what gannet may take with all of them, at most, as a multiple of what the
    /// peer takes.
    pub(super) peers: &'static [(Peer, Option<f64>)],
}

/// The limits of a start.
pub(super) struct Start {
    pub(super) memory_mib_max: f64,
    pub(super) milliseconds_max: f64,
}

/// So many sites with a certificate each, beside a server with one.
pub(super) struct Certificates {
    pub(super) count: usize,
    /// Until the first answer.
    pub(super) milliseconds_max: f64,
    /// What a handshake may cost, as a multiple of one with the only site of a server.
    pub(super) ratio_max: f64,
}

/// The small file: 0.9 KB.
pub(super) const SMALL: usize = 921;

/// A load on one file, kept connections, no log; cases differ from it in what they name.
pub(super) const PLAIN: Load = Load {
    gannet: Peer::Gannet,
    site: Site::Single { bytes: SMALL },
    variant: Variant::Plain,
    pace: Pace::USUAL,
    access_log: false,
    compression: Compression::Off,
    tail_max: None,
    memory_mib_max: None,
    peers: &[],
};

/// Connections that have asked for the small file; cases differ from it in what they name.
pub(super) const IDLE: Idle = Idle {
    site: Site::Single { bytes: SMALL },
    variant: Variant::Plain,
    connections: 9_000,
    bytes_each_max: Some(1_300.0),
    peers: &[(Peer::Nginx, Some(1.0)), (Peer::Lighttpd, None), (Peer::H2o, None)],
};

/// All cases, in the order in which they are run.
pub(super) fn all() -> impl Iterator<Item = &'static Case> {
    let secure = secure::CASES.iter().chain(super::issuing::CASES);
    let (lives, watched) = (super::life::CASES, super::watched::CASES);
    let plain = CASES.iter().chain(lives).chain(streams::CASES);
    let programs = super::php::CASES.iter().chain(super::wordpress::CASES);
    plain.chain(secure).chain(programs).chain(watched)
}

/// Those over HTTP/1.1 without TLS.
const CASES: &[Case] = &[
    Case {
        name: "small",
        what: "a file of 0.9 KB, 64 kept connections",
        kind: Kind::Load(Load {
            peers: &[
                (Peer::Nginx, Some(0.65)),
                (Peer::NginxStock, None),
                (Peer::Lighttpd, Some(0.90)),
                (Peer::H2o, Some(0.90)),
                (Peer::Floor, Some(1.20)),
            ],
            ..PLAIN
        }),
    },
    Case {
        name: "medium",
        what: "a file of 16 KB, 64 kept connections",
        kind: Kind::Load(Load {
            site: Site::Single { bytes: 16 * 1024 },
            peers: &[
                (Peer::Nginx, Some(0.75)),
                (Peer::Lighttpd, Some(0.95)),
                (Peer::H2o, None),
                (Peer::Floor, None),
            ],
            ..PLAIN
        }),
    },
    Case {
        name: "large",
        what: "a file of 100 KB, 64 kept connections",
        kind: Kind::Load(Load { site: Site::Single { bytes: 100 * 1024 }, peers: LARGE, ..PLAIN }),
    },
    Case {
        name: "large",
        what: "a file of 1 MB, 64 kept connections",
        kind: Kind::Load(Load { site: Site::Single { bytes: 1024 * 1024 }, peers: LARGE, ..PLAIN }),
    },
    Case {
        name: "pipelined",
        what: "a file of 0.9 KB, 16 requests at once on each of 64 kept connections",
        kind: Kind::Load(Load {
            variant: Variant::Pipelined(16),
            peers: &[
                (Peer::Nginx, Some(0.3)),
                (Peer::Lighttpd, None),
                (Peer::H2o, None),
                (Peer::Floor, Some(2.5)),
            ],
            ..PLAIN
        }),
    },
    Case {
        name: "not-modified",
        what: "304 by If-None-Match, 64 kept connections",
        kind: Kind::Load(Load {
            variant: Variant::Conditional,
            peers: &[
                (Peer::Nginx, Some(0.7)),
                (Peer::Lighttpd, None),
                (Peer::H2o, None),
                (Peer::Floor, None),
            ],
            ..PLAIN
        }),
    },
    Case {
        name: "many-files",
        what: "1,000 files of 0.9 KB on 100 virtual hosts at random, 64 kept connections",
        kind: Kind::Load(Load {
            site: Site::Hosts,
            peers: &[
                (Peer::Nginx, Some(0.75)),
                (Peer::Lighttpd, Some(0.95)),
                (Peer::H2o, None),
                (Peer::Floor, None),
            ],
            ..PLAIN
        }),
    },
    Case {
        name: "connect",
        what: "a file of 0.9 KB, a new connection for each request, 64 at a time",
        kind: Kind::Load(Load {
            variant: Variant::Close,
            // The floor is none here: the peers have the kernel defer a connection until its first
            // bytes are there (TCP_DEFER_ACCEPT), which spares them a wakeup and a quarter of all.
            peers: &[(Peer::Nginx, Some(1.0)), (Peer::Lighttpd, Some(1.0)), (Peer::H2o, Some(1.0))],
            ..PLAIN
        }),
    },
    Case {
        name: "log",
        what: "a file of 0.9 KB with a JSON access log in batches of 64 KiB or a second",
        kind: Kind::Load(Load {
            access_log: true,
            peers: &[(Peer::GannetQuiet, Some(1.08)), (Peer::Nginx, Some(0.7))],
            ..PLAIN
        }),
    },
    Case {
        name: "fields",
        what: "a file of 0.9 KB by one of 100 routes, with five fields added",
        kind: Kind::Load(Load {
            variant: Variant::Routed,
            peers: &[(Peer::GannetOpen, Some(1.10)), (Peer::Nginx, None)],
            ..PLAIN
        }),
    },
    Case {
        name: "limit",
        what: "a file of 0.9 KB, each request charged to a limit far above the load",
        kind: Kind::Load(Load {
            variant: Variant::Limited,
            peers: &[(Peer::GannetOpen, Some(1.08)), (Peer::Nginx, None)],
            ..PLAIN
        }),
    },
    Case {
        name: "password",
        what: "a file of 0.9 KB behind a password that was right before (nginx hashes it each time)",
        kind: Kind::Load(Load {
            variant: Variant::Password,
            peers: &[(Peer::GannetOpen, Some(1.10)), (Peer::Nginx, None)],
            ..PLAIN
        }),
    },
    Case {
        name: "idle",
        what: "9,000 kept connections that wait after one request each",
        kind: Kind::Idle(IDLE),
    },
    Case {
        name: "start",
        what: "time from exec to the first answer, and memory after it",
        kind: Kind::Start(Start { memory_mib_max: 8.0, milliseconds_max: 15.0 }),
    },
    Case {
        name: "random",
        what: "200,000 files of 4 KB at random, 64 kept connections",
        kind: Kind::Load(Load {
            site: Site::Heap,
            // The file cache that is configured for gannet, and what it may have at start.
            memory_mib_max: Some(FILE_CACHE_MIB as f64 + 8.0),
            // lighttpd keeps each file open for a second or more: it runs out of descriptors here.
            // nginx without its cache of open files is the better one here, and shown for that.
            peers: &[
                (Peer::Nginx, Some(1.0)),
                (Peer::NginxStock, None),
                (Peer::H2o, None),
                (Peer::Floor, None),
            ],
            ..PLAIN
        }),
    },
    Case {
        name: "compress-first",
        what: "1,000 pages of 100 KB in turn, each compressed by gzip for its request",
        kind: Kind::Load(Load {
            site: Site::Articles(1000),
            compression: Compression::First("gzip"),
            peers: &[(Peer::Nginx, Some(1.05))],
            ..PLAIN
        }),
    },
    Case {
        name: "compress-first",
        what: "the same for a browser's codings, of which gannet takes zstd and nginx gzip",
        kind: Kind::Load(Load {
            site: Site::Articles(1000),
            compression: Compression::First(BROWSER_CODINGS),
            peers: &[(Peer::Nginx, Some(1.05))],
            ..PLAIN
        }),
    },
    Case {
        name: "compress-second",
        what: "a page of 100 KB by gzip, which gannet has kept and nginx compresses anew",
        kind: Kind::Load(Load {
            site: Site::Articles(1),
            compression: Compression::Kept("gzip"),
            peers: &[(Peer::Nginx, Some(0.15))],
            ..PLAIN
        }),
    },
    Case {
        name: "worker",
        what: "a file of 0.9 KB, by a worker under its supervisor and by one process",
        kind: Kind::Load(Load {
            gannet: Peer::GannetWorker,
            compression: Compression::Declined,
            peers: &[(Peer::GannetQuick, Some(1.02))],
            ..PLAIN
        }),
    },
    Case {
        name: "sandbox",
        what: "a file of 16 KB, by a worker in its sandbox and by one process without any",
        kind: Kind::Load(Load {
            gannet: Peer::GannetWorker,
            site: Site::Single { bytes: 16 * 1024 },
            compression: Compression::Declined,
            peers: &[(Peer::GannetQuick, Some(1.04))],
            ..PLAIN
        }),
    },
    Case {
        name: "sandbox",
        what: "the same on 200,000 files of 4 KB at random, of which nearly each is opened for its \
               request: Landlock looks at every folder above it",
        kind: Kind::Load(Load {
            gannet: Peer::GannetWorker,
            site: Site::Heap,
            compression: Compression::Declined,
            peers: &[(Peer::GannetQuick, None)],
            ..PLAIN
        }),
    },
    Case {
        name: "engine",
        what: "instructions per request of the HTTP/1.1 engine, a browser's head and 0.9 KB",
        kind: Kind::Engine { instructions_max: 6_800 },
    },
    Case {
        name: "route",
        what: "instructions to find the route of a request, with 1 and with 10,000 sites",
        kind: Kind::Route { instructions_max: 1_180, ratio_max: 1.05 },
    },
];

/// "The better of nginx and lighttpd" is both of them.
const LARGE: &[(Peer, Option<f64>)] = &[
    (Peer::Nginx, Some(1.0)),
    (Peer::Lighttpd, Some(1.0)),
    (Peer::H2o, None),
    (Peer::Floor, None),
];
