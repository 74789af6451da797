"""Hostile responses, through the whole stage."""

from collections import Counter

import pytest

from tests.scrape.acts.hostile import HOST, Hostile
from tests.scrape.replicas.world import World

OUTPUTS = {
    "artifacts/scrape/manifest.parquet",
    "artifacts/scrape/sightings.parquet",
    "metrics/scrape.json",
    "plots/scrape/full.json",
    "reports/scrape.html",
}
MAX_BYTES = 2**20
MAX_MEMORY = 220
"""MiB: the idle stage and a few bodies of maximum size."""


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_refuses_hostile_responses(project):
    with World(hostile := Hostile()) as world:
        made = project(world)
        (made.root / "list.csv").write_text(
            "url,label\n" + "".join(f"{url},hat\n" for url in hostile.urls())
        )
        made.params(
            "hat", source="urls", urls={"files": ["list.csv"]}, timeout=3.0, max_bytes=MAX_BYTES
        )
        before = files(made.root.parent)
        done = made.succeed()
    rows = {
        row.image_url.removeprefix(f"http://{HOST}"): row for row in made.sightings().itertuples()
    }
    assert {path: rows[path].reason for path in hostile.refusals} == hostile.refusals
    assert {path for path, row in rows.items() if isinstance(row.id, str)} == set(hostile.good)
    [(host, counts)] = made.metrics()["per_class"]["hat"]["urls"].items()
    assert (host, counts["refused"]) == (HOST, Counter(hostile.refusals.values()))
    # The only new files are outputs, images of the manifest and scratch files.
    new = {
        path
        for path in files(made.root.parent) - before
        if not path.startswith("project/.pixmill/")
    }
    images = {f"artifacts/scrape/{path}" for path in made.manifest()["path"]}
    stored = {path for path in new if path.startswith("project/artifacts/scrape/images/")}
    assert new - stored == {f"project/{path}" for path in OUTPUTS}
    assert {f"project/{path}" for path in images} <= stored
    assert len(stored) == len(images) + 1
    assert made.leftovers() == []
    assert done.memory < MAX_MEMORY
    report = made.report()
    assert all(f"<code>{reason}</code>" in report for reason in hostile.refusals.values())
