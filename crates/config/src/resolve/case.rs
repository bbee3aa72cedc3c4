//! The cases of a route.

use super::{context::Context, key::Key, networks, policy};
use crate::{
    mistake::Mistake,
    plan,
    source::Span,
    written::{Case, Policy},
};

/// The cases that were typed for a route whose settings are `chain`.
pub(crate) fn resolve(
    cases: &[Case],
    chain: &[&Policy],
    key: &Key,
    context: &mut Context<'_>,
) -> Vec<plan::Case> {
    let mut all: Vec<(plan::Case, Span)> = Vec::with_capacity(cases.len());
    for case in cases {
        let span = case.span.unwrap_or(Span { start: 0, end: 0 });
        let from = case.from.as_ref().filter(|list| !list.value.is_empty());
        let from = from.map(|list| networks::resolve(&list.value, context));
        let fields = case.fields.iter().flat_map(|fields| &fields.value);
        let fields: Vec<_> = fields
            .filter_map(|field| {
                let value = field.values.first()?;
                let value = (value.value != "*").then(|| value.value.as_str().into());
                Some((field.name.value.to_ascii_lowercase().into(), value))
            })
            .collect();
        if from.is_none() && fields.is_empty() {
            let mistake =
                Mistake::new(span, "a case without `from` and `fields`", "always applies");
            let help = "say when it applies, or move its settings into the route";
            context.mistakes.push(mistake.help(help));
        }
        let chain: Vec<&Policy> = chain.iter().copied().chain([&case.then]).collect();
        let policy = policy::resolve(&chain, key, context);
        let case = plan::Case { from, fields, place: context.at(span), policy };
        if let Some((_, other)) = all.iter().find(|(other, _)| overlap(other, &case)) {
            context.mistakes.push(
                Mistake::new(span, "two cases can apply to one request", "applies too")
                    .also(*other, "applies")
                    .help("give them addresses or values of a field that exclude each other"),
            );
        }
        all.push((case, span));
    }
    all.into_iter().map(|(case, _)| case).collect()
}

/// Whether some request meets the conditions of both.
fn overlap(a: &plan::Case, b: &plan::Case) -> bool {
    if let (Some(a), Some(b)) = (&a.from, &b.from)
        && !a.iter().any(|a| b.iter().any(|b| a.overlaps(*b)))
    {
        return false;
    }
    !a.fields.iter().any(|(name, value)| {
        b.fields.iter().any(|(other_name, other)| {
            name == other_name && value.is_some() && other.is_some() && value != other
        })
    })
}
