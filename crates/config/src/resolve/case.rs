//! The cases of a route.

use super::{context::Context, idle, key::Key, networks, policy};
use crate::{
    mistake::{Mistake, quote},
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
        let mut fields = Vec::new();
        for field in case.fields.iter().flat_map(|fields| &fields.value) {
            let [value] = &*field.values else {
                let cause = format!("{} takes one value here", quote(&field.name.value));
                let mistake = Mistake::new(field.name.span, cause, "none, or several");
                context.mistakes.push(mistake.help("write a text; `\"*\"` stands for any value"));
                continue;
            };
            let value = (value.value != "*").then(|| value.value.as_str().into());
            fields.push((field.name.value.to_ascii_lowercase().into(), value));
        }
        if from.is_none() && case.fields.as_ref().is_none_or(|fields| fields.value.is_empty()) {
            let mistake =
                Mistake::new(span, "a case without `from` and `fields`", "always applies");
            let help = "say when it applies, or move its settings into the route";
            context.mistakes.push(mistake.help(help));
        }
        // A rewrite is not inherited, so that nothing, too, is something else beside one.
        if !case.has_effect && chain.last().is_none_or(|route| route.rewrite.is_none()) {
            let mistake = Mistake::new(span, "a case in which nothing else is done", "no `then`");
            let help = "for example: `then = { respond = \"hello, colleague\" }`";
            context.mistakes.push(mistake.help(help));
        }
        let chain: Vec<&Policy> = chain.iter().copied().chain([&case.then]).collect();
        let policy = policy::resolve(&chain, key, context);
        idle::check(&chain, &policy, key, context);
        if let Some(from) = &case.from
            && !from.value.is_empty()
            && !idle::adjusts(&case.then)
        {
            networks::check_case(from, &chain, context);
        }
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
