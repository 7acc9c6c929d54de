//! AWS implementations by others: moto behind the real AWS CLI, and ministack. What `setup` prints is run on them, and
//! what this program reads from AWS is read from them.

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use lab::{Ministack, Moto};
use serde_json::{Value, json};

use crate::support::{skipped, text};

const ACCOUNT: &str = "123456789012";
const SERVICE_ROLE: &str = "arn:aws:iam::999988887777:role/CH-S3-service-role";
const USER: &str = "pipe reader";
/// Of ClickPipes, in the list that the runs get.
const ADDRESSES: [&str; 2] = ["192.0.2.7", "198.51.100.9"];

/// A moto, unless it cannot be obtained here.
fn moto(what: &str) -> Option<Moto> {
    match lab::Tool::Moto.find() {
        Ok(_) => Some(Moto::start().unwrap()),
        Err(why) => {
            skipped(format!("{what} on moto: {why}"));
            None
        }
    }
}

/// A run of the program, with these settings and no others.
fn pipeprobe(args: &[&str], environment: &[(String, String)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pipeprobe"));
    command.args(args).env_clear().envs(environment.iter().cloned()).stdin(Stdio::null());
    command.output().unwrap()
}

fn stdout(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A database in moto: a parameter group of RDS, no IAM, no backups, and a closed security group.
struct Database<'a> {
    moto: &'a Moto,
    kind: &'static str,
    identifier: String,
    group: String,
    list: tempfile::NamedTempFile,
}

impl<'a> Database<'a> {
    fn new(moto: &'a Moto, kind: &'static str, suffix: &str) -> Self {
        let identifier = format!("{kind}-{suffix}");
        let group = moto
            .aws(&["ec2", "create-security-group", "--group-name", &identifier, "--description", "db"])
            .unwrap();
        let group = text(&group["GroupId"]).to_owned();
        let list = tempfile::NamedTempFile::new().unwrap();
        let live = json!({ "aws": [{ "region": "us-east-1", "egress_ips": ["203.0.113.1"], "clickpipes_egress_ips": ADDRESSES }] });
        fs::write(list.path(), live.to_string()).unwrap();
        let database = Self { moto, kind, identifier, group, list };
        database.create();
        database
    }

    fn is_aurora(&self) -> bool {
        self.kind.starts_with("aurora")
    }

    fn port(&self) -> &'static str {
        if self.kind.ends_with("postgres") { "5432" } else { "3306" }
    }

    fn create(&self) {
        let engine = match self.kind {
            "rdspostgres" => "postgres",
            "rdsmysql" => "mysql",
            "rdsmariadb" => "mariadb",
            "aurorapostgres" => "aurora-postgresql",
            _ => "aurora-mysql",
        };
        let login = ["--master-username", "main", "--master-user-password", "not-a-secret"];
        let (id, port) = (self.identifier.as_str(), self.port());
        let common = ["--engine", engine, "--vpc-security-group-ids", &self.group, "--port", port];
        let class = ["--db-instance-class", "db.r6g.large", "--engine", engine];
        if !self.is_aurora() {
            let one = ["--db-instance-identifier", id, "--db-instance-class", "db.r6g.large"];
            let more =
                ["--allocated-storage", "20", "--backup-retention-period", "0", "--publicly-accessible"];
            // moto has no version of MariaDB by default.
            let version = ["--engine-version", "10.11.8"];
            let version = if engine == "mariadb" { &version[..] } else { &[] };
            let create = ["rds", "create-db-instance"];
            self.aws(&[&create[..], &common, &login, &one, &more, version].concat());
            return;
        }
        // RDS has the default group of each family; moto has those of instances only.
        let family = if engine == "aurora-mysql" { "aurora-mysql8.0" } else { "aurora-postgresql17" };
        let group = format!("default.{family}");
        let named = ["--db-cluster-parameter-group-name", &group];
        let made = ["--db-parameter-group-family", family, "--description", "default"];
        self.aws(&[&["rds", "create-db-cluster-parameter-group"], &named[..], &made].concat());
        let create = ["rds", "create-db-cluster", "--db-cluster-identifier", id];
        self.aws(&[&create[..], &common, &login, &named].concat());
        let member = format!("{id}-1");
        let of =
            ["--db-instance-identifier", &member, "--db-cluster-identifier", id, "--publicly-accessible"];
        self.aws(&[&["rds", "create-db-instance"], &class[..], &of].concat());
    }

    fn aws(&self, args: &[&str]) -> Value {
        self.moto.aws(args).unwrap()
    }

    /// The record of what has the parameter group and the switch of IAM.
    fn record(&self) -> Value {
        let id = &self.identifier;
        match self.is_aurora() {
            true => self.aws(&["rds", "describe-db-clusters", "--db-cluster-identifier", id])["DBClusters"]
                [0]
            .clone(),
            false => {
                self.aws(&["rds", "describe-db-instances", "--db-instance-identifier", id])["DBInstances"][0]
                    .clone()
            }
        }
    }

    fn host(&self) -> String {
        let endpoint = &self.record()["Endpoint"];
        if self.is_aurora() { text(endpoint) } else { text(&endpoint["Address"]) }.to_owned()
    }

    fn resource_id(&self) -> String {
        let field = if self.is_aurora() { "DbClusterResourceId" } else { "DbiResourceId" };
        text(&self.record()[field]).to_owned()
    }

    fn role(&self) -> String {
        format!("{}-access", self.identifier)
    }

    fn role_arn(&self) -> String {
        format!("arn:aws:iam::{ACCOUNT}:role/pipes/{}", self.role())
    }

    /// What every command gets.
    fn args<'b>(&'b self, host: &'b str, role: &'b str) -> Vec<&'b str> {
        let list = self.list.path().to_str().unwrap();
        let database = ["--type", self.kind, "--host", host, "--iam-role", role, "--user", USER];
        let network = ["--service-region", "us-east-1", "--static-ips", list];
        let name = ["--database", "shop"];
        [&database[..], &network, if self.kind.ends_with("postgres") { &name[..] } else { &[] }].concat()
    }

    /// Runs the `aws.sh` that `setup` writes, and reads what exists then.
    fn set_up(&self, mode: &str) -> Value {
        let folder = tempfile::tempdir().unwrap();
        let (host, role) = (self.host(), self.role_arn());
        let path = folder.path().join("setup");
        let write = ["--replication-mode", mode, "--write", path.to_str().unwrap()];
        // The other pipe of MySQL uses GTIDs.
        let mechanism = ["--replication-mechanism", "file_pos"];
        let mechanism = if self.kind == "rdsmysql" { &mechanism[..] } else { &[] };
        let database = [&self.args(&host, &role)[..], mechanism].concat();
        let args = [&["setup", "--service-role", SERVICE_ROLE], &database[..], &write].concat();
        stdout(pipeprobe(&args, &[]));
        let ran = self.bash(&[path.join("aws.sh").to_str().unwrap()], &path);
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{} {mode}: {said}", self.identifier);
        self.state()
    }

    fn bash(&self, args: &[&str], folder: &Path) -> Output {
        let mut bash = Command::new("bash");
        bash.args(args).current_dir(folder).env_clear().envs(self.moto.environment());
        bash.env("REBOOT", "yes").env("SECURITY_GROUP", &self.group).stdin(Stdio::null()).output().unwrap()
    }

    fn state(&self) -> Value {
        let mut record = self.record();
        // It is the time of the call.
        record.as_object_mut().unwrap().remove("LatestRestorableTime");
        let (group, list, name) = match self.is_aurora() {
            true => (
                &record["DBClusterParameterGroup"],
                "describe-db-cluster-parameters",
                "--db-cluster-parameter-group-name",
            ),
            false => (
                &record["DBParameterGroups"][0]["DBParameterGroupName"],
                "describe-db-parameters",
                "--db-parameter-group-name",
            ),
        };
        let parameters = self.aws(&["rds", list, name, text(group)]);
        let role = self.role();
        let policies = self.aws(&["iam", "list-role-policies", "--role-name", &role])["PolicyNames"].clone();
        let policies = policies.as_array().unwrap().iter().map(|policy| {
            let of = ["iam", "get-role-policy", "--role-name", &role, "--policy-name", text(policy)];
            self.aws(&of)["PolicyDocument"].clone()
        });
        json!({
            "record": record,
            "parameters": parameters["Parameters"],
            "role": self.aws(&["iam", "get-role", "--role-name", &role])["Role"],
            "policies": policies.collect::<Vec<_>>(),
            "rules": self.aws(&["ec2", "describe-security-groups", "--group-ids", &self.group])["SecurityGroups"][0]["IpPermissions"],
        })
    }

    /// What every setup must have created, whatever the pipe does.
    fn assert_open_for_clickpipes(&self, state: &Value) {
        let name = &self.identifier;
        assert_eq!(
            state["record"]["IAMDatabaseAuthenticationEnabled"], true,
            "{name}: {:#}",
            state["record"]
        );
        let role = &state["role"];
        assert_eq!(text(&role["Arn"]), self.role_arn());
        let trust = &role["AssumeRolePolicyDocument"]["Statement"];
        let expected = json!([{ "Effect": "Allow", "Principal": { "AWS": SERVICE_ROLE },
            "Action": ["sts:AssumeRole", "sts:TagSession"] }]);
        assert_eq!(trust, &expected, "{name}");
        let resource = format!("arn:aws:rds-db:us-east-1:{ACCOUNT}:dbuser:{}/{USER}", self.resource_id());
        let expected = json!([{ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Action": ["rds-db:connect"], "Resource": [resource] }] }]);
        assert_eq!(state["policies"], expected, "{name}");
        let rules = state["rules"].as_array().unwrap();
        let port: u16 = self.port().parse().unwrap();
        let mut allowed = Vec::new();
        for rule in rules {
            assert_eq!(
                (&rule["IpProtocol"], &rule["FromPort"], &rule["ToPort"]),
                (&"tcp".into(), &port.into(), &port.into()),
                "{name}"
            );
            let ranges = rule["IpRanges"].as_array().unwrap();
            allowed.extend(ranges.iter().map(|range| text(&range["CidrIp"]).to_owned()));
        }
        allowed.sort();
        assert_eq!(allowed, ADDRESSES.map(|address| format!("{address}/32")), "{name}");
    }

    /// The value of a parameter that is set in the group.
    fn set(state: &Value, name: &str) -> Option<String> {
        let parameters = state["parameters"].as_array().unwrap();
        let found = parameters.iter().find(|parameter| parameter["ParameterName"] == name)?;
        Some(text(&found["ParameterValue"]).to_owned())
    }

    fn group_of(&self, state: &Value) -> String {
        let record = &state["record"];
        let group = match self.is_aurora() {
            true => &record["DBClusterParameterGroup"],
            false => &record["DBParameterGroups"][0]["DBParameterGroupName"],
        };
        text(group).to_owned()
    }
}

/// Initial Load Only and then CDC, each until a run changes nothing. The expected values are those of the ClickPipes
/// documentation, not those that `setup` prints.
fn set_up(moto: &Moto, kind: &'static str) {
    let database = Database::new(moto, kind, "db");
    #[cfg(feature = "aws-diagnostics")]
    diagnosed_before(&database);
    let first = database.set_up("snapshot");
    database.assert_open_for_clickpipes(&first);
    let group = database.group_of(&first);
    assert!(group.starts_with("default."), "{kind}: Initial Load Only needs no parameter: {group}");
    assert_eq!(database.set_up("snapshot"), first, "{kind}: the second run changes nothing");

    let mut cdc = database.set_up("cdc");
    if kind == "auroramysql" {
        // One step at a time, with a reboot after each.
        for step in ["OFF_PERMISSIVE", "ON_PERMISSIVE", "ON"] {
            assert_eq!(Database::set(&cdc, "gtid-mode").as_deref(), Some(step), "{kind}");
            if step != "ON" {
                cdc = database.set_up("cdc");
            }
        }
    }
    database.assert_open_for_clickpipes(&cdc);
    assert_eq!(database.group_of(&cdc), format!("clickpipes-{}", database.identifier));
    let expected: &[(&str, &str)] = match kind {
        "rdspostgres" | "aurorapostgres" => {
            &[("rds.logical_replication", "1"), ("rds.iam_auth_for_replication", "1")]
        }
        "rdsmariadb" | "rdsmysql" => {
            &[("binlog_format", "ROW"), ("binlog_row_image", "FULL"), ("binlog_row_metadata", "FULL")]
        }
        _ => &[
            ("binlog_format", "ROW"),
            ("binlog_row_image", "FULL"),
            ("binlog_row_metadata", "FULL"),
            ("enforce_gtid_consistency", "ON"),
            ("gtid-mode", "ON"),
        ],
    };
    for (name, value) in expected {
        assert_eq!(Database::set(&cdc, name).as_deref(), Some(*value), "{kind}: {name}");
    }
    if matches!(kind, "rdsmysql" | "rdsmariadb") {
        assert_eq!(cdc["record"]["BackupRetentionPeriod"], 1, "{kind}: the binary log needs backups");
    }
    assert_eq!(database.set_up("cdc"), cdc, "{kind}: the second run changes nothing");
    #[cfg(feature = "aws-diagnostics")]
    diagnosed_after(&database);
}

#[test]
fn the_script_of_setup_runs_with_the_aws_cli_for_postgres() {
    let Some(moto) = moto("aws.sh of setup") else { return };
    for kind in ["rdspostgres", "aurorapostgres"] {
        set_up(&moto, kind);
    }
}

#[test]
fn the_script_of_setup_runs_with_the_aws_cli_for_mysql_and_mariadb() {
    let Some(moto) = moto("aws.sh of setup") else { return };
    for kind in ["rdsmysql", "auroramysql", "rdsmariadb"] {
        set_up(&moto, kind);
    }
}

/// What AWS diagnostics read of a database that `setup` has set up. The database itself cannot be reached: its name exists
/// only in moto.
#[cfg(feature = "aws-diagnostics")]
fn diagnosed(database: &Database<'_>, host: &str, more: &[&str]) -> Vec<Value> {
    let endpoint = database.moto.endpoint();
    let mut environment = database.moto.environment();
    for service in ["STS", "RDS", "IAM", "EC2"] {
        environment.push((format!("AWS_ENDPOINT_URL_{service}"), endpoint.to_owned()));
    }
    let role = database.role_arn();
    let closed = ["--connect-to", "127.0.0.1:1", "--diagnose-profile", "operator", "-o", "json"];
    let credentials = database.moto.path().join("credentials");
    fs::write(&credentials, "[operator]\naws_access_key_id = AKIAOPERATOR\naws_secret_access_key = moto\n")
        .unwrap();
    environment.push(("AWS_SHARED_CREDENTIALS_FILE".to_owned(), credentials.display().to_string()));
    let args = [&["check"], &database.args(host, &role)[..], &closed, more].concat();
    let output = pipeprobe(&args, &environment);
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let report = &document["targets"][0];
    let step = report["checks"].as_array().unwrap().iter().find(|check| check["code"] == "STS_ACCESS_ROLE");
    assert_eq!(step.unwrap()["outcome"], "pass", "AssumeRole: {report:#}");
    let diagnostics = &report["aws_diagnostics"];
    let calls = diagnostics["calls"].as_array().unwrap_or_else(|| panic!("{report:#}"));
    let is_read = |call: &Value| call["error"].is_null() || text(&call["error"]).starts_with("NoSuchEntity");
    assert!(calls.iter().all(is_read), "{calls:#?}");
    diagnostics["findings"].as_array().unwrap().clone()
}

#[cfg(feature = "aws-diagnostics")]
#[track_caller]
fn finding<'f>(findings: &'f [Value], subject: &str) -> &'f Value {
    findings
        .iter()
        .find(|found| found["subject"] == subject)
        .unwrap_or_else(|| panic!("{subject}: {findings:#?}"))
}

#[cfg(feature = "aws-diagnostics")]
fn diagnosed_before(database: &Database<'_>) {
    let before = diagnosed(database, &database.host(), &[]);
    for (subject, cause) in [
        ("IAM authentication", "AUTH_IAM_OFF"),
        ("access role", "STS_NO_SUCH_ROLE"),
        ("route of ClickPipes", "ROUTE_ADDRESSES_BLOCKED"),
    ] {
        let found = finding(&before, subject);
        assert_eq!(
            (text(&found["outcome"]), text(&found["cause"])),
            ("fail", cause),
            "{}: {found:#}",
            database.kind
        );
    }
}

#[cfg(feature = "aws-diagnostics")]
fn diagnosed_after(database: &Database<'_>) {
    let after = diagnosed(database, &database.host(), &["--via-role", SERVICE_ROLE]);
    let subjects =
        ["database", "IAM authentication", "route of ClickPipes", "permission policies", "trust policy"];
    for subject in subjects {
        assert_eq!(finding(&after, subject)["outcome"], "pass", "{}: {after:#?}", database.kind);
    }
    assert!(text(&finding(&after, "database")["found"]).contains(&database.resource_id()), "{after:#?}");
}

/// One failover address is missing; the printed command adds it. Then the database is hidden, and reached by PrivateLink.
#[cfg(feature = "aws-diagnostics")]
#[test]
fn the_route_of_clickpipes_is_judged_by_the_records_of_ec2() {
    const ROUTE: &str = "route of ClickPipes";
    let Some(moto) = moto("the route of ClickPipes") else { return };
    let database = Database::new(&moto, "rdspostgres", "route");
    let host = database.host();
    let first = format!("{}/32", ADDRESSES[0]);
    let rule = ["--group-id", &database.group, "--protocol", "tcp", "--port", "5432", "--cidr", &first];
    database.aws(&[&["ec2", "authorize-security-group-ingress"], &rule[..]].concat());
    let findings = diagnosed(&database, &host, &[]);
    let blocked = finding(&findings, ROUTE);
    assert_eq!(blocked["cause"], "ROUTE_ADDRESSES_BLOCKED", "{blocked:#}");
    let found = text(&blocked["found"]);
    assert!(found.contains("1 of 2 addresses of us-east-1 are allowed, blocked: 198.51.100.9"), "{found}");
    let remedy = text(&blocked["remedy"]);
    let applied = database.bash(&["-c", remedy], Path::new("/"));
    assert!(applied.status.success(), "{remedy}: {}", String::from_utf8_lossy(&applied.stderr));
    let findings = diagnosed(&database, &host, &[]);
    assert_eq!(finding(&findings, ROUTE)["outcome"], "pass", "{findings:#?}");

    let hide = ["--db-instance-identifier", &database.identifier, "--no-publicly-accessible"];
    database.aws(&[&["rds", "modify-db-instance", "--apply-immediately"], &hide[..]].concat());
    let findings = diagnosed(&database, &host, &[]);
    let private = finding(&findings, ROUTE);
    assert_eq!(private["cause"], "ROUTE_NOT_PUBLIC", "{private:#}");
    assert!(text(&private["remedy"]).contains(&format!("`tls_host` to {host}")), "{private:#}");

    let link = "vpce-0a1b.rds.us-east-1.vpce.amazonaws.com";
    let findings = diagnosed(&database, link, &["--tls-host", &host]);
    let link = finding(&findings, ROUTE);
    assert_eq!(link["outcome"], "unknown", "{link:#}");
    assert!(text(&link["found"]).contains("with PrivateLink, the security groups"), "{link:#}");
}

/// AssumeRole with a session tag, alone and through the service role.
#[test]
fn a_token_is_signed_with_a_role_of_moto_and_of_ministack() {
    let run = |endpoint: &str| {
        for via in [&[][..], &["--via-role", SERVICE_ROLE]] {
            let mut environment = vec![("AWS_ENDPOINT_URL_STS".to_owned(), endpoint.to_owned())];
            for (name, value) in
                [("AWS_ACCESS_KEY_ID", "AKIALABMOTOEXAMPLE00"), ("AWS_SECRET_ACCESS_KEY", "moto")]
            {
                environment.push((name.to_owned(), value.to_owned()));
            }
            let host = "orders.abc123.us-east-1.rds.amazonaws.com";
            let role = format!("arn:aws:iam::{ACCOUNT}:role/clickpipes-rds-access");
            let target = ["token", "--type", "rdspostgres", "--host", host, "--iam-role", &role];
            let token = stdout(pipeprobe(&[&target, via].concat(), &environment));
            let start = format!("{host}:5432/?Action=connect&DBUser=clickpipes_iam_user&");
            assert!(
                token.starts_with(&start) && token.contains("X-Amz-Security-Token="),
                "{endpoint}: {token}"
            );
        }
    };
    if let Some(moto) = moto("AssumeRole") {
        run(moto.endpoint());
    }
    match lab::Tool::Ministack.find() {
        Ok(_) => run(Ministack::start().unwrap().endpoint()),
        Err(why) => skipped(format!("AssumeRole on ministack: {why}")),
    }
}
