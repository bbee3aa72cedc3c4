//! What each site and route has had since the start, by name: configs come and go.

use config::plan::{Label, Listen, label::LABELS_MAX};
use control::{kept::Kept, status::Site, tally::Counts};
use std::collections::{BTreeMap, BTreeSet};

/// What those names have had.
#[derive(Clone, Debug, Default)]
pub(super) struct Had(BTreeMap<Label, Counts>);

impl Had {
    /// Goes on with what was counted before.
    pub(super) fn of(counted: Vec<(Label, Counts)>) -> Self {
        Self(counted.into_iter().collect())
    }

    /// Adds what these labels have had.
    pub(super) fn add(&mut self, labels: &[Label], counts: impl IntoIterator<Item = Counts>) {
        for (label, counts) in labels.iter().zip(counts) {
            *self.0.entry(label.clone()).or_default() += counts;
        }
    }

    /// Where there are too many names, has those that nobody serves any more counted together.
    pub(super) fn trim<'l>(&mut self, served: impl Iterator<Item = &'l Label>) {
        if self.0.len() <= LABELS_MAX {
            return;
        }
        let served: BTreeSet<&Label> = served.collect();
        let mut rest = Counts::default();
        self.0.retain(|label, counts| {
            let is_served = served.contains(label);
            if !is_served {
                rest += *counts;
            }
            is_served
        });
        *self.0.entry(Label::of_others()).or_default() += rest;
    }

    /// All of it.
    pub(super) fn counted(&self) -> Vec<(Label, Counts)> {
        self.0.iter().map(|(label, counts)| (label.clone(), *counts)).collect()
    }

    /// The same by site, without what stands for several and has had nothing.
    pub(super) fn sites(&self) -> Vec<Site> {
        let mut sites: Vec<Site> = Vec::new();
        for (Label { site, route }, counts) in self.0.iter().filter(|(one, _)| !one.is_of_address())
        {
            let has_any =
                counts.requests() + counts.under_way > 0 || counts.kept != Kept::default();
            if route.starts_with('(') && !has_any {
                continue;
            }
            let route = (route.to_string(), *counts);
            match sites.last_mut().filter(|last| *last.name == **site) {
                Some(last) => last.routes.push(route),
                None => sites.push(Site { name: site.to_string(), routes: vec![route] }),
            }
        }
        sites
    }

    /// How many connections were accepted at the address of that number.
    pub(super) fn accepted(&self, listen: &[Listen], number: usize) -> u64 {
        let label = Label::of_address(listen, number);
        label.and_then(|label| self.0.get(&label)).map_or(0, |counts| counts.accepted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::plan::Address;

    fn label(site: &str, route: &str) -> Label {
        Label { site: site.into(), route: route.into() }
    }

    fn ok(count: u64) -> Counts {
        Counts { classes: [0, count, 0, 0, 0], ..Counts::default() }
    }

    #[test]
    fn what_was_counted_before_is_found_by_its_name() {
        let mut had = Had::default();
        let before = [label("(none)", "(other)"), label("b", "/*"), label("a", "/*")];
        had.add(&before, vec![ok(0), ok(1), ok(2)]);
        // Of another config, in another order.
        had.add(&[label("a", "/x"), label("b", "/*")], vec![ok(0), ok(10)]);
        let site = |name: &str, routes: &[(&str, u64)]| Site {
            name: name.to_owned(),
            routes: routes.iter().map(|(key, count)| ((*key).to_owned(), ok(*count))).collect(),
        };
        let expect = [site("a", &[("/*", 2), ("/x", 0)]), site("b", &[("/*", 11)])];
        assert_eq!(had.sites(), expect);
        assert_eq!(Had::of(had.counted()).sites(), expect);
    }

    #[test]
    fn connections_are_found_by_their_address_and_are_no_site() {
        let listen = [80, 81].map(|port| Listen {
            address: Address::Tcp(([127, 0, 0, 1], port).into()),
            written: "here".into(),
            is_implied: false,
            proxy_protocol: false,
            http2: false,
            tls: false,
        });
        let accepted = |accepted| Counts { accepted, ..Counts::default() };
        let mut had = Had::default();
        let label = || Label::of_address(&listen, 0).unwrap();
        (0..2).for_each(|_| had.add(&[label()], vec![accepted(2)]));
        assert_eq!((had.accepted(&listen, 0), had.sites()), (4, vec![]));
        // Those of the other one are counted by themselves.
        assert_eq!((had.accepted(&listen, 1), had.accepted(&listen, 2)), (0, 0));
    }

    #[test]
    fn names_of_the_past_are_counted_together_where_there_are_too_many() {
        let names: Vec<_> = (0..=LABELS_MAX).map(|at| label(&at.to_string(), "/*")).collect();
        let mut had = Had::default();
        had.add(&names, vec![ok(1); LABELS_MAX]);
        had.trim([].into_iter());
        assert_eq!(had.sites().len(), LABELS_MAX);
        had.add(&names[LABELS_MAX..], vec![ok(1)]);
        had.trim(names[LABELS_MAX - 1..].iter());
        let sites = had.sites();
        let total = |at: usize| sites[at].total().requests();
        assert_eq!((sites.len(), &*sites[0].name), (3, "(other)"));
        assert_eq!([total(0), total(1), total(2)], [LABELS_MAX as u64 - 1, 1, 1]);
    }
}
