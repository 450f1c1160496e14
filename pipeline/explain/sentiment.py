"""What texts and development activity said of a symbol at a close: scores, the texts behind them, and those left out.

Add here what is told of a text; which texts count is decided in `pipeline.sentiment.blending`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isclose

from pipeline.strategies.checks import rounded

SAME = 1e-9  # what two sums of the same scores may differ by


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFinding:
    """One source at a close."""

    source: str
    score: float | None  # -1 to 1; None where it has nothing to say
    weight: float  # of the settings
    weight_used: float | None  # in the overall score; None where it has nothing to say
    counted: int | None  # texts behind the score; None of development activity
    capped: int  # texts left out because their author, or others in their words, had said enough

    @property
    def words(self) -> str:
        """The finding as a person reads it."""
        if self.score is None or self.weight_used is None:
            return "nothing to say: no text counts" if self.counted is not None else "unknown: no repository was read"
        texts = "" if self.counted is None else f" of {self.counted:,} texts"
        return f"{rounded(self.score)}{texts}, weight {rounded(self.weight_used)} (set {rounded(self.weight)})"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFinding:
    """One text that was published within the window."""

    document_id: str
    source: str
    published_at: datetime
    beginning: str  # its title, or first words
    url: str | None
    compound: float | None  # probability of positive less that of negative; None where it was not scored
    linked_by: str  # which words say that it is about the asset
    part: float | None  # of the overall score; None where it does not count
    left_out: str | None  # why it does not count


@dataclass(frozen=True, slots=True, kw_only=True)
class SentimentFinding:
    """A symbol at a close."""

    asset: str
    overall: float | None
    news: float | None
    social: float | None
    coverage: float  # weight of the sources that have something to say
    z_score: float | None  # against the same hour of 30 days, as stored
    silence: str | None  # why there is no advice
    sources: Sequence[SourceFinding]
    texts: Sequence[TextFinding]  # those that moved the overall score most, strongest first
    others: Sequence[TextFinding]  # some of those that were left out, newest first
    left_out: Mapping[str, int]  # reason -> texts
    stored: float | None  # overall score as it is stored; None where there is no row
    scorer: str  # whose scores of the texts these are of: the stored row's, or the one of the settings

    @property
    def words(self) -> str:
        """The finding as a person reads it."""
        if self.overall is None:
            nothing = "nothing is said: no source has a text that counts, or a repository that was read"
            return nothing if self.stored is None else f"{nothing}; {self._as_stored}"
        scores = [f"overall {rounded(self.overall)}"]
        scores += [
            f"{name} {rounded(s)}" for name, s in (("news", self.news), ("social", self.social)) if s is not None
        ]
        unusual = "" if self.z_score is None else f", z {rounded(self.z_score)} against 30 days"
        enough = "" if self.silence is None else f"; no advice: {self.silence}"
        return f"{', '.join(scores)}, coverage {rounded(self.coverage)}{unusual}{enough}{self._otherwise}"

    @property
    def _otherwise(self) -> str:
        if self.stored is not None and isclose(self.stored, self.overall or 0.0, abs_tol=SAME):
            return ""
        return f"; {self._as_stored}"

    @property
    def _as_stored(self) -> str:
        if self.stored is None:
            return "not stored: no run has judged this close since the texts came"
        return f"stored is {rounded(self.stored)}, of other texts or settings: a backfill of the day renews it"
