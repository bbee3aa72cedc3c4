//! Why two files are no certificate and its key, in the words of who has made them, and what makes
//! right ones of them: mostly a command.

use crate::{
    der::{self, Facts},
    pair::{self, Fault},
};
use rustls::{pki_types::PrivateKeyDer, pki_types::pem::PemObject, sign::CertifiedKey};

/// A file that was named for a certificate, for its key, or for authorities.
#[derive(Clone, Copy, Debug)]
pub struct Named<'f> {
    /// What is in it.
    pub text: &'f [u8],
    /// Its path, as a shell takes it.
    pub file: &'f str,
    /// The path of a file that is not there yet, for what is made of it, in the same way.
    pub new: &'f str,
}

impl Named<'_> {
    /// That a command, in which FILE and NEW stand for the paths, makes another file, which is what
    /// the words say.
    fn makes(self, command: &str, what: &str) -> String {
        let Self { file, new, .. } = self;
        let command = command.replace("FILE", file).replace("NEW", new);
        format!("`{command}` makes {what}: name {new}")
    }
}

/// Which of the files is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Culprit {
    /// That of the certificate, or of authorities.
    Certificate,
    /// That of the key.
    Key,
    /// One of them, or that these two were named together.
    Both,
}

/// What is wrong, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// Where.
    pub culprit: Culprit,
    /// A sentence without a full stop.
    pub cause: String,
    /// What to do; commands stand between backquotes.
    pub cure: String,
}

/// What is wrong with a certificate and its key, which are no pair because of that fault.
#[must_use]
pub fn of_pair(fault: &Fault, chain: Named<'_>, key: Named<'_>) -> Diagnosis {
    let (chain_holds, key_holds) = (Content::of(chain.text), Content::of(key.text));
    let is_exchanged = chain_holds == Content::Key && key_holds == Content::Certificates;
    if is_exchanged && chain.file != key.file {
        let cure = format!("write `cert` for {}, and `key` for {}", key.file, chain.file);
        return Diagnosis {
            culprit: Culprit::Both,
            cause: "`cert` and `key` are exchanged".to_owned(),
            cure,
        };
    }
    match fault {
        Fault::Certificate(why) => of_certificates(why, chain_holds, chain),
        Fault::Key(why) => of_key(why, key_holds, key),
        Fault::Mismatch => of_two(chain, key),
    }
}

/// What is wrong with a file of authorities, which cannot be used because of that fault.
#[must_use]
pub fn of_authorities(fault: &Fault, file: Named<'_>) -> Diagnosis {
    of_certificates(&fault.to_string(), Content::of(file.text), file)
}

/// What there is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Nothing,
    /// Text with two bytes for each letter, or with a mark in front.
    Utf16,
    Marked,
    /// PEM.
    Certificates,
    Trusted,
    Key,
    SealedKey,
    SshKey,
    Parameters,
    PublicKey,
    Request,
    Bundle,
    /// DER.
    DerCertificate,
    DerKey,
    DerSealedKey,
    DerBundle,
    Archive,
    Other,
}

impl Content {
    /// The last that it may be counts least: a key may have its parameters before it.
    fn of(bytes: &[u8]) -> Self {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Self::Nothing;
        }
        if bytes.starts_with(b"\xff\xfe")
            || bytes.starts_with(b"\xfe\xff")
            || bytes.starts_with(b"-\0-\0")
        {
            return Self::Utf16;
        }
        if bytes.starts_with(&[MARK, b"-----BEGIN"].concat()) {
            return Self::Marked;
        }
        let text = String::from_utf8_lossy(bytes);
        let labels: Vec<_> = text.lines().filter_map(label).collect();
        let has = |wanted: &[&str]| labels.iter().any(|label| wanted.contains(label));
        let is_sealed = text.contains("Proc-Type: 4,ENCRYPTED");
        match () {
            () if has(&["CERTIFICATE"]) => Self::Certificates,
            () if has(&["ENCRYPTED PRIVATE KEY"]) || is_sealed => Self::SealedKey,
            () if has(&["PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"]) => Self::Key,
            () if has(&["TRUSTED CERTIFICATE", "X509 CERTIFICATE"]) => Self::Trusted,
            () if has(&["OPENSSH PRIVATE KEY"]) => Self::SshKey,
            () if has(&["PKCS7", "CMS"]) => Self::Bundle,
            () if has(&["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"]) => Self::Request,
            () if has(&["PUBLIC KEY", "RSA PUBLIC KEY"]) => Self::PublicKey,
            () if has(&["EC PARAMETERS"]) => Self::Parameters,
            () if labels.is_empty() => Self::of_der(bytes).unwrap_or(Self::Other),
            () => Self::Other,
        }
    }

    /// What is written in DER (X.690), or in BER as some archives are.
    fn of_der(bytes: &[u8]) -> Option<Self> {
        // PFX of RFC 7292: the version 3, and a sequence.
        let head = bytes.get(..bytes.len().min(12))?;
        if bytes.first() == Some(&0x30) && head.windows(4).any(|part| part == [2, 1, 3, 0x30]) {
            return Some(Self::Archive);
        }
        if Facts::of(bytes).is_some() {
            return Some(Self::DerCertificate);
        }
        Some(match der::outline(bytes)?.as_slice() {
            // RSAPrivateKey, ECPrivateKey and PrivateKeyInfo (RFC 8017, RFC 5915, RFC 5958).
            [0x02, 0x02 | 0x04 | 0x30, ..] => Self::DerKey,
            // EncryptedPrivateKeyInfo (RFC 5958).
            [0x30, 0x04] => Self::DerSealedKey,
            // SubjectPublicKeyInfo (RFC 5280), and CertificationRequest (RFC 2986).
            [0x30, 0x03] => Self::PublicKey,
            [0x30, 0x30, 0x03] => Self::Request,
            // ContentInfo (RFC 2315).
            [0x06, 0xa0] => Self::DerBundle,
            _ => return None,
        })
    }
}

/// What a line of PEM says that begins now.
fn label(line: &str) -> Option<&str> {
    line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----")
}

fn of_certificates(why: &str, holds: Content, file: Named<'_>) -> Diagnosis {
    let make = |command| file.makes(command, "one that is");
    let (cause, cure) = match holds {
        Content::Certificates if why.starts_with("it is no PEM") => {
            ("a certificate in it is cut off, or a line of it was changed", COPY_AGAIN.to_owned())
        }
        Content::Key => {
            ("it holds a private key, and no certificate", MISSING_CERTIFICATE.to_owned())
        }
        Content::SealedKey | Content::DerKey | Content::DerSealedKey | Content::SshKey => (
            "it holds a private key, and no certificate, and is no PEM that is read here",
            MISSING_CERTIFICATE.to_owned(),
        ),
        Content::Request => (
            "it holds a request for a certificate, not the certificate",
            "send it to an authority, and name what that answers with; until then `tls = \
             \"internal\"` has one made here"
                .to_owned(),
        ),
        Content::PublicKey | Content::Parameters => {
            ("it holds a part of a key, and no certificate", MISSING_CERTIFICATE.to_owned())
        }
        Content::Trusted => (
            "it holds a certificate in a form of openssl's own, not the usual one",
            make("openssl x509 -in FILE -out NEW"),
        ),
        Content::Bundle => {
            ("it is PKCS #7, not PEM", make("openssl pkcs7 -in FILE -print_certs -out NEW"))
        }
        Content::DerBundle => (
            "it is PKCS #7 in DER, not PEM",
            make("openssl pkcs7 -inform DER -in FILE -print_certs -out NEW"),
        ),
        Content::DerCertificate => (
            "it is a certificate in DER, not PEM",
            make("openssl x509 -inform DER -in FILE -out NEW"),
        ),
        other => return in_any(why, other, Culprit::Certificate, file),
    };
    Diagnosis { culprit: Culprit::Certificate, cause: cause.to_owned(), cure }
}

fn of_key(why: &str, holds: Content, file: Named<'_>) -> Diagnosis {
    let make = |command| file.makes(command, "one that is");
    let unseal = |command| file.makes(command, "a plain one");
    let (cause, cure) = match holds {
        Content::Key if why.starts_with("it is no PEM") => {
            ("the key in it is cut off, or a line of it was changed", COPY_AGAIN.to_owned())
        }
        Content::Key => (why, another_key(file.new)),
        Content::SealedKey => (
            "its key is encrypted, and the server cannot ask for the password",
            unseal("openssl pkey -in FILE -out NEW"),
        ),
        Content::DerSealedKey => (
            "its key is encrypted, and in DER, not PEM",
            unseal("openssl pkcs8 -inform DER -in FILE -out NEW"),
        ),
        Content::DerKey => {
            ("it is a key in DER, not PEM", make("openssl pkey -inform DER -in FILE -out NEW"))
        }
        Content::Parameters => {
            ("it holds only the parameters of EC keys, and no key", another_key(file.new))
        }
        Content::SshKey => {
            ("it holds a key of SSH, and not of a certificate", MISSING_KEY.to_owned())
        }
        Content::PublicKey => {
            ("it holds a public key, and not the private one", MISSING_KEY.to_owned())
        }
        Content::Certificates | Content::Trusted | Content::DerCertificate => {
            ("it holds a certificate, and no private key", MISSING_KEY.to_owned())
        }
        Content::Request | Content::Bundle | Content::DerBundle => (
            "it holds what authorities are sent or answer with, and no private key",
            MISSING_KEY.to_owned(),
        ),
        other => return in_any(why, other, Culprit::Key, file),
    };
    Diagnosis { culprit: Culprit::Key, cause: cause.to_owned(), cure }
}

const COPY_AGAIN: &str =
    "copy the file again, as a whole, in the way in which programs and not people do";

const MISSING_CERTIFICATE: &str =
    "name the file of the certificate: it is often called fullchain.pem, or ends in .crt";

const MISSING_KEY: &str = "name the file of the key by which the certificate was asked for: it is \
                           often called privkey.pem, or ends in .key";

/// How another key is had, where this one is of no use.
fn another_key(new: &str) -> String {
    format!(
        "if there is no other file with the key of the certificate, make one, `openssl genpkey \
         -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {new}`, and have a certificate issued \
         for that"
    )
}

/// What is wrong with a file that may have been meant for either.
fn in_any(why: &str, holds: Content, culprit: Culprit, file: Named<'_>) -> Diagnosis {
    let Named { file, new, .. } = file;
    let (cause, cure) = match holds {
        Content::Archive => (
            "it is an archive of both (PKCS #12, as in .pfx and .p12), not PEM",
            format!(
                "`openssl pkcs12 -in {file} -nodes -out {new}` makes PEM of it (of an old one with \
                 -legacy, too): name {new} by `cert` and by `key`"
            ),
        ),
        Content::Utf16 => (
            "it is UTF-16, and PEM is ASCII",
            format!("`iconv -f UTF-16 -t ASCII {file} > {new}` makes PEM of it: name {new}"),
        ),
        Content::Marked => (
            "a mark (BOM) stands in front of its PEM",
            format!("`tail -c +4 {file} > {new}` leaves it out: name {new}"),
        ),
        Content::Nothing => ("it is empty", "name another file, or fill this one".to_owned()),
        _ if culprit == Culprit::Key => (
            why,
            "name a file with a private key, as PEM: a line in it says -----BEGIN PRIVATE KEY-----"
                .to_owned(),
        ),
        _ => (
            why,
            "name a file with certificates, as PEM: lines in it say -----BEGIN CERTIFICATE-----"
                .to_owned(),
        ),
    };
    Diagnosis { culprit, cause: cause.to_owned(), cure }
}

/// Why a certificate and a key are no pair, though each of them is sound.
fn of_two(chain: Named<'_>, key: Named<'_>) -> Diagnosis {
    let all = pair::certificates(chain.text).unwrap_or_default();
    let name = all.first().and_then(|first| Facts::of(first)).map(|facts| facts.name());
    let own = PrivateKeyDer::from_pem_slice(key.text).ok().and_then(|key| pair::signing(key).ok());
    let fits = |at: &usize| {
        let own = own.clone().zip(all.get(*at).cloned());
        own.is_some_and(|(own, one)| CertifiedKey::new(vec![one], own).keys_match().is_ok())
    };
    let name = name.filter(|name| !name.is_empty());
    let whose = name.map(|name| format!(", which is that of {name:?}")).unwrap_or_default();
    let Some(own) = (1..all.len()).find(fits) else {
        return Diagnosis {
            culprit: Culprit::Both,
            cause: format!("the key is not the one of the certificate{whose}"),
            cure: format!(
                "name the two files that were made together: of such, `openssl x509 -in {} -noout \
                 -pubkey` and `openssl pkey -in {} -pubout` print the same",
                chain.file, key.file
            ),
        };
    };
    // Whoever has put the authorities first has put the others in that order, too.
    let mut order: Vec<_> = (1..=all.len()).collect();
    if own + 1 == all.len() {
        order.reverse();
    } else {
        order.sort_by_key(|at| *at != own + 1);
    }
    let order: Vec<_> = order.iter().map(|at| format!("a[{at}]")).collect();
    let (own, count) = (own + 1, all.len());
    Diagnosis {
        culprit: Culprit::Certificate,
        cause: format!(
            "the key is not the one of its first certificate{whose}, but of number {own} of \
             {count}, which has to stand first"
        ),
        cure: format!(
            "`awk '/-BEGIN CERT/{{n++}} {{a[n]=a[n] $0 \"\\n\"}} END{{printf \"%s\", {}}}' {} > {}` \
             puts them in order: name {2}",
            order.join(" "),
            chain.file,
            chain.new
        ),
    }
}
