//! gannet: a web server in one binary.

fn main() {}
