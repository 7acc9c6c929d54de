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

const OWN_WORDS: &str = "none of the known ones; the report has the server's own code and words";
const LOOK_AT_RDS: &str = "the operator's look alone (--explain-with-profile): RDS's record of the database";
const LOOK_AT_BOTH: &str = "the operator's look alone (--explain-with-profile): the role's policies in IAM, judged for the resource id that RDS has";
const NO_ANSWER: &str =
    "the server refused the question, or gave no answer in time; its words are in the report";

#[rustfmt::skip]
pub static CAUSES: &[Cause] = &[
    cause(Id::Credentials, "AWS_NO_CREDENTIALS", "no source of AWS credentials has any, or one that has them failed",
        "the AWS credential chain came to its end; its words are in the report",
        "set AWS_PROFILE, run `aws sso login`, or give AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),

    cause(Id::AccessRole, "STS_TAG_SESSION_DENIED", "the role may be assumed, but not with session tags",
        "AWS names sts:TagSession, or the same call without tags succeeds",
        "allow sts:TagSession beside sts:AssumeRole in the role's trust policy, and to the caller"),
    cause(Id::AccessRole, "STS_ASSUME_ROLE_DENIED", "AWS does not let this caller assume the role, and does not say why",
        "AccessDenied for sts:AssumeRole, with and without tags; what it could be is ranked in the report", ""),
    cause(Id::AccessRole, "STS_NOT_TRUSTED", "the role's trust policy does not name the caller",
        "one of the candidates of STS_ASSUME_ROLE_DENIED: the commonest",
        "name the caller, or its role, as Principal in the trust policy"),
    cause(Id::AccessRole, "STS_EXTERNAL_ID", "the trust policy has a sts:ExternalId condition that does not hold",
        "one of the candidates of STS_ASSUME_ROLE_DENIED: the likeliest where an external id was passed",
        "make `external_id` and the condition equal; ClickPipes itself passes none"),
    cause(Id::AccessRole, "STS_NO_SUCH_ROLE", "the role does not exist",
        "one of the candidates of STS_ASSUME_ROLE_DENIED: AWS answers the same",
        "check the role's name and account"),
    cause(Id::AccessRole, "STS_CALLER_NOT_ALLOWED", "the caller's own identity policy does not allow it",
        "AWS says \"because no identity-based policy allows\"; a candidate where caller and role are of two accounts",
        "allow the caller sts:AssumeRole and sts:TagSession on the role"),
    cause(Id::AccessRole, "STS_EXPLICIT_DENY", "a policy denies it outright",
        "AWS says \"with an explicit deny\", and in which kind of policy",
        "take the role out of that Deny: a service or resource control policy, a boundary, a session policy"),
    cause(Id::AccessRole, "STS_CREDENTIALS_EXPIRED", "the source credentials have expired",
        "ExpiredToken", "renew them: `aws sso login`, or a new session"),
    cause(Id::AccessRole, "STS_CREDENTIALS_UNKNOWN", "AWS does not know the access key, or its session token is missing",
        "InvalidClientTokenId",
        "check the key, its partition, and that a temporary key comes with its AWS_SESSION_TOKEN"),
    cause(Id::AccessRole, "STS_SECRET_KEY_WRONG", "the secret access key is another key's",
        "SignatureDoesNotMatch, and not about time", "give the secret that belongs to this access key id"),
    cause(Id::AccessRole, "STS_CLOCK_SKEW", "this machine's clock is more than 15 minutes from AWS's",
        "SignatureDoesNotMatch with \"Signature expired\" or \"not yet current\", and the Date of AWS's answers",
        "set the clock (NTP)"),
    cause(Id::AccessRole, "STS_DURATION_REFUSED", "the session may not be that long",
        "ValidationError about DurationSeconds",
        "lower `duration`: at most 1h where roles are chained, else the role's maximum session duration"),
    cause(Id::AccessRole, "STS_TAGS_TOO_LARGE", "the session tags do not fit into a session",
        "PackedPolicyTooLarge", "pass fewer or shorter session_tags"),
    cause(Id::AccessRole, "STS_REGION_DISABLED", "STS is not active in the Region for the role's account",
        "RegionDisabledException", "activate it: IAM console, Account settings, Security Token Service"),
    cause(Id::AccessRole, "STS_THROTTLED", "AWS limits the calls of the account",
        "Throttling, ThrottlingException or RequestLimitExceeded, after the SDK's own retries", "try again in a minute"),
    cause(Id::AccessRole, "STS_UNREACHABLE", "STS gave no answer, or none that makes sense",
        "no connection, no answer in time, or an answer that is none of STS's",
        "let this machine reach the Region's STS endpoint on port 443"),
    cause(Id::AccessRole, "STS_REFUSED", "STS refused for another reason", OWN_WORDS,
        "look the words up for AssumeRole, and the call in CloudTrail"),

    cause(Id::TokenLife, "TOKEN_SHORT_LIFE", "the token ends with the credentials that signed it, soon",
        "less than 5 of its 15 minutes are left", "renew the source credentials, or raise `duration`"),
    cause(Id::TokenLife, "CLOCK_SKEW", "this machine's clock is off, and a token carries its signing time",
        "AWS's Date against this machine's clock", "set the clock (NTP)"),
    cause(Id::TokenLife, "TOKEN_NOT_SIGNED", "the token could not be signed", "the signer's words are in the report",
        "please report it: no input should lead here"),

    cause(Id::Resolve, "DNS_NOT_RESOLVED", "the name has no address here",
        "the resolver's words are in the report",
        "check the spelling; a private name resolves only inside its VPC: run this there, or set `connect_to`"),
    cause(Id::Resolve, "DNS_FAILED", "the name servers gave no answer, or a failure",
        "the resolver's words are in the report; whether the name exists is not known",
        "try again, then look at this machine's resolver (/etc/resolv.conf)"),
    cause(Id::Resolve, "DNS_TIMED_OUT", "no name server answers", "5 seconds without an answer", "check this machine's resolver"),

    cause(Id::Dial, "NET_REFUSED", "nothing listens on the port",
        "every address refused the connection", "check `port`, and that the database is running"),
    cause(Id::Dial, "NET_TIMED_OUT", "packets to the port are dropped",
        "no answer from any address: a security group, a network ACL, a route",
        "allow this address inbound in the security group; ClickPipes connects from addresses of its own"),
    cause(Id::Dial, "NET_UNREACHABLE", "there is no way to the address",
        "the system says that network or host cannot be reached", "check the route: VPC, peering, VPN, IPv6"),

    cause(Id::Dial, "DB_NOT_AVAILABLE", "the database is stopped, starting or otherwise not to be had", LOOK_AT_RDS,
        "start it, or wait until its status is available"),

    cause(Id::Tls, "TLS_NOT_OFFERED", "the server offers no TLS", "it said so; nothing was sent to it",
        "turn TLS on, or check that the port is the database's"),
    cause(Id::Tls, "TLS_WRONG_NAME", "the certificate is for another name",
        "the names in the certificate, shown in the report, against the one to verify",
        "set `tls_host` to the RDS endpoint's own name; the report has those of the certificate"),
    cause(Id::Tls, "TLS_EXPIRED", "the certificate is no longer valid", "its end, against this machine's clock",
        "rotate it: aws rds modify-db-instance --ca-certificate-identifier …; if it ends in the future, set this machine's clock"),
    cause(Id::Tls, "TLS_NOT_YET_VALID", "the certificate is not valid yet", "its beginning, against this machine's clock",
        "set this machine's clock (NTP); if it is right, give the database a new certificate"),
    cause(Id::Tls, "TLS_SELF_SIGNED", "the certificate was issued by nobody but itself",
        "its subject is its issuer, and it is no trust anchor; RDS and Aurora present none such",
        "see what answers there, a proxy or another server, and dial the database itself"),
    cause(Id::Tls, "TLS_UNKNOWN_CA", "no known authority issued the certificate",
        "its chain ends at none of the trust anchors (RDS of the commercial Regions, public web roots, yours)",
        "give the issuing CA as `ca_certificate`; GovCloud and China have bundles of their own"),
    cause(Id::Tls, "TLS_INCOMPATIBLE", "the server speaks no TLS that is safe",
        "it turned TLS 1.2 and 1.3 down", "allow TLS 1.2 or 1.3 (ssl_min_protocol_version, tls_version)"),
    cause(Id::Tls, "TLS_FAILED", "the handshake broke off", "the words of the TLS library are in the report",
        "look for something between here and the database that is not the database"),

    cause(Id::IamAsked, "AUTH_NOT_IAM", "the server asks this user for something other than a token",
        "the authentication request, seen before anything secret was sent: SCRAM, MD5, a native plugin; what it could be is ranked", ""),
    cause(Id::IamAsked, "AUTH_USER_NOT_IAM", "the user is not one of IAM's",
        "one of the candidates of AUTH_NOT_IAM: the commonest",
        "PostgreSQL: GRANT rds_iam TO <user>; MySQL, MariaDB: IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS'"),
    cause(Id::IamAsked, "AUTH_NO_USER", "there is no such user",
        "one of the candidates of AUTH_NOT_IAM: servers ask an unknown user for a password too", "create the user"),
    cause(Id::IamAsked, "AUTH_IAM_OFF", "IAM database authentication is off",
        "one of the candidates of AUTH_NOT_IAM",
        "enable IAM database authentication on the instance or cluster, and apply it immediately"),
    cause(Id::IamAsked, "AUTH_OTHER_ADDRESS", "the account is for other addresses than this one",
        "one of the candidates of AUTH_NOT_IAM on MySQL and MariaDB: an account of another host is no account from here",
        "let it be <user>@'%': SELECT host FROM mysql.user WHERE user = '<user>'; RENAME USER …"),
    cause(Id::IamAsked, "AUTH_IAM_PENDING", "IAM database authentication is turned on from the next maintenance window on, and off until then",
        LOOK_AT_RDS, "modify the instance or cluster once more, with --apply-immediately: it applies every change that waits"),
    cause(Id::IamAsked, "DB_CLOSED", "the server closed the connection without a word", "the stage at which it did is in the report",
        "check that the port is the database's, and its log"),
    cause(Id::IamAsked, "DB_PROTOCOL", "what answers is no server of this engine", "it broke the engine's protocol; how is in the report",
        "check `type` and `port`"),
    cause(Id::IamAsked, "DB_TIMED_OUT", "the server stopped answering", "the stage and how long are in the report",
        "check `type` and `port`, then the server's load"),
    cause(Id::IamAsked, "LOCAL_FAILURE", "this machine could not do its part", "the system's words are in the report",
        "give the process a folder it may write to (TMPDIR)"),

    cause(Id::LogIn, "PG_TOKEN_REFUSED", "PostgreSQL asked for the token, and IAM refused it",
        "PAM authentication failed (28000); RDS does not say why, so what it could be is ranked", ""),
    cause(Id::LogIn, "MYSQL_TOKEN_REFUSED", "MySQL or MariaDB asked for the token, and IAM refused it",
        "error 1045 after the token; RDS does not say why, so what it could be is ranked", ""),
    cause(Id::LogIn, "TOKEN_NOT_ALLOWED", "no identity policy of the role allows rds-db:connect on this database and user",
        "a candidate where the token agrees with the target in everything",
        "allow it on arn:<partition>:rds-db:<region>:<account>:dbuser:<db-… | cluster-… | prx-…>/<user>: the resource id, not the name"),
    cause(Id::LogIn, "TOKEN_OTHER_RESOURCE", "the role's policy allows rds-db:connect on another database's resource id",
        LOOK_AT_BOTH, "write the resource id of this database into the policy: of an instance of a cluster the cluster's, of a proxy the proxy's"),
    cause(Id::LogIn, "TOKEN_POLICY_DENIES", "a policy of the role denies rds-db:connect on this database", LOOK_AT_BOTH,
        "remove the statement, or narrow it: a Deny wins over every Allow"),
    cause(Id::LogIn, "TOKEN_BOUNDARY_DENIES", "the role's permissions boundary leaves rds-db:connect out", LOOK_AT_BOTH,
        "let the boundary allow rds-db:connect on the database"),
    cause(Id::LogIn, "TOKEN_OTHER_ACCOUNT", "the database belongs to another account than the access role", LOOK_AT_RDS,
        "make the access role in the database's account: IAM authentication does not cross accounts"),
    cause(Id::LogIn, "TOKEN_WRONG_NAME", "the token is signed for a name that is not the RDS endpoint's",
        "the name has not the form of an RDS endpoint: a CNAME, PrivateLink, an address",
        "set `tls_host` (or `sign_host`) to the RDS endpoint's own name"),
    cause(Id::LogIn, "TOKEN_WRONG_PORT", "the token is signed for another port than the database's",
        "a candidate where the port that was dialled is not the one in the token", "set `port` or `sign_port`"),
    cause(Id::LogIn, "TOKEN_WRONG_HOST", "the token is signed for another database",
        "a candidate where the name it is signed for is not the one that the certificate proved", "take `sign_host` out"),
    cause(Id::LogIn, "TOKEN_WRONG_USER", "the user in the token is written otherwise than in the policy or the database",
        "a candidate where the user has capitals", "write `user` as the policy and the database do"),
    cause(Id::LogIn, "TOKEN_DENIED_ABOVE", "something above the role denies rds-db:connect",
        "a candidate; a service or resource control policy, a boundary, an explicit Deny show the same",
        "aws iam simulate-principal-policy tells"),
    cause(Id::LogIn, "IAM_OVERLOADED", "RDS could not ask IAM: short of memory, or throttled",
        "a candidate; it answers the same as for a refusal", "try again in a minute; look at FreeableMemory"),
    cause(Id::LogIn, "AUTH_INTERMITTENT", "one token was refused, the next accepted",
        "the second login of the run succeeded", "look at FreeableMemory and IamDbAuthConnectionFailureThrottling"),
    cause(Id::LogIn, "PG_PASSWORD_REFUSED", "the token was judged as a password",
        "SQLSTATE 28P01: the user is no member of rds_iam, does not exist, or IAM is off",
        "GRANT rds_iam TO <user>; and enable IAM database authentication"),
    cause(Id::LogIn, "PG_HBA_REFUSED", "no rule of the server lets this user, database and address in",
        "28000 with pg_hba.conf in its words",
        "on RDS, set `database` to one of yours (nobody is let into rdsadmin); elsewhere, a line in pg_hba.conf"),
    cause(Id::LogIn, "PG_NO_USER", "the user does not exist", "28000 with \"does not exist\"",
        "CREATE USER <user>; GRANT rds_iam TO <user>;"),
    cause(Id::LogIn, "PG_NO_LOGIN", "the role may not log in", "28000 with \"not permitted to log in\"", "ALTER ROLE <user> LOGIN;"),
    cause(Id::LogIn, "PG_NO_DATABASE", "the database does not exist", "SQLSTATE 3D000", "set `database` to one that exists"),
    cause(Id::LogIn, "PG_NO_CONNECT", "the user may not connect to the database", "SQLSTATE 42501 at login",
        "GRANT CONNECT ON DATABASE <database> TO <user>;"),
    cause(Id::LogIn, "PG_TOO_MANY_CONNECTIONS", "every connection is taken", "SQLSTATE 53300 at login",
        "free connections, or raise max_connections"),
    cause(Id::LogIn, "PG_NOT_READY", "the server is starting or stopping", "SQLSTATE 57P03", "try again in a moment"),
    cause(Id::LogIn, "PG_STANDBY_CLOSED", "it is a standby that takes no connections",
        "SQLSTATE 57P03 with \"Hot standby mode is disabled\"", "give the writer's endpoint"),
    cause(Id::LogIn, "PG_DATABASE_CLOSED", "the database takes no connections, from anybody",
        "SQLSTATE 55000 at login, with \"not currently accepting connections\"",
        "ALTER DATABASE <database> ALLOW_CONNECTIONS true;"),
    cause(Id::LogIn, "PG_REFUSED", "PostgreSQL refused for another reason", OWN_WORDS, 
        "look at the server's log of that minute (RDS: Logs & events)"),
    cause(Id::LogIn, "MYSQL_USER_REFUSED", "the server refused the user before it asked for a token",
        "error 1045 before the token", "create the user with AWSAuthenticationPlugin"),
    cause(Id::LogIn, "MYSQL_NO_DATABASE", "the database does not exist, or the user may not use it", "error 1044 or 1049",
        "set `database` to one that exists, or grant SELECT on it"),
    cause(Id::LogIn, "MYSQL_IAM_THROTTLED", "too many IAM logins a second", "error 1040 with \"IAM authentication rate limit\"",
        "try again in a minute: fewer than 200 a second are allowed"),
    cause(Id::LogIn, "MYSQL_TOO_MANY_CONNECTIONS", "every connection of the server is taken", "error 1040",
        "free connections, or raise max_connections"),
    cause(Id::LogIn, "MYSQL_HOST_BLOCKED", "the server blocked this address after broken connections", "error 1129",
        "FLUSH HOSTS; and find what breaks off its connections, or raise max_connect_errors"),
    cause(Id::LogIn, "MYSQL_HOST_NOT_ALLOWED", "no account of the server is for this address", "error 1130",
        "let the account be <user>@'%': RENAME USER …"),
    cause(Id::LogIn, "MYSQL_PLUGIN_NOT_LOADED", "the server has no AWSAuthenticationPlugin", "error 1524",
        "enable IAM database authentication on the instance or cluster"),
    cause(Id::LogIn, "AUTH_CLIENT_CERTIFICATE", "the account requires a client certificate, which ClickPipes does not have", "error 1045; SHOW CREATE USER has REQUIRE X509, SUBJECT or ISSUER",
        "ALTER USER <user> REQUIRE SSL;"),
    cause(Id::LogIn, "MYSQL_USER_LIMIT", "the user has as many connections as it may have", "error 1226 (a limit of the account) or 1203 (max_user_connections)",
        "ALTER USER <user> WITH MAX_USER_CONNECTIONS 0 MAX_CONNECTIONS_PER_HOUR 0;"),
    cause(Id::LogIn, "MYSQL_ACCOUNT_BLOCKED", "the account is blocked after failed logins", "error 3955 (MySQL, FAILED_LOGIN_ATTEMPTS) or 4150 (MariaDB, max_password_errors)",
        "ALTER USER <user> ACCOUNT UNLOCK; on MariaDB: FLUSH PRIVILEGES;"),
    cause(Id::LogIn, "MYSQL_ACCOUNT_LOCKED", "the account is locked", "error 3118 (MySQL) or 4151 (MariaDB)",
        "ALTER USER <user> ACCOUNT UNLOCK;"),
    cause(Id::LogIn, "MYSQL_OFFLINE", "the server is in offline mode", "error 3032", "SET GLOBAL offline_mode = OFF;"),
    cause(Id::LogIn, "MYSQL_REFUSED", "MySQL or MariaDB refused for another reason", OWN_WORDS, 
        "look at the server's log of that minute (RDS: Logs & events)"),

    cause(Id::Engine, "DB_WRONG_ENGINE", "the server is of the other flavour", "its version says MariaDB, or does not",
        "set `type` to rdsmariadb for MariaDB, to rdsmysql or auroramysql for MySQL"),
    cause(Id::Engine, "DB_STAND_IN", "the server only speaks the engine's protocol", "its version names YugabyteDB",
        "ClickPipes reads PostgreSQL itself"),
    cause(Id::Engine, "DB_IS_AURORA", "it is Aurora, and declared as RDS", "aurora_version", "set type = aurorapostgres or auroramysql"),
    cause(Id::Engine, "DB_NOT_AURORA", "it is declared as Aurora, and is not", "there is no aurora_version", "set type = rdspostgres or rdsmysql"),
    cause(Id::Version, "DB_VERSION_TOO_OLD", "ClickPipes does not read so old a version", "server_version_num", ""),
    cause(Id::Version, "DB_VERSION_OLD", "RDS has no IAM authentication for so old a version", "version()", ""),
    cause(Id::Version, "DB_VERSION_UNREADABLE", "the version is no version", "its text is in the report", ""),
    cause(Id::Version, "MARIADB_PARTIAL_ROW_EVENTS", "MariaDB may split long rows over several events, which ClickPipes does not read",
        "version 12.3 or newer", "keep rows short, or use an older version"),
    cause(Id::Tables, "DB_TABLES_UNREADABLE", "the user may not read a table, or not every column of it", "SELECT * … LIMIT 0 was refused; the server's words are in the report",
        "GRANT SELECT (and USAGE on the schema, in PostgreSQL)"),
    cause(Id::Tables, "DB_TABLES_MISSING", "a table that was named is not there", "no such table is to be seen", "check --table: SCHEMA.TABLE"),
    cause(Id::Tables, "DB_NO_TABLES", "there is no table to replicate", "the user sees none", "create the tables, or grant SELECT on them"),
    cause(Id::Tables, "DB_TABLES_UNKNOWN", "whether all tables can be read is not known", "a lock, no response, a refused catalog query, or more tables than can be tried",
        "try again; if there are too many tables, name those of the pipe (--table)"),
    cause(Id::Tables, "DB_TABLE_NAME_DOT", "ClickPipes cannot replicate a table whose name or schema contains a dot", "the name", "rename the table, or leave it out (--table)"),
    cause(Id::PostgresRowSecurity, "PG_ROW_SECURITY", "policies hide rows from the user, and from the initial load",
        "row_security_active() on the table", ""),
    cause(Id::Endpoint, "DB_ENDPOINT_PROXY", "RDS Proxy streams no changes", "the name is a proxy's", "give the endpoint of the instance or the cluster itself"),
    cause(Id::Endpoint, "DB_ENDPOINT_READER", "a reader of a cluster does not stream changes", "the name is a cluster's reader endpoint, or innodb_read_only is ON", "give the writer endpoint"),
    cause(Id::PostgresDocumentedRule, "PG_DOCUMENTED_RULE", "by the guide, Postgres with IAM is Initial Load Only",
        "the guide; no server can show otherwise. Counts under the policy `documented` only", ""),
    cause(Id::PostgresStandby, "PG_STANDBY", "a standby of before PostgreSQL 16 holds no logical slot", "pg_is_in_recovery() and the version", ""),
    cause(Id::PostgresStandby, "PG_AURORA_READER", "a reader of an Aurora cluster holds no slot", "pg_is_in_recovery() on Aurora", "give the writer endpoint"),
    cause(Id::PostgresHotStandbyFeedback, "PG_HOT_STANDBY_FEEDBACK", "the primary may remove rows that the standby's slot needs", "hot_standby_feedback on a standby", ""),
    cause(Id::PostgresWalLevel, "PG_WAL_LEVEL", "the WAL does not say enough to decode changes from", "wal_level", ""),
    cause(Id::PostgresWalSenders, "PG_MAX_WAL_SENDERS", "too few WAL senders for ClickPipes' engine", "max_wal_senders", ""),
    cause(Id::PostgresWalSenders, "PG_NO_WAL_SENDER", "every WAL sender is taken", "pg_stat_replication against max_wal_senders, or SQLSTATE 53300 on the replication connection", ""),
    cause(Id::PostgresIamReplication, "PG_REPLICATION_NOT_IAM", "tokens are not accepted on replication connections",
        "an ordinary connection accepts a token, a replication connection does not, and rds.iam_auth_for_replication is not on", ""),
    cause(Id::PostgresIamReplication, "PG_REPLICATION_UNKNOWN", "the replication connection failed for a reason of its own", "the server's words are in the report", "try again"),
    cause(Id::PostgresReplicationRight, "PG_NO_REPLICATION_RIGHT", "the user may not replicate",
        "SQLSTATE 42501 on the replication connection, else rolreplication and membership of rds_replication", ""),
    cause(Id::PostgresLogicalReplication, "PG_LOGICAL_REPLICATION_OFF", "rds.logical_replication is off", "current_setting", ""),
    cause(Id::PostgresLogicalReplication, "PG_PENDING_REBOOT", "settings of the parameter group wait for a reboot", LOOK_AT_RDS, "reboot the instance"),
    cause(Id::PostgresReplicationSlots, "PG_NO_REPLICATION_SLOT", "every replication slot is taken", "pg_replication_slots against max_replication_slots", ""),
    cause(Id::PostgresPublication, "PG_NO_PUBLICATION", "nothing publishes the tables, and the user may not create a publication",
        "pg_publication, has_database_privilege and the owners of the tables; nothing is written", "CREATE PUBLICATION … FOR TABLE …; as the owner of the tables"),
    cause(Id::PostgresPublication, "PG_PUBLICATION_LACKS_TABLES", "the publication has not every table", "pg_publication_tables", "ALTER PUBLICATION … ADD TABLE …;"),
    cause(Id::PostgresPublication, "PG_PUBLICATION_LEAVES_OUT", "the publication leaves out inserts, updates or deletes", "pg_publication",
        "ALTER PUBLICATION … SET (publish = 'insert, update, delete, truncate');"),
    cause(Id::PostgresPublication, "PG_PUBLICATION_WITHOUT_DELETE", "the publication has no deletes, so ClickHouse keeps deleted rows",
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
    cause(Id::PostgresIdleSlotTimeout, "PG_IDLE_SLOT_TIMEOUT", "a pipe that is paused for longer loses its slot", "idle_replication_slot_timeout", ""),
    cause(Id::PostgresReplicaIdentity, "PG_NO_REPLICA_IDENTITY", "changes could not say which row they are about",
        "relreplident, the primary key and the identity index", "a primary key, or ALTER TABLE … REPLICA IDENTITY FULL;"),
    cause(Id::PostgresReplicaIdentity, "PG_FULL_WITH_GENERATED", "PostgreSQL 18 refuses updates and deletes of a published table with \
        REPLICA IDENTITY FULL if its generated columns are not published", "relreplident, attgenerated and the version",
        "ALTER TABLE … REPLICA IDENTITY DEFAULT; or publish_generated_columns = stored"),
    cause(Id::PostgresUnlogged, "PG_UNLOGGED", "an unlogged table has no changes in the WAL", "relpersistence", "ALTER TABLE … SET LOGGED;"),
    cause(Id::PostgresPartitioned, "PG_PARTITIONED", "so old a version cannot publish a partitioned table", "relkind and the version", ""),
    cause(Id::PostgresGenerated, "PG_GENERATED", "generated columns are not in the changes", "attgenerated", ""),
    cause(Id::PostgresWalSenderTimeout, "PG_WAL_SENDER_TIMEOUT", "a replica that is slow for a moment is cut off", "wal_sender_timeout", ""),
    cause(Id::PostgresSlotWalKeep, "PG_SLOT_WAL_KEEP", "a replica that is away may lose its place", "max_slot_wal_keep_size", ""),
    cause(Id::PostgresWalLevel, "PG_UNANSWERED", "PostgreSQL would not say", NO_ANSWER, ""),

    cause(Id::MysqlVitess, "MYSQL_VITESS", "the server is Vitess, which only speaks MySQL's protocol", "it understands SHOW VITESS_TABLETS, or its version names Vitess", ""),
    cause(Id::MysqlBinaryLog, "MYSQL_BINARY_LOG_OFF", "there is no binary log", "log_bin", ""),
    cause(Id::MysqlBinaryLog, "MYSQL_BACKUPS_OFF", "automated backups are off, and RDS keeps a binary log only for them", LOOK_AT_RDS, "give the instance a backup retention of a day or more"),
    cause(Id::MysqlBinaryLog, "MYSQL_PENDING_REBOOT", "settings of the parameter group wait for a reboot", LOOK_AT_RDS, "reboot the instance"),
    cause(Id::MysqlBinlogStatus, "MYSQL_NO_REPLICATION_CLIENT", "the user may not ask where the binary log stands", "error 1227 to SHOW BINARY LOG STATUS or what it is called", ""),
    cause(Id::MysqlBinlogStatus, "MYSQL_NO_BINLOG_POSITION", "the binary log is on and has no position that can be started from", "SHOW BINARY LOG STATUS has no row, or one of 0 or beyond 4 GiB",
        "wait a few minutes after turning it on"),
    cause(Id::MysqlBinlogFilters, "MYSQL_BINLOG_FILTERED", "changes of a database are not written to the binary log", "Binlog_Do_DB and Binlog_Ignore_DB of SHOW BINARY LOG STATUS", ""),
    cause(Id::MysqlForeignKeys, "MYSQL_CASCADES", "rows that a foreign key deletes or changes stay as they were in the copy", "information_schema.REFERENTIAL_CONSTRAINTS; on MariaDB \
        SHOW CREATE TABLE of named tables", ""),
    cause(Id::MysqlTableKinds, "MYSQL_NOT_A_TABLE", "changes of a view or a sequence are not in the binary log", "TABLE_TYPE in information_schema.TABLES",
        "name the tables behind the view (--table), or use --replication-mode snapshot"),
    cause(Id::MysqlTableKinds, "MARIADB_SYSTEM_VERSIONED", "the copy of a system-versioned table becomes wrong: the binary log has a DELETE as an UPDATE of ROW END, and \
        after each UPDATE an INSERT of the old row with the same key", "TABLE_TYPE in information_schema.TABLES",
        "leave the table out (--table), use --replication-mode snapshot, or ALTER TABLE … DROP SYSTEM VERSIONING, which deletes the history"),
    cause(Id::MysqlAccountLimits, "MYSQL_ACCOUNT_LIMIT", "the account may open fewer connections than a pipe needs", "SHOW CREATE USER of the account, and max_user_connections", ""),
    cause(Id::MysqlBinlogFormat, "MYSQL_BINLOG_FORMAT", "the log has statements where rows are needed", "binlog_format", ""),
    cause(Id::MysqlBinlogRowImage, "MYSQL_BINLOG_ROW_IMAGE", "the log has parts of rows only", "binlog_row_image", ""),
    cause(Id::MysqlBinlogRowMetadata, "MYSQL_BINLOG_ROW_METADATA", "the log has no names of columns", "binlog_row_metadata", ""),
    cause(Id::MysqlBinlogRowValueOptions, "MYSQL_PARTIAL_JSON", "the log has parts of JSON values only", "binlog_row_value_options", ""),
    cause(Id::MysqlBinlogExpiry, "MYSQL_BINLOG_EXPIRY", "the log goes within a day", "binlog_expire_logs_seconds", ""),
    cause(Id::MysqlBinlogRetention, "MYSQL_RETENTION_UNSET", "RDS removes the log as soon as it can", "'binlog retention hours' is NULL", ""),
    cause(Id::MysqlBinlogRetention, "MYSQL_RETENTION_SHORT", "RDS keeps the log for less than 24 hours, or than the 72 advised", "'binlog retention hours'", ""),
    cause(Id::MysqlBinlogRetention, "MYSQL_RETENTION_UNREADABLE", "how long RDS keeps the log is not known",
        "mysql.rds_configuration may not be read (1142) or is not there, which ClickPipes lets pass; another error it does not", "CALL mysql.rds_show_configuration; as the master user"),
    cause(Id::MysqlGtid, "MYSQL_GTID_OFF", "a pipe uses GTID by default, and the server does not write GTIDs", "gtid_mode, or a MariaDB before 10.0.2", ""),
    cause(Id::MysqlGtid, "MYSQL_FILE_POS", "FILE_POS exists only after ClickHouse support enabled it, and a failover breaks the pipe", "replication_mechanism of the target",
        "use GTID (--replication-mechanism gtid), or ask ClickHouse support to enable FILE_POS"),
    cause(Id::MysqlGtid, "MARIADB_FILE_POS", "for MariaDB, ClickPipes accepts only GTID", "replication_mechanism of the target",
        "use GTID (--replication-mechanism gtid)"),
    cause(Id::MysqlReplicaStatus, "MYSQL_NO_REPLICA_MONITOR", "the user may not ask whether the server is a replica, which ClickPipes' engine asks",
        "error 1227 to SHOW REPLICA STATUS; the guide's REPLICATION CLIENT does not allow it on MariaDB since 10.5.9",
        "MariaDB: GRANT REPLICA MONITOR ON *.* TO <user>; MySQL: GRANT REPLICATION CLIENT ON *.* TO <user>;"),
    cause(Id::MysqlReplicaUpdates, "MYSQL_REPLICA_UPDATES_OFF", "a replica that does not log what it replicates has no changes to stream", "log_replica_updates or log_slave_updates on a replica", ""),
    cause(Id::MysqlServerId, "MYSQL_NO_SERVER_ID", "a server without an id streams to nobody", "server_id", ""),
    cause(Id::MysqlBinlogStream, "MYSQL_NO_REPLICATION_SLAVE", "the user may not stream the binary log", "error 1045 or 1227 to COM_REGISTER_SLAVE or COM_BINLOG_DUMP", ""),
    cause(Id::MysqlBinlogStream, "MYSQL_BINLOG_STREAM_REFUSED", "the server would not stream the binary log", "another error than of rights; its words are in the report", ""),
    cause(Id::MariadbCompressedColumns, "MARIADB_COMPRESSED_COLUMNS", "the log has these columns compressed, which ClickPipes does not read", "information_schema.COLUMNS",
        "leave the tables out, or ALTER TABLE … MODIFY the columns without COMPRESSED"),
    cause(Id::MysqlMaxAllowedPacket, "MYSQL_MAX_ALLOWED_PACKET", "a longer row would end the stream", "max_allowed_packet", ""),
    cause(Id::MysqlBinaryLog, "MYSQL_UNANSWERED", "MySQL or MariaDB would not say", NO_ANSWER, ""),
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
        let files = ["credentials", "reach", "postgres", "postgres/publication", "mysql", "tables"];
        let operators = ["aws/database", "aws/permission", "aws/trust"];
        let mut said = BTreeSet::new();
        for file in files.into_iter().chain(operators) {
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
