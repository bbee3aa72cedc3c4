//! What a conversation with an authority does in the world: requests, proofs, and waiting.

use super::{ordering::visits, pauses::Pauses, program};
use crate::visit::{Visits, decoded};
use certs::{DnsKey, Hands, Proof, ProofKind, Reply, Request, Update, is_done, proof, update};
use config::plan::{Authority, DnsServer, Issuing};
use control::{
    finding::{Finding, pack},
    note::Note as _,
};
use net::{channel, clock, random, sealed};
use std::{
    collections::HashMap,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    os::fd::{AsFd, OwnedFd},
    process,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How long a name server is given for an answer, and how often it is asked.
const DNS_TIME: Duration = Duration::from_secs(3);
const DNS_TRIES: u32 = 3;

/// How long all workers are given to show a proof.
const PROOF_TIME: Duration = Duration::from_secs(10);

/// How long the answers of an authority may take in one conversation: whoever else has to be asked
/// waits as long.
const ANSWERS_TIME: Duration = Duration::from_secs(300);

/// What all conversations share.
pub(super) struct Shared {
    end: Arc<OwnedFd>,
    /// The certificates that prove hosts, by the name that is asked for, and the number by which
    /// they were sent.
    proofs: Mutex<(HashMap<String, Vec<u8>>, u64)>,
    /// The highest number of those that have come to all workers.
    proved: Mutex<u64>,
    has_come: Condvar,
    /// Authorities that want to be left alone.
    pub(super) pauses: Pauses,
}

/// The hands of one conversation.
pub(super) struct WorldHands<'h> {
    shared: &'h Shared,
    issuing: &'h Issuing,
    visits: Visits,
    /// How long was waited for the authority's answers.
    waited: Duration,
    /// Whether records of DNS were set.
    has_records: bool,
}

impl Shared {
    pub(super) fn new(end: Arc<OwnedFd>) -> Self {
        // What workers say of the proofs of the process before is not about the ones of this one.
        let first = u64::from(process::id()) << 32;
        let proofs = Mutex::new((HashMap::new(), first));
        let (proved, has_come) = (Mutex::default(), Condvar::new());
        Self { end, proofs, proved, has_come, pauses: Pauses::default() }
    }

    /// Has the servers show a certificate to who asks for `name`, or none any more.
    fn prove(&self, name: &str, pem: Option<String>) -> Result<(), String> {
        let is_there = pem.is_some();
        let number = {
            let mut proofs = self.proofs.lock().unwrap_or_else(PoisonError::into_inner);
            let (all, count) = &mut *proofs;
            match pem {
                Some(pem) => drop(all.insert(name.to_owned(), pem.into_bytes())),
                None => drop(all.remove(name)),
            }
            *count += 1;
            let list: Vec<_> = all.iter().map(|(name, pem)| (name.clone(), pem.clone())).collect();
            let note = Finding::Proofs(*count).encode();
            let sent = sealed::bytes(c"gannet-proofs", &pack(&list))
                .and_then(|memory| channel::send(self.end.as_fd(), &note, &[memory.as_fd()], true));
            sent.map_err(|error| format!("nobody shows it: {error}"))?;
            *count
        };
        if is_there {
            // A worker that hangs need not keep the others from being asked.
            let proved = self.proved.lock().unwrap_or_else(PoisonError::into_inner);
            let is_missing = |proved: &mut u64| *proved < number;
            drop(self.has_come.wait_timeout_while(proved, PROOF_TIME, is_missing));
        }
        Ok(())
    }

    /// All workers show the proofs of that number.
    pub(super) fn proves(&self, number: u64) {
        let mut proved = self.proved.lock().unwrap_or_else(PoisonError::into_inner);
        *proved = number.max(*proved);
        self.has_come.notify_all();
    }
}

impl<'h> WorldHands<'h> {
    pub(super) fn new(
        shared: &'h Shared,
        issuing: &'h Issuing,
        authority: &Authority,
    ) -> Result<Self, String> {
        let (visits, waited, has_records) = (visits(authority)?, Duration::ZERO, false);
        Ok(Self { shared, issuing, visits, waited, has_records })
    }

    /// Sets or removes a record of DNS.
    fn record(&self, proof: &Proof, is_there: bool) -> Result<(), String> {
        let name = format!("_acme-challenge.{}", proof.host);
        if let Some(program) = &self.issuing.dns_program {
            let verb = if is_there { "set" } else { "unset" };
            return program::run(program, [verb, &name, &proof.record], program::TIME);
        }
        match &self.issuing.dns_server {
            Some(server) => tell(server, (&proof.host, &name), &proof.record, is_there),
            None => Err("nobody is named who sets records of DNS".to_owned()),
        }
    }
}

impl Hands for WorldHands<'_> {
    fn exchange(&mut self, request: &Request<'_>) -> Result<Reply, String> {
        if self.waited > ANSWERS_TIME {
            return Err(format!("its answers took more than {} s", ANSWERS_TIME.as_secs()));
        }
        let begun = Instant::now();
        let reply = self.visits.exchange(request, clock::wall().seconds);
        self.waited += begun.elapsed();
        reply
    }

    fn pause(&mut self, time: Duration) {
        thread::park_timeout(time);
    }

    fn show(&mut self, shown: &Proof) -> Result<(), String> {
        match shown.kind {
            // All servers of the key's owner say it to whoever asks.
            ProofKind::Http => Ok(()),
            ProofKind::Tls => {
                let pem = proof(&shown.host, &shown.authorization, clock::wall().seconds);
                let pem = pem.map_err(|error| error.to_string())?;
                self.shared.prove(&shown.name(), Some(pem))
            }
            ProofKind::Dns => {
                self.has_records = true;
                self.record(shown, true)
            }
        }
    }

    fn spread(&mut self) {
        // A program of the operator's has waited as long as it takes.
        let server =
            self.issuing.dns_server.as_ref().filter(|_| self.issuing.dns_program.is_none());
        if let Some(server) = server.filter(|_| self.has_records) {
            self.pause(server.wait);
        }
    }

    fn hide(&mut self, shown: &Proof) {
        // What is left there proves nothing to nobody.
        let _ = match shown.kind {
            ProofKind::Http => Ok(()),
            ProofKind::Tls => self.shared.prove(&shown.name(), None),
            ProofKind::Dns => self.record(shown, false),
        };
    }
}

/// Tells a name server about a record: in the zone of the host, which is the longest that it knows.
fn tell(
    server: &DnsServer,
    (host, name): (&str, &str),
    text: &str,
    is_there: bool,
) -> Result<(), String> {
    const NOT_ITS_ZONE: [u8; 2] = [9, 10];
    let key = server.key.as_ref().map(|(name, secret)| {
        let secret = decoded(&secret.0).ok_or("the key of `dns-server` is not base64")?;
        Ok::<_, &str>(DnsKey { name: name.clone(), secret })
    });
    let key = key.transpose()?;
    let mut zone = host;
    loop {
        let wish = Update { zone, name, text, is_there };
        match ask(server, &wish, key.as_ref())? {
            0 => return Ok(()),
            code if NOT_ITS_ZONE.contains(&code) => match zone.split_once('.') {
                Some((_, parent)) => zone = parent,
                // It answers the same to a key that it does not know (RFC 8945 section 5.2).
                None => {
                    let address = server.address;
                    return Err(format!("{address} has no zone for {host}, or not this key"));
                }
            },
            code => return Err(format!("{} refuses {name} (code {code})", server.address)),
        }
    }
}

fn ask(server: &DnsServer, wish: &Update<'_>, key: Option<&DnsKey>) -> Result<u8, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", server.address);
    let own: SocketAddr = match server.address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(own).map_err(failed)?;
    socket.connect(server.address).map_err(failed)?;
    socket.set_read_timeout(Some(DNS_TIME)).map_err(failed)?;
    let id = u16::from_ne_bytes(random::bytes().map_err(failed)?);
    let message = update(wish, key, id, clock::wall().seconds);
    let message = message.ok_or_else(|| format!("{} is no name", wish.name))?;
    for _ in 0..DNS_TRIES {
        socket.send(&message).map_err(failed)?;
        let mut room = [0; 4096];
        if let Ok(count) = socket.recv(&mut room)
            && let Some(code) = is_done(&room[..count], id)
        {
            return Ok(code);
        }
    }
    Err(format!("{} does not answer", server.address))
}
