//! What it costs to be looked at: a server with `admin` beside one without, while nobody looks; and
//! the same server while nobody looks, and while somebody does.
//!
//! Without `admin` gannet reads no clock for an answer, keeps no life of a connection and starts no
//! process that shows it; what it counts of sites and routes it counts all the same, which only
//! `gannet PATH` does without. All of a server is measured, the process that shows it and the one
//! that watches among it.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle, sleep};
use std::time::Duration;

use super::Outcome;
use super::cases::{Case, Compression, Kind, Load, PLAIN, Site, Variant};
use super::content::Content;
use super::load::{self, weigh};
use super::measure::{least, median, median_ratio};
use super::peers::{Peer, Stage};
use super::server::Server;
use super::table::{Table, verdict};

/// Where a server is looked at, at its port.
pub(super) const ADMIN_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);

/// The cases. The server without `admin` is there twice, so that what its two rows differ by says
/// how much of a ratio is noise.
pub(super) const CASES: &[Case] = &[
    Case {
        name: "watched",
        what: "with `admin` and nobody who looks, beside one without: 0.9 KB, 64 kept connections",
        kind: Kind::Load(Load { peers: KEPT, ..SHOWN }),
    },
    Case {
        name: "watched",
        what: "the same with 304 by If-None-Match",
        kind: Kind::Load(Load { variant: Variant::Conditional, peers: KEPT, ..SHOWN }),
    },
    Case {
        name: "watched",
        what: "the same with 16 requests of 0.9 KB at once on each connection",
        kind: Kind::Load(Load { variant: Variant::Pipelined(16), peers: KEPT, ..SHOWN }),
    },
    Case {
        name: "watched",
        what: "the same with a file of 100 KB",
        kind: Kind::Load(Load { site: Site::Single { bytes: 100 * 1024 }, peers: KEPT, ..SHOWN }),
    },
    Case {
        name: "watched",
        what: "the same with a new connection for each request of 0.9 KB",
        kind: Kind::Load(Load { variant: Variant::Close, peers: CLOSED, ..SHOWN }),
    },
    Case {
        name: "watched",
        what: "0.9 KB, 64 kept connections beside 9,000 that wait, while one looks, and not",
        kind: Kind::Watched { connections: 9_000, ratio_max: 1.03 },
    },
];

const SHOWN: Load = Load { gannet: Peer::GannetShown, compression: Compression::Declined, ..PLAIN };

const KEPT: &[(Peer, Option<f64>)] =
    &[(Peer::GannetWorker, Some(1.01)), (Peer::GannetWorker, None), (Peer::GannetQuick, None)];

const CLOSED: &[(Peer, Option<f64>)] =
    &[(Peer::GannetWorker, Some(1.05)), (Peer::GannetWorker, None), (Peer::GannetQuick, None)];

/// What the page asks for in the view of connections while none is opened.
const LISTED: &str = "/sockets?client=&limit=&state=&site=&answers=&max=100&stories=";
/// Slices of load in each row of each round: who looks is told once a second, and a single slice
/// would have that once or twice.
const SLICES: usize = 5;
/// After the last look gannet puts down each answer for five seconds more.
const REST: Duration = Duration::from_secs(7);

/// What somebody looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Nothing,
    /// The figures, each second.
    Figures,
    /// With every other of them the connections, as the page does in that view where there are
    /// many.
    Connections,
}

/// Measures one server with so many connections that wait, by who looks at it.
pub(super) fn run(
    (connections, ratio_max): (usize, f64),
    content: &Content,
    rounds: usize,
) -> Outcome<Table> {
    let stage = Stage { compression: Compression::Declined, ..Stage::plain(content) };
    let request = load::plain_request(stage.site)?;
    let mut server = Server::start(Peer::GannetShown, &stage, &request)?;
    let script = load::script(&SHOWN, None, content, "watched")?;
    let mut crowd = load::crowd(connections, server.address, &request)?;
    let looks = [Look::Nothing, Look::Figures, Look::Connections];
    let mut spent: [Vec<f64>; 3] = Default::default();
    // The first round warms everybody.
    for round in 0..=rounds {
        // Else they would have waited for longer than they may by the end.
        for stream in &mut crowd {
            load::exchange(stream, &request)?;
        }
        for (look, spent) in looks.into_iter().zip(&mut spent) {
            let viewer = Viewer::start(look, server.address)?;
            let each = microseconds(&mut server, &script, round)?;
            viewer.map_or(Ok(()), Viewer::end)?;
            if round > 0 {
                spent.push(each);
            }
        }
        sleep(REST);
    }
    let open = load::count_open(&crowd)?;
    if open < connections {
        return Err(format!("{} connections were closed", connections - open).into());
    }
    let mut table = Table::new(&["who looks", "µs/request", "least", "of nobody", "at most", ""]);
    for (look, each) in looks.into_iter().zip(&spent) {
        let name = match look {
            Look::Nothing => "nobody",
            Look::Figures => "one, at the figures",
            Look::Connections => "one, at the connections",
        };
        let mut cells =
            vec![name.to_owned(), format!("{:.2}", median(each)), format!("{:.2}", least(each))];
        if look != Look::Nothing {
            let ratio = median_ratio(each, &spent[0]);
            let limit = format!("{ratio_max:.2}");
            cells.extend([format!("{ratio:.3}"), limit, verdict(ratio, ratio_max)]);
        }
        table.row(cells);
    }
    Ok(table)
}

/// Processor time of all of the server's processes for each request of some slices, with all that
/// they do meanwhile.
fn microseconds(server: &mut Server, script: &std::path::Path, round: usize) -> Outcome<f64> {
    let url = format!("http://{}", server.address);
    let (before, mut requests) = (server.cpu_time(), 0.0);
    for _ in 0..SLICES {
        let slice = load::slice(script, &url, SHOWN.pace, round);
        requests +=
            slice.map_err(|error| server.complain(&format!("failed under {error}")))?.requests;
    }
    let spent = server.cpu_time().saturating_sub(before);
    Ok(spent.as_secs_f64() * 1e6 / requests)
}

/// Somebody who looks until this value is done with.
struct Viewer {
    events: TcpStream,
    /// Tells of each second that was seen, and ends with the thread.
    seen: Receiver<()>,
    thread: JoinHandle<Result<(), String>>,
}

impl Viewer {
    /// One who has seen the first second, if there is to be one.
    fn start(look: Look, server: SocketAddr) -> Outcome<Option<Self>> {
        if look == Look::Nothing {
            return Ok(None);
        }
        let admin = SocketAddr::new(ADMIN_ADDRESS.into(), server.port());
        let mut events = TcpStream::connect(admin)?;
        events.write_all(ask("/events", "keep-alive").as_bytes())?;
        let (tell, seen) = mpsc::channel();
        let lines = BufReader::new(events.try_clone()?);
        let thread = thread::spawn(move || {
            follow(lines, look, admin, &tell).map_err(|error| error.to_string())
        });
        let viewer = Self { events, seen, thread };
        if viewer.seen.recv().is_err() {
            viewer.end()?;
            return Err("nothing is to be seen".into());
        }
        Ok(Some(viewer))
    }

    /// Looks away. An error is one of those that were met.
    fn end(self) -> Outcome<()> {
        // It may be over already.
        let _ = self.events.shutdown(Shutdown::Both);
        self.thread.join().map_err(|_| "a viewer has panicked")?.map_err(Into::into)
    }
}

/// Reads what happens each second, and looks closer where that is wanted, until there is no more.
fn follow(
    lines: BufReader<TcpStream>,
    look: Look,
    admin: SocketAddr,
    tell: &Sender<()>,
) -> Outcome<()> {
    let lines = lines.lines().map_while(Result::ok);
    for (at, _) in lines.filter(|line| line.starts_with("data: ")).enumerate() {
        if look == Look::Connections && at % 2 == 0 {
            weigh(&mut TcpStream::connect(admin)?, &ask(LISTED, "close"))?;
        }
        // Nobody listens any more once the first second was seen and the last one is over.
        let _ = tell.send(());
    }
    Ok(())
}

fn ask(path: &str, connection: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {ADMIN_ADDRESS}\r\nConnection: {connection}\r\n\r\n")
}
