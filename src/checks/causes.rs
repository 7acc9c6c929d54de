//! The table of causes: why a row did not pass. Each has one code, what singles it out, and what to do.
//! `pipeprobe explain` and the page of checks are made from it.

use crate::diagnostic::CheckId;

/// One way for a row not to pass.
#[derive(Debug)]
pub struct Cause {
    /// Stable; what reports name.
    pub code: &'static str,
    /// The row it belongs to; most belong to one.
    pub check: CheckId,
    pub means: &'static str,
    /// The evidence that singles it out.
    pub told_by: &'static str,
    /// What to do; empty where the row's own remedy says it.
    pub fix: &'static str,
}

impl Cause {
    /// What it could be, where the evidence leaves several: the reports rank them.
    pub fn with_candidates(&self) -> &'static [&'static str] {
        match self.code {
            "STS_ASSUME_ROLE_DENIED" => {
                &["STS_NOT_TRUSTED", "STS_EXTERNAL_ID", "STS_CALLER_NOT_ALLOWED", "STS_NO_SUCH_ROLE"]
            }
            "AUTH_NOT_IAM" => &[
                "AUTH_USER_NOT_IAM",
                "AUTH_NO_USER",
                "AUTH_IAM_OFF",
                "AUTH_IAM_PENDING",
                "AUTH_OTHER_ADDRESS",
            ],
            "PG_ROLE_REFUSED" => &["PG_NO_LOGIN", "PG_NO_USER"],
            "PG_TOKEN_REFUSED" | "MYSQL_TOKEN_REFUSED" => &[
                "TOKEN_NOT_ALLOWED",
                "TOKEN_WRONG_PORT",
                "TOKEN_WRONG_HOST",
                "TOKEN_WRONG_USER",
                "AUTH_CLIENT_CERTIFICATE",
                "TOKEN_DENIED_ABOVE",
                "IAM_OVERLOADED",
                "TOKEN_OTHER_RESOURCE",
                "TOKEN_POLICY_DENIES",
                "TOKEN_BOUNDARY_DENIES",
                "TOKEN_OTHER_ACCOUNT",
                "AUTH_IAM_OFF",
                "AUTH_IAM_PENDING",
            ],
            _ => &[],
        }
    }
}

const fn cause(
    check: CheckId,
    code: &'static str,
    means: &'static str,
    told_by: &'static str,
    fix: &'static str,
) -> Cause {
    Cause { code, check, means, told_by, fix }
}

use CheckId as Id;

const OWN_WORDS: &str = "no known code; the report contains the server's code and message";
const LOOK_AT_EC2: &str = "AWS diagnostics (--diagnose-profile) with --service-region: PubliclyAccessible in RDS, and ec2:DescribeSecurityGroups";
const LOOK_AT_RDS: &str = "AWS diagnostics (--diagnose-profile): the RDS record of the database";
const LOOK_AT_BOTH: &str =
    "AWS diagnostics (--diagnose-profile): the role's IAM policies, evaluated for the resource id in RDS";
const NO_ANSWER: &str =
    "the server refused the query or did not respond in time; its message is in the report";

#[rustfmt::skip]
pub static CAUSES: &[Cause] = &[
    cause(Id::PipeSettings, "PIPE_KNOWN_AFTER_APPLY", "settings that a check needs are known only after apply", "after_unknown in the plan",
        "check with --terraform-state after apply, or give the value as a flag or in [targets.'ADDRESS'] of a file"),
    cause(Id::PipeSettings, "PIPE_INVALID", "a setting has a value that cannot be used", "the value in the plan or state", ""),
    cause(Id::PipeSettings, "PIPE_USER_MISSING", "the document does not contain the database user, as after an import; \
        clickpipes_iam_user is checked", "no credentials.username in the plan or state", "if the pipe has another user, give it with --user"),
    cause(Id::PipeAuthentication, "PIPE_ROLE_MISSING", "authentication is IAM_ROLE, but there is no iam_role", "the plan or state", "set iam_role"),
    cause(Id::PipeAuthentication, "PIPE_BASIC_WITH_ROLE", "iam_role is set, but authentication is basic", "the plan or state",
        "set authentication = \"IAM_ROLE\" and remove the password, or remove iam_role"),
    cause(Id::PipeAuthentication, "PIPE_PASSWORD_WITH_ROLE", "authentication is IAM_ROLE, but there is a password", "the plan or state",
        "remove the password"),
    cause(Id::PipeRegion, "PIPE_REGION_UNREADABLE", "ClickPipes cannot read the Region from the host name, so it cannot sign a token",
        "host and tls_host in the plan or state", "set tls_host to the name of the RDS endpoint"),
    cause(Id::PipeTls, "PIPE_TLS_DISABLED", "the pipe would send the IAM token without TLS", "disable_tls in the plan or state", "remove disable_tls"),
    cause(Id::PipeTls, "PIPE_TLS_UNVERIFIED", "the pipe would send the IAM token to a server that it did not verify",
        "skip_cert_verification in the plan or state", "remove skip_cert_verification"),
    cause(Id::PipeTargetTables, "PIPE_DUPLICATE_TARGET_TABLE", "two tables are copied into the same table", "table_mappings in the plan or state",
        "give each mapping its own target_table"),
    cause(Id::Credentials, "AWS_NO_CREDENTIALS", "no AWS credentials were found",
        "no provider of the AWS credential chain is configured, or the profile has none",
        "set AWS_PROFILE, run `aws sso login`, or give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    cause(Id::Credentials, "AWS_PROFILE_UNKNOWN", "the profile that is named does not exist", "the names of all profiles in both files",
        "give an existing profile, or create it with `aws configure --profile NAME`"),
    cause(Id::Credentials, "AWS_HOME_MISSING", "HOME is not set, so the profile files are not read", "the environment",
        "set HOME, or AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE"),
    cause(Id::Credentials, "AWS_SSO_SESSION", "the session of IAM Identity Center (SSO) has expired, or there is none",
        "the profile has sso_session or sso_start_url, and its cached token is missing, expired or refused", "run `aws sso login --profile NAME`"),
    cause(Id::Credentials, "AWS_LOGIN_SESSION", "the session of `aws login` has expired, or there is none",
        "the profile has login_session, and its cached token is missing, expired or refused", "run `aws login --profile NAME`"),
    cause(Id::Credentials, "AWS_CREDENTIAL_PROCESS", "the program of credential_process failed",
        "its exit status, or its output that is not the JSON of AWS", "run the program, for example with `aws sts get-caller-identity --profile NAME`"),
    cause(Id::Credentials, "AWS_MFA_REQUIRED", "a role of the profile requires an MFA code (mfa_serial)",
        "the profile has mfa_serial, and STS denies its role without a code",
        "run `eval \"$(aws configure export-credentials --profile NAME --format env)\"`, which asks for the code"),
    cause(Id::Credentials, "AWS_TOKEN_FILE", "the token file of the container or of EKS Pod Identity contains a line break",
        "the file that AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE names", "write the token without a line break"),
    cause(Id::Credentials, "AWS_CREDENTIALS_SLOW", "a provider of credentials did not answer in the time of the run",
        "it was still waited for when the run ended; the report names profile and file", "find what it waits for, or raise `timeout`"),
    cause(Id::Credentials, "AWS_PROVIDER_FAILED", "a provider of credentials failed",
        "the report names the provider, the profile and the file, with its message", "correct what the message names"),

    cause(Id::AccessRole, "STS_TAG_SESSION_DENIED", "the role can be assumed, but not with session tags",
        "AWS names sts:TagSession, or the same call without tags succeeds",
        "allow sts:TagSession next to sts:AssumeRole in the role's trust policy, and in the caller's policy"),
    cause(Id::AccessRole, "STS_ASSUME_ROLE_DENIED", "AWS does not allow this caller to assume the role, and does not say why",
        "AccessDenied for sts:AssumeRole, with and without tags; the report ranks the possible causes", ""),
    cause(Id::AccessRole, "STS_NOT_TRUSTED", "the role's trust policy does not name the caller",
        "a candidate of STS_ASSUME_ROLE_DENIED, the most common",
        "name the caller, or its role, as Principal in the trust policy"),
    cause(Id::AccessRole, "STS_EXTERNAL_ID", "the trust policy has an sts:ExternalId condition that is not met",
        "a candidate of STS_ASSUME_ROLE_DENIED, the most likely if an external id was passed",
        "make `external_id` and the condition equal; ClickPipes itself passes none"),
    cause(Id::AccessRole, "STS_NO_SUCH_ROLE", "the role does not exist",
        "a candidate of STS_ASSUME_ROLE_DENIED, because AWS gives the same error",
        "check the role's name and account"),
    cause(Id::AccessRole, "STS_CALLER_NOT_ALLOWED", "the caller's identity policies do not allow it, or deny it",
        "AWS names the identity-based policy; a candidate if caller and role are in different accounts",
        "allow the caller sts:AssumeRole and sts:TagSession on the role"),
    cause(Id::AccessRole, "STS_EXPLICIT_DENY", "a policy denies it explicitly: the trust policy, or one that AWS does not name",
        "AWS says \"with an explicit deny\"", "remove the role or the caller from that Deny statement"),
    cause(Id::AccessRole, "STS_BOUNDARY_DENIED", "the permissions boundary of the caller does not allow it, or denies it",
        "AWS names the permissions boundary", "allow both actions on the role in the permissions boundary of the caller"),
    cause(Id::AccessRole, "STS_SESSION_POLICY_DENIED", "the session policy of the caller does not allow it, or denies it",
        "AWS names the session policy", "assume the caller's role with a session policy that allows both actions, or without one"),
    cause(Id::AccessRole, "STS_ENDPOINT_POLICY_DENIED", "the policy of a VPC endpoint for STS does not allow it, or denies it",
        "AWS names the VPC endpoint policy", "allow both actions on the role in the policy of the VPC endpoint"),
    cause(Id::AccessRole, "STS_SCP_DENIED", "a service control policy (SCP) of the caller's organization does not allow it, or denies it",
        "AWS names the service control policy", "change the SCP in AWS Organizations"),
    cause(Id::AccessRole, "STS_RCP_DENIED", "a resource control policy (RCP) of the role's organization denies it",
        "AWS names the resource control policy", "change the RCP in AWS Organizations"),
    cause(Id::AccessRole, "STS_OTHER_PARTITION", "the caller is in another partition (aws, aws-cn, aws-us-gov) than the role",
        "the ARNs of both", "use credentials of an account in the partition of the role"),
    cause(Id::AccessRole, "STS_SOURCE_IDENTITY", "the caller's session has a source identity, and the role does not allow it; that says nothing about the pipe",
        "AWS names sts:SetSourceIdentity", "check with credentials whose session has no source identity"),
    cause(Id::AccessRole, "STS_CREDENTIALS_EXPIRED", "the source credentials have expired",
        "ExpiredToken", "renew them: `aws sso login`, or a new session"),
    cause(Id::AccessRole, "STS_CREDENTIALS_UNKNOWN", "AWS does not know the access key, or its session token is missing",
        "InvalidClientTokenId",
        "check the key, its partition, and that a temporary key comes with its AWS_SESSION_TOKEN"),
    cause(Id::AccessRole, "STS_SECRET_KEY_WRONG", "the secret access key belongs to another access key id",
        "SignatureDoesNotMatch without a time error", "use the secret access key of this access key id"),
    cause(Id::AccessRole, "STS_CLOCK_SKEW", "this machine's clock differs from AWS by more than 15 minutes",
        "SignatureDoesNotMatch with \"Signature expired\" or \"not yet current\", and the Date header of AWS",
        "set the clock (NTP)"),
    cause(Id::AccessRole, "STS_DURATION_REFUSED", "the session duration is too long",
        "ValidationError about DurationSeconds",
        "lower `duration`: at most 1h for chained roles, otherwise the role's maximum session duration"),
    cause(Id::AccessRole, "STS_TAGS_TOO_LARGE", "the session tags are too large",
        "PackedPolicyTooLarge", "pass fewer or shorter session_tags"),
    cause(Id::AccessRole, "STS_REGION_DISABLED", "STS is not active in the Region for the role's account",
        "RegionDisabledException", "activate it: IAM console, Account settings, Security Token Service"),
    cause(Id::AccessRole, "STS_THROTTLED", "AWS limits the calls of the account",
        "Throttling, ThrottlingException or RequestLimitExceeded, after the SDK's own retries", "try again in a minute"),
    cause(Id::AccessRole, "STS_UNREACHABLE", "STS did not respond",
        "no connection, no response in time, or no HTTP",
        "allow this machine to connect to the Region's STS endpoint on port 443"),
    cause(Id::AccessRole, "STS_OTHER_ANSWER", "something else than STS answered, or its answer is not complete",
        "an HTTP answer without the XML of STS; the report contains its status, kind of content and host",
        "find the proxy, login page or other service that answers in place of STS; check AWS_ENDPOINT_URL_STS"),
    cause(Id::AccessRole, "STS_REFUSED", "STS refused for another reason", OWN_WORDS,
        "see the error in the AssumeRole documentation, and the call in CloudTrail"),

    cause(Id::TokenLife, "TOKEN_SHORT_LIFE", "the token expires soon, with the credentials that signed it",
        "less than 5 of its 15 minutes are left", "renew the source credentials, or raise `duration`"),
    cause(Id::TokenLife, "CLOCK_SKEW", "this machine's clock is wrong, and a token contains its signing time",
        "AWS's Date header compared with this machine's clock", "set the clock (NTP)"),
    cause(Id::TokenLife, "TOKEN_NOT_SIGNED", "the token could not be signed", "the signer's error is in the report",
        "report this as a bug"),

    cause(Id::Resolve, "DNS_NOT_RESOLVED", "the host name does not resolve here",
        "the resolver's error is in the report",
        "check the spelling; a private name resolves only inside its VPC: run pipeprobe there, or set `connect_to`"),
    cause(Id::Resolve, "DNS_FAILED", "the name servers failed or did not respond",
        "the resolver's error is in the report; it is not known whether the name exists",
        "try again, then check this machine's resolver (/etc/resolv.conf)"),
    cause(Id::Resolve, "DNS_TIMED_OUT", "no name server responds", "5 seconds without a response", "check this machine's resolver"),

    cause(Id::Dial, "NET_REFUSED", "nothing listens on the port",
        "every address refused the connection", "check `port`, and that the database is running"),
    cause(Id::Dial, "NET_TIMED_OUT", "packets to the port are dropped",
        "no response from any address: a security group, a network ACL, a route",
        "allow this address inbound in the security group; ClickPipes connects from different addresses"),
    cause(Id::Dial, "NET_UNREACHABLE", "there is no route to the address",
        "the system reports that the network or host is unreachable", "check the route: VPC, peering, VPN, IPv6"),

    cause(Id::Dial, "DB_NOT_AVAILABLE", "the database is stopped, starting or otherwise not available", LOOK_AT_RDS,
        "start it, or wait until its status is available"),
    cause(Id::Dial, "ROUTE_ADDRESSES_BLOCKED", "the security groups of the database do not allow all static IP addresses of ClickPipes; it does not change the verdict",
        LOOK_AT_EC2, "allow every address in a security group of the database: pipeprobe setup --service-region REGION"),
    cause(Id::Dial, "ROUTE_NOT_PUBLIC", "the database is not publicly accessible, so that ClickPipes needs AWS PrivateLink; it does not change the verdict",
        LOOK_AT_EC2, "create a PrivateLink endpoint; set `host` of the pipe to its DNS name and `tls_host` to the name of the RDS endpoint"),

    cause(Id::Tls, "TLS_NOT_OFFERED", "the server offers no TLS", "the server's response to the TLS request; nothing secret was sent",
        "turn TLS on, or check that the port belongs to the database"),
    cause(Id::Tls, "TLS_WRONG_NAME", "the certificate is for another name",
        "the names in the certificate, which the report shows",
        "set `tls_host` to the RDS endpoint name; the report shows the names in the certificate"),
    cause(Id::Tls, "TLS_EXPIRED", "the certificate is no longer valid", "its end date and this machine's clock",
        "rotate it: aws rds modify-db-instance --ca-certificate-identifier …; if it ends in the future, set this machine's clock"),
    cause(Id::Tls, "TLS_NOT_YET_VALID", "the certificate is not valid yet", "its start date and this machine's clock",
        "set this machine's clock (NTP); if it is right, give the database a new certificate"),
    cause(Id::Tls, "TLS_SELF_SIGNED", "the certificate is self-signed",
        "its subject is its issuer, and it is not a trust anchor; RDS and Aurora have no such certificates",
        "find out which server answers (a proxy or another server), and connect to the database directly"),
    cause(Id::Tls, "TLS_UNKNOWN_CA", "the certificate was issued by an unknown CA",
        "its chain ends at no trust anchor: for an RDS endpoint name the RDS roots of its partition (commercial Regions and \
         GovCloud are built in, China and isolated Regions are not), the Amazon roots and `ca_certificate`; for another name \
         the public web roots too",
        "set `ca_certificate` to the bundle that the report names, if the roots of the Region are not built in (`pipeprobe \
         --version` shows their date); otherwise look for a proxy that intercepts TLS, or another server"),
    cause(Id::Tls, "TLS_NO_SAN", "the certificate has no subjectAltName", "no name in that extension; the common name is ignored",
        "give the server a certificate with its name in subjectAltName"),
    cause(Id::Tls, "TLS_INTERMEDIATE_EXPIRED", "the certificate of an intermediate CA has expired", "the chain that the server presented",
        "let the server send the current certificate of that CA"),
    cause(Id::Tls, "TLS_UNSUPPORTED_KEY", "a key or a signature of the certificate chain is of an unsupported type",
        "keys and signatures of the chain: RSA with less than 2048 bits, P-521, SHA-1",
        "give the server a certificate with RSA 2048 or more, or ECDSA P-256 or P-384, signed with SHA-256 or better"),
    cause(Id::Tls, "TLS_INCOMPATIBLE", "the server does not support TLS 1.2 or 1.3",
        "it refused TLS 1.2 and 1.3", "allow TLS 1.2 or 1.3 (ssl_min_protocol_version, tls_version)"),
    cause(Id::Tls, "TLS_FAILED", "the TLS handshake failed", "the TLS library's error is in the report",
        "look for a proxy or firewall between here and the database"),

    cause(Id::IamAsked, "AUTH_NOT_IAM", "the server requests a different authentication for this user",
        "the authentication request, seen before anything secret was sent: SCRAM, MD5, a native plugin; the report ranks the possible causes", ""),
    cause(Id::IamAsked, "AUTH_USER_NOT_IAM", "the user is not configured for IAM",
        "a candidate of AUTH_NOT_IAM, the most common, but not behind RDS Proxy",
        "PostgreSQL: GRANT rds_iam TO <user>; MySQL, MariaDB: IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'"),
    cause(Id::IamAsked, "AUTH_NO_USER", "the user does not exist",
        "a candidate of AUTH_NOT_IAM, because servers request a password from unknown users too", "create the user"),
    cause(Id::IamAsked, "AUTH_IAM_OFF", "IAM database authentication is off",
        "a candidate of AUTH_NOT_IAM",
        "enable IAM database authentication on the instance or cluster, and apply it immediately; for RDS Proxy, require it for the secret \
         of the user (IAMAuth)"),
    cause(Id::IamAsked, "AUTH_OTHER_ADDRESS", "the account is not for this client address",
        "a candidate of AUTH_NOT_IAM on MySQL and MariaDB, because the account is for another host",
        "let it be <user>@'%': SELECT host FROM mysql.user WHERE user = '<user>'; RENAME USER …"),
    cause(Id::IamAsked, "AUTH_IAM_PENDING", "IAM database authentication is off until the next maintenance window",
        LOOK_AT_RDS, "modify the instance or cluster again with --apply-immediately, which applies every pending change"),
    cause(Id::IamAsked, "DB_CLOSED", "the server closed the connection", "the stage is in the report",
        "check that the port belongs to the database, and its log"),
    cause(Id::IamAsked, "DB_PROTOCOL", "the server does not speak this engine's protocol", "an invalid message, which the report shows",
        "check `type` and `port`"),
    cause(Id::IamAsked, "DB_TIMED_OUT", "the server stopped responding", "the stage and the time are in the report",
        "check `type` and `port`, then the server's load"),
    cause(Id::Dial, "LOCAL_FAILURE", "this machine has no descriptors, memory, buffers, ports or permissions left",
        "the system's error is in the report (EMFILE, ENFILE, ENOMEM, ENOBUFS, EADDRNOTAVAIL, EACCES, EPERM); any connection can have it, \
         and `serve` then keeps the health of the target",
        "check limits and permissions of the process (open files, memory, sockets, sandbox)"),

    cause(Id::LogIn, "PG_TOKEN_REFUSED", "IAM refused the token (PostgreSQL)",
        "PAM authentication failed (28000); RDS does not say why, so the report ranks the possible causes", ""),
    cause(Id::LogIn, "MYSQL_TOKEN_REFUSED", "IAM refused the token (MySQL, MariaDB)",
        "error 1045 after the token; RDS does not say why, so the report ranks the possible causes", ""),
    cause(Id::LogIn, "TOKEN_NOT_ALLOWED", "no identity policy of the role allows rds-db:connect on this database and user",
        "a candidate if the token matches the target",
        "allow it on arn:<partition>:rds-db:<region>:<account>:dbuser:<db-… | cluster-… | prx-…>/<user>: the resource id, not the name"),
    cause(Id::LogIn, "TOKEN_OTHER_RESOURCE", "the role's policy allows rds-db:connect on another database's resource id",
        LOOK_AT_BOTH, "use the resource id of this database in the policy: the cluster's id for an instance of a cluster, the proxy's id for a proxy"),
    cause(Id::LogIn, "TOKEN_POLICY_DENIES", "a policy of the role denies rds-db:connect on this database", LOOK_AT_BOTH,
        "remove or narrow the statement: a Deny overrides every Allow"),
    cause(Id::LogIn, "TOKEN_BOUNDARY_DENIES", "the role's permissions boundary does not allow rds-db:connect", LOOK_AT_BOTH,
        "allow rds-db:connect on the database in the boundary"),
    cause(Id::LogIn, "TOKEN_OTHER_ACCOUNT", "the database is in a different account than the access role", LOOK_AT_RDS,
        "create the access role in the database's account: IAM authentication does not cross accounts"),
    cause(Id::LogIn, "TOKEN_WRONG_NAME", "the token is signed for a name that is not the RDS endpoint's",
        "the name is not an RDS endpoint: a CNAME, PrivateLink, an address",
        "set `tls_host` (or `sign_host`) to the RDS endpoint name"),
    cause(Id::LogIn, "TOKEN_WRONG_PORT", "the token is signed for the wrong port",
        "a candidate if the connection uses a different port than the token", "set `port` or `sign_port`"),
    cause(Id::LogIn, "TOKEN_WRONG_HOST", "the token is signed for another database",
        "a candidate if the token has a different name than the certificate", "remove `sign_host`"),
    cause(Id::LogIn, "TOKEN_WRONG_USER", "the user in the token is spelled differently than in the policy or the database",
        "a candidate if the user name has capital letters", "spell `user` as in the policy and the database"),
    cause(Id::LogIn, "TOKEN_DENIED_ABOVE", "a policy above the role denies rds-db:connect",
        "a candidate: a service or resource control policy, a permissions boundary or an explicit Deny look the same",
        "run aws iam simulate-principal-policy"),
    cause(Id::LogIn, "IAM_OVERLOADED", "RDS could not query IAM: low memory or throttling",
        "a candidate, because RDS gives the same error", "try again in a minute; check the metric FreeableMemory"),
    cause(Id::LogIn, "AUTH_INTERMITTENT", "one token was refused, and the next one was accepted",
        "the second login of the run succeeded", "check the metrics FreeableMemory and IamDbAuthConnectionFailureThrottling"),
    cause(Id::LogIn, "PG_PASSWORD_REFUSED", "the server checked the token as a password",
        "SQLSTATE 28P01: the user is not a member of rds_iam, does not exist, or IAM is off",
        "GRANT rds_iam TO <user>; and enable IAM database authentication"),
    cause(Id::LogIn, "PG_HBA_REFUSED", "pg_hba.conf has no rule for this user, database and address",
        "SQLSTATE 28000 with pg_hba.conf in the message, in every language",
        "on RDS, set `database` to one of yours (rdsadmin is not accessible); elsewhere, add a line to pg_hba.conf"),
    cause(Id::LogIn, "PG_CLIENT_CERTIFICATE", "pg_hba.conf requires a client certificate (clientcert), and ClickPipes has none",
        "SQLSTATE 28000, routine ClientAuthentication", "remove clientcert from the line of pg_hba.conf"),
    cause(Id::LogIn, "PG_ROLE_REFUSED", "the role has NOLOGIN, or does not exist",
        "SQLSTATE 28000, routine InitializeSessionUserId, and a message that is not English (lc_messages)", ""),
    cause(Id::LogIn, "PG_NO_USER", "the user does not exist", "SQLSTATE 28000 with \"does not exist\"; in another language a candidate of PG_ROLE_REFUSED",
        "CREATE USER <user>; GRANT rds_iam TO <user>;"),
    cause(Id::LogIn, "PG_NO_LOGIN", "the role has NOLOGIN", "SQLSTATE 28000 with \"not permitted to log in\"; in another language a candidate of PG_ROLE_REFUSED",
        "ALTER ROLE <user> LOGIN;"),
    cause(Id::LogIn, "PG_NO_DATABASE", "the database does not exist", "SQLSTATE 3D000", "set `database` to one that exists"),
    cause(Id::LogIn, "PG_NO_CONNECT", "the user lacks the CONNECT privilege on the database", "SQLSTATE 42501 at login, routine CheckMyDatabase",
        "GRANT CONNECT ON DATABASE <database> TO <user>;"),
    cause(Id::LogIn, "PG_TOO_MANY_CONNECTIONS", "all connections of the server are in use", "SQLSTATE 53300 at login, from another routine than the next two",
        "free connections, or raise max_connections"),
    cause(Id::LogIn, "PG_ROLE_LIMIT", "all connections that the role may open are in use (CONNECTION LIMIT)",
        "SQLSTATE 53300, routine InitializeSessionUserId", "ALTER ROLE <user> CONNECTION LIMIT -1;"),
    cause(Id::LogIn, "PG_DATABASE_LIMIT", "all connections that the database accepts are in use (CONNECTION LIMIT)",
        "SQLSTATE 53300, routine CheckMyDatabase", "ALTER DATABASE <database> CONNECTION LIMIT -1;"),
    cause(Id::LogIn, "PG_NOT_READY", "the server is starting or stopping", "SQLSTATE 57P03", "try again in a moment"),
    cause(Id::LogIn, "PG_STANDBY_CLOSED", "the server is a standby that accepts no connections",
        "SQLSTATE 57P03 with \"Hot standby mode is disabled\"", "use the writer endpoint"),
    cause(Id::LogIn, "PG_DATABASE_CLOSED", "the database accepts no connections (ALLOW_CONNECTIONS false)",
        "SQLSTATE 55000 at login, with \"not currently accepting connections\"",
        "ALTER DATABASE <database> ALLOW_CONNECTIONS true;"),
    cause(Id::LogIn, "PG_REFUSED", "PostgreSQL refused for another reason", OWN_WORDS, 
        "check the server log (RDS: Logs & events)"),
    cause(Id::LogIn, "MYSQL_USER_REFUSED", "the server refused the user before it requested a token",
        "error 1045 before the token", "create the user with AWSAuthenticationPlugin"),
    cause(Id::LogIn, "MYSQL_NO_DATABASE", "the database does not exist, or the user has no privilege on it", "error 1044 or 1049",
        "set `database` to one that exists, or grant SELECT on it"),
    cause(Id::LogIn, "MYSQL_IAM_THROTTLED", "too many IAM logins per second", "error 1040 with \"IAM authentication rate limit\"",
        "try again in a minute: fewer than 200 per second are allowed"),
    cause(Id::LogIn, "MYSQL_TOO_MANY_CONNECTIONS", "all connections of the server are in use", "error 1040",
        "free connections, or raise max_connections"),
    cause(Id::LogIn, "MYSQL_HOST_BLOCKED", "the server blocked this address after broken connections", "error 1129",
        "FLUSH HOSTS; then find the client with broken connections, or raise max_connect_errors"),
    cause(Id::LogIn, "MYSQL_HOST_NOT_ALLOWED", "no account allows this client address", "error 1130",
        "let the account be <user>@'%': RENAME USER …"),
    cause(Id::LogIn, "MYSQL_PLUGIN_NOT_LOADED", "the server has no AWSAuthenticationPlugin", "error 1524",
        "enable IAM database authentication on the instance or cluster"),
    cause(Id::LogIn, "AUTH_CLIENT_CERTIFICATE", "the account requires a client certificate, which ClickPipes does not have", "error 1045; SHOW CREATE USER has REQUIRE X509, SUBJECT or ISSUER",
        "ALTER USER <user> REQUIRE SSL;"),
    cause(Id::LogIn, "MYSQL_USER_LIMIT", "the connection limit of the account is reached", "error 1226 (a limit of the account) or 1203 (max_user_connections)",
        "ALTER USER <user> WITH MAX_USER_CONNECTIONS 0 MAX_CONNECTIONS_PER_HOUR 0;"),
    cause(Id::LogIn, "MYSQL_ACCOUNT_BLOCKED", "the account is blocked after failed logins", "error 3955 (MySQL, FAILED_LOGIN_ATTEMPTS) or 4150 (MariaDB, max_password_errors)",
        "ALTER USER <user> ACCOUNT UNLOCK; on MariaDB: FLUSH PRIVILEGES;"),
    cause(Id::LogIn, "MYSQL_ACCOUNT_LOCKED", "the account is locked", "error 3118 (MySQL) or 4151 (MariaDB)",
        "ALTER USER <user> ACCOUNT UNLOCK;"),
    cause(Id::LogIn, "MYSQL_OFFLINE", "the server is in offline mode", "error 3032", "SET GLOBAL offline_mode = OFF;"),
    cause(Id::LogIn, "MYSQL_REFUSED", "MySQL or MariaDB refused for another reason", OWN_WORDS, 
        "check the server log (RDS: Logs & events)"),

    cause(Id::ClickPipesRole, "CLICKPIPES_EXTERNAL_ID", "the role needs an external id, which ClickPipes does not send",
        "`external_id` is set, and AssumeRole without it is refused or was not tried",
        "allow the ClickHouse service role in a statement without sts:ExternalId, and remove `external_id`"),
    cause(Id::ClickPipesRole, "CLICKPIPES_PARTITION", "the access role is in a partition that ClickPipes cannot reach",
        "the partition in the ARN of the role: China and GovCloud have their own", "use a password for the pipe"),
    cause(Id::ClickPipesToken, "CLICKPIPES_REGION", "ClickPipes cannot read the Region from the host name",
        "the name does not end in .REGION.rds.amazonaws.com: a CNAME, a PrivateLink name, the writer endpoint of an Aurora global \
         database, a name of another partition",
        "set `tls_host` to the endpoint's own name, here and in the pipe"),
    cause(Id::ClickPipesToken, "CLICKPIPES_SIGN", "ClickPipes signs its tokens for another endpoint",
        "`sign_host` or `sign_port` differs from tls_host (otherwise host) and port",
        "set `tls_host` and `port` to the endpoint of the database, here and in the pipe, and remove `sign_host` and `sign_port`"),

    cause(Id::Engine, "DB_WRONG_ENGINE", "the server is MariaDB instead of MySQL, or the reverse", "its version",
        "set `type` to rdsmariadb for MariaDB, to rdsmysql or auroramysql for MySQL"),
    cause(Id::Engine, "DB_STAND_IN", "the server is a compatible product, not PostgreSQL", "its version names YugabyteDB",
        "use PostgreSQL; ClickPipes does not support compatible products"),
    cause(Id::Engine, "DB_IS_AURORA", "the server is Aurora, but the type says RDS", "aurora_version", "set type = aurorapostgres or auroramysql"),
    cause(Id::Engine, "DB_NOT_AURORA", "the server is RDS, but the type says Aurora", "aurora_version does not exist", "set type = rdspostgres or rdsmysql"),
    cause(Id::Version, "DB_VERSION_TOO_OLD", "ClickPipes does not support this version", "server_version_num", ""),
    cause(Id::Version, "DB_VERSION_OLD", "RDS has no IAM authentication for this version", "version()", ""),
    cause(Id::Version, "DB_VERSION_UNREADABLE", "the version cannot be parsed", "its text is in the report", ""),
    cause(Id::Version, "MARIADB_PARTIAL_ROW_EVENTS", "MariaDB can split long rows into several events, which ClickPipes does not read",
        "version 12.3 or newer", "keep rows short, or use an older version"),
    cause(Id::Tables, "DB_TABLES_UNREADABLE", "the user lacks the SELECT privilege on a table or a column", "SELECT * … LIMIT 0 fails; the server's message is in the report",
        "GRANT SELECT (and USAGE on the schema, in PostgreSQL)"),
    cause(Id::Tables, "DB_TABLES_MISSING", "a named table does not exist", "the catalog has no such table that the user can see", "check --table: SCHEMA.TABLE"),
    cause(Id::Tables, "DB_NO_TABLES", "there are no tables", "the catalog has no table that the user can see", "create the tables, or grant SELECT on them"),
    cause(Id::Tables, "DB_TABLES_UNKNOWN", "whether all tables can be read is not known", "a lock, no response, a refused catalog query, or more tables than can be tried",
        "try again; if there are too many tables, name those of the pipe (--table)"),
    cause(Id::Tables, "DB_TABLE_NAME_DOT", "ClickPipes cannot replicate a table whose name or schema contains a dot", "the name", "rename the table, or leave it out (--table)"),
    cause(Id::PostgresRowSecurity, "PG_ROW_SECURITY", "row-level security hides rows from the user and from the initial load",
        "row_security_active() on the table", ""),
    cause(Id::Endpoint, "DB_ENDPOINT_PROXY", "RDS Proxy does not support replication", "the name of the endpoint", "use the endpoint of the instance or cluster"),
    cause(Id::Endpoint, "DB_ENDPOINT_READER", "a reader of a cluster does not stream changes", "the name is a cluster's reader endpoint, or innodb_read_only is ON", "use the writer endpoint"),
    cause(Id::Endpoint, "DB_ENDPOINT_SHARD_GROUP", "Aurora Limitless Database does not stream changes", "the name of the endpoint (shardgrp-)", "use replication_mode = \"snapshot\", or a cluster without Limitless Database"),
    cause(Id::PostgresDocumentedRule, "PG_DOCUMENTED_RULE", "in the ClickPipes guide, Postgres with IAM is Initial Load Only",
        "the guide. Counts only on the basis `guide`", ""),
    cause(Id::PostgresStandby, "PG_STANDBY", "a standby before PostgreSQL 16 cannot have logical slots", "pg_is_in_recovery() and the version", ""),
    cause(Id::PostgresStandby, "PG_AURORA_READER", "a reader of an Aurora cluster cannot have replication slots", "pg_is_in_recovery() on Aurora", "use the writer endpoint"),
    cause(Id::PostgresHotStandbyFeedback, "PG_HOT_STANDBY_FEEDBACK", "the primary can remove rows that the standby's slot needs", "hot_standby_feedback on a standby", ""),
    cause(Id::PostgresWalLevel, "PG_WAL_LEVEL", "the WAL does not contain enough for logical decoding", "wal_level", ""),
    cause(Id::PostgresWalLevel, "PG_WAL_LEVEL_OF_PRIMARY", "wal_level of the primary is not visible from a standby",
        "pg_is_in_recovery(), and no valid logical slot on the standby",
        "use the endpoint of the primary, or create a logical slot on the standby to see that it is possible"),
    cause(Id::PostgresWalSenders, "PG_MAX_WAL_SENDERS", "max_wal_senders is too low for ClickPipes", "max_wal_senders", ""),
    cause(Id::PostgresWalSenders, "PG_NO_WAL_SENDER", "all WAL senders are in use", "pg_stat_replication and max_wal_senders, or SQLSTATE 53300 on the replication connection", ""),
    cause(Id::PostgresIamReplication, "PG_REPLICATION_NOT_IAM", "tokens are not accepted on replication connections",
        "a normal connection accepts the token, a replication connection does not, and rds.iam_auth_for_replication is off", ""),
    cause(Id::PostgresIamReplication, "PG_REPLICATION_UNKNOWN", "the replication connection failed for another reason", "the server's message is in the report", "try again"),
    cause(Id::PostgresReplicationRight, "PG_NO_REPLICATION_RIGHT", "the user lacks the replication privilege",
        "SQLSTATE 42501 on the replication connection, otherwise rolreplication and membership of rds_replication", ""),
    cause(Id::PostgresLogicalReplication, "PG_LOGICAL_REPLICATION_OFF", "rds.logical_replication is off", "current_setting", ""),
    cause(Id::PostgresLogicalReplication, "PG_PENDING_REBOOT", "parameter group settings are pending a reboot", LOOK_AT_RDS, "reboot the instance"),
    cause(Id::PostgresReplicationSlots, "PG_NO_REPLICATION_SLOT", "all replication slots are in use", "pg_replication_slots and max_replication_slots", ""),
    cause(Id::PostgresPublication, "PG_NO_PUBLICATION", "no publication contains the tables, and the user cannot create one",
        "pg_publication, has_database_privilege and the owners of the tables; nothing is written", "CREATE PUBLICATION … FOR TABLE …; as the owner of the tables"),
    cause(Id::PostgresPublication, "PG_PUBLICATION_VIA_ROOT", "the publication sends the changes of a partition as those of its partitioned table, which is not in the pipe", "pg_publication.pubviaroot and pg_publication_tables",
        "name the partitioned table in the pipe, or ALTER PUBLICATION … SET (publish_via_partition_root = false);"),
    cause(Id::PostgresPublication, "PG_PUBLICATION_LACKS_TABLES", "the publication does not contain every table", "pg_publication_tables", "ALTER PUBLICATION … ADD TABLE …;"),
    cause(Id::PostgresPublication, "PG_PUBLICATION_LEAVES_OUT", "the publication leaves out inserts, updates or deletes", "pg_publication",
        "ALTER PUBLICATION … SET (publish = 'insert, update, delete, truncate');"),
    cause(Id::PostgresPublication, "PG_PUBLICATION_WITHOUT_DELETE", "the publication has no deletes or no truncates, so ClickHouse keeps deleted rows",
        "pg_publication; the ClickPipes FAQ recommends this to keep history", "ALTER PUBLICATION … SET (publish = 'insert, update, delete, truncate');"),
    cause(Id::PostgresPublication, "PG_PUBLICATION_BREAKS_WRITES", "UPDATE and DELETE of the application fail because of the publication",
        "pg_publication_tables, the partitions, and the replica identity of each published relation",
        "ALTER TABLE … REPLICA IDENTITY FULL; or publish the columns of the primary key"),
    cause(Id::PostgresPublication, "PG_PUBLICATION_ROW_FILTER", "a row filter loses changes of rows that the initial load copied",
        "pg_publication_tables.rowfilter", "ALTER PUBLICATION … SET TABLE …; without WHERE"),
    cause(Id::PostgresPublication, "PG_PUBLICATION_COLUMN_LIST", "a column list loses changes of columns that the initial load copied",
        "pg_publication_tables.attnames", "ALTER PUBLICATION … SET TABLE …; without a column list"),
    cause(Id::PostgresToast, "PG_UNCHANGED_TOAST", "an UPDATE does not send TOAST values that it did not change",
        "attstorage of the columns, and relreplident", "ALTER TABLE … REPLICA IDENTITY FULL;"),
    cause(Id::PostgresOpenTransactions, "PG_OPEN_TRANSACTION", "a pipe waits when it creates its replication slot, until transactions that are open have ended", "transaction ids \
        in pg_locks, read again for a second", ""),
    cause(Id::PostgresOpenTransactions, "PG_PREPARED_TRANSACTION", "a transaction was prepared and forgotten: a pipe waits for it without end", "pg_prepared_xacts", "COMMIT PREPARED or ROLLBACK PREPARED"),
    cause(Id::PostgresPipeSlot, "PG_SLOT_LOST", "the replication slot of the pipe is lost, so the pipe cannot continue",
        "wal_status = lost, conflicting or invalidation_reason of the slot", "resync the pipe"),
    cause(Id::PostgresPipeSlot, "PG_SLOT_LOST_OF_SEVERAL", "the slot of one of several pipes of this database is lost",
        "wal_status, conflicting or invalidation_reason of one of the slots peerflow_slot_…",
        "resync that pipe; set replication_slot_name to check one pipe alone"),
    cause(Id::PostgresPipeSlot, "PG_SLOT_GONE", "the slot of the pipe was there before and has been dropped, or a failover went to a server without it",
        "`serve` has seen the slot before",
        "resync the pipe in ClickPipes; if it was deleted on purpose, restart pipeprobe or remove the target. A slot survives a failover \
         only if it is a failover slot (PostgreSQL 17 and newer)"),
    cause(Id::PostgresPipeSlot, "PG_SLOT_MISSING", "the pipe needs a slot that does not exist (replication_mode = \"cdc_only\")",
        "no row in pg_replication_slots for replication_slot_name",
        "create the slot with the plugin pgoutput in this database, or correct replication_slot_name"),
    cause(Id::PostgresPipeSlot, "PG_SLOT_PLUGIN", "ClickPipes reads only slots of the plugin pgoutput", "the column plugin of the slot",
        "create another slot: SELECT pg_create_logical_replication_slot(NAME, 'pgoutput');"),
    cause(Id::PostgresPipeSlot, "PG_SLOT_UNRESERVED", "the server removes WAL that the pipe needs at its next checkpoint", "wal_status = unreserved",
        "let the pipe continue now, or raise max_slot_wal_keep_size at once; otherwise the pipe needs a resync"),
    cause(Id::PostgresPipeSlot, "PG_SLOT_INACTIVE", "nothing reads the slot of the pipe, and the server keeps all WAL for it",
        "active is false in pg_replication_slots",
        "resume the pipe if it is paused; otherwise see its state in ClickPipes; if the pipe was deleted, drop the slot"),
    cause(Id::PostgresPipeSlot, "PG_SLOT_EXTENDED", "the server keeps more WAL for the pipe than max_wal_size", "wal_status = extended",
        "see whether the pipe is behind, and whether the storage has room"),
    cause(Id::PostgresReplicationSlots, "PG_NO_OTHER_SLOT", "all replication slots are in use, one of them by the pipe",
        "the number of slots against max_replication_slots, and the slot of the pipe",
        "the pipe continues; for another pipe drop unused slots or raise max_replication_slots in the parameter group and reboot"),
    cause(Id::PostgresWalSenders, "PG_NO_OTHER_WAL_SENDER", "all WAL senders are in use, one of them by the pipe",
        "the number of WAL senders against max_wal_senders, and the slot of the pipe",
        "the pipe continues; for another pipe stop other replicas or raise max_wal_senders in the parameter group and reboot"),
    cause(Id::PostgresTransactionAge, "PG_TRANSACTION_AGE", "the server approaches the end of its transaction IDs", "max(age(datfrozenxid))", ""),
    cause(Id::PostgresIdleSlotTimeout, "PG_IDLE_SLOT_TIMEOUT", "a pipe that is paused for longer loses its slot", "idle_replication_slot_timeout", ""),
    cause(Id::PostgresReplicaIdentity, "PG_NO_REPLICA_IDENTITY", "changes do not identify the row",
        "relreplident, the primary key and the identity index", "a primary key, or ALTER TABLE … REPLICA IDENTITY FULL;"),
    cause(Id::PostgresReplicaIdentity, "PG_FULL_WITH_GENERATED", "PostgreSQL 18 refuses updates and deletes of a published table with \
        REPLICA IDENTITY FULL if its generated columns are not published", "relreplident, attgenerated and the version",
        "ALTER TABLE … REPLICA IDENTITY DEFAULT; or publish_generated_columns = stored"),
    cause(Id::PostgresPublication, "PG_PUBLICATION_FIXED_COLUMNS", "the publication has a column list with every column: columns that are added later are not published", "prattrs in pg_publication_rel", "publish the table without a column list"),
    cause(Id::PostgresParentAndPart, "PG_PARENT_AND_PART", "the copy of the parent has the rows of its partitions and child tables at first, but their later \
        changes reach only one of the two copies", "pg_inherits", ""),
    cause(Id::PostgresUnlogged, "PG_UNLOGGED_PART", "a publication takes the partitioned table or parent, but changes of its unlogged and foreign partitions \
        and child tables are not in the WAL", "relkind and relpersistence of the partitions and child tables", "ALTER TABLE … SET LOGGED; or detach the foreign partition"),
    cause(Id::PostgresUnlogged, "PG_UNLOGGED", "an unlogged table has no changes in the WAL", "relpersistence", "ALTER TABLE … SET LOGGED;"),
    cause(Id::PostgresPartitioned, "PG_PARTITIONED", "this version cannot publish partitioned tables", "relkind and the version", ""),
    cause(Id::PostgresGenerated, "PG_GENERATED", "changes do not contain generated columns", "attgenerated", ""),
    cause(Id::PostgresSlotWalKeep, "PG_SLOT_WAL_KEEP", "a paused pipe can lose its replication slot", "max_slot_wal_keep_size", ""),
    cause(Id::PostgresWalLevel, "PG_UNANSWERED", "PostgreSQL refused a query", NO_ANSWER, ""),

    cause(Id::MysqlVitess, "MYSQL_VITESS", "the server is Vitess", "SHOW VITESS_TABLETS works, or the version names Vitess", ""),
    cause(Id::MysqlBinaryLog, "MYSQL_BINARY_LOG_OFF", "the binary log is off", "log_bin", ""),
    cause(Id::MysqlBinaryLog, "MYSQL_BACKUPS_OFF", "automated backups are off, and RDS keeps a binary log only for them", LOOK_AT_RDS, "set the backup retention period to at least 1 day"),
    cause(Id::MysqlBinaryLog, "MYSQL_PENDING_REBOOT", "parameter group settings are pending a reboot", LOOK_AT_RDS, "reboot the instance"),
    cause(Id::MysqlBinlogStatus, "MYSQL_NO_REPLICATION_CLIENT", "the user lacks the privilege to read the binary log position", "error 1227 for SHOW BINARY LOG STATUS (SHOW MASTER STATUS)", ""),
    cause(Id::MysqlBinlogStatus, "MYSQL_NO_BINLOG_POSITION", "the binary log is on, but has no usable position", "SHOW BINARY LOG STATUS has no row, or one of 0 or beyond 4 GiB",
        "wait a few minutes after turning it on"),
    cause(Id::MysqlBinlogFilters, "MYSQL_BINLOG_FILTERED", "changes of a database are not written to the binary log", "Binlog_Do_DB and Binlog_Ignore_DB of SHOW BINARY LOG STATUS", ""),
    cause(Id::MysqlForeignKeys, "MYSQL_CASCADES", "rows that a foreign key deletes or changes stay as they were in the copy", "information_schema.REFERENTIAL_CONSTRAINTS; on MariaDB \
        SHOW CREATE TABLE of named tables", ""),
    cause(Id::MysqlTableKinds, "MYSQL_NOT_A_TABLE", "changes of a view or a sequence are not in the binary log", "TABLE_TYPE in information_schema.TABLES",
        "name the tables behind the view (--table), or use --replication-mode snapshot"),
    cause(Id::MysqlTableKinds, "MYSQL_ROWS_ELSEWHERE", "the storage engine does not store the rows in this table, so the events in the binary log do not match them", "ENGINE in information_schema.TABLES",
        "leave the table out (--table), use --replication-mode snapshot, or ALTER TABLE … ENGINE = InnoDB"),
    cause(Id::MysqlTableKinds, "MARIADB_SYSTEM_VERSIONED", "the copy of a system-versioned table becomes wrong: the binary log has a DELETE as an UPDATE of ROW END, and \
        after each UPDATE an INSERT of the old row with the same key", "TABLE_TYPE in information_schema.TABLES",
        "leave the table out (--table), use --replication-mode snapshot, or ALTER TABLE … DROP SYSTEM VERSIONING, which deletes the history"),
    cause(Id::MysqlAccountLimits, "MYSQL_ACCOUNT_LIMIT", "the account can open fewer connections than a pipe needs", "SHOW CREATE USER of the account, and max_user_connections", ""),
    cause(Id::MysqlHourlyLimits, "MYSQL_HOURLY_LIMIT", "the server refuses the account after its hourly number of connections or queries", "SHOW CREATE USER of the account", ""),
    cause(Id::MysqlBinlogFormat, "MYSQL_BINLOG_FORMAT", "the binary log contains statements instead of rows", "binlog_format", ""),
    cause(Id::MysqlBinlogRowImage, "MYSQL_BINLOG_ROW_IMAGE", "the binary log contains partial rows", "binlog_row_image", ""),
    cause(Id::MysqlBinlogRowMetadata, "MYSQL_BINLOG_ROW_METADATA", "the binary log does not contain column names", "binlog_row_metadata", ""),
    cause(Id::MysqlBinlogRowValueOptions, "MYSQL_PARTIAL_JSON", "the binary log contains partial JSON values", "binlog_row_value_options", ""),
    cause(Id::MysqlBinlogExpiry, "MYSQL_BINLOG_EXPIRY", "the binary log expires within a day", "binlog_expire_logs_seconds", ""),
    cause(Id::MysqlBinlogRetention, "MYSQL_RETENTION_UNSET", "RDS removes the binary log as soon as possible", "'binlog retention hours' is NULL", ""),
    cause(Id::MysqlBinlogRetention, "MYSQL_RETENTION_SHORT", "RDS keeps the binary log for less than 24 hours, or less than the recommended 72", "'binlog retention hours'", ""),
    cause(Id::MysqlBinlogRetention, "MYSQL_RETENTION_UNREADABLE", "the retention of the binary log is not known",
        "mysql.rds_configuration cannot be read (1142) or does not exist, which ClickPipes ignores; other errors fail", "CALL mysql.rds_show_configuration; as the master user"),
    cause(Id::MysqlGtid, "MYSQL_GTID_OFF", "a pipe uses GTID by default, and the server does not write GTIDs", "gtid_mode, or a MariaDB before 10.0.2", ""),
    cause(Id::MysqlGtid, "MYSQL_FILE_POS", "FILE_POS exists only after ClickHouse support enabled it, and a failover breaks the pipe", "replication_mechanism of the target",
        "use GTID (--replication-mechanism gtid), or ask ClickHouse support to enable FILE_POS"),
    cause(Id::MysqlGtid, "MARIADB_FILE_POS", "for MariaDB, ClickPipes accepts only GTID", "replication_mechanism of the target",
        "use GTID (--replication-mechanism gtid)"),
    cause(Id::MysqlReplicaStatus, "MYSQL_NO_REPLICA_MONITOR", "the user lacks the privilege for SHOW REPLICA STATUS, which ClickPipes' engine runs",
        "error 1227 for SHOW REPLICA STATUS; the guide's REPLICATION CLIENT does not allow it on MariaDB since 10.5.9",
        "MariaDB: GRANT REPLICA MONITOR ON *.* TO <user>; MySQL: GRANT REPLICATION CLIENT ON *.* TO <user>;"),
    cause(Id::MysqlReplicaUpdates, "MYSQL_REPLICA_UPDATES_OFF", "the replica does not write replicated changes to its binary log", "log_replica_updates or log_slave_updates on a replica", ""),
    cause(Id::MysqlServerId, "MYSQL_NO_SERVER_ID", "a server with server_id 0 refuses replicas", "server_id", ""),
    cause(Id::MysqlBinlogStream, "MYSQL_NO_REPLICATION_SLAVE", "the user lacks the REPLICATION SLAVE privilege", "error 1045 or 1227 for COM_REGISTER_SLAVE or COM_BINLOG_DUMP", ""),
    cause(Id::MysqlBinlogStream, "MYSQL_BINLOG_STREAM_REFUSED", "the server refused to stream the binary log", "an error other than a missing privilege; its message is in the report", ""),
    cause(Id::MariadbGenerated, "MARIADB_GENERATED", "the row that an UPDATE writes to the binary log lacks the values of generated columns", "EXTRA in information_schema.COLUMNS", ""),
    cause(Id::MariadbCompressedColumns, "MARIADB_COMPRESSED_COLUMNS", "the binary log contains these columns compressed, which ClickPipes does not support", "information_schema.COLUMNS",
        "leave the tables out, or ALTER TABLE … MODIFY the columns without COMPRESSED"),
    cause(Id::MysqlMaxAllowedPacket, "MYSQL_MAX_ALLOWED_PACKET", "a longer row ends the stream", "max_allowed_packet", ""),
    cause(Id::MysqlBinaryLog, "MYSQL_UNANSWERED", "MySQL or MariaDB refused a query", NO_ANSWER, ""),
];

/// The cause of that code.
pub fn cause_of(code: &str) -> Option<&'static Cause> {
    CAUSES.iter().find(|cause| cause.code == code)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What the judges say, read from their source: every code in quotes.
    fn said() -> BTreeSet<String> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/checks");
        let files = [
            "declaration",
            "credentials",
            "reach",
            "reach/postgres",
            "reach/mysql",
            "reach/token",
            "postgres",
            "postgres/publication",
            "postgres/slot",
            "mysql",
            "tables",
        ];
        let operators = ["aws/database", "aws/permission", "aws/route", "aws/trust"];
        let mut said = BTreeSet::new();
        for file in files.into_iter().chain(operators).chain(["../clickpipes", "clickpipes"]) {
            let text = std::fs::read_to_string(folder.join(format!("{file}.rs"))).unwrap();
            let quoted = text.split('"').skip(1).step_by(2);
            let is_code = |word: &&str| {
                word.contains('_')
                    && !word.starts_with("POLICY_") // lint's
                    && word.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c.is_ascii_digit())
            };
            said.extend(quoted.filter(is_code).map(str::to_owned));
        }
        said
    }

    #[test]
    fn every_cause_that_is_said_is_explained_and_none_is_explained_in_vain() {
        let explained: BTreeSet<String> = CAUSES.iter().map(|cause| cause.code.to_owned()).collect();
        assert_eq!(explained.len(), CAUSES.len(), "a code stands for one cause");
        let said = said();
        assert!(said.len() > 100, "{}", said.len());
        assert_eq!(said.difference(&explained).collect::<Vec<_>>(), Vec::<&String>::new(), "not explained");
        assert_eq!(explained.difference(&said).collect::<Vec<_>>(), Vec::<&String>::new(), "never said");
    }

    #[test]
    fn what_a_cause_could_be_is_explained_too() {
        for code in CAUSES.iter().flat_map(Cause::with_candidates) {
            assert!(cause_of(code).is_some(), "{code}");
        }
    }

    #[test]
    fn every_cause_says_what_to_do_here_or_in_its_row() {
        for cause in CAUSES.iter().filter(|cause| cause.fix.is_empty()) {
            let row = super::super::check(cause.check);
            assert!(!cause.with_candidates().is_empty() || !row.fix.is_empty(), "{}", cause.code);
        }
    }
}
