"""The pages agree with the code: links, commands, settings, tables, layers, and the strategy of the guide."""

import re
import shlex
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence

import click
import numpy as np
import pytest

from pipeline.cli import signals
from pipeline.domain.errors import ConfigurationError
from pipeline.indicators.compute import evaluate
from pipeline.settings import OTHER_VARIABLES, keys_of, load_settings
from pipeline.settings_errors import sections_of, variable_of
from pipeline.storage import tables
from pipeline.storage.views import VIEWS
from pipeline.strategies.definition import Strategy
from pipeline.strategies.registry import discover
from tests.support.lookahead import first_rewrite
from tests.support.market import random_walk
from tests.support.pages import FENCE, ROOT, blocks

PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
}
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
TEXTS = PAGES | {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in sorted([ROOT / ".env.example", *(path for path in (ROOT / "docs" / "grafana").iterdir())])
}
VARIABLE = re.compile(r"\bSIGNALS_[A-Z0-9_]*[A-Z0-9]")


def prose(page: str) -> str:
    """The page without its fenced blocks."""
    return FENCE.sub("", PAGES[page])


def anchors(text: str) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(page: str) -> Iterator[tuple[list[str], bool]]:
    """Every `signals ...` of a page as words, and whether it is given in full (in a block of shell commands).

    A word in capitals stands for any command, so that nothing can be said about it.
    """
    for block in blocks(page, "sh"):
        for match in re.finditer(r"(?:^|\$\()signals (?:\"[^\"]*\"|[^\"\n#)<>|])*", block, re.MULTILINE):
            yield shlex.split(match[0].removeprefix("$("))[1:], True
    for code in re.findall(r"`(signals [^`]+)`", prose(page)):
        if not re.match(r"signals [A-Z]+\b", code):
            yield shlex.split(code)[1:], False


def resolved(words: Sequence[str]) -> tuple[click.Command, list[str]]:
    """The command that the words name, and the words that are left."""
    command: click.Command = signals
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(click.Context(command), rest[0])
        assert found is not None, f"there is no command {rest[0]!r}"
        command, rest = found, rest[1:]
    return command, rest


def options(command: click.Command) -> set[str]:
    """All options of a command, ``--help`` included."""
    return {name for each in command.get_params(click.Context(command)) for name in each.opts} | {"-h", "--help"}


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_somewhere(page):
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.is_file(), f"{page} links to {target}, which is not there"
        if anchor:
            assert anchor in anchors(path.read_text(encoding="utf-8")), f"{page} links to {target}: no such heading"


@pytest.mark.parametrize("page", PAGES)
def test_every_command_on_a_page_exists_with_its_options(page):
    for words, is_complete in commands(page):
        command, rest = resolved(words)
        unknown = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)} - options(command)
        assert not unknown, f"{page}: signals {shlex.join(words)} has no option {unknown}"
        if is_complete and "--help" not in rest:
            command.make_context(shlex.join(words), rest)


def test_the_readme_names_every_command():
    named = {words[0] for words, _ in commands("README.md") if not words[0].startswith("-")}
    assert named == set(signals.list_commands(click.Context(signals)))


@pytest.mark.parametrize("words", [["lsit"], ["import", "candels"]])
def test_a_command_that_does_not_exist_is_noticed(words):
    with pytest.raises(AssertionError, match="there is no command"):
        resolved(words)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_make_target_on_a_page_exists(page):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = re.findall(r"^make (\w+)", "".join(blocks(page, "sh")), re.MULTILINE)
    assert named
    assert set(named) <= set(targets)


@pytest.mark.parametrize("example", blocks("README.md", "toml"))
def test_the_settings_that_the_readme_shows_are_accepted(example, tmp_path, monkeypatch):
    file = tmp_path / "signals.toml"
    file.write_text(example, encoding="utf-8")
    monkeypatch.setenv("SIGNALS_CONFIG", str(file))
    assert load_settings().market.source == tomllib.loads(example)["market"]["source"]


@pytest.mark.parametrize("page", [page for page, text in TEXTS.items() if VARIABLE.search(text)])
def test_every_variable_with_our_prefix_is_one_that_the_settings_know(page):
    keys = list(keys_of())
    known = OTHER_VARIABLES | {variable_of(key) for key in (*keys, *sections_of(keys))}
    named = {name for name in VARIABLE.findall(TEXTS[page]) if not name.startswith("SIGNALS_INDICATORS__")}
    assert named <= known, "every `signals` command would refuse them"


@pytest.mark.parametrize("name", ["GRAFANA_READER_PASSWORD", "READER_URL", "BOT_URL"])
def test_variables_of_other_programs_are_no_settings(name, monkeypatch):
    assert name in "".join(TEXTS.values())
    monkeypatch.setenv(name, "x")
    assert load_settings()
    monkeypatch.setenv(f"SIGNALS_{name}", "x")
    with pytest.raises(ConfigurationError, match=f"SIGNALS_{name} is not a setting"):
        load_settings()


def test_the_readme_leads_to_every_page():
    assert {page for page in PAGES if page != "README.md"} <= set(LINK.findall(PAGES["README.md"]))


@pytest.mark.parametrize("table", tables.metadata.tables.values(), ids=str)
def test_every_table_and_column_says_what_it_means(table):
    assert table.comment
    assert not [column.name for column in table.columns if not column.comment]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_every_view_and_its_columns_say_what_they_mean(view):
    assert view.comment
    assert not [name for name, meaning in view.columns.items() if not meaning or meaning == "None"]


@pytest.mark.parametrize("name", [*tables.metadata.tables, *(view.name for view in VIEWS)])
def test_the_page_about_sql_names_every_table_and_view(name):
    assert f"`{name}`" in PAGES["docs/sql.md"]


def test_the_page_about_sql_says_of_each_name_whether_a_login_sees_it():
    table = PAGES["docs/sql.md"].partition("## Views and tables to ask\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \| .+? \| (yes|no) \|", table, re.MULTILINE)
    said = {name: seen for names, seen in rows for name in re.findall(r"`(\w+)`", names)}
    views = {view.name for view in VIEWS}
    assert said == {name: "yes" if name in views else "no" for name in said}
    assert views <= said.keys() | {"direction_model", "price_range_model", "anomaly_model"}


def test_the_page_about_architecture_shows_the_layers_that_are_enforced():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["type"] == "layers")
    assert "\n".join(layers) + "\n" in blocks("docs/architecture.md", "text")


@pytest.fixture
def guided(tmp_path, monkeypatch) -> Iterator[Mapping[str, Strategy]]:
    """What is discovered in a package that holds the guide's file and nothing else."""
    (example,) = blocks("CONTRIBUTING.md", "python")
    package = tmp_path / "made_by_the_guide"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "ema_crossover.py").write_text(example, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield discover("made_by_the_guide")
    for name in [name for name in sys.modules if name.partition(".")[0] == "made_by_the_guide"]:
        del sys.modules[name]


def test_the_file_of_the_guide_is_a_strategy_by_the_name_that_the_guide_gives_it(guided):
    assert list(guided) == ["ema_crossover"]
    assert f"`[strategies.{guided['ema_crossover'].key}]`" in PAGES["CONTRIBUTING.md"]


@pytest.mark.parametrize("trigger", ["cross", "level"])
def test_the_strategy_of_the_guide_advises_and_never_looks_ahead(guided, trigger):
    strategy = guided["ema_crossover"]
    parameters = strategy.parameters.model_validate({"trigger": trigger})
    columns = evaluate(random_walk(seed=5, n_candles=200), ["ema_12", "ema_26"])
    assert set(np.unique(strategy.sides(columns, parameters))) == {-1, 0, 1}
    assert first_rewrite(lambda past: strategy.sides(past, parameters), columns) is None


def test_the_strategy_of_the_guide_remembers_no_more_than_it_declares(guided):
    strategy = guided["ema_crossover"]
    parameters = strategy.parameters()
    columns = evaluate(random_walk(seed=6, n_candles=300), ["ema_12", "ema_26"])
    full = strategy.sides(columns, parameters)
    for bar in range(strategy.lookback, len(full)):
        loaded = {name: frame.iloc[bar - strategy.lookback : bar + 1] for name, frame in columns.items()}
        assert strategy.sides(loaded, parameters).iloc[-1].equals(full.iloc[bar])
