//! A WordPress for the bench, set up as `http://localhost`. It makes a link to its folder and a
//! file of its front page, where the arguments say, says `open`, and is there until its input ends.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "it says by panicking what is wrong, and by a line that nothing is"
)]

use e2e::Wordpress;
use std::{env, fs, io, os::unix::fs::symlink};

fn main() {
    let paths: Vec<String> = env::args().skip(1).collect();
    let [link, page] = &paths[..] else { panic!("usage: wordpress LINK PAGE") };
    let wordpress = Wordpress::new();
    wordpress.install();
    symlink(wordpress.root(), link).unwrap();
    fs::write(page, wordpress.front_page()).unwrap();
    println!("open");
    io::copy(&mut io::stdin(), &mut io::sink()).unwrap();
}
