//! The JSON Schema of the configuration file, from the declarations of the fields. Editors use it for completion and errors
//! (for example taplo). It accepts what the file can contain; [`crate::config`] reads the values.

use serde_json::{Map, Value, json};

use crate::cli::fields::{
    AgentFields, Described, DiagnoseFields, JudgeFields, PipeFields, RENAMED, ScheduleFields, ServeFields,
    TargetFields,
};

pub(super) fn schema() -> String {
    let target = [
        TargetFields::described(),
        PipeFields::described(),
        DiagnoseFields::described(),
        ScheduleFields::described(),
        AgentFields::described(),
    ];
    let serve = [ServeFields::described(), JudgeFields::described()];
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration file of pipeprobe",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "defaults": { "description": "Fields that all targets share", "$ref": "#/$defs/target" },
            "targets": {
                "description": "A table for each database",
                "type": "object",
                "propertyNames": { "minLength": 1, "maxLength": 128 },
                "additionalProperties": { "$ref": "#/$defs/target" },
            },
            "serve": table("Settings of `pipeprobe serve`", serve.into_iter().flatten()),
        },
        "$defs": {
            "target": table("Fields of a target", target.into_iter().flatten()),
            "scalar": { "type": ["string", "number", "boolean"] },
        },
    });
    format!("{schema:#}\n")
}

fn table(description: &str, fields: impl Iterator<Item = Described>) -> Value {
    let mut properties = Map::new();
    for field in fields {
        let earlier = RENAMED.iter().find(|(current, _)| *current == field.key).map(|(_, earlier)| *earlier);
        let value = value(&field);
        if let Some(earlier) = earlier {
            let mut value = value.clone();
            value["deprecated"] = true.into();
            value["description"] = format!("Earlier name of `{}`", field.key).into();
            properties.insert(earlier.to_owned(), value);
        }
        properties.insert(field.key.to_owned(), value);
    }
    json!({
        "description": description,
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

fn value(field: &Described) -> Value {
    let names: Vec<&str> = field.values.iter().map(clap::builder::PossibleValue::get_name).collect();
    match (field.several, names.is_empty()) {
        (true, _) => json!({
            "description": field.help,
            "anyOf": [
                { "type": "array", "items": { "$ref": "#/$defs/scalar" } },
                { "type": "object", "additionalProperties": { "$ref": "#/$defs/scalar" } },
            ],
        }),
        (false, true) => json!({ "description": field.help, "$ref": "#/$defs/scalar" }),
        (false, false) => json!({ "description": field.help, "enum": names }),
    }
}
