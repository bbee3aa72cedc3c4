//! The servers of a case, each set up as its experts would: one worker, no log unless asked for,
//! open files cached, connections kept.

use std::fmt::Write;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Outcome;
use super::cases::{Compression, SMALL, Site, Variant};
use super::content::{Content, hosts};
use super::machine;
use super::secure::Secure;
use super::watched::ADMIN_ADDRESS;

/// Memory for hot files that gannet is given, in MiB.
pub(super) const FILE_CACHE_MIB: u32 = 64;

/// Where HTTP/2 is spoken, at the port of the server.
pub(super) const HTTP2_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// The user of the case with a password, and the hash of what [`CREDENTIALS`] says: bcrypt at the
/// cost that `htpasswd -B` takes where none is named, so that nginx can read it as well.
const USER: &str = "alice";
const HASH: &str = "$2y$05$U8wn5Sx.Dve3o3Gp519Jp.F92el.PYvpi28KV7.WaQi3c41VdK6BG";
/// `alice:wonderland` in base64.
pub(super) const CREDENTIALS: &str = "YWxpY2U6d29uZGVybGFuZA==";

/// A server, in one way to run it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Gannet,
    /// gannet by a worker under its supervisor, in its sandbox.
    GannetWorker,
    /// The same with `admin`.
    GannetShown,
    /// gannet in one process, outside of any.
    GannetQuick,
    /// gannet without a log, in a case with one.
    GannetQuiet,
    /// gannet without the guard that its case is about.
    GannetOpen,
    /// gannet with a file in the place of the program that its case is about.
    GannetFile,
    /// nginx with `open_file_cache`.
    Nginx,
    /// nginx without it, which is its default.
    NginxStock,
    Lighttpd,
    H2o,
    /// The canned answer of `bench/floor`, or what it passes on of a program's.
    Floor,
}

impl Peer {
    /// What it serves in a case that is about `site`.
    pub(super) fn site(self, site: Site) -> Site {
        match (self, site) {
            (Self::GannetFile, Site::Program { bytes }) => Site::Single { bytes },
            (Self::GannetFile, Site::Wordpress) => Site::FrontPage,
            _ => site,
        }
    }

    /// The name in tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Gannet => "gannet",
            Self::GannetWorker => "gannet, a worker",
            Self::GannetShown => "gannet, `admin`",
            Self::GannetQuick => "gannet, one process",
            Self::GannetQuiet => "gannet, no log",
            Self::GannetOpen => "gannet, no guard",
            Self::GannetFile => "gannet, a file",
            Self::Nginx => "nginx",
            Self::NginxStock => "nginx, stock",
            Self::Lighttpd => "lighttpd",
            Self::H2o => "h2o",
            Self::Floor => "floor",
        }
    }
}

/// What a server has to serve, and where it may put its files.
pub(super) struct Stage<'c> {
    pub(super) content: &'c Content,
    pub(super) site: Site,
    pub(super) access_log: bool,
    pub(super) compression: Compression,
    pub(super) variant: Variant,
}

impl<'c> Stage<'c> {
    /// The small file, and nothing special about it.
    pub(super) fn plain(content: &'c Content) -> Self {
        let (site, variant) = (Site::Single { bytes: SMALL }, Variant::Plain);
        Self { content, site, access_log: false, compression: Compression::Off, variant }
    }

    /// The command that runs `peer` on this stage in the foreground, at 127.0.0.1:`port`.
    pub(super) fn command(&self, peer: Peer, port: u16) -> Outcome<Command> {
        let root = self.content.root(self.site)?;
        let file = self.content.folder().join(format!("{peer:?}-{port}"));
        let pair = self.variant.is_secure().then(|| self.content.pair()).transpose()?;
        let secure = pair.as_ref().map(|(pem, key)| Secure { port, pem, key });
        let secure = secure.as_ref();
        let text = match peer {
            Peer::Gannet
            | Peer::GannetWorker
            | Peer::GannetShown
            | Peer::GannetQuick
            | Peer::GannetQuiet
            | Peer::GannetOpen
            | Peer::GannetFile => self.gannet(peer, (&root, secure), port, &file),
            Peer::Nginx | Peer::NginxStock => {
                self.nginx((&root, secure), port, &file, peer == Peer::Nginx)?
            }
            Peer::Lighttpd => self.lighttpd((&root, secure), port),
            Peer::H2o => self.h2o((&root, secure), port),
            Peer::Floor => String::new(),
        };
        let configuration = file.with_extension("conf");
        fs::write(&configuration, text)?;
        let mut command = Command::new(match peer {
            Peer::Gannet
            | Peer::GannetWorker
            | Peer::GannetShown
            | Peer::GannetQuick
            | Peer::GannetQuiet
            | Peer::GannetOpen
            | Peer::GannetFile => machine::gannet(),
            Peer::Nginx | Peer::NginxStock => "nginx".into(),
            Peer::Lighttpd => "lighttpd".into(),
            Peer::H2o => "h2o".into(),
            Peer::Floor => machine::release().join("floor"),
        });
        let is_quick = peer == Peer::GannetQuick
            || peer == Peer::Gannet
                && self.site == (Site::Single { bytes: SMALL })
                && !self.access_log
                && !matches!(
                    self.variant,
                    Variant::Password
                        | Variant::Limited
                        | Variant::Routed
                        | Variant::Secure(_)
                        | Variant::Streams { .. }
                        | Variant::SecureStreams { .. }
                );
        match peer {
            _ if is_quick => {
                let port = port.to_string();
                command.arg(root).args(["--port", &port, "--threads", "1", "--log", "off"])
            }
            Peer::Gannet
            | Peer::GannetWorker
            | Peer::GannetShown
            | Peer::GannetQuick
            | Peer::GannetQuiet
            | Peer::GannetOpen
            | Peer::GannetFile => command.arg("run").arg(configuration),
            Peer::Nginx | Peer::NginxStock | Peer::H2o => command.arg("-c").arg(configuration),
            Peer::Lighttpd => command.arg("-D").arg("-f").arg(configuration),
            Peer::Floor => command.arg(port.to_string()).args(self.floor()?),
        };
        Ok(command)
    }

    /// Where the floor asks a program, and which; else the file that it sends, none where its
    /// answer is 304.
    fn floor(&self) -> Outcome<Vec<PathBuf>> {
        if self.site.is_of_programs() {
            let name = if self.site == Site::Wordpress { "index.php" } else { "page.php" };
            let program = self.content.root(self.site)?.join(name);
            return Ok(vec![self.content.application(), program]);
        }
        let site = Site::Single { bytes: self.content.file_bytes(self.site)? };
        let file = self.content.root(site)?.join("page.html");
        Ok((self.variant != Variant::Conditional).then_some(file).into_iter().collect())
    }

    fn gannet(
        &self,
        peer: Peer,
        (root, secure): (&Path, Option<&Secure<'_>>),
        port: u16,
        file: &Path,
    ) -> String {
        let log = match self.access_log && peer != Peer::GannetQuiet {
            true => format!("{{ format = \"json\", file = \"{}.log\" }}", file.display()),
            false => "\"off\"".into(),
        };
        let guard = match self.variant {
            _ if peer == Peer::GannetOpen => String::new(),
            Variant::Password => format!("auth = {{ users = {{ {USER} = \"{HASH}\" }} }}\n"),
            Variant::Routed => routes(),
            Variant::Limited => "limit = { rate = \"1000000/s\", burst = 1000000 }\n".to_owned(),
            variant if self.site.is_of_programs() => {
                let cache = if variant == Variant::Cached { ", micro-cache = \"1h\"" } else { "" };
                format!("php = {{ socket = {:?}{cache} }}\n", self.content.application())
            }
            _ => String::new(),
        };
        // The smallest store of forms that takes a page of 100 KB has room for a dozen of them.
        let (file_cache, compress_cache, compress) = match self.compression {
            Compression::Off | Compression::Declined => (FILE_CACHE_MIB, "64MiB", "false"),
            Compression::Kept(_) => (FILE_CACHE_MIB, "64MiB", "true"),
            Compression::First(_) => (0, "410KiB", "true"),
        };
        let listener = secure.map(Secure::gannet_listener).unwrap_or_default();
        // HTTP/2 is spoken at an address of its own, as nginx wants it.
        let http2 = match self.variant {
            Variant::Streams { .. } => {
                format!(", {{ address = \"{HTTP2_ADDRESS}:{port}\", http2 = true }}")
            }
            _ => String::new(),
        };
        let admin = match peer {
            Peer::GannetShown => format!("admin = \"{ADMIN_ADDRESS}:{port}\"\n"),
            _ => String::new(),
        };
        let server = format!(
            "[server]\nlisten = [\"127.0.0.1:{port}\"{listener}{http2}]\nthreads = 1\nlog = {log}\n{admin}\
             file-cache = \"{file_cache}MiB\"\ncompress-cache = \"{compress_cache}\"\n"
        );
        self.sites(root).fold(server, |mut text, (host, root)| {
            let tls = secure.map(|own| self.gannet_tls(own, host.as_deref())).unwrap_or_default();
            let host = host.as_deref().unwrap_or("default");
            // Writing into a string cannot fail.
            let root = root.display();
            let _ = write!(
                text,
                "[site.\"{host}\"]\nroot = \"{root}\"\ncompress = {compress}\n{guard}{tls}"
            );
            text
        })
    }

    /// The TLS of a site of gannet.
    fn gannet_tls(&self, secure: &Secure<'_>, host: Option<&str>) -> String {
        match (self.site, host) {
            (Site::Certified(count), Some(host)) => {
                let folder = self.content.certificates(count);
                let [pem, key] = ["pem", "key"].map(|kind| folder.join(format!("{host}.{kind}")));
                Secure::gannet_site(&pem, &key)
            }
            _ => Secure::gannet_site(secure.pem, secure.key),
        }
    }

    fn nginx(
        &self,
        (root, secure): (&Path, Option<&Secure<'_>>),
        port: u16,
        file: &Path,
        is_tuned: bool,
    ) -> Outcome<String> {
        let users = file.with_extension("htpasswd");
        let file = file.display();
        let auth = if self.variant == Variant::Password {
            fs::write(&users, format!("{USER}:{HASH}\n"))?;
            format!("auth_basic \"bench\"; auth_basic_user_file {};", users.display())
        } else {
            String::new()
        };
        let log = if self.access_log {
            format!(
                "log_format json escape=json '{{\"time\":\"$time_iso8601\",\
                 \"client\":\"$remote_addr\",\"host\":\"$host\",\"method\":\"$request_method\",\
                 \"target\":\"$request_uri\",\"version\":\"$server_protocol\",\"status\":$status,\
                 \"bytes\":$body_bytes_sent,\"seconds\":$request_time,\
                 \"referer\":\"$http_referer\",\"agent\":\"$http_user_agent\"}}';\n\
                 access_log {file}.log json buffer=64k flush=1s;"
            )
        } else {
            "access_log off;".into()
        };
        let cache = if is_tuned {
            "open_file_cache max=10000 inactive=60s; open_file_cache_valid 30s; \
             open_file_cache_min_uses 1; open_file_cache_errors on;"
        } else {
            ""
        };
        let gzip = match self.compression {
            Compression::Off | Compression::Declined => "",
            Compression::Kept(_) | Compression::First(_) => "gzip on; gzip_vary on;",
        };
        let (zone, limit) = match self.variant == Variant::Limited {
            true => (
                "limit_req_zone $binary_remote_addr zone=all:4m rate=1000000r/s;",
                "limit_req zone=all burst=1000000 nodelay;",
            ),
            false => ("", ""),
        };
        // Options of an address may be given once.
        let mut option = if is_tuned { " deferred" } else { "" };
        let tls = secure.map(Secure::nginx).unwrap_or_default();
        let mut http2 = match self.variant {
            Variant::Streams { .. } => format!("listen {HTTP2_ADDRESS}:{port} http2;"),
            _ => String::new(),
        };
        let servers = self.sites(root).map(|(host, root)| {
            let (host, root) = (host.as_deref().unwrap_or("_"), root.display());
            let listen = format!("127.0.0.1:{port}{}", std::mem::take(&mut option));
            let locations = self.nginx_locations();
            let http2 = std::mem::take(&mut http2);
            format!(
                "server {{ listen {listen}; {tls} {http2} server_name {host}; root {root}; \
                 {locations} }}\n"
            )
        });
        Ok(format!(
            "user root; worker_processes 1; daemon off;\npid {file}.pid; error_log stderr warn;\n\
             events {{ worker_connections 10000; }}\n\
             http {{\ninclude /etc/nginx/mime.types; types_hash_max_size 2048;\n\
             sendfile on; tcp_nopush on; keepalive_timeout 75s; keepalive_requests 1000000;\n\
             {log}\n{cache}\n{gzip}\n{auth}\n{zone}\n{limit}\n{}}}\n",
            servers.collect::<String>()
        ))
    }

    /// What nginx does with some paths.
    fn nginx_locations(&self) -> String {
        match self.variant {
            Variant::Routed => locations(),
            _ if self.site.is_of_programs() => format!(
                "index index.php; location / {{ try_files $uri $uri/ /index.php?$args; }} \
                 location ~ \\.php(/|$) {{ fastcgi_split_path_info ^(.+?\\.php)(/.*)$; \
                 try_files $fastcgi_script_name =404; include /etc/nginx/fastcgi.conf; \
                 fastcgi_buffer_size 16k; fastcgi_buffers 16 16k; fastcgi_pass unix:{}; }}",
                self.content.application().display()
            ),
            _ => String::new(),
        }
    }

    fn lighttpd(&self, (root, secure): (&Path, Option<&Secure<'_>>), port: u16) -> String {
        let root = root.display();
        let hosts = match self.site {
            Site::Single { .. }
            | Site::Heap
            | Site::Articles(_)
            | Site::Certified(_)
            | Site::Program { .. }
            | Site::Wordpress
            | Site::FrontPage => secure.map(Secure::lighttpd).unwrap_or_default(),
            Site::Hosts => format!(
                "server.modules = (\"mod_simple_vhost\")\n\
                 simple-vhost.server-root = \"{root}\"\nsimple-vhost.document-root = \"/\"\n"
            ),
        };
        format!(
            "server.port = {port}\nserver.bind = \"127.0.0.1\"\nserver.document-root = \"{root}\"\n\
             server.defer-accept = 1\nserver.max-worker = 0\nserver.max-connections = 9500\nserver.max-fds = 20000\n\
             server.max-keep-alive-requests = 1000000\nserver.max-keep-alive-idle = 75\n\
             mimetype.assign = (\".html\" => \"text/html\")\n{hosts}"
        )
    }

    fn h2o(&self, (root, secure): (&Path, Option<&Secure<'_>>), port: u16) -> String {
        let hosts = self.sites(root).map(|(host, root)| {
            let host = host.as_deref().unwrap_or("default");
            let root = root.display();
            format!("  \"{host}\":\n    paths:\n      /:\n        file.dir: \"{root}\"\n")
        });
        let tls = secure.map(Secure::h2o).unwrap_or_default();
        let http2 = match self.variant {
            Variant::Streams { .. } => format!("listen: {{host: {HTTP2_ADDRESS}, port: {port}}}\n"),
            _ => String::new(),
        };
        format!(
            "listen: {{host: 127.0.0.1, port: {port}}}\n{tls}{http2}user: root\nnum-threads: 1\n\
             max-connections: 10000\nhttp1-request-timeout: 75\nhosts:\n{}",
            hosts.collect::<String>()
        )
    }

    /// The virtual hosts with their folders; no name stands for every host.
    fn sites(&self, root: &Path) -> Box<dyn Iterator<Item = (Option<String>, PathBuf)>> {
        let root = root.to_owned();
        match self.site {
            Site::Hosts => Box::new(hosts().map(move |host| {
                let folder = root.join(&host);
                (Some(host), folder)
            })),
            Site::Certified(count) => {
                let hosts = (0..count).map(|number| format!("site{number:05}.example"));
                let all = [None].into_iter().chain(hosts.map(Some));
                Box::new(all.map(move |host| (host, root.clone())))
            }
            // It says another page where a server has another name than itself.
            Site::Wordpress => Box::new([(Some("localhost".to_owned()), root)].into_iter()),
            Site::Single { .. }
            | Site::Heap
            | Site::Articles(_)
            | Site::Program { .. }
            | Site::FrontPage => Box::new([(None, root)].into_iter()),
        }
    }
}

/// Routes beside the one that is asked for, and fields that it adds.
const ROUTES: usize = 99;
const FIELDS: [(&str, &str); 5] = [
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Permissions-Policy", "camera=(), microphone=()"),
    ("Content-Security-Policy", "default-src 'self'"),
    ("X-Served-By", "bench"),
];

/// A hundred routes, as gannet is told.
fn routes() -> String {
    let fields = FIELDS.map(|(name, value)| format!("{name} = \"{value}\""));
    let page = format!("route.\"/page.html\".fields = {{ {} }}\n", fields.join(", "));
    (0..ROUTES).fold(page, |text, number| {
        text + &format!("route.\"/part-{number}/*\".cache-control = \"max-age={number}\"\n")
    })
}

/// The same, as nginx is told.
fn locations() -> String {
    let fields = FIELDS.map(|(name, value)| format!("add_header {name} \"{value}\" always;"));
    let page = format!("location = /page.html {{ {} }}", fields.join(" "));
    (0..ROUTES).fold(page, |text, number| {
        text + &format!(
            " location /part-{number}/ {{ add_header Cache-Control \"max-age={number}\"; }}"
        )
    })
}
