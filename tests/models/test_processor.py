"""A processor is told by what it can do, however the system calls that."""

from __future__ import annotations

import platform

import pytest

from pixmill.models import processor as module
from pixmill.models.processor import instructions, processor

INTEL = "processor\t: 0\nmodel name\t: Xeon\nflags\t\t: sse amx_bf16\n\nprocessor\t: 1\nmodel name\t: B\nflags\t: sse\n"
ARM = "processor\t: 0\nFeatures\t: fp bf16\n"


@pytest.mark.parametrize(
    ("facts", "known", "words"),
    [(INTEL, {"sse", "amx_bf16"}, ["Xeon", "amx_bf16", "sse"]), (ARM, {"fp", "bf16"}, ["bf16", "fp"])],
)
def test_the_first_processor_counts(facts, known, words, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(facts)
    monkeypatch.setattr(module, "_FACTS", tmp_path / "cpuinfo")
    assert instructions() == known
    assert processor().split() == [platform.machine(), *words]


def test_where_the_system_does_not_tell_there_is_a_name_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_FACTS", tmp_path / "none")
    assert instructions() == frozenset()
    assert processor().startswith(platform.machine())
