from pixmill.web.browser.session import own_profile


def test_profile_is_removed_with_its_session(tmp_path):
    with own_profile(tmp_path / "profiles") as folder:
        folder.mkdir()
        (folder / "cookies").touch()
    assert list((tmp_path / "profiles").glob("profile-*")) == []


def test_concurrent_sessions_have_separate_profiles(tmp_path):
    with own_profile(tmp_path) as first:
        first.mkdir()
        with own_profile(tmp_path) as second:
            assert first != second
            assert first.exists()
