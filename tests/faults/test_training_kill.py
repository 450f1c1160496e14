"""F36: a training that is killed leaves the champions as they were; done again, it publishes what it would have."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from pipeline.domain.model import ModelKind
from pipeline.storage.address import DatabaseAddress
from pipeline.storage.database import Database
from tests.support.chain import days, rows, store_block
from tests.support.chaos import Moment, Stop, Work
from tests.support.chaos_market import Scenario, a_copy, scenario
from tests.support.chaos_tally import Tally
from tests.support.database import a_database
from tests.support.market import START, random_walk
from tests.support.model_chain import SMALL, publish_each_kind
from tests.support.trained_models import DAY, WEEK

TREES = (ModelKind.PRICE_RANGE, ModelKind.ANOMALY)  # which take a second or two to train
THROUGH = START + 9 * WEEK
TRAINING = Work("a training", {}, f"{THROUGH - WEEK:%Y-%m-%d}", SMALL, kinds=TREES)


@pytest.fixture(scope="module")
def training(postgres_server: DatabaseAddress, migrated_template: DatabaseAddress) -> Iterator[Scenario]:
    """A week's training where the models of an earlier week speak, done once undisturbed."""
    with a_database(postgres_server, migrated_template) as database:
        store_block(database, random_walk(seed=31, n_candles=66 * 24))
        publish_each_kind(database, 5)
        database.close()
        with scenario(TRAINING, database.address) as made:
            yield made


def champions(address: DatabaseAddress) -> dict[str, list[object]]:
    """The kinds of model that are published, and of each the weeks whose champions it has."""
    database = Database(address)
    with database.begin() as conn:
        found = conn.execute(
            sa.text("SELECT kind, trained_through FROM models WHERE status = 'champion' ORDER BY trained_through")
        ).all()
    database.close()
    return {kind: [row.trained_through for row in found if row.kind == kind] for kind in ModelKind}


def spoken_by(address: DatabaseAddress) -> dict[str, int]:
    """How many models speak of the day on which the new ones are effective, by table."""
    database = Database(address)
    days(database, (THROUGH + DAY).date(), (THROUGH + DAY).date())
    tables = [f"{kind}_predictions" for kind in ("direction", "price_range")] + ["anomaly_scores"]
    said = {table: {row["model_id"] for row in rows(database, table)} for table in tables}
    database.close()
    return {table: len(models) for table, models in said.items()}


def test_a_training_publishes_each_kind_in_one_commit(training):
    assert len(training.course.writing) == len(TREES)
    published = champions(training.twin)
    assert {kind: len(weeks) for kind, weeks in published.items()} == {"direction": 1, "price_range": 2, "anomaly": 2}


def test_f36_a_training_killed_while_it_learns_or_publishes_leaves_the_champions_and_its_rerun_publishes(training):
    first, second = training.course.writing
    before, after = champions(training.origin), champions(training.twin)
    tally = Tally()
    with a_copy(training.origin) as address:
        tally.kill(training, address, Stop(Moment.STATEMENT, 3))
        assert champions(address) == before
        tally.kill(training, address, Stop(Moment.COMMIT, first))
        assert champions(address) == before
        assert spoken_by(address) == {"direction_predictions": 1, "price_range_predictions": 1, "anomaly_scores": 1}
    with a_copy(training.origin) as address:
        tally.kill(training, address, Stop(Moment.COMMITTED, first))
        published = champions(address)
        assert sum(map(len, published.values())) == sum(map(len, before.values())) + 1  # one kind, whole
        tally.kill(training, address, Stop(Moment.SENT, second))
        tally.kill(training, address, after_s=0.3 * training.seconds)
        tally.finish(training, address)
        assert champions(address) == after
    assert tally.kills >= 4  # the one by the clock may come late
    assert tally.is_clean, tally
