//! What systemd hands over and is told, and what the first process of a container does; the test
//! plays systemd.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests say what is wrong by panicking")]

use e2e::{
    Client, Launch, PATIENCE, Stage, Unit, binary, eventually,
    look::{admin, json},
    process::Process,
};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixDatagram},
    },
    process::{self, Command, Stdio},
};

/// `gannet run` with a config that listens there.
fn launch(stage: &Stage, listen: &str) -> Launch {
    let config = format!(
        "[server]\nlisten = {listen:?}\nthreads = 2\nlog = \"json\"\n[site.default]\nroot = {:?}\n",
        stage.site.root()
    );
    fs::write(stage.file("gannet.toml"), config).unwrap();
    tell("run", stage)
}

fn tell(verb: &str, stage: &Stage) -> Launch {
    let file = stage.file("gannet.toml").to_str().unwrap().to_owned();
    Launch::of(vec![verb.to_owned(), file])
}

/// The next message that begins with `start`; the server gets on meanwhile.
fn hear(manager: &UnixDatagram, start: &str) -> String {
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    loop {
        let mut room = [0; 4096];
        let count = manager.recv(&mut room).expect(start);
        let text = String::from_utf8(room[..count].to_vec()).unwrap();
        if text.starts_with(start) {
            return text;
        }
        assert_eq!(text, "WATCHDOG=1", "{start} is due");
    }
}

#[test]
fn systemd_is_told_of_each_step() {
    let stage = Stage::new();
    let path = stage.file("notify");
    let name = format!("gannet-e2e-{}", process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    for (manager, at) in [
        (UnixDatagram::bind(&path), path.to_str().unwrap().to_owned()),
        (UnixDatagram::bind_addr(&address), format!("@{name}")),
    ] {
        let manager = manager.unwrap();
        let launch = launch(&stage, "127.0.0.1:0").env("NOTIFY_SOCKET", &at);
        let server = launch.env("WATCHDOG_USEC", "200000").start();
        let ready = format!("READY=1\nMAINPID={}\nSTATUS=serves 1 site", server.started().0);
        assert!(hear(&manager, "READY").starts_with(&ready));
        hear(&manager, "WATCHDOG=1");
        hear(&manager, "WATCHDOG=1");
        let good = fs::read_to_string(stage.file("gannet.toml")).unwrap();
        for (config, status) in [
            (good.replace("threads", "thraeds"), "; not reloaded: error"),
            (good, "STATUS=serves 1 site"),
        ] {
            fs::write(stage.file("gannet.toml"), config).unwrap();
            server.signal(Signal::HUP);
            let reloading = hear(&manager, "RELOADING=1\nMONOTONIC_USEC=");
            let time = reloading.lines().nth(1).unwrap().trim_start_matches("MONOTONIC_USEC=");
            assert!(time.parse::<u64>().unwrap() > 0);
            let ready = hear(&manager, "READY=1");
            assert!(ready.contains(status), "{ready}");
        }
        server.signal(Signal::TERM);
        hear(&manager, "STOPPING=1");
        server.ended();
    }
}

#[test]
fn a_socket_that_is_handed_over_is_used() {
    const PRELUDE: &str = "exec 3<&0 0</dev/null && export LISTEN_PID=$$ LISTEN_FDS=1 \
                           LISTEN_FDNAMES=web";
    let stage = Stage::new();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = socket.local_addr().unwrap();
    // Somebody came before the server did.
    let mut early = Client::connect(addr);
    early.send("GET /digits.txt HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let handed = || socket.try_clone().unwrap();
    let server = launch(&stage, &addr.to_string()).with_input(handed()).after(PRELUDE).start();
    assert_eq!(early.response().unwrap().status, 200);
    for _ in 0..20 {
        assert_eq!(Client::connect(addr).get("/digits.txt").unwrap().status, 200);
    }
    assert_eq!(tell("reload", &stage).finish().0, Some(0));
    assert_eq!(Client::connect(addr).get("/digits.txt").unwrap().status, 200);
    // Whoever has made it listens on, and its clients would wait, after an upgrade as well.
    for _ in 0..2 {
        drop(launch(&stage, "127.0.0.1:0"));
        let (code, _, stderr) = tell("reload", &stage).finish();
        assert_eq!(code, Some(1), "{stderr}");
        let expect = format!("error: {addr}: systemd goes on to listen there");
        assert!(stderr.contains(&expect), "{stderr}");
        assert_eq!(Client::connect(addr).get("/digits.txt").unwrap().status, 200);
        drop(launch(&stage, &addr.to_string()));
        let file = stage.file("gannet.toml").to_str().unwrap().to_owned();
        let (code, _, stderr) =
            Launch::of(vec!["upgrade".to_owned(), "-c".to_owned(), file]).finish();
        assert_eq!(code, Some(0), "{stderr}");
    }
    server.stop();
    // One that is nowhere in the config would leave clients waiting.
    let other = launch(&stage, "127.0.0.1:0").with_input(handed()).after(PRELUDE);
    let (code, _, stderr) = other.finish();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains(&format!("\"web\" that systemd hands over is at {addr}")), "{stderr}");
}

#[test]
fn the_first_process_of_a_container_forgets_orphans_and_hears_signals() {
    let stage = Stage::new();
    drop(launch(&stage, "127.0.0.1:0"));
    let mut container = Command::new("unshare")
        .args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c"])
        .arg("(sleep 0.2 &); exec \"$0\" run \"$1\"")
        .arg(binary::path())
        .arg(stage.file("gannet.toml"))
        .stdout(Stdio::piped())
        .spawn()
        .expect("unshare can be started (Debian: util-linux)");
    let mut line = String::new();
    BufReader::new(container.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("\"pid\":1,"), "{line}");
    let server = Process(container.id()).children()[0];
    let orphans = || {
        let all = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let stat = fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
            let (name, rest) = stat.rsplit_once(") ")?;
            let parent = rest.split(' ').nth(1)?;
            (name.ends_with("(sleep") && parent == server.0.to_string()).then_some(())
        });
        all.count()
    };
    assert!(eventually(|| orphans() == 0), "the dead stay");
    server.signal(Signal::TERM);
    assert_eq!(container.wait().unwrap().code(), Some(0));
}

/// Settings of the unit file that a systemd as old as this one does not know.
const NEWER: [&str; 3] = ["notify-reload", "RestartSteps", "RestartMaxDelaySec"];

#[test]
fn the_unit_file_leaves_little_exposed() {
    let unit = binary::workspace().join("contrib/gannet.service");
    let output = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--no-pager"])
        .arg(&unit)
        .output()
        .expect("systemd-analyze can be started (Debian: systemd)");
    let (text, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let level = text.lines().find(|line| line.contains("Overall exposure level"));
    let level = level.and_then(|line| line.split(' ').find_map(|word| word.parse::<f64>().ok()));
    assert!(level.is_some_and(|level| level <= 2.0), "{text}{errors}");
    let odd = |line: &&str| !NEWER.iter().any(|newer| line.contains(newer));
    assert_eq!(errors.lines().find(odd), None);
}

/// What nothing shows here that has no systemd, and what it is for.
#[test]
fn the_unit_file_tells_systemd_what_it_has_to_know() {
    let unit = Unit::shipped();
    for line in [
        // It hears of each step, and in time that the server gets on.
        "Type=notify-reload",
        "WatchdogSec=30s",
        // Where the watching process dies its workers serve on, and the next one has what it held.
        "KillMode=process",
        "FileDescriptorStoreMax=4096",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "RuntimeDirectoryPreserve=restart",
        // A worker that dies is replaced by the server.
        "OOMPolicy=continue",
        // No start helps a config that cannot be served.
        "RestartPreventExitStatus=2",
        // A socket that it hands over is shared by all workers, of which one accepts.
        "NonBlocking=yes",
        "User=gannet",
        "NoNewPrivileges=yes",
    ] {
        assert!(unit.has(line), "{line}");
    }
}

/// As on a kernel, or in a container, that lacks one; most sites have a name and no other.
#[test]
fn each_layer_of_the_sandbox_is_said_at_the_start_and_what_one_lacks() {
    let (stage, place) = (Stage::new(), e2e::folder());
    let config = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nlog = \"json\"\n\
         [site.\"a.example\"]\nroot = {:?}\n",
        stage.site.root()
    );
    fs::write(stage.file("gannet.toml"), config).unwrap();
    for (unit, landlock) in [
        (Unit::shipped(), "landlock: on, ABI "),
        (Unit::shipped().without("landlock"), "landlock: not available: Operation not permitted"),
    ] {
        let launch = tell("run", &stage);
        let launch = launch.env("XDG_RUNTIME_DIR", place.path().to_str().unwrap());
        let server = unit.of(launch, place.path()).start();
        let start = server.wait_for(|line| line["event"] == "start");
        let said = start["sandbox"].as_array().unwrap().iter().map(|layer| layer.as_str().unwrap());
        let said: Vec<_> = said.collect();
        for layer in [
            "no capabilities: on",
            "no new privileges: on",
            "no core dumps: on",
            "private memory: on",
            landlock,
            "seccomp: on",
        ] {
            assert!(said.iter().any(|line| line.starts_with(layer)), "{layer}: {said:?}");
        }
        server.stop();
    }
}

/// With the user, the powers and the calls that the unit file gives it, on the machine as it shows
/// it.
#[test]
fn it_needs_no_more_than_the_unit_file_leaves_it() {
    let (stage, place) = (Stage::new(), e2e::folder());
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port = match rustix::process::geteuid().is_root() {
        true => (600..1024).find(is_free).unwrap(),
        false => 0,
    };
    let config = format!(
        "[server]\nlisten = [\"127.0.0.1:{port}\", \"[::1]:0\", \"unix:{place}/s\"]\n\
         admin = \"127.0.0.1:0\"\nlog = \"json\"\nthreads = 2\n\
         compress-cache = {{ folder = \"{place}/forms\" }}\n\
         error-log = {{ file = \"{place}/errors.log\" }}\n\
         [site.default]\nroot = {root:?}\ncompress = true\nphp = true\n",
        place = place.path().display(),
        root = stage.site.root(),
    );
    let script = b"<?php ini_set('display_errors', 1); echo preg_match('/a+/', 'caat');";
    stage.site.write("letters.php", script);
    fs::write(stage.file("gannet.toml"), config).unwrap();
    let path = place.path().to_str().unwrap().to_owned();
    fs::create_dir(place.path().join("forms")).unwrap();
    let launch = tell("run", &stage).env("XDG_RUNTIME_DIR", &path);
    let server = Unit::shipped().of(launch, place.path()).start();
    assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().status, 200);
    assert_eq!(Client::connect(server.addr()).get("/letters.php").unwrap().text(), "1");
    let status = fs::read_to_string(format!("/proc/{}/status", server.process().0)).unwrap();
    for set in ["Prm", "Eff", "Amb"] {
        assert!(status.contains(&format!("Cap{set}:\t0000000000000000")), "{status}");
    }
    // Root, too, may tell it what to do.
    let names = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names = names.map(|name| name.into_string().unwrap());
    let control = names.find(|name| name.ends_with(".sock") && !name.contains("-php-")).unwrap();
    let control = place.path().join(control);
    let file = stage.file("gannet.toml").to_str().unwrap().to_owned();
    let order = |words: &[&str]| {
        let (verb, more) = words.split_first().unwrap();
        let at = [*verb, "--control", control.to_str().unwrap()];
        let words = at.into_iter().chain(more.iter().copied()).map(str::to_owned);
        let (code, stdout, stderr) = Launch::of(words.chain([file.clone()]).collect()).finish();
        assert_eq!((code, &*stderr), (Some(0), ""));
        stdout
    };
    let look = || serde_json::from_str::<Value>(&order(&["status", "--json"])).unwrap();
    let status = look();
    assert!(status["overflows"].is_u64(), "{status}");
    let worker = &status["generations"][0]["workers"][0];
    assert!(worker["memory_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{worker}");
    let layers = status["sandbox"].as_array().unwrap();
    assert!(layers.iter().all(|layer| layer.as_str().unwrap().contains(": on")), "{layers:?}");
    let sockets = json(admin(&server), "/sockets");
    assert!(sockets["states"].as_array().is_some_and(|all| !all.is_empty()), "{sockets}");
    order(&["reload"]);
    let worker = server.process();
    worker.kill();
    assert!(eventually(|| server.workers().first().is_some_and(|other| *other != worker)));
    order(&["upgrade", "-c"]);
    assert!(eventually(|| look()["generations"].as_array().unwrap().len() == 1));
    assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().status, 200);
    server.stop();
}
