//! What RDS and IAM have on record, and who may read it.

use super::*;
use crate::record::{DbCluster, DbInstance, DbProxy, ManagedPolicy};

const AUDITOR: &str = "arn:aws:iam::222222222222:user/auditor";

fn allow(actions: &[&str], resource: &str) -> serde_json::Value {
    json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Action": actions, "Resource": resource },
    ]})
}

/// An account with records, and a user who may do this.
fn aws(policies: Vec<serde_json::Value>) -> Aws {
    let instance = |n: usize| {
        let host = format!("db{n}.example.us-east-1.rds.amazonaws.com");
        DbInstance {
            account: "222222222222".into(),
            ..DbInstance::new(&format!("db{n}"), &format!("db-{n}"), &host, 5432)
        }
    };
    let mut world = world();
    world.users.push(User {
        arn: AUDITOR.into(),
        access_key_id: "AKIAAUDITOR".into(),
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
        identity_policies: policies,
    });
    world.instances = (1..=25).map(instance).collect();
    world.instances.push(DbInstance { region: "eu-west-1".into(), ..instance(100) });
    world.instances.push(DbInstance { account: "111111111111".into(), ..instance(101) });
    world.clusters.push(DbCluster {
        identifier: "orders".into(),
        resource_id: "cluster-A".into(),
        engine: "aurora-postgresql".into(),
        endpoint: "orders.cluster-example.us-east-1.rds.amazonaws.com".into(),
        reader_endpoint: "orders.cluster-ro-example.us-east-1.rds.amazonaws.com".into(),
        custom_endpoints: vec!["some.cluster-custom-example.us-east-1.rds.amazonaws.com".into()],
        port: 5432,
        region: "us-east-1".into(),
        account: "222222222222".into(),
        iam: false,
        iam_pending: Some(true),
        members: vec![("db1".into(), "in-sync".into()), ("db2".into(), "pending-reboot".into())],
    });
    world.proxies.push(DbProxy {
        name: "pool".into(),
        resource_id: "prx-1".into(),
        endpoint: "pool.proxy-example.us-east-1.rds.amazonaws.com".into(),
        region: "us-east-1".into(),
        account: "222222222222".into(),
        iam_auth: "REQUIRED".into(),
        default_auth_scheme: "NONE".into(),
    });
    let managed = |name: &str| ManagedPolicy {
        arn: format!("arn:aws:iam::222222222222:policy/{name}"),
        document: allow(&["rds-db:connect"], "*"),
    };
    world.managed_policies = ["a", "b", "c"].map(managed).into();
    world.roles[1].attached_policies = ["a", "b", "c"].map(|n| managed(n).arn).into();
    Aws::start(world).expect("the lab's AWS")
}

fn ask(aws: &Aws, service: &str, form: &[(&str, &str)]) -> Answer {
    let endpoint = aws.endpoint();
    Sts { service, ..Sts::at(&endpoint) }.call(&keys("AKIAAUDITOR"), form)
}

#[test]
fn lists_are_paged_and_of_the_callers_account_and_region() {
    let aws = aws(vec![allow(&["rds:Describe*"], "*")]);
    let (mut seen, mut marker, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let mut form = vec![("Action", "DescribeDBInstances"), ("MaxRecords", "20")];
        form.extend(marker.as_deref().map(|marker| ("Marker", marker)));
        let page = ask(&aws, "rds", &form);
        assert_eq!(page.status, 200, "{page:?}");
        let names = page.body.split("<DBInstanceIdentifier>").skip(1);
        seen.extend(names.map(|rest| rest.split('<').next().unwrap_or_default().to_owned()));
        pages += 1;
        marker = page.field("Marker");
        if marker.is_none() {
            break;
        }
    }
    assert_eq!((pages, seen.len()), (2, 25));
    assert!(!seen.contains(&"db100".to_owned()) && !seen.contains(&"db101".to_owned()), "{seen:?}");
    for (name, value, code) in
        [("MaxRecords", "5", "InvalidParameterValue"), ("Marker", "made-up", "ValidationError")]
    {
        let answer = ask(&aws, "rds", &[("Action", "DescribeDBInstances"), (name, value)]);
        assert_eq!((answer.status, answer.code().as_str()), (400, code));
    }
    let one = ask(&aws, "rds", &[("Action", "DescribeDBClusters"), ("DBClusterIdentifier", "orders")]);
    assert_eq!(one.field("DbClusterResourceId").as_deref(), Some("cluster-A"));
    assert!(one.body.contains("http://rds.amazonaws.com/doc/2014-10-31/"));
    let none = ask(&aws, "rds", &[("Action", "DescribeDBClusters"), ("DBClusterIdentifier", "other")]);
    assert_eq!((none.status, none.code().as_str()), (404, "DBClusterNotFoundFault"));
    let other = ask(&aws, "rds", &[("Action", "DeleteDBInstance")]);
    assert_eq!((other.status, other.code().as_str()), (400, "InvalidAction"));
}

#[test]
fn what_is_not_allowed_is_denied_by_name_before_it_is_looked_for() {
    let aws = aws(vec![allow(&["iam:GetRole"], ACCESS)]);
    let denied = ask(&aws, "rds", &[("Action", "DescribeDBProxies")]);
    assert_eq!((denied.status, denied.code().as_str()), (403, "AccessDenied"));
    assert_eq!(
        denied.message(),
        "User: arn:aws:iam::222222222222:user/auditor is not authorized to perform: rds:DescribeDBProxies on resource: \
         arn:aws:rds:us-east-1:222222222222:db-proxy:* because no identity-based policy allows the rds:DescribeDBProxies \
         action"
    );
    // Not even that there is no such role.
    let nobody = ask(&aws, "iam", &[("Action", "GetRole"), ("RoleName", "nobody")]);
    assert_eq!(nobody.code(), "AccessDenied");
    let allowed = ask(&aws, "iam", &[("Action", "GetRole"), ("RoleName", "access")]);
    assert_eq!(allowed.field("Arn").as_deref(), Some(ACCESS));
    let aws = self::aws(vec![allow(&["iam:*"], "*")]);
    let nobody = ask(&aws, "iam", &[("Action", "GetRole"), ("RoleName", "nobody")]);
    assert_eq!((nobody.status, nobody.code().as_str()), (404, "NoSuchEntity"));
    assert_eq!(nobody.message(), "The role with name nobody cannot be found.");
    // The role of another account is nobody here.
    let foreign = ask(&aws, "iam", &[("Action", "GetRole"), ("RoleName", "clickhouse")]);
    assert_eq!(foreign.code(), "NoSuchEntity");
    let missing = ask(&aws, "iam", &[("Action", "GetRole")]);
    assert_eq!(missing.code(), "ValidationError");
}

#[test]
fn a_signature_is_for_one_service() {
    let aws = aws(vec![allow(&["*"], "*")]);
    let endpoint = aws.endpoint();
    let sts = Sts { service: "rds", ..Sts::at(&endpoint) };
    // Scoped to RDS, and meant for IAM.
    let request = sts.request(&keys("AKIAAUDITOR"), &[("Action", "DescribeDBInstances")]);
    let request = request.replace("2014-10-31", "2010-05-08");
    let text = send(&endpoint, &request);
    assert!(text.contains("Credential should be scoped to correct service: 'iam'."), "{text}");
}

#[test]
fn policies_come_page_by_page_and_encoded() {
    let aws = aws(vec![allow(&["iam:*"], "*")]);
    let role = ("RoleName", "access");
    let first = ask(&aws, "iam", &[("Action", "ListAttachedRolePolicies"), role]);
    assert_eq!(first.field("IsTruncated").as_deref(), Some("true"));
    let marker = first.field("Marker").expect("a marker");
    let second = ask(&aws, "iam", &[("Action", "ListAttachedRolePolicies"), role, ("Marker", &marker)]);
    assert_eq!(second.field("PolicyArn").as_deref(), Some("arn:aws:iam::222222222222:policy/c"));
    assert_eq!(second.field("IsTruncated").as_deref(), Some("false"));
    let inline = ask(&aws, "iam", &[("Action", "GetRolePolicy"), role, ("PolicyName", "policy-1")]);
    let document = inline.field("PolicyDocument").expect("a document");
    assert!(document.starts_with("%7B%22") && !document.contains(['{', '"', ' ', '+']), "{document}");
    let none = ask(&aws, "iam", &[("Action", "GetRolePolicy"), role, ("PolicyName", "policy-2")]);
    assert_eq!(none.code(), "NoSuchEntity");
    let arn = ("PolicyArn", "arn:aws:iam::222222222222:policy/a");
    let version = ask(&aws, "iam", &[("Action", "GetPolicyVersion"), arn, ("VersionId", "v9")]);
    assert_eq!(version.code(), "NoSuchEntity");
}

#[test]
fn what_is_on_record_is_what_the_database_and_sts_go_by() {
    let aws = aws(vec![]);
    let path = socket("records");
    let verifier =
        aws.verify_on(&path, Database { resource_id: "db-1".into(), ..database() }).expect("a verifier");
    let endpoint = aws.endpoint();
    let sts = Sts::at(&endpoint);
    let house = assume(&sts, &keys("AKIAPLATFORM"), HOUSE, &[]).keys();
    let access = assume(&sts, &house, ACCESS, &TAG).keys();
    let log_in = || {
        let token = presign("clickpipes_iam_user", Timestamp::now()).token(&access);
        crate::client::ask(&path, "clickpipes_iam_user", "", &token).status
    };
    // db-1 is in no inline policy: the managed ones let it in.
    assert_eq!(log_in(), 200);
    aws.change(|world| {
        world.roles[1].permissions_boundary = Some("arn:aws:iam::222222222222:policy/a".into());
    });
    assert_eq!(log_in(), 200, "within the boundary");
    aws.change(|world| world.managed_policies[0].document = allow(&["s3:*"], "*"));
    assert_eq!(log_in(), 403, "outside it");
    aws.change(|world| {
        world.roles[1].permissions_boundary = None;
        world.instances[0].iam = false;
    });
    assert_eq!(log_in(), 403);
    assert_eq!(verifier.decisions().last().and_then(|d| d.refusal.clone()), Some(Refusal::IamOff));
    // An instance of a cluster goes by the cluster's switch and the cluster's id.
    aws.change(|world| world.instances[0].cluster = Some("orders".into()));
    assert_eq!(log_in(), 200, "the cluster's id is another");
    verifier.set_database(Database { resource_id: "cluster-A".into(), ..database() });
    assert_eq!(log_in(), 403);
}

#[test]
#[should_panic(expected = "no such policy")]
fn a_role_has_no_policy_that_is_not_there() {
    let aws = aws(vec![]);
    aws.change(|world| world.managed_policies.clear());
}
