//! What a config would change for the requests that a server has had of late: each is answered by
//! the one that is served and by the other one, and what comes of that is compared.

use crate::{machine, trouble::Trouble};
use config::{Bundle, Paint, Plan, plan::Place};
use control::{
    Recents,
    comparison::{CHANGES_MAX, Change, Comparison, EXAMPLES_MAX, Example},
    recent::{From, REQUESTS_MAX, Request},
};
use net::{clock, memory, sealed};
use std::{
    cmp::Reverse,
    collections::HashMap,
    io::{self, ErrorKind},
    os::fd::{AsFd, OwnedFd},
    path::Path,
    rc::Rc,
    time::Duration,
};
use worker::{Asked, Explainer, Explanation};

/// Time for all requests; what is left then is left out.
const TIME: Duration = Duration::from_secs(20);

/// What an answer has not.
const NOTHING: &str = "none";

/// The steps that are compared, in the order of the path of a request, under these words; and
/// whether they differ from request to request, so that one config makes many values of them.
const STEPS: [(&str, bool); 15] = [
    ("client", true),
    ("site", false),
    ("route", false),
    ("rewrite", true),
    ("allow", false),
    ("deny", false),
    ("methods", false),
    ("limit", false),
    ("auth", false),
    ("refused", false),
    ("preflight", false),
    ("action", false),
    ("file", true),
    ("page", false),
    ("bandwidth", false),
];

/// What is said of the address that a request came in by.
const LISTENER: &str = "listener";
const STATUS: &str = "status";
const LOCATION: &str = "location";

/// Fields that say nothing of a config: when, by what number, and which file it was.
const FIELDS_LEFT_OUT: [&str; 7] =
    ["date", "etag", "last-modified", "content-length", "content-range", "accept-ranges", LOCATION];

/// One thing that can be told of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fact {
    what: String,
    value: String,
    /// Where the config says so.
    place: Option<Place>,
    is_varied: bool,
}

/// What differs for one request.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Difference {
    what: String,
    before: String,
    after: String,
    place: String,
    is_varied: bool,
}

/// What was found of a request; nothing where there is nothing to compare.
type Found = Option<Rc<Vec<Difference>>>;

/// Compares the config `file` with the one in the first of `descriptors`, for the requests that are
/// in the others.
///
/// # Errors
/// The config cannot be served.
pub(crate) fn compare(file: &Path, descriptors: &[OwnedFd]) -> Result<Comparison, Trouble> {
    let failed = |error: io::Error| Trouble::new(1, format!("error: {error}"));
    let odd = || failed(ErrorKind::InvalidData.into());
    let (after, _) = machine::record(file, Paint::Plain)?;
    let (bundle, recents) = descriptors.split_first().ok_or_else(odd)?;
    let bundle = sealed::read(bundle.as_fd(), u64::MAX).map_err(failed)?;
    let before = Bundle::decode(&bundle).and_then(|bundle| bundle.resolve().ok());
    let before = before.ok_or_else(odd)?;
    let mut requests = Vec::new();
    for recents in recents {
        let words = memory::shared(recents.as_fd()).map_err(failed)?;
        requests.extend(Recents::new(words, 1).requests());
    }
    requests.sort_by_key(|request| Reverse(request.when));
    requests.truncate(REQUESTS_MAX);
    Ok(tell(&requests, Plans::new(before, after)))
}

/// Both configs.
struct Plans {
    before: &'static Plan,
    after: &'static Plan,
    explain_before: Explainer,
    explain_after: Explainer,
}

impl Plans {
    fn new(before: Plan, after: Plan) -> Self {
        // They are needed as long as this process lives.
        let (before, after): (&'static Plan, &'static Plan) =
            (Box::leak(Box::new(before)), Box::leak(Box::new(after)));
        let (explain_before, explain_after) =
            (Explainer::trusting(before), Explainer::trusting(after));
        Self { before, after, explain_before, explain_after }
    }

    /// What differs for this request; `None` where there is nothing to compare.
    fn differences(&mut self, request: &Request) -> Option<Vec<Difference>> {
        let From { peer: client, listener: number } = request.from;
        let listener =
            |plan: &Plan| plan.listen.iter().position(|listen| listen.address.number() == number);
        let (bytes, place) = (&request.head, listener(self.before)?);
        let asked = Asked { bytes, client, listener: place };
        let before = self.explain_before.explain(&asked).ok()?;
        let Some(listener) = listener(self.after) else {
            let address = self.before.listen.get(place)?.address.to_string();
            return Some(vec![Difference {
                what: LISTENER.to_owned(),
                before: address,
                after: NOTHING.to_owned(),
                place: String::new(),
                is_varied: false,
            }]);
        };
        let after = self.explain_after.explain(&Asked { listener, ..asked }).ok()?;
        let ids = [self.before, self.after].map(|plan| plan.request_id.as_deref());
        Some(differences(&before, &after, &ids))
    }
}

/// What differs for `requests`, which are the newest first.
fn tell(requests: &[Request], mut plans: Plans) -> Comparison {
    let (now, until) = (clock::now(), clock::now().after(TIME));
    let mut comparison = Comparison::default();
    let mut known: HashMap<(From, &[u8]), Found> = HashMap::new();
    let mut changes: HashMap<[String; 4], Change> = HashMap::new();
    for request in requests {
        if request.head.is_empty() || clock::now() > until {
            comparison.left_out += 1;
            continue;
        }
        let found = known.entry((request.from, &request.head));
        let found = found.or_insert_with(|| plans.differences(request).map(Rc::new)).clone();
        let Some(found) = found else { continue };
        comparison.requests += 1;
        comparison.seconds = now.since(request.when).as_secs();
        comparison.changed += u64::from(!found.is_empty());
        for difference in &*found {
            note(&mut changes, difference, request);
        }
    }
    let mut changes: Vec<_> = changes.into_values().collect();
    changes.sort_by(|one, other| {
        let order = |change: &Change| (Reverse(change.count), change.before.clone());
        order(one).cmp(&order(other))
    });
    comparison.more = changes.len().saturating_sub(CHANGES_MAX) as u64;
    changes.truncate(CHANGES_MAX);
    // Of one kind together, the most frequent first.
    changes.sort_by_key(|change| (rank(&change.what), change.what.clone()));
    comparison.changes = changes;
    comparison
}

/// Where on its path a request meets what is called so.
fn rank(what: &str) -> usize {
    match STEPS.iter().position(|(step, _)| *step == what) {
        Some(at) => at + 1,
        None if what == LISTENER => 0,
        None if what == STATUS => STEPS.len() + 1,
        None => STEPS.len() + 2,
    }
}

/// Counts a difference that `request` meets.
fn note(changes: &mut HashMap<[String; 4], Change>, difference: &Difference, request: &Request) {
    let Difference { what, before, after, place, is_varied } = difference.clone();
    let (own, shared) = match is_varied {
        true => (Some((before, after)), (String::new(), String::new())),
        false => (None, (before, after)),
    };
    let key = [what.clone(), shared.0.clone(), shared.1.clone(), place.clone()];
    let (before, after) = shared;
    let new = || Change { what, before, after, place, ..Change::default() };
    let change = changes.entry(key).or_insert_with(new);
    change.count += 1;
    let example = example(request, own);
    if change.examples.len() < EXAMPLES_MAX && !change.examples.contains(&example) {
        change.examples.push(example);
    }
}

/// A request as an example: `GET http://host/path`.
fn example(request: &Request, values: Option<(String, String)>) -> Example {
    let head = String::from_utf8_lossy(&request.head);
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let host = lines.next().and_then(|line| line.strip_prefix("Host: "));
    let url = host.map(|host| format!("http://{host}")).unwrap_or_default();
    let client = request.from.peer.map_or_else(|| "unix".to_owned(), |peer| peer.to_string());
    Example { request: format!("{method} {url}{target}"), client, values }
}

/// What differs between two answers.
fn differences(before: &Explanation, after: &Explanation, ids: &[Option<&str>]) -> Vec<Difference> {
    let (old, new) = (facts(before, ids), facts(after, ids));
    let both = || old.iter().chain(&new);
    let value = |facts: &[Fact], what: &str| {
        facts.iter().find(|fact| fact.what == what).map(|fact| fact.value.clone())
    };
    let mut found: Vec<Difference> = Vec::new();
    for fact in both() {
        let what = &fact.what;
        let (was, will_be) = (value(&old, what), value(&new, what));
        if was == will_be || found.iter().any(|known| known.what == *what) {
            continue;
        }
        let says = new.iter().find(|fact| fact.what == *what).or_else(|| decider(&new));
        found.push(Difference {
            what: what.clone(),
            before: was.unwrap_or_else(|| NOTHING.to_owned()),
            after: will_be.unwrap_or_else(|| NOTHING.to_owned()),
            place: says
                .and_then(|fact| fact.place.as_ref())
                .map(Place::to_string)
                .unwrap_or_default(),
            is_varied: fact.is_varied,
        });
    }
    // What follows from another change is not told besides.
    let has = |what: &str| found.iter().any(|known| known.what == what);
    let (acts, answers) = (has("action"), has(STATUS));
    let is_told = |what: &str| match what {
        "file" => !acts,
        "page" => !answers,
        LOCATION => true,
        what => !answers || rank(what) <= rank(STATUS),
    };
    found.retain(|difference| is_told(&difference.what));
    found
}

/// Whoever has decided on an answer: the action, or else the route.
fn decider(facts: &[Fact]) -> Option<&Fact> {
    let named = |what: &str| facts.iter().find(|fact| fact.what == what);
    named("refused").filter(|fact| fact.place.is_some()).or(named("action")).or(named("route"))
}

/// All that there is to tell of an answer.
fn facts(explanation: &Explanation, ids: &[Option<&str>]) -> Vec<Fact> {
    let Explanation { steps, status, fields } = explanation;
    let mut facts: Vec<Fact> = Vec::new();
    for (what, is_varied) in STEPS {
        let mut own = steps.iter().filter(|step| step.what == what);
        // A rewritten path is matched anew: what counts of that is where it ends.
        let is_list = matches!(what, "allow" | "deny");
        let last = if is_list { own.next() } else { own.next_back() };
        let Some(last) = last else { continue };
        let mut value = last.text.clone();
        own.filter(|_| is_list).for_each(|more| value.push_str(&format!(", {}", more.text)));
        facts.push(Fact { what: what.to_owned(), value, place: last.place.clone(), is_varied });
    }
    let place = decider(&facts).and_then(|fact| fact.place.clone());
    let value = status.split_once(' ').map_or(&**status, |(_, rest)| rest).to_owned();
    facts.push(Fact { what: STATUS.to_owned(), value, place: place.clone(), is_varied: false });
    let is_told = |name: &str| !FIELDS_LEFT_OUT.contains(&name) && !ids.contains(&Some(name));
    for field in fields {
        let (what, is_location) = (field.name.to_ascii_lowercase(), field.name == LOCATION);
        if !is_told(&what) && !is_location {
            continue;
        }
        match facts.iter_mut().find(|fact| fact.what == what) {
            Some(fact) => fact.value.push_str(&format!(", {}", field.value)),
            None => {
                let place = field.place.clone().or_else(|| place.clone().filter(|_| is_location));
                let (value, is_varied) = (field.value.clone(), is_location);
                facts.push(Fact { what, value, place, is_varied });
            }
        }
    }
    facts
}
