# ruff: noqa: RUF001
"""Language: English stays, long foreign texts are told, and short ones are left alone."""

import json

import pytest

from pipeline.domain.document import DocumentKind
from pipeline.sentiment.cleaning import clean_body
from pipeline.sentiment.language import is_foreign, language_of
from tests.support.real_data import real_data

FOREIGN = {
    "de": "Der Kurs ist heute deutlich gestiegen, und viele Anleger hoffen auf eine weitere Erholung am Markt.",
    "fr": "Le cours a fortement augmenté aujourd'hui et les investisseurs espèrent une nouvelle hausse du marché.",
    "es": "El precio ha subido con fuerza hoy y muchos inversores esperan que el mercado siga creciendo mañana.",
    "pt": "O preço subiu bastante hoje e muitos investidores esperam que o mercado continue crescendo amanhã.",
    "it": "Il prezzo oggi è salito molto e gli investitori sperano che il mercato continui a crescere anche domani.",
    "tr": "Fiyat bugün çok yükseldi ve yatırımcılar piyasanın yarın da yükselmesini bekliyor.",
    "ru": "Цена сегодня сильно выросла, и инвесторы ждут роста рынка завтра.",
    "zh": "比特币今天大幅上涨，许多投资者希望市场继续恢复。",
    "ja": "今日は価格が大きく上がり、投資家は市場の回復を期待しています。",
    "nl": "De koers is vandaag sterk gestegen en veel beleggers hopen dat de markt morgen verder zal herstellen.",
    "ar": "ارتفع السعر اليوم بشكل كبير ويأمل المستثمرون في انتعاش السوق غدا",
}
ENGLISH = (
    "Bitcoin slides below key support as traders brace for a volatile weekend",
    "ETH staking yields climb; validators queue lengthens",
    "wen moon ser? ngmi if u sell now lol",
    "Miners capitulate: hashprice hits record low",
    "RT @somebody: $BTC to the moon!!! #Bitcoin #crypto https://t.co/abc",
)


@pytest.mark.parametrize("language", FOREIGN)
def test_a_foreign_sentence_is_told(language):
    assert language_of(FOREIGN[language]) == language


@pytest.mark.parametrize("text", ENGLISH)
def test_english_is_never_foreign(text):
    assert not is_foreign(language_of(text))
    assert language_of(text, "en-US") == "en"


@pytest.mark.parametrize(
    "text",
    ["", "\U0001f680\U0001f680", "gm", "Danke!", "$BTC #BTC 23400", "https://example.org/das-ist-ein-langer-satz"],
)
def test_nobody_can_tell_the_language_of_a_short_text(text):
    assert language_of(text) is None


def test_what_the_source_states_counts_for_a_short_text():
    assert language_of("gm", "en") == "en"
    assert language_of("Danke!", "de-AT") == "de"


@pytest.mark.parametrize("stated", ["und", "qme", "", "english", None])
def test_a_word_that_names_no_language_states_nothing(stated):
    assert language_of("gm", stated) is None


def test_strong_evidence_beats_what_the_source_states():
    assert language_of(FOREIGN["de"], "en") == "de"
    assert language_of("Why would you sell when they have not even started with the upgrade?", "tl") == "en"


def test_codes_that_were_renamed_are_one():
    assert language_of("gm", "in") == language_of("gm", "id") == "id"


def test_only_another_language_is_foreign():
    assert is_foreign("de")
    assert not is_foreign("en")
    assert not is_foreign(None)


def test_of_real_english_posts_next_to_none_is_refused():
    """The file holds English posts but for a handful; so 3 in 1,000 bounds what is refused wrongly."""
    with real_data("text", "reddit_2025-10_11.jsonl").open(encoding="utf-8") as file:
        texts = [clean_body(json.loads(line)["text"], DocumentKind.POST) for line in file]
    refused = [text for text in texts if is_foreign(language_of(text))]
    assert len(refused) <= 0.003 * len(texts)
