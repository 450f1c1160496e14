"""Whether a model speaks, about which closes, and why not: what `signals models` and `signals doctor` say of it.

A model is asked about the newest stored close of its timeframe, not about the wall clock: imported candles may end long
ago, and a run judges each bar by its own close. What a champion's close is asked is decided in `pipeline.predicting`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import RowMapping

from pipeline.cli.display import NOTHING, instant
from pipeline.domain.errors import ModelUnavailableError
from pipeline.domain.model import ModelKind, ModelStatus, expired, short_id
from pipeline.domain.timeframe import Timeframe
from pipeline.settings import Settings
from pipeline.storage.database import Database

NOW, NEVER, EARLIER, TOO_OLD = "now", "no", "earlier", "too old"
UNTRAINED = "no model was trained yet; `signals train` makes some, and docs/models.md says what they add"
TRAIN = "`signals train` makes another"
REMEDIES = {  # how a reason begins -> what ends it; see docs/models.md
    "library_mismatch": f"{TRAIN}, or install the version of before",
    "artefact": "`signals train` mends it; `signals models retire {id} --reason damaged` lets the one before it speak",
}

_STANDS = {ModelStatus.CANDIDATE: "a candidate", ModelStatus.RETIRED: "retired"}

Refusals = Mapping[UUID, str]
NO_REFUSALS: Refusals = {}


def speaks(row: RowMapping, settings: Settings, refused: Refusals = NO_REFUSALS) -> str:
    """Whether a model is asked about the newest stored bar of its timeframe, in words.

    Parameters
    ----------
    row
        Of `v_models`.
    refused
        What `refusals` found; without it, artefacts are believed to be whole.
    """
    at = _asked_about(row)
    if row["status"] != ModelStatus.CHAMPION:
        return NEVER
    if row["effective_from"] > at:
        return f"from {row['effective_from']:%Y-%m-%d}"
    if row["succeeded_at"] is not None and row["succeeded_at"] <= at:
        return EARLIER
    if not settings.models.is_enabled:
        return f"{NEVER} (switched_off)"
    if at > _expires_at(row, settings):
        return TOO_OLD
    reason = refused.get(row["model_id"])
    return NOW if reason is None else f"{NEVER} ({reason})"


def speaks_about(row: RowMapping, settings: Settings) -> str:
    """The days from the first close that a champion is asked about to the last: ``2023-06-27 to 2023-10-02``."""
    end = _expires_at(row, settings)
    if row["succeeded_at"] is not None:
        end = min(end, row["succeeded_at"])
    if row["status"] != ModelStatus.CHAMPION or end <= row["effective_from"]:
        return NOTHING
    return f"{row['effective_from']:%Y-%m-%d} to {end:%Y-%m-%d}"


def refusals(database: Database, rows: Iterable[RowMapping], settings: Settings) -> dict[UUID, str]:
    """Why those models among the rows that would speak now cannot be asked; those that can be are left out."""
    asked = [row for row in rows if speaks(row, settings) == NOW]
    if not asked:
        return {}
    from pipeline.predicting import load_model
    from pipeline.storage.models import Champion

    found = {}
    for row in asked:
        champion = Champion(**{name: row[name] for name in Champion.__dataclass_fields__})
        try:
            load_model(database, ModelKind(row["kind"]), champion)
        except ModelUnavailableError as error:
            found[row["model_id"]] = error.reason
    return found


def examine_models(
    database: Database, rows: Sequence[RowMapping], settings: Settings, timeframes: Iterable[Timeframe]
) -> tuple[list[str], list[str]]:
    """Which kinds are silent about the newest closes: what a person must act on, and what is only good to know.

    A champion that can no longer be asked needs a person. A kind that has none does not: it never was trained, was no
    better than a simple rule, or was withdrawn on purpose.

    Parameters
    ----------
    rows
        Of `v_models`: every model of the exchange.
    timeframes
        Those that the chain works on.
    """
    if not settings.models.is_enabled:
        return [], []
    if not rows:
        return [], [UNTRAINED]
    refused = refusals(database, rows, settings)
    problems: dict[tuple[Timeframe, str, str], list[str]] = {}
    hints: list[str] = []
    for timeframe in timeframes:
        for kind in ModelKind:
            own = [row for row in rows if (row["kind"], row["timeframe"]) == (kind, timeframe)]
            if any(speaks(row, settings, refused) == NOW for row in own):
                continue
            if broken := next(_broken(own, settings, refused), None):
                problems.setdefault((timeframe, *broken), []).append(kind)
            else:
                hints.append(f"{kind} {timeframe} is silent: {_absence(kind, timeframe, own)}")
    return [
        f"{_listed(kinds)} {timeframe} {'is' if len(kinds) == 1 else 'are'} silent: {reason}; {remedy}"
        for (timeframe, reason, remedy), kinds in problems.items()
    ], hints


def _broken(own: Iterable[RowMapping], settings: Settings, refused: Refusals) -> Iterator[tuple[str, str]]:
    """Why the champion of the newest close cannot be asked, as `source_health` says it, and what ends that."""
    for row in own:
        reason = refused.get(row["model_id"])
        if speaks(row, settings) == TOO_OLD:
            reason = expired(row["trained_through"])
        if reason is not None:
            remedy = next((what for begin, what in REMEDIES.items() if reason.startswith(begin)), TRAIN)
            yield reason, remedy.format(id=short_id(row["model_id"]))


def _absence(kind: ModelKind, timeframe: Timeframe, own: Sequence[RowMapping]) -> str:
    """Why no champion is there, in words."""
    if not own:
        return f"none was trained; signals train --kind {kind} --timeframe {timeframe}"
    if champions := [row for row in own if row["status"] == ModelStatus.CHAMPION]:
        first = min(row["effective_from"] for row in champions)
        return f"its champion speaks from {first:%Y-%m-%d} on, the newest close is {instant(_asked_about(own[0]))}"
    why = own[0]["status_reason"] or own[0]["decision"].get("rule")
    return f"none of its models is a champion; the newest is {_STANDS[own[0]['status']]}: {why}"


def _asked_about(row: RowMapping) -> datetime:
    """The newest stored close of the model's exchange and timeframe; now, if there is none."""
    newest: datetime | None = row["newest_close_at"]
    return newest or datetime.now(UTC)


def _expires_at(row: RowMapping, settings: Settings) -> datetime:
    through: datetime = row["trained_through"]
    return through + settings.models.max_age


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
