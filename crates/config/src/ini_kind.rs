//! The kind of values that only PHP has: its settings.

use crate::{
    mistake::{Mistake, quote},
    setting::{Kind, Notes, Typed},
    shape::Shape,
    source::{Span, Word},
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// Settings of PHP, each with its value as PHP reads it.
pub(crate) type Ini = Vec<(Word<String>, String)>;

/// A table of settings of PHP, each a text, a number or a flag.
pub(crate) struct IniMap;

impl Kind for IniMap {
    type Value = Ini;

    fn parse(&self, typed: &Typed<'_>, notes: &mut Notes) -> Option<Self::Value> {
        let DeValue::Table(table) = typed.value.get_ref() else {
            notes.mistakes.push(typed.wrong_kind(typed.value, &self.noun()));
            return None;
        };
        let mut all = Vec::with_capacity(table.len());
        for (key, value) in table {
            let name = Word { value: key.get_ref().to_string(), span: key.span().into() };
            if !is_name(&name.value) {
                let cause = format!("has {}, which PHP has no setting for", quote(&name.value));
                notes.mistakes.push(typed.mistake(name.span, &cause, "not a setting of PHP"));
                continue;
            }
            if let DeValue::Table(inside) = value.get_ref()
                && !inside.is_empty()
            {
                find_unquoted(&name.value, inside, notes);
                continue;
            }
            all.extend(self.value(typed, value, notes).map(|value| (name, value)));
        }
        (all.len() == table.len()).then_some(all)
    }

    fn noun(&self) -> String {
        "a table of PHP's settings, each a text, a number, `true` or `false`".to_owned()
    }

    fn shape(&self) -> Shape {
        let number = Shape::Number(0, i64::MAX.unsigned_abs());
        Shape::Map(Box::new(Shape::Either(vec![Shape::Text, number, Shape::Flag])))
    }
}

impl IniMap {
    /// One value, as PHP reads it.
    fn value(
        &self,
        typed: &Typed<'_>,
        value: &Spanned<DeValue<'_>>,
        notes: &mut Notes,
    ) -> Option<String> {
        let span: Span = value.span().into();
        let text = match value.get_ref() {
            DeValue::Boolean(true) => "on".to_owned(),
            DeValue::Boolean(false) => "off".to_owned(),
            DeValue::Integer(number) => {
                let number = i64::from_str_radix(number.as_str(), number.radix());
                number.map_or_else(|_| String::new(), |number| number.to_string())
            }
            DeValue::String(text) => text.to_string(),
            _ => {
                notes.mistakes.push(typed.wrong_kind(value, &self.noun()));
                return None;
            }
        };
        // It stands between such quotes where php-fpm reads it.
        if text.chars().any(|letter| letter.is_control() || letter == '\'') {
            let cause = "has a value with a `'` or a control character, which cannot be passed on";
            notes.mistakes.push(typed.mistake(span, cause, "in here"));
            return None;
        }
        Some(text)
    }
}

/// Finds names whose dots, without quotes around them, made the table `inside`.
fn find_unquoted(name: &str, inside: &DeTable<'_>, notes: &mut Notes) {
    for (key, value) in inside {
        let name = format!("{name}.{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inside) => find_unquoted(&name, inside, notes),
            _ => notes.mistakes.push(
                Mistake::new(key.span().into(), "a name with dots stands in quotes", "no quotes")
                    .help(format!("write `\"{name}\" = …`")),
            ),
        }
    }
}

/// Whether PHP could have a setting of that name.
fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    name.bytes().all(is_letter) && name.starts_with(|letter: char| letter.is_ascii_alphabetic())
}
