//! Other servers of the same folder, to compare answers with: nginx and lighttpd.
//!
//! Each listens on a socket in a folder of its own, so that nobody fights for ports, and is set up
//! as its experts would for the work that gannet does: the same types, siblings that are compressed
//! beforehand, nothing of dotfiles and PHP sources.

use crate::{Server, eventually};
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::{fs::symlink, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// The ciphers of TLS 1.2 that Mozilla recommends for all but the oldest clients.
const INTERMEDIATE: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
     ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:\
     ECDHE-RSA-CHACHA20-POLY1305";

/// A running peer. Dropping it ends it.
pub struct Peer {
    child: Child,
    folder: tempfile::TempDir,
}

/// An answer as it was sent; unlike [`crate::Response`] it judges nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The status code; 0 where the connection ended without an answer.
    pub status: u16,
    /// The field lines, names in lower case.
    pub fields: Vec<(String, String)>,
    /// The content, taken out of its chunks.
    pub body: Vec<u8>,
}

impl Peer {
    /// nginx, serving `root`.
    pub fn nginx(root: &Path) -> Self {
        Self::start("nginx", root, nginx)
    }

    /// nginx with the php-fpm that listens at `application`, set up as Debian proposes it.
    pub fn nginx_with_php(root: &Path, application: &Path) -> Self {
        Self::start("nginx", root, |root, folder| nginx_with_php(root, folder, application))
    }

    /// nginx as Mozilla's intermediate configuration has it, with TLS at `addr`, too, by a pair at
    /// that path but for its endings.
    pub fn nginx_with_tls(root: &Path, addr: SocketAddr, pair: &Path) -> Self {
        Self::start("nginx", root, |root, folder| nginx_with_tls(folder, root, addr, pair))
    }

    /// lighttpd, serving `root`.
    pub fn lighttpd(root: &Path) -> Self {
        Self::start("lighttpd", root, lighttpd)
    }

    fn start(name: &str, root: &Path, config: impl Fn(&Path, &Path) -> String) -> Self {
        let folder = crate::folder();
        let file = folder.path().join("config");
        fs::write(&file, config(root, folder.path())).unwrap();
        let mut command = Command::new(Path::new("/usr/sbin").join(name));
        match name {
            "nginx" => command.arg("-e").arg(folder.path().join("errors")).arg("-c").arg(file),
            _ => command.arg("-D").arg("-f").arg(file),
        };
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().unwrap_or_else(|e| panic!("{name}: {e}: apt-get install it"));
        let mut peer = Self { child, folder };
        let has_ended = |child: &mut Child| child.try_wait().unwrap().is_some();
        let is_up = eventually(|| peer.connect().is_some() || has_ended(&mut peer.child));
        assert!(is_up && !has_ended(&mut peer.child), "{name} does not start");
        peer
    }

    fn connect(&self) -> Option<UnixStream> {
        UnixStream::connect(socket(self.folder.path())).ok()
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        socket(self.folder.path())
    }

    /// What it answers to `request`, the last one of its connection.
    pub fn ask(&self, request: &[u8]) -> Answer {
        ask(self.connect().expect("the peer accepts"), request)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// What it answers to `request`, the last one of its connection.
    pub fn ask(&self, request: &[u8]) -> Answer {
        ask(TcpStream::connect(self.addr()).expect("the server accepts"), request)
    }
}

impl Answer {
    /// The value of a field, its name given in lower case; several lines are one list.
    pub fn get(&self, name: &str) -> Option<String> {
        let values = self.fields.iter().filter(|(have, _)| have == name);
        let values: Vec<_> = values.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// Reads the last answer of a connection; interim ones (1xx) come before it.
    fn read(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(end) = end else { return Self::default() };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status.and_then(|code| code.parse().ok()).unwrap_or(0);
        if (100..200).contains(&status) {
            return Self::read(&bytes[end + 4..]);
        }
        let fields = lines.filter_map(|line| line.split_once(':'));
        let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().into()));
        let mut answer = Self { status, fields: fields.collect(), body: bytes[end + 4..].to_vec() };
        if answer.get("transfer-encoding").is_some() {
            answer.body = unchunked(&answer.body).unwrap_or_default();
        }
        answer
    }
}

/// Sends `request`, which asks for the end of the connection, and reads up to it.
fn ask(mut stream: impl Read + Write, request: &[u8]) -> Answer {
    // Who refuses a head need not read all of it.
    let _ = stream.write_all(request);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    Answer::read(&bytes)
}

fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(str::from_utf8(&rest[..end]).ok()?.trim(), 16).ok()?;
        content.extend_from_slice(rest.get(end + 2..end + 2 + size)?);
        if size == 0 {
            return Some(content);
        }
        rest = rest.get(end + 4 + size..)?;
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("socket")
}

/// What nginx is told first.
fn nginx_head(folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "daemon off; master_process off; worker_processes 1; pid {folder}/pid;
error_log {folder}/errors;
events {{ worker_connections 100; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;"
    )
}

fn nginx(root: &Path, folder: &Path) -> String {
    let (root, head, socket) = (root.display(), nginx_head(folder), socket(folder));
    format!(
        "{head}
    types {{ text/html html; text/plain txt; text/css css; application/octet-stream bin; }}
    default_type application/octet-stream;
    charset utf-8; charset_types text/html text/plain text/css;
    sendfile on; tcp_nopush on; absolute_redirect off; server_tokens off;
    if_modified_since before; gzip_static on; gzip_vary on;
    server {{
        listen unix:{};
        root {root};
        add_header X-Frame-Options DENY;
        location /sub/ {{ add_header Cache-Control max-age=60; add_header X-Frame-Options DENY; }}
        location ~ ^/old/(.*)$ {{ return 308 /sub/$1$is_args$args; }}
        location /moved/ {{ rewrite ^/moved/(.*)$ /sub/$1 last; }}
        location ~ ^/guarded(/|$) {{ return 403; }}
        location ~ /\\.(?!well-known/) {{ return 404; }}
        location ~* \\.(php|phtml|phar)[^/]*(/|$) {{ return 404; }}
    }}
}}
",
        socket.display()
    )
}

fn nginx_with_php(root: &Path, folder: &Path, application: &Path) -> String {
    // Debian's snippet names it as it lies beside its own config.
    symlink("/etc/nginx/fastcgi.conf", folder.join("fastcgi.conf")).unwrap();
    let (root, head, socket) = (root.display(), nginx_head(folder), socket(folder));
    format!(
        "{head}
    include /etc/nginx/mime.types;
    gzip on;
    client_max_body_size 64m;
    server {{
        listen unix:{};
        server_name a.example;
        root {root};
        index index.php index.html;
        location / {{ try_files $uri $uri/ /index.php?$args; }}
        location ~ \\.php(/|$) {{
            include /etc/nginx/snippets/fastcgi-php.conf;
            # By a Unix socket nobody has an address, which programs want to know.
            fastcgi_param REMOTE_ADDR 127.0.0.1;
            fastcgi_param SERVER_ADDR 127.0.0.1;
            fastcgi_param SERVER_PORT 8080;
            fastcgi_pass unix:{};
        }}
    }}
}}
",
        socket.display(),
        application.display()
    )
}

fn nginx_with_tls(folder: &Path, root: &Path, addr: SocketAddr, pair: &Path) -> String {
    let (root, head, socket) = (root.display(), nginx_head(folder), socket(folder));
    format!(
        "{head}
    server {{
        listen unix:{};
        listen {addr} ssl http2;
        root {root};
        ssl_certificate {}; ssl_certificate_key {};
        ssl_protocols TLSv1.2 TLSv1.3;
        ssl_ciphers {INTERMEDIATE};
        ssl_prefer_server_ciphers off;
        ssl_session_timeout 1d; ssl_session_cache shared:all:1m;
        add_header Strict-Transport-Security max-age=63072000 always;
    }}
}}
",
        socket.display(),
        pair.with_extension("pem").display(),
        pair.with_extension("key").display()
    )
}

fn lighttpd(root: &Path, folder: &Path) -> String {
    let (root, socket) = (root.display(), socket(folder));
    format!(
        "server.document-root = \"{root}\"
server.bind = \"{}\"
server.modules = (\"mod_rewrite\", \"mod_redirect\", \"mod_access\", \"mod_setenv\", \"mod_deflate\")
setenv.set-response-header = (\"X-Frame-Options\" => \"DENY\")
$HTTP[\"url\"] =~ \"^/sub/\" {{
    setenv.set-response-header = (\"X-Frame-Options\" => \"DENY\", \"Cache-Control\" => \"max-age=60\")
}}
url.redirect-code = 308
url.redirect = (\"^/old/([^?]*)(\\?.*)?$\" => \"/sub/$1$2\")
url.rewrite-once = (\"^/moved/(.*)$\" => \"/sub/$1\")
$HTTP[\"url\"] =~ \"^/guarded(/|$)\" {{ url.access-deny = (\"\") }}
deflate.mimetypes = (\"text/css\")
deflate.allowed-encodings = (\"gzip\")
deflate.min-compress-size = 1
server.errorlog = \"{}/errors\"
index-file.names = (\"index.html\")
mimetype.assign = (\".html\" => \"text/html; charset=utf-8\", \".txt\" => \"text/plain; charset=utf-8\",
    \".css\" => \"text/css; charset=utf-8\", \"\" => \"application/octet-stream\")
$HTTP[\"url\"] =~ \"/\\.(?!well-known/)\" {{ url.access-deny = (\"\") }}
$HTTP[\"url\"] =~ \"\\.(php|phtml|phar)[^/]*(/|$)\" {{ url.access-deny = (\"\") }}
",
        socket.display(),
        folder.display()
    )
}
