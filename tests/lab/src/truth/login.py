"""A token for `clickpipes_iam_user`, by AWS's own library, and runs of `pipeprobe check`."""

import subprocess
import time
from pathlib import Path

import botocore.session

from judge import Names, Verdict

USER = "clickpipes_iam_user"
# A token is valid for 15 minutes.
LIFE = 600


class Login:
    def __init__(self, request):
        self.host, self.port = request["host"], request["port"]
        self.trust_root = request["trust_root"]
        self.role, self.region = request["iam_role"], request["region"]
        self.made = 0
        self.text = ""

    def token(self):
        if time.monotonic() - self.made > LIFE or not self.text:
            session = botocore.session.Session()
            sts = session.create_client("sts", region_name=self.region)
            answer = sts.assume_role(
                RoleArn=self.role, RoleSessionName="truth", Tags=[{"Key": "lab", "Value": "truth"}]
            )["Credentials"]
            session.set_credentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
            signer = session.create_client("rds", region_name=self.region)
            self.text = signer.generate_db_auth_token(self.host, self.port, USER)
            self.made = time.monotonic()
        return self.text


def without_database(config, target):
    """A pipe for MySQL or MariaDB names schemas with its tables, and no database."""
    path = Path(config)
    lines = path.read_text().splitlines(keepends=True)
    copy = path.with_name(f"pipeprobe-truth-{target}.toml")
    copy.write_text("".join(line for line in lines if not line.startswith("database ")))
    return str(copy)


class Pipeprobe:
    def __init__(self, request):
        self.program, self.config, self.target = request["pipeprobe"], request["config"], request["server"]
        if request["engine"] != "postgres":
            self.config = without_database(self.config, self.target)

    def check(self, pipe):
        command = [self.program, "check", "--config-file", self.config, self.target]
        command += ["--basis", "server", "-o", "json"]
        for schema, table in pipe.tables:
            command += ["--table", f"{schema}.{table}"]
        if pipe.mode:
            command += ["--replication-mode", pipe.mode]
        if pipe.publication:
            command += ["--publication", pipe.publication]
        if pipe.mechanism:
            command += ["--replication-mechanism", pipe.mechanism]
        run = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if not run.stdout:
            raise RuntimeError(f"pipeprobe printed no report: {run.stderr.strip()}")
        return Verdict.of(run.stdout, Names)
