//! The config as a JSON Schema (draft 2020-12), for editors that check and complete what is typed.

use crate::{
    shape::{Layout, Member, Preset, Shape},
    written,
};
use serde_json::{Map, Value, json};

/// Where editors learn what a schema is.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A text in which something is filled in; what that will be, nobody can know.
const FILLED: &str = r"\$\{";

/// The JSON Schema of a config file.
#[must_use]
pub fn schema() -> String {
    let mut tables = Tables::default();
    let layout = written::layout();
    let mut schema = tables.table(&layout);
    if let Value::Object(members) = &mut schema {
        members.insert("$schema".to_owned(), DIALECT.into());
        members.insert("title".to_owned(), "a config of gannet".into());
        members.insert("$defs".to_owned(), Value::Object(tables.known));
    }
    format!("{schema:#}\n")
}

/// The tables that are described so far, each once.
#[derive(Default)]
struct Tables {
    known: Map<String, Value>,
}

impl Tables {
    /// Where `layout` is described.
    fn reference(&mut self, layout: &Layout) -> String {
        let name = name(layout.title);
        if !self.known.contains_key(&name) {
            // It has its place before the tables inside it are looked at.
            self.known.insert(name.clone(), Value::Null);
            let table = self.table(layout);
            self.known.insert(name.clone(), table);
        }
        format!("#/$defs/{name}")
    }

    fn table(&mut self, layout: &Layout) -> Value {
        let mut properties = Map::new();
        for member in &layout.members {
            properties.insert(member.name.to_owned(), self.member(member));
        }
        if let Some(common) = &layout.common {
            let there = self.reference(common);
            for member in &common.members {
                let there = format!("{there}/properties/{}", member.name);
                properties.insert(member.name.to_owned(), json!({ "$ref": there }));
            }
        }
        json!({ "type": "object", "properties": properties, "additionalProperties": false })
    }

    fn member(&mut self, member: &Member) -> Value {
        let mut schema = self.shape(&member.shape);
        if let Value::Object(members) = &mut schema {
            members.insert("description".to_owned(), member.doc.into());
            if let Preset::Value(text) = member.preset {
                members.insert("default".to_owned(), value(text));
            }
            members.insert("examples".to_owned(), json!([value(member.example)]));
        }
        schema
    }

    fn shape(&mut self, shape: &Shape) -> Value {
        match shape {
            Shape::Any => json!({}),
            Shape::Text => json!({ "type": "string" }),
            Shape::Like(pattern) => filled_or(&json!({ "pattern": pattern })),
            Shape::Words(words) => filled_or(&json!({ "enum": words })),
            Shape::Number(least, most) => {
                json!({ "type": "integer", "minimum": least, "maximum": most })
            }
            Shape::Flag => json!({ "type": "boolean" }),
            Shape::List(inside) => json!({ "type": "array", "items": self.shape(inside) }),
            Shape::Table(layout) => json!({ "$ref": self.reference(layout) }),
            Shape::Map(inside) => {
                json!({ "type": "object", "additionalProperties": self.shape(inside) })
            }
            Shape::Either(all) => {
                let all: Vec<_> = all.iter().map(|one| self.shape(one)).collect();
                json!({ "anyOf": all })
            }
        }
    }
}

fn filled_or(schema: &Value) -> Value {
    json!({ "type": "string", "anyOf": [schema, { "pattern": FILLED }] })
}

/// The title of a table as a part of a path.
fn name(title: &str) -> String {
    let parts = title.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-")
}

/// A value in TOML as one in JSON.
fn value(text: &str) -> Value {
    let named = toml::from_str::<Map<String, Value>>(&format!("value = {text}"));
    named.ok().and_then(|mut named| named.remove("value")).unwrap_or_default()
}
