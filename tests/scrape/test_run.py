import pytest

import pixmill.scrape
from pixmill.errors import DataError, ScrapeError


def test_the_public_surface():
    assert pixmill.scrape.__all__ == ["Account", "ScrapeResult", "render_report", "scrape"]


def test_a_folder_of_classes(run, data, output, tree):
    result = run()
    assert len(result.manifest) == 60
    assert result.manifest["label"].value_counts().to_dict() == {"boot": 30, "hat": 30}
    assert set(result.manifest["path"]) == set(tree(output))
    assert set(tree(output).values()) == set(tree(data).values()) == set(result.manifest["id"])
    assert set(result.manifest["snapshot"]) == {"2026-11-20"}


def test_a_second_run_gives_the_same(run, output, tree):
    first, files = run(), tree(output)
    second = run()
    assert first.manifest.equals(second.manifest)
    assert first.sightings.equals(second.sightings)
    assert first.account == second.account
    assert tree(output) == files


def test_pictures_that_left_the_manifest_leave_the_output(run, data, output, tree):
    run()
    (data / "hat" / "000.png").unlink()
    stray = output / "images" / "00" / "stray.png"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"stray")
    result = run()
    assert len(result.manifest) == 59
    assert set(tree(output)) == set(result.manifest["path"])


def test_damaged_output_is_mended(run, output, tree):
    files = (run(), tree(output))[1]
    path = output / sorted(files)[0]
    path.write_bytes(b"damaged")
    run()
    assert tree(output) == files


def test_half_written_files_are_swept(run, output):
    left = output / "images" / "ab" / ".part-99-x.png"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    run()
    assert not left.exists()


def test_a_picture_in_two_classes_has_no_label(run, data):
    (data / "boot" / "same.png").write_bytes((data / "hat" / "003.png").read_bytes())
    result = run()
    unlabelled = result.manifest[result.manifest["label"].isna()]
    assert list(unlabelled["image_url"]) == ["data/boot/same.png"]
    assert result.account.conflicts == 1


def test_a_picture_twice_in_a_class_is_one_row_and_two_sightings(run, data):
    (data / "hat" / "zz.png").write_bytes((data / "hat" / "003.png").read_bytes())
    result = run()
    assert len(result.manifest) == 60
    assert len(result.sightings) == 61
    assert result.account.total.duplicates == 1


def test_the_first_pictures_of_each_class(run):
    result = run(per_class=5)
    assert sorted(result.manifest["image_url"]) == [
        f"data/{label}/{place:03}.png" for label in ("boot", "hat") for place in range(5)
    ]


def test_files_that_are_no_pictures_are_taken_from_a_folder(run, data, output, picture):
    """Validate then names what is wrong with them."""
    (data / "hat" / "text.jpg").write_text("I am no picture")
    (data / "hat" / "cut.jpg").write_bytes(picture(9, "JPEG")[:100])
    (data / "hat" / "nothing.png").write_bytes(b"")
    manifest = run().manifest.set_index("image_url")
    assert manifest.loc["data/hat/text.jpg", "format"] is None
    assert manifest.loc["data/hat/text.jpg", "path"].endswith(".bin")
    assert manifest.loc["data/hat/cut.jpg", "format"] == "jpeg"
    assert manifest.loc["data/hat/nothing.png", "bytes"] == 0
    assert (output / manifest.loc["data/hat/text.jpg", "path"]).read_text() == "I am no picture"


def test_an_empty_class_is_named_after_the_others_were_taken(run, data):
    (data / "scarf").mkdir()
    result = run(("boot", "scarf", "hat"))
    assert len(result.manifest) == 60
    with pytest.raises(ScrapeError, match=r"scarf \(source 'folder'\): data/scarf is empty"):
        result.check()


def test_a_class_of_three_pictures_is_for_validate_to_judge(run, data):
    for path in sorted((data / "hat").iterdir())[3:]:
        path.unlink()
    run().check()


def test_no_data(run, data):
    data.rename(data.with_name("elsewhere"))
    with pytest.raises(DataError, match="make data"):
        run()
