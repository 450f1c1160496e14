"""A database address is read from any usual URL and spelled as each reader wants it."""

import dataclasses

import psycopg.conninfo
import pytest
import sqlalchemy as sa

from pipeline.domain.errors import ConfigurationError
from pipeline.storage.address import DatabaseAddress

PASSWORDS = [
    "plain",
    "p@ss",
    "a:b",
    "sl/ash",
    "qu?ery",
    "per%cent",
    "50%25",
    "ha#sh",
    "sp ace",
    "plus+plus",
    "ümläut",
    "&=;'\"\\",
]


@pytest.mark.parametrize(
    "scheme", ["postgresql", "postgres", "postgresql+psycopg", "postgresql+psycopg2", "POSTGRESQL"]
)
def test_every_usual_scheme_is_read_and_each_reader_gets_its_own(scheme):
    address = DatabaseAddress.parse(f"{scheme}://bot:secret@db.example:5433/signals?sslmode=require")

    assert address.sqlalchemy == "postgresql+psycopg://bot:secret@db.example:5433/signals?sslmode=require"
    assert address.dagster == "postgresql+psycopg2://bot:secret@db.example:5433/signals?sslmode=require"
    assert address.libpq == "postgresql://bot:secret@db.example:5433/signals?sslmode=require"


@pytest.mark.parametrize("password", PASSWORDS)
def test_every_reader_gets_the_same_password_whatever_its_characters(password):
    address = DatabaseAddress(host="h:5432", database="signals", user="bot", password=password)

    assert DatabaseAddress.parse(address.libpq) == address
    assert sa.make_url(address.sqlalchemy).password == password
    assert sa.make_url(address.dagster).password == password
    assert psycopg.conninfo.conninfo_to_dict(address.libpq)["password"] == password


@pytest.mark.parametrize("password", ["p@ss", "a:b", "ha#sh", "100%sure"])
def test_a_password_typed_without_encoding_is_understood_where_that_is_possible(password):
    assert DatabaseAddress.parse(f"postgresql://bot:{password}@h/signals").password == password


@pytest.mark.parametrize("password", ["sl/ash", "qu?ery", "12/34"])
def test_a_password_that_must_be_encoded_is_refused_with_the_way_to_write_it(password):
    with pytest.raises(ConfigurationError, match="%2F") as caught:
        DatabaseAddress.parse(f"postgresql://bot:{password}@h/signals")
    assert password not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://bot@/signals?host=/var/run/postgresql",
        "postgresql://bot@%2Fvar%2Frun%2Fpostgresql/signals",
    ],
)
def test_both_ways_to_name_a_unix_socket_reach_every_driver(url):
    address = DatabaseAddress.parse(url)

    assert sa.make_url(address.sqlalchemy).query["host"] == "/var/run/postgresql"
    assert psycopg.conninfo.conninfo_to_dict(address.libpq)["host"] == "/var/run/postgresql"


def test_an_ipv6_host_keeps_its_brackets():
    assert DatabaseAddress.parse("postgresql://[::1]:5433/signals").libpq == "postgresql://[::1]:5433/signals"


def test_the_address_of_a_server_set_up_by_hand_changes_its_database_and_nothing_else():
    address = DatabaseAddress.parse(
        "postgresql://bot:s%40cret@db.example:5433/trading?sslmode=require&connect_timeout=5"
    )

    other = address.with_database("dagster")

    assert (
        other.dagster == "postgresql+psycopg2://bot:s%40cret@db.example:5433/dagster?sslmode=require&connect_timeout=5"
    )
    assert dataclasses.replace(other, database="trading") == address


def test_no_way_to_print_an_address_shows_its_password():
    address = DatabaseAddress.parse("postgresql://bot:s3cret@h/signals?sslpassword=s3cret")

    assert address.masked == "postgresql://bot:***@h/signals?sslpassword=***"
    assert "s3cret" not in f"{address} {address!r} {address.masked}"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:///signals.db", "was sqlite://"),
        ("mysql://bot:s3cret@h/signals", "was mysql://"),
        ("postgresql+asyncpg://bot:s3cret@h/signals", r"was postgresql\+asyncpg://"),
        ("host=h dbname=signals password=s3cret", "must read like"),
        ("", "must read like"),
        ("postgresql://bot:s3cret@h", "must name a database"),
        ("postgresql://bot:s3cret@h/", "must name a database"),
        ("postgresql://bot:s3cret@h1,h2/signals", "one host"),
        ("postgresql://bot:s3cret@h:port/signals", "numeric port"),
    ],
)
def test_an_address_that_cannot_work_is_refused_with_the_reason_and_without_the_password(url, said):
    with pytest.raises(ConfigurationError, match=said) as caught:
        DatabaseAddress.parse(url)
    assert "s3cret" not in str(caught.value)
