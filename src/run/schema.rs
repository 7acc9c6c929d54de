//! `pipeprobe schema`: the JSON Schema of the output of a command with `-o json`, or of the configuration file. The schema
//! of an output is a file that is generated from the types.

mod config;

use std::borrow::Cow;

use crate::{cli::Documented, report::json};

/// The JSON Schema of the output of a command, or of the configuration file.
pub fn schema(of: Documented) -> Cow<'static, str> {
    Cow::Borrowed(match of {
        Documented::Config => return config::schema().into(),
        Documented::Check => json::SCHEMA,
        Documented::Token => include_str!("schema/token.json"),
        Documented::Explain => include_str!("schema/explain.json"),
        Documented::Setup => include_str!("schema/setup.json"),
        Documented::Lint => include_str!("schema/lint.json"),
    })
}

#[cfg(test)]
mod tests {
    use schemars::{JsonSchema, Schema, generate::SchemaSettings};

    use super::*;
    use crate::{
        report::signed_token::SignedToken,
        run::{explain, lint},
        setup,
    };

    /// What every command prints if its input cannot be used: the document of `check`, without a report.
    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Refused {
        schema_version: u32,
        pipeprobe: String,
        success: bool,
        interrupted: bool,
        targets: [(); 0],
        errors: Vec<json::Error<'static>>,
    }

    /// What `setup -o json` prints.
    #[derive(JsonSchema)]
    #[schemars(untagged)]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Setup {
        Made(Box<setup::Document<'static>>),
        Refused(Refused),
    }

    /// What `lint -o json` prints.
    #[derive(JsonSchema)]
    #[schemars(untagged)]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Lint {
        Judged(lint::json::Document<'static>),
        Refused(Refused),
    }

    /// What `token -o json` prints, and `token.sock` of the agent answers. A signed token is a secret.
    #[derive(JsonSchema)]
    #[schemars(untagged)]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Token {
        Signed(SignedToken<'static>),
        Refused(Refused),
    }

    /// What `explain CODE -o json` and `explain --list -o json` print.
    #[derive(JsonSchema)]
    #[schemars(untagged)]
    #[expect(dead_code, reason = "only its schema is used")]
    enum Explain {
        One(explain::Explanation<'static>),
        List(explain::Codes),
        Refused(Refused),
    }

    /// The schema of what is written, which differs from what would be read: only fields that can be omitted are optional.
    fn printed<T: JsonSchema>() -> Schema {
        SchemaSettings::default().for_serialize().into_generator().into_root_schema_for::<T>()
    }

    #[test]
    fn the_shipped_schemas_are_current() {
        let mut stale = Vec::new();
        for (name, of, generated) in [
            ("setup", Documented::Setup, printed::<Setup>()),
            ("lint", Documented::Lint, printed::<Lint>()),
            ("token", Documented::Token, printed::<Token>()),
            ("explain", Documented::Explain, printed::<Explain>()),
        ] {
            let generated = serde_json::to_string_pretty(&generated).unwrap() + "\n";
            if std::env::var_os("UPDATE").is_some() {
                let path = format!("{}/src/run/schema/{name}.json", env!("CARGO_MANIFEST_DIR"));
                std::fs::write(path, &generated).unwrap();
            }
            if generated != schema(of) {
                stale.push(name);
            }
        }
        assert!(stale.is_empty(), "{stale:?}: not current: UPDATE=1 cargo test --lib");
    }
}
