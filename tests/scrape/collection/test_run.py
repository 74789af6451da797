"""Complete scrapes: from local folders, and from fake sources with a real web server."""

import asyncio
import shutil
from itertools import chain, count

import pandas as pd
import pytest
from aiohttp import web as server

from pixmill.core.errors import DataError, ScrapeError
from pixmill.core.manifest import SCRAPED, SIGHTINGS, read_table, write_table
from pixmill.scrape.candidate import MAX_REPEATED
from pixmill.scrape.collection import crawl
from pixmill.scrape.sources import SearchError
from tests.scrape.invented import url_of


@pytest.fixture
def sightings(output):
    return lambda: read_table(output / "sightings.parquet", SIGHTINGS, stage="scrape")


@pytest.fixture
def everything(output, tree):
    """Write the manifest; return the digest of each output file and the metrics."""

    def everything(result):
        write_table(output / "manifest.parquet", result.manifest, SCRAPED)
        return tree(output), result.tally.metrics()

    return everything


class TestFolder:
    def test_a_folder_of_classes(self, run, data, output, tree):
        result = run()
        assert len(result.manifest) == 60
        assert result.manifest["label"].value_counts().to_dict() == {"boot": 30, "hat": 30}
        assert {*result.manifest["path"], "sightings.parquet"} == set(tree(output))
        assert {f"images/{path}" for path in tree(output / "images")} == set(
            result.manifest["path"]
        )
        assert (
            set(tree(output / "images").values())
            == set(tree(data).values())
            == set(result.manifest["id"])
        )
        assert set(result.manifest["snapshot"]) == {"2026-11-20"}
        assert result.manifest["given_split"].isna().all()

    def test_reads_unlabelled_images_whatever_the_limits(self, run, data, sightings, image):
        (data / "unlabelled" / "new").mkdir(parents=True)
        names = ["data/unlabelled/new/a.png", "data/unlabelled/new/b.png"]
        for number, name in enumerate(names, 500):
            (data.parent / name).write_bytes(image(number))
        before = run(per_class=3)
        copied = (data / "hat" / "000.png").read_bytes()
        (data / "unlabelled" / "copy.png").write_bytes(copied)
        result = run(per_class=3)
        rows = result.manifest.set_index("image_url")
        assert rows["label"].value_counts().to_dict() == {"boot": 3, "hat": 3}
        assert sorted(rows.index[rows["label"].isna()]) == names
        seen = sightings()
        assert list(seen.loc[seen["label"].isna(), "image_url"])[1:] == names
        # A copy of a labelled image is that image.
        pd.testing.assert_frame_equal(result.manifest, before.manifest)
        counted = result.tally
        assert (counted.images, counted.conflicts, counted.total.candidates) == (6, 0, 6)
        assert (counted.unlabelled.candidates, counted.unlabelled.duplicates) == (3, 1)

    def test_the_folder_of_unlabelled_images_is_no_class(self, run, data, image):
        (data / "pile").mkdir()
        (data / "pile" / "a.png").write_bytes(image(500))
        assert run().manifest["label"].value_counts()["pile"] == 1
        assert run(unlabelled="data/pile").manifest["label"].isna().sum() == 1

    def test_a_second_run_gives_the_same(self, run, everything):
        assert everything(run()) == everything(run())

    def test_repairs_damaged_output(self, run, output, everything):
        files = everything(run())
        path = min((output / "images").rglob("*.png"))
        path.write_bytes(b"damaged")
        assert everything(run()) == files

    def test_an_image_in_two_classes_has_no_label(self, run, data):
        (data / "boot" / "same.png").write_bytes((data / "hat" / "003.png").read_bytes())
        result = run()
        unlabelled = result.manifest[result.manifest["label"].isna()]
        assert list(unlabelled["image_url"]) == ["data/boot/same.png"]
        assert result.tally.conflicts == 1

    def test_accepts_files_that_are_not_images(self, run, data, output, image):
        """Validate reports them."""
        (data / "hat" / "text.jpg").write_text("I am no image")
        (data / "hat" / "cut.jpg").write_bytes(image(9, "JPEG")[:100])
        (data / "hat" / "nothing.png").write_bytes(b"")
        manifest = run().manifest.set_index("image_url")
        assert manifest["format"].isna()["data/hat/text.jpg"]
        assert manifest.loc["data/hat/text.jpg", "path"].endswith(".bin")
        assert manifest.loc["data/hat/cut.jpg", "format"] == "jpeg"
        assert manifest.loc["data/hat/nothing.png", "bytes"] == 0
        assert (output / manifest.loc["data/hat/text.jpg", "path"]).read_text() == "I am no image"

    def test_names_an_empty_class(self, run, data):
        (data / "scarf").mkdir()
        result = run(("boot", "scarf", "hat"))
        assert len(result.manifest) == 60
        with pytest.raises(ScrapeError, match=r"scarf \(source 'folder'\): data/scarf is empty"):
            result.check()

    def test_a_class_of_relabelled_images_needs_none_from_a_source(self, run, data):
        options = {"classes": ("boot", "scarf", "hat"), "source_by_class": {"scarf": ()}}
        result = run(**options)
        result.check()
        assert set(result.manifest["label"]) == {"boot", "hat"}
        (data / "hat").rename(data / "scarf")
        assert set(run(**options).manifest["label"]) == {
            "boot",
            "scarf",
        }  # its folder is not ignored

    def test_no_data(self, run, data):
        data.rename(data.with_name("elsewhere"))
        with pytest.raises(DataError, match="pixmill demo"):
            run()


class TestWeb:
    def test_two_sources_of_one_class(self, visit, invented, hats, web, sightings):
        """An image of both sources has one row and two sightings."""
        first = invented({"hat": hats[:6]}, name="site:first")
        second = invented({"hat": hats[4:]}, name="site:second")
        result = visit(first, second)
        assert sorted(web.fetched()) == hats
        assert len(result.manifest) == 10
        assert set(result.manifest["label"]) == {"hat"}
        assert result.manifest["source"].value_counts().to_dict() == {
            "site:first": 6,
            "site:second": 4,
        }
        found = sightings()
        assert list(found["image_url"]) == [*hats[:6], *hats[4:]]
        assert list(found["rank"]) == [*range(6), *range(6)]
        assert list(found["source"]) == ["site:first"] * 6 + ["site:second"] * 6
        counts = result.tally.metrics()["per_query"]["hat"]
        assert [counts[name]["hat"]["duplicates"] for name in ("site:first", "site:second")] == [
            0,
            2,
        ]
        assert [counts[name]["hat"]["candidates"] for name in ("site:first", "site:second")] == [
            6,
            6,
        ]

    def test_the_result_does_not_depend_on_the_order_of_responses(
        self, visit, invented, web, image, everything, tmp_path
    ):
        results = []
        for slow in (0, 1):

            async def answer(request, slow=slow):
                await asyncio.sleep(0.2 if request.path == f"/{slow}" else 0.0)
                return server.Response(body=image(1))

            web.answers |= {"/0": answer, "/1": answer}
            results.append(everything(visit(invented({"hat": [url_of(0), url_of(1)]}))))
            shutil.rmtree(tmp_path / ".pixmill")
        assert results[0] == results[1]

    def test_a_finished_journal_needs_no_requests(
        self, visit, invented, hats, web, output, everything
    ):
        first = everything(visit(invented({"hat": hats})))
        web.fetched()
        web.answers.clear()
        shutil.rmtree(output)
        again = invented({})
        assert everything(visit(again)) == first
        assert (again.asked, web.requests) == ([], [])

    def test_an_added_source_queries_no_other(self, visit, invented, hats, web):
        visit(invented({"hat": hats[:5]}, name="site:first"))
        web.fetched()
        first = invented({}, name="site:first")
        second = invented({"hat": hats[3:]}, name="site:second")
        assert len(visit(first, second).manifest) == 10
        assert (first.asked, second.asked) == ([], ["hat"])
        assert web.fetched() == hats[5:]

    @pytest.mark.timeout(60)
    def test_a_site_that_repeats_its_images_ends(
        self, visit, invented, hats, web, everything, tmp_path, monkeypatch
    ):
        """The end does not depend on how many candidates were fetched together."""
        pages = (f"{url}?page={page}" for page in count() for url in hats[:8])
        found = everything(visit(invented({"hat": chain(hats, [url_of("gone")], pages)})))
        counts = found[1]["per_query"]["hat"]["site:invented"]["hat"]
        assert (found[1]["images"], counts["duplicates"]) == (10, MAX_REPEATED)
        web.fetched()
        again = visit(invented({}))
        assert everything(again) == found
        assert web.fetched() == []
        assert any("the site repeats itself" in remark for remark in again.remarks)
        again.check()
        shutil.rmtree(tmp_path / ".pixmill")
        monkeypatch.setattr(crawl, "_BATCH_SIZE", 7)
        pages = (f"{url}?page={page}" for page in count() for url in hats[:8])
        assert everything(visit(invented({"hat": chain(hats, [url_of("gone")], pages)}))) == found

    def test_refuses_invalid_urls(self, visit, invented, hats):
        strange = [
            "",
            "http://\ud83d",
            "//x",
            "data:,\ud83d",
            "http://[::1",
            "http://invented.test/\ud83d\0",
            "x" * 9000,
        ]
        result = visit(invented({"hat": [*strange, hats[0]]}))
        assert result.tally.total.candidates == 8
        assert result.tally.total.fetched == 1


class TestCheck:
    def test_names_each_failure_on_a_line(self, visit, invented, hats):
        source = invented(
            {"hat": [*hats, SearchError("stalled", "the page stopped")], "cap": hats[:3]}
        )
        result = visit(source, classes=("hat", "cap"), expect_at_least=5)
        with pytest.raises(ScrapeError) as stop:
            result.check()
        assert stop.value.message.splitlines() == [
            "hat (source 'site:invented'): the page stopped",
            "cap (source 'site:invented'): http://invented.test/?q=cap returned 3 candidates, "
            "expected at least 5 "
            "(scrape.expect_at_least)",
        ]
        assert "dvc repro scrape" in stop.value.next

    @pytest.mark.parametrize(
        ("tolerate", "stops"), [(0.0, True), (0.24, True), (0.25, False), (1.0, False)]
    )
    def test_tolerate(self, visit, invented, hats, tolerate, stops):
        source = invented(
            {"a": hats, "b": [SearchError("timeout", "too slow")], "c": hats, "d": hats}
        )
        result = visit(source, queries={"hat": ["a", "b", "c", "d"]}, tolerate=tolerate)
        if stops:
            assert result.tolerated_failures() == []
            with pytest.raises(ScrapeError, match="too slow"):
                result.check()
        else:
            result.check()
            assert result.tolerated_failures() == [
                "tolerated: hat (source 'site:invented' 'b'): too slow",
                "to retry only the failed queries: dvc repro -f scrape",
            ]

    def test_tolerates_no_class_without_images(self, visit, invented, hats, web):
        web.answers["/0"] = None
        result = visit(
            invented({"hat": hats[1:], "cap": hats[:1]}), classes=("hat", "cap"), tolerate=1.0
        )
        with pytest.raises(
            ScrapeError,
            match=r"^cap: no images, because all candidates were refused \(http_404 1\)\n",
        ):
            result.check()


class TestLists:
    def test_scrapes_a_csv_file(self, run, web, hats, tmp_path, sightings):
        """Uses the real source ``urls``."""
        rows = [f"{url},{'hat' if place < 6 else 'boot'}" for place, url in enumerate(hats)]
        (tmp_path / "list.csv").write_text("\n".join(["url,label", *rows, f"{url_of('gone')},hat"]))
        result = run(source="urls", network=web.network, rate=None, urls={"files": ["list.csv"]})
        result.check()
        assert result.manifest["label"].value_counts().to_dict() == {"hat": 6, "boot": 4}
        assert result.tally.total.refused == {"http_404": 1}
        assert len(sightings()) == 11
        web.fetched()
        assert (
            len(run(source="urls", network=web.network, urls={"files": ["list.csv"]}).manifest)
            == 10
        )
        assert web.fetched() == []
