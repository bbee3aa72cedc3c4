//! Lets pages of other origins read an answer (CORS: section 3.2 of the Fetch standard).

use config::plan::{Cors, Origins};
use message::{Name, Request, Response, response::Line};

/// Says whether a page of the origin that asks may read `response`, which may be any: also an
/// error tells a page something.
///
/// An origin is repeated only if it is on the list, and answers that depend on it say so to caches,
/// also those for requests without one.
pub(crate) fn apply(cors: &Cors, request: &Request<'_>, mut response: Response) -> Response {
    match &cors.origins {
        Origins::Any => response.lines.push(Line::fixed("access-control-allow-origin", "*")),
        Origins::Listed(origins) => {
            response.lines.push(Line::fixed("vary", "origin"));
            // Two origins are nobody's.
            let fields = &request.fields;
            let asked = fields.get(Name::Origin).filter(|_| !fields.is_repeated(Name::Origin));
            let Some(origin) = origins.iter().find(|one| Some(&*one.value) == asked) else {
                return response;
            };
            response.lines.push(origin.clone());
        }
    }
    response.lines.extend(cors.reading.iter().cloned());
    response
}
