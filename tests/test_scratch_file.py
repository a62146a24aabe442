"""Sections of the scratch file: any number at once, read back as they were written, and room that is given back."""

from __future__ import annotations

import gzip
import os
import random

from archiver.model import Digest
from archiver.periods.scratch_file import BLOCK, ScratchFile, Section, SectionWriter


def noise(seed: int, size: int) -> bytes:
    """What no compressor makes smaller."""
    return random.Random(seed).randbytes(size)


def content(section: Section) -> bytes:
    with section.open() as stream:
        packed = stream.read()
    assert Digest.sha256_of(packed) == section.digest
    assert len(packed) == section.size
    return gzip.decompress(packed)


def test_sections_that_are_written_at_the_same_time() -> None:
    pieces = {number: [noise(number * 100 + each, BLOCK // 3) for each in range(11)] for number in range(4)}
    with ScratchFile(None) as file:
        writers = {number: file.begin() for number in pieces}
        for each in range(11):
            for number, writer in writers.items():
                writer.lines(pieces[number][each])
        sections = {number: writer.end() for number, writer in writers.items()}
        assert all(len(section.blocks) > 2 for section in sections.values())
        for number, section in sections.items():
            assert content(section) == b"".join(pieces[number])
        with sections[2].open() as stream:
            stream.seek(BLOCK - 5)
            across = stream.read(10)
            stream.seek(0)
            assert stream.read()[BLOCK - 5 : BLOCK + 5] == across


def written(file: ScratchFile, seed: int) -> SectionWriter:
    writer = file.begin()
    writer.lines(noise(seed, 5 * BLOCK))
    return writer


def test_what_is_given_up_is_written_over() -> None:
    with ScratchFile(None) as file:
        kept = written(file, 1).end()
        for seed in range(2, 12):
            written(file, seed).give_up()
            file.free(written(file, seed).end().blocks)
        assert os.fstat(file.fd).st_size <= 2 * 6 * BLOCK
        assert content(kept) == noise(1, 5 * BLOCK)
        assert content(written(file, 20).end()) == noise(20, 5 * BLOCK)


def test_the_same_lines_give_the_same_bytes() -> None:
    with ScratchFile(None) as file:
        assert written(file, 1).end().digest == written(file, 1).end().digest
        empty = file.begin().end()
        assert content(empty) == b""
