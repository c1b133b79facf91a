"""deploy/compose: the servers of a team have no default password, listen on this machine only, and are pinned."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from sentiment.home import PROJECT

FOLDER = PROJECT / "deploy" / "compose"
TEXT = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
SERVICES = yaml.safe_load(TEXT)["services"]
# One backslash-free pattern for ${NAME}, ${NAME:-default} and ${NAME:?message}.
REFERENCE = re.compile(r"\$\{(\w+)(:[-?][^}]*)?\}")


def secret_names() -> set[str]:
    return {name for name, _ in REFERENCE.findall(TEXT) if re.search("PASSWORD|KEY", name)}


def test_a_secret_without_a_value_stops_the_start() -> None:
    assert len(secret_names()) == 9
    for name, rest in REFERENCE.findall(TEXT):
        if name in secret_names():
            assert rest.startswith(":?"), name


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_pinned_and_listens_on_this_machine_only(name: str) -> None:
    service = SERVICES[name]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    image = REFERENCE.sub(lambda found: (found[2] or "")[2:], service["image"])
    assert re.search(r":[\w.-]*\w$", image)
    assert not image.endswith(":latest")


def test_drawn_passwords_differ_and_stay(tmp_path: Path) -> None:
    script = tmp_path / "make-env.sh"
    script.write_bytes((FOLDER / "make-env.sh").read_bytes())
    drawn = []
    for _ in range(2):
        subprocess.run(["bash", str(script)], check=True, capture_output=True)
        drawn.append((tmp_path / ".env").read_text(encoding="utf-8"))
    assert drawn[0] == drawn[1]
    values = dict(line.split("=") for line in drawn[0].splitlines())
    assert values.keys() == secret_names()
    assert len(set(values.values())) == len(values)
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0
