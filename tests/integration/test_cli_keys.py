"""`signals users` and `signals keys`: what is typed, what is printed and where, what is refused."""

import re

import pytest

from pipeline.storage.keys import KEY_PATTERN, find_key
from tests.support.cli import line_with, words


def test_a_key_is_printed_alone_so_that_it_can_be_piped_and_all_else_is_said_beside_it(signals, database):
    signals("users", "add", "alice")

    said = signals("keys", "add", "alice", "--scope", "execute", "--scope", "read", "--expires", "30")

    assert said.code == 0
    key = said.out.removesuffix("\n")
    assert re.fullmatch(KEY_PATTERN, key)
    assert key not in said.err
    assert f"key alice ({key[:20]}) opens read, execute to alice until 20" in said.err
    with database.begin() as conn:
        stored = find_key(conn, key)
    assert (stored.expires_at - stored.created_at).days == 30
    for listed in (signals("keys", "list"), signals("keys", "list", "--json"), signals("users", "list", "--json")):
        assert key[21:] not in listed.out


def test_keys_are_listed_with_their_state_and_taken_back_by_name_prefix_or_themselves(signals):
    signals("users", "add", "alice")
    keys = [signals("keys", "add", "alice", "--scope", "read").out.strip() for _ in range(3)]
    signals("keys", "add", "alice", "--scope", "read", "--name", "bot")
    for known_by, name in (("alice", "alice"), (keys[1][:20], "alice-2"), (keys[2], "alice-3")):
        assert signals("keys", "revoke", known_by).out == f"{name} is revoked\n"
        assert signals("keys", "revoke", known_by).out == f"{name} is revoked, as it was\n"

    listed = signals("keys", "list", "alice", "--json").json

    assert [(each["name"], each["state"]) for each in listed] == [
        *((name, "revoked") for name in ("alice", "alice-2", "alice-3")),
        ("bot", "active"),
    ]
    assert words(line_with(signals("keys", "list"), "bot "))[:5] == [
        "bot",
        "alice",
        listed[3]["prefix"],
        "read",
        "active",
    ]
    assert listed[3]["last_used_at"] is None


def test_a_user_who_is_removed_loses_keys_and_the_name_is_not_given_again(signals):
    signals("users", "add", "alice")
    signals("profile", "set", "alice", "is_scheduled=true")
    for _ in range(2):
        signals("keys", "add", "alice", "--scope", "read")
    assert [(u["name"], u["keys"], u["signals"]) for u in signals("users", "list", "--json").json] == [("alice", 2, 0)]

    assert signals("users", "remove", "alice").out == "alice is no user any more; 2 keys revoked\n"

    assert [each["state"] for each in signals("keys", "list", "--json").json] == ["revoked", "revoked"]
    assert signals("users", "list", "--json").json[0]["removed_at"] is not None
    assert signals("profile", "show", "alice", "--json").json["is_scheduled"]["value"] is False
    assert "alice is a user's, who was removed" in signals("users", "add", "alice").err
    assert "there is no user 'alice'" in signals("keys", "add", "alice", "--scope", "read").err
    assert "there is no user 'alice'" in signals("users", "remove", "alice").err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("users", "add", "house"), "none of house, low, medium, high, was 'house'"),
        (("users", "add", "two words"), "must be 1 to 64 letters, digits"),
        (("users", "add", "bob"), "bob is a risk profile of the house"),
        (("users", "add", "alice"), "alice is a user's"),
        (("users", "remove", "nobody"), "there is no user 'nobody'"),
        (("keys", "add", "nobody", "--scope", "read"), "there is no user 'nobody'"),
        (("keys", "add", "alice"), "Missing option '--scope'"),
        (("keys", "add", "alice", "--scope", "all"), "'all' is not one of 'read', 'generate', 'execute'"),
        (("keys", "add", "alice", "--scope", "read", "--expires", "0"), "0 is not in the range"),
        (("keys", "add", "alice", "--scope", "read", "--name", "a b"), "a key's name must be 1 to 64 letters"),
        (("keys", "add", "alice", "--scope", "read", "--name", "taken"), "taken is another's"),
        (("keys", "revoke", "signals_0123"), "no key has that name or prefix; `signals keys list` shows them"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_with_what_to_do(signals, arguments, message):
    signals("users", "add", "alice")
    signals("profile", "set", "bob", "max_asset_exposure=0.1")
    signals("keys", "add", "alice", "--scope", "read", "--name", "taken")
    said = signals(*arguments)
    assert (said.code, said.out) == (2, "")
    assert message in said.err


def test_an_empty_list_says_how_to_begin(signals):
    assert "`signals users add NAME` makes one" in signals("users", "list").err
    assert "`signals keys add USER --scope read` makes one" in signals("keys", "list").err
