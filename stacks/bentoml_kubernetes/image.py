"""A serving image: the base image, which has Python and the packages, plus one layer with the Bento.

The layer is put on through the registry's API. So it works in a step's pod as well as on a laptop: no Docker daemon, no
privileges, and no byte of the base image is moved.
"""

import gzip
import hashlib
import json
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sentiment.errors import StackError
from stacks.bentoml_kubernetes.registry import OCI_MANIFEST, Credentials, ImageName, Registry, digest_of

SERVER = Path(__file__).with_name("server.py")
ROOT = "srv"
PORT = 3000
USER = 10001
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def push_image(
    bento: Path, *, base_image: str, repository: str, endpoint: str | None, credentials: Credentials, drain_seconds: int
) -> str:
    """Push `base_image` with the Bento in the folder `bento` on it, as `repository`:<the Bento's version>.

    Returns the image by its digest. `endpoint` is the registry's API where it is not https:// and the image's registry
    (http:// on this machine). Raises StackError when the registry refuses or lacks the base image.
    """
    base, target = ImageName.parse(base_image), ImageName.parse(repository)
    if base.registry != target.registry:
        raise StackError(
            f"The base image is in {base.registry}, the repository in {target.registry}.",
            "Push the base image to the registry that takes the versions.",
        )
    registry = Registry(endpoint or _endpoint(target.registry), credentials)
    manifest = registry.manifest(base.repository, base.reference)
    with tempfile.TemporaryDirectory() as folder:
        layer = Path(folder) / "layer.tar.gz"
        uncompressed = _write_layer(bento, layer)
        digest = _file_digest(layer)
        for each in manifest["layers"]:
            registry.mount_blob(target.repository, each["digest"], base.repository)
        registry.put_blob(target.repository, digest, layer)
        size = layer.stat().st_size
    config = json.loads(registry.blob(base.repository, manifest["config"]["digest"]))
    changed = json.dumps(_configured(config, bento, uncompressed, drain_seconds)).encode()
    registry.put_blob(target.repository, digest_of(changed), changed)
    is_oci = manifest.get("mediaType", OCI_MANIFEST) == OCI_MANIFEST
    manifest["config"] |= {"digest": digest_of(changed), "size": len(changed)}
    manifest["layers"].append({"mediaType": OCI_LAYER if is_oci else DOCKER_LAYER, "digest": digest, "size": size})
    content = json.dumps(manifest).encode()
    pushed = registry.put_manifest(target.repository, bento.name, content, manifest.get("mediaType", OCI_MANIFEST))
    return f"{target.registry}/{target.repository}@{pushed}"


def _endpoint(registry: str) -> str:
    host = registry.partition(":")[0]
    return f"{'http' if host in ('localhost', '127.0.0.1') else 'https'}://{registry}"


def _configured(config: dict[str, Any], bento: Path, uncompressed: str, drain_seconds: int) -> dict[str, Any]:
    run: dict[str, Any] = {
        "Entrypoint": ["python3", "-P", f"/{ROOT}/server.py", f"/{ROOT}/bento", str(PORT), str(drain_seconds)],
        "Cmd": None,
        "User": str(USER),
        "WorkingDir": f"/{ROOT}",
        "ExposedPorts": {f"{PORT}/tcp": {}},
    }
    before, rootfs = config.get("config") or {}, config["rootfs"]
    labels = {**(before.get("Labels") or {}), "org.opencontainers.image.version": bento.name}
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return {
        **config,
        "created": now,
        "config": {**before, **run, "Labels": labels},
        "rootfs": {**rootfs, "diff_ids": [*rootfs["diff_ids"], uncompressed]},
        "history": [
            *(config.get("history") or ()),
            {"created": now, "created_by": f"Bento {bento.parent.name}:{bento.name}"},
        ],
    }


def _write_layer(bento: Path, into: Path) -> str:
    """Write the compressed layer; returns the digest of its tar. The same Bento gives the same bytes."""
    with tempfile.TemporaryFile() as plain:
        with tarfile.open(fileobj=plain, mode="w") as tar:
            tar.add(SERVER, f"{ROOT}/server.py", filter=_root_owned)
            for path in sorted(bento.rglob("*")):
                tar.add(path, f"{ROOT}/bento/{path.relative_to(bento)}", recursive=False, filter=_root_owned)
        plain.seek(0)
        digest = hashlib.file_digest(plain, "sha256").hexdigest()
        plain.seek(0)
        with into.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as compressed:
            while chunk := plain.read(2**20):
                compressed.write(chunk)
    return f"sha256:{digest}"


def _root_owned(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = 0
    info.mode = 0o755 if info.isdir() else 0o644
    return info


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
