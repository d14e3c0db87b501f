"""`vorab partners` and what the doctor says of partners: what to fix, in words, and never a secret."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from vorab.cli import main
from vorab.doctor import Verdict, partners
from vorab.errors import EXIT_OK, EXIT_PROBLEMS, EXIT_USAGE
from vorab.partners import Partner
from vorab.settings import Settings, load

SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()


def written(folder: Path, partner: str, hosts: str = '"127.0.0.1"') -> Path:
    """A settings file with one partner."""
    (folder / "secret").write_text(SECRET, encoding="utf-8")
    (folder / "secret").chmod(0o600)
    file = folder / "vorab.toml"
    text = f'state_dir = "{folder}"\n[desk]\nport = 0\npartner_hosts = [{hosts}]\n[[partners]]\nname = "hooks"\nkind = "webhook"\n{partner}'
    file.write_text(text, encoding="utf-8")
    return file


def says(*words: str) -> int:
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0)


def test_a_partner_that_is_away_is_a_problem_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody listens there: exit code 1, and a line that says what to look at."""
    at = 'base_url = "http://127.0.0.1:9/in"\nallow_private = true\n'
    file = written(tmp_path, f'{at}secret_file = "{tmp_path}/secret"\n')
    assert says("partners", "check", "--config", str(file), "--json") == EXIT_PROBLEMS
    printed = capsys.readouterr().out
    [finding] = json.loads(printed)
    assert (finding["about"], finding["verdict"]) == ("partner hooks", "problem")
    assert finding["says"].startswith("unreachable")
    assert finding["do"]
    assert SECRET not in printed
    assert says("partners", "list", "--config", str(file), "--json") == EXIT_OK
    assert json.loads(capsys.readouterr().out)[0]["mirrored"] == 0
    assert says("partners", "resend", "hooks", "--config", str(file)) == EXIT_OK
    assert says("partners", "resend", "nobody", "--config", str(file)) == EXIT_USAGE


@pytest.mark.parametrize(
    ("partner", "word"),
    [
        ('base_url = "http://hooks.example.org/in"\nsecret_env = "X"\n', "https"),
        ('base_url = "https://me:secret@hooks.example.org/in"\nsecret_env = "X"\n', "without user"),
        ('base_url = "https://hooks.example.org/in"\n', "secret_file"),
        ('base_url = "https://hooks.example.org/in"\nsecret_env = "X"\nsecret_file = "y"\n', "either"),
        ('base_url = "https://hooks.example.org/in"\nsecret_env = "VORAB_X"\n', "VORAB_"),
        ('base_url = "https://hooks.example.org/in"\nsecret_env = "X"\nmodel = ["pump"]\n', "models"),
        ('base_url = "https://hooks.example.org/in"\nsecret_env = "X"\nstatuses = ["open"]\n', "acknowledged"),
    ],
)
def test_a_wrong_partner_ends_the_start_with_what_would_be_right(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], partner: str, word: str
) -> None:
    """File, line and what to write instead."""
    assert says("partners", "list", "--config", str(written(tmp_path, partner))) == EXIT_USAGE
    printed = capsys.readouterr().err
    assert word in printed
    assert "vorab.toml:" in printed


def test_the_doctor_finds_hosts_that_are_not_allowed_and_files_that_are_open(tmp_path: Path) -> None:
    """Both are told with the line or command that mends them."""
    file = written(tmp_path, f'base_url = "https://hooks.example.org/in"\nsecret_file = "{tmp_path}/secret"\n')
    (tmp_path / "secret").chmod(0o644)
    found = partners.examine(load(file, env={}))
    assert [finding.verdict for finding in found] == [Verdict.PROBLEM, Verdict.PROBLEM]
    assert 'partner_hosts = ["hooks.example.org"]' in found[0].do
    assert found[1].do == f"chmod 600 {tmp_path}/secret"
    assert partners.examine(Settings()) == []


@pytest.mark.parametrize("name", ["agent", "customer", "vorab", "Itsm", "it sm", "", "a" * 33])
def test_a_partner_is_never_called_what_ours_are_called(name: str) -> None:
    """Its commands are told apart from ours by its name alone."""
    with pytest.raises(ValueError, match="name"):
        Partner(name=name, kind="tmf621", base_url="https://itsm.example.org/api")
