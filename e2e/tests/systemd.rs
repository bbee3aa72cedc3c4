//! What systemd hands over and is told, and what the first process of a container does; the test
//! plays systemd.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests say what is wrong by panicking")]

use e2e::{Client, Launch, PATIENCE, Stage, binary, eventually, process::Process};
use rustix::process::Signal;
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

/// With the user and the capabilities that the unit file gives it.
#[test]
fn it_needs_no_more_than_the_unit_file_leaves_it() {
    let unit = fs::read_to_string(binary::workspace().join("contrib/gannet.service")).unwrap();
    assert!(unit.contains("\nUser=gannet\n"));
    for list in ["CapabilityBoundingSet", "AmbientCapabilities"] {
        assert!(unit.contains(&format!("\n{list}=CAP_NET_BIND_SERVICE\n")), "{list}");
    }
    let stage = Stage::new();
    let runtime = e2e::folder();
    let (port, prelude) = match rustix::process::geteuid().is_root() {
        true => {
            const CAPS: &str = "-all,+net_bind_service";
            let prelude = format!(
                "exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs \
                 --inh-caps={CAPS} --ambient-caps={CAPS} --bounding-set={CAPS} \"$0\" \"$@\""
            );
            std::os::unix::fs::chown(runtime.path(), Some(65534), None).unwrap();
            let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
            ((600..1024).find(is_free).unwrap(), prelude)
        }
        // Who is somebody else already has no such power to give.
        false => (0, "true".to_owned()),
    };
    let launch = launch(&stage, &format!("127.0.0.1:{port}")).after(&prelude);
    let server = launch.env("XDG_RUNTIME_DIR", runtime.path().to_str().unwrap()).start();
    assert_eq!(Client::connect(server.addr()).get("/digits.txt").unwrap().status, 200);
    let status = fs::read_to_string(format!("/proc/{}/status", server.process().0)).unwrap();
    for set in ["Prm", "Eff", "Amb"] {
        assert!(status.contains(&format!("Cap{set}:\t0000000000000000")), "{status}");
    }
    // Root, too, may tell it what to do.
    let mut sockets = fs::read_dir(runtime.path()).unwrap().map(|entry| entry.unwrap().path());
    let control = sockets.find(|path| path.extension().is_some_and(|end| end == "sock")).unwrap();
    let file = stage.file("gannet.toml").to_str().unwrap().to_owned();
    let words = ["reload", "--control", control.to_str().unwrap(), &file].map(str::to_owned);
    let (code, _, stderr) = Launch::of(words.to_vec()).finish();
    assert_eq!(code, Some(0), "{stderr}");
    let worker = server.process();
    worker.kill();
    assert!(eventually(|| server.workers().first().is_some_and(|other| *other != worker)));
    server.stop();
}
