//! phpMyAdmin as Debian packages it: logging in, a table, and twenty megabytes there and back; and
//! the same by nginx.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Database, Peer, Php, Server,
    comparison::differ,
    visitor::{Visitor, between},
};
use std::{fs, path::Path};

/// The package's own folder.
const ROOT: &str = "/usr/share/phpmyadmin";

/// Rows of a table that has twenty megabytes when it is written down.
const ROWS: &str = "20000";

/// A database in which ann may do all.
fn database() -> Database {
    let database = Database::start();
    database.run(
        "CREATE DATABASE birds; CREATE USER ann@localhost IDENTIFIED BY 'secret'; \
         GRANT ALL ON *.* TO ann@localhost",
    );
    database
}

/// Logs in, makes a table, writes it down and reads it again; what was told to this visitor alone.
fn work(visitor: &Visitor, database: &Database) -> Vec<String> {
    let front = visitor.get("/");
    let first = between(&front, "name=\"token\" value=\"", "\"").to_owned();
    let words = [("pma_username", "ann"), ("pma_password", "secret"), ("token", &*first)];
    visitor.post("/index.php?route=/", &[&words[..], &[("server", "1")]].concat());
    let home = visitor.get("/index.php?route=/");
    assert!(home.contains("user:\"ann\""), "ann is not logged in: {home}");
    let second = between(&home, "token:\"", "\"").to_owned();
    let token = &*second;
    let table = "CREATE TABLE gannets (id INT, song TEXT)";
    let fields =
        [("token", token), ("db", "birds"), ("ajax_request", "true"), ("sql_query", table)];
    let made = visitor.post("/index.php?route=/import", &fields);
    assert!(made.contains("\"success\":true"), "{made}");
    database.run(&format!(
        "USE birds; INSERT INTO gannets SELECT seq, repeat(md5(seq), 30) FROM seq_1_to_{ROWS}"
    ));
    let sum = database.run("CHECKSUM TABLE birds.gannets");
    let export = [
        ("token", token),
        ("db", "birds"),
        ("export_type", "database"),
        ("export_method", "quick"),
        ("quick_or_custom", "quick"),
        ("what", "sql"),
        ("sql_structure_or_data", "structure_and_data"),
        ("sql_create_table", "something"),
        ("sql_drop_table", "something"),
        ("sql_insert_syntax", "complete"),
        ("sql_type", "INSERT"),
        ("sql_max_query_size", "50000"),
        ("asfile", "sendit"),
        ("output_format", "sendit"),
        ("filename_template", "@DATABASE@"),
        ("charset", "utf-8"),
        ("compression", "none"),
        ("table_select[]", "gannets"),
        ("table_structure[]", "gannets"),
        ("table_data[]", "gannets"),
        ("aliases_new", ""),
    ];
    let written = visitor.post("/index.php?route=/export", &export);
    assert!(written.len() > 20_000_000, "{}", written.len());
    database.run("DROP TABLE birds.gannets");
    let folder = e2e::folder();
    let file = folder.path().join("birds.sql");
    fs::write(&file, written).unwrap();
    let import = [
        ("token", token),
        ("db", "birds"),
        ("import_type", "database"),
        ("format", "sql"),
        ("charset_of_file", "utf-8"),
        ("ajax_request", "true"),
    ];
    let read = visitor.upload("/index.php?route=/import", &import, ("import_file", &file));
    assert_eq!(
        database.run("CHECKSUM TABLE birds.gannets"),
        sum,
        "{}",
        &read[..read.len().min(900)]
    );
    assert_eq!(database.run("SELECT count(*) FROM birds.gannets").trim(), ROWS);
    // What it links to in other packages is sent.
    assert!(visitor.get("/js/vendor/jquery/jquery.min.js").contains("jQuery"));
    vec![first, second]
}

#[test]
fn twenty_megabytes_are_exported_and_imported_again() {
    let database = database();
    // The folder is root's, who runs no PHP; the package's settings are for this user.
    let user = if rustix::process::geteuid().is_root() { "user = 'www-data', " } else { "" };
    let server = Server::run(&format!(
        "[server]\nlisten = '127.0.0.1:0'\nlog = 'json'\n[site.default]\nroot = '{ROOT}'\n\
         links = '/usr/share/javascript'\n\
         php = {{ {user}time = '2m', ini = {{ 'mysqli.default_socket' = {:?} }} }}\n",
        database.socket()
    ));
    work(&Visitor::of(server.addr()), &database);
    server.stop();
}

#[test]
fn all_of_it_is_answered_as_by_nginx() {
    let database = database();
    let php = Php::start(
        2,
        &format!(
            "php_admin_flag[expose_php] = on\nphp_admin_value[post_max_size] = 64M\n\
             php_admin_value[upload_max_filesize] = 64M\n\
             php_admin_value[mysqli.default_socket] = {}\n",
            database.socket().display()
        ),
    );
    let server = Server::run(&format!(
        "[server]\nlisten = '127.0.0.1:0'\nlog = 'json'\n[site.default]\nroot = '{ROOT}'\n\
         links = '/usr/share/javascript'\nphp = {{ socket = {:?} }}\n",
        php.socket()
    ));
    let nginx = Peer::nginx_with_php(Path::new(ROOT), &php.socket());
    let visitors = [
        Visitor::by_name("a.example", server.addr()),
        Visitor::by_socket("a.example", &nginx.socket()),
    ];
    let secrets = visitors.each_ref().map(|visitor| {
        let secrets = work(visitor, &database);
        database.run("DROP DATABASE birds; CREATE DATABASE birds");
        secrets
    });
    let [ours, theirs] = visitors.map(|visitor| visitor.notes());
    let differences = differ(&ours, &theirs, secrets.each_ref().map(|all| &all[..]));
    assert!(differences.is_empty(), "{differences}");
    server.stop();
}
