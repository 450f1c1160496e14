"""What can be measured in a process of its own, by name."""

from benchmarks.explain import explanations
from benchmarks.floor import floor
from benchmarks.in_memory import beside_peers, in_memory
from benchmarks.lifecycle import sweeps
from benchmarks.measurement import Case
from benchmarks.models import publish_models, train_two_years
from benchmarks.outcomes import judging, month
from benchmarks.profiling import profile
from benchmarks.replay_year import replay_year
from benchmarks.requests import requests
from benchmarks.start_up import importing
from benchmarks.stored_market import deepen, derive, load
from benchmarks.text_speed import text_speed
from benchmarks.texts import publish_texts
from benchmarks.tick import dagster_runs, stages

CASES: dict[str, Case] = {
    "load": load,
    "derive": derive,
    "publish_models": publish_models,
    "publish_texts": publish_texts,
    "train_two_years": train_two_years,
    "deepen": deepen,
    "stages": stages,
    "dagster_runs": dagster_runs,
    "explanations": explanations,
    "requests": requests,
    "judging": judging,
    "month": month,
    "sweeps": sweeps,
    "floor": floor,
    "profile": profile,
    "in_memory": in_memory,
    "beside_peers": beside_peers,
    "replay_year": replay_year,
    "importing": importing,
    "text_speed": text_speed,
}
