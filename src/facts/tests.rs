//! How facts are written in `tests/checks/*.toml`: a value as itself, `{ refused = { code, message } }`,
//! or `{ absent = true }`.

use serde::{Deserialize, Deserializer};

use super::*;
use crate::connection::{AuthRequest, Stage};

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Fact<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written<T> {
            Read(T),
            Refused(JustRefused),
            Absent(JustAbsent),
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct JustRefused {
            refused: Refusal,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct JustAbsent {
            absent: bool,
        }
        Ok(match Written::deserialize(from)? {
            Written::Refused(JustRefused { refused }) => Self::refused(refused),
            Written::Absent(JustAbsent { absent }) => {
                assert!(absent, "absent = false says nothing");
                Self::Absent
            }
            Written::Read(value) => Self::Read(value),
        })
    }
}

/// A published table as its name, or with what is special about it.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum PublishedTableText {
    Name(ServerText),
    Table {
        name: ServerText,
        #[serde(default)]
        columns_left_out: Vec<ServerText>,
        #[serde(default)]
        generated_published: bool,
        #[serde(default)]
        has_column_list: bool,
        row_filter: Option<ServerText>,
        #[serde(default)]
        children_left_out: Vec<ServerText>,
    },
}

impl From<PublishedTableText> for PublishedTable {
    fn from(text: PublishedTableText) -> Self {
        match text {
            PublishedTableText::Name(name) => Self { name, ..Self::default() },
            PublishedTableText::Table {
                name,
                columns_left_out,
                generated_published,
                has_column_list,
                row_filter,
                children_left_out,
            } => Self {
                name,
                columns_left_out,
                has_column_list,
                generated_published,
                row_filter,
                children_left_out,
            },
        }
    }
}

pub(super) fn ok() -> Result<(), Box<Refusal>> {
    Ok(())
}

/// `select = { code = "42501", message = "…" }`; a table that may be read says nothing.
pub(super) fn refused<'de, D: Deserializer<'de>>(from: D) -> Result<Result<(), Box<Refusal>>, D::Error> {
    Refusal::deserialize(from).map(|refusal| Err(refusal.into()))
}

/// What the server asked for instead of the token, its refusal, or the answer.
pub(super) fn replication<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Fact<Result<SystemIdentity, ConnectError>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, deny_unknown_fields)]
    enum Written {
        Ok { timeline: String, position: String },
        Refused { refused: Refusal },
        AuthRequest { auth_request: String },
        Silent { timed_out_after_seconds: u64 },
    }
    let stage = Stage::Login;
    Ok(match Written::deserialize(from)? {
        Written::Ok { timeline, position } => Fact::Read(Ok(SystemIdentity { timeline, position })),
        Written::Refused { refused: refusal } => Fact::Read(Err(ConnectError::Refused { stage, refusal })),
        Written::AuthRequest { auth_request } => {
            Fact::Read(Err(ConnectError::NotIam(match auth_request.as_str() {
                "md5" => AuthRequest::Md5,
                mechanism => AuthRequest::Sasl(vec![mechanism.to_owned()]),
            })))
        }
        Written::Silent { timed_out_after_seconds: after } => {
            let after = std::time::Duration::from_secs(after);
            Fact::Read(Err(ConnectError::Timeout { stage, after }))
        }
    })
}

/// A server without logical slots.
pub(super) fn no_slots() -> Fact<Vec<ReplicationSlot>> {
    Fact::Read(Vec::new())
}

pub(super) fn no_readers() -> Fact<Vec<BinlogReader>> {
    Fact::Read(Vec::new())
}

pub(super) fn unlimited() -> Fact<ConnectionLimits> {
    Fact::Read(ConnectionLimits::default())
}

pub(super) fn idle() -> Fact<ServerConnections> {
    Fact::Read(ServerConnections { limit: 100, in_use: 3 })
}

pub(super) fn young() -> Fact<u32> {
    Fact::Read(1_000_000)
}

/// Most tables have such a key.
pub(super) fn id() -> Fact<Vec<ServerText>> {
    Fact::Read(vec![ServerText::new("id")])
}

pub(super) fn yes() -> bool {
    true
}
