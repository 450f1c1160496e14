"""Addresses: many writings of one page become one, and what is no page becomes none."""

import pytest

from pipeline.sentiment.addresses import canonical, comparable, host_of

PAGE = "https://example.org/news/a-story"


@pytest.mark.parametrize(
    "written",
    [
        "HTTPS://Example.ORG/news/a-story",
        "https://www.example.org/news/a-story/",
        "https://m.example.org/news/a-story",
        "https://amp.example.org/news/a-story",
        "https://example.org:443/news/a-story#comments",
        "https://example.org//news/a-story/amp/",
        "https://example.org/news/a-story/index.html",
        "https://example.org/news/a-story?utm_source=x&utm_medium=rss&fbclid=1&gclid=2&ref=home",
        "https://reader@example.org/news/a-story",
        "  https://example.org./news/a-story \n",
    ],
)
def test_writings_of_one_page_are_one(written):
    assert canonical(written) == PAGE


def test_the_query_is_sorted_and_what_is_asked_stays():
    assert canonical("https://example.org/?b=2&a=1&utm_campaign=z") == "https://example.org?a=1&b=2"
    assert canonical("https://example.org/?id=1") != canonical("https://example.org/?id=2")


def test_the_path_keeps_its_case_and_its_escapes():
    assert canonical("https://example.org/A%2fb/\u00fc") == "https://example.org/A%2Fb/%C3%BC"


def test_hosts_in_other_scripts_have_one_writing():
    assert canonical("https://b\u00fccher.example/x") == "https://xn--bcher-kva.example/x"


@pytest.mark.parametrize(
    "written",
    [
        *(None, "", "   ", "nonsense", "//example.org/x", "javascript:alert(1)", "data:text/html,<b>", "ftp://a.org/x"),
        *(
            "https://",
            "https://a..org/",
            "http://[::1",
            "https://example.org:99999/",
            "mailto:a@b.org",
            "https://a b.org/",
        ),
        *("https://" + "a" * 70 + ".org/", "https://example.org/" + "x" * 2_000, "https://example.org/\ud800"),
    ],
)
def test_what_is_no_page_is_none(written):
    assert canonical(written) is None
    assert comparable(canonical(written)) is None
    assert host_of(written) is None


def test_plain_and_secure_addresses_compare_alike():
    assert comparable(canonical("http://www.example.org/a")) == comparable(canonical("https://example.org/a/"))


def test_a_bare_host_compares_with_nothing():
    assert canonical("https://example.org/") == "https://example.org"
    assert comparable(canonical("https://example.org/")) is None


def test_the_publisher_is_the_host():
    assert host_of("https://www.Example.org/a?b=1") == host_of("http://m.example.org") == "example.org"
