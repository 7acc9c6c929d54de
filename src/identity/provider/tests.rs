use super::*;

const CONFIG: &str = "
[default]
region = eu-west-1
[profile sso]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = ReadOnly
[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
[profile old-sso]
sso_start_url = https://corp.awsapps.com/start
sso_account_id = 123456789012
[profile login]
login_session = arn:aws:iam::123456789012:user/u
[profile program]
credential_process = program --password hunter2
[profile web]
role_arn = arn:aws:iam::123456789012:role/r
web_identity_token_file = /token
[profile mfa]
role_arn = arn:aws:iam::123456789012:role/r
source_profile = keys
mfa_serial = arn:aws:iam::123456789012:mfa/u
[profile through-sso]
role_arn = arn:aws:iam::123456789012:role/r
source_profile = sso
[profile loop]
role_arn = arn:aws:iam::123456789012:role/r
source_profile = pool
[profile pool]
role_arn = arn:aws:iam::123456789012:role/r
source_profile = loop
[profile itself]
role_arn = arn:aws:iam::123456789012:role/r
source_profile = itself
credential_process = program
[profile nowhere]
role_arn = arn:aws:iam::123456789012:role/r
source_profile = missing
[profile empty]
region = eu-west-1
";

const KEYS: &str = "[keys]\naws_access_key_id = AKIA\naws_secret_access_key = s\n";

fn files() -> Fs {
    Fs::from_slice(&[
        ("/h/.aws/config", CONFIG),
        ("/h/.aws/credentials", KEYS),
        ("/token", "t\n"),
        ("/good", "t"),
    ])
}

async fn find(profile: Option<&str>, variables: &[(&str, &str)]) -> Result<Provider, ProviderFailure> {
    let variables = [&[("HOME", "/h")], variables].concat();
    Provider::find(profile, &Env::from_slice(&variables), &files()).await
}

#[tokio::test]
async fn a_provider_is_named_with_profile_kind_and_file() {
    for (profile, description, of) in [
        ("sso", "profile sso in ~/.aws/config (SSO session corp)", "sso"),
        ("old-sso", "profile old-sso in ~/.aws/config (SSO at https://corp.awsapps.com/start)", "old-sso"),
        ("login", "profile login in ~/.aws/config (login_session arn:aws:iam::123456789012:user/u)", "login"),
        ("program", "profile program in ~/.aws/config (credential_process)", "program"),
        ("web", "profile web in ~/.aws/config (web_identity_token_file /token)", "web"),
        ("mfa", "profile keys in ~/.aws/credentials (aws_access_key_id)", "keys"),
        ("through-sso", "profile sso in ~/.aws/config (SSO session corp)", "sso"),
        ("itself", "profile itself in ~/.aws/config (credential_process)", "itself"),
        ("nowhere", "profile nowhere in ~/.aws/config (source_profile missing)", "nowhere"),
    ] {
        for found in [find(Some(profile), &[]).await, find(None, &[("AWS_PROFILE", profile)]).await] {
            let found = found.unwrap();
            assert_eq!((found.description.as_str(), found.profile.as_deref()), (description, Some(of)));
            assert_eq!(found.mfa, profile == "mfa");
        }
    }
    // A loop ends.
    assert!(find(Some("loop"), &[]).await.unwrap().profile.is_some());
}

#[tokio::test]
async fn the_order_is_that_of_the_chain() {
    let keys = [("AWS_ACCESS_KEY_ID", "AKIA"), ("AWS_SECRET_ACCESS_KEY", "s")];
    let of = async |profile, variables: &[(&str, &str)]| find(profile, variables).await.unwrap().kind;
    assert_eq!(of(None, &keys).await, Kind::Environment);
    assert_eq!(of(None, &[&keys[..], &[("AWS_PROFILE", "sso")]].concat()).await, Kind::Environment);
    assert_eq!(of(Some("sso"), &keys).await, Kind::Sso, "--profile comes first");
    let web = ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token");
    let pod = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
    assert_eq!(of(None, &[web, pod]).await, Kind::WebIdentity);
    assert_eq!(of(None, &[pod]).await, Kind::Container { token_file: None });
    assert_eq!(of(None, &[("AWS_PROFILE", "sso"), pod]).await, Kind::Sso);
    assert_eq!(of(None, &[]).await, Kind::Metadata);
}

#[tokio::test]
async fn a_profile_that_does_not_exist_is_an_error() {
    for (found, source) in [
        (find(Some("ssso"), &[]).await, "profile ssso is neither in ~/.aws/config nor in ~/.aws/credentials"),
        (find(None, &[("AWS_PROFILE", "ssso")]).await, "profile ssso, which AWS_PROFILE names, is neither"),
    ] {
        let failure = found.unwrap_err();
        assert_eq!(failure.kind, FailureKind::UnknownProfile);
        assert!(failure.what.starts_with(source), "{failure}");
        assert!(
            failure.what.contains("did you mean sso? (profiles: default, empty, itself, keys"),
            "{failure}"
        );
    }
    let homeless = Provider::find(Some("sso"), &Env::from_slice(&[]), &files()).await.unwrap_err();
    assert_eq!(homeless.kind, FailureKind::NoHome);
    let config = [("AWS_CONFIG_FILE", "/h/.aws/config"), ("AWS_SHARED_CREDENTIALS_FILE", "/none")];
    let found = Provider::find(Some("sso"), &Env::from_slice(&config), &files()).await.unwrap();
    assert_eq!(found.description, "profile sso in /h/.aws/config (SSO session corp)");
}

#[tokio::test]
async fn a_failure_has_the_kind_of_its_provider() {
    let error = || CredentialsError::provider_error("words");
    let failure = async |profile, variables: &[(&str, &str)], error: &CredentialsError| {
        find(profile, variables).await.unwrap().failure(error).await
    };
    for (profile, kind) in [
        ("sso", FailureKind::SsoSession),
        ("through-sso", FailureKind::SsoSession),
        ("login", FailureKind::LoginSession),
        ("program", FailureKind::Process),
        ("mfa", FailureKind::Other),
        ("web", FailureKind::Other),
    ] {
        let failure = failure(Some(profile), &[], &error()).await;
        assert_eq!(failure.kind, kind, "{profile}");
        assert!(
            failure.to_string().contains("words") && !failure.to_string().contains("hunter2"),
            "{failure}"
        );
    }
    let denied = CredentialsError::provider_error("unhandled error (AccessDenied)");
    assert_eq!(failure(Some("mfa"), &[], &denied).await.kind, FailureKind::Mfa);
    assert_eq!(failure(Some("web"), &[], &denied).await.kind, FailureKind::Other);

    let pod = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
    for (file, kind) in [("/token", FailureKind::TokenFile), ("/good", FailureKind::Other)] {
        let failure = failure(None, &[pod, ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file)], &error()).await;
        assert_eq!(failure.kind, kind);
        assert!(failure.to_string().contains(file), "{failure}");
    }

    // As on a machine that is not an instance, or whose metadata service refuses.
    let metadata = failure(None, &[], &error()).await;
    assert_eq!(metadata.kind, FailureKind::NoProvider);
    assert!(
        metadata.to_string().contains("instance metadata: no other source is configured; "),
        "{metadata}"
    );
    let none = CredentialsError::not_loaded_no_source();
    for (profile, variables, what) in [
        (Some("empty"), &[][..], "profile empty in ~/.aws/config has no credentials"),
        (
            None,
            &[("AWS_ACCESS_KEY_ID", "AKIA")],
            "AWS_ACCESS_KEY_ID is set, but AWS_SECRET_ACCESS_KEY is not",
        ),
        (
            None,
            &[("AWS_SECRET_ACCESS_KEY", "s")],
            "AWS_SECRET_ACCESS_KEY is set, but AWS_ACCESS_KEY_ID is not",
        ),
        (None, &[], "no source has any"),
    ] {
        let failure = failure(profile, variables, &none).await;
        assert_eq!(failure.kind, FailureKind::NoProvider);
        assert!(failure.to_string().starts_with(what), "{failure}");
    }
    let homeless = Provider::find(None, &Env::from_slice(&[]), &files()).await.unwrap();
    assert_eq!(homeless.failure(&none).await.kind, FailureKind::NoHome);
}

#[tokio::test]
async fn a_run_that_ends_names_what_it_waited_for() {
    let (host, role) = ("db.abc.eu-west-1.rds.amazonaws.com", "arn:aws:iam::123456789012:role/r");
    let args = ["--type", "rdspostgres", "--host", host, "--iam-role", role];
    let access = crate::config::tests::read(&args).unwrap().targets.remove(0).access;
    let (waiting, limit) = (Waiting::default(), Duration::from_secs(13));
    assert!(matches!(waiting.late(&access, limit), IdentityError::Unreachable { .. }));
    let provider = find(Some("program"), &[]).await.unwrap();
    let during = waiting.during(&provider, std::future::pending::<()>());
    assert!(tokio::time::timeout(Duration::from_millis(1), during).await.is_err());
    let IdentityError::NoCredentials(failure) = waiting.late(&access, limit) else {
        panic!("not a provider")
    };
    assert_eq!(failure.kind, FailureKind::Slow);
    let expected = "profile program in ~/.aws/config (credential_process): no credentials within 13 s";
    assert_eq!(failure.to_string(), expected);
    waiting.during(&provider, async {}).await;
    assert!(matches!(waiting.late(&access, limit), IdentityError::Unreachable { .. }));
}
