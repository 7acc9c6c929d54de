"""AssumeRole with a session tag, then an RDS token, both by AWS's own library. Prints the token."""

import sys

import botocore.session

role, region, host, port, user = sys.argv[1:]
caller = botocore.session.Session()
answer = caller.create_client("sts", region_name=region).assume_role(
    RoleArn=role, RoleSessionName="oracle", Tags=[{"Key": "external_id", "Value": "lab"}]
)
keys = answer["Credentials"]
session = botocore.session.Session()
session.set_credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
print(session.create_client("rds", region_name=region).generate_db_auth_token(host, int(port), user))
