//! The commands that the page offers for what went wrong, as somebody copies them to a terminal.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

use e2e::{
    Application, Client, Launch, Server, Site,
    authority::{free_ports, own_address},
    binary,
    look::admin,
    webdriver::Browser,
};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

/// A server at two ports, whose application gives no answer, by a config whose name a shell would
/// not leave as it is.
struct Desk {
    _site: Site,
    folder: tempfile::TempDir,
    ports: [u16; 2],
    host: String,
}

impl Desk {
    fn new(application: &Application) -> Self {
        let (site, folder) = (Site::new(), e2e::folder());
        site.write("index.php", b"");
        let address = own_address();
        let ports = free_ports(address);
        let desk = Self { _site: site, folder, ports, host: address.to_string() };
        fs::create_dir(desk.file().parent().unwrap()).unwrap();
        let [first, second] = ports.map(|port| format!("'{address}:{port}'"));
        let text = format!(
            "[server]\nlisten = [{first}, {second}]\nlog = \"json\"\nadmin = \"127.0.0.1:0\"\n\
             threads = 1\nrequest-id = true\n[site.default]\nroot = {:?}\n{}",
            desk._site.root_text(),
            application.setting("")
        );
        fs::write(desk.file(), text).unwrap();
        desk
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("it's $(touch here)/gannet.toml")
    }

    fn start(&self) -> Server {
        Launch::of(["run", self.file().to_str().unwrap()].map(str::to_owned).to_vec()).start()
    }

    /// Where its second listener is.
    fn second(&self) -> SocketAddr {
        SocketAddr::new(self.host.parse().unwrap(), self.ports[1])
    }
}

/// What a shell says to a line that is typed into it, in that folder.
fn typed(shell: &[&str], line: &str, folder: &Path) -> String {
    let programs = format!("{}:/usr/bin:/bin", binary::path().parent().unwrap().display());
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).arg(line).current_dir(folder).env("PATH", programs);
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{line}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands that the page shows, the newest first, once there are so many.
fn shown(browser: &Browser, count: usize) -> Vec<String> {
    let words = "[...document.querySelectorAll('#troubles code')].map((one) => one.textContent)";
    browser.wait_until(&format!("{words}.length === {count}"));
    serde_json::from_value(browser.run(&format!("return {words}"))).unwrap()
}

#[test]
fn what_is_copied_to_a_shell_gives_the_right_answer_and_nothing_else() {
    let broken = Application::start(|_, _| ());
    let desk = Desk::new(&broken);
    let server = desk.start();
    let browser = Browser::start();
    browser.open(&format!("http://{}/#requests", admin(&server)));
    browser.wait_until("!by('calm').hidden");
    let mut client = Client::connect(desk.second());
    for (line, host) in [
        ("GET /my%20cart?a=b&c HTTP/1.1", "a.example"),
        ("`touch` /'$(touch)'?`touch`'!!;touch HTTP/1.1", "'$(touch)';!!"),
    ] {
        client.send(format!("{line}\r\nHost: {host}\r\n\r\n")).unwrap();
        assert_eq!(client.response().unwrap().status, 502);
    }
    let all = shown(&browser, 4);
    let empty = e2e::folder();
    for shell in [&["sh", "-c"][..], &["bash", "-c"], &["bash", "-Hc"]] {
        for (at, asked) in ["/'$(touch)'", "/my%20cart"].into_iter().enumerate() {
            let [explain, live] =
                [0, 1].map(|more| typed(shell, &all[2 * at + more], empty.path()));
            let start = format!("listener     {}:{} ", desk.host, desk.ports[1]);
            assert!(explain.starts_with(&start), "{explain}");
            assert!(explain.contains("\naction       PHP of "), "{explain}");
            assert!(live.contains(asked) && live.contains("sent: status 502"), "{live}");
        }
    }
    let left = fs::read_dir(empty.path()).unwrap().count();
    assert_eq!(left, 0, "nothing that a client has sent was run");
    // A click marks the whole of it, and what is marked stays while more happens.
    browser.click("#pause");
    browser.click("#troubles tr:last-child code");
    let marked = "return getSelection().toString().trim()";
    assert_eq!(browser.run(marked), *all[2]);
    browser.click("#pause");
    browser.run("getSelection().selectAllChildren(document.querySelector('#troubles code'))");
    browser.run("window.before = by('gathered').textContent");
    assert_eq!(Client::connect(desk.second()).get("/").unwrap().status, 502);
    browser.wait_until("by('gathered').textContent !== before");
    assert_eq!(browser.run(marked), *all[0]);
    browser.run("getSelection().empty()");
    shown(&browser, 6);
    assert_eq!(browser.complaints(), [""; 0], "nothing goes wrong on the page");
    server.stop();
}
