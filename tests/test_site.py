"""The site of the documentation: no warning, no dead link, nothing loaded from elsewhere."""

import ast
import collections
import functools
import html.parser
import http.server
import pathlib
import re
import subprocess
import sys
import threading
import urllib.parse

import pytest
from browser import browser  # noqa: F401 - a fixture
from markdown_it import MarkdownIt

from tools import site_pages

ROOT = pathlib.Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
# What a browser fetches by itself, by tag and attribute; an <a> waits for the reader.
FETCHED = {("link", "href"), *((tag, "src") for tag in ("iframe", "img", "script", "source"))}
# What Markdown is made of. The site's parser is stricter than those of repositories about the
# lines before and within lists and tables.
PARTS = ("blockquote", "h1", "h2", "h3", "img", "li", "ol", "pre", "sup", "table", "td", "th", "ul")


class Page(html.parser.HTMLParser):
    """What tests ask of a page."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.fetched, self.untitled = set(), [], [], []
        self.parts, self.text, self._article, self._code = collections.Counter(), "", False, 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self._article |= tag == "article"
        self._code += tag == "code"
        if self._article:
            self.parts[tag] += 1
        if "id" in values:
            self.ids.add(values["id"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        self.fetched += [values[name] for kind, name in FETCHED if kind == tag and name in values]
        if tag == "img" and not values.get("alt"):
            self.untitled.append(values["src"])

    def handle_endtag(self, tag):
        self._article &= tag != "article"
        self._code -= tag == "code"

    def handle_data(self, data):
        if self._article and not self._code:
            self.text += data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return folder


@pytest.fixture(scope="module")
def site(folder):
    return {path: Page(path.read_text()) for path in sorted(folder.rglob("*.html"))}


def target_of(path, folder, link):
    """The file that a link within the site leads to."""
    target = urllib.parse.unquote(urllib.parse.urlsplit(link).path)
    if target.startswith("/"):  # on the page for what is not found, which may be shown anywhere
        path, target = folder / "404.html", target[1:]
    found = (path.parent / target).resolve() if target else path
    return found / "index.html" if found.is_dir() else found


@pytest.mark.slow
def test_links_within_the_site_lead_somewhere(site, folder):
    for path, page in site.items():
        for link in filter(is_inner, [*page.links, *page.fetched]):
            target, fragment = target_of(path, folder, link), urllib.parse.urlsplit(link).fragment
            assert target.is_file(), (path.name, link)
            known = {*site[target].ids, "__search"} if fragment else {fragment}
            assert urllib.parse.unquote(fragment) in known, (path.name, link)


def is_inner(link):
    url = urllib.parse.urlsplit(link)
    return not (url.scheme or url.netloc)


@pytest.mark.slow
def test_nothing_is_loaded_from_elsewhere(site, folder):
    for path, page in site.items():
        assert all(is_inner(link) or link.startswith("data:") for link in page.fetched), path.name
        assert not page.untitled, path.name
    for style in folder.rglob("*.css"):
        assert not re.search(r"(url\(|@import)['\" ]*(https?:)?//", style.read_text()), style


@pytest.mark.slow
def test_pages_look_as_in_the_repository(site, folder):
    """As many lists, tables and other parts as CommonMark has, and no marks of Markdown left."""
    commonmark = MarkdownIt("commonmark", {"html": True}).enable("table")
    files = {ROOT / name: page for name, page in site_pages.BESIDE.items()}
    for file, name in (files | {page: page.with_suffix(".md").name for page in PAGES}).items():
        page = site[(folder / name).with_suffix(".html")]
        expected = Page(f"<article>{commonmark.render(file.read_text())}</article>").parts
        assert expected["h1"], file
        for part in PARTS:
            assert page.parts[part] == expected[part], (file.name, part)
        assert not re.search(r"\*\*(?!\d)|\]\(|`|<\w+>|^\|", page.text, re.MULTILINE), file.name


@pytest.mark.slow
def test_the_reference_has_all_public_names(site, folder):
    for face in site_pages.faces():
        page = site[folder / "api" / f"{face.rpartition('.')[2]}.html"]
        for name in names_of(face):
            assert f"{face}.{name}" in page.ids or name == "__version__", f"{face}.{name}"


def names_of(face):
    """The public names, without an import."""
    file = ROOT.joinpath(*face.split("."), "__init__.py")
    stub = file.with_suffix(".pyi")
    text = (stub if stub.exists() else file).read_text()
    return ast.literal_eval(re.search(r"^__all__ = (\[.*?\])", text, re.M | re.S)[1])


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def address(folder):
    handler = functools.partial(Quiet, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_in_a_browser(browser, address, scheme):  # noqa: F811 - the fixture
    """On a phone and on a desk: nothing is wider than the window, and the search finds."""
    context = browser.new_context(color_scheme=scheme)
    page, said, requests = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    for width in (400, 1400):
        page.set_viewport_size({"width": width, "height": 900})
        for name in ("index", "commands", "results_models", "design_space", "api/cost"):
            page.goto(f"{address}{name}.html")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    page.fill("input[name=query]", "makespan")
    page.wait_for_selector(".md-search-result__article")
    context.close()
    assert said == []
    assert all(url.startswith((address, "blob:", "data:")) for url in requests)


def test_links_to_other_sites_are_well_formed():
    """They are not followed: tests need no network."""
    files = [ROOT / "README.md", *(ROOT / name for name in site_pages.BESIDE), *PAGES]
    for file in files:
        for link in re.findall(r"\]\((\w+:[^)]*)\)", file.read_text()):
            url = urllib.parse.urlsplit(link)
            assert url.scheme == "https", (file.name, link)
            assert re.fullmatch(r"([a-z0-9-]+\.)+[a-z]{2,}", url.netloc), (file.name, link)
            assert not re.search(r"\s", link), (file.name, link)
