//! What operators who come from nginx look for, and what it is called here.

use crate::source::Source;

/// What to write instead of a setting of nginx that has no like-named one here.
const WAYS_OUT: [(&str, &str); 44] = [
    (
        "server_name",
        "the host is the name of the site: `[site.\"example.com\"]`, more of them in \
      `aliases`",
    ),
    ("location", "a location is a route: `[site.\"example.com\".route.\"/images/*\"]`"),
    (
        "server",
        "a server is a site: `[site.\"example.com\"]`; [server] is what all sites have in \
      common",
    ),
    ("http", "leave it out: [server] and [site.\"example.com\"] stand at the uppermost level"),
    ("events", "leave it out: `connections-max` of [server.limits] says how many may come"),
    (
        "try_files",
        "`root` looks for a file and for the index of a folder by itself; `fallback = \
      \"/index.html\"` is sent for what is not there, and `php = true` asks /index.php",
    ),
    ("proxy_pass", "gannet does not hand on to other web servers; `php` asks a php-fpm"),
    ("fastcgi_pass", "`php = { socket = \"/run/php/php-fpm.sock\" }` asks a php-fpm"),
    ("fastcgi_index", "leave it out: where `php` is on, index.php is found by itself"),
    ("fastcgi_param", "leave it out: where `php` is on, programs are given what they need"),
    ("upstream", "gannet does not hand on to other web servers; `php` asks a php-fpm"),
    ("error_page", "`error-pages = { 404 = \"errors/404.html\" }` names files by status"),
    ("autoindex", "`listing = true` lists folders that have no index"),
    ("return", "`redirect = \"https://example.com{path}\"`, or `respond = { status = 410 }`"),
    ("expires", "`cache-control = \"max-age=3600\"` says how long it may be kept"),
    ("add_header", "`fields = { X-Frame-Options = \"deny\" }` adds fields to responses"),
    ("gzip", "leave it out: text is compressed by itself; `compress` says otherwise"),
    ("gzip_types", "leave it out: text is compressed by itself; `compress` says otherwise"),
    ("brotli", "leave it out: text is compressed by itself; `compress` says otherwise"),
    ("access_log", "`log = { format = \"combined\", file = \"/var/log/gannet.log\" }`"),
    ("log_format", "`format` of `log` is \"combined\", \"json\" or a template of your own"),
    (
        "client_max_body_size",
        "`upload-max` of `php` says how much programs are sent; files take \
      no content",
    ),
    ("client_header_timeout", "`head-time` of [server.limits] is how long a head may take"),
    ("client_body_timeout", "`body-idle-time` of [server.limits] is how long content may stall"),
    ("keepalive_timeout", "`idle-time` of [server.limits] is how long a connection may rest"),
    ("keepalive_requests", "`requests-max` of [server.limits] is how many a connection may bring"),
    ("send_timeout", "`write-stall-time` of [server.limits] is how long a client may not read"),
    (
        "worker_processes",
        "`threads` of [server] is how many event loops there are; it need not be \
      said",
    ),
    ("worker_connections", "`connections-max` of [server.limits] says how many may come"),
    ("ssl_certificate", "`tls = { cert = \"fullchain.pem\", key = \"privkey.pem\" }` in the site"),
    (
        "ssl_certificate_key",
        "`tls = { cert = \"fullchain.pem\", key = \"privkey.pem\" }` in the \
      site",
    ),
    (
        "ssl_protocols",
        "`min-version = \"1.3\"` in `tls` leaves TLS 1.2 out; older ones are never \
      spoken",
    ),
    ("ssl_ciphers", "leave it out: only sound ones are used"),
    ("ssl_client_certificate", "`client-ca` in `tls` names the authorities of clients"),
    ("auth_basic", "`auth = { realm = \"staff\", file = \"staff.htpasswd\" }`"),
    ("auth_basic_user_file", "`auth = { realm = \"staff\", file = \"staff.htpasswd\" }`"),
    ("limit_req", "`limit = { rate = \"20/s\", burst = 40 }` is for each client"),
    ("limit_req_zone", "leave it out: `limit` needs no zone"),
    ("limit_conn", "`connections-per-client-max` of [server.limits] is for each client"),
    ("limit_rate", "`bandwidth` says how much is sent to a client, over all of its connections"),
    ("set_real_ip_from", "`trusted-proxies` of [server] names who may say who the client is"),
    ("server_tokens", "leave it out: the version is not sent"),
    ("sendfile", "leave it out: files are sent so by themselves"),
    ("default_server", "the site of all other hosts is `[site.default]`"),
];

/// What to write instead of the setting `name`, where nginx has it.
pub(crate) fn way_out(name: &str) -> Option<&'static str> {
    WAYS_OUT.iter().find(|(known, _)| *known == name).map(|(_, way_out)| *way_out)
}

/// Whether a line is how nginx has it: a block that opens or closes, or a setting that ends in `;`
/// and has no `=` behind its name.
pub(crate) fn is_line(line: &str) -> bool {
    let line = line.split_once(" #").map_or(line, |(line, _)| line).trim();
    let is_name = |name: &str| {
        let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_' || byte == b'-';
        name.starts_with(|first: char| first.is_ascii_lowercase()) && name.bytes().all(is_letter)
    };
    let mut words = line.trim_end_matches([';', '{']).split_ascii_whitespace();
    let has_name = words.next().is_some_and(is_name) && words.next() != Some("=");
    has_name && line.ends_with([';', '{'])
}

/// The first line of `source` that is how nginx has it, where most of its lines are.
pub(crate) fn first_line(source: &Source) -> Option<usize> {
    let is_said = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let lines = || source.text().lines().filter(is_said);
    let own = lines().filter(|line| is_line(line) || line.trim() == "}").count();
    let is_most = own >= 2 && own * 2 > lines().count();
    let at = source.text().lines().position(is_line)?;
    is_most.then_some(at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_nginx_are_told_from_others() {
        for (line, expect) in [
            ("server {", true),
            ("  listen 80;", true),
            ("location ~ \\.php$ {", true),
            ("root /var/www; # the site", true),
            ("root = \"site\";", false),
            ("[server]", false),
            ("listen = [", false),
            ("# listen 80;", false),
            ("}", false),
            ("", false),
        ] {
            assert_eq!(is_line(line), expect, "{line}");
        }
    }
}
