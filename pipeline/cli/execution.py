"""Running jobs through Dagster in this process: its instance, a run with a progress bar, and what it did.

Add here what every command that runs a job needs. What a job's numbers mean is told by the command that runs it.
"""

import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline import progress
from pipeline.cli import display
from pipeline.cli.dagster_home import dagster_environment, prepare_dagster
from pipeline.domain.errors import OperatorError, SignalsError
from pipeline.run_tags import CHAIN_JOB
from pipeline.settings import CONFIG_VARIABLE, Settings, config_file
from pipeline.storage.address import DatabaseAddress

if TYPE_CHECKING:
    import dagster as dg

# Capturing redirects the terminal to a file during each step, so that no progress would be seen until the end.
UNCAPTURED = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
SERIES_TOLD = 5
STATEMENT_TIMEOUT_MS = 60_000
# By which the UI finds a run among those of its job.
SHOWN = {".dagster/repository": "__repository__@pipeline.definitions"}


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run of a job that went well."""

    result: "dg.ExecuteInProcessResult"
    seconds: float

    def numbers(self) -> dict[str, dict[str, int]]:
        """Per asset the whole numbers that it reported, in order."""
        return {
            name: {key: value.value for key, value in metadata.items() if isinstance(value.value, int)}
            for name, metadata in self._materialized()
        }

    def tables(self, title: str) -> dict[str, list[dict[str, Any]]]:
        """Per asset the rows of the table of that title that it reported, the last one of several."""
        import dagster as dg

        found = ((name, metadata.get(title)) for name, metadata in self._materialized())
        return {
            name: [dict(record.data) for record in table.records]
            for name, table in found
            if isinstance(table, dg.TableMetadataValue)
        }

    def checks(self, check: str) -> dict[str, dict[str, Any]]:
        """Per asset what its check of that name said beside its verdict."""
        return {
            each.asset_key.to_user_string(): {key: value.value for key, value in each.metadata.items()}
            for each in self.result.get_asset_check_evaluations()
            if each.check_name == check
        }

    def _materialized(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for event in self.result.get_asset_materialization_events():
            materialization = event.step_materialization_data.materialization
            yield materialization.asset_key.to_user_string(), materialization.metadata


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run of the chain did: per asset the numbers that it reported, in order."""

    run_id: str
    seconds: float
    numbers: dict[str, dict[str, int]]
    not_ok: list[dict[str, Any]]  # series that are blocked or partial: series, status, reason


@contextmanager
def dagster_instance(settings: Settings, address: DatabaseAddress) -> Iterator["dg.DagsterInstance"]:
    """Dagster's instance of this home, with its environment set for this process."""
    variables = dagster_environment(settings.home, address)
    if config_file().is_file():
        variables[CONFIG_VARIABLE] = str(config_file().resolve())
    with display.progress("preparing Dagster"):
        prepare_dagster(variables)
        os.environ.update(variables)
        import dagster as dg
        from dagster._core.instance import InstanceRef  # the only way to another dagster.yaml, and not exported

        import pipeline.definitions  # noqa: F401 - what takes seconds is loaded while that is shown

    settings_of_instance = InstanceRef.from_dir(variables["DAGSTER_HOME"], overrides={"compute_logs": UNCAPTURED})
    with dg.DagsterInstance.from_ref(settings_of_instance) as instance:
        # Otherwise each of thousands of events opens a connection of its own, half of what it costs.
        instance.optimize_for_webserver(statement_timeout=STATEMENT_TIMEOUT_MS, pool_recycle=-1, max_overflow=20)
        yield instance


def run_chain(
    instance: "dg.DagsterInstance",
    tags: Mapping[str, str],
    *,
    partition_key: str | None = None,
    changes: Mapping[str, str] | None = None,
) -> RunReport:
    """One run of `generate_signals`, with its progress on stderr; an error of ours is raised as it was."""
    from pipeline.jobs import CHAIN

    run = run_job(instance, CHAIN_JOB, tags, partition_key=partition_key, changes=changes, assets=CHAIN)
    # Each day of a range reports the same series.
    not_ok = list(run.tables("not_ok").values())
    return RunReport(run.result.run_id, run.seconds, run.numbers(), not_ok[-1] if not_ok else [])


def run_job(
    instance: "dg.DagsterInstance",
    name: str,
    tags: Mapping[str, str],
    *,
    partition_key: str | None = None,
    changes: Mapping[str, str] | None = None,
    assets: Sequence[str] | None = None,
    about: str = "",
) -> FinishedRun:
    """One run of a job, with its progress on stderr; an error of ours is raised as it was.

    Parameters
    ----------
    changes
        Settings that are others for this run.
    assets
        Of the job's assets these alone.
    about
        Said before each step, to tell one of several runs from the others.
    """
    import dagster as dg

    from pipeline.definitions import defs

    logging.getLogger("dagster").setLevel(logging.ERROR)
    job = defs.resolve_job_def(name)
    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    if changes:
        config["resources"] = {"settings": {"config": {"changes": dict(changes)}}}
    started = time.monotonic()

    def tell(step: str, done: int, total: int) -> None:
        bar(done, total, f"{about}{step}")

    with display.progress(f"{about}starting") as bar, progress.watched_by(tell):
        try:
            result = job.execute_in_process(
                instance=instance,
                tags={**tags, **SHOWN},
                partition_key=partition_key,
                run_config=config,
                asset_selection=None if assets is None else [dg.AssetKey(asset) for asset in assets],
            )
        except (dg.DagsterError, SignalsError) as error:
            raise _ours(error) from error
        except dg.DagsterExecutionInterruptedError:
            raise KeyboardInterrupt from None  # Dagster has its own name for Ctrl-C and TERM during a step
    return FinishedRun(result, time.monotonic() - started)


def show_report(report: RunReport) -> None:
    """The run as a table: a line per asset."""
    columns = [
        display.Column(title="table"),
        display.Column(title="rows written", is_number=True),
        display.Column(title="", wraps=True),
    ]
    rows = []
    for name, numbers in report.numbers.items():
        others = [
            f"{key.replace('_', ' ')} {value:,}" for key, value in numbers.items() if key != "rows_written" and value
        ]
        rows.append([name, numbers.get("rows_written", 0), ", ".join(others)])
    display.show_table(columns, rows)
    for state in report.not_ok[:SERIES_TOLD]:
        display.remark(f"{state['series']} is {state['status'].lower()}: {state['reason']}")
    if len(report.not_ok) > SERIES_TOLD:
        display.remark(f"{len(report.not_ok) - SERIES_TOLD} more; `signals doctor` lists them")
    display.remark(f"run {report.run_id[:8]} took {report.seconds:.1f} s")


def _ours(error: BaseException) -> SignalsError:
    """The error of ours behind Dagster's, or Dagster's in one line."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, SignalsError):
            return cause
        cause = cause.__cause__ or getattr(cause, "user_exception", None) or cause.__context__
    return OperatorError(f"the run failed: {error}")
