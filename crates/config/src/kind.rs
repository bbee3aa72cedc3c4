//! The kinds of values: sizes, durations, rates, counts, choices, flags and texts.

use crate::{
    guess,
    mistake::{Mistake, quote},
    setting::{Kind, Notes, Typed},
    shape::Shape,
    source::Word,
    unit::{FREQUENCIES, Frequency, RATES, SIZES, TIMES, Units},
};
use std::{ops::RangeInclusive, time::Duration};
use toml::{Spanned, de::DeValue};

/// A size in bytes within bounds: "16KiB".
pub(crate) struct Size<N>(pub(crate) RangeInclusive<N>);

/// A rate in bytes a second within bounds: "240B/s".
pub(crate) struct Rate(pub(crate) RangeInclusive<u64>);

/// So many times in a second, a minute, an hour or a day, within bounds that are counted in times a
/// day: "20/s".
pub(crate) struct Times(pub(crate) RangeInclusive<u64>);

/// A value of this kind, or the empty text, which says that there is none.
pub(crate) struct OrNone<K>(pub(crate) K);

/// A duration in milliseconds within bounds: "30s".
pub(crate) struct Time(pub(crate) RangeInclusive<u64>);

/// A number of things within bounds: 16.
pub(crate) struct Count<N>(pub(crate) RangeInclusive<N>);

/// One of a few words, each with what it means.
pub(crate) struct Choice<T: 'static>(pub(crate) &'static [(&'static str, T)]);

/// `true` or `false`.
pub(crate) struct Flag;

/// One text, not empty.
pub(crate) struct Text;

/// A text or a list of texts, none of them empty.
pub(crate) struct Texts;

/// One text, which may be empty and go over several lines.
pub(crate) struct Words;

/// One field as it was typed.
#[derive(Clone, Debug)]
pub(crate) struct FieldWords {
    pub(crate) name: Word<String>,
    /// No values take the field away.
    pub(crate) values: Vec<Word<String>>,
}

/// Texts with their names.
pub(crate) type NamedTexts = Vec<(Word<String>, Word<String>)>;

/// A table of names, each with a text, which may be empty.
pub(crate) struct TextMap(pub(crate) &'static str);

/// A table of field names, each with a text, a list of texts, or nothing.
pub(crate) struct FieldMap;

/// The permissions of a file, in octal: "0660".
pub(crate) struct Mode;

/// The integer types that settings are kept in.
pub(crate) trait Whole: Copy + TryFrom<u64> + TryInto<u64> {}

impl<N: Copy + TryFrom<u64> + TryInto<u64>> Whole for N {}

impl<N: Whole> Kind for Size<N> {
    type Value = N;

    fn parse(&self, typed: &Typed<'_>, notes: &mut Notes) -> Option<N> {
        measure(typed, notes, &SIZES, &wide(&self.0), &self.noun())?.try_into().ok()
    }

    fn noun(&self) -> String {
        range_noun("a size", &wide(&self.0), |number| SIZES.show(number))
    }

    fn shape(&self) -> Shape {
        SIZES.shape()
    }
}

impl Kind for Rate {
    type Value = u64;

    fn parse(&self, typed: &Typed<'_>, notes: &mut Notes) -> Option<u64> {
        measure(typed, notes, &RATES, &self.0, &self.noun())
    }

    fn noun(&self) -> String {
        range_noun("a rate", &self.0, |number| RATES.show(number))
    }

    fn shape(&self) -> Shape {
        RATES.shape()
    }
}

impl Kind for Times {
    type Value = Frequency;

    fn parse(&self, typed: &Typed<'_>, notes: &mut Notes) -> Option<Frequency> {
        measure(typed, notes, &FREQUENCIES, &self.0, &self.noun())?;
        Frequency::parse(typed.value.get_ref().as_str()?)
    }

    fn noun(&self) -> String {
        range_noun("a rate", &self.0, |number| FREQUENCIES.show(number))
    }

    fn shape(&self) -> Shape {
        FREQUENCIES.shape()
    }
}

impl<K: Kind> Kind for OrNone<K> {
    type Value = Option<K::Value>;

    fn parse(&self, typed: &Typed<'_>, notes: &mut Notes) -> Option<Self::Value> {
        match typed.value.get_ref() {
            DeValue::String(text) if text.is_empty() => Some(None),
            _ => self.0.parse(typed, notes).map(Some),
        }
    }

    fn noun(&self) -> String {
        format!("{}, or \"\" for none", self.0.noun())
    }

    fn shape(&self) -> Shape {
        Shape::Either(vec![self.0.shape(), Shape::Words(vec![""])])
    }
}

impl Kind for Time {
    type Value = Duration;

    fn parse(&self, typed: &Typed<'_>, notes: &mut Notes) -> Option<Duration> {
        measure(typed, notes, &TIMES, &self.0, &self.noun()).map(Duration::from_millis)
    }

    fn noun(&self) -> String {
        range_noun("a duration", &self.0, |number| TIMES.show(number))
    }

    fn shape(&self) -> Shape {
        TIMES.shape()
    }
}

impl<N: Whole> Kind for Count<N> {
    type Value = N;

    fn parse(&self, typed: &Typed<'_>, notes: &mut Notes) -> Option<N> {
        let DeValue::Integer(integer) = typed.value.get_ref() else {
            notes.mistakes.push(typed.wrong_kind(typed.value, &self.noun()));
            return None;
        };
        // What does not fit is out of bounds, to whichever side.
        let number = i128::from_str_radix(integer.as_str(), integer.radix()).unwrap_or(i128::MAX);
        let number = u64::try_from(number).unwrap_or(if number < 0 { 0 } else { u64::MAX });
        within(typed, notes, number, &wide(&self.0), |number| number.to_string())?.try_into().ok()
    }

    fn noun(&self) -> String {
        range_noun("a whole number", &wide(&self.0), |number| number.to_string())
    }

    fn shape(&self) -> Shape {
        let bounds = wide(&self.0);
        Shape::Number(*bounds.start(), *bounds.end())
    }
}

impl<T: Copy> Kind for Choice<T> {
    type Value = T;

    fn parse(&self, typed: &Typed<'_>, notes: &mut Notes) -> Option<T> {
        let DeValue::String(text) = typed.value.get_ref() else {
            notes.mistakes.push(typed.wrong_kind(typed.value, &self.noun()));
            return None;
        };
        let found = self.0.iter().find(|(word, _)| word == text);
        if found.is_none() {
            let cause = format!("takes {}, not {}", self.noun(), quote(text));
            let mistake = typed.mistake(typed.span(), &cause, "not one of these");
            let guess = guess::nearest(text, self.0.iter().map(|(word, _)| *word));
            notes.mistakes.push(match guess {
                Some(guess) => mistake.help(format!("did you mean \"{guess}\"?")),
                None => mistake,
            });
        }
        found.map(|(_, meaning)| *meaning)
    }

    fn noun(&self) -> String {
        let words: Vec<_> = self.0.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        match words.split_last() {
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => String::new(),
        }
    }

    fn shape(&self) -> Shape {
        Shape::Words(self.0.iter().map(|(word, _)| *word).collect())
    }
}

impl Kind for Flag {
    type Value = bool;

    fn parse(&self, typed: &Typed<'_>, notes: &mut Notes) -> Option<bool> {
        let flag = typed.value.get_ref().as_bool();
        if flag.is_none() {
            notes.mistakes.push(typed.wrong_kind(typed.value, &self.noun()));
        }
        flag
    }

    fn noun(&self) -> String {
        "`true` or `false`".to_owned()
    }

    fn shape(&self) -> Shape {
        Shape::Flag
    }
}

impl Kind for Text {
    type Value = String;

    fn parse(&self, typed: &Typed<'_>, notes: &mut Notes) -> Option<String> {
        text(typed, typed.value, &self.noun()).map_err(|mistake| notes.mistakes.push(mistake)).ok()
    }

    fn noun(&self) -> String {
        "a text".to_owned()
    }

    fn shape(&self) -> Shape {
        Shape::Text
    }
}

impl Kind for Texts {
    type Value = Vec<Word<String>>;

    fn parse(&self, typed: &Typed<'_>, notes: &mut Notes) -> Option<Vec<Word<String>>> {
        let DeValue::Array(list) = typed.value.get_ref() else {
            let only = text(typed, typed.value, &self.noun());
            let only = only.map_err(|mistake| notes.mistakes.push(mistake)).ok()?;
            return Some(vec![Word { value: only, span: typed.span() }]);
        };
        let mut words = Vec::with_capacity(list.len());
        for item in list.iter() {
            match text(typed, item, "texts") {
                Ok(value) => words.push(Word { value, span: item.span().into() }),
                Err(mistake) => notes.mistakes.push(mistake),
            }
        }
        // What is right is looked at further; nothing at all would be said to be empty.
        (!words.is_empty() || list.is_empty()).then_some(words)
    }

    fn noun(&self) -> String {
        "a text or a list of texts".to_owned()
    }

    fn shape(&self) -> Shape {
        Shape::texts()
    }
}

impl Kind for Mode {
    type Value = u32;

    fn parse(&self, typed: &Typed<'_>, notes: &mut Notes) -> Option<u32> {
        let DeValue::String(text) = typed.value.get_ref() else {
            notes.mistakes.push(typed.wrong_kind(typed.value, &self.noun()));
            return None;
        };
        let is_octal = text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        let mode = u32::from_str_radix(text, 8).ok().filter(|mode| is_octal && *mode <= 0o777);
        if mode.is_none() {
            let cause = format!("takes {}, not {}", self.noun(), quote(text));
            notes.mistakes.push(typed.mistake(typed.span(), &cause, "no mode"));
        }
        mode
    }

    fn noun(&self) -> String {
        "a mode in octal from \"0\" to \"0777\"".to_owned()
    }

    fn shape(&self) -> Shape {
        Shape::Like("^0*[0-7]{1,3}$".to_owned())
    }
}

impl Kind for Words {
    type Value = String;

    fn parse(&self, typed: &Typed<'_>, notes: &mut Notes) -> Option<String> {
        let DeValue::String(text) = typed.value.get_ref() else {
            notes.mistakes.push(typed.wrong_kind(typed.value, &self.noun()));
            return None;
        };
        Some(text.to_string())
    }

    fn noun(&self) -> String {
        "a text".to_owned()
    }

    fn shape(&self) -> Shape {
        Shape::Text
    }
}

impl Kind for TextMap {
    type Value = NamedTexts;

    fn parse(&self, typed: &Typed<'_>, notes: &mut Notes) -> Option<NamedTexts> {
        let DeValue::Table(table) = typed.value.get_ref() else {
            notes.mistakes.push(typed.wrong_kind(typed.value, &self.noun()));
            return None;
        };
        let mut texts = Vec::with_capacity(table.len());
        for (key, value) in table {
            let name = Word { value: key.get_ref().to_string(), span: key.span().into() };
            let text = match value.get_ref() {
                DeValue::String(text) if text.is_empty() => Ok(String::new()),
                _ => text(typed, value, "texts"),
            };
            match text {
                Ok(value_text) => {
                    texts.push((name, Word { value: value_text, span: value.span().into() }));
                }
                Err(mistake) => notes.mistakes.push(mistake),
            }
        }
        Some(texts)
    }

    fn noun(&self) -> String {
        format!("a table of {}", self.0)
    }

    fn shape(&self) -> Shape {
        Shape::Map(Box::new(Shape::Text))
    }
}

impl Kind for FieldMap {
    type Value = Vec<FieldWords>;

    fn parse(&self, typed: &Typed<'_>, notes: &mut Notes) -> Option<Vec<FieldWords>> {
        let DeValue::Table(table) = typed.value.get_ref() else {
            notes.mistakes.push(typed.wrong_kind(typed.value, &self.noun()));
            return None;
        };
        let mut fields = Vec::with_capacity(table.len());
        for (key, value) in table {
            let name = Word { value: key.get_ref().to_string(), span: key.span().into() };
            let single = Typed { value, ..*typed };
            let values = match value.get_ref() {
                DeValue::String(text) if text.is_empty() => Some(Vec::new()),
                _ => Texts.parse(&single, notes),
            };
            fields.extend(values.map(|values| FieldWords { name, values }));
        }
        find_doubles(typed, fields.iter().map(|field| &field.name).collect(), notes);
        (!fields.is_empty() || table.is_empty()).then_some(fields)
    }

    fn noun(&self) -> String {
        "a table of fields with their values".to_owned()
    }

    fn shape(&self) -> Shape {
        Shape::Map(Box::new(Shape::texts()))
    }
}

/// Finds names that differ in case only: fields have the same name then.
fn find_doubles(typed: &Typed<'_>, mut names: Vec<&Word<String>>, notes: &mut Notes) {
    names.sort_by_key(|name| (name.value.to_ascii_lowercase(), name.span));
    for pair in names.windows(2) {
        let [first, again] = pair else { continue };
        if first.value.eq_ignore_ascii_case(&again.value) {
            let cause = format!("names {} twice", quote(&again.value));
            let mistake = typed.mistake(again.span, &cause, "the same field");
            notes
                .mistakes
                .push(mistake.also(first.span, "first here").help("leave one of them out"));
        }
    }
}

/// The text that stands in `value`.
fn text(typed: &Typed<'_>, value: &Spanned<DeValue<'_>>, noun: &str) -> Result<String, Mistake> {
    let DeValue::String(text) = value.get_ref() else {
        return Err(typed.wrong_kind(value, noun));
    };
    if text.is_empty() {
        return Err(typed.mistake(value.span().into(), "is empty", "nothing between the quotes"));
    }
    // Neither a path nor a name nor an address can be meant by it.
    if text.chars().any(char::is_control) {
        let cause = "holds a control character";
        return Err(typed.mistake(value.span().into(), cause, "a control character in here"));
    }
    Ok(text.to_string())
}

/// The number with a unit that was typed, if it is within bounds.
fn measure(
    typed: &Typed<'_>,
    notes: &mut Notes,
    units: &Units,
    bounds: &RangeInclusive<u64>,
    noun: &str,
) -> Option<u64> {
    let DeValue::String(text) = typed.value.get_ref() else {
        notes.mistakes.push(typed.wrong_kind(typed.value, noun));
        return None;
    };
    match units.parse(text) {
        Ok(number) => within(typed, notes, number, bounds, |number| units.show(number)),
        Err(refusal) => {
            let cause = format!("takes {noun}; {} {}", quote(text), refusal.cause);
            let mistake = typed.mistake(typed.span(), &cause, refusal.cause);
            notes.mistakes.push(match refusal.help {
                Some(help) => mistake.help(help),
                None => mistake,
            });
            None
        }
    }
}

fn within(
    typed: &Typed<'_>,
    notes: &mut Notes,
    number: u64,
    bounds: &RangeInclusive<u64>,
    show: impl Fn(u64) -> String,
) -> Option<u64> {
    let (bound, side, other) = if number < *bounds.start() {
        (*bounds.start(), "least", "less")
    } else if number > *bounds.end() {
        (*bounds.end(), "most", "more")
    } else {
        return Some(number);
    };
    let (cause, label) =
        (format!("must be at {side} {}", show(bound)), format!("{other} than that"));
    notes.mistakes.push(typed.mistake(typed.span(), &cause, label));
    None
}

fn range_noun(noun: &str, bounds: &RangeInclusive<u64>, show: impl Fn(u64) -> String) -> String {
    format!("{noun} from {} to {}", show(*bounds.start()), show(*bounds.end()))
}

fn wide<N: Whole>(bounds: &RangeInclusive<N>) -> RangeInclusive<u64> {
    let start = (*bounds.start()).try_into().unwrap_or(0);
    start..=(*bounds.end()).try_into().unwrap_or(u64::MAX)
}
