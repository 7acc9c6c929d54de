"""A token for `clickpipes_iam_user`, by AWS's own library, and runs of `pipeprobe check`."""

import subprocess
import time
from pathlib import Path

import botocore.session

from judge import Names, Verdict
from world import array, string

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


class Pipeprobe:
    def __init__(self, request):
        self.program, self.config, self.target = request["pipeprobe"], request["config"], request["server"]
        self.has_database = request["engine"] == "postgres"

    def with_tables(self, pipe):
        """The lab's file with the tables of the pipe: a flag cannot have a name with a comma. A pipe for MySQL or MariaDB names
        schemas with its tables, and no database."""
        path, section, lines = Path(self.config), "", []
        for line in path.read_text().splitlines():
            if line.startswith("["):
                section = line.strip("[]").split(".")[-1].strip('"')
                lines.append(line)
                if section == self.target and pipe.tables:
                    lines.append(f"tables = {array(string('.'.join(table)) for table in pipe.tables)}")
            elif self.has_database or section != self.target or not line.startswith("database "):
                lines.append(line)
        copy = path.with_name(f"pipeprobe-truth-{self.target}.toml")
        copy.write_text("\n".join(lines) + "\n")
        return str(copy)

    def check(self, pipe):
        command = [self.program, "check", "--config-file", self.with_tables(pipe), self.target]
        command += ["--basis", "server", "-o", "json"]
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
