//! What is asked most, by whom, and what failed or was slow: gathered from the answers that are
//! seen while somebody looks, in room that does not grow with what clients make up.

use crate::{
    commands::commands,
    json::{push_list, push_text},
    lives::push_answer,
};
use base::text::push_json;
use control::lives::{Answered, Seen};
use std::collections::{HashMap, HashSet, VecDeque};

/// Names that a sketch tells apart.
const NAMES_MAX: usize = 200;

/// Those of them that are shown, and the answers that failed or were slow.
const SHOWN_MAX: usize = 20;
const TROUBLES_MAX: usize = 100;

/// What was gathered.
#[derive(Debug, Default)]
pub struct Tops {
    /// Answers that were seen, and those that were given meanwhile and were not.
    seen: u64,
    missed: u64,
    sketches: [Sketch; SKETCHES.len()],
    /// The newest last.
    troubles: VecDeque<Answered>,
    /// How far each loop was seen, by its memory and its number there.
    loops: HashMap<(u64, usize), Progress>,
}

/// What is counted: sites, pages, clients, where they were sent from, and what is not there.
const SKETCHES: [&str; 5] = ["sites", "paths", "clients", "referrers", "not_found"];

#[derive(Debug, Default)]
struct Progress {
    number: u64,
    /// Those of its answers that failed or were slow.
    troubles: HashSet<u64>,
}

/// How often names come, by the algorithm of Metwally, Agrawal and El Abbadi, "Efficient
/// Computation of Frequent and Top-k Elements in Data Streams" (2005): where there is no room for
/// another name it takes the place of the rarest one, and its count, by which it may be too high.
#[derive(Debug, Default)]
struct Sketch(HashMap<Vec<u8>, Count>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Count {
    times: u64,
    /// So many of them may have been another's.
    doubt: u64,
}

impl Sketch {
    fn add(&mut self, name: &[u8]) {
        if let Some(count) = self.0.get_mut(name) {
            count.times += 1;
            return;
        }
        let mut count = Count { times: 1, doubt: 0 };
        if self.0.len() >= NAMES_MAX
            && let Some((rarest, before)) = self.0.iter().min_by_key(|(_, count)| **count)
        {
            count = Count { times: before.times + 1, doubt: before.times };
            let rarest = rarest.clone();
            self.0.remove(&rarest);
        }
        self.0.insert(name.to_vec(), count);
    }

    /// The names that come most, each at least as often as is shown less the doubt.
    fn most(&self) -> Vec<(&[u8], Count)> {
        let mut all: Vec<_> = self.0.iter().map(|(name, count)| (&name[..], *count)).collect();
        all.sort_by(|one, other| (other.1, one.0).cmp(&(one.1, other.0)));
        all.truncate(SHOWN_MAX);
        all
    }
}

impl Tops {
    /// Takes what was found of each loop of the memory that has this number.
    pub fn take(&mut self, memory: u64, loops: &[Seen]) {
        let mut troubles = Vec::new();
        for (at, seen) in loops.iter().enumerate() {
            let mut progress = self.loops.remove(&(memory, at)).unwrap_or_default();
            let mut answers: Vec<_> = seen.answers.iter().collect();
            answers.sort_by_key(|answer| answer.number);
            let last = answers.last().map_or(0, |answer| answer.number);
            let new =
                answers.iter().filter(|answer| answer.number > progress.number).count() as u64;
            // Of what was given before the first look, nobody knows what was put down.
            if progress.number > 0 {
                self.missed += last.saturating_sub(progress.number).saturating_sub(new);
            }
            let is_new = |answer: &&&Answered| answer.number > progress.number;
            answers.iter().filter(is_new).for_each(|answer| self.count(answer));
            let is_new = |answer: &&Answered| !progress.troubles.contains(&answer.number);
            troubles.extend(seen.troubles.iter().filter(is_new).cloned());
            progress.number = progress.number.max(last);
            progress.troubles = seen.troubles.iter().map(|answer| answer.number).collect();
            self.loops.insert((memory, at), progress);
        }
        // Those of all loops in the order of time.
        troubles.sort_by_key(|answer| answer.began_us);
        troubles.into_iter().for_each(|answer| self.trouble(answer));
    }

    /// Forgets how far loops were seen whose memory is gone.
    pub fn keep(&mut self, memories: &[u64]) {
        self.loops.retain(|(memory, _), _| memories.contains(memory));
    }

    fn count(&mut self, answer: &Answered) {
        self.seen += 1;
        let [_, host, path, referrer, ..] = &answer.asked;
        let page = [&host[..], path].concat();
        let client = answer.client.map_or_else(|| "unix".to_owned(), |client| client.to_string());
        let [sites, paths, clients, referrers, not_found] = &mut self.sketches;
        clients.add(client.as_bytes());
        // What was no request has nothing of these.
        if !path.is_empty() {
            sites.add(&answer.site);
            paths.add(&page);
        }
        if !referrer.is_empty() {
            referrers.add(referrer);
        }
        if answer.status == 404 {
            not_found.add(&page);
        }
    }

    fn trouble(&mut self, answer: Answered) {
        if self.troubles.len() == TROUBLES_MAX {
            self.troubles.pop_front();
        }
        self.troubles.push_back(answer);
    }

    /// The same as JSON, where it is `now_us` since the machine started, with commands that say
    /// more of what went wrong with the config in that file.
    #[must_use]
    pub fn json(&self, now_us: u64, config: &str) -> Vec<u8> {
        let Self { seen, missed, sketches, troubles, .. } = self;
        let mut out = format!("{{\"seen\":{seen},\"missed\":{missed}").into_bytes();
        for (name, sketch) in SKETCHES.into_iter().zip(sketches) {
            out.extend_from_slice(format!(",\"{name}\":[").as_bytes());
            for (at, (name, count)) in sketch.most().into_iter().enumerate() {
                out.extend_from_slice(if at > 0 { b",{\"name\":\"" } else { b"{\"name\":\"" });
                push_json(&mut out, name);
                let Count { times, doubt } = count;
                let rest = format!("\",\"times\":{times},\"doubt\":{doubt}}}");
                out.extend_from_slice(rest.as_bytes());
            }
            out.push(b']');
        }
        out.extend_from_slice(b",\"troubles\":[");
        for (at, answer) in troubles.iter().rev().enumerate() {
            let ago = now_us.saturating_sub(answer.began_us);
            out.extend_from_slice(if at > 0 { b",{" } else { b"{" });
            out.extend_from_slice(format!("\"ago_us\":{ago},").as_bytes());
            push_answer(&mut out, answer);
            out.extend_from_slice(b",\"commands\":[");
            push_list(&mut out, &commands(answer, config), |out, words| push_text(out, words));
            out.extend_from_slice(b"]}");
        }
        out.extend_from_slice(b"]}\n");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::{answered, life, seen};
    use control::lives::{Answer, Name, SLOW_US};

    fn said(tops: &Tops) -> serde_json::Value {
        serde_json::from_slice(&tops.json(1_000, "/a.toml")).unwrap()
    }

    #[test]
    fn what_is_asked_most_is_known_however_much_else_is_made_up() {
        let mut sketch = Sketch::default();
        for at in 0..20_000 {
            sketch.add(format!("/{at}").as_bytes());
            if at % 10 == 0 {
                sketch.add(b"/often");
            }
        }
        let (name, count) = sketch.most()[0];
        assert_eq!((name, sketch.0.len()), (&b"/often"[..], NAMES_MAX));
        assert!(count.times - count.doubt <= 2_000 && count.times >= 2_000, "{count:?}");
    }

    #[test]
    fn answers_are_counted_once_and_those_that_went_wrong_are_kept() {
        let (words, life) = life();
        let mut tops = Tops::default();
        let take = |tops: &mut Tops| tops.take(7, &seen(words));
        let name = Name::default();
        (0..3).for_each(|_| _ = life.answer(&answered(name, "/a", 200)));
        life.answer(&answered(name, "/no", 404));
        life.answer(&answered(name, "/broken", 502));
        let slow = Answer { whole_us: None, ..answered(name, "/slow", 200) };
        let begun = life.answer(&slow);
        take(&mut tops);
        take(&mut tops);
        let now = said(&tops);
        assert_eq!((&now["seen"], &now["missed"]), (&6.into(), &0.into()));
        assert_eq!(now["paths"][0]["name"], "a.example/a");
        assert_eq!((&now["paths"][0]["times"], &now["sites"][0]["times"]), (&3.into(), &6.into()));
        assert_eq!(now["not_found"][0]["name"], "a.example/no");
        assert_eq!(now["clients"][0]["name"], "192.0.2.1");
        assert_eq!(now["troubles"].as_array().unwrap().len(), 1);
        assert_eq!(now["troubles"][0]["ago_us"], 980);
        let words = "gannet explain http://a.example/broken -c /a.toml --from 192.0.2.1";
        assert_eq!(now["troubles"][0]["commands"], serde_json::json!([words]));
        // The end of one that was under way is looked at, once.
        life.finish(begun, &Answer { whole_us: Some(SLOW_US), ..slow });
        take(&mut tops);
        take(&mut tops);
        let now = said(&tops);
        assert_eq!((&now["troubles"][0]["path"], &now["seen"]), (&"/slow".into(), &6.into()));
        assert_eq!(now["troubles"].as_array().unwrap().len(), 2);
        // More than there is room for between two looks, but for what went wrong.
        let lost = Answer { whole_us: None, ..answered(name, "/lost", 200) };
        let begun = life.answer(&lost);
        take(&mut tops);
        (0..3_000).for_each(|_| _ = life.answer(&answered(name, "/a", 200)));
        take(&mut tops);
        assert_eq!(said(&tops)["missed"], 3_000 - 1_024);
        life.finish(begun, &Answer { whole_us: Some(SLOW_US), ..lost });
        take(&mut tops);
        let now = said(&tops);
        assert_eq!((&now["troubles"][0]["path"], &now["seen"]), (&"/lost".into(), &1_031.into()));
        tops.keep(&[]);
        assert!(tops.loops.is_empty());
    }
}
