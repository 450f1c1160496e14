"""The embedded server starts anywhere, for anyone, after anything, and never harms a process not its own."""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from pipeline.domain.errors import ServerError
from pipeline.storage.server import embedded_server, ensure_running, start_kept, status, stop
from pipeline.storage.server_account import program
from tests.support.postgres import query
from tests.support.processes import USE_DATABASE, kill, namespace, output, python, shell, until

USE_SERVER = """
    import sys
    from pathlib import Path
    from pipeline.storage.server import embedded_server, status
    home = Path(sys.argv[1])
    with embedded_server(home) as address:
        print(status(home).pid, flush=True)
        sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def made_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose server was started and stopped once, which takes longer than what is tested."""
    home = tmp_path_factory.mktemp("made")
    with embedded_server(home):
        pass
    return home


@pytest.fixture
def home(made_home: Path) -> Iterator[Path]:
    """The same home for every test that leaves it as it was; its server is stopped afterwards."""
    yield made_home
    stop(made_home)


@pytest.fixture
def own_home(made_home: Path, tmp_path: Path) -> Path:
    """A copy for a test that spoils it."""
    return Path(shutil.copytree(made_home, tmp_path / "own"))


def processes_of(home: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(home / "postgres" / "data"):
                found.append(process)
        except psutil.Error:
            continue
    return found


# Starting


def test_a_server_has_both_databases_and_keeps_them(tmp_path):
    for _ in range(2):
        with embedded_server(tmp_path / "home") as address:
            assert query(address.libpq, "SELECT current_database()") == "signals"
            assert query(address.with_database("dagster").libpq, "SELECT current_database()") == "dagster"


def test_the_database_is_utf8_utc_checksummed_and_sorts_by_code_point(home):
    with embedded_server(home) as address, psycopg.connect(address.libpq) as conn:
        settings = dict(conn.execute("SELECT name, setting FROM pg_settings").fetchall())
        smaller = conn.execute("SELECT 'Z' < 'a', upper('ü')").fetchone()

    assert settings["server_encoding"] == "UTF8"
    assert settings["TimeZone"] == settings["log_timezone"] == "UTC"
    assert settings["data_checksums"] == "on"
    assert smaller == (True, "Ü")


def test_the_server_listens_on_loopback_alone_and_asks_for_the_password(home):
    with embedded_server(home) as address:
        listening = {c.laddr.ip for c in psutil.Process(status(home).pid).net_connections() if c.status == "LISTEN"}
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(address.libpq.replace(f":{address.password}@", ":guess@"))

    assert listening == {"127.0.0.1"}
    assert (home / "postgres" / "password").stat().st_mode & 0o777 == 0o600


def test_a_path_of_200_characters_with_blanks_and_quotes_works_for_psql_too(made_home, tmp_path):
    home = tmp_path / ("long " * 30 + 'it\'s $HOME "quoted"') / ("x" * 60)
    shutil.copytree(made_home, home)

    with embedded_server(home) as address:
        asked = subprocess.run(
            [program("psql"), address.libpq, "-Atc", "SELECT 'seen'"],
            capture_output=True,
            text=True,
            check=True,
        )

    assert len(str(home)) > 200
    assert asked.stdout == "seen\n"


def test_settings_for_other_servers_in_the_environment_change_nothing(home, monkeypatch):
    for name, value in {
        "PGPORT": "1",
        "PGDATA": "/nowhere",
        "PGUSER": "nobody",
        "PGDATABASE": "none",
    }.items():
        monkeypatch.setenv(name, value)

    with embedded_server(home) as address:
        assert query(address.libpq, "SELECT current_user || '@' || current_database()") == "signals@signals"


def test_a_taken_port_is_given_up_for_another_and_a_free_one_is_kept(home):
    with embedded_server(home):
        port = status(home).port
    with embedded_server(home):
        assert status(home).port == port
    with socket.create_server(("127.0.0.1", port)), embedded_server(home) as address:
        assert status(home).port != port
        assert query(address.libpq, "SELECT 1") == 1


def test_processes_that_start_it_at_once_share_one_server(tmp_path):
    users = [python(USE_SERVER, tmp_path / "home") for _ in range(3)]
    pids = {user.stdout.readline() for user in users}
    for user in users:
        user.communicate("leave\n", timeout=60)

    assert len(pids) == 1
    assert int(pids.pop()) > 0
    assert not status(tmp_path / "home").running


# Sharing


def test_the_server_stops_with_its_last_user_and_not_before(home):
    with python(USE_SERVER, home) as other:
        assert int(other.stdout.readline()) > 0
        with embedded_server(home):
            pass
        assert status(home).running
        other.communicate("leave\n", timeout=60)
    assert not status(home).running


def test_a_killed_user_leaves_the_server_to_the_next_one_who_stops_it(home):
    with python(USE_SERVER, home) as user:
        pid = int(user.stdout.readline())
        kill(user.pid)
    assert status(home).pid == pid

    with embedded_server(home):
        assert status(home).pid == pid
    assert not status(home).running


def test_a_kept_server_stays_until_it_is_stopped(home):
    address = start_kept(home)
    with embedded_server(home) as same:
        assert same == address
    found = status(home)

    assert found.running
    assert found.address == address
    assert found.version.startswith("18.")
    assert found.size > 30_000_000
    assert stop(home)
    assert not status(home).running
    assert not stop(home)


def test_asking_about_a_home_that_is_not_there_makes_nothing(tmp_path):
    found = status(tmp_path / "home")

    assert (found.running, found.pid, found.address, found.size) == (False, None, None, 0)
    assert not stop(tmp_path / "home")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(home):
    with python(USE_SERVER, home, start_new_session=True) as user:
        pid = int(user.stdout.readline())
        with embedded_server(home):
            os.killpg(user.pid, signal.SIGINT)
            user.wait(timeout=60)
            assert status(home).pid == pid


# After a death


def test_committed_rows_survive_kill_9_of_the_server_and_of_what_it_leaves_running(home):
    address = start_kept(home)
    query(address.libpq, "CREATE TABLE IF NOT EXISTS kept AS SELECT generate_series(1, 1000)")
    busy = psycopg.connect(address.libpq)
    busy.pgconn.send_query(b"SELECT count(*) FROM generate_series(1, 1e12)")  # does not notice the death
    until(lambda: any("SELECT" in " ".join(p.cmdline()) for p in processes_of(home)))
    kill(status(home).pid)
    until(lambda: not status(home).running)
    left = processes_of(home)

    with embedded_server(home) as again:
        assert again == address
        assert query(again.libpq, "SELECT count(*) FROM kept") == 1000
        assert left
        assert not any(process.is_running() for process in left)
    busy.close()


def test_a_supervisor_brings_the_server_back_where_it_was(home):
    address = start_kept(home)
    assert not ensure_running(home, address)
    kill(status(home).pid)
    until(lambda: not status(home).running)

    assert ensure_running(home, address)
    assert query(address.libpq, "SELECT 1") == 1


def test_a_stale_pid_file_never_ends_the_process_that_has_the_pid_now(home, own_home):
    start_kept(own_home)
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        for pid in (stranger.pid, os.getpid(), 1, 4_000_000, status(own_home).pid):
            lines = [
                str(pid),
                str(home / "postgres" / "data"),
                "1700000000",
                "5432",
                "",
                "127.0.0.1",
                "1 1",
                "ready",
            ]
            (home / "postgres" / "data" / "postmaster.pid").write_text("\n".join(lines) + "\n")
            assert not status(home).running
            with embedded_server(home) as address:
                assert query(address.libpq, "SELECT 1") == 1
        assert stranger.poll() is None
        assert status(own_home).running
    finally:
        stranger.kill()
        stranger.wait()
        stop(own_home)


def test_an_interrupted_first_start_leaves_nothing_that_the_next_one_trips_over(tmp_path):
    home = tmp_path / "home"
    with python(USE_SERVER, home) as starter:
        until(lambda: list(home.glob("postgres/init-*/data/*")))
        kill(starter.pid)

    with embedded_server(home) as address:
        assert query(address.libpq, "SELECT 1") == 1
    assert not list(home.glob("postgres/init-*"))


def test_a_lost_password_is_replaced(home):
    (home / "postgres" / "password").unlink()

    with embedded_server(home) as address:
        assert query(address.libpq, "SELECT 1") == 1


# What a person must mend


def test_a_data_folder_of_another_major_version_is_refused_untouched(own_home):
    (own_home / "postgres" / "data" / "PG_VERSION").write_text("16\n")

    with (
        pytest.raises(ServerError, match=r"must be of PostgreSQL 18, was of PostgreSQL 16; dump it"),
        embedded_server(own_home),
    ):
        pass


def test_a_folder_with_somebody_elses_files_is_refused_untouched(tmp_path):
    (tmp_path / "home" / "postgres" / "data").mkdir(parents=True)
    (tmp_path / "home" / "postgres" / "data" / "thesis.txt").touch()

    with pytest.raises(ServerError, match="move it away"), embedded_server(tmp_path / "home"):
        pass
    assert (tmp_path / "home" / "postgres" / "data" / "thesis.txt").exists()


def test_a_server_that_cannot_start_shows_the_end_of_its_log(own_home):
    with (own_home / "postgres" / "data" / "postgresql.conf").open("a") as settings:
        settings.write("shared_buffers = 'plenty'\n")

    with (
        pytest.raises(ServerError, match=r'(?s)did not start.*invalid value for parameter "shared_buffers"'),
        embedded_server(own_home),
    ):
        pass


def test_f44_a_read_only_home_is_refused_with_the_way_out(tmp_path):
    read_only = namespace("--map-root-user", "--mount")
    mounted = shell('mount -t tmpfs -o ro tmpfs "$1" && shift && exec "$@"', tmp_path)

    said = output(USE_DATABASE, tmp_path / "home", prefix=[*read_only, *mounted])

    assert said.startswith("ServerError:")
    assert "Read-only file system" in said
    assert "set SIGNALS_HOME to a folder that you may write to" in said


@pytest.mark.parametrize("size", ["64k", "8m", "40m"])
def test_f44_a_full_disk_is_refused_with_the_way_out(tmp_path, size):
    small = namespace("--map-root-user", "--mount")
    mounted = shell(f'mount -t tmpfs -o size={size} tmpfs "$1" && shift && exec "$@"', tmp_path)

    said = output(USE_DATABASE, tmp_path / "home", prefix=[*small, *mounted])

    assert said.startswith("ServerError:")
    assert "free" in said
    assert "SIGNALS_HOME" in said
