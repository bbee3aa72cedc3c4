//! Certificates (RFC 5280) and requests for them (RFC 2986), as far as they are made here: each
//! signed by ECDSA with P-256 and SHA-256.

use crate::{
    der::{BOOLEAN, OBJECT, OCTET_STRING, SET, UTF8_STRING, all, bits, element, integer, sequence},
    key::{Key, NoKey, pem},
};
use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
};
use base::{Date, Network};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use std::net::IpAddr;

/// Object identifiers, as they stand in DER.
mod object {
    pub(super) const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    pub(super) const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    pub(super) const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    pub(super) const COMMON_NAME: &[u8] = &[0x55, 4, 3];
    pub(super) const SUBJECT_KEY: &[u8] = &[0x55, 0x1d, 14];
    pub(super) const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
    pub(super) const NAMES: &[u8] = &[0x55, 0x1d, 17];
    pub(super) const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
    pub(super) const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
    pub(super) const AUTHORITY_KEY: &[u8] = &[0x55, 0x1d, 35];
    pub(super) const EXTENDED_USAGE: &[u8] = &[0x55, 0x1d, 37];
    pub(super) const SERVER: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
    pub(super) const ACME: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 31];
    pub(super) const EXTENSIONS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14];
}

/// The tags of names in certificates.
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// The longest common name (RFC 5280 appendix A.1).
const COMMON_NAME_MAX: usize = 64;

/// What a certificate is for.
pub(crate) enum Purpose<'p> {
    /// To sign others, for private names and addresses only.
    Authority,
    /// To show to visitors of these hosts.
    Hosts(&'p [Box<str>]),
    /// To show an authority that this host is ours (RFC 8737 section 3).
    Proof(&'p str, [u8; 32]),
}

/// Who signs it: its name as it stands in certificates, and its key.
pub(crate) struct Issuer<'i> {
    pub(crate) name: &'i [u8],
    pub(crate) key: &'i Key,
}

/// A certificate as DER, for `key`; who signs is itself where nobody else is named.
pub(crate) fn certificate(
    purpose: &Purpose<'_>,
    subject: &[u8],
    key: &Key,
    issuer: Option<&Issuer<'_>>,
    (from, until): (i64, i64),
) -> Result<Vec<u8>, NoKey> {
    let own = Issuer { name: subject, key };
    let issuer = issuer.unwrap_or(&own);
    let mut number = [0; 16];
    rand::fill(&mut number).map_err(|_| NoKey)?;
    let version = element(0xa0, &integer(&[2]));
    let validity = sequence(&[&time(from), &time(until)]);
    let extensions = element(0xa3, &extensions(purpose, key, issuer.key));
    let body = sequence(&[
        &version,
        &integer(&number),
        &algorithm(),
        issuer.name,
        &validity,
        subject,
        &public(key),
        &extensions,
    ]);
    signed(&body, issuer.key)
}

/// A request for a certificate for these hosts, as DER.
pub(crate) fn request(hosts: &[Box<str>], key: &Key) -> Result<Vec<u8>, NoKey> {
    let wanted = sequence(&[&extension(object::NAMES, false, &names(hosts))]);
    let attribute = sequence(&[&element(OBJECT, object::EXTENSIONS), &element(SET, &wanted)]);
    let no_name = sequence(&[]);
    let body = sequence(&[&integer(&[0]), &no_name, &public(key), &element(0xa0, &attribute)]);
    signed(&body, key)
}

/// A name for those whom a certificate is of or from: of nothing but its common name.
pub(crate) fn name(common: &str) -> Vec<u8> {
    let end = common.floor_char_boundary(COMMON_NAME_MAX);
    let value = element(UTF8_STRING, common.get(..end).unwrap_or_default().as_bytes());
    let pair = sequence(&[&element(OBJECT, object::COMMON_NAME), &value]);
    sequence(&[&element(SET, &pair)])
}

/// A certificate by which a host is proved to be ours within TLS, and its key, as PEM.
///
/// # Errors
/// There are no random bytes.
pub fn proof(host: &str, authorization: &str, now: i64) -> Result<String, NoKey> {
    const DAY: i64 = 86_400;
    let key = Key::generate()?;
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, authorization.as_bytes()).as_ref());
    let purpose = Purpose::Proof(host, hash);
    let der = certificate(&purpose, &name(host), &key, None, (now - DAY, now + 7 * DAY))?;
    Ok(key.pem() + &pem("CERTIFICATE", &der))
}

/// What a key is called by those who sign requests with it (RFC 7638), for the key in a PEM text.
///
/// # Errors
/// There is none in it.
pub fn thumbprint_of(text: &[u8]) -> Result<String, NoKey> {
    Key::from_pem(text).map(|key| thumbprint(&key))
}

pub(crate) fn thumbprint(key: &Key) -> String {
    let (x, y) = coordinates(key);
    let text = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

/// The coordinates of a public key, as JSON has them.
pub(crate) fn coordinates(key: &Key) -> (String, String) {
    let (x, y) = key.public().get(1..).unwrap_or_default().split_at(32);
    (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
}

fn signed(body: &[u8], key: &Key) -> Result<Vec<u8>, NoKey> {
    Ok(sequence(&[body, &algorithm(), &bits(&key.sign(body)?)]))
}

fn algorithm() -> Vec<u8> {
    sequence(&[&element(OBJECT, object::ECDSA_WITH_SHA256)])
}

fn public(key: &Key) -> Vec<u8> {
    let kind = [element(OBJECT, object::EC_PUBLIC_KEY), element(OBJECT, object::P256)];
    sequence(&[&sequence(&[&kind[0], &kind[1]]), &bits(key.public())])
}

/// How a key is called in certificates (RFC 7093 section 2, method 1).
fn identifier(key: &Key) -> Vec<u8> {
    digest(&SHA256, key.public()).as_ref().get(..20).unwrap_or_default().to_vec()
}

fn extensions(purpose: &Purpose<'_>, key: &Key, issuer: &Key) -> Vec<u8> {
    let own = element(OCTET_STRING, &identifier(key));
    let signer = sequence(&[&element(0x80, &identifier(issuer))]);
    let server = sequence(&[&element(OBJECT, object::SERVER)]);
    let mut all = vec![
        extension(object::SUBJECT_KEY, false, &own),
        extension(object::AUTHORITY_KEY, false, &signer),
        extension(object::EXTENDED_USAGE, false, &server),
    ];
    let (constraints, usage) = match purpose {
        // It may sign certificates, and none that sign others.
        Purpose::Authority => {
            (sequence(&[&element(BOOLEAN, &[0xff]), &integer(&[0])]), [0x03, 0x02, 0x01, 0x06])
        }
        Purpose::Hosts(_) | Purpose::Proof(..) => (sequence(&[]), [0x03, 0x02, 0x07, 0x80]),
    };
    all.push(extension(object::BASIC_CONSTRAINTS, true, &constraints));
    all.push(extension(object::KEY_USAGE, true, &usage));
    match purpose {
        Purpose::Authority => all.push(extension(object::NAME_CONSTRAINTS, true, &permitted())),
        Purpose::Hosts(hosts) => all.push(extension(object::NAMES, false, &names(hosts))),
        Purpose::Proof(host, hash) => {
            all.push(extension(object::NAMES, false, &names(&[(*host).into()])));
            all.push(extension(object::ACME, true, &element(OCTET_STRING, hash)));
        }
    }
    sequence(&[&all.concat()])
}

fn extension(object: &[u8], is_critical: bool, content: &[u8]) -> Vec<u8> {
    let critical = if is_critical { element(BOOLEAN, &[0xff]) } else { Vec::new() };
    sequence(&[&element(OBJECT, object), &critical, &element(OCTET_STRING, content)])
}

/// Hosts as names in a certificate.
fn names(hosts: &[Box<str>]) -> Vec<u8> {
    let name = |host: &str| match address(host) {
        Some(address) => element(IP_ADDRESS, &octets(address)),
        None => element(DNS_NAME, host.as_bytes()),
    };
    let names: Vec<Vec<u8>> = hosts.iter().map(|host| name(host)).collect();
    sequence(&[&names.concat()])
}

/// The names and addresses that the local authority may sign for.
fn permitted() -> Vec<u8> {
    let names = base::private::ENDINGS.map(|ending| element(DNS_NAME, ending.as_bytes()));
    let networks = base::private::NETWORKS.iter().filter_map(|text| {
        let network: Network = text.parse().ok()?;
        let ones = match network.address() {
            IpAddr::V4(_) => IpAddr::from([0xff; 4]),
            IpAddr::V6(_) => IpAddr::from([0xff; 16]),
        };
        let mask = Network::of(ones, network.prefix_bits()).address();
        Some(all(IP_ADDRESS, &[&octets(network.address()), &octets(mask)]))
    });
    let trees: Vec<_> = names.into_iter().chain(networks).map(|tree| sequence(&[&tree])).collect();
    sequence(&[&element(0xa0, &trees.concat())])
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The address that a host is, if it is one.
pub(crate) fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// A time as certificates have it: with two digits of its year before 2050.
fn time(seconds: i64) -> Vec<u8> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let Date { year, month, day, hour, minute, second } = Date::of(seconds);
    let rest = format!("{month:02}{day:02}{hour:02}{minute:02}{second:02}Z");
    match year {
        1950..2050 => element(UTC_TIME, format!("{:02}{rest}", year % 100).as_bytes()),
        _ => element(GENERALIZED_TIME, format!("{year:04}{rest}").as_bytes()),
    }
}
