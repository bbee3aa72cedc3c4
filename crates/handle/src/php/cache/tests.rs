//! What is kept, for whom and how long, by a clock of the test's own.

use super::*;
use crate::php::Call;
use config::{
    Eyes, Quick, QuickPhp,
    plan::{Action, Cache},
};
use control::{Tallies, kept::Kept, tally};
use fastcgi::{Program, Script};
use message::{Request, Status, Version, response::Line};
use proptest::prelude::*;
use std::{
    rc::Rc,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
};

/// PHP that keeps pages of so many bytes for a second, and ten more while they are asked for.
fn php(bytes_max: usize) -> &'static Php {
    let (denied, links, parts, closed) = (vec![], vec![], vec![], &[]);
    let socket = Some("/run/x".into());
    let php = QuickPhp { socket, user: None, denied, links, parts, closed };
    let quick = Quick {
        root: "/srv".into(),
        listen: vec![],
        threads: None,
        log: None,
        listing: false,
        fallback: None,
        php: Some(php),
        live: false,
        tls: None,
    };
    let plan = config::quick(quick, Eyes::default());
    let (site, _) = plan.site("any.example", 0).unwrap();
    let Action::Php(php) = &site.routes.rest.policy.action else { unreachable!("it is PHP") };
    let (time, stale) = (Duration::from_secs(1), Duration::from_secs(10));
    let cache = Some(Cache { label: 1, time, stale, bytes_max });
    Box::leak(Box::new(Php { cache, ..Php::clone(php) }))
}

fn with_exchange<T>(path: &str, work: impl FnOnce(&Exchange<'_>) -> T) -> T {
    let request = Request {
        version: Version::Http11,
        method: Method::Get,
        host: "a.example",
        port: "",
        path,
        query: None,
        fields: Fields::of(&[]),
        length: Length::Known(0),
    };
    work(&Exchange::new(&request, None, 0))
}

/// Pages of one site, and how many of those who waited have gone on.
struct Pages {
    php: &'static Php,
    answers: Answers,
    woken: Arc<AtomicUsize>,
    words: &'static [AtomicU64],
}

/// Whoever has waited for this has left when it is there.
const LEFT: &str = "/left";

/// The label of the site is the last of so many.
const LABELS: usize = 2;

impl Pages {
    fn new(bytes_max: usize) -> Self {
        let words: Vec<_> = (0..Tallies::words(0, LABELS)).map(|_| AtomicU64::new(0)).collect();
        let words = &*words.leak();
        let answers = Answers::new(1, Tallies::new(words, LABELS).keeping());
        Self { php: php(bytes_max), answers, woken: Arc::default(), words }
    }

    /// What is seen of them from outside.
    fn seen(&self) -> Kept {
        let words: Vec<_> = self.words.iter().map(|word| word.load(Relaxed)).collect();
        tally::totals(&words, LABELS)[1].kept
    }

    fn join(&self, path: &str, now: u64) -> Joined {
        let name = b"/index.php".to_vec();
        let (root, file, path_info) = (b"/srv".to_vec(), name.clone(), vec![]);
        let program = Rc::new(Program { root, file, path_info });
        let script = Script { program, name };
        let call = Call { php: self.php, script, path: None, errand: None };
        let (woken, is_there) = (Arc::clone(&self.woken), path != LEFT);
        let waiter = || -> Waiter {
            Box::new(move || {
                woken.fetch_add(1, Relaxed);
                is_there
            })
        };
        with_exchange(path, |exchange| self.answers.join(&call, exchange, Moment(now), waiter))
    }

    #[track_caller]
    fn errand(&self, path: &str, now: u64) -> Errand {
        match self.join(path, now) {
            Joined::Yours(errand) => errand,
            Joined::Waits => unreachable!("somebody else asks"),
            Joined::Apart => unreachable!("everybody asks"),
        }
    }

    /// What is kept of a page.
    fn kept(&self, path: &str, now: u64) -> Option<Vec<u8>> {
        let key = with_exchange(path, |exchange| key(self.php, exchange).unwrap());
        let mut state = self.answers.lock(self.php).unwrap();
        let slot = state.slots.get_mut(&key[..])?;
        let answer = slot.kept(Moment(now))?;
        slot.was_used = true;
        let response =
            with_exchange(path, |exchange| answer.response(None, exchange.request, Moment(now)));
        match response.body {
            message::Body::Bytes(bytes) => Some(bytes.as_slice().to_vec()),
            _ => None,
        }
    }

    fn woken(&self) -> usize {
        self.woken.load(Relaxed)
    }
}

fn head() -> Head {
    let lines = vec![Line::fixed("content-type", "text/html")];
    Head { status: Status::OK, lines, length: None, file: None }
}

fn keep(errand: Errand, content: &[u8], now: u64) {
    let term = errand.term(&head(), 0).unwrap();
    errand.keep(&head(), content, term, Moment(now));
}

const ENOUGH: usize = 1 << 20;

/// Each who is counted as one that has waited is one of the others as well.
#[test]
fn who_waits_and_leaves_is_counted_nowhere() {
    let pages = Pages::new(ENOUGH);
    for path in [LEFT, "/"] {
        let errand = pages.errand(path, 0);
        assert!(matches!(pages.join(path, 10), Joined::Waits));
        assert_eq!(pages.seen().waited, 0, "nobody has gone on");
        keep(errand, b"1", 100);
    }
    assert_eq!((pages.woken(), pages.seen().waited), (2, 1));
}

#[test]
fn a_page_is_fresh_then_stale_then_gone() {
    let pages = Pages::new(ENOUGH);
    let errand = pages.errand("/", 0);
    assert!(!errand.is_renewal() && pages.kept("/", 0).is_none());
    assert!(matches!(pages.join("/", 10), Joined::Waits));
    assert!(matches!(pages.join("/other", 10), Joined::Yours(_)));
    assert_eq!(pages.woken(), 0);
    keep(errand, b"1", 100);
    assert_eq!(pages.woken(), 1);
    assert_eq!(pages.kept("/", 1099).as_deref(), Some(&b"1"[..]));
    assert!(matches!(pages.join("/", 1099), Joined::Waits));
    assert_eq!(pages.woken(), 2, "what has come meanwhile is waited for by nobody");
    assert_eq!(pages.kept("/", 1100), None);
    let errand = pages.errand("/", 1100);
    assert!(errand.is_renewal());
    assert_eq!(pages.kept("/", 1100).as_deref(), Some(&b"1"[..]));
    // In vain: the old one is given on, and whoever comes later asks again.
    errand.part(true, Moment(1200));
    drop(errand);
    assert_eq!(pages.kept("/", 3199).as_deref(), Some(&b"1"[..]));
    assert_eq!(pages.kept("/", 3200), None);
    keep(pages.errand("/", 3200), b"2", 3300);
    assert_eq!(pages.kept("/", 3300).as_deref(), Some(&b"2"[..]));
    let seen = pages.seen();
    assert_eq!((seen.misses, seen.waited, seen.pages), (2, 2, 1));
    assert!(!pages.errand("/", 3300 + 11_000).is_renewal(), "it is too old for anybody");
}

#[test]
fn nobody_waits_for_what_is_slow_or_not_to_be_kept() {
    let pages = Pages::new(ENOUGH);
    let errand = pages.errand("/", 0);
    assert!(matches!(pages.join("/", 0), Joined::Waits));
    errand.release();
    assert_eq!(pages.woken(), 1);
    assert!(matches!(pages.join("/", 0), Joined::Apart));
    errand.part(false, Moment(500));
    drop(errand);
    assert!(matches!(pages.join("/", 2499), Joined::Apart));
    keep(pages.errand("/", 2500), b"1", 2500);
    // What the program no longer wants kept is gone at once.
    let errand = pages.errand("/", 4000);
    errand.part(false, Moment(4000));
    drop(errand);
    assert_eq!(pages.kept("/", 4000), None);
    // Whoever asks and is lost lets the others go on.
    let errand = pages.errand("/", 9000);
    assert!(matches!(pages.join("/", 9000), Joined::Waits));
    drop(errand);
    assert_eq!(pages.woken(), 2);
    assert!(matches!(pages.join("/", 9000), Joined::Yours(_)));
}

#[test]
fn what_was_changed_is_kept_no_longer_nor_what_was_asked_before() {
    let pages = Pages::new(ENOUGH);
    let forget = |path: &str| {
        with_exchange(path, |exchange| pages.answers.forget(pages.php, exchange));
    };
    for path in ["/", "/other"] {
        keep(pages.errand(path, 0), b"1", 0);
    }
    forget("/");
    assert_eq!(pages.kept("/", 1), None);
    assert!(pages.kept("/other", 1).is_some());
    // Who asked before may have been told of what was: who waits asks again.
    let errand = pages.errand("/", 2);
    assert!(matches!(pages.join("/", 2), Joined::Waits));
    forget("/");
    keep(errand, b"1", 3);
    assert_eq!((pages.kept("/", 3), pages.woken()), (None, 1));
    keep(pages.errand("/", 4), b"2", 4);
    assert_eq!(pages.kept("/", 4).as_deref(), Some(&b"2"[..]));
    assert_eq!(pages.seen().pages, 2);
    forget("/none");
}

#[test]
fn memory_has_a_bound_and_what_is_used_stays() {
    let pages = Pages::new(ENOUGH);
    let content = vec![b'x'; 100_000];
    for number in 0..20 {
        keep(pages.errand(&format!("/{number}"), 0), &content, 0);
        assert!(pages.kept("/0", 0).is_some(), "everybody asks for it");
        let state = pages.answers.lock(pages.php).unwrap();
        assert!(state.bytes <= ENOUGH, "{}", state.bytes);
    }
    assert_eq!(pages.kept("/1", 0), None);
    for number in 0..10_000 {
        pages.errand(&format!("/none/{number}"), 0).part(false, Moment(0));
    }
    assert!(pages.answers.lock(pages.php).unwrap().bytes <= ENOUGH);
}

proptest! {
    #[test]
    fn the_books_are_right_whatever_happens(
        steps in prop::collection::vec((0_u8..7, 0_u8..4, 0_u64..3000, 0_usize..400_000), 0..60),
    ) {
        let pages = Pages::new(ENOUGH);
        let (mut now, mut errands) = (0, Vec::new());
        for (step, page, time, bytes) in steps {
            now += time;
            match (step, errands.pop()) {
                (0 | 1, before) => {
                    errands.extend(before);
                    if let Joined::Yours(errand) = pages.join(&format!("/{page}"), now) {
                        errands.push(errand);
                    }
                }
                (6, before) => {
                    errands.extend(before);
                    with_exchange(&format!("/{page}"), |exchange| {
                        pages.answers.forget(pages.php, exchange);
                    });
                }
                (_, None) => {}
                (2 | 3, Some(errand)) => keep(errand, &vec![0; bytes], now),
                (4, Some(errand)) => errand.part(bytes % 2 == 0, Moment(now)),
                (_, Some(errand)) => errand.release(),
            }
            let state = pages.answers.lock(pages.php).unwrap();
            let sum: usize = state.slots.values().map(|slot| slot.bytes).sum();
            prop_assert_eq!((state.bytes, state.line.len()), (sum, state.slots.len()));
            let kept = state.slots.values().filter(|slot| slot.answer.is_some()).count();
            let seen = pages.seen();
            prop_assert_eq!((seen.pages, seen.bytes), (kept as u64, sum as u64));
            let is_asked = state.slots.values().any(Slot::is_asked);
            prop_assert!(state.bytes <= ENOUGH || is_asked);
        }
    }
}
