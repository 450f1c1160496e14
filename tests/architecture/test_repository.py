"""The files of the repository agree with one another and with no machine in particular."""

import ast
import importlib.util
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CODE = sorted(path for folder in ("pipeline", "assets", "resources") for path in (ROOT / folder).rglob("*.py"))
MAX_LINES = 400
# Folders of one machine, written so that this file does not contain them itself.
MACHINE_PATHS = re.compile("|".join(rf"(?<![\w.])/{name}/[\w.-]" for name in ("work", "home", "root", "Users", "tmp")))


def repository_files() -> list[Path]:
    """What git tracks or would: everything that is not ignored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout, so nobody knows which files belong to it")
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_the_workspace_loads_the_composition_root() -> None:
    workspace = yaml.safe_load((ROOT / "workspace.yaml").read_text(encoding="utf-8"))
    assert workspace == {"load_from": [{"python_module": "pipeline.definitions"}]}
    assert importlib.util.find_spec("pipeline.definitions") is not None


def test_the_project_file_does_not_override_the_workspace() -> None:
    assert {"dagster", "dg"}.isdisjoint(PROJECT["tool"])


def test_every_package_of_ours_is_installed_with_its_files() -> None:
    assert set(PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]) == {"pipeline*", "assets*", "resources*"}
    folders = {path.parent for path in CODE if "migrations" not in path.parts}  # Alembic reads those as files
    assert [str(folder.relative_to(ROOT)) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_short_and_opens_by_saying_what_belongs_in_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_LINES
    assert ast.get_docstring(ast.parse(text))


def test_no_module_is_called_utils_or_helpers() -> None:
    assert [path for path in CODE if re.search(r"util|helper|common|misc", path.stem)] == []


def test_no_file_names_a_place_on_one_machine() -> None:
    found = []
    for path in repository_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        lines = text.splitlines()
        found += [f"{path.relative_to(ROOT)}:{n}: {line.strip()}" for n, line in enumerate(lines, 1) if _is_local(line)]
    assert found == []


def _is_local(line: str) -> bool:
    return MACHINE_PATHS.search(line) is not None


@pytest.mark.parametrize("line", ["cd /" + "work/main", "'/" + "tmp/x'", "see /" + "home/me/data"])
def test_a_place_on_one_machine_would_be_found(line: str) -> None:
    assert _is_local(line)


def test_every_dependency_is_pinned_to_one_release_by_name_alone() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    assert [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.!+-]+", line)] == []
    pinned = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    assert len(pinned) == len(lines)
    project = PROJECT["project"]
    extras = [text for texts in project["optional-dependencies"].values() for text in texts]
    wanted = [Requirement(text) for text in (*project["dependencies"], *extras)]
    assert [str(each) for each in wanted if pinned.get(canonicalize_name(each.name), "") not in each.specifier] == []


def test_the_packages_of_dagster_are_of_one_release() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    pinned = dict(line.split("==") for line in lines)
    core = pinned["dagster"]
    assert {pinned[name] for name in ("dagster-webserver", "dagster-graphql", "dagster-pipes", "dagster-shared")} == {
        core
    }
    major, minor, patch = core.split(".")
    assert pinned["dagster-postgres"] == f"0.{int(minor) + 16}.{patch}"
    assert major == "1"


def test_every_documented_page_exists_and_every_link_between_pages_leads_somewhere() -> None:
    for page in sorted((ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([\w-]+\.md)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.name} links to {target}"


def test_the_settings_have_a_page() -> None:
    assert (ROOT / "docs" / "settings.md").is_file()


def test_test_modules_have_names_of_their_own() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted({name for name in names if names.count(name) > 1}) == []
