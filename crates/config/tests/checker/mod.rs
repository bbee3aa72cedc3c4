//! As much of a JSON Schema validator as the schema of a config needs; what it does not know, it
//! refuses.

#![allow(clippy::panic, reason = "tests say what is wrong by panicking")]

use serde_json::Value;

/// The settings of which `schema` says nothing but that they are there.
pub(crate) fn vague(schema: &Value) -> Vec<String> {
    let tables = schema["$defs"].as_object().into_iter().flatten();
    let settings = tables.flat_map(|(table, schema)| {
        let members = schema["properties"].as_object().into_iter().flatten();
        members.map(move |(name, rules)| (format!("{name} of {table}"), rules))
    });
    let is_vague =
        |rules: &Value| ["type", "anyOf", "$ref"].iter().all(|rule| rules[rule].is_null());
    settings.filter(|(_, rules)| is_vague(rules)).map(|(setting, _)| setting).collect()
}

/// What `schema` has against the config `text`, each with the path of the value.
pub(crate) fn check(schema: &Value, text: &str) -> Vec<String> {
    let value: Value = toml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut faults = Vec::new();
    look(schema, schema, &value, "", &mut faults);
    faults
}

fn look(root: &Value, schema: &Value, value: &Value, path: &str, faults: &mut Vec<String>) {
    let Value::Object(rules) = schema else { panic!("{schema} at {path:?}") };
    for (rule, wanted) in rules {
        let is_right = match rule.as_str() {
            "$schema" | "$defs" | "title" | "description" | "default" | "examples" => true,
            // They stand side by side, and are looked at from there.
            "properties" | "additionalProperties" => true,
            "type" => kind(value) == wanted,
            "enum" => wanted.as_array().is_some_and(|all| all.contains(value)),
            "minimum" => value.as_u64().is_none_or(|number| Some(number) >= wanted.as_u64()),
            "maximum" => value.as_u64().is_none_or(|number| Some(number) <= wanted.as_u64()),
            "pattern" => {
                let pattern = wanted.as_str().unwrap_or_default();
                value.as_str().is_none_or(|text| fits(pattern, text))
            }
            "anyOf" => wanted.as_array().into_iter().flatten().any(|one| {
                let mut faults = Vec::new();
                look(root, one, value, path, &mut faults);
                faults.is_empty()
            }),
            "$ref" => {
                let pointer = wanted.as_str().unwrap_or_default().trim_start_matches('#');
                let there = root.pointer(pointer);
                look(root, there.unwrap_or(&Value::Null), value, path, faults);
                true
            }
            "items" => {
                for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                    look(root, wanted, item, &format!("{path}[{at}]"), faults);
                }
                true
            }
            other => panic!("the rule {other} at {path:?}"),
        };
        if !is_right {
            faults.push(format!("{path}: {rule}"));
        }
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{key}");
        match (schema["properties"].get(key), rules.get("additionalProperties")) {
            (Some(known), _) => look(root, known, value, &path, faults),
            (None, Some(Value::Bool(false))) => faults.push(format!("{path}: unknown")),
            (None, Some(other)) => look(root, other, value, &path, faults),
            (None, None) => {}
        }
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Whether `text` fits one of the few forms of patterns that there are.
fn fits(pattern: &str, text: &str) -> bool {
    if pattern == "^0*[0-7]{1,3}$" {
        return u32::from_str_radix(text, 8).is_ok_and(|mode| mode <= 0o777);
    }
    if pattern == r"\$\{" {
        return text.contains("${");
    }
    if pattern == "[{}]" {
        return text.contains(['{', '}']);
    }
    let units = pattern.strip_prefix("^[0-9]+(").and_then(|rest| rest.strip_suffix(")$"));
    let units = units.unwrap_or_else(|| panic!("the pattern {pattern}"));
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    digits > 0 && units.split('|').any(|unit| text[digits..] == *unit)
}
