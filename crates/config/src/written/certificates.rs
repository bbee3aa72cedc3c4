//! `certificates`: how those are had that come by themselves.

use crate::{
    kind::{Text, Texts, Time},
    setting::{At, Preset, Record, Section, Setting, Tables},
    source::{Listed, Word},
};
use std::time::Duration;

/// Milliseconds of an hour.
const HOUR: u64 = 3_600_000;

/// What was typed about certificates that come by themselves.
#[derive(Debug, Default)]
pub(crate) struct Certificates {
    pub(crate) folder: Option<Word<String>>,
    pub(crate) email: Option<Word<String>>,
    pub(crate) authority: Listed<Authority>,
    pub(crate) proof: Option<Word<Vec<Word<String>>>>,
    pub(crate) dns_program: Option<Word<String>>,
    pub(crate) dns_server: Option<Word<DnsServer>>,
}

/// What was typed about an authority.
#[derive(Debug, Default)]
pub(crate) struct Authority {
    pub(crate) url: Option<Word<String>>,
    pub(crate) trusted: Option<Word<String>>,
    pub(crate) profile: Option<Word<String>>,
    pub(crate) eab_id: Option<Word<String>>,
    pub(crate) eab_key: Option<Word<String>>,
}

/// What was typed about a name server.
#[derive(Debug, Default)]
pub(crate) struct DnsServer {
    pub(crate) address: Option<Word<String>>,
    pub(crate) key_name: Option<Word<String>>,
    pub(crate) key: Option<Word<String>>,
    pub(crate) wait: Option<Word<Duration>>,
}

/// The settings of `certificates`.
pub(crate) const CERTIFICATES: Section<Certificates> = Section {
    title: "[server.certificates]",
    settings: &[
        Setting {
            name: "folder",
            doc: "The folder in which certificates, their keys and accounts are kept.",
            preset: Preset::Words("/var/lib/gannet, or the user's folder for such"),
            example: r#""/var/lib/certificates""#,
            value: &At(Text, |words: &mut Certificates| &mut words.folder),
        },
        Setting {
            name: "email",
            doc: "The address at which an authority reaches people.",
            preset: Preset::Words("none"),
            example: r#""admin@example.com""#,
            value: &At(Text, |words: &mut Certificates| &mut words.email),
        },
        Setting {
            name: "authority",
            doc: "The authorities (ACME) that are asked, in this order: the URLs of their \
                  directories, or tables; \"letsencrypt\" and \"letsencrypt-staging\" are known.",
            preset: Preset::Value(r#""letsencrypt""#),
            example: r#"["letsencrypt", "https://acme.example.net/directory"]"#,
            value: &Tables {
                section: &AUTHORITY,
                short: &AUTHORITY.settings[0],
                place: |words: &mut Certificates| &mut words.authority,
            },
        },
        Setting {
            name: "proof",
            doc: "How hosts are shown to be ours, the preferred way first: \"http\" (port 80), \
                  \"tls\" (port 443), \"dns\".",
            preset: Preset::Words("all that there is a way for, \"dns\" first"),
            example: r#"["tls", "http"]"#,
            value: &At(Texts, |words: &mut Certificates| &mut words.proof),
        },
        Setting {
            name: "dns-program",
            doc: "The program that sets (`set NAME TEXT`) and removes (`unset NAME TEXT`) records \
                  TXT of DNS, in the environment of the server.",
            preset: Preset::Words("none"),
            example: r#""/usr/local/bin/dns-record""#,
            value: &At(Text, |words: &mut Certificates| &mut words.dns_program),
        },
        Setting {
            name: "dns-server",
            doc: "The name server that takes records (RFC 2136): its address, or a table.",
            preset: Preset::Words("none"),
            example: r#""192.0.2.53:53""#,
            value: &Record {
                section: &DNS_SERVER,
                short: Some("address"),
                place: |words: &mut Certificates| &mut words.dns_server,
            },
        },
    ],
    common: None,
};

/// The settings of one authority.
pub(crate) const AUTHORITY: Section<Authority> = Section {
    title: "[[server.certificates.authority]]",
    settings: &[
        Setting {
            name: "url",
            doc: "The URL of its directory.",
            preset: Preset::Value(r#""letsencrypt""#),
            example: r#""https://acme.example.net/directory""#,
            value: &At(Text, |authority: &mut Authority| &mut authority.url),
        },
        Setting {
            name: "trusted",
            doc: "The file of the authorities (PEM) one of which has signed its own certificate.",
            preset: Preset::Words("those that this machine trusts"),
            example: r#""certs/staff-ca.pem""#,
            value: &At(Text, |authority: &mut Authority| &mut authority.trusted),
        },
        Setting {
            name: "profile",
            doc: "The kind of certificate that is asked for, in its own words.",
            preset: Preset::Words("its usual one"),
            example: r#""shortlived""#,
            value: &At(Text, |authority: &mut Authority| &mut authority.profile),
        },
        Setting {
            name: "eab-id",
            doc: "What it calls the account that vouches for this server (external account).",
            preset: Preset::Words("none"),
            example: r#""kid-1""#,
            value: &At(Text, |authority: &mut Authority| &mut authority.eab_id),
        },
        Setting {
            name: "eab-key",
            doc: "The key of that account, in base64 as it was handed out.",
            preset: Preset::Words("none"),
            example: r#""zWNDZM6eQGHWpSRTPal5eIUYFTu7EajV""#,
            value: &At(Text, |authority: &mut Authority| &mut authority.eab_key),
        },
    ],
    common: None,
};

/// The settings of a name server.
pub(crate) const DNS_SERVER: Section<DnsServer> = Section {
    title: "`dns-server`",
    settings: &[
        Setting {
            name: "address",
            doc: "Its address.",
            preset: Preset::Words("none: it needs one"),
            example: r#""192.0.2.53:53""#,
            value: &At(Text, |server: &mut DnsServer| &mut server.address),
        },
        Setting {
            name: "key-name",
            doc: "What it calls the key that both know (TSIG, HMAC-SHA256).",
            preset: Preset::Words("none"),
            example: r#""gannet.""#,
            value: &At(Text, |server: &mut DnsServer| &mut server.key_name),
        },
        Setting {
            name: "key",
            doc: "That key, in base64.",
            preset: Preset::Words("none"),
            example: r#""c2VjcmV0""#,
            value: &At(Text, |server: &mut DnsServer| &mut server.key),
        },
        Setting {
            name: "wait",
            doc: "How long an authority is not told of a record that it has taken: the other name \
                  servers of the zone may hear of it later.",
            preset: Preset::Value(r#""30s""#),
            example: r#""2m""#,
            value: &At(Time(0..=HOUR), |server: &mut DnsServer| &mut server.wait),
        },
    ],
    common: None,
};
