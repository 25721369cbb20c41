"""Publishing, superseding, withdrawing, reading and compacting facts in one process."""

import hashlib
import shutil
import struct
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import ibis
import polars as pl
import pytest
from ibis.backends.sql.compilers.pyspark import PySparkCompiler
from polars.testing import assert_frame_equal

from dafeng.base.errors import LakeError, UsageError
from dafeng.base.observation import KEY, SCHEMA, observation_frame
from dafeng.lake import ObservationLake, batches, current_facts, delta
from dafeng.lake.delta import DeltaLog
from dafeng.lake.identity import content_hashes
from unit.lake.lake_builders import day, fact, facts, no_queue, origins


class SparkOptions(ibis.config.Config):
    treat_nan_as_null: bool = False


@pytest.fixture
def lake(tmp_path: Path) -> ObservationLake:
    return ObservationLake(tmp_path / "lake")


def values(frame: pl.DataFrame) -> dict[str, float | None]:
    return dict(frame.select("place", "value").rows())


def four_parts(error: LakeError) -> bool:
    return all((error.problem, error.doing, error.expected, error.next_step))


def test_a_lake_without_facts_reads_as_empty(lake: ObservationLake) -> None:
    snapshot = lake.snapshot()
    assert (snapshot.version, snapshot.count) == (-1, 0)
    assert snapshot.read().schema == {**SCHEMA, "version": pl.String()}
    assert snapshot.history().height == snapshot.lineage(["a"]).height == lake.batches().height == 0
    assert lake.verify() == []
    assert lake.compact().files_after == 0


def test_a_correction_supersedes_and_is_not_seen_before_it_was_recorded(lake: ObservationLake) -> None:
    lake.publish(facts(1.0, 5.0), batch="a")
    told = lake.publish(facts(2.0, 5.0, recorded=3), batch="b")
    assert (told.appended, told.unchanged, told.superseded) == (1, 1, 1)
    snapshot = lake.snapshot()
    assert values(snapshot.read()) == {"p0": 2.0, "p1": 5.0}
    assert values(snapshot.read(as_of=day(2))) == {"p0": 1.0, "p1": 5.0}
    assert snapshot.read(as_of=day(-1)).is_empty()
    old, new = snapshot.history(facts(1.0)).iter_rows(named=True)
    assert (old["supersedes"], new["supersedes"], new["batch"]) == (None, old["version"], "b")


def test_a_date_means_its_end_and_an_instant_is_exact(lake: ObservationLake) -> None:
    late = datetime(2026, 1, 1, 23, 59, 59, 999999, tzinfo=UTC)
    lake.publish(observation_frame([fact(1.0, recorded_at=late)]), batch="a")
    snapshot = lake.snapshot()
    assert snapshot.read(as_of=date(2026, 1, 1)).height == snapshot.read(as_of=late).height == 1
    assert snapshot.read(as_of=late.replace(microsecond=999998)).is_empty()
    assert snapshot.read(as_of=datetime.fromisoformat("2026-01-02T07:59:59.999998+08:00")).is_empty()
    assert snapshot.read(as_of=date.max).height == 1
    with pytest.raises(UsageError, match="no time zone"):
        snapshot.read(as_of=datetime(2026, 1, 1))


def test_the_second_clock_hides_what_the_source_published_later(lake: ObservationLake) -> None:
    lake.publish(facts(1.0, published_on=date(2025, 1, 1)), batch="a")
    lake.publish(facts(2.0, published_on=date(2025, 6, 1), recorded=1), batch="b")
    snapshot = lake.snapshot()
    assert values(snapshot.read(published_by=date(2025, 3, 1))) == {"p0": 1.0}
    assert values(snapshot.read(published_by=date(2025, 6, 1))) == {"p0": 2.0}
    assert snapshot.read(published_by=date(2024, 1, 1)).is_empty()


def test_versions_recorded_at_one_instant_are_ordered_by_publication(lake: ObservationLake) -> None:
    for number in range(4):
        lake.publish(facts(float(number)), batch=f"b{number}")
    assert values(lake.snapshot().read(as_of=day(0))) == {"p0": 3.0}
    assert lake.snapshot().history()["value"].to_list() == [0.0, 1.0, 2.0, 3.0]


def test_a_fact_recorded_earlier_but_published_later_takes_its_place_in_time(lake: ObservationLake) -> None:
    lake.publish(facts(1.0), batch="a")
    lake.publish(facts(3.0, recorded=10), batch="c")
    lake.publish(facts(2.0, recorded=5), batch="b")
    read = lake.snapshot().read
    assert [values(read(as_of=day(number)))["p0"] for number in (4, 5, 9, 10)] == [1.0, 2.0, 2.0, 3.0]


def test_a_fact_that_returns_to_an_earlier_value_is_a_new_version(lake: ObservationLake) -> None:
    for number, value in enumerate((1.0, 2.0, 1.0, 2.0)):
        lake.publish(facts(value), batch=f"b{number}")
    assert lake.snapshot().history()["version"].n_unique() == 4


def test_filters_narrow_facts_before_they_are_compared(lake: ObservationLake) -> None:
    rows = [fact(1.0), fact(2.0, place="jilin"), fact(3.0, indicator="green_space_rate", kind="estimated")]
    lake.publish(observation_frame(rows), batch="a")
    snapshot = lake.snapshot()
    assert snapshot.read(indicators=["urban_rail_length"], places=["jilin"])["value"].to_list() == [2.0]
    assert snapshot.read(kinds=["estimated"])["value"].to_list() == [3.0]
    assert snapshot.read(places=[]).is_empty()
    assert snapshot.history(indicators=["green_space_rate"])["value"].to_list() == [3.0]


def test_a_withdrawn_fact_is_read_as_of_before_its_withdrawal(lake: ObservationLake) -> None:
    lake.publish(facts(1.0, 2.0), batch="a")
    version = lake.snapshot().read(places=["p0"])["version"].item()
    told = lake.withdraw([version], reason="录入错误", recorded_at=day(5), batch="w")
    again = lake.withdraw([version], reason="录入错误", recorded_at=day(6), batch="w")
    assert (told.appended, told.superseded, told.already, again.already) == (1, 1, False, True)
    snapshot = lake.snapshot()
    assert values(snapshot.read()) == {"p1": 2.0}
    assert values(snapshot.read(as_of=day(4))) == {"p0": 1.0, "p1": 2.0}
    withdrawn = snapshot.read(include_withdrawn=True).row(by_predicate=pl.col("place") == "p0", named=True)
    assert (withdrawn["review"], withdrawn["missing_reason"], withdrawn["supersedes"]) == (
        "withdrawn",
        "withdrawn",
        version,
    )
    assert snapshot.lineage([withdrawn["lineage"]])["text"].to_list() == ["录入错误"]
    lake.publish(facts(1.0, recorded=6), batch="b")
    assert values(lake.snapshot().read()) == {"p0": 1.0, "p1": 2.0}


def test_only_the_newest_version_of_a_fact_can_be_withdrawn(lake: ObservationLake) -> None:
    lake.publish(facts(1.0, 7.0), batch="a")
    lake.publish(facts(2.0, recorded=1), batch="b")
    old, other, new = lake.snapshot().history()["version"]
    for versions, recorded, fault in (
        ([old, other], 5, "replaced by a later version"),
        (["0" * 32], 5, "unknown"),
        ([new], 0, "recorded after the withdrawal"),
        ([], 5, "0 versions"),
    ):
        with pytest.raises(LakeError, match=fault) as caught:
            lake.withdraw(versions, reason="错", recorded_at=day(recorded), batch="w")
        assert four_parts(caught.value)
    lake.withdraw([new], reason="错", recorded_at=day(5), batch="w")
    with pytest.raises(LakeError, match="replaced by a later version"):
        lake.withdraw([new], reason="错", recorded_at=day(6), batch="w2")
    gone = lake.snapshot().read(include_withdrawn=True, places=["p0"])["version"].item()
    with pytest.raises(LakeError, match="withdrawn already"):
        lake.withdraw([gone], reason="错", recorded_at=day(6), batch="w3")
    assert lake.snapshot().count == 4


def test_a_batch_id_stands_for_one_content(lake: ObservationLake) -> None:
    first = lake.publish(facts(1.0, 2.0), batch="a")
    again = lake.publish(facts(1.0, 2.0, recorded=9)[::-1], batch="a")
    assert again == first.model_copy(update={"already": True})
    with pytest.raises(LakeError, match="used before, for other contents") as caught:
        lake.publish(facts(1.0, 3.0), batch="a")
    assert four_parts(caught.value)
    with pytest.raises(LakeError, match="blank"):
        lake.publish(facts(1.0), batch=" ")


def test_a_batch_without_news_is_known_all_the_same(lake: ObservationLake) -> None:
    lake.publish(facts(1.0), batch="a")
    assert lake.publish(facts(1.0, recorded=3), batch="b").unchanged == 1
    assert lake.publish(facts(), batch="c").appended == 0
    assert lake.publish(facts(), batch="c").already
    assert lake.batches()["batch"].to_list() == ["a", "b", "c"]
    assert lake.batches()["appended"].to_list() == [1, 0, 0]


def test_faulty_rows_are_refused_whole(lake: ObservationLake) -> None:
    for frame, fault in (
        (pl.concat([facts(1.0, 2.0), facts(3.0)]), "1 facts stand in it more than once: urban_rail_length/p0"),
        (facts(1.0).with_columns(value=float("nan")), "有限数"),
        (facts(1.0).with_columns(dataset=pl.lit(None, pl.String)), "关键列"),
        (facts(1.0).drop("low"), "low"),
    ):
        with pytest.raises(LakeError, match=fault) as caught:
            lake.publish(frame, batch="a")
        assert four_parts(caught.value)
    assert lake.snapshot().version == -1


def test_lineage_is_stored_once_and_an_id_names_one_origin(lake: ObservationLake) -> None:
    lake.publish(facts(1.0, lineage="a"), batch="a", lineage=origins("a", "b", "a"))
    lake.publish(facts(2.0, lineage="a"), batch="b", lineage=origins("a", "c"))
    assert lake.snapshot().lineage(["c", "a", "unknown"])["id"].to_list() == ["a", "c"]
    for lineage, fault in (
        (origins("a", text="2"), "stored with other contents: a"),
        (pl.concat([origins("d"), origins("d", text="2")]), "several origins: d"),
        (origins("d").drop("cell"), "columns"),
    ):
        with pytest.raises(LakeError, match=fault):
            lake.publish(facts(3.0), batch="c", lineage=lineage)
    assert lake.batches().height == 2


def test_a_snapshot_keeps_what_it_saw(lake: ObservationLake) -> None:
    for number in range(3):
        lake.publish(facts(float(number), 7.0, recorded=number), batch=f"b{number}", lineage=origins(f"l{number}"))
    kept, before = lake.snapshot(), lake.snapshot(1)
    seen, seen_before = kept.read(), before.read()
    told = lake.compact()
    assert (told.files_before, told.files_after) == (6, 2)
    lake.publish(facts(9.0, recorded=9), batch="new")
    assert_frame_equal(kept.read(), seen)
    assert_frame_equal(before.read(), seen_before)
    assert_frame_equal(lake.snapshot(before.version).read(), seen_before)
    assert_frame_equal(lake.snapshot().read(as_of=day(8)), seen)
    assert kept.lineage(["l0", "l1", "l2"]).height == 3
    with pytest.raises(LakeError, match="no version 99"):
        lake.snapshot(99)


def test_compaction_changes_nothing_that_is_read_and_closes_full_files(lake: ObservationLake) -> None:
    for number in range(6):
        lake.publish(facts(*map(float, range(number, number + 4)), recorded=number), batch=f"b{number}")

    def reads() -> list[pl.DataFrame]:
        snapshot = lake.snapshot()
        return [snapshot.history(), *(snapshot.read(as_of=day(number)) for number in range(7))]

    before = reads()
    assert lake.compact(rows_of_file=8).files_after == 3
    assert lake.compact(rows_of_file=8).files_before == 3
    for one, other in zip(before, reads(), strict=True):
        assert_frame_equal(one, other, check_exact=True)
    assert lake.verify() == []


def test_null_differs_from_empty_and_minus_zero_is_zero() -> None:
    columns = ["a", "b"]
    texts = pl.DataFrame({"a": ["", None, "~", "1:x", "1", ""], "b": ["", "", "", "", ":x", "0:"]})
    assert content_hashes(texts, columns).n_unique() == 6
    numbers = pl.DataFrame({"a": [0.0, -0.0, None, 5e-324], "b": [1, 1, 1, 1]})
    assert content_hashes(numbers, columns).n_unique() == 3
    text = "1:01:1"  # a: the bits of 0.0 are 0; b: 1
    assert content_hashes(numbers, columns)[1] == hashlib.sha256(text.encode()).hexdigest()[:32]


def canonical(values: Iterable[object]) -> str:
    """Hash values as the documentation of the version id says, one by one."""
    texts = []
    for value in values:
        match value:
            case None:
                texts.append("~")
                continue
            case float():
                text = str(struct.unpack("<q", struct.pack("<d", value + 0.0))[0])
            case datetime():
                text = str((value - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))
            case date():
                text = str((value - date(1970, 1, 1)).days)
            case _:
                text = str(value)
        texts.append(f"{len(text.encode())}:{text}")
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:32]


def test_version_ids_are_those_of_the_documented_text(lake: ObservationLake) -> None:
    lake.publish(facts(1.5, None, -0.0, lineage="源", published_on=date(1969, 2, 3), recorded=-99999), batch="a")
    lake.publish(facts(2.5, basis="x"), batch="b")
    for row in lake.snapshot().history().iter_rows(named=True):
        content = canonical(row[name] for name in SCHEMA if name not in ("recorded_at", "supersedes", "lineage"))
        assert row["version"] == canonical([content, row["recorded_at"], row["supersedes"], row["lineage"]])
    assert lake.snapshot().history()["version"][0] == "e17d9488cfe68f410e86e4cf1bab51fb"


def test_facts_of_a_workspace_with_any_name_are_read(tmp_path: Path) -> None:
    lake = ObservationLake(tmp_path / "市 [1]*? 100%#é" / "lake")
    lake.publish(facts(1.0), batch="批次/1")
    lake.publish(facts(2.0, recorded=1), batch="批次/2")
    assert values(lake.snapshot().read()) == {"p0": 2.0}
    assert lake.verify() == []
    moved = tmp_path / "moved"
    shutil.move(lake.folder, moved)
    assert ObservationLake(moved).publish(facts(1.0), batch="批次/1").already


def test_a_folder_name_that_the_log_library_misreads_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="%41") as caught:
        ObservationLake(tmp_path / "a%41b")
    assert four_parts(caught.value)


def test_a_missing_or_altered_file_is_a_finding_and_an_error_that_names_it(lake: ObservationLake) -> None:
    lake.publish(facts(1.0, 2.0), batch="a")
    file = next((lake.folder / "observations").glob("*.parquet"))
    whole = file.read_bytes()
    for damaged, finding in (
        (whole[:-20], "文件大小"),
        (b"\0" * len(whole), "散列值不符"),
        (whole[:-4] + b"XXXX", "散列值不符"),
        (None, "文件缺失"),
    ):
        file.unlink(missing_ok=True)
        if damaged is not None:
            file.write_bytes(damaged)
        found = lake.verify()
        assert [item.name for item in found] == ["lake.file.faulty"]
        assert finding in found[0].sentence
        for use in (lake.snapshot().read, lambda: lake.publish(facts(3.0), batch="b")):
            with pytest.raises(LakeError, match=file.name) as caught:
                use()
            assert four_parts(caught.value)
    file.write_bytes(whole)
    assert lake.verify() == []
    assert lake.publish(facts(3.0), batch="b").appended == 1


def test_a_silent_change_of_one_bit_is_found(lake: ObservationLake) -> None:
    lake.publish(facts(1.0, 2.0), batch="a")
    file = next((lake.folder / "observations").glob("*.parquet"))
    data = bytearray(file.read_bytes())
    data[10] ^= 1
    file.write_bytes(data)
    assert [item.name for item in lake.verify()] == ["lake.file.faulty"]


@pytest.mark.parametrize("text", ["", "not json", '{"add": 1}'], ids=["empty", "no json", "wrong"])
@pytest.mark.parametrize("entry", [0, 1, 2])
def test_a_damaged_log_is_a_finding_and_an_error(lake: ObservationLake, text: str, entry: int) -> None:
    lake.publish(facts(1.0), batch="a")
    lake.publish(facts(2.0), batch="b")
    (lake.folder / "observations/_delta_log" / f"{entry:020d}.json").write_text(text)
    with pytest.raises(LakeError) as caught:
        lake.snapshot()
    assert four_parts(caught.value)
    assert [item.name for item in lake.verify()] == ["lake.log.unreadable"]


def test_a_lake_of_other_columns_is_refused(lake: ObservationLake) -> None:
    DeltaLog(lake.folder / "observations", {"a": pl.String()}).load_or_create()
    with pytest.raises(LakeError, match="has the columns a"):
        lake.snapshot()


def test_batches_are_known_beyond_the_checkpoints_of_the_log(
    lake: ObservationLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delta, "_CHECKPOINT", 5)
    for number in range(13):
        lake.publish(facts(float(number), recorded=number), batch=f"b{number}")
    assert list((lake.folder / "observations/_delta_log").glob("*.checkpoint.parquet"))
    assert lake.batches()["batch"].to_list() == [f"b{number}" for number in range(13)]
    assert lake.publish(facts(3.0, recorded=3), batch="b3").already
    assert values(lake.snapshot(5).read()) == {"p0": 4.0}
    assert values(lake.snapshot().read(as_of=day(11))) == {"p0": 11.0}


def test_a_writer_that_is_always_too_late_gives_up(lake: ObservationLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DeltaLog, "commit", lambda *_, **__: False)
    monkeypatch.setattr(batches, "ATTEMPTS", 3)
    with pytest.raises(LakeError, match="faster 3 times") as caught:
        lake.publish(facts(1.0), batch="a")
    assert four_parts(caught.value)


def test_a_writer_that_was_overtaken_compares_anew(lake: ObservationLake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.publish(facts(0.0), batch="first")
    monkeypatch.setattr(batches, "turn", no_queue)
    commit, overtakers = DeltaLog.commit, ["x", "y"]

    def overtaken(self: DeltaLog, *args: object, **kwargs: object) -> bool:
        if overtakers:
            name = overtakers.pop()
            ObservationLake(lake.folder).publish(facts(float(ord(name)), recorded=1), batch=name)
        return commit(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(DeltaLog, "commit", overtaken)
    assert lake.publish(facts(5.0, recorded=1), batch="late").appended == 1
    history = lake.snapshot().history()
    assert history["supersedes"].to_list() == [None, *history["version"][:-1]]
    assert history["batch"].to_list() == ["first", "x", "y", "late"]


def test_the_expression_of_current_facts_is_plain_relational_sql_for_a_distributed_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    types = dict.fromkeys(SCHEMA, "string") | {
        "value": "float64",
        "recorded_at": "timestamp('UTC')",
        "published_on": "date",
        "version": "string",
        "serial": "int64",
    }
    table = ibis.table(types, name="stored")
    expression = current_facts(table, as_of=date(2026, 1, 1), published_by=date(2025, 1, 1), places=["qingdao"])
    monkeypatch.setattr(ibis.options, "pyspark", SparkOptions())  # what loading the Spark backend does
    sql = PySparkCompiler().to_sqlglot(expression).sql("spark").upper()
    assert "ROW_NUMBER()" in sql
    assert "ASOF" not in sql
    assert all(f"`{name.upper()}`" in sql for name in KEY)


@pytest.mark.parametrize("left", ["nothing", "an empty folder"])
def test_data_files_without_their_log_are_a_fault_and_no_empty_lake(lake: ObservationLake, left: str) -> None:
    lake.publish(facts(1.0), batch="a")
    log = lake.folder / "observations" / "_delta_log"
    shutil.rmtree(log)
    if left == "an empty folder":
        log.mkdir()
    assert "lake.log.unreadable" in {finding.name for finding in lake.verify()}
    for broken in (lake.snapshot, lambda: lake.publish(facts(2.0), batch="b")):
        with pytest.raises(LakeError, match="its log is missing") as caught:
            broken()
        assert four_parts(caught.value)
