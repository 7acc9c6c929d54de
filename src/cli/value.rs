//! A value as it was typed or written, and where. It gets its meaning in [`crate::config`], so that an error looks the
//! same whether the value came from a flag, a variable or a file.

use std::{ffi::OsStr, fmt, ops::Deref};

use clap::{
    Arg, Command, ValueEnum,
    builder::{PossibleValue, StringValueParser, TypedValueParser, ValueParserFactory},
    parser::ValueSource,
};

use crate::target::{Invalid, Origin};

/// Text, and where it was given. `Debug` does not show the text: it can be a private key.
///
/// In a box, because a target has about a hundred fields, and most are not given: a file of 10,000 targets would take 280 MB
/// while it is read.
#[derive(Clone, PartialEq, Eq)]
pub struct Given(Box<GivenText>);

#[derive(Clone, PartialEq, Eq)]
pub struct GivenText {
    pub text: String,
    /// The key, if this is an entry of a table in a file, such as a session tag.
    pub key: Option<String>,
    pub origin: Origin,
}

impl Deref for Given {
    type Target = GivenText;

    fn deref(&self) -> &GivenText {
        &self.0
    }
}

impl Given {
    pub fn new(text: String, origin: Origin) -> Self {
        Self::with_key(None, text, origin)
    }

    fn with_key(key: Option<String>, text: String, origin: Origin) -> Self {
        Self(Box::new(GivenText { text, key, origin }))
    }

    /// Another text from the same place.
    #[must_use]
    pub fn with_text(mut self, text: String) -> Self {
        self.0.text = text;
        self
    }

    /// Reads the value; an error says where it was given.
    ///
    /// # Errors
    /// The reader's.
    pub fn read<T>(&self, reader: impl FnOnce(&str) -> Result<T, Invalid>) -> Result<T, Invalid> {
        reader(&self.text).map_err(|invalid| invalid.at(&self.origin))
    }

    /// From an environment variable. An empty variable, as container tools leave them, is one that is not set.
    pub fn from_variable(name: &str, environment: &dyn Fn(&str) -> Option<String>) -> Option<Self> {
        let text = environment(name).filter(|text| !text.is_empty())?;
        Some(Self::new(text, Origin::Variable(name.to_owned())))
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for GivenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Given({} bytes, {})", self.text.len(), self.origin)
    }
}

impl ValueParserFactory for Given {
    type Parser = GivenParser;
    fn value_parser() -> GivenParser {
        GivenParser::default()
    }
}

/// Accepts any text. The possible values are for help and completion; [`crate::config`] refuses others.
#[derive(Clone, Debug, Default)]
pub struct GivenParser {
    possible: Vec<PossibleValue>,
}

/// A parser whose help and completions list the names of `T`.
pub(super) fn one_of<T: ValueEnum>() -> GivenParser {
    GivenParser { possible: T::value_variants().iter().filter_map(ValueEnum::to_possible_value).collect() }
}

impl TypedValueParser for GivenParser {
    type Value = Given;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Given, clap::Error> {
        self.parse_ref_(command, arg, value, ValueSource::CommandLine)
    }

    fn parse_ref_(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
        source: ValueSource,
    ) -> Result<Given, clap::Error> {
        let text = StringValueParser::new().parse_ref(command, arg, value)?;
        let variable = arg.and_then(Arg::get_env).filter(|_| source == ValueSource::EnvVariable);
        let origin = match (variable, arg.and_then(Arg::get_long)) {
            (Some(variable), _) => Origin::Variable(variable.to_string_lossy().into_owned()),
            (None, Some(long)) => Origin::Flag(format!("--{long}")),
            (None, None) => Origin::Flag(arg.map_or("argument", |arg| arg.get_id().as_str()).to_owned()),
        };
        Ok(Given::new(text, origin))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        (!self.possible.is_empty())
            .then(|| Box::new(self.possible.iter().cloned()) as Box<dyn Iterator<Item = PossibleValue>>)
    }
}

/// A value of a configuration file, independent of the file's format.
#[derive(Clone, Debug)]
pub enum Written {
    Scalar(String),
    List(Vec<String>),
    Table(Vec<(String, String)>),
    /// What it is instead, such as `a list of lists`.
    Unusable(&'static str),
}

impl Written {
    fn kind(&self) -> &'static str {
        match self {
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Unusable(kind) => kind,
        }
    }
}

/// What a field can be read from.
pub trait FieldValue: Sized {
    /// Whether the value is a list or a table.
    const SEVERAL: bool;

    /// # Errors
    /// A value of another kind. The value is not quoted: it can be a secret.
    fn from_written(field: &str, written: Written, origin: &Origin) -> Result<Self, Invalid>;

    /// The value, unless it is empty.
    fn non_empty(self) -> Option<Self>;
}

impl FieldValue for Given {
    const SEVERAL: bool = false;

    fn from_written(field: &str, written: Written, origin: &Origin) -> Result<Self, Invalid> {
        match written {
            Written::Scalar(text) => Ok(Self::new(text, origin.clone())),
            other => Err(Invalid::new(field, "a single value", other.kind()).at(origin)),
        }
    }

    fn non_empty(self) -> Option<Self> {
        Some(self).filter(|given| !given.text.is_empty())
    }
}

impl FieldValue for Vec<Given> {
    const SEVERAL: bool = true;

    fn from_written(field: &str, written: Written, origin: &Origin) -> Result<Self, Invalid> {
        let given = |key, text| Given::with_key(key, text, origin.clone());
        match written {
            Written::List(texts) => Ok(texts.into_iter().map(|text| given(None, text)).collect()),
            Written::Table(entries) => {
                Ok(entries.into_iter().map(|(key, text)| given(Some(key), text)).collect())
            }
            other => Err(Invalid::new(field, "a list, such as [\"…\"]", other.kind()).at(origin)),
        }
    }

    fn non_empty(self) -> Option<Self> {
        let items: Self = self.into_iter().filter_map(FieldValue::non_empty).collect();
        Some(items).filter(|items| !items.is_empty())
    }
}
