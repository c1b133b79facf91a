"""A copy of deploy/terraform with a state of its own, and a stand-in for AWS (moto) that nobody else uses."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3

from sentiment.home import PROJECT
from tests.ports import free_port
from tests.stacks.servers import CREDENTIALS

SOURCE = PROJECT / "deploy" / "terraform"
REGION = CREDENTIALS["AWS_DEFAULT_REGION"]
SECONDS_TO_START = 60
SECONDS = 300
Result = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Cloud:
    """moto, in a process of its own: its state is one for all servers of a process."""

    url: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which AWS's libraries, and so Terraform's provider, find it."""
        return {
            **CREDENTIALS,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def client(self, service: str, credentials: Mapping[str, str] | None = None) -> Any:
        """A client of the stand-in; `credentials` are those that sts:AssumeRole answers."""
        known = credentials or {
            "AccessKeyId": CREDENTIALS["AWS_ACCESS_KEY_ID"],
            "SecretAccessKey": CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        }
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=known["AccessKeyId"],
            aws_secret_access_key=known["SecretAccessKey"],
            aws_session_token=known.get("SessionToken"),
        )

    @contextmanager
    def policies_enforced(self) -> Iterator[None]:
        """Only what the policies of the caller allow is done; before and afterwards everybody may do everything."""
        self._free_requests(0)
        try:
            yield
        finally:
            self._free_requests(1_000_000)

    def _free_requests(self, count: int) -> None:
        body = str(count).encode()
        urlopen(Request(f"{self.url}/moto-api/reset-auth", body, {"Content-Type": "text/plain"})).close()  # noqa: S310 - http


@contextmanager
def cloud(folder: Path) -> Iterator[Cloud]:
    """Start the stand-in on a free port of 127.0.0.1, and end it."""
    port = free_port()
    stand_in = Cloud(f"http://127.0.0.1:{port}")
    command = [sys.executable, "-m", "moto.server", "--host", "127.0.0.1", "--port", str(port)]
    # AWS's own policies are attached to the roles of the cluster and its nodes.
    environment = {**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true"}
    with (folder / "moto.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        _wait(process, stand_in.url, folder / "moto.log")
        yield stand_in
    finally:
        process.kill()
        process.wait(30)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text(encoding="utf-8")
        try:
            urlopen(f"{url}/moto-api/", timeout=2).close()  # noqa: S310 - http
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise TimeoutError(log.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Workspace:
    """Terraform in a copy of the configuration, or of one folder of it; `variables` are given to every command."""

    folder: Path
    environment: Mapping[str, str]
    variables: Mapping[str, str]

    def __call__(self, *arguments: str, **variables: str) -> Result:
        """Run it; what went wrong is for the caller to tell."""
        return subprocess.run(
            self.command(*arguments, **variables),
            cwd=self.folder,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def command(self, *arguments: str, **variables: str) -> list[str]:
        """The command line."""
        takes_variables = arguments[0] in {"plan", "apply", "destroy"}
        values = {**self.variables, **variables} if takes_variables else {}
        return ["terraform", *arguments, *(f"-var={name}={value}" for name, value in values.items())]

    def run(self, *arguments: str, **variables: str) -> str:
        """Run it; returns what it printed."""
        result = self(*arguments, **variables)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def apply(self, *arguments: str, **variables: str) -> str:
        """Make what the configuration says."""
        return self.run("apply", "-auto-approve", "-input=false", "-no-color", *arguments, **variables)

    def destroy(self, *arguments: str, **variables: str) -> Result:
        """Delete everything, or what `arguments` name."""
        return self("destroy", "-auto-approve", "-input=false", "-no-color", *arguments, **variables)

    def outputs(self) -> dict[str, Any]:
        """The outputs by their names."""
        return {name: each["value"] for name, each in json.loads(self.run("output", "-json")).items()}

    def planned(self, **variables: str) -> dict[str, Any]:
        """The plan as `terraform show -json` has it."""
        self.run("plan", "-input=false", "-out=plan", **variables)
        plan: dict[str, Any] = json.loads(self.run("show", "-json", "plan"))
        return plan


def workspace(
    folder: Path, configuration: str, stand_in: Cloud, plugins: Path, variables: Mapping[str, str]
) -> Workspace:
    """Copy deploy/terraform, and initialise the configuration in this folder of it."""
    # What a person made in their checkout (.terraform, the state, values) stays there.
    ignored = shutil.ignore_patterns(".*", "*.tfstate*", "*.tfvars")
    shutil.copytree(SOURCE, folder / "terraform", ignore=ignored)
    plugins.mkdir(exist_ok=True)
    environment = {
        **stand_in.environment,
        "TF_IN_AUTOMATION": "1",
        # The provider has several hundred MB: it is fetched once for all copies.
        "TF_PLUGIN_CACHE_DIR": str(plugins),
        "TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE": "1",
    }
    made = Workspace(folder / "terraform" / configuration, environment, variables)
    made.run("init", "-input=false", "-backend=false", "-no-color")
    return made
