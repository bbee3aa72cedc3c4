//! What a route says of PHP adds to what its site says.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what is wrong by panicking")]

mod machine;

use config::{
    Plan, load,
    plan::{Action, Php, Pool, Upstream},
};
use machine::Machine;
use std::time::Duration;

/// A plan whose site says that of PHP, as does a route of it.
fn plan(site: &str, route: &str) -> Result<Plan, String> {
    let text = format!("[site.default]\nroot = '/srv'\nphp = {site}\nroute.'/a/*'.php = {route}\n");
    load("t.toml", text, &Machine).map_err(|errors| errors.to_string())
}

/// What PHP is at that route, and what is started for the site.
fn php(site: &str, route: &str) -> (Option<Php>, Vec<Pool>) {
    let plan = plan(site, route).unwrap_or_else(|errors| panic!("{errors}"));
    let branch = plan.sites[0].routes.top.children[b"a".as_slice()].prefix.as_ref().unwrap();
    let php = match &branch.any.as_ref().unwrap().policy.action {
        Action::Php(php) => Some((**php).clone()),
        _ => None,
    };
    (php, plan.pools)
}

fn unix(path: &str) -> Upstream {
    Upstream::Unix(path.into())
}

#[test]
fn what_a_route_does_not_say_its_site_does() {
    let site = "{ socket = '/run/x', send-root = '/srv/own', micro-cache = '2s', keep = 3 }";
    let (php, pools) = php(site, "{ buffer-max = '0B', time = '1h' }");
    let php = php.unwrap();
    assert_eq!(php.application.address, unix("/run/x"));
    assert_eq!((php.buffer_bytes_max, php.time, php.keep), (0, Duration::from_secs(3600), 3));
    assert!(php.sending.is_some() && php.cache.unwrap().time == Duration::from_secs(2));
    assert!(pools.is_empty());
    let (php, _) = self::php(site, "{ micro-cache = '', keep = 0 }");
    assert!(php.is_some_and(|php| php.cache.is_none() && php.keep == 0));
}

#[test]
fn one_php_fpm_is_started_for_both_unless_the_route_wants_another() {
    let site =
        "{ user = 'shop', workers = 4, ini = { memory_limit = '1G', short_open_tag = true } }";
    let (php, pools) = php(site, "{ buffer-max = '0B' }");
    assert_eq!(pools.len(), 1);
    assert_eq!(php.unwrap().application.address, unix(pools[0].socket.to_str().unwrap()));
    let (_, pools) = self::php(site, "{ ini = { memory_limit = '2G' } }");
    let [one, other] = &pools[..] else { panic!("{pools:?}") };
    let setting = |pool: &Pool, name: &str| {
        let all: Vec<_> = pool.ini.iter().filter(|(own, _)| own == name).collect();
        assert_eq!(all.len(), 1, "{name}");
        all[0].1.clone()
    };
    assert_eq!(
        (setting(one, "memory_limit"), setting(other, "memory_limit").as_str()),
        ("1G".to_owned(), "2G")
    );
    assert_eq!(setting(other, "short_open_tag"), "on");
    assert_eq!((other.workers, &other.user), (4, &one.user));
}

#[test]
fn another_php_fpm_takes_the_place_of_the_first_as_a_whole() {
    let started = "{ user = 'shop', workers = 4 }";
    let address = |site: &str, route: &str| {
        let (php, pools) = php(site, route);
        (php.map(|php| php.application.address), pools.len())
    };
    let tcp = Upstream::Tcp("127.0.0.1:9000".parse().unwrap());
    assert_eq!(address(started, "{ address = '127.0.0.1:9000' }"), (Some(tcp), 1));
    assert_eq!(address("{ socket = '/x' }", "{ socket = '/y' }"), (Some(unix("/y")), 0));
    assert_eq!(address("{ socket = '/x' }", "true"), (Some(unix("/x")), 0));
    assert_eq!(address("{ socket = '/x' }", "false"), (None, 0));
    let (own, count) = address("{ socket = '/x' }", "{ workers = 3 }");
    assert!(count == 1 && own.is_some_and(|own| own != unix("/x")));
    // A table is on, whatever the site says.
    let (own, count) = address("false", "{ workers = 3 }");
    assert!(own.is_some() && count == 1);
}

#[test]
fn no_program_is_run_at_a_path_that_is_denied_nor_below_it() {
    let check = |deny: &str, denied: &[&str], run: &[&str]| {
        let text = format!("[site.default]\nroot = '/srv'\nphp.socket = '/x'\nphp-deny = {deny}");
        let plan = load("t.toml", text, &Machine).unwrap();
        let Action::Php(php) = &plan.sites[0].routes.rest.policy.action else { panic!("{deny}") };
        for (paths, expect) in [(denied, true), (run, false)] {
            for path in paths {
                assert_eq!(php.is_denied(path.as_bytes()), expect, "{deny}: {path}");
            }
        }
    };
    for deny in ["'/up'", "'/up/'", "['/none', '/up/']"] {
        let run = ["/index.php", "/upper.php", "/x/up/x.php"];
        check(deny, &["/up", "/up/x.php", "/up/a/x.php"], &run);
    }
    check("'/up/*'", &["/up/x.php"], &["/upper.php"]);
    check("'/up*'", &["/up/x.php", "/upper.php"], &["/index.php"]);
    for deny in ["'/'", "'/*'"] {
        check(deny, &["/index.php", "/up/x.php"], &[]);
    }
    check("[]", &[], &["/index.php"]);
}

#[test]
fn what_is_wrong_is_said_where_it_is_typed_and_once() {
    for (site, route, expect) in [
        ("{ workers = 5 }", "{ keep = 3 }", "more than half of the 5 `workers`"),
        ("{ workers = 5, keep = 3 }", "{ time = '1m' }", "more than half of the 5 `workers`"),
        ("{ workers = 9, keep = 4 }", "{ workers = 5 }", "more than half of the 5 `workers`"),
        ("{ socket = '/x' }", "{ address = 'nowhere' }", "`nowhere` is not an address"),
        ("{ address = 'nowhere' }", "{ time = '1m' }", "`nowhere` is not an address"),
        ("{ socket = '/x', workers = 3 }", "{ time = '1m' }", "`workers` has no effect"),
        ("true", "{ micro-cache-max = '1MiB' }", "no effect without `micro-cache`"),
    ] {
        let errors = plan(site, route).unwrap_err();
        assert!(errors.contains(expect), "{errors}");
        assert_eq!(errors.matches("error: ").count(), 1, "{errors}");
    }
    assert!(plan("{ micro-cache = '1s' }", "{ micro-cache-max = '1MiB' }").is_ok());
}
