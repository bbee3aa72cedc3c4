//! One connection: what its peer has sealed becomes plain, and what is for its peer is sealed.

use crate::{
    Protocol, RECORD_BYTES_MAX, SEALED_BYTES_MAX, UNREAD_BYTES_MAX,
    failure::{Failure, MALFORMED, NOBODY, TOO_LONG, TOO_OLD, failure},
    hello::{Hello, read_hello},
    outgoing::Outgoing,
    sites::Sites,
    subject,
};
use rustls::{
    HandshakeKind,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, EncryptError, UnbufferedStatus},
};
use std::{fmt, sync::Arc};

/// A server's end of TLS on one connection.
pub struct Connection {
    state: State,
    /// The site that hands are shaken for, and the name that was asked for, in lower case.
    site: Option<usize>,
    name: Option<Box<str>>,
    has_ended: bool,
}

enum State {
    /// Nobody knows yet who is asked for.
    Hello,
    Shaking(Box<UnbufferedServerConnection>),
    Open(Box<UnbufferedServerConnection>),
    /// Nothing more is said.
    Over,
}

/// What came of the bytes of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Sealed bytes that are used up.
    pub used: usize,
    /// Plain bytes that have come of them.
    pub plain: usize,
    /// What has happened.
    pub event: Event,
}

/// What has happened on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Nothing: more bytes may come.
    None,
    /// Hands are shaken: content can be sent. Whether a ticket has spared most of it.
    Opened {
        /// Whether the client was known already.
        is_resumed: bool,
    },
    /// Hands are shaken, which was the proof that an authority has looked for: nothing more is
    /// said.
    Proved,
    /// The peer has said that it will send nothing more.
    PeerEnded,
    /// The first bytes are not TLS. They are not used up.
    Foreign,
    /// It cannot go on, for that reason. An alert says so to the peer.
    Failed(Failure),
}

/// Nothing can be sealed any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over;

/// The type of records with alerts.
const ALERT: u8 = 21;

/// How an alert is that ends the connection.
const FATAL: u8 = 2;

/// Alerts that are sent before the library has anything to say, or in the place of what it says.
const UNRECOGNIZED_NAME: u8 = 112;
const DECODE_ERROR: u8 = 50;
const PROTOCOL_VERSION: u8 = 70;
const HANDSHAKE_FAILURE: u8 = 40;

/// What the library says in clear of a certificate that is missing: only TLS 1.3 knows of that
/// alert, and seals it.
const CERTIFICATE_REQUIRED: [u8; 7] = [ALERT, 3, 3, 0, 2, FATAL, 116];

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("site", &self.site).finish_non_exhaustive()
    }
}

impl Default for Connection {
    fn default() -> Self {
        Self { state: State::Hello, site: None, name: None, has_ended: false }
    }
}

impl Connection {
    /// Whether nobody knows yet whom the client asks for.
    #[must_use]
    pub fn is_beginning(&self) -> bool {
        matches!(self.state, State::Hello)
    }

    /// Whether hands are being shaken.
    #[must_use]
    pub fn is_shaking(&self) -> bool {
        matches!(self.state, State::Shaking(_))
    }

    /// Whether content can be sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// The site that hands are shaken for; none where they are for a proof.
    #[must_use]
    pub fn site(&self) -> Option<usize> {
        self.site
    }

    /// The name that was asked for, in lower case.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The protocol that was chosen, once content can be sent.
    #[must_use]
    pub fn protocol(&self) -> Option<Protocol> {
        let State::Open(tls) = &self.state else { return None };
        let Some(name) = tls.alpn_protocol() else { return Some(Protocol::Http1) };
        Protocol::ALL.into_iter().find(|chosen| chosen.name() == name)
    }

    /// The version and the cipher suite that were chosen, as they are on the wire; 0 before.
    #[must_use]
    pub fn terms(&self) -> (u16, u16) {
        let State::Open(tls) = &self.state else { return (0, 0) };
        let suite = tls.negotiated_cipher_suite().map(|suite| suite.suite());
        (tls.protocol_version().map_or(0, u16::from), suite.map_or(0, u16::from))
    }

    /// Whom the certificate is of that the client has shown and that was verified, once content can
    /// be sent; `None` where none was asked for.
    #[must_use]
    pub fn client(&self) -> Option<String> {
        let State::Open(tls) = &self.state else { return None };
        Some(subject::name(tls.peer_certificates()?.first()?))
    }

    /// Reads on in `sealed`, every unread byte, oldest first. What comes of it goes to the front of
    /// `plain`, which has to be as long as `sealed`; what there is to say to the peer into
    /// `output`. Whole records are used up, so that half a record at most is left.
    pub fn receive(
        &mut self,
        sealed: &mut [u8],
        plain: &mut [u8],
        output: &mut Outgoing,
        (sites, listener): (&'static Sites, usize),
    ) -> Received {
        let nothing = |event| Received { used: 0, plain: 0, event };
        if let State::Hello = self.state {
            let mut wants_proof = false;
            match read_hello(sealed) {
                Hello::Incomplete => return nothing(Event::None),
                Hello::Foreign => return nothing(Event::Foreign),
                Hello::Malformed => return nothing(self.refuse(DECODE_ERROR, MALFORMED, output)),
                Hello::Old => return nothing(self.refuse(PROTOCOL_VERSION, TOO_OLD, output)),
                Hello::Of(name) => self.name = name,
                Hello::Proof(name) => (self.name, wants_proof) = (Some(name), true),
            }
            let made = if wants_proof {
                self.name.as_deref().and_then(|name| sites.proof(name))
            } else {
                sites.find(self.name.as_deref(), listener).map(|(site, terms)| {
                    self.site = Some(site);
                    terms
                })
            };
            let made = made.and_then(|terms| UnbufferedServerConnection::new(terms).ok());
            match made {
                Some(tls) => self.state = State::Shaking(Box::new(tls)),
                None => return nothing(self.refuse(UNRECOGNIZED_NAME, NOBODY, output)),
            }
        }
        let (tls, was_open) = match &mut self.state {
            State::Shaking(tls) => (tls, false),
            State::Open(tls) => (tls, true),
            State::Hello | State::Over => {
                return Received { used: sealed.len(), ..nothing(Event::None) };
            }
        };
        let (mut received, is_open) = pump(tls, sealed, plain, output);
        if received.event == Event::None && sealed.len() - received.used >= UNREAD_BYTES_MAX {
            received.event = Event::Failed(TOO_LONG);
        }
        if let Event::Failed(_) = received.event {
            self.state = State::Over;
            return received;
        }
        if was_open || !is_open {
            return received;
        }
        let is_resumed = tls.handshake_kind() == Some(HandshakeKind::Resumed);
        if let State::Shaking(tls) = std::mem::replace(&mut self.state, State::Over) {
            self.state = State::Open(tls);
        }
        if self.site.is_none() {
            // No site, and so nobody's terms, would stand behind an answer (RFC 8737 section 3).
            self.end(&mut sealed[received.used..], output);
            self.state = State::Over;
            return Received { used: sealed.len(), ..nothing(Event::Proved) };
        }
        match received.event {
            Event::PeerEnded => received,
            _ => Received { event: Event::Opened { is_resumed }, ..received },
        }
    }

    /// Seals as much of `plain` as `output` has room for: how many bytes. `sealed` is what has come
    /// and is not used up: half a record.
    ///
    /// # Errors
    /// The connection is not open, or has sealed as much as its keys are good for.
    pub fn seal(
        &mut self,
        sealed: &mut [u8],
        plain: &[u8],
        output: &mut Outgoing,
    ) -> Result<usize, Over> {
        let plain = &plain[..plain.len().min(output.plain_bytes_max())];
        if plain.is_empty() {
            return Ok(0);
        }
        let records = plain.len().div_ceil(RECORD_BYTES_MAX);
        self.write(sealed, output, records * SEALED_BYTES_MAX, |traffic, room| {
            traffic.encrypt(plain, room)
        })?;
        Ok(plain.len())
    }

    /// Says, once, that nothing more will come, so that the peer knows that it has everything.
    pub fn end(&mut self, sealed: &mut [u8], output: &mut Outgoing) {
        if self.is_open() && !std::mem::replace(&mut self.has_ended, true) {
            // Where it is over already there is nobody to tell.
            let _ = self.write(sealed, output, SEALED_BYTES_MAX, |traffic, room| {
                traffic.queue_close_notify(room)
            });
        }
    }

    fn write(
        &mut self,
        sealed: &mut [u8],
        output: &mut Outgoing,
        room: usize,
        call: impl FnOnce(&mut Traffic<'_>, &mut [u8]) -> Result<usize, EncryptError>,
    ) -> Result<(), Over> {
        let State::Open(tls) = &mut self.state else { return Err(Over) };
        loop {
            match tls.process_tls_records(sealed).state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let count = call(&mut traffic, output.room(room)).map_err(|_| Over)?;
                    output.filled(count);
                    return Ok(());
                }
                Ok(ConnectionState::EncodeTlsData(mut message)) => {
                    encode(&mut message, output).map_err(|()| Over)?;
                }
                Ok(ConnectionState::TransmitTlsData(transmit)) => transmit.done(),
                Ok(ConnectionState::PeerClosed) => {}
                Ok(_) | Err(_) => return Err(Over),
            }
        }
    }

    /// Ends it with an alert, before the library has come to know of it.
    fn refuse(&mut self, alert: u8, failure: Failure, output: &mut Outgoing) -> Event {
        self.state = State::Over;
        output.push(&[ALERT, 3, 3, 0, 2, FATAL, alert]);
        Event::Failed(failure)
    }
}

type Server = rustls::server::ServerConnectionData;
type Traffic<'c> = rustls::unbuffered::WriteTraffic<'c, Server>;

/// Takes in whole records until there is none left; whether the connection is open then.
fn pump(
    tls: &mut UnbufferedServerConnection,
    sealed: &mut [u8],
    plain: &mut [u8],
    output: &mut Outgoing,
) -> (Received, bool) {
    let mut received = Received { used: 0, plain: 0, event: Event::None };
    loop {
        let UnbufferedStatus { mut discard, state } =
            tls.process_tls_records(&mut sealed[received.used..]);
        let is_open = match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(Ok(record)) = traffic.next_record() {
                    let Some(room) = plain[received.plain..].get_mut(..record.payload.len()) else {
                        received.event =
                            Event::Failed(Failure::broken("a record holds more than was sealed"));
                        return (received, true);
                    };
                    room.copy_from_slice(record.payload);
                    received.plain += record.payload.len();
                    discard += record.discard;
                }
                // Content comes once hands are shaken. Where nothing follows it, nothing else has
                // come about.
                (received.used + discard == sealed.len()).then_some(true)
            }
            Ok(ConnectionState::EncodeTlsData(mut message)) => match encode(&mut message, output) {
                Ok(()) => None,
                Err(()) => {
                    received.event =
                        Event::Failed(Failure::broken("a message was to be sent twice"));
                    return (received, false);
                }
            },
            Ok(ConnectionState::TransmitTlsData(transmit)) => {
                transmit.done();
                None
            }
            Ok(ConnectionState::PeerClosed) => {
                received.event = Event::PeerEnded;
                None
            }
            Ok(ConnectionState::Closed) => {
                received.event = Event::PeerEnded;
                Some(true)
            }
            Ok(ConnectionState::WriteTraffic(_)) => Some(true),
            Ok(ConnectionState::BlockedHandshake) => Some(false),
            Ok(_) => {
                received.event =
                    Event::Failed(Failure::broken("it sends content before hands are shaken"));
                return (received, false);
            }
            Err(error) => {
                received.event = Event::Failed(failure(&error));
                received.used = (received.used + discard).min(sealed.len());
                say_last(tls, &mut sealed[received.used..], output);
                return (received, false);
            }
        };
        received.used = (received.used + discard).min(sealed.len());
        if let Some(is_open) = is_open {
            return (received, is_open);
        }
    }
}

/// What a failed connection has to say to its peer: an alert, behind what it has said before. Then
/// it is asked no more, since the library would go on with the next record.
fn say_last(tls: &mut UnbufferedServerConnection, sealed: &mut [u8], output: &mut Outgoing) {
    let mut said = output.unsent().len();
    while let Ok(ConnectionState::EncodeTlsData(mut message)) =
        tls.process_tls_records(sealed).state
    {
        // Where there is no room for it, the peer finds the end without.
        let is_said = encode(&mut message, output).is_ok();
        let record = &output.unsent()[said..];
        let (length, is_last) = (record.len(), !is_said || is_alert(record));
        if record == CERTIFICATE_REQUIRED {
            output.amend(HANDSHAKE_FAILURE);
        }
        if is_last {
            return;
        }
        said += length;
    }
}

/// Whether a record holds an alert: it says so, or is sealed by TLS 1.3 and too short for anything
/// else.
fn is_alert(record: &[u8]) -> bool {
    const SEALED_ALERT_BYTES: usize = 5 + 2 + 1 + 16;
    record.first() == Some(&ALERT) || record.len() == SEALED_ALERT_BYTES
}

fn encode(
    message: &mut rustls::unbuffered::EncodeTlsData<'_, Server>,
    output: &mut Outgoing,
) -> Result<(), ()> {
    let mut wanted = SEALED_BYTES_MAX;
    loop {
        match message.encode(output.room(wanted)) {
            Ok(count) => {
                output.filled(count);
                return Ok(());
            }
            Err(EncodeError::InsufficientSize(size)) if size.required_size > wanted => {
                wanted = size.required_size;
            }
            Err(_) => return Err(()),
        }
    }
}

/// So that what a record may hold is not forgotten where it is sent.
const _: () = assert!(SEALED_BYTES_MAX > RECORD_BYTES_MAX);

/// The terms are shared by all connections of a site.
const _: fn() = || {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Arc<rustls::ServerConfig>>();
};
