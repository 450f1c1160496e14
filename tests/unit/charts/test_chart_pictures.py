"""Both backends draw every scene: the picture has its size and its colours, the page has the series in it."""

import io
import re
import time

import numpy as np
import pytest
from PIL import Image

from pipeline.charts import style
from pipeline.charts.building import build_scene
from pipeline.charts.html import draw_html
from pipeline.charts.material import ChartMaterial
from pipeline.charts.png import LARGE, SMALL, Size, draw_png
from tests.support.chart_material import KEY, a_level, a_material, a_pattern, a_signal_row
from tests.support.market import flat_market


def full(n_bars: int = 60) -> ChartMaterial:
    """A series with something of everything."""
    bars = a_material(n_bars).bars
    middle = float((bars["low"].min() + bars["high"].max()) / 2)
    is_filled = np.zeros(n_bars)
    is_filled[20:22] = 1.0
    return a_material(
        n_bars,
        levels=[a_level(10, 13, middle), a_level(30, 33, middle * 1.01, role="resistance", kind="high")],
        patterns=[a_pattern([middle * 1.01, middle, middle * 1.01])],
        signals=[a_signal_row(40, middle), a_signal_row(50, middle, signal_type="SELL", stop_loss_price=middle * 1.01)],
        is_filled=is_filled,
        block_reason=["gapped(0.9)"] * 5 + [None] * (n_bars - 5),
    )


def material_of(case: str) -> ChartMaterial:
    match case:
        case "everything":
            return full()
        case "one bar":
            return a_material(1, is_known=False)
        case "three bars":
            return a_material(3, is_known=False)
        case "unknown indicators":
            return a_material(60, is_known=False)
        case "no movement":
            return a_material(60, block=flat_market(60, symbols=(KEY.symbol,)), is_known=False)
        case _:
            return full(2_000)


CASES = ("everything", "one bar", "three bars", "unknown indicators", "no movement", "many bars")


def pixels(png: bytes) -> "np.typing.NDArray[np.int64]":
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB")).astype(np.int64)


def share_of(picture: "np.typing.NDArray[np.int64]", colour: str) -> float:
    """How much of a picture has a colour, nearly."""
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    return float((np.abs(picture - wanted).max(axis=2) <= 12).mean())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("size", [LARGE, SMALL], ids=["large", "small"])
def test_a_picture_has_its_size_and_a_white_ground_with_something_on_it(case: str, size: Size):
    picture = pixels(draw_png(build_scene(material_of(case)), size))
    assert picture.shape == (size.height, size.width, 3)
    assert 0.2 < share_of(picture, "#ffffff") < 0.995
    assert (picture[0] == 255).all()


def test_candles_levels_patterns_signals_and_stretches_have_their_colours():
    picture = pixels(draw_png(build_scene(full())))
    empty = pixels(draw_png(build_scene(a_material(60))))
    for colour in (style.UP, style.DOWN):
        assert share_of(picture, colour) > 0.002
    for colour in (style.PATTERN, style.STOP, style.TARGET, *style.LEVELS.values(), style.SIGNALS["BUY"]):
        assert share_of(picture, colour) > share_of(empty, colour)
    assert share_of(empty, style.PATTERN) == 0.0


def test_the_same_scene_is_the_same_picture_and_the_same_page():
    scene = build_scene(full())
    assert draw_png(scene, SMALL) == draw_png(scene, SMALL)
    assert draw_html(scene) == draw_html(scene)


def test_a_palette_makes_a_picture_smaller_and_keeps_its_colours():
    scene = build_scene(full())
    whole, reduced = draw_png(scene, SMALL), draw_png(scene, SMALL, n_colours=128)
    assert len(reduced) < len(whole) / 2
    assert np.abs(pixels(whole) - pixels(reduced)).max() < 40


def test_drawing_leaves_no_open_figure_and_the_settings_of_matplotlib_as_they_were():
    import matplotlib as mpl
    from matplotlib import pyplot

    before = dict(mpl.rcParams)
    draw_png(build_scene(full()), SMALL)
    assert pyplot.get_fignums() == []
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("case", CASES)
def test_a_page_holds_the_series_and_asks_nobody_for_anything(case: str):
    scene = build_scene(material_of(case))
    page = draw_html(scene)
    assert f"<title>{scene.title}</title>" in page
    assert scene.subtitle in page.replace("\\u007c", "|")
    assert len(page) > 1_000_000
    assert re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=", page) == []


def test_a_page_names_what_can_be_switched_off_and_tells_each_signal():
    page = draw_html(build_scene(full()))
    for name in ("candles", "SMA 20", "SMA 200", "Bollinger 20, 2", "support", "resistance", "patterns", "BUY", "SELL"):
        assert f'"name":"{name}"' in page
    assert "double top, target" in page
    assert "BUY SMA_CROSSOVER, SMA 20 crossed above SMA 50; confidence 0.65" in page


def test_twenty_thousand_bars_are_drawn_in_seconds():
    scene = build_scene(full(20_000))
    begin = time.process_time()
    assert pixels(draw_png(scene)).shape == (LARGE.height, LARGE.width, 3)
    assert len(draw_html(scene)) < 10_000_000
    assert time.process_time() - begin < 8.0


def talked_of(**columns: float) -> ChartMaterial:
    """A series about which the texts say the same on every bar."""
    said = dict.fromkeys(("overall_score", "news_score", "social_score", "covered_score"), 0.4) | columns
    return a_material(60, **said)


def test_what_texts_say_has_a_panel_of_its_own_where_they_say_anything():
    silent, talked = build_scene(a_material(60)), build_scene(talked_of())

    assert (silent.has_sentiment, talked.has_sentiment) == (False, True)
    assert "sentiment" not in re.sub(r"<script.*?</script>", "", draw_html(silent), count=1, flags=re.DOTALL)
    page = draw_html(talked)
    assert '"text":"sentiment"' in page
    assert '"name":"X and Reddit"' in page
    assert (pixels(draw_png(silent)) != pixels(draw_png(talked))).any()


def test_what_is_not_enough_for_an_advice_is_drawn_weaker():
    enough = pixels(draw_png(build_scene(talked_of())))
    too_little = pixels(draw_png(build_scene(talked_of(covered_score=np.nan))))

    assert share_of(too_little, style.SENTIMENT["covered_score"]) < share_of(enough, style.SENTIMENT["covered_score"])
