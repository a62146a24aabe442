"""The Dockerfile without an engine: its steps, carried out below a directory, and the program run from there.

What cannot be rehearsed are the base image and the kernel's part: the root is made read-only by its modes, and the
program runs as user 65532 where this one may change users.
"""

from __future__ import annotations

import os
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parents[2]
NOBODY = 65532
BASE = "python:3.11-slim-bookworm"


def main() -> None:
    """Build, look, run; an AssertionError or CalledProcessError where something is not as it should be."""
    with tempfile.TemporaryDirectory(prefix="archiver-image-") as name:
        root = Path(name)
        root.chmod(0o755)
        environment = build(root)
        protect(root)
        try:
            run(root, environment)
        finally:
            for path in root.rglob("*"):
                if path.is_dir():
                    path.chmod(0o755)
    sys.stdout.write("the image's steps install a program that runs as nobody from a read-only tree\n")


def build(root: Path) -> dict[str, str]:
    """Carry out every COPY and RUN of both stages below ``root``; the environment of the last stage."""
    stages: list[Stage] = []
    for step in DockerfileParser(str(ROOT / "Dockerfile"), cache_content=True).structure:
        match step["instruction"], step["value"]:
            case "FROM", value:
                assert value.split()[0] == BASE, "both stages are of the base that is rehearsed"
                stages.append(Stage(root / f"stage{len(stages)}"))
            case "WORKDIR", value:
                stages[-1].workdir = stages[-1].inside(value)
                stages[-1].workdir.mkdir(parents=True, exist_ok=True)
            case "COPY", value:
                stages[-1].copy(value, stages)
            case "RUN", value:
                stages[-1].run(value)
            case "ENV", value:
                stages[-1].environment |= dict(word.split("=", 1) for word in shlex.split(value))
            case "VOLUME" | "USER" | "LABEL" | "STOPSIGNAL" | "HEALTHCHECK" | "ENTRYPOINT" | "CMD" | "COMMENT", _:
                pass
            case other, _:
                raise AssertionError(f"{other} is not rehearsed")
    return stages[-1].environment


class Stage:
    """One stage, below a directory that stands for its root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workdir = root
        self.environment: dict[str, str] = {}
        root.mkdir()

    def inside(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def copy(self, value: str, stages: list[Stage]) -> None:
        *sources, target = value.split()
        origin = ROOT
        if sources[0].startswith("--from="):
            del sources[0]
            origin = stages[0].root
        for source in sources:
            place = self.inside(target) if target.startswith("/") else self.workdir / target
            path = origin / source.lstrip("/")
            if path.is_dir():
                shutil.copytree(path, place, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
                _move_scripts(place, str(stages[0].root), str(self.root))
            else:
                shutil.copy(path, place / path.name if target.endswith("/") else place)

    def run(self, value: str) -> None:
        """Absolute paths of the image, and its interpreter, are replaced by ours."""
        command = value.replace("/opt/", f"{self.root}/opt/").replace("/etc/", f"{self.root}/etc/")
        command = command.replace("python -m venv", f"{interpreter()} -m venv")
        if os.geteuid():
            command = command.replace("--owner 65532 --group 65532 ", "")
        environment = {**os.environ, **{k: v for k, v in self.environment.items() if k.startswith("PIP_")}}
        (self.root / "opt").mkdir(exist_ok=True)
        (self.root / "etc").mkdir(exist_ok=True)
        subprocess.run(["sh", "-ec", command], cwd=self.workdir, env=environment, check=True, stdout=subprocess.DEVNULL)


def interpreter() -> str:
    """One that everybody may start: ours, or the system's where ours lies in somebody's home."""
    ours = Path(sys.executable).resolve()
    if os.geteuid() == 0 and not all(path.stat().st_mode & 0o001 for path in [ours, *ours.parents]):
        return "/usr/bin/python3"
    return str(ours)


def _move_scripts(place: Path, old: str, new: str) -> None:
    """A virtual environment knows where it lies: in the image both stages have it in one place."""
    for path in place.glob("bin/*"):
        if path.is_file() and not path.is_symlink() and old.encode() in (data := path.read_bytes()):
            path.write_bytes(data.replace(old.encode(), new.encode()))


def protect(root: Path) -> None:
    """Let nobody write anywhere."""
    for path in [root, *root.rglob("*")]:
        if not path.is_symlink():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)


def run(root: Path, environment: dict[str, str]) -> None:
    """The program, as the image would start it."""
    stage = root / "stage1"
    installed = {path.name for path in (stage / "opt/archiver/bin").iterdir()}
    assert "archiver" in installed
    assert not installed & {"pip", "pip3"}, "what installs is not shipped"
    assert not (stage / "build").exists()
    with tempfile.TemporaryDirectory(prefix="archiver-scratch-") as scratch:
        given = {key: value for key, value in environment.items() if key != "PATH"}
        given |= {"PATH": f"{stage}/opt/archiver/bin:/usr/bin:/bin", "TMPDIR": scratch, "HOME": scratch}
        if os.geteuid() == 0:
            os.chown(scratch, NOBODY, NOBODY)

        def archiver(*words: str) -> str:
            user = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
            command = [str(stage / "opt/archiver/bin/archiver"), *words]
            done = subprocess.run(  # type: ignore[call-overload]
                command, cwd=stage / "etc/archiver", env=given, capture_output=True, text=True, check=False, **user
            )
            assert done.returncode == 0, f"{words}: {done.returncode}: {done.stderr}"
            return str(done.stdout)

        assert archiver("--version").startswith("archiver ")
        assert "recordings listed" in archiver("demo", "--dir", f"{scratch}/demo")
        assert list(Path(scratch, "demo").rglob("*.vcon.json")), "it has archived something"


if __name__ == "__main__":
    main()
