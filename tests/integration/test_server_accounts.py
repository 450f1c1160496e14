"""The embedded server runs for root and for everybody else, and leaves permissions as they are."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pipeline.storage.server import embedded_server, status, stop
from pipeline.storage.server_account import program
from tests.support.postgres import query
from tests.support.processes import USE_DATABASE, as_ordinary_user, namespace, output


def test_an_ordinary_user_runs_it_directly(tmp_path):
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents[:2]:
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | 0o011)

    said = output(USE_DATABASE, tmp_path / "home", **as_ordinary_user())

    assert said.startswith("uid ")
    assert "uid 0 " not in said
    assert said.endswith("answers 42")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account")
class TestRoot:
    @pytest.fixture
    def open_folder(self) -> Iterator[Path]:
        """A folder that everyone may enter, which pytest's are not."""
        folder = Path("/var/tmp") / f"signals-test-{os.getpid()}"
        folder.mkdir()
        yield folder
        stop(folder / "home")
        shutil.rmtree(folder)

    def owner_of_server(self, home: Path) -> str:
        return psutil.Process(status(home).pid).username()

    def test_root_runs_it_as_nobody_where_that_can_reach_it(self, open_folder):
        try:
            subprocess.run([program("postgres"), "-V"], user="nobody", extra_groups=(), cwd="/", check=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("nobody cannot reach this environment")
        with embedded_server(open_folder / "home") as address:
            assert self.owner_of_server(open_folder / "home") == "nobody"
            assert query(address.libpq, "SELECT 1") == 1

    def test_root_leaves_the_data_to_whom_they_belong(self, open_folder):
        with embedded_server(open_folder / "home"):
            pass
        data = open_folder / "home" / "postgres" / "data"
        for path in (data, *data.rglob("*")):
            os.chown(path, 12_345, 12_345)

        with embedded_server(open_folder / "home"):
            runner = self.owner_of_server(open_folder / "home")
        if runner == "root":
            pytest.skip("no other account can reach this environment")
        assert runner == "12345"
        assert data.stat().st_uid == 12_345

    def test_root_runs_it_in_a_namespace_where_nobody_cannot_reach_it_and_keeps_the_data(self, open_folder):
        namespace("--map-user=1000", "--map-group=1000")
        with embedded_server(open_folder / "home") as address:
            query(address.libpq, "CREATE TABLE kept AS SELECT 7 AS n")
        open_folder.chmod(0o700)

        with embedded_server(open_folder / "home") as address:
            assert self.owner_of_server(open_folder / "home") == "root"
            assert query(address.libpq, "SELECT n FROM kept") == 7
        assert open_folder.stat().st_mode & 0o777 == 0o700

    def test_a_home_that_belongs_to_root_is_refused_to_others_with_the_way_out(self, open_folder):
        with embedded_server(open_folder / "home"):
            said = output(USE_DATABASE, open_folder / "home", **self.somebody())

        assert said.startswith("ServerError:")
        assert "set SIGNALS_HOME" in said

    def somebody(self) -> dict[str, object]:
        options = as_ordinary_user()
        if "prefix" in options:
            pytest.skip("no other user can run this environment's Python")
        return options
