//! Visitors who speak TLS: they shake hands as often as they can, or ask once and then wait.
//!
//! - `visitors full|resumed ADDRESS PEM SECONDS NAMES FIRST` comes by new connections, 64 at a
//!   time, for that long, and prints how often, as wrk does. With tickets or without; of so many
//!   hosts of `visitors make` in turn, from that one on, or of `localhost` where they are none.
//! - `visitors ask ADDRESS PEM` asks by kept and by new connections, says `open` once all do, and
//!   goes on until its input ends; then it prints how many answers there were, and how often nobody
//!   was there, a connection was cut off, or something else was said.
//! - `visitors ask-at-once ADDRESS [PEM]` does so over HTTP/2, eight requests at once on each
//!   connection, with TLS where there is a certificate to trust.
//! - `visitors idle ADDRESS PEM COUNT` opens so many connections, asks once on each, says `open`
//!   and waits until its input ends; then it prints how many the server has not closed.
//! - `visitors make PEM KEY COUNT FOLDER` makes certificates for so many hosts out of one.
//!
//! They trust the certificate in PEM, and exchange keys by X25519, which every server understands:
//! what is compared is the same work.

mod streams;

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, Stream};

/// What the parts of this program give; every error is a sentence.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Visitors that come at a time.
const VISITORS: usize = 64;
/// A server that lets one of them wait longer has failed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Visitors that ask while something happens to a server.
const ASKING: usize = 8;
/// How long one waits who was refused, so as not to count the same thousands of times.
const REFUSED_REST: Duration = Duration::from_millis(10);
/// A crowd comes from so many addresses, 127.0.2.1 and so on.
const CROWD_ADDRESSES: usize = 50;

const USAGE: &str = "visitors full|resumed ADDRESS PEM SECONDS NAMES FIRST\n\
                     visitors ask ADDRESS PEM\n\
                     visitors ask-at-once ADDRESS [PEM]\n\
                     visitors idle ADDRESS PEM COUNT\n\
                     visitors make PEM KEY COUNT FOLDER";

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        [kind @ ("full" | "resumed"), address, pem, seconds, names, first] => {
            let work = Work {
                address: address.parse()?,
                pem,
                resumes: kind == "resumed",
                time: Duration::from_secs(seconds.parse()?),
                names: names.parse()?,
                next: AtomicUsize::new(first.parse()?),
            };
            work.run()
        }
        ["ask", address, pem] => {
            let address = address.parse()?;
            ask(|number, is_over| ask_until(is_over, address, pem, number % 2 == 0))
        }
        ["ask-at-once", address, ref pem @ ..] if pem.len() < 2 => {
            let address = address.parse()?;
            ask(|_, is_over| streams::ask_until(is_over, address, pem.first().copied()))
        }
        ["idle", address, pem, count] => idle(address.parse()?, pem, count.parse()?),
        ["make", pem, key, count, folder] => {
            let [pem, key, folder] = [pem, key, folder].map(Path::new);
            e2e::secure::make_many(pem, key, count.parse()?, folder);
            Ok(())
        }
        _ => Err(USAGE.into()),
    }
}

/// Somebody who trusts the certificate in `pem`, with a place of its own for tickets.
fn visitor(pem: &str, resumes: bool) -> Outcome<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pem)?)?;
    let provider = CryptoProvider {
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    };
    let builder = ClientConfig::builder_with_provider(provider.into());
    let builder = builder.with_safe_default_protocol_versions()?;
    let mut visitor = builder.with_root_certificates(roots).with_no_client_auth();
    visitor.resumption = match resumes {
        true => Resumption::in_memory_sessions(1),
        false => Resumption::disabled(),
    };
    Ok(Arc::new(visitor))
}

/// What is done again and again.
struct Work<'w> {
    address: SocketAddr,
    pem: &'w str,
    resumes: bool,
    time: Duration,
    names: usize,
    next: AtomicUsize,
}

impl Work<'_> {
    fn run(&self) -> Outcome<()> {
        let start = Instant::now();
        let until = start + self.time;
        let (mut all, mut resumed) = (0, 0);
        thread::scope(|scope| {
            let visitors: Vec<_> =
                (0..VISITORS).map(|_| scope.spawn(|| self.come_until(until))).collect();
            for visitor in visitors {
                let (times, known) = visitor.join().map_err(|_| "a visitor has panicked")??;
                all += times;
                resumed += known;
            }
            Outcome::Ok(())
        })?;
        // The first handshake of each visitor is a whole one.
        let (least, most) = if self.resumes { (all - all.min(VISITORS), all) } else { (0, 0) };
        if !(least..=most).contains(&resumed) {
            return Err(format!("{resumed} of {all} handshakes were resumed").into());
        }
        let seconds = start.elapsed().as_secs_f64();
        Ok(writeln!(io::stdout(), "  {all} requests in {seconds:.2}s, over TLS")?)
    }

    /// How often one visitor has come until then, and how often it was known.
    fn come_until(&self, until: Instant) -> Outcome<(usize, usize)> {
        let visitor = visitor(self.pem, self.resumes)?;
        let (mut times, mut known) = (0, 0);
        while Instant::now() < until {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let host = match self.names {
                0 => "localhost".to_owned(),
                names => e2e::secure::host(number % names),
            };
            known += usize::from(self.come(&visitor, &host)?);
            times += 1;
        }
        Ok((times, known))
    }

    /// Comes once, and asks for the page; whether a ticket was taken.
    fn come(&self, visitor: &Arc<ClientConfig>, host: &str) -> Outcome<bool> {
        let mut connection = Connection::new(TcpStream::connect(self.address)?, visitor, host)?;
        connection.ask(host, "close")?.good()?;
        Ok(connection.tls.handshake_kind() == Some(HandshakeKind::Resumed))
    }
}

/// A connection of a visitor.
struct Connection {
    tls: ClientConnection,
    socket: TcpStream,
}

impl Connection {
    fn new(socket: TcpStream, visitor: &Arc<ClientConfig>, host: &str) -> Outcome<Self> {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let tls = ClientConnection::new(Arc::clone(visitor), host.to_owned().try_into()?)?;
        Ok(Self { tls, socket })
    }

    /// Asks for the page and reads the whole answer.
    fn ask(&mut self, host: &str, connection: &str) -> Outcome<Answer> {
        let mut stream = Stream::new(&mut self.tls, &mut self.socket);
        let head = format!("GET /page.html HTTP/1.1\r\nHost: {host}\r\nConnection: {connection}");
        stream.write_all(format!("{head}\r\n\r\n").as_bytes())?;
        let (mut answer, mut room) = (Vec::new(), [0; 4096]);
        loop {
            if let Some(answer) = Answer::read(&answer)? {
                return Ok(answer);
            }
            match stream.read(&mut room)? {
                0 => return Err("the connection ended before an answer".into()),
                count => answer.extend_from_slice(&room[..count]),
            }
        }
    }
}

/// What was answered.
struct Answer {
    head: String,
}

impl Answer {
    /// The answer in these bytes, once head and content are there.
    fn read(bytes: &[u8]) -> Outcome<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = str::from_utf8(&bytes[..end])?.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.ok_or("an answer without a length")?.parse()?;
        Ok((bytes.len() >= end + 4 + length).then_some(Self { head }))
    }

    fn is_good(&self) -> bool {
        self.head.starts_with("http/1.1 200 ")
    }

    fn good(self) -> Outcome<()> {
        if self.is_good() { Ok(()) } else { Err(format!("an odd answer: {}", self.head).into()) }
    }

    /// Whether the server closes the connection behind it.
    fn closes(&self) -> bool {
        self.head.lines().any(|line| line == "connection: close")
    }
}

/// What one has met with: answers, nobody, a cut connection, something odd.
type Met = [usize; 4];

/// Has each of those who ask, by their numbers, do so until the input ends.
fn ask(each: impl Fn(usize, &AtomicBool) -> Outcome<Met> + Sync) -> Outcome<()> {
    let (is_over, begun) = (AtomicBool::new(false), Barrier::new(ASKING + 1));
    let counts = thread::scope(|scope| {
        let asking: Vec<_> = (0..ASKING)
            .map(|number| {
                let (each, is_over, begun) = (&each, &is_over, &begun);
                scope.spawn(move || {
                    begun.wait();
                    each(number, is_over)
                })
            })
            .collect();
        begun.wait();
        writeln!(io::stdout(), "open")?;
        // Where this fails there is nobody to wait for.
        let _ = io::stdin().read_to_end(&mut Vec::new());
        is_over.store(true, Ordering::Relaxed);
        let mut counts = [0; 4];
        for one in asking {
            let met = one.join().map_err(|_| "a visitor has panicked")??;
            counts.iter_mut().zip(met).for_each(|(sum, one)| *sum += one);
        }
        Outcome::Ok(counts)
    })?;
    let [answers, refused, cut, odd] = counts;
    Ok(writeln!(io::stdout(), "{answers} {refused} {cut} {odd}")?)
}

/// Asks by HTTP/1.1, on one connection or on many.
fn ask_until(
    is_over: &AtomicBool,
    address: SocketAddr,
    pem: &str,
    is_keeping: bool,
) -> Outcome<Met> {
    let visitor = visitor(pem, true)?;
    let (mut counts, mut kept) = ([0; 4], None);
    while !is_over.load(Ordering::Relaxed) {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => match TcpStream::connect(address) {
                Ok(socket) => Connection::new(socket, &visitor, "localhost")?,
                Err(_) => {
                    counts[1] += 1;
                    thread::sleep(REFUSED_REST);
                    continue;
                }
            },
        };
        let wish = if is_keeping { "keep-alive" } else { "close" };
        match connection.ask("localhost", wish) {
            Ok(answer) if answer.is_good() => {
                counts[0] += 1;
                kept = (is_keeping && !answer.closes()).then_some(connection);
            }
            Ok(_) => counts[3] += 1,
            Err(_) => counts[2] += 1,
        }
    }
    Ok(counts)
}

/// Opens connections, and waits.
fn idle(address: SocketAddr, pem: &str, count: usize) -> Outcome<()> {
    let visitor = visitor(pem, false)?;
    let mut crowd = Vec::with_capacity(count);
    for number in 0..count {
        let last = 1 + u8::try_from(number % CROWD_ADDRESSES)?;
        let own = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        bind(&own, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 2, last), 0))?;
        connect(&own, &address)?;
        let mut connection = Connection::new(TcpStream::from(own), &visitor, "localhost")?;
        connection.ask("localhost", "keep-alive")?.good()?;
        crowd.push(connection);
    }
    writeln!(io::stdout(), "open")?;
    io::stdin().read_to_end(&mut Vec::new())?;
    let mut open = 0;
    for connection in &crowd {
        connection.socket.set_nonblocking(true)?;
        let peeked = connection.socket.peek(&mut [0]);
        open += usize::from(peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock));
    }
    Ok(writeln!(io::stdout(), "{open}")?)
}
