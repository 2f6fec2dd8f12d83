"""How Sphinx makes the site out of the Markdown in this folder and the docstrings: ``make docs``.

Sphinx, because Airflow's own documentation is made with it, the docstrings are written for it, it is maintained (MkDocs
is not), and it tells every link and reference that leads nowhere. The pages stay plain Markdown, to be read in the
repository as well.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "airflow_provider_blux"

project = "airflow-provider-blux"
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
extensions = ["myst_parser", "autoapi.extension", "sphinx_copybutton"]

myst_heading_anchors = 3
nitpicky = True
nitpick_ignore_regex = [
    # What others document: looking it up would need the network.
    ("py:.*", r"(airflow|collections|datetime|pathlib|pytest|typing)\..*"),
    ("py:exc", r"AirflowFailException|ModuleNotFoundError|OSError|ValueError"),
    ("py:class", r"T|Unpack|_.*"),
    # Each names for mypy what the constructors' parameters, which the page has, name for the reader.
    ("py:class", r"airflow_provider_blux\.operators\.arguments\.\w+Arguments"),
]

# The docstrings are read from the sources: building the site needs no Airflow.
autoapi_dirs = [str(PACKAGE)]
autoapi_generate_api_docs = False
autoapi_member_order = "bysource"
suppress_warnings = ["autoapi.python_import_resolution"]  # two names that a module's __getattr__ gives
add_module_names = False
python_maximum_signature_line_length = 88

# Nothing is fetched, neither by the build nor by a reader's browser: the site works offline.
html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = html_show_copyright = False
html_copy_source = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"

# Files at the root of the repository that are pages of the site.
PAGES = {
    "README.md": "index.md",
    "README.ko.md": "korean.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
_LOCAL_LINK = re.compile(r"\]\((?![a-z]+:|#)([^)]+)\)")


def _link_from_the_root(link: re.Match[str]) -> str:
    place = link[1]
    return f"]({PAGES.get(place) or (place.removeprefix('docs/') if place.startswith('docs/') else f'../{place}')})"


def _link_from_a_page(link: re.Match[str]) -> str:
    climb = "../" * link[1].count("../")
    return f"]({climb.removesuffix('../')}{PAGES[name]})" if (name := link[1].removeprefix(climb)) in PAGES else link[0]


def _included(app: Sphinx, path: Path, page: str, content: list[str]) -> None:
    """Let the links of a file at the root lead to the same places from the page that includes it."""
    del app, page
    if path.name in PAGES:
        content[0] = _LOCAL_LINK.sub(_link_from_the_root, content[0])


def _read(app: Sphinx, page: str, content: list[str]) -> None:
    """Let links to such a file, which work in the repository, lead to its page."""
    del app, page
    content[0] = _LOCAL_LINK.sub(_link_from_a_page, content[0])


def setup(app: Sphinx) -> None:
    """Register what is done to the sources."""
    app.connect("include-read", _included)
    app.connect("source-read", _read)
