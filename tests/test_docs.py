"""The documents say what the program does: held against it, word by word where that is possible."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archiver.cli import COMMANDS, main
from archiver.cli.failures import SIGPIPE
from archiver.config import load
from archiver.errors import ExitCode
from archiver.rules import verdict
from archiver.rules.lifecycle import State

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_exit_codes_of_the_readme_are_those_of_the_program() -> None:
    table = README[README.index("### Exit codes") : README.index("## In the bucket")]
    told = {int(code) for cell in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for code in cell.split(",")}
    assert told == {int(code) for code in ExitCode} | {SIGPIPE}


def test_every_command_is_in_the_readme_and_the_other_way_round() -> None:
    told = set(re.findall(r"`archiver ([a-z]+)", README)) | {"demo", "sandbox"}
    assert told <= COMMANDS.keys()
    assert COMMANDS.keys() <= told


def test_every_command_of_the_table_can_be_had() -> None:
    for name in COMMANDS:
        command = main.get_command(main.make_context("archiver", ["config", "schema"]), name)
        assert command is not None, name
        assert command.help


def test_the_configuration_of_the_readme_is_valid(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    path = tmp_path / "archiver.yaml"
    path.write_text(block)
    loaded = load(path, {"ARCHIVER_TOKEN": "token-of-the-test"})
    assert loaded.config.destination.encryption == "AES256"


def test_the_make_targets_that_documents_name_exist() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        assert set(re.findall(r"`make ([a-z0-9-]+)`", path.read_text())) <= targets, path


def test_the_tests_that_documents_name_exist() -> None:
    written = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^\s*(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        assert set(re.findall(r"`(test_\w+)`", path.read_text())) <= written, path


def test_every_state_is_named_in_the_readme() -> None:
    assert all(f"`{state}`" in README for state in State)


@pytest.mark.parametrize(
    "path", sorted([ROOT / "README.md", ROOT / "SECURITY.md", *(ROOT / "docs").rglob("*.md")]), ids=lambda p: p.name
)
def test_links_between_documents_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target


def test_every_decision_is_in_the_list() -> None:
    listed = set(re.findall(r"\((\d{4}-[a-z0-9-]+\.md)\)", (ROOT / "docs/adr/README.md").read_text()))
    assert listed == {path.name for path in (ROOT / "docs/adr").glob("0*.md")}


def test_every_reason_is_documented() -> None:
    text = (ROOT / "docs/verification.md").read_text()
    known = verdict.REJECTS | verdict.WARNS | verdict.EVIDENCE | verdict.PROVES
    known |= {f"not_audio_{name}" for name in verdict.NOT_AUDIO}
    known |= set(re.findall(r'Finding\(\s*f?"([a-z_]+)"', Path(verdict.__file__).read_text()))
    assert {code for code in known if f"`{code}`" not in text} == set()
