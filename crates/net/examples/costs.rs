//! What the calls of this room cost, in nanoseconds each: `cargo run --release --example costs`.

use net::{Patience, Root, clock, file, socket};
use std::hint::black_box;
use std::io::{self, IoSlice, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::Instant;

const ROUNDS: usize = 7;
const CALLS: u32 = 20_000;

fn main() -> io::Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir_all(folder.path().join("a/b"))?;
    std::fs::write(folder.path().join("a/b/small.html"), [b'x'; 900])?;
    std::fs::write(folder.path().join("large"), vec![b'x'; 1 << 20])?;
    std::os::unix::fs::symlink(folder.path().join("a/b"), folder.path().join("absolute"))?;
    let root = Root::open(folder.path(), &[]).map_err(io::Error::other)?;
    let path = b"/a/b/small.html";
    let find = |path: &[u8], patience| root.find(path, patience).map_err(io::Error::other);
    find(path, Patience::Wait)?;
    let small = find(path, Patience::Now)?;
    let large = find(b"/large", Patience::Wait)?.file;

    measure("clock::now", || Ok(clock::now()))?;
    measure("clock::precise_us", || Ok(clock::precise_us()))?;
    measure("find, at once, and close", || find(path, Patience::Now))?;
    measure("find, waiting, and close", || find(path, Patience::Wait))?;
    measure("find, by an absolute link", || find(b"/absolute/small.html", Patience::Wait))?;
    measure("find, nothing there", || Ok(root.find(b"/a/b/none", Patience::Now).is_ok()))?;
    measure("stat", || root.stat(path).map_err(io::Error::other))?;
    let mut buffer = [0; 1024];
    measure("read_now, 900 bytes", || {
        file::read_now(small.file.as_fd(), &mut buffer, 0).map_err(io::Error::other)
    })?;
    let mut buffer = vec![0; 65536];
    measure("read_now, 64 KiB", || {
        file::read_now(large.as_fd(), &mut buffer, 0).map_err(io::Error::other)
    })?;
    measure("is_resident, 256 KiB", || Ok(file::is_resident(large.as_fd(), 0..262_144)))?;

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut peer = TcpStream::connect(listener.local_addr()?)?;
    let socket = listener.accept()?.0;
    std::thread::spawn(move || io::copy(&mut peer, &mut io::sink()));
    let head = [b'x'; 1100];
    measure("send_more, 1.1 KB", || {
        socket::send_more(socket.as_fd(), &[IoSlice::new(&head)], false)
    })?;
    measure("send_file, 64 KiB", || file::send_file(socket.as_fd(), large.as_fd(), 0, 65_536))
}

/// Prints the median over some rounds of what one `call` costs on average.
fn measure<T>(name: &str, mut call: impl FnMut() -> io::Result<T>) -> io::Result<()> {
    let mut nanos = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..CALLS {
            black_box(call()?);
        }
        nanos.push(start.elapsed().as_nanos() / u128::from(CALLS));
    }
    nanos.sort_unstable();
    writeln!(io::stdout(), "{:>7} ns  {name}", nanos[ROUNDS / 2])
}
