"""The image of a version: one layer on a base that stays where it is, pushed through the registry's API."""

import gzip
import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from sentiment.errors import StackError
from sentiment.home import PROJECT
from serving.bento import requirements
from stacks.bentoml_kubernetes.image import push_image
from stacks.bentoml_kubernetes.registry import DOCKER_MANIFEST, ImageName, digest_of

BASE_LAYER = gzip.compress(b"the base image's files")
BASE_CONFIG = {
    "architecture": "amd64",
    "os": "linux",
    "config": {"Env": ["PATH=/usr/bin"], "Labels": {"kept": "yes"}},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:1"]},
}
ACCOUNT = ("robot", "password-of-the-test")


class FakeRegistry(ThreadingHTTPServer):
    """Blobs and manifests in memory; asks for a bearer token when `token` is set."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        config = json.dumps(BASE_CONFIG).encode()
        self.blobs = {("base", digest_of(each)): each for each in (config, BASE_LAYER)}
        manifest = {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST,
            "config": {"digest": digest_of(config), "size": len(config)},
            "layers": [{"digest": digest_of(BASE_LAYER), "size": len(BASE_LAYER)}],
        }
        self.manifests = {("base", "1"): json.dumps(manifest).encode()}
        self.uploaded: list[str] = []
        self.token: str | None = None
        self.fails_with: int | None = None

    @property
    def name(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: FakeRegistry

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""

    def do_GET(self) -> None:
        path = urlsplit(self.path)
        if path.path == "/token":
            basic = self.headers.get("Authorization", "")
            self.answer(200 if basic.startswith("Basic ") else 401, json.dumps({"token": self.server.token}).encode())
        elif self.allowed():
            repository, kind, reference = self.parts(path.path)
            held = self.server.manifests if kind == "manifests" else self.server.blobs
            found = held.get((repository, reference))
            self.answer(404 if found is None else 200, found or b"")

    do_HEAD = do_GET

    def do_POST(self) -> None:
        if not self.allowed():
            return
        repository, query = self.parts(self.path)[0], parse_qs(urlsplit(self.path).query)
        if "mount" in query:
            (digest,), (source,) = query["mount"], query["from"]
            self.server.blobs[(repository, digest)] = self.server.blobs[(source, digest)]
            self.answer(201)
        else:
            self.answer(202, headers={"Location": f"/v2/{repository}/blobs/uploads/here?state=1"})

    def do_PUT(self) -> None:
        if not self.allowed():
            return
        content = self.rfile.read(int(self.headers["Content-Length"]))
        repository, kind, reference = self.parts(urlsplit(self.path).path)
        if kind == "manifests":
            self.server.manifests[(repository, reference)] = content
        else:
            (digest,) = parse_qs(urlsplit(self.path).query)["digest"]
            assert digest == digest_of(content)
            self.server.blobs[(repository, digest)] = content
            self.server.uploaded.append(digest)
        self.answer(201)

    def allowed(self) -> bool:
        if self.server.fails_with:
            self.answer(self.server.fails_with)
            return False
        if self.server.token and self.headers.get("Authorization") != f"Bearer {self.server.token}":
            realm = f"http://{self.server.name}/token"
            self.answer(401, headers={"WWW-Authenticate": f'Bearer realm="{realm}",service="s",scope="push"'})
            return False
        return True

    def parts(self, path: str) -> tuple[str, str, str]:
        found = re.fullmatch(r"/v2/(.+?)/(manifests|blobs)/([^?]*).*", path)
        assert found, path
        return found[1], found[2], found[3]

    def answer(self, status: int, content: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def bento(tmp_path: Path) -> Path:
    folder = tmp_path / "sentiment" / "v3-1"
    (folder / "src/model").mkdir(parents=True)
    (folder / "bento.yaml").write_text("name: sentiment")
    (folder / "src/model/weights.safetensors").write_bytes(b"\0" * 1000)
    return folder


def push(registry: FakeRegistry, bento: Path, credentials: tuple[str, str] | None = None, base: str = "base:1") -> str:
    return push_image(
        bento,
        base_image=f"{registry.name}/{base}",
        repository=f"{registry.name}/team/endpoint",
        endpoint=None,
        credentials=credentials,
        drain_seconds=30,
    )


def test_the_image_is_the_base_and_one_layer_with_the_bento(registry: FakeRegistry, bento: Path) -> None:
    image = push(registry, bento)
    manifest = registry.manifests[("team/endpoint", "v3-1")]
    assert image == f"{registry.name}/team/endpoint@{digest_of(manifest)}"
    layers = json.loads(manifest)["layers"]
    assert layers[0]["digest"] == digest_of(BASE_LAYER)
    assert len(layers) == 2
    layer = registry.blobs[("team/endpoint", layers[1]["digest"])]
    assert layers[1]["size"] == len(layer)
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        assert tar.getmember("srv/bento/src/model/weights.safetensors").size == 1000
        assert "srv/server.py" in tar.getnames()
        assert {(each.uid, each.mtime) for each in tar} == {(0, 0)}
    config = json.loads(registry.blobs[("team/endpoint", json.loads(manifest)["config"]["digest"])])
    assert config["rootfs"]["diff_ids"] == ["sha256:1", f"sha256:{hashlib.sha256(gzip.decompress(layer)).hexdigest()}"]
    assert config["config"]["User"] == "10001"
    assert config["config"]["Entrypoint"][0] == "python3"
    assert config["config"]["Env"] == BASE_CONFIG["config"]["Env"]
    assert config["config"]["Labels"] == {"kept": "yes", "org.opencontainers.image.version": "v3-1"}


def test_nothing_of_the_base_is_uploaded_and_nothing_twice(registry: FakeRegistry, bento: Path) -> None:
    push(registry, bento)
    first = list(registry.uploaded)
    assert digest_of(BASE_LAYER) not in first
    assert len(first) == 2, "the layer and the config"
    push(registry, bento)
    again = registry.uploaded[len(first) :]
    assert first[0] not in again, "the same Bento gives the same layer"


def test_it_gets_a_token_with_its_account(registry: FakeRegistry, bento: Path) -> None:
    registry.token = "token-of-the-test"
    assert push(registry, bento, ACCOUNT).startswith(registry.name)


@pytest.mark.parametrize("credentials", [None, ACCOUNT])
def test_a_registry_that_refuses_ends_in_one_sentence(
    registry: FakeRegistry, bento: Path, credentials: tuple[str, str] | None
) -> None:
    if credentials:
        registry.fails_with = 403
    else:
        registry.token = "token-of-the-test"
    with pytest.raises(StackError, match="refuses these credentials") as caught:
        push(registry, bento, credentials)
    assert "renew its token" in caught.value.fix
    assert ACCOUNT[1] not in str(caught.value)


def test_a_full_registry_and_a_missing_base_image_are_told(registry: FakeRegistry, bento: Path) -> None:
    with pytest.raises(StackError, match="404"):
        push(registry, bento, base="base:2")
    registry.fails_with = 507
    with pytest.raises(StackError, match="507"):
        push(registry, bento)


def test_a_registry_that_is_gone_is_told(registry: FakeRegistry, bento: Path) -> None:
    registry.shutdown()
    registry.server_close()
    with pytest.raises(StackError, match="does not answer"):
        push(registry, bento)


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("registry.example/a/b:1", ("registry.example", "a/b", "1")),
        ("localhost:5000/a", ("localhost:5000", "a", "latest")),
        ("localhost/a@sha256:12", ("localhost", "a", "sha256:12")),
    ],
)
def test_names_of_images(name: str, parsed: tuple[str, str, str]) -> None:
    assert ImageName.parse(name) == parsed


@pytest.mark.parametrize("name", ["sentiment:1", "team/sentiment:1"])
def test_a_name_without_a_registry_is_refused(name: str) -> None:
    with pytest.raises(StackError, match="names no registry"):
        ImageName.parse(name)


def test_the_serving_base_has_what_a_small_bento_asks_for() -> None:
    lines = (PROJECT / "deploy/docker/serving.txt").read_text(encoding="utf-8").splitlines()
    there = {line.partition("[")[0] for line in lines if not line.startswith("#")}
    asked = {each.partition("==")[0] for each in requirements(["linear", "onnx"])}
    assert asked - there == {"psycopg-binary"}, "which comes with psycopg[binary]"
