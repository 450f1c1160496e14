"""News feeds that attack their reader: entity bombs, files of this machine, declarations from elsewhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.http_server import Answer
from tests.support.news_server import GOOD, LocalNews, about, failure, fetched, news_client, news_server

SECRET = "the-content-of-a-local-file"


@pytest.fixture(scope="module")
def news() -> Iterator[LocalNews]:
    with news_server() as running:
        yield running


def billion_laughs() -> bytes:
    declared = b'<!ENTITY a "ha">' + b"".join(
        b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(10)
    )
    return b'<?xml version="1.0"?><!DOCTYPE rss [' + declared + b"]>" + about(b"&k;")


def quadratic_blowup() -> bytes:
    return b'<!DOCTYPE rss [<!ENTITY a "' + b"x" * 200_000 + b'">]>' + about(b"&a;" * 200_000)


def local_file(path: Path) -> bytes:
    return b'<!DOCTYPE rss [<!ENTITY a SYSTEM "' + path.as_uri().encode() + b'">]>' + about(b"&a;")


def by_parameter(path: Path) -> bytes:
    return b'<!DOCTYPE rss [<!ENTITY % a SYSTEM "' + path.as_uri().encode() + b'"> %a;]>' + about(b"x")


@pytest.mark.parametrize("bomb", [billion_laughs(), quadratic_blowup()], ids=["laughs", "quadratic"])
@pytest.mark.parametrize("disguise", ["plain", "utf-16", "behind a comment", "behind junk"])
def test_f27_a_feed_that_declares_entities_is_refused(news: LocalNews, bomb: bytes, disguise: str):
    if disguise == "utf-16":
        bomb = b'<?xml version="1.0" encoding="utf-16"?>'.decode().encode("utf-16") + (
            bomb.removeprefix(b'<?xml version="1.0"?>').decode().encode("utf-16-le")
        )
    elif disguise == "behind a comment":
        bomb = bomb.replace(b"<!DOCTYPE", b"<!-- <rss -->\n<!DOCTYPE")
    elif disguise == "behind junk":
        bomb = b"& " + bomb

    assert failure(news, Answer(bomb, content_type="application/xml")) == "unreadable(declares entities)"


@pytest.mark.parametrize("attack", [local_file, by_parameter])
def test_f27_a_feed_cannot_read_our_files(news: LocalNews, tmp_path: Path, attack):
    secret = tmp_path / "secret"
    secret.write_text(SECRET)

    assert failure(news, attack(secret)) == "unreadable(declares entities)"


def test_f27_a_reference_to_a_foreign_declaration_fetches_nothing(news: LocalNews, tmp_path: Path):
    secret = tmp_path / "secret.dtd"
    secret.write_text(f'<!ENTITY a "{SECRET}">')
    web = news.serve("/declarations", b'<!ENTITY a "fetched">')
    feeds = [
        news.serve(f"/foreign-{n}", f'<!DOCTYPE rss SYSTEM "{where}">'.encode() + about(b"title &a;"))
        for n, where in enumerate([secret.as_uri(), web])
    ]

    found = fetched(news_client(*feeds))

    assert [each.failure for each in found.values()] == [None, None]
    titles = [article.title for each in found.values() for article in each.documents]
    assert len(titles) == 2
    assert not any(SECRET in title or "fetched" in title for title in titles)
    assert news.asked("/declarations") == []


def test_f27_a_body_that_is_the_name_of_a_file_is_not_opened(news: LocalNews, tmp_path: Path):
    file = tmp_path / "feed.xml"
    file.write_bytes(GOOD)

    assert failure(news, str(file).encode()) == "not_a_feed(application/rss+xml)"
