//! A page with blanks in it (Jinja): compiled when the config is loaded, filled in for each answer.
//!
//! What is filled in is text to the template, never part of it, and is escaped as the page's type
//! asks. A template knows the values of its kind and nothing else: no files, no environment, no
//! other templates.

use crate::guess;
use minijinja::{AutoEscape, Environment, Error, UndefinedBehavior};
use std::fmt;

pub use minijinja::Value;

/// Endings of names that say that a file is a template.
const ENDINGS: [&str; 2] = [".jinja", ".j2"];

/// Values that every template has, beside those of its kind.
const GLOBALS: [&str; 3] = ["dict", "namespace", "range"];

/// A compiled template.
pub struct Template {
    /// Holds this template alone.
    environment: Environment<'static>,
    name: String,
}

/// Why a template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TemplateError {
    /// The line of the template, counted from 1, where it is known.
    pub(crate) line: Option<usize>,
    pub(crate) cause: String,
    pub(crate) help: Option<String>,
}

/// The template failed for these values, or took too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenderError;

impl Template {
    /// The name of a page without the ending of a template; `None` if it is none.
    pub(crate) fn page_name(name: &str) -> Option<&str> {
        ENDINGS.iter().find_map(|ending| name.strip_suffix(ending))
    }

    /// Compiles `source`, a template called `name`, which escapes as that name's ending asks.
    ///
    /// `fuel` bounds what one page may cost: about an instruction, or 64 bytes of text, each. The
    /// template is tried once on `samples`, which has all values of its kind.
    pub(crate) fn compile(
        name: &str,
        source: String,
        fuel: u64,
        samples: &[(&'static str, Value)],
    ) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(escape);
        // A value that is misspelt shall be found at the start, not leave a gap in the page.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_fuel(Some(fuel));
        environment.remove_global("debug");
        environment.add_template_owned(name.to_owned(), source).map_err(TemplateError::from)?;
        let template = Self { environment, name: name.to_owned() };
        template.check_names(samples)?;
        template.render_with(samples.iter().cloned()).map_err(TemplateError::from)?;
        Ok(template)
    }

    /// The page with these values.
    ///
    /// # Errors
    ///
    /// The template fails for them, or its fuel does not suffice.
    pub fn render(
        &self,
        values: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<String, RenderError> {
        self.render_with(values).map_err(|_| RenderError)
    }

    fn render_with(
        &self,
        values: impl IntoIterator<Item = (&'static str, Value)>,
    ) -> Result<String, Error> {
        self.environment.get_template(&self.name)?.render(Value::from_pairs(values))
    }

    /// Whether all names are known, also those in branches that the samples do not lead to.
    fn check_names(&self, samples: &[(&'static str, Value)]) -> Result<(), TemplateError> {
        let Ok(template) = self.environment.get_template(&self.name) else { return Ok(()) };
        let known = || samples.iter().map(|(name, _)| *name);
        let names = template.undeclared_variables(false);
        let is_known = |name: &str| GLOBALS.contains(&name) || known().any(|other| other == name);
        let Some(name) = names.into_iter().filter(|name| !is_known(name)).min() else {
            return Ok(());
        };
        let help = match guess::nearest(&name, known()) {
            Some(guess) => format!("did you mean `{guess}`?"),
            None => format!("there are {}", known().collect::<Vec<_>>().join(", ")),
        };
        let cause = format!("there is no value `{name}`");
        Err(TemplateError { line: None, cause, help: Some(help) })
    }
}

/// How values are escaped in the page `name`.
fn escape(name: &str) -> AutoEscape {
    match Template::page_name(name).unwrap_or(name).rsplit('.').next() {
        Some("txt") => AutoEscape::None,
        Some("json") => AutoEscape::Json,
        _ => AutoEscape::Html,
    }
}

impl From<Error> for TemplateError {
    fn from(error: Error) -> Self {
        let detail = error.detail().map(|detail| format!(": {detail}")).unwrap_or_default();
        Self { line: error.line(), cause: format!("{}{detail}", error.kind()), help: None }
    }
}

/// Templates are the same where they say the same.
impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        let source = |template: &Self| {
            let found = template.environment.get_template(&template.name).ok();
            found.map(|found| found.source().to_owned())
        };
        self.name == other.name && source(self) == source(other)
    }
}

impl Eq for Template {}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FUEL: u64 = 10_000;

    fn compile(name: &str, source: &str) -> Result<Template, TemplateError> {
        let samples = [("path", Value::from("/")), ("status", Value::from(404))];
        Template::compile(name, source.to_owned(), FUEL, &samples)
    }

    fn check(name: &str, source: &str, path: &str, expect: &str) {
        let template = compile(name, source).unwrap();
        let page = template.render([("path", Value::from(path)), ("status", Value::from(404))]);
        assert_eq!(page.as_deref(), Ok(expect), "{source}");
    }

    #[test]
    fn values_are_filled_in_as_the_type_of_the_page_asks() {
        let hostile = "/<b a='\"'>&{{ 7 * 7 }}{% if %}";
        let html = "/&lt;b a=&#x27;&quot;&#x27;&gt;&amp;{{ 7 * 7 }}{% if %}";
        let html = html.replace('/', "&#x2f;");
        check("a.html.jinja", "{{ status }} {{ path }}", hostile, &format!("404 {html}"));
        check("a.svg.j2", "{{ path }}", hostile, &html);
        check("a.txt.j2", "{{ path }}", hostile, hostile);
        check("a.json.j2", "{\"at\": {{ path }}}", "/a\"b", "{\"at\": \"/a\\\"b\"}");
        check("a.html.j2", "{% if status == 404 %}gone{% endif %}", "", "gone");
        check("a.html.j2", "{% for n in range(3) %}{{ n }}{% endfor %}", "", "012");
    }

    #[test]
    fn a_template_that_makes_no_sense_is_refused_at_once() {
        let refused = |source: &str, line: Option<usize>, cause: &str| {
            let error = compile("a.html.j2", source).unwrap_err();
            assert!(error.cause.contains(cause), "{source}: {error:?}");
            assert_eq!(error.line, line, "{source}: {error:?}");
        };
        refused("\n{% if %}", Some(2), "syntax error");
        refused("{{ 1", Some(1), "syntax error");
        refused("{% if false %}{{ pth }}{% endif %}", None, "no value `pth`");
        refused("\n\n{{ path.size }}", Some(3), "undefined");
        refused("{{ path|no_such_filter }}", Some(1), "unknown filter");
        refused("{{ debug() }}", None, "no value `debug`");
        refused("{% include '/etc/passwd' %}", Some(1), "");
        refused("{% for n in range(9999) %}{{ n }}{% endfor %}", Some(1), "fuel");
        refused("{{ 'x' * 10000000 }}", Some(1), "fuel");
        let error = compile("a.html.j2", "{{ pth }}").unwrap_err();
        assert_eq!(error.help.as_deref(), Some("did you mean `path`?"));
    }

    #[test]
    fn what_takes_too_long_for_some_values_is_an_error() {
        let template =
            compile("a.html.j2", "{% for n in range(status) %}{{ n }}{% endfor %}").unwrap();
        let values = [("path", Value::from("/")), ("status", Value::from(9999))];
        assert_eq!(template.render(values), Err(RenderError));
    }
}
