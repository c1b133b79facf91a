"""A client for image registries, enough to put a layer on an image that is there.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md, and for tokens
https://distribution.github.io/distribution/spec/auth/token/
"""

import base64
import hashlib
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin

import httpx

from sentiment.errors import StackError

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEXES = ("application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json")
SECONDS = 60
CHUNK = 2**20
Credentials = tuple[str, str] | None
# https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html
ECR = re.compile(r"^\d{12}\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?$")


class ImageName(NamedTuple):
    """`registry/repository:tag` or `registry/repository@digest`, split."""

    registry: str
    repository: str
    reference: str

    @classmethod
    def parse(cls, name: str) -> "ImageName":
        """Raises StackError unless the name begins with a registry, as `host.example/` or `host:5000/`."""
        registry, _, rest = name.partition("/")
        if not rest or not ("." in registry or ":" in registry or registry == "localhost"):
            raise StackError(f"The image {name!r} names no registry.", "Write it as REGISTRY/PATH:TAG.")
        repository, at, digest = rest.partition("@")
        if at:
            return cls(registry, repository, digest)
        repository, _, tag = rest.partition(":")
        return cls(registry, repository, tag or "latest")


class Registry:
    """The registry at `endpoint`, an http(s) URL."""

    def __init__(self, endpoint: str, credentials: Credentials) -> None:
        self.endpoint = endpoint
        self._client = httpx.Client(
            base_url=endpoint,
            auth=_TokenAuth(credentials) if credentials else _TokenAuth(None),
            timeout=SECONDS,
            follow_redirects=True,
        )

    def manifest(self, repository: str, reference: str, architecture: str = "amd64") -> dict[str, Any]:
        """The image's manifest; of an image for several machines that for Linux on `architecture`."""
        accept = ", ".join((DOCKER_MANIFEST, OCI_MANIFEST, *INDEXES))
        path = f"/v2/{repository}/manifests/{reference}"
        manifest: dict[str, Any] = self._ask("GET", path, headers={"Accept": accept}).json()
        for each in manifest.get("manifests", ()):
            platform = each.get("platform", {})
            if (platform.get("os"), platform.get("architecture")) == ("linux", architecture):
                return self.manifest(repository, each["digest"])
        if "layers" not in manifest:
            raise StackError(
                f"{self.endpoint} has no Linux {architecture} image {repository}:{reference}.",
                "Build it for that platform.",
            )
        return manifest

    def put_manifest(self, repository: str, tag: str, content: bytes, media_type: str) -> str:
        """Upload a manifest under `tag`; returns its digest."""
        headers = {"Content-Type": media_type}
        self._ask("PUT", f"/v2/{repository}/manifests/{tag}", content=content, headers=headers)
        return digest_of(content)

    def blob(self, repository: str, digest: str) -> bytes:
        """A blob's content; for small ones."""
        return self._ask("GET", f"/v2/{repository}/blobs/{digest}").content

    def has_blob(self, repository: str, digest: str) -> bool:
        """Whether the repository has the blob."""
        with self._errors():
            return self._client.head(f"/v2/{repository}/blobs/{digest}").status_code == 200

    def mount_blob(self, repository: str, digest: str, source: str) -> None:
        """Make a blob of the repository `source` one of `repository`, without moving it.

        Raises StackError when the registry does not do so.
        """
        if self.has_blob(repository, digest):
            return
        response = self._ask("POST", f"/v2/{repository}/blobs/uploads/?mount={digest}&from={source}")
        if response.status_code != 201:
            raise StackError(
                f"{self.endpoint} does not share layers between {source} and {repository}.",
                "Give the model deployer a base_image of the same repository.",
            )

    def put_blob(self, repository: str, digest: str, content: bytes | Path) -> None:
        """Upload a blob unless it is there."""
        if self.has_blob(repository, digest):
            return
        started = self._ask("POST", f"/v2/{repository}/blobs/uploads/")
        place = urljoin(str(started.url), started.headers["Location"])
        # Some registries answer with the name that nodes use.
        place = str(httpx.URL(place).copy_with(**_origin(self.endpoint)))
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        self._ask(
            "PUT",
            f"{place}{'&' if '?' in place else '?'}digest={digest}",
            content=content if isinstance(content, bytes) else _chunks(content),
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(size)},
        )

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        with self._errors():
            response = self._client.request(method, path, **options)
            response.raise_for_status()
            return response

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPStatusError as error:
            status, path = error.response.status_code, error.request.url.path
            if status in (401, 403):
                raise StackError(
                    f"The registry {self.endpoint} refuses these credentials ({status} for {path}).",
                    "Give the stack's container registry an account that may push, or renew its token.",
                ) from None
            raise StackError(
                f"The registry {self.endpoint} answered {status} for {error.request.method} {path}.",
                "Check that the image exists there, and the registry's disk and log.",
            ) from None
        except httpx.HTTPError as error:
            raise StackError(
                f"The registry {self.endpoint} does not answer ({error}).",
                "Start it, or correct its address: base_image, or registry_endpoint of the model deployer.",
            ) from None


def ecr_credentials(registry: str) -> Credentials:
    """A token for one of Amazon's registries, by this machine's own login to AWS or the role of its pod.

    None for any other registry. Raises StackError when AWS gives none.
    """
    host = ECR.match(registry)
    if host is None:
        return None
    import boto3
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = boto3.client("ecr", region_name=host["region"]).get_authorization_token()
    except (BotoCoreError, ClientError) as error:
        raise StackError(
            f"AWS gives no token for the registry {registry}: {error}.",
            "Log in (aws sso login), or give the step's role ecr:GetAuthorizationToken.",
        ) from None
    token = base64.b64decode(answer["authorizationData"][0]["authorizationToken"]).decode()
    user, _, password = token.partition(":")
    return user, password


def digest_of(content: bytes) -> str:
    """The name of a blob with this content."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class _TokenAuth(httpx.Auth):
    """Basic or bearer, whichever the registry asks for."""

    CHALLENGE = re.compile(r'(\w+)="([^"]*)"')

    def __init__(self, credentials: Credentials) -> None:
        self._basic = httpx.BasicAuth(*credentials) if credentials else None
        self._token: str | None = None

    requires_response_body = True

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._token:
            request.headers["Authorization"] = self._token
        response = yield request
        scheme, _, rest = response.headers.get("WWW-Authenticate", "").partition(" ")
        if response.status_code != 401 or not scheme:
            return
        if scheme.lower() == "bearer":
            wanted = dict(self.CHALLENGE.findall(rest))
            asked = httpx.Request("GET", wanted.pop("realm"), params=wanted)
            answer = yield self._authorized(asked)
            if answer.status_code != 200:
                return
            told = answer.json()
            self._token = f"Bearer {told.get('token') or told['access_token']}"
            request.headers["Authorization"] = self._token
            yield request
        elif self._basic:
            yield self._authorized(request)

    def _authorized(self, request: httpx.Request) -> httpx.Request:
        return next(self._basic.auth_flow(request)) if self._basic else request


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def _origin(endpoint: str) -> dict[str, Any]:
    url = httpx.URL(endpoint)
    return {"scheme": url.scheme, "host": url.host, "port": url.port}
