//! A client that speaks TLS, and certificates for tests.

use crate::{
    PATIENCE, Response,
    response::{Bytes, Checked, Fault, fault},
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
    crypto::aws_lc_rs::sign::any_ecdsa_type,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::Signer,
};
use std::{
    fs,
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

/// A folder of certificates.
pub struct Certificates(tempfile::TempDir);

/// What a client brings along: whom it trusts, its tickets, perhaps a certificate.
#[derive(Clone)]
pub struct Visitor(Arc<ClientConfig>);

/// One connection.
pub struct SecureClient {
    tls: ClientConnection,
    stream: TcpStream,
    host: String,
    unread: Vec<u8>,
}

impl Certificates {
    /// An empty folder.
    #[expect(clippy::new_without_default, reason = "it makes a folder; that is no default value")]
    pub fn new() -> Self {
        Self(crate::folder())
    }

    /// Where a file of that name lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Makes NAME.pem and NAME.key for these hosts, which trust nobody but themselves.
    pub fn make(&self, name: &str, kind: &str, hosts: &[&str]) {
        self.make_for(90, name, kind, hosts);
    }

    /// The same for so many days.
    pub fn make_for(&self, days: u32, name: &str, kind: &str, hosts: &[&str]) {
        let days = days.to_string();
        let hosts: Vec<_> = hosts.iter().map(|host| format!("DNS:{host}")).collect();
        let hosts = format!("subjectAltName={}", hosts.join(","));
        let empty = self.path("openssl.cnf");
        fs::write(&empty, "[req]\ndistinguished_name=d\n[d]\n").unwrap();
        let kind = match kind {
            "rsa" => ["rsa:2048", "-batch", "-batch"],
            _ => ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
        };
        let mut command = Command::new("openssl");
        command
            .args(["req", "-x509", "-nodes", "-days", &days, "-subj"])
            .arg(format!("/CN={name}"));
        command.arg("-newkey").args(kind).arg("-config").arg(empty);
        command.args(["-addext", &hosts, "-addext", "basicConstraints=critical,CA:FALSE"]);
        command.arg("-keyout").arg(self.path(&format!("{name}.key")));
        run(command.arg("-out").arg(self.path(&format!("{name}.pem"))));
    }

    /// The same with P-256, holding from one time to another, each as `date` takes it: "2 days".
    pub fn make_between(&self, times: [&str; 2], name: &str, hosts: &[&str]) {
        /// A tag and a length, which a time has in front.
        const TIME: [u8; 2] = [0x17, 13];
        self.make(name, "ec", hosts);
        let [pem, key] = ["pem", "key"].map(|kind| self.path(&format!("{name}.{kind}")));
        let first = certificate(&pem);
        let (signed, algorithm) = split(content(&first).0);
        let mut signed = signed.to_vec();
        let is_time = |part: &[u8]| part.starts_with(&TIME) && part.ends_with(b"Z");
        let places = signed.windows(15).enumerate().filter(|(_, part)| is_time(part));
        let places: Vec<_> = places.map(|(at, _)| at + TIME.len()).collect();
        assert_eq!(places.len(), 2, "the time that it holds");
        for (at, time) in places.into_iter().zip(times) {
            let mut date = Command::new("date");
            date.args(["-u", "-d", time, "+%y%m%d%H%M%SZ"]);
            let date = date.output().unwrap().stdout;
            signed[at..at + 13].copy_from_slice(&date[..13]);
        }
        sign(&signed, split(algorithm).0, &*signer(&fs::read(key).unwrap()), &pem);
    }

    /// Puts the pair NAME where the files of the pair TO are, the key first, each in one step.
    pub fn replace(&self, name: &str, to: &str) {
        for kind in ["key", "pem"] {
            self.replace_file(&format!("{name}.{kind}"), &format!("{to}.{kind}"));
        }
    }

    /// Puts a copy of one file in the place of another.
    pub fn replace_file(&self, name: &str, to: &str) {
        let copy = self.path("copy");
        fs::copy(self.path(name), &copy).unwrap();
        fs::rename(copy, self.path(to)).unwrap();
    }

    /// `cert` and `key` of that pair, as a config says it.
    pub fn words(&self, name: &str) -> String {
        let path = |kind| self.path(&format!("{name}.{kind}"));
        format!("cert = {:?}, key = {:?}", path("pem"), path("key"))
    }

    /// Somebody who trusts the certificates of these names.
    pub fn visitor(&self, trusted: &[&str]) -> Visitor {
        self.visitor_by(trusted, None, rustls::ALL_VERSIONS)
    }

    /// The same, with a certificate of that name, by these versions.
    pub fn visitor_by(
        &self,
        trusted: &[&str],
        own: Option<&str>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> Visitor {
        let mut roots = RootCertStore::empty();
        for name in trusted {
            roots.add(certificate(&self.path(&format!("{name}.pem")))).unwrap();
        }
        let builder = ClientConfig::builder_with_protocol_versions(versions);
        let builder = builder.with_root_certificates(roots);
        Visitor(Arc::new(match own {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let chain = vec![certificate(&self.path(&format!("{name}.pem")))];
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key"))).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        }))
    }
}

/// The host of that number among those of [`make_many`].
pub fn host(number: usize) -> String {
    format!("site{number:05}.example")
}

/// Makes HOST.pem and HOST.key in `folder` for so many hosts, out of a certificate that is for the
/// first of them, with P-256. They have its key and its subject, and so each trusts all.
pub fn make_many(pem: &Path, key: &Path, count: usize, folder: &Path) {
    let first = certificate(pem);
    let (signed, algorithm) = split(content(&first).0);
    let (algorithm, _) = split(algorithm);
    let key_text = fs::read(key).unwrap();
    let signer = signer(&key_text);
    let at = signed.windows(host(0).len()).position(|part| part == host(0).as_bytes());
    let at = at.expect("the certificate is for the first host");
    for number in 0..count {
        let host = host(number);
        let mut signed = signed.to_vec();
        signed[at..at + host.len()].copy_from_slice(host.as_bytes());
        sign(&signed, algorithm, &*signer, &folder.join(format!("{host}.pem")));
        fs::write(folder.join(format!("{host}.key")), &key_text).unwrap();
    }
}

/// Whoever signs by a key of P-256.
fn signer(key: &[u8]) -> Box<dyn Signer> {
    let key = any_ecdsa_type(&PrivateKeyDer::from_pem_slice(key).unwrap()).unwrap();
    key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]).unwrap()
}

/// Writes a certificate to `pem`: what is signed, by which algorithm, and by whom.
fn sign(signed: &[u8], algorithm: &[u8], signer: &dyn Signer, pem: &Path) {
    let signature = [&[0], &*signer.sign(signed).unwrap()].concat();
    let parts = [signed, algorithm, &element(BIT_STRING, &signature)].concat();
    let text = BASE64.encode(element(SEQUENCE, &parts));
    let text = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
    fs::write(pem, text).unwrap();
}

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;

/// An element of DER.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head: &[u8] = match content.len() {
        0..0x80 => &[tag, low],
        0x80..0x100 => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    [head, content].concat()
}

/// The content of the first element of DER, and the bytes of its head.
fn content(der: &[u8]) -> (&[u8], usize) {
    let (head, length) = match der[1] {
        length @ ..=0x7f => (2, usize::from(length)),
        0x81 => (3, usize::from(der[2])),
        _ => (4, usize::from(u16::from_be_bytes([der[2], der[3]]))),
    };
    (&der[head..head + length], head)
}

/// The first element of DER, and what follows it.
fn split(der: &[u8]) -> (&[u8], &[u8]) {
    let (inside, head) = content(der);
    der.split_at(head + inside.len())
}

/// The first certificate in a file.
pub fn certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).unwrap()
}

/// The number of a certificate, in hexadecimal digits, and its end as it is told to people.
pub fn number_and_end(certificate: &[u8]) -> (String, String) {
    let (signed, _) = split(content(certificate).0);
    let (_version, rest) = split(content(signed).0);
    let (number, rest) = split(rest);
    let (_algorithm, rest) = split(rest);
    let (_issuer, rest) = split(rest);
    let (_from, until) = split(content(rest).0);
    let digits = content(number).0.iter().skip_while(|byte| **byte == 0);
    let until = str::from_utf8(content(until).0).unwrap();
    // Two digits each, of a year of this century first.
    let part = |at: usize| &until[2 * at..2 * at + 2];
    let [year, month, day, hour, minute, second] = [0, 1, 2, 3, 4, 5].map(part);
    (
        digits.map(|byte| format!("{byte:02x}")).collect(),
        format!("20{year}-{month}-{day} {hour}:{minute}:{second} UTC"),
    )
}

/// Runs a command that must succeed.
fn run(command: &mut Command) {
    let output = command.output().expect("openssl can be started (Debian: openssl)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

impl Visitor {
    /// The same visitor, who chooses HTTP/2.
    #[must_use]
    pub fn choosing_http2(&self) -> Self {
        let mut config = (*self.0).clone();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self(Arc::new(config))
    }

    /// Connects, and asks for `host`; hands are shaken with the first request.
    pub fn connect(&self, addr: SocketAddr, host: &str) -> SecureClient {
        let stream = TcpStream::connect(addr).expect("the server accepts");
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let name = host.to_owned().try_into().unwrap();
        let tls = ClientConnection::new(Arc::clone(&self.0), name).unwrap();
        SecureClient { tls, stream, host: host.to_owned(), unread: Vec::new() }
    }

    /// The first message of a connection, as it is on the wire.
    pub fn hello(&self, host: &str) -> Vec<u8> {
        let name = host.to_owned().try_into().unwrap();
        let mut tls = ClientConnection::new(Arc::clone(&self.0), name).unwrap();
        let mut bytes = Vec::new();
        tls.write_tls(&mut bytes).unwrap();
        bytes
    }

    /// The answer to a GET on a connection of its own.
    pub fn get(&self, addr: SocketAddr, host: &str, target: &str) -> Checked<Response> {
        self.connect(addr, host).get(target)
    }
}

impl SecureClient {
    /// Asks for `target` of the host that the connection was made for.
    pub fn get(&mut self, target: &str) -> Checked<Response> {
        let host = self.host.clone();
        self.get_of(&host, target)
    }

    /// Asks for `target` of that host.
    pub fn get_of(&mut self, host: &str, target: &str) -> Checked<Response> {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"))?;
        Response::read(self, false)
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> Checked<()> {
        self.tls.writer().write_all(bytes.as_ref()).unwrap();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.stream).map_err(|e| Fault(format!("cannot send: {e}")))?;
        }
        Ok(())
    }

    /// Sends the first half of a record.
    pub fn send_half(&mut self, bytes: impl AsRef<[u8]>) -> Checked<()> {
        self.tls.writer().write_all(bytes.as_ref()).unwrap();
        let mut record = Vec::new();
        self.tls.write_tls(&mut record).unwrap();
        let half = &record[..record.len() / 2];
        self.stream.write_all(half).map_err(|e| Fault(format!("cannot send: {e}")))
    }

    /// Says, by TLS, that nothing more will be sent.
    pub fn part(&mut self) {
        self.tls.send_close_notify();
        while self.tls.wants_write() && self.tls.write_tls(&mut self.stream).is_ok() {}
    }

    /// Where this end is.
    pub fn port(&self) -> u16 {
        self.stream.local_addr().unwrap().port()
    }

    /// Whether a ticket was taken.
    pub fn is_resumed(&self) -> bool {
        self.tls.handshake_kind() == Some(HandshakeKind::Resumed)
    }

    /// The version that is spoken.
    pub fn version(&self) -> Option<ProtocolVersion> {
        self.tls.protocol_version()
    }

    /// The certificate that the server has shown.
    pub fn shown(&self) -> Vec<u8> {
        self.tls.peer_certificates().unwrap()[0].as_ref().to_vec()
    }

    /// Whether the server ends the connection in good order, with nothing more to say.
    pub fn ends_well(&mut self) -> bool {
        self.unread.is_empty() && matches!(self.read(&mut [0]), Ok(0))
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(room) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            // What a server has said before it went can be read all the same.
            while self.tls.wants_write() && self.tls.write_tls(&mut self.stream).is_ok() {}
            match self.tls.read_tls(&mut self.stream) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read?,
            };
            if let Err(error) = self.tls.process_new_packets() {
                // The server is told why.
                let _ = self.tls.write_tls(&mut self.stream);
                return Err(io::Error::new(ErrorKind::InvalidData, error));
            }
        }
    }

    fn more(&mut self) -> Checked<()> {
        let mut room = [0; 16 * 1024];
        match self.read(&mut room) {
            Ok(0) => fault("the connection has ended"),
            Ok(count) => {
                self.unread.extend_from_slice(&room[..count]);
                Ok(())
            }
            Err(error) => fault(error.to_string()),
        }
    }
}

impl Bytes for SecureClient {
    fn line(&mut self) -> Checked<Vec<u8>> {
        loop {
            if let Some(at) = self.unread.iter().position(|&byte| byte == b'\n') {
                return Ok(self.unread.drain(..=at).collect());
            }
            self.more()?;
        }
    }

    fn exactly(&mut self, count: usize) -> Checked<Vec<u8>> {
        while self.unread.len() < count {
            self.more()?;
        }
        Ok(self.unread.drain(..count).collect())
    }

    fn rest(&mut self) -> Checked<Vec<u8>> {
        fault("no answer over TLS ends with its connection")
    }
}
