"""A stand-in for the Hugging Face hub on loopback: repositories in memory, and the calls that huggingface_hub makes
to create one, commit to it (LFS included), list it and fetch its files. It keeps every request, to see what was
asked and that nothing was sent."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_thisIsTheSecretOfTheTests"  # the one that may write
LARGE = (".safetensors", ".png")  # kept in the store (LFS)
COMMIT_LINES = ("file", "lfsFile", "deletedFile")
Files = dict[str, bytes]


@dataclass
class Repository:
    """Commits by their hash, oldest first, the branches that name them, and sizes that it lies about."""

    private: bool = False
    commits: dict[str, Files] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    sdk: str | None = None

    def commit(self, files: Files, branch: str = "main") -> str:
        """Adds a commit and returns its hash."""
        sha = hashlib.sha1(f"{len(self.commits)}{sorted(files)}".encode()).hexdigest()
        self.commits[sha] = dict(files)
        self.branches[branch] = sha
        return sha

    def head(self, branch: str = "main") -> Files:
        """The files of a branch."""
        return self.commits[self.branches[branch]]


@dataclass
class Hub:
    """The state of the server. `fail` is a status that every request gets; `fail_at` only those whose path holds
    that text."""

    url: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)  # "models/ada/faces" or "spaces/…"
    stored: Files = field(default_factory=dict)  # LFS, by SHA-256
    requests: list[tuple[str, str]] = field(default_factory=list)
    leaks: list[str] = field(
        default_factory=list
    )  # requests with a token to the store, which is another host's
    fail: int = 0
    fail_at: str = ""
    fail_code: str = ""  # the hub's name for that error

    def add(self, name: str, files: Files, kind: str = "models", private: bool = False) -> Repository:
        """A repository that somebody else made."""
        made = self.repositories[f"{kind}/{name}"] = Repository(private)
        made.commit(files)
        return made

    @property
    def sent(self) -> list[str]:
        """Paths of the requests that could change something."""
        return [path for method, path in self.requests if method not in ("GET", "HEAD")]


class Answer(Exception):
    """Ends a request with a status and headers."""

    def __init__(self, status: int, body: Any = None, **headers: str) -> None:
        self.status, self.headers = status, {name.replace("_", "-"): text for name, text in headers.items()}
        self.body = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()


def missing(code: str, status: int = 404) -> Answer:
    return Answer(status, {"error": code}, X_Error_Code=code, X_Error_Message=code)


class Handler(BaseHTTPRequestHandler):
    """One request; `hub` is set by `serving`."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""

    def answer(self) -> None:
        path = urlsplit(self.path).path
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.hub.requests.append((self.command, path))
        try:
            if self.hub.fail and self.hub.fail_at in path:
                raise missing(self.hub.fail_code or "told to fail", self.hub.fail)
            raise self.route([unquote(part) for part in path.strip("/").split("/")])
        except Answer as answer:
            self.send_response(answer.status)
            for name, text in answer.headers.items():
                self.send_header(name, text)
            if "Content-Length" not in answer.headers:
                self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

    do_GET = do_HEAD = do_POST = do_PUT = answer

    def signed(self) -> bool:
        sign = self.headers.get("Authorization")
        if sign not in (None, f"Bearer {TOKEN}"):
            raise Answer(401, X_Error_Message="Invalid credentials in Authorization header")
        return sign is not None

    def route(self, parts: list[str]) -> Answer:
        if parts[0] == "store":
            self.hub.leaks += [self.path] * ("Authorization" in self.headers)
            return self.store(parts[1])
        if parts[:3] == ["api", "repos", "create"]:
            return self.create()
        if parts[:2] == ["api", "validate-yaml"]:
            return Answer(200, {"warnings": [], "errors": []})
        if parts[0] == "api":
            return self.about(parts[1], "/".join(parts[2:4]), parts[4:])
        kind = "spaces" if parts[0] == "spaces" else "models"
        parts = parts[1:] if kind == "spaces" else parts
        if parts[2:] == ["info", "lfs", "objects", "batch"]:
            return self.batch()
        return self.file(self.repository(kind, "/".join(parts[:2])), parts[3], "/".join(parts[4:]))

    def repository(self, kind: str, name: str) -> Repository:
        found = self.hub.repositories.get(f"{kind}/{name}")
        if found is None or (found.private and not self.signed()):
            raise missing("RepoNotFound", 404 if self.signed() else 401)
        return found

    def create(self) -> Answer:
        asked = json.loads(self.body)
        if not self.signed():
            return Answer(401, X_Error_Message="Invalid username or password.")
        name, kind = f"{asked['organization']}/{asked['name']}", f"{asked.get('type') or 'model'}s"
        if asked["organization"] != "ada":
            return Answer(403, {"error": "no rights"}, X_Error_Message="You have no rights to create this")
        private = asked.get("private") or asked.get("visibility") == "private"
        made = self.hub.add(name, {".gitattributes": b"*.safetensors filter=lfs\n"}, kind, bool(private))
        made.sdk = asked.get("sdk")
        return Answer(200, {"url": f"{self.hub.url}/{name}"})

    def about(self, kind: str, name: str, rest: list[str]) -> Answer:
        found = self.repository(kind, name)
        if not rest or rest[0] == "revision":
            sha = self.resolve(found, rest[1] if rest else "main")
            siblings = []
            for file, content in found.commits[sha].items():
                siblings.append(
                    {"rfilename": file, "size": found.sizes.get(file, len(content)), "blobId": sha}
                )
            facts = {"id": name, "sha": sha, "private": found.private, "siblings": siblings}
            return Answer(200, facts)
        if not self.signed():
            return Answer(401)
        if rest[0] == "preupload":
            files = []
            for file in json.loads(self.body)["files"]:
                mode = "lfs" if file["path"].endswith(LARGE) else "regular"
                files.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False})
            return Answer(200, {"files": files})
        if rest[0] == "branch":
            found.branches[rest[1]] = found.branches["main"]
            return Answer(200)
        return self.commit(found, rest[1], f"{self.hub.url}/{name}")

    def commit(self, found: Repository, branch: str, page: str) -> Answer:
        lines = [json.loads(line) for line in self.body.splitlines()]
        files = dict(found.head(branch))
        parent = lines[0]["value"].get("parentCommit")
        if parent not in (None, found.branches[branch]):
            return Answer(412, {"error": "A commit has happened since"})
        for line in lines[1:]:
            assert line["key"] in COMMIT_LINES
            value = line["value"]
            if line["key"] == "deletedFile":
                del files[value["path"]]
            elif line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            else:
                files[value["path"]] = self.hub.stored[value["oid"]]
        sha = found.commit(files, branch)
        return Answer(200, {"commitUrl": f"{page}/commit/{sha}", "commitOid": sha, "pullRequestUrl": None})

    def batch(self) -> Answer:
        if not self.signed():
            return Answer(401)
        objects = []
        for item in json.loads(self.body)["objects"]:
            upload = {"href": self.stored_at(item["oid"])}
            objects.append({**item, "actions": {"upload": upload}})
        return Answer(200, {"transfer": "basic", "objects": objects})

    def stored_at(self, oid: str) -> str:
        """As the hub's large files, on another host than the hub itself."""
        return f"{self.hub.url}/store/{oid}".replace("127.0.0.1", "localhost")

    def store(self, oid: str) -> Answer:
        if self.command == "PUT":
            assert hashlib.sha256(self.body).hexdigest() == oid
            self.hub.stored[oid] = self.body
            return Answer(200)
        return Answer(200, self.hub.stored[oid])

    def resolve(self, found: Repository, revision: str) -> str:
        if revision in found.branches:
            return found.branches[revision]
        if revision in found.commits:
            return revision
        raise missing("RevisionNotFound")

    def file(self, found: Repository, revision: str, name: str) -> Answer:
        sha = self.resolve(found, revision)
        if name not in found.commits[sha]:
            return missing("EntryNotFound")
        content = found.commits[sha][name]
        etag = hashlib.sha256(content).hexdigest()
        if not name.endswith(LARGE):
            return Answer(200, content, ETag=f'"{etag}"', X_Repo_Commit=sha)
        self.hub.stored[etag] = content
        linked = {"X_Linked_Etag": f'"{etag}"', "X_Linked_Size": str(len(content))}
        return Answer(302, Location=self.stored_at(etag), X_Repo_Commit=sha, **linked)


@contextmanager
def serving() -> Iterator[Hub]:
    """The running stand-in."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
