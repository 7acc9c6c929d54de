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
        self.move(request["place"])
        self.trust_root = request["trust_root"]
        self.role, self.region = request["iam_role"], request["region"]

    def move(self, place):
        """Another endpoint needs another token."""
        self.host, self.port = place["host"], place["port"]
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
        self.program, self.folder = request["pipeprobe"], Path(request["folder"])
        self.has_database = request["engine"] == "postgres"
        self.move(request["place"])

    def move(self, place):
        self.name, self.target = place["name"], place["target"]

    def file(self, pipe):
        """The target as a file: a flag cannot have the name of a table with a comma. A pipe for MySQL or MariaDB names
        schemas with its tables, and no database."""
        lines = [line for line in self.target.strip().splitlines() if self.has_database or not line.startswith("database ")]
        if pipe.type:
            lines = [line for line in lines if not line.startswith("type ")] + [f"type = {string(pipe.type)}"]
        if pipe.tables:
            lines.append(f"tables = {array(string('.'.join(table)) for table in pipe.tables)}")
        if pipe.excluded:
            lines.append(f"excluded_columns = {array(string('.'.join(column)) for column in pipe.excluded)}")
        if pipe.sorting:
            lines.append(f"sorting_keys = {array(string('.'.join(column)) for column in pipe.sorting)}")
        file = self.folder / f"truth-{self.name}.toml"
        file.write_text("\n".join(lines) + "\n")
        return str(file)

    def check(self, pipe):
        command = [self.program, "check", "--config-file", self.file(pipe), self.name]
        command += ["--basis", "server", "-o", "json"]
        options = {
            "--replication-mode": pipe.mode,
            "--replication-slot-name": pipe.slot,
            "--publication": pipe.publication,
            "--replication-mechanism": pipe.mechanism,
        }
        for name, value in options.items():
            command += [name, value] if value else []
        run = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if not run.stdout:
            raise RuntimeError(f"pipeprobe printed no report: {run.stderr.strip()}")
        return Verdict.of(run.stdout, Names)
