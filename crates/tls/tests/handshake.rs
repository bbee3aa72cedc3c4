//! Hands are shaken with a client of the same library, over no wire at all.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use base::Moment;
use config::{Content, Plan, World};
use control::TicketKeys;
use rustls::{
    AlertDescription, CertificateCompressionAlgorithm, ClientConfig, ClientConnection,
    HandshakeKind, NamedGroup, ProtocolVersion, RootCertStore,
    compress::{CertDecompressor, DecompressionFailed},
    crypto::aws_lc_rs::kx_group::{SECP256R1, X25519, X25519MLKEM768},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use std::{
    fs,
    io::{Read, Write},
    path::Path,
    sync::{Arc, atomic::AtomicU64},
};
use tls::{Connection, Event, Failure, Fault, Outgoing, Pair, Protocol, Sites, Why};

struct Files;

impl World for Files {
    fn read(&self, path: &Path, _: u64) -> Result<Content, String> {
        let name = path.file_name().unwrap();
        Ok(Content { bytes: file(name.to_str().unwrap()), path: path.to_owned() })
    }
}

fn file(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(name)).unwrap()
}

fn load(text: &str) -> Plan {
    let text = format!("[server]\nlisten = \"443\"\n{text}");
    config::load("t.toml", text, &Files).unwrap()
}

fn plan(text: &str) -> &'static Plan {
    Box::leak(Box::new(load(text)))
}

/// A site of that name with these further words about its TLS.
fn site(name: &str, words: &str) -> String {
    let files = "cert = [\"ecdsa.pem\", \"rsa.pem\"]\nkey = [\"ecdsa.key\", \"rsa.key\"]";
    format!("[site.\"{name}\"]\nroot = \"/srv\"\n[site.\"{name}\".tls]\n{files}\n{words}\n")
}

fn keys() -> TicketKeys {
    let words: Vec<_> = (0..TicketKeys::WORDS).map(|_| AtomicU64::new(0)).collect();
    let keys = TicketKeys::new(words.leak());
    keys.rotate(&[7; 32], Moment(0));
    keys
}

fn sites(text: &str) -> &'static Sites {
    Sites::new(plan(text), keys())
}

/// Somebody with a certificate of the authority in `ca.pem`.
fn certified() -> Arc<ClientConfig> {
    let certificate = CertificateDer::from_pem_slice(&file("client.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(&file("client.key")).unwrap();
    let builder = ClientConfig::builder().with_root_certificates(roots());
    Arc::new(builder.with_client_auth_cert(vec![certificate], key).unwrap())
}

fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for name in ["ecdsa.pem", "rsa.pem"] {
        roots.add(CertificateDer::from_pem_slice(&file(name)).unwrap()).unwrap();
    }
    roots
}

fn client() -> ClientConfig {
    ClientConfig::builder().with_root_certificates(roots()).with_no_client_auth()
}

/// Both ends of a connection, and what has been said on the way.
struct Talk {
    client: ClientConnection,
    server: Connection,
    sites: &'static Sites,
    listener: usize,
    sealed: Vec<u8>,
    output: Outgoing,
    heard: Vec<u8>,
    got: Vec<u8>,
    events: Vec<Event>,
}

impl Talk {
    fn begin(client: &Arc<ClientConfig>, name: &str, sites: &'static Sites) -> Self {
        let name = name.to_owned().try_into().unwrap();
        Self {
            client: ClientConnection::new(Arc::clone(client), name).unwrap(),
            server: Connection::default(),
            sites,
            listener: 0,
            sealed: Vec::new(),
            output: Outgoing::default(),
            heard: Vec::new(),
            got: Vec::new(),
            events: Vec::new(),
        }
    }

    /// Carries bytes to and fro, so many at a time, until nobody has more to say; what the client
    /// has against it, if anything.
    fn talk(&mut self, step: usize) -> Result<(), rustls::Error> {
        loop {
            let mut said = Vec::new();
            self.client.write_tls(&mut said).unwrap();
            for part in said.chunks(step) {
                self.sealed.extend_from_slice(part);
                let mut plain = vec![0; self.sealed.len()];
                let (sites, output) = ((self.sites, self.listener), &mut self.output);
                let received = self.server.receive(&mut self.sealed, &mut plain, output, sites);
                self.sealed.drain(..received.used);
                self.heard.extend_from_slice(&plain[..received.plain]);
                self.events.extend((received.event != Event::None).then_some(received.event));
            }
            let mut answer = self.output.unsent();
            let is_silent = said.is_empty() && answer.is_empty();
            while !answer.is_empty() {
                let mut part = &answer[..answer.len().min(step)];
                let count = self.client.read_tls(&mut part).unwrap();
                answer = &answer[count..];
                self.client.process_new_packets()?;
                // Where there is nothing, that is no end.
                let _ = self.client.reader().read_to_end(&mut self.got);
            }
            self.output.lay_out(&[]);
            if is_silent {
                return Ok(());
            }
        }
    }

    /// Sends content to the client and returns what it has got.
    fn send(&mut self, mut content: &[u8]) -> Vec<u8> {
        while !content.is_empty() {
            let count = self.server.seal(&mut self.sealed, content, &mut self.output).unwrap();
            content = &content[count..];
            self.talk(usize::MAX).unwrap();
        }
        std::mem::take(&mut self.got)
    }
}

#[test]
fn a_client_chooses_among_the_protocols_of_its_address() {
    let both = "[{ address = \"443\" }, { address = \"8443\", tls = true, http2 = false }]";
    let text = format!("[server]\nlisten = {both}\n{}", site("a.example", ""));
    let plan = Box::leak(Box::new(config::load("t.toml", text, &Files).unwrap()));
    let sites = Sites::new(plan, keys());
    // Each address stands for every one of the machine, by either version of IP.
    for (listener, offered, expect) in [
        (0, &["h2", "http/1.1"][..], Some(Protocol::Http2)),
        (0, &["http/1.1", "h2"], Some(Protocol::Http2)),
        (0, &["http/1.1"], Some(Protocol::Http1)),
        (0, &[], Some(Protocol::Http1)),
        (0, &["smtp"], None),
        (2, &["h2", "http/1.1"], Some(Protocol::Http1)),
        (2, &["h2"], None),
    ] {
        let mut config = client();
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let mut talk = Talk::begin(&Arc::new(config), "a.example", sites);
        talk.listener = listener;
        let _ = talk.talk(usize::MAX);
        assert_eq!(talk.server.protocol(), expect, "{offered:?} at {listener}");
    }
}

#[test]
fn keys_are_exchanged_so_that_no_quantum_computer_finds_them_where_the_client_wants_that() {
    let sites = sites(&site("a.example", ""));
    for (group, expect) in [
        (X25519MLKEM768, NamedGroup::X25519MLKEM768),
        (X25519, NamedGroup::X25519),
        (SECP256R1, NamedGroup::secp256r1),
    ] {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        // What is first here is what it prefers.
        provider.kx_groups.retain(|one| one.name() != expect);
        provider.kx_groups.insert(0, group);
        let builder = ClientConfig::builder_with_provider(Arc::new(provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let config = builder.with_root_certificates(roots()).with_no_client_auth();
        let mut talk = Talk::begin(&Arc::new(config), "a.example", sites);
        talk.talk(usize::MAX).unwrap();
        let found = talk.client.negotiated_key_exchange_group().unwrap();
        assert_eq!(found.name(), expect);
        // It was not asked for another one first, which would take one more turn.
        assert_eq!(talk.client.handshake_kind(), Some(HandshakeKind::Full));
    }
}

/// RUSTSEC-2024-0336: one that ends before hands are shaken, as anybody on the way could say.
#[test]
fn an_end_while_hands_are_shaken_is_refused_or_not_believed() {
    const END: &[u8] = b"\x15\x03\x03\0\x02\x01\0";
    let sites = sites(&site("a.example", ""));
    let words = "the client has refused it by an alert";
    let refused = Event::Failed(Failure { why: Why::Refused, words });
    for (version, event) in
        [(&rustls::version::TLS13, refused), (&rustls::version::TLS12, Event::None)]
    {
        let builder = ClientConfig::builder_with_protocol_versions(&[version]);
        let config = Arc::new(builder.with_root_certificates(roots()).with_no_client_auth());
        let mut talk = Talk::begin(&config, "a.example", sites);
        talk.client.write_tls(&mut talk.sealed).unwrap();
        talk.sealed.extend_from_slice(END);
        let (mut plain, length) = (vec![0; talk.sealed.len()], talk.sealed.len());
        let Talk { server, sealed, output, .. } = &mut talk;
        let received = server.receive(sealed, &mut plain, output, (sites, 0));
        assert_eq!((received.event, received.used, received.plain), (event, length, 0));
        talk.sealed.clear();
        // It says why it ends, or goes on as if nothing had been said.
        assert_eq!(talk.talk(usize::MAX).is_ok(), event == Event::None);
        assert_eq!(talk.server.is_open(), event == Event::None);
    }
}

#[test]
fn content_goes_both_ways_however_it_is_cut() {
    let (sites, config) = (sites(&site("a.example", "")), Arc::new(client()));
    let content: Vec<u8> = (0..100_000u32).map(|number| number as u8).collect();
    for step in [1, 5, 1000, usize::MAX] {
        let mut talk = Talk::begin(&config, "a.example", sites);
        talk.client.writer().write_all(b"hello").unwrap();
        talk.talk(step).unwrap();
        assert_eq!(talk.heard, b"hello", "in steps of {step}");
        assert!(matches!(talk.events[..], [Event::Opened { .. }]), "{:?}", talk.events);
        assert_eq!((talk.server.name(), talk.server.site()), (Some("a.example"), Some(0)));
        assert!(talk.send(&content) == content);
        talk.server.end(&mut talk.sealed, &mut talk.output);
        talk.talk(step).unwrap();
        assert_eq!(talk.client.reader().read(&mut [0; 9]).unwrap(), 0, "an end in good order");
        talk.client.send_close_notify();
        talk.talk(step).unwrap();
        assert_eq!(talk.events.last(), Some(&Event::PeerEnded));
    }
}

#[test]
fn a_peer_that_has_ended_is_still_answered() {
    let mut talk = Talk::begin(&Arc::new(client()), "a.example", sites(&site("a.example", "")));
    talk.talk(usize::MAX).unwrap();
    talk.client.writer().write_all(b"the last question").unwrap();
    talk.client.send_close_notify();
    talk.talk(usize::MAX).unwrap();
    assert_eq!(talk.heard, b"the last question");
    assert_eq!(talk.events.last(), Some(&Event::PeerEnded));
    assert_eq!(talk.send(b"answer"), b"answer");
}

#[test]
fn who_comes_back_is_known_by_the_ticket_under_the_same_terms_only() {
    let both = format!("{}{}", site("a.example", ""), site("b.a.example", ""));
    let strict = site("a.example", "min-version = \"1.3\"");
    let keys = keys();
    let [first, again, changed] = [&both, &both, &strict].map(|text| Sites::new(plan(text), keys));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let builder = ClientConfig::builder_with_protocol_versions(&[version]);
        let config = Arc::new(builder.with_root_certificates(roots()).with_no_client_auth());
        let kind = |name, sites| -> Result<HandshakeKind, rustls::Error> {
            let mut talk = Talk::begin(&config, name, sites);
            talk.talk(usize::MAX)?;
            let tickets = u32::from(version.version == ProtocolVersion::TLSv1_3);
            assert_eq!(talk.client.tls13_tickets_received(), tickets, "one for each handshake");
            Ok(talk.client.handshake_kind().unwrap())
        };
        assert_eq!(kind("a.example", first), Ok(HandshakeKind::Full));
        assert_eq!(kind("a.example", again), Ok(HandshakeKind::Resumed), "another generation");
        assert_eq!(kind("b.a.example", again), Ok(HandshakeKind::Full), "another site");
        if version.version == ProtocolVersion::TLSv1_3 {
            assert_eq!(kind("a.example", changed), Ok(HandshakeKind::Full), "other terms");
        } else {
            assert!(kind("a.example", changed).is_err(), "a version that is too old");
        }
    }
}

/// What comes before hands are shaken can be sent again by anybody.
#[test]
fn who_comes_back_says_nothing_early() {
    let sites = sites(&site("a.example", ""));
    let mut config = client();
    config.enable_early_data = true;
    let config = Arc::new(config);
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut talk = Talk::begin(&config, "a.example", sites);
        assert!(talk.client.early_data().is_none());
        talk.talk(usize::MAX).unwrap();
        assert_eq!(talk.client.handshake_kind(), Some(kind));
    }
}

#[test]
fn clients_have_to_show_a_certificate_where_one_is_asked_for_and_each_time() {
    let sites = sites(&site("a.example", "client-ca = \"ca.pem\""));
    let mut stranger = Talk::begin(&Arc::new(client()), "a.example", sites);
    assert!(stranger.talk(usize::MAX).is_err());
    let words = "the client has shown no certificate";
    let failure = Failure { why: Why::Uncertified, words };
    assert_eq!(stranger.events.last(), Some(&Event::Failed(failure)));
    let config = certified();
    for _ in 0..2 {
        let mut known = Talk::begin(&config, "a.example", sites);
        known.talk(usize::MAX).unwrap();
        assert_eq!(known.client.handshake_kind(), Some(HandshakeKind::Full));
    }
}

/// Whoever looks for a proof that a name is ours has shown nothing that would let them in anywhere.
#[test]
fn who_looks_for_a_proof_is_asked_nothing_and_answered_nothing() {
    let sites = sites(&site("a.example", "client-ca = \"ca.pem\""));
    sites.prove(&[("www.a.example".to_owned(), [file("ecdsa.pem"), file("ecdsa.key")].concat())]);
    let mut config = client();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    for step in [1, usize::MAX] {
        let mut talk = Talk::begin(&Arc::new(config.clone()), "www.a.example", sites);
        talk.client.writer().write_all(b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
        talk.talk(step).unwrap();
        assert_eq!(talk.client.alpn_protocol(), Some(&b"acme-tls/1"[..]), "it is proved");
        assert_eq!((&talk.heard[..], &talk.events[..]), (&b""[..], &[Event::Proved][..]));
        assert!(!talk.server.is_open() && talk.server.protocol().is_none());
        assert_eq!(talk.client.reader().read(&mut [0; 9]).unwrap(), 0, "an end in good order");
    }
}

#[test]
fn who_shows_no_certificate_is_told_in_words_of_the_version() {
    let sites = sites(&site("a.example", "client-ca = \"ca.pem\""));
    for (version, alert) in [
        (&rustls::version::TLS12, AlertDescription::HandshakeFailure),
        (&rustls::version::TLS13, AlertDescription::CertificateRequired),
    ] {
        let builder = ClientConfig::builder_with_protocol_versions(&[version]);
        let config = builder.with_root_certificates(roots()).with_no_client_auth();
        let mut stranger = Talk::begin(&Arc::new(config), "a.example", sites);
        assert_eq!(stranger.talk(usize::MAX), Err(rustls::Error::AlertReceived(alert)));
    }
}

/// What does not fit is said to be so, and not waited for.
#[test]
fn a_chain_that_is_too_long_is_refused() {
    let sites = sites(&site("a.example", "client-ca = \"ca.pem\""));
    let key = || PrivateKeyDer::from_pem_slice(&file("client.key")).unwrap();
    let certificate = CertificateDer::from_pem_slice(&file("client.pem")).unwrap();
    let words = "a message of its handshake is longer than 32 KiB";
    let refused = Event::Failed(Failure { why: Why::Broken, words });
    for (bytes, expect) in [(10_000, false), (40_000, true)] {
        let chain = vec![certificate.clone(); bytes / certificate.len()];
        let builder = ClientConfig::builder().with_root_certificates(roots());
        let config = Arc::new(builder.with_client_auth_cert(chain, key()).unwrap());
        let mut talk = Talk::begin(&config, "a.example", sites);
        talk.talk(1000).unwrap();
        assert_eq!(talk.events.last() == Some(&refused), expect, "{:?}", talk.events);
    }
}

#[test]
fn who_understands_no_signature_is_told() {
    let ecdsa = "[site.\"a.example\"]\nroot = \"/srv\"\n\
                 tls = { cert = \"ecdsa.pem\", key = \"ecdsa.key\" }\n";
    let sites = sites(ecdsa);
    let mut rsa_only = rustls::crypto::aws_lc_rs::default_provider();
    let algorithms = &mut rsa_only.signature_verification_algorithms;
    let is_rsa = |scheme| scheme == rustls::SignatureScheme::RSA_PSS_SHA256;
    let at = algorithms.mapping.iter().position(|(scheme, _)| is_rsa(*scheme)).unwrap();
    algorithms.mapping = &algorithms.mapping[at..=at];
    let rsa_only = Arc::new(rsa_only);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&rsa_only));
        let builder = builder.with_protocol_versions(&[version]).unwrap();
        let config = builder.with_root_certificates(roots()).with_no_client_auth();
        let mut talk = Talk::begin(&Arc::new(config), "a.example", sites);
        let error = talk.talk(usize::MAX).unwrap_err();
        assert_eq!(error.to_string(), "received fatal alert: HandshakeFailure");
    }
}

#[test]
fn renewed_authorities_decide_from_the_next_handshake_on() {
    let text = [
        site("a.example", "client-ca = \"ca.pem\""),
        site("b.a.example", "client-ca = \"ecdsa.pem\""),
        site("c.a.example", "client-ca = \"ca.pem\""),
        site("d.a.example", ""),
    ]
    .concat();
    let sites = sites(&text);
    let config = certified();
    let let_in = || {
        ["a.example", "b.a.example", "c.a.example", "d.a.example"]
            .map(|name| Talk::begin(&config, name, sites).talk(usize::MAX).is_ok())
    };
    assert_eq!(let_in(), [true, false, true, true]);
    let mut next = load(&text);
    let [ca, ecdsa] = ["ca.pem", "ecdsa.pem"].map(|name| {
        let named = |one: &config::plan::Authorities| one.file.ends_with(name);
        next.authorities.iter().position(named).unwrap()
    });
    next.authorities[ca].pem = file("ecdsa.pem").into();
    sites.renew(&next);
    assert_eq!(let_in(), [false, false, false, true]);
    next.authorities[ecdsa].pem = file("ca.pem").into();
    sites.renew(&next);
    assert_eq!(let_in(), [false, true, false, true]);
    sites.renew(&load(&text));
    assert_eq!(let_in(), [true, false, true, true]);
    // What was said once of whoever is in goes on to hold for other sites of the same file only.
    assert!(sites.covers(0, 2, "a.example") && !sites.covers(0, 1, "a.example"));
}

#[test]
fn who_asks_for_nobody_or_speaks_no_tls_is_told() {
    let sites = sites(&site("a.example", ""));
    let mut talk = Talk::begin(&Arc::new(client()), "other.example", sites);
    let error = talk.talk(usize::MAX).unwrap_err();
    assert_eq!(error.to_string(), "received fatal alert: UnrecognisedName");
    for (bytes, event) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], Event::Foreign),
        (
            b"\x16\x03\x01\0\x04\x02\0\0\0",
            Event::Failed(Failure { why: Why::Broken, words: "its first message is malformed" }),
        ),
    ] {
        let (mut server, mut output) = (Connection::default(), Outgoing::default());
        let mut plain = [0; 99];
        let received = server.receive(&mut bytes.to_vec(), &mut plain, &mut output, (sites, 0));
        assert_eq!(received.event, event);
    }
}

#[test]
fn what_follows_a_fault_is_not_looked_at() {
    let sites = sites(&site("a.example", ""));
    let mut talk = Talk::begin(&Arc::new(client()), "a.example", sites);
    talk.talk(usize::MAX).unwrap();
    // A record that does not open, and behind it what is none.
    let mut bytes = [b"\x17\x03\x03\0\x20", &[7; 32][..], b"GET / HTTP/1.1\r\n\r\n"].concat();
    let mut plain = vec![0; bytes.len()];
    let received = talk.server.receive(&mut bytes, &mut plain, &mut talk.output, (sites, 0));
    let words = "a record does not open: it was changed on its way";
    let failure = Failure { why: Why::Broken, words };
    assert_eq!(received.event, Event::Failed(failure));
    assert_eq!(talk.output.unsent().len(), 24, "an alert and nothing else");
    assert!(talk.server.seal(&mut [], b"x", &mut talk.output).is_err());
    let received = talk.server.receive(&mut bytes, &mut plain, &mut talk.output, (sites, 0));
    assert_eq!((received.used, received.plain), (bytes.len(), 0));
}

/// A way to compress certificates that nobody may take.
#[derive(Debug)]
struct Bomb;

impl CertDecompressor for Bomb {
    fn decompress(&self, _: &[u8], _: &mut [u8]) -> Result<(), DecompressionFailed> {
        panic!("the certificate is compressed");
    }

    fn algorithm(&self) -> CertificateCompressionAlgorithm {
        CertificateCompressionAlgorithm::Zlib
    }
}

#[test]
fn certificates_are_never_compressed() {
    let mut config = client();
    config.cert_decompressors = vec![&Bomb];
    let mut talk = Talk::begin(&Arc::new(config), "a.example", sites(&site("a.example", "")));
    talk.talk(usize::MAX).unwrap();
    assert_eq!(talk.client.handshake_kind(), Some(HandshakeKind::Full));
}

#[test]
fn protocols_that_nobody_speaks_are_refused() {
    let mut config = client();
    config.alpn_protocols = vec![b"smtp".to_vec()];
    let mut talk = Talk::begin(&Arc::new(config), "a.example", sites(&site("a.example", "")));
    let error = talk.talk(usize::MAX).unwrap_err();
    assert_eq!(error.to_string(), "received fatal alert: NoApplicationProtocol");
}

#[test]
fn a_renewed_certificate_is_shown_from_the_next_handshake_on() {
    let text = site("a.example", "");
    let sites = sites(&text);
    let shown = || {
        let mut talk = Talk::begin(&Arc::new(client()), "a.example", sites);
        talk.talk(usize::MAX).unwrap();
        talk.client.peer_certificates().unwrap()[0].as_ref().to_vec()
    };
    let [ecdsa, rsa] = ["ecdsa.pem", "rsa.pem"]
        .map(|name| CertificateDer::from_pem_slice(&file(name)).unwrap().as_ref().to_vec());
    assert_eq!(shown(), ecdsa);
    let renew = |chain: &str, key: &str| {
        let mut next = load(&text);
        next.certificates[0].pem = config::plan::Pem { chain: file(chain), key: file(key) };
        sites.renew(&next);
    };
    renew("rsa.pem", "ecdsa.key");
    assert_eq!(shown(), ecdsa, "the last good one stays");
    renew("rsa.pem", "rsa.key");
    assert_eq!(shown(), rsa);
    renew("ecdsa.pem", "ecdsa.key");
    assert_eq!(shown(), ecdsa, "back to the first one");
}

#[test]
fn what_is_wrong_with_files_is_said() {
    let load = |chain: &str, key: &str| Pair::load(&file(chain), &file(key)).map(drop);
    assert_eq!(load("ecdsa.pem", "ecdsa.key"), Ok(()));
    assert_eq!(load("rsa.pem", "rsa.key"), Ok(()));
    assert_eq!(load("ecdsa.pem", "client.key"), Err(Fault::Mismatch));
    for (chain, key, words) in [
        ("ecdsa.key", "ecdsa.key", "there is no certificate in it"),
        ("ecdsa.pem", "ecdsa.pem", "there is no private key in it"),
        ("ecdsa.pem", "sealed.key", "its key is encrypted"),
        ("weak.pem", "weak.key", "too weak (RSA needs 2048 bits)"),
    ] {
        let fault = load(chain, key).unwrap_err();
        assert!(fault.to_string().contains(words), "{fault}");
    }
    let (chain, key) = (file("ecdsa.pem"), file("ecdsa.key"));
    for end in [0, 30, 200, chain.len() - 30] {
        assert!(matches!(Pair::load(&chain[..end], &key), Err(Fault::Certificate(_))), "{end}");
    }
    for end in [0, 30, 100] {
        assert!(matches!(Pair::load(&chain, &key[..end]), Err(Fault::Key(_))), "{end}");
    }
    assert!(tls::authorities(&file("ca.pem")).is_ok() && tls::authorities(b"").is_err());
}

#[test]
fn a_certificate_says_for_whom_and_until_when_it_is() {
    let pair = Pair::load(&file("ecdsa.pem"), &file("ecdsa.key")).unwrap();
    for (host, expect) in [
        ("a.example", true),
        ("A.example.", true),
        ("www.a.example", true),
        ("x.www.a.example", false),
        ("b.example", false),
        ("127.0.0.1", true),
        ("[::1]", false),
        ("", false),
    ] {
        assert_eq!(pair.covers(host), expect, "{host}");
    }
    let now = 1_900_000_000;
    let facts = pair.facts().unwrap();
    assert_eq!(facts.warning(now, 86_400), None);
    assert!(facts.holds(now) && !facts.holds(0) && !facts.holds(i64::MAX / 2));
    assert!(facts.warning(0, 86_400).unwrap().starts_with("holds only from "));
    assert!(facts.warning(i64::MAX / 2, 86_400).unwrap().starts_with("has expired on 2126-"));
    assert!(facts.warning(now, i64::MAX).unwrap().starts_with("expires on 2126-"));
}
