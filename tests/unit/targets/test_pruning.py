"""The choice of the files that a target loses, for any listing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import Version

from wheel_uploader.core.errors import NetworkError
from wheel_uploader.core.models import KeptFiles, Options, PruneRule, TargetSettings
from wheel_uploader.targets.pruning import (
    RemovalPlan,
    TargetFile,
    find_rule,
    is_final,
    plan_removals,
)

NOW = datetime(2026, 11, 30, tzinfo=UTC)
CURRENT = Version("1.0.dev5")
VERSIONS = (
    *("0.9.dev1", "0.9.dev2", "0.9.dev10", "0.9rc1", "0.9", "0.9.post1", "0.9+local", "1!0.1.dev1"),
    *("1.0.dev4", "1.0.dev5", "1.0.dev6", "1.0", "2.0.dev1"),
)


def make_file(
    version: str, tag: str = "any", days: float | None = 100, labels: tuple[str, ...] = ("main",)
) -> TargetFile:
    uploaded_at = None if days is None else NOW - timedelta(days=days)
    name = f"demo-{version}-py3-none-{tag}.whl"
    return TargetFile(filename=name, version=version, uploaded_at=uploaded_at, labels=labels)


FILES = st.lists(
    st.builds(
        make_file,
        st.sampled_from(VERSIONS),
        st.sampled_from(["any", "win32"]),
        st.one_of(st.none(), st.integers(-10, 200)),
        st.lists(st.sampled_from(["main", "dev", "other"]), unique=True, max_size=3).map(tuple),
    ),
    unique_by=lambda file: file.filename,
)
LIMITS = st.one_of(st.none(), st.integers(1, 4))
RULES = st.builds(
    PruneRule,
    releases=LIMITS,
    days=st.one_of(st.none(), st.integers(1, 150)),
    includes_final=st.booleans(),
).filter(lambda rule: rule.releases is not None or rule.days is not None)
LABELS = st.lists(st.sampled_from(["main", "dev"]), unique=True, max_size=2).map(tuple)


def plan(files: list[TargetFile], rule: PruneRule, *labels: str) -> RemovalPlan:
    return plan_removals(files, rule, project="demo", current=CURRENT, labels=labels, now=NOW)


def removed(files: list[TargetFile], rule: PruneRule, *labels: str) -> list[str]:
    return [removal.file.filename.split("-")[1] for removal in plan(files, rule, *labels).removals]


@settings(max_examples=500, deadline=None)
@given(FILES, RULES, LABELS)
def test_never_removes_what_must_stay(
    files: list[TargetFile], rule: PruneRule, labels: tuple[str, ...]
) -> None:
    result = plan(files, rule, *labels)
    for removal in result.removals:
        file = removal.file
        assert file in files
        assert removal.version != CURRENT
        for label in labels or ("",):
            scope = [each for each in files if not label or label in each.labels]
            if file not in scope or (removal.labels and label not in removal.labels):
                continue
            newest = sorted({CURRENT, *(Version(each.version) for each in scope)}, reverse=True)
            assert removal.version not in newest[: rule.releases or 1]
            if rule.days is not None:
                times = [each.uploaded_at for each in scope if Version(each.version) == removal.version]
                assert all(time and time < NOW - timedelta(days=rule.days) for time in times)
        is_final = not removal.version.is_prerelease and not removal.version.local
        assert rule.includes_final or not is_final
        # A file that has another label is not removed itself.
        assert removal.labels or set(file.labels) <= set(labels)
        assert not set(removal.labels) >= set(file.labels) or not file.labels
    assert len(result.removals) + sum(each.count for each in result.kept) == len(files)


@settings(max_examples=500, deadline=None)
@given(FILES, st.integers(1, 4), st.booleans(), st.data())
def test_a_listing_that_lacks_files_never_removes_more(
    files: list[TargetFile], releases: int, includes_final: bool, data: st.DataObject
) -> None:
    rule = PruneRule(releases=releases, includes_final=includes_final)
    fewer = [file for file in files if data.draw(st.booleans())]
    whole = {removal.file.filename for removal in plan(files, rule).removals}
    assert {removal.file.filename for removal in plan(fewer, rule).removals} <= whole


def test_orders_releases_by_pep_440() -> None:
    files = [make_file(version) for version in ("0.9.dev10", "0.9.dev2", "0.9.dev1", "1.0.dev5")]
    assert removed(files, PruneRule(releases=2)) == ["0.9.dev1", "0.9.dev2"]


def test_days_and_number_both_keep() -> None:
    files = [make_file("0.9.dev1", days=1), make_file("0.9.dev2"), make_file("0.9rc1"), make_file("1.0.dev5")]
    assert removed(files, PruneRule(releases=2, days=3)) == ["0.9.dev2"]


def test_the_newest_file_of_a_release_decides_its_age() -> None:
    files = [make_file("0.9.dev1", "any", 90), make_file("0.9.dev1", "win32", 1), make_file("0.9.dev2")]
    assert removed([*files, make_file("1.0.dev5")], PruneRule(days=3)) == ["0.9.dev2"]


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (TargetFile(filename="demo.egg"), "the name is not that of a wheel or an sdist"),
        (TargetFile(filename="demo-1-py3-none-any.whl/.."), "the name is not that of a wheel or an sdist"),
        (TargetFile(filename="other-0.1-py3-none-any.whl"), "the name is that of another project"),
        (TargetFile(filename="demo-0.1.dev1.tar.gz", version="0.2"), "the listed version is not"),
        (TargetFile(filename="demo-0.1.dev1.tar.gz", version="../.."), "the listed version is not"),
        (TargetFile(filename="demo-0.1.dev1.tar.gz", kept_because="of the type conda"), "of the type conda"),
    ],
)
def test_a_file_that_is_not_understood_is_kept(file: TargetFile, reason: str) -> None:
    result = plan([file, make_file("1.0.dev5")], PruneRule(releases=1, includes_final=True))
    assert result.removals == ()
    assert reason in result.kept[0].reason


def test_a_listing_with_a_name_twice_is_refused() -> None:
    with pytest.raises(NetworkError, match="twice"):
        plan([make_file("0.9.dev1"), make_file("0.9.dev1")], PruneRule(releases=1))


def test_each_of_several_labels_has_its_own_newest_releases() -> None:
    files = [
        make_file("0.9.dev1", labels=("main", "dev")),
        make_file("0.9.dev2", labels=("main",)),
        make_file("1.0.dev5", labels=("main", "dev")),
        make_file("0.9.dev10", labels=("dev",)),
    ]
    result = plan(files, PruneRule(releases=2), "main", "dev")
    assert [(removal.file.version, removal.labels) for removal in result.removals] == [("0.9.dev1", ())]


def kept(files: list[TargetFile], rule: PruneRule, *labels: str) -> list[tuple[str, int, str]]:
    return [(each.version, each.count, each.reason) for each in plan(files, rule, *labels).kept]


def test_each_release_is_kept_for_the_first_reason() -> None:
    files = [
        make_file("1.0.dev5"),
        make_file("1.0.dev5", "win32"),
        make_file("1.0.dev4"),
        make_file("0.9.dev10", days=2),
        make_file("0.9.dev2", days=None),
        make_file("0.9"),
        make_file("0.9.dev1"),
        TargetFile(filename="x"),
        TargetFile(filename="demo-0.1.tar.gz", kept_because="of the type conda"),
    ]
    result = plan(files, PruneRule(releases=2, days=3))
    assert [removal.file.version for removal in result.removals] == ["0.9.dev1"]
    assert result.removals[0].version == Version("0.9.dev1")
    assert result.kept == (
        KeptFiles(version="", count=1, reason="the name is not that of a wheel or an sdist"),
        KeptFiles(version="0.1", count=1, reason="of the type conda"),
        KeptFiles(version="1.0.dev5", count=2, reason="the release of this run"),
        KeptFiles(version="1.0.dev4", count=1, reason="among the 2 newest releases"),
        KeptFiles(version="0.9.dev10", count=1, reason="uploaded in the last 3 days"),
        KeptFiles(version="0.9.dev2", count=1, reason="the time of its upload is unknown"),
        KeptFiles(version="0.9", count=1, reason="a final release"),
    )


def test_the_newest_release_is_kept_also_if_it_is_not_that_of_the_run() -> None:
    files = [make_file("2.0.dev1"), make_file("1.0.dev6"), make_file("1.0.dev5")]
    assert kept(files, PruneRule(days=1)) == [
        ("2.0.dev1", 1, "the newest release"),
        ("1.0.dev5", 1, "the release of this run"),
    ]
    assert kept(files, PruneRule(days=200))[1] == ("1.0.dev6", 1, "uploaded in the last 200 days")


def test_a_release_of_exactly_the_age_is_kept() -> None:
    day = "uploaded in the last 1 day"
    files = [make_file("0.9.dev1", days=1), make_file("0.9.dev2", days=1.00001), make_file("1.0.dev5")]
    assert kept(files, PruneRule(days=1))[0] == ("0.9.dev1", 1, day)
    assert removed(files, PruneRule(days=1)) == ["0.9.dev2"]


def test_one_file_without_a_time_keeps_its_release() -> None:
    files = [make_file("0.9.dev1"), make_file("0.9.dev1", "win32", None), make_file("1.0.dev5")]
    assert removed(files, PruneRule(days=1)) == []
    assert removed(files, PruneRule(releases=1)) == ["0.9.dev1", "0.9.dev1"]


def test_files_are_removed_in_the_order_of_releases_and_names() -> None:
    files = [
        *(make_file("0.9.dev10"), make_file("0.9.dev2", "win32"), make_file("0.9.dev2", "any")),
        make_file("1.0.dev5"),
    ]
    names = [removal.file.filename for removal in plan(files, PruneRule(releases=1)).removals]
    assert names == [
        "demo-0.9.dev2-py3-none-any.whl",
        "demo-0.9.dev2-py3-none-win32.whl",
        "demo-0.9.dev10-py3-none-any.whl",
    ]


def test_a_file_loses_only_the_chosen_labels() -> None:
    files = [
        make_file("0.9.dev1", labels=("main", "other")),
        make_file("0.9.dev2", labels=("dev", "main")),
        make_file("0.9.dev10", labels=("other",)),
        make_file("1.0.dev5", labels=("main", "dev")),
    ]
    result = plan(files, PruneRule(releases=1), "main", "dev")
    assert [(removal.file.version, removal.labels) for removal in result.removals] == [
        ("0.9.dev1", ("main",)),
        ("0.9.dev2", ()),
    ]
    assert kept(files, PruneRule(releases=1), "main", "dev")[0] == (
        "0.9.dev10",
        1,
        "without the label main or dev",
    )


def test_a_file_that_one_label_keeps_loses_the_other() -> None:
    files = [
        make_file("0.9.dev10", labels=("main", "dev")),
        make_file("1.0.dev4", labels=("main",)),
        make_file("1.0.dev5", labels=("main",)),
    ]
    result = plan(files, PruneRule(releases=2), "main", "dev")
    assert [(removal.file.version, removal.labels) for removal in result.removals] == [
        ("0.9.dev10", ("main",))
    ]


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1.0", True), ("1.0.post1", True), ("1.0rc1", False), ("1.0.dev1", False), ("1.0+x", False)],
)
def test_users_rely_on_final_releases(version: str, expected: bool) -> None:
    assert is_final(Version(version)) is expected
    files = [make_file(version), make_file("2.0.dev1")]
    assert removed(files, PruneRule(releases=1)) == ([] if expected else [version])
    assert removed(files, PruneRule(releases=1, includes_final=True)) == [version]


def test_the_message_names_the_file_that_is_listed_twice() -> None:
    with pytest.raises(NetworkError) as caught:
        plan([make_file("0.9.dev1"), make_file("0.9.dev2"), make_file("0.9.dev2")], PruneRule(releases=1))
    assert caught.value.message == "the listing names demo-0.9.dev2-py3-none-any.whl twice"


def test_the_rule_is_that_of_the_options_or_that_of_the_section() -> None:
    def options(**values: object) -> Options:
        return Options(project="demo", version="1.0", urls=("x",), **values)  # type: ignore[arg-type]

    section = TargetSettings(prune=3, prune_days=4, prune_final=True)
    assert find_rule(options(), TargetSettings()) is None
    assert find_rule(options(), section) == PruneRule(releases=3, days=4, includes_final=True)
    assert find_rule(options(), TargetSettings(prune=3)) == PruneRule(releases=3)
    assert find_rule(options(), TargetSettings(prune_days=4)) == PruneRule(days=4)
    assert find_rule(options(prune=1), section) == PruneRule(releases=1)
    given = options(prune_days=2, prune_final=True)
    assert find_rule(given, section) == PruneRule(days=2, includes_final=True)
