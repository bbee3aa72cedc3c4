//! What stands in front of an authority. It passes all on, and does what Pebble does not: it says
//! when to renew, at once where Pebble has revoked a certificate, offers profiles, says that it is
//! asked too often, and notes what it was asked.

use crate::{
    Response,
    authority::{Authority, Books},
    response::{Bytes, Checked, Fault, fault},
    secure::{Certificates, Visitor, certificate},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{PrivateKeyDer, pem::PemObject},
};
use serde_json::{Value, json};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// When certificates are to be renewed of which nothing else is said: in many years, and at once
/// where they are revoked.
const LATER: &str = "2090-01-01T00:00:00Z";
const AT_ONCE: &str = "2020-01-01T00:00:00Z";

/// The front of an authority.
pub struct Front(Arc<Inner>);

struct Inner {
    addr: SocketAddr,
    behind: SocketAddr,
    visitor: Visitor,
    config: Arc<ServerConfig>,
    /// What it was asked: the path, and what the request wants.
    asked: Mutex<Vec<(String, Value)>>,
    /// For how many seconds it wants to be left alone, if it does.
    refuses: Mutex<Option<u64>>,
    /// The same of orders for one host.
    refuses_host: Mutex<Option<(String, u64)>>,
    /// What is known of certificates, and when all are to be renewed, whatever that is.
    books: Books,
    renewal: Mutex<Option<String>>,
    /// How many connections there are, and were at most.
    now: AtomicU64,
    most: AtomicU64,
}

impl Front {
    /// Puts itself in front of `authority`, whose certificate is its own, too.
    pub fn of(authority: &Authority, certificates: &Certificates, address: Ipv4Addr) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let chain = vec![certificate(&certificates.path("pebble.pem"))];
        let key = PrivateKeyDer::from_pem_file(certificates.path("pebble.key")).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
        let inner = Arc::new(Inner {
            addr: listener.local_addr().unwrap(),
            behind: authority.addr(),
            visitor: certificates.visitor(&["pebble"]),
            config: Arc::new(config.unwrap()),
            asked: Mutex::default(),
            refuses: Mutex::default(),
            refuses_host: Mutex::default(),
            books: authority.books.clone(),
            renewal: Mutex::default(),
            now: AtomicU64::new(0),
            most: AtomicU64::new(0),
        });
        let own = Arc::clone(&inner);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let own = Arc::clone(&own);
                thread::spawn(move || {
                    let now = own.now.fetch_add(1, Ordering::SeqCst) + 1;
                    own.most.fetch_max(now, Ordering::SeqCst);
                    // Whoever visits may leave at any time.
                    let _ = own.serve(stream);
                    own.now.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self(inner)
    }

    /// The URL of its directory.
    pub fn url(&self) -> String {
        format!("https://{}/dir", self.0.addr)
    }

    /// What was wanted of it so far by requests whose path begins so.
    pub fn asked(&self, path: &str) -> Vec<Value> {
        let all = self.0.asked.lock().unwrap();
        all.iter().filter(|(own, _)| own.starts_with(path)).map(|(_, want)| want.clone()).collect()
    }

    /// Says 429 to everybody from now on, and to come back in so many seconds; or no longer.
    pub fn refuse(&self, seconds: Option<u64>) {
        *self.0.refuses.lock().unwrap() = seconds;
    }

    /// Says 429 to whoever wants a certificate for that host, and to come back in so many seconds.
    pub fn refuse_host(&self, host: &str, seconds: u64) {
        *self.0.refuses_host.lock().unwrap() = Some((host.to_owned(), seconds));
    }

    /// How often it was asked for a certificate for that host.
    pub fn orders_of(&self, host: &str) -> usize {
        self.asked("/order-plz").iter().filter(|order| is_for(order, host)).count()
    }

    /// Says that certificates are to be renewed at that time, as RFC 3339 writes it.
    pub fn wants_renewal(&self, time: &str) {
        *self.0.renewal.lock().unwrap() = Some(time.to_owned());
    }

    /// How many connections there were at a time at most.
    pub fn connections_most(&self) -> u64 {
        self.0.most.load(Ordering::SeqCst)
    }
}

/// The bytes of a client's, as a reader of messages wants them.
struct Side(StreamOwned<ServerConnection, TcpStream>);

impl Bytes for Side {
    fn line(&mut self) -> Checked<Vec<u8>> {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            line.extend(self.exactly(1)?);
        }
        Ok(line)
    }

    fn exactly(&mut self, count: usize) -> Checked<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).map_err(|error| Fault(error.to_string()))?;
        Ok(bytes)
    }

    fn rest(&mut self) -> Checked<Vec<u8>> {
        fault("a request has an end")
    }
}

impl Inner {
    fn serve(&self, stream: TcpStream) -> Checked<()> {
        let tls = ServerConnection::new(Arc::clone(&self.config)).unwrap();
        let mut client = Side(StreamOwned::new(tls, stream));
        loop {
            let (mut head, mut length) = (Vec::new(), 0);
            loop {
                let line = client.line()?;
                let text = String::from_utf8_lossy(&line).to_ascii_lowercase();
                if let Some(value) = text.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                head.extend_from_slice(&line);
                if line == b"\r\n" {
                    break;
                }
            }
            let body = client.exactly(length)?;
            let answer = self.answer(&head, &body)?;
            client.0.write_all(&answer).map_err(|error| Fault(error.to_string()))?;
        }
    }

    fn answer(&self, head: &[u8], body: &[u8]) -> Checked<Vec<u8>> {
        let text = String::from_utf8_lossy(head);
        let mut words = text.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let wish = payload(body);
        self.asked.lock().unwrap().push((path.to_owned(), wish.clone()));
        if let Some(seconds) = *self.refuses.lock().unwrap() {
            return Ok(refusal(seconds, "too many new orders of late"));
        }
        if let Some((host, seconds)) = &*self.refuses_host.lock().unwrap()
            && is_for(&wish, host)
        {
            return Ok(refusal(*seconds, "too many certificates for this host of late"));
        }
        if path.starts_with("/renewal") {
            let wanted = self.renewal.lock().unwrap().clone();
            let time = wanted.unwrap_or_else(|| self.renewal(path).to_owned());
            let window = json!({ "suggestedWindow": { "start": time, "end": time } });
            return Ok(message(200, "Retry-After: 3600\r\n", window.to_string().as_bytes()));
        }
        let mut behind = self.visitor.connect(self.behind, "localhost");
        behind.send([head, body].concat())?;
        let mut answer = Response::read(&mut behind, method == "HEAD")?;
        if path == "/dir" {
            let mut directory: Value = serde_json::from_slice(&answer.body).unwrap();
            directory["renewalInfo"] = json!(format!("https://{}/renewal", self.addr));
            directory["meta"]["profiles"] = json!({ "shortlived": "six days" });
            answer.body = directory.to_string().into_bytes();
        }
        let told = |name: &str| !matches!(name, "content-length" | "transfer-encoding");
        let fields = answer.fields.iter().filter(|(name, _)| told(name));
        let fields: String = fields.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        Ok(message(answer.status, &fields, &answer.body))
    }

    /// When the certificate is to be renewed that a path names, as RFC 9773 section 4.1 has it.
    fn renewal(&self, path: &str) -> &'static str {
        let number = path.rsplit('.').next().unwrap();
        let number = URL_SAFE_NO_PAD.decode(number).unwrap();
        let digits: String = number.iter().map(|byte| format!("{byte:02x}")).collect();
        if self.books.certificate(&digits)["Status"] == "Revoked" { AT_ONCE } else { LATER }
    }
}

/// Whether an order is for that host.
fn is_for(order: &Value, host: &str) -> bool {
    let mut all = order["identifiers"].as_array().into_iter().flatten();
    all.any(|one| one["value"] == host)
}

fn refusal(seconds: u64, why: &str) -> Vec<u8> {
    let problem = json!({ "type": "urn:ietf:params:acme:error:rateLimited", "detail": why });
    let more = format!("Retry-After: {seconds}\r\n");
    message(429, &more, problem.to_string().as_bytes())
}

fn message(status: u16, fields: &str, body: &[u8]) -> Vec<u8> {
    let length = match status {
        204 => String::new(),
        _ => format!("Content-Length: {}\r\n", body.len()),
    };
    [format!("HTTP/1.1 {status} x\r\n{fields}{length}\r\n").as_bytes(), body].concat()
}

/// What a signed request wants.
fn payload(body: &[u8]) -> Value {
    let signed: Value = serde_json::from_slice(body).unwrap_or_default();
    let payload = URL_SAFE_NO_PAD.decode(signed["payload"].as_str().unwrap_or_default());
    payload.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}
