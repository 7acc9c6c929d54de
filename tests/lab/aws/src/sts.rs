//! The Query API: one signed request in, XML out. STS's own actions, and the way to RDS's and IAM's.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use hyper::header::{CONTENT_TYPE, DATE};
use hyper::{Request, Response, StatusCode};
use jiff::{SignedDuration, Timestamp};

use crate::assume_role::{self, Form, Grant, Input, Scene};
use crate::authenticate::{Signed, authenticate};
use crate::caller::{Caller, session_arn, unique_id};
use crate::clock;
use crate::error::ApiError;
use crate::fault::Fault;
use crate::iam;
use crate::rds;
use crate::service::{Service, field, no_such_action};
use crate::session::{Credentials, Session, Tag, random};
use crate::sigv4::hex;
use crate::state::{Ledger, State};
use crate::world::Arn;
use crate::xml::{leaf, node, root};

/// One request to STS, RDS or IAM and what it got. No secret is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// By AWS's clock.
    pub time: SystemTime,
    /// `AssumeRole`, `GetCallerIdentity`, or whatever was asked for.
    pub action: String,
    /// Who signed it; `None` if that was not established.
    pub caller: Option<String>,
    /// Of the credential scope.
    pub region: Option<String>,
    pub role: Option<String>,
    pub session_name: Option<String>,
    pub tags: Vec<Tag>,
    pub transitive: Vec<String>,
    pub external_id: Option<String>,
    /// Seconds, if asked for.
    pub duration: Option<u32>,
    /// HTTP status; 0 if the call was left without an answer.
    pub status: u16,
    /// AWS's error code.
    pub error: Option<String>,
    pub message: Option<String>,
}

/// Longest text of the request's that the ledger keeps.
const KEPT: usize = 2048;

/// `None`: never answer.
pub(crate) fn answer(
    state: &State,
    calls: &Ledger<Call>,
    request: &Request<Vec<u8>>,
    peer: IpAddr,
) -> Option<Response<String>> {
    let now = state.clock.now();
    let id = request_id();
    let query = request.uri().query().unwrap_or_default();
    let sent = if request.body().is_empty() { query.as_bytes() } else { request.body() };
    let form: Vec<(String, String)> = form_urlencoded::parse(sent).into_owned().collect();
    let mut call = note(&form, now);
    let service = Service::of(field(&form, "Version").unwrap_or_default());

    let answered = match state.take_fault(service) {
        Fault::None | Fault::Next { .. } => act(state, service, request, query, &form, now, peer, &mut call),
        Fault::Throttle => Err(ApiError::throttled()),
        Fault::InternalFailure => Err(ApiError::internal()),
        Fault::ServiceUnavailable => Err(ApiError::unavailable()),
        Fault::Malformed => {
            call.status = 200;
            calls.add(call);
            return Some(respond(200, half_an_answer(&id), &id, now));
        }
        Fault::Hang => {
            calls.add(call);
            return None;
        }
    };
    let (status, body) = match answered {
        Ok(result) => (200, success(service, &call.action, &result, &id)),
        Err(error) => {
            call.error = Some(error.code.to_owned());
            call.message = Some(error.message.clone());
            (error.status, failure(service, &error, &id))
        }
    };
    call.status = status;
    calls.add(call);
    Some(respond(status, body, &id, now))
}

/// The elements of the action's result.
#[expect(clippy::too_many_arguments, reason = "all of one request")]
fn act(
    state: &State,
    service: Service,
    request: &Request<Vec<u8>>,
    query: &str,
    form: &Form,
    now: Timestamp,
    peer: IpAddr,
    call: &mut Call,
) -> Result<Vec<String>, ApiError> {
    let signed = Signed {
        method: request.method().as_str(),
        path: request.uri().path(),
        query,
        headers: request.headers(),
        body: request.body(),
    };
    let (caller, region) =
        authenticate(signed, service.name(), |access_key_id| state.key(access_key_id), now)?;
    call.caller = Some(caller.principal.arn.clone());
    call.region = Some(region.clone());
    match service {
        Service::Rds => return rds::act(&state.world(), &caller, &region, form, now),
        Service::Iam => return iam::act(&state.world(), &caller, form, now),
        Service::Sts => {}
    }
    match call.action.as_str() {
        "AssumeRole" => {
            let input = Input::read(form)?;
            call.tags.clone_from(&input.tags);
            call.transitive.clone_from(&input.transitive);
            call.duration = input.duration;
            let peer = peer.to_string();
            let scene = Scene { now, region: &region, source_ip: &peer };
            let grant = assume_role::decide(&state.world(), &caller, &input, scene)?;
            Ok(assumed(&issue(state, grant, now)))
        }
        "GetCallerIdentity" => Ok(identity(&caller)),
        "" => Err(ApiError::new(
            400,
            "MissingAction",
            "The request is missing an action or a required parameter.",
        )),
        other => Err(no_such_action(form, other)),
    }
}

/// Makes the session of a grant and puts it where the verifiers find it.
pub(crate) fn issue(state: &State, grant: Grant, now: Timestamp) -> (Arc<Session>, Option<usize>) {
    let packed = grant.packed_percent();
    let expires = now.saturating_add(SignedDuration::from_secs(grant.duration.into())).unwrap_or(now);
    let session = state.sessions.add(Session {
        credentials: Credentials::issue(grant.packed, expires),
        role: grant.role,
        name: grant.session_name,
        tags: grant.tags,
        transitive: grant.transitive,
        policies: grant.policies,
        source_identity: grant.source_identity,
        issued: now,
        expires,
    });
    (session, packed)
}

fn assumed((session, packed): &(Arc<Session>, Option<usize>)) -> Vec<String> {
    let keys = &session.credentials;
    let arn =
        Arn::iam(&session.role, "role/").map(|role| session_arn(role, &session.name)).unwrap_or_default();
    let id = format!("{}:{}", unique_id("AROA", &session.role), session.name);
    let mut result = vec![
        node("AssumedRoleUser", &[leaf("AssumedRoleId", &id), leaf("Arn", &arn)]),
        node(
            "Credentials",
            &[
                leaf("AccessKeyId", &keys.access_key_id),
                leaf("SecretAccessKey", &keys.secret_access_key),
                leaf("SessionToken", &keys.session_token),
                leaf("Expiration", &clock::extended(session.expires)),
            ],
        ),
    ];
    result.extend(packed.map(|percent| leaf("PackedPolicySize", &percent.to_string())));
    result.extend(session.source_identity.iter().map(|identity| leaf("SourceIdentity", identity)));
    result
}

fn identity(caller: &Caller) -> Vec<String> {
    let principal = &caller.principal;
    vec![leaf("Arn", &principal.arn), leaf("UserId", &caller.user_id), leaf("Account", &principal.account)]
}

fn success(service: Service, action: &str, result: &[String], id: &str) -> String {
    let metadata = node("ResponseMetadata", &[leaf("RequestId", id)]);
    root(
        &format!("{action}Response"),
        service.namespace(),
        &[node(&format!("{action}Result"), result), metadata],
    )
}

fn failure(service: Service, error: &ApiError, id: &str) -> String {
    let inner = [leaf("Type", error.side()), leaf("Code", error.code), leaf("Message", &error.message)];
    root("ErrorResponse", service.namespace(), &[node("Error", &inner), leaf("RequestId", id)])
}

/// A proxy that gave up, say: a good beginning, and no end.
fn half_an_answer(id: &str) -> String {
    let whole =
        success(Service::Sts, "AssumeRole", &[node("Credentials", &[leaf("AccessKeyId", "ASIA")])], id);
    whole.split_once("</AccessKeyId>").map_or_else(String::new, |(half, _)| half.to_owned())
}

fn respond(status: u16, body: String, id: &str, now: Timestamp) -> Response<String> {
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .header("x-amzn-RequestId", id)
        .header(CONTENT_TYPE, "text/xml")
        .header(DATE, clock::http(now))
        .body(body)
        .unwrap_or_default()
}

fn note(form: &Form, now: Timestamp) -> Call {
    let short = |name| field(form, name).map(|text| text.chars().take(KEPT).collect::<String>());
    Call {
        time: clock::system(now),
        action: short("Action").unwrap_or_default(),
        caller: None,
        region: None,
        role: short("RoleArn"),
        session_name: short("RoleSessionName"),
        tags: Vec::new(),
        transitive: Vec::new(),
        external_id: short("ExternalId"),
        duration: None,
        status: 0,
        error: None,
        message: None,
    }
}

/// Shaped like a UUID.
fn request_id() -> String {
    let digits = hex(&random(16));
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
