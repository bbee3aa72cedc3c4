//! Finds the routes of requests to many hosts over and over, so that instructions can be counted.

use config::{Errors, Plan, World};
use message::{Exchange, Field, Fields, Length, Method, Request, Version};
use std::{env, error::Error, fmt::Write, hint::black_box};

/// A machine on which every folder is there.
struct Machine;

impl World for Machine {}

/// A plan of so many sites, each with the same few routes.
fn plan(sites: usize) -> Result<Plan, Errors> {
    let mut text = String::new();
    for number in 0..sites {
        let site = format!("site.\"host{number:05}.example\"");
        let lines = [
            format!("[{site}]\naliases = \"www.host{number:05}.example\"\nroot = \"{number}\""),
            format!("[{site}.route.\"/assets/*\"]\ncache-control = \"max-age=60\""),
            format!("[{site}.route.\"/old/*\"]\nredirect = \"/new/{{rest}}\""),
            format!("[{site}.route.\"POST /form\"]\nrespond = {{ text = \"thanks\" }}"),
        ];
        lines.iter().for_each(|line| writeln!(text, "{line}").unwrap_or_default());
    }
    config::load("many.toml", text, &Machine)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut numbers = env::args().skip(1).filter_map(|word| word.parse::<usize>().ok());
    let (Some(sites), Some(count)) = (numbers.next(), numbers.next()) else {
        return Err("how many sites, and how many requests?".into());
    };
    let plan = plan(sites)?;
    // A stride without a common divisor leads through all hosts.
    let hosts: Vec<_> =
        (0..1000).map(|at| format!("host{:05}.example", at * 7919 % sites)).collect();
    let fields = [Field { name: b"host", value: b"" }];
    for turn in 0..count {
        let request = Request {
            version: Version::Http11,
            method: Method::Get,
            host: &hosts[turn % hosts.len()],
            port: "",
            path: "/assets/css/site.min.css",
            query: None,
            fields: Fields::of(&fields),
            length: Length::Known(0),
        };
        let exchange = Exchange::new(black_box(&request), None, 0);
        let found = route::find(&plan, &exchange, &mut ());
        assert!(&*black_box(found).route.key == "/assets/*");
    }
    Ok(())
}
