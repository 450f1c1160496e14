"""What people query is described: every table, view and column; every asset is one of them and has its section."""

import re
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from pipeline.definitions import build_definitions
from pipeline.settings import Settings
from pipeline.storage import tables
from pipeline.storage.views import VIEWS, View

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "assets.md").read_text(encoding="utf-8")
GRAPH = build_definitions(Settings()).resolve_asset_graph()
ASSETS = sorted(key.to_user_string() for key in GRAPH.materializable_asset_keys)
CHECKS = sorted((key.asset_key.to_user_string(), key.name) for key in GRAPH.asset_check_keys)


MODELS = ("direction_model", "price_range_model", "anomaly_model")
TEXTS = ("news_articles", "tweets", "reddit_posts", "repository_activity", "document_sentiment")


def section(name: str) -> str:
    return PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("table", tables.metadata.sorted_tables, ids=lambda table: table.name)
def test_every_table_and_column_says_what_it_means(table: sa.Table) -> None:
    assert table.comment
    assert [column.name for column in table.columns if not column.comment] == []


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_every_view_and_column_says_what_it_means(view: View) -> None:
    assert view.comment
    assert [name for name, meaning in view.columns.items() if meaning in ("", "None")] == []
    commented = {match for text in view.statements() for match in re.findall(r'^COMMENT ON COLUMN \w+\."(\w+)"', text)}
    assert commented == set(view.columns)


def test_a_name_is_a_table_or_a_view_and_never_both() -> None:
    names = [*tables.metadata.tables, *(view.name for view in VIEWS)]
    assert len(names) == len(set(names))


def test_the_chain_has_its_assets() -> None:
    assert set(ASSETS) == {
        "candles",
        "indicators",
        "price_levels",
        "chart_patterns",
        "market_conditions",
        "model_features",
        *MODELS,
        "direction_predictions",
        "price_range_predictions",
        "anomaly_scores",
        *TEXTS,
        "symbol_sentiment",
        "technical_signals",
        "ml_signals",
        "sentiment_signals",
        "risk_filtered_signals",
        "trading_signals",
        "signal_outcomes",
        "confidence_calibrations",
        "signal_performance",
        "expired_signals",
        "signal_charts",
    }


@pytest.mark.parametrize("asset", ASSETS)
def test_the_name_of_every_asset_can_be_selected(asset: str) -> None:
    assert asset in {*tables.metadata.tables, *(view.name for view in VIEWS)}


@pytest.mark.parametrize("asset", ASSETS)
def test_every_asset_has_a_section(asset: str) -> None:
    text = section(asset)
    for word in ("- **Made from**:", "- **Partition**:", "- **Checks**:"):
        assert word in text


def test_the_page_has_no_section_of_an_asset_that_is_gone() -> None:
    assert sorted(re.findall(r"^## (\w+)$", PAGE, flags=re.MULTILINE)) == ASSETS


@pytest.mark.parametrize("asset", ASSETS)
def test_a_section_names_what_its_asset_is_made_from(asset: str) -> None:
    parents = {key.to_user_string() for key in GRAPH.get(dg.AssetKey(asset)).parent_keys}
    made_from = section(asset).partition("- **Made from**:")[2].partition("\n- **")[0]
    assert [parent for parent in parents if f"`{parent}`" not in made_from] == []


@pytest.mark.parametrize(("asset", "check"), CHECKS)
def test_a_section_names_every_check_of_its_asset(asset: str, check: str) -> None:
    assert f"`{check}`" in section(asset).partition("- **Checks**:")[2]


@pytest.mark.parametrize("asset", ASSETS)
def test_every_asset_is_described_grouped_and_expected_to_be_fresh(asset: str) -> None:
    node = GRAPH.get(dg.AssetKey(asset))
    assert node.description
    assert node.group_name in (
        *("market", "text", "indicators", "models", "predictions", "sentiment", "signals", "lifecycle", "reports"),
    )
    assert node.freshness_policy is not None


@pytest.mark.parametrize("asset", ASSETS)
def test_assets_are_partitioned_by_day_models_by_week_texts_reports_and_pictures_not_at_all(asset: str) -> None:
    partitions = GRAPH.get(dg.AssetKey(asset)).partitions_def
    weekly = dg.WeeklyPartitionsDefinition
    without = dict.fromkeys(("expired_signals", "signal_charts", "signal_performance", *TEXTS), type(None))
    expected = {**without, **dict.fromkeys(MODELS, weekly)}.get(asset, dg.DailyPartitionsDefinition)
    assert isinstance(partitions, expected)


@pytest.mark.parametrize("asset", ["direction_predictions", "price_range_predictions", "anomaly_scores"])
def test_a_day_is_predicted_by_the_model_of_an_earlier_week(asset: str) -> None:
    model = dg.AssetKey(next(name for name in MODELS if name.split("_model")[0] in asset))
    mapping = GRAPH.get_partition_mapping(dg.AssetKey(asset), model)
    daily, weekly = (GRAPH.get(key).partitions_def for key in (dg.AssetKey(asset), model))
    # The model of the week that ends on Monday the 12th speaks from Tuesday on.
    for day, week in (("2024-02-12", "2024-01-29"), ("2024-02-13", "2024-02-05"), ("2024-02-19", "2024-02-05")):
        days = daily.empty_subset().with_partition_keys([day])
        mapped = mapping.get_upstream_mapped_partitions_result_for_partitions(
            days, daily, weekly, current_time=datetime(2024, 6, 1, tzinfo=UTC)
        )
        assert list(mapped.partitions_subset.get_partition_keys()) == [week]


@pytest.mark.parametrize("asset", ASSETS)
def test_every_asset_holds_its_rows_to_a_contract(asset: str) -> None:
    assert (asset, "contract") in CHECKS


def test_the_table_that_a_page_mentions_exists() -> None:
    known = {*tables.metadata.tables, *(view.name for view in VIEWS)}
    mentioned = set(re.findall(r"`((?:v_|candle_|signal_|risk_|price_|source_|portfolio_|replay_)\w+)`", PAGE))
    assert mentioned - known == set()
