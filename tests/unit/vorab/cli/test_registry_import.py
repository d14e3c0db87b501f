"""`vorab … import` beyond one row: all or nothing, looking before it is done, what is right among what is wrong, and only what changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.vorab.cli.test_registry_commands import ok, put, run, state  # noqa: F401 - a fixture
from vorab import settings as settings_module
from vorab.cli.registry import latest
from vorab.cli.registry_import import Wish, run_import
from vorab.errors import ConfigError
from vorab.log import open_log
from vorab.registry.kinds import CONTRACTS, DEVICES, SITES
from vorab.settings import Settings
from vorab.topics import REGISTRY

GOOD = "device,model\n" + "".join(f"p-{n},pump\n" for n in range(50))
HALF = GOOD + "p 50,pump\np-51,pump\n"
Importing = Callable[[Settings, Wish], int]


def ends(folder: Path) -> dict[str, dict[int, int]]:
    """Where the topics of the registry end."""
    with open_log(f"sqlite:///{folder / 'var' / 'log.db'}", read_only=True) as log:
        return {topic: dict(log.ends(topic)) for topic in REGISTRY}


def writes_half(folder: Path, importing: Importing) -> bool:
    """Whether an import of a file with one mistake leaves anything behind."""
    found = settings_module.load()
    run_import(found, Wish(DEVICES, put(folder, "good.csv", "device\nbefore\n")))
    before = ends(folder)
    with pytest.raises(ConfigError):
        importing(found, Wish(DEVICES, put(folder, "half.csv", HALF)))
    return ends(folder) != before


@pytest.mark.usefixtures("state")
def test_a_file_with_a_mistake_writes_nothing(tmp_path: Path) -> None:
    """Fifty good rows before it and one after it stay out, line and column of the mistake are told."""
    assert not writes_half(tmp_path, run_import)
    with pytest.raises(ConfigError, match=r"half\.csv:52 \[device\], column 1"):
        run("devices", "import", tmp_path / "half.csv")


@pytest.mark.usefixtures("state")
def test_an_import_that_writes_half_is_caught(tmp_path: Path) -> None:
    """Known bad: one that writes row by row until it meets the mistake."""

    def bad(found: Settings, wish: Wish) -> int:
        for number, line in enumerate(wish.file.read_text(encoding="utf-8").splitlines()[1:]):
            run_import(found, Wish(DEVICES, put(tmp_path, f"{number}.csv", f"device,model\n{line}\n")))
        return 0

    assert writes_half(tmp_path, bad)


@pytest.mark.usefixtures("state")
def test_a_dry_run_says_what_would_change_and_writes_nothing(tmp_path: Path) -> None:
    """Not even the first file of a state folder; afterwards the difference by field."""
    file = put(tmp_path, "in.csv", "device,model\np-1,pump\np-2,pump\n")
    assert "2 devices would be imported: 2 new" in ok("devices", "import", file, "--dry-run")
    assert not (tmp_path / "var").exists()
    ok("devices", "import", file)
    before = ends(tmp_path)
    told = ok("devices", "import", put(tmp_path, "in.csv", "device,model,site\np-1,heat-pump,hof\np-2,pump,\np-3,pump,\n"), "--dry-run")
    assert "+ main/p-3" in told
    assert "~ main/p-1: model pump → heat-pump, site nothing → hof" in told
    assert "3 devices would be imported: 1 new, 1 changed, 1 as before" in told
    assert ends(tmp_path) == before


@pytest.mark.usefixtures("state")
def test_only_what_changes_is_written(tmp_path: Path) -> None:
    """The same file again leaves the log as it is; one other row is one record."""
    ok("devices", "import", put(tmp_path, "in.csv", GOOD))
    before = ends(tmp_path)
    assert "0 new, 0 changed, 50 as before" in ok("devices", "import", tmp_path / "in.csv")
    assert ends(tmp_path) == before
    said = json.loads(ok("devices", "import", put(tmp_path, "in.csv", GOOD.replace("p-7,pump", "p-7,fan")), "--json"))
    assert said["changed"] == {"main/p-7": {"model": {"old": "pump", "new": "fan"}}}
    assert (len(said["new"]), said["unchanged"], said["dry_run"]) == (0, 49, False)


@pytest.mark.usefixtures("state")
def test_what_is_right_can_be_had_without_what_is_wrong(tmp_path: Path) -> None:
    """`--partial` writes the good rows, tells the others, and ends with 1."""
    told = run("devices", "import", put(tmp_path, "in.csv", HALF), "--partial")
    assert told.exit_code == 1
    assert "in.csv:52 [device], column 1" in told.output
    assert sorted(latest(settings_module.load(), DEVICES.topic)) == sorted(f"main/p-{n}" for n in (*range(50), 51))


@pytest.mark.usefixtures("state")
def test_mistakes_are_told_to_machines(tmp_path: Path) -> None:
    """With --json each is an object with file, line, column, key and reason."""
    told = run("contracts", "import", put(tmp_path, "in.jsonl", '{"contract": "v-1"}\n{"contract": "v-2", "ends": "soon"}\n'), "--json")
    assert told.exit_code == 2
    [mistake] = json.loads(told.stdout)["mistakes"]
    assert (mistake["line"], mistake["column"], mistake["key"], mistake["reason"]) == (2, 21, "ends", "'soon' is no day")
    assert mistake["file"].endswith("in.jsonl")


@pytest.mark.usefixtures("state")
@pytest.mark.parametrize("form", ["csv", "json", "jsonl", "yaml"])
def test_sites_and_contracts_come_out_as_they_went_in(tmp_path: Path, form: str) -> None:
    """Imported, exported, imported again: the same; listed, shown and removed."""
    ok("sites", "import", put(tmp_path, "s.csv", "site,name,time_zone,region,parent\nwerk,Plant,Europe/Berlin,DE-BY,\nhof,Yard,,,werk\n"))
    text = "contract,customer,kind,starts,ends,response_h,repair_h,remote_repair\nv-1,c-1,full service,2026-01-01,2026-12-31,4,24.5,yes\n"
    ok("contracts", "import", put(tmp_path, "c.csv", text))
    for kind, name in ((SITES, "hof"), (CONTRACTS, "v-1")):
        first = ok(kind.plural, "export", "--format", form)
        ok(kind.plural, "remove", name)
        assert name not in ok(kind.plural, "export", "--format", form)
        ok(kind.plural, "import", put(tmp_path, f"again.{form}", first))
        assert ok(kind.plural, "export", "--format", form) == first
        assert name in ok(kind.plural, "list")
        assert json.loads(ok(kind.plural, "show", name, "--json"))[kind.name] == name


@pytest.mark.usefixtures("state")
def test_marks_stay_when_customers_are_imported_again(tmp_path: Path) -> None:
    """A monthly file without the column forgives nothing; one with it means what it says."""
    file = put(tmp_path, "in.csv", "customer,language\nc-1,de\n")
    ok("customers", "import", file)
    ok("customers", "mark", "c-1", "--return")
    ok("customers", "import", put(tmp_path, "in.csv", "customer,language\nc-1,en\n"))
    shown = json.loads(ok("customers", "show", "c-1", "--json"))
    assert (shown["language"], shown["returns"]) == ("en", 1)
    ok("customers", "import", put(tmp_path, "in.csv", "customer,language,returns\nc-1,en,0\n"))
    assert json.loads(ok("customers", "show", "c-1", "--json"))["returns"] == 0


@pytest.mark.usefixtures("state")
def test_devices_that_name_what_is_not_there_are_noted(tmp_path: Path) -> None:
    """A site or contract nobody has imported is no mistake, but worth knowing."""
    ok("sites", "import", put(tmp_path, "s.csv", "site\nhof\n"))
    told = run("devices", "import", put(tmp_path, "in.csv", "device,site,contract\np-1,hof,v-1\np-2,werk,\n"))
    assert "note: p-2 names the site werk, which nobody has imported" in told.output
    assert "note: p-1 names the contract v-1" in told.output
    assert "p-1 names the site" not in told.output
