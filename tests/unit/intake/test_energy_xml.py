"""Build.xml and Energy.xml: read, written, and hostile ones refused."""

import io
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from dafeng.base.building import Building
from dafeng.base.errors import InputError
from dafeng.base.reading import READING_SCHEMA
from dafeng.catalog import load_catalog
from dafeng.intake.energy_xml import XmlLimits, read_build_xml, read_daily_files, read_energy_xml
from dafeng.reports.energy_xml import archive_frame, daily_pack

NOW = datetime(2026, 11, 20, tzinfo=UTC)
CATALOG = load_catalog()
HOUR = (
    "<EnergyItemHourResult><F_HourResultID>370202A0012000000001</F_HourResultID><F_EnergyItemCode>{code}</F_EnergyItemCode>"
    "<F_StartHour>{start}</F_StartHour><F_EndHour>{end}</F_EndHour><F_HourValue>{value}</F_HourValue>"
    "<F_HourEquValue>1.54</F_HourEquValue><F_State>1</F_State></EnergyItemHourResult>"
)


def hour(
    code: str = "01000", start: str = "2026-01-01 00:00:00", end: str = "2026-01-01 01:00:00", value: str = "12.50"
) -> str:
    return HOUR.format(code=code, start=start, end=end, value=value)


def energy(*hours: str, building: str = ' id="370202A001"', head: str = "") -> bytes:
    return f"{head}<data><Build{building}>{''.join(hours)}</Build></data>".encode()


def names(findings: object) -> list[str]:
    return [finding.name for finding in findings]  # type: ignore[attr-defined]


def test_an_hour() -> None:
    said = read_energy_xml(energy(hour()), received_at=NOW)
    assert dict(said.readings.schema) == READING_SCHEMA
    row = said.readings.row(0, named=True)
    assert (row["meter"], row["start"], row["at"], row["value"], row["sent_as"], row["origin"]) == (
        "item:370202A001:01000",
        datetime(2025, 12, 31, 16, tzinfo=UTC),
        datetime(2025, 12, 31, 17, tzinfo=UTC),
        12.5,
        "1",
        "xml",
    )
    assert said.hours["equivalent"].to_list() == [1.54]
    assert said.findings == ()


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (
            b'<?xml version="1.0"?><!DOCTYPE data [<!ENTITY x SYSTEM "file:///etc/passwd">]><data>&x;</data>',
            "document-type",
        ),
        (b'<!DOCTYPE lolz [<!ENTITY a "aaa"><!ENTITY b "&a;&a;&a;">]><data>&b;</data>', "document-type"),
        (b'<!doctype data SYSTEM "http://example.org/a.dtd"><data/>', "document-type"),
        (b"<data><Build id='370202A001'>", "broken"),
        (b"<data>&unknown;</data>", "broken"),
        (b"", "broken"),
        (b"\x00\x01\x02\x03", "not-text"),
        (b"<data>" + b" " * 5000 + b"</data>", "too-large"),
    ],
)
def test_hostile_and_broken_files(data: bytes, name: str) -> None:
    said = read_energy_xml(data, received_at=NOW, limits=XmlLimits(size=4000))
    assert names(said.findings) == [f"meter.xml.{name}"]
    assert said.readings.is_empty()
    assert f"meter.xml.{name}" in names(read_build_xml(data, limits=XmlLimits(size=4000)).findings)


def test_a_torn_file_gives_nothing_rather_than_half_a_day() -> None:
    whole = energy(*(hour(start=f"2026-01-01 {i:02d}:00:00", end=f"2026-01-01 {i + 1:02d}:00:00") for i in range(20)))
    assert read_energy_xml(whole[: len(whole) // 2], received_at=NOW).readings.is_empty()
    assert read_energy_xml(whole, received_at=NOW).counts == {"buildings": 1, "hours": 20, "refused": 0}


def test_faulty_hours_are_refused_by_name() -> None:
    said = read_energy_xml(
        energy(
            hour(),
            hour(code="99Z99"),
            hour(start="morgens"),
            hour(start="2026-01-01 02:00:00", end="2026-01-01 01:00:00"),
            hour(value="--"),
            hour(value="13"),
        ),
        received_at=NOW,
        items=CATALOG.items,
    )
    assert said.counts == {"buildings": 1, "hours": 1, "refused": 5}
    assert said.readings["value"].to_list() == [13.0]
    assert set(names(said.findings)) == {
        f"meter.xml.{name}" for name in ("code-unknown", "time", "time-backwards", "value", "hour-repeated")
    }
    unnamed = read_energy_xml(energy(hour(), building=""), received_at=NOW)
    assert names(unnamed.findings) == ["meter.xml.building-missing"]


def test_codes_of_a_vendor_are_mapped() -> None:
    data = energy(hour(code="01A01"))
    assert read_energy_xml(data, received_at=NOW, items=CATALOG.items).counts["refused"] == 1
    mapped = read_energy_xml(
        data, received_at=NOW, items=CATALOG.items, mapping=CATALOG.item_codes["second-digit-last"]
    )
    assert mapped.hours.select("item", "code").rows() == [("01A10", "01A01")]


def test_mappings_of_the_catalog_lead_to_known_items() -> None:
    for mapping in CATALOG.item_codes.values():
        assert set(mapping.codes.values()) <= set(CATALOG.items)
        assert mapping.source in CATALOG.sources


def test_encodings() -> None:
    text = "<data><Build><F_BuildID>370202A001</F_BuildID><F_BuildName>青岛某楼</F_BuildName></Build></data>"
    declared = '<?xml version="1.0" encoding="GB2312"?>' + text
    right = read_build_xml(declared.encode("gb18030"))
    wrong = read_build_xml(('<?xml version="1.0" encoding="UTF-8"?>' + text).encode("gb18030"))
    assert right.buildings[0].name == wrong.buildings[0].name == "青岛某楼"
    assert names(right.findings) == []
    assert names(wrong.findings) == ["meter.xml.encoding"]


def test_archive_fields() -> None:
    fields = {
        "F_BuildID": "370202A001", "F_BuildName": "某楼", "F_DistrictCode": "370202", "F_BuildFunc": "A", "F_TotalArea": "12000.5",
        "F_HeatArea": "", "F_AirType": "Q", "F_HeatType": "B", "F_BuildYear": "2006", "F_BuildLat": "36,0", "F_Odd": "1",
    }  # fmt: skip
    body = "".join(f"<{name}>{text}</{name}>" for name, text in fields.items())
    said = read_build_xml(
        f"<data><Build><BuildBaseInfo>{body}</BuildBaseInfo></Build></data>".encode(), places=CATALOG.places
    )
    building = said.buildings[0]
    assert (building.place, building.building_type, building.gross_area, building.heated_area) == (
        "qingdao-shinan",
        "office",
        12000.5,
        None,
    )
    assert (building.heating_kind, building.cooling_kind, building.built_year) == ("floor", None, 2006)
    assert {"meter.xml.letter-unknown", "meter.xml.fields-unknown"} <= set(names(said.findings))


def test_a_building_that_contradicts_itself_is_refused() -> None:
    body = "<F_BuildID>370202A001</F_BuildID><F_TotalArea>100</F_TotalArea><F_HeatArea>200</F_HeatArea>"
    said = read_build_xml(f"<data><Build>{body}</Build></data>".encode())
    assert (said.buildings, said.counts["refused"], names(said.findings)) == ((), 1, ["meter.xml.building"])


OFFICE = Building(
    id="370202A001", name="某楼 <1> & 2", place="qingdao-shinan", building_class="public", building_type="office", gross_area=12000,
    heated_area=10000.5, storeys=12, built_year=2006, longitude=120.38, latitude=36.07, heating_kind="floor", cooling_kind="fan_coil",
)  # fmt: skip


def day_of_hours(day: date, buildings: list[str], items: list[str]) -> pl.DataFrame:
    first = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=8)
    rows = [
        (
            building,
            item,
            first + timedelta(hours=at),
            first + timedelta(hours=at + 1),
            round((at + 1) * 1.25 + len(item), 2),
        )
        for building in buildings
        for item in items
        for at in range(24)
    ]
    kinds = {
        "building": pl.String(),
        "item": pl.String(),
        "start": pl.Datetime("us", "UTC"),
        "end": pl.Datetime("us", "UTC"),
        "value": pl.Float64(),
    }
    return pl.DataFrame(rows, schema=kinds, orient="row")


def test_written_files_are_read_back_as_they_were(tmp_path: Path) -> None:
    day = date(2026, 1, 1)
    hours = day_of_hours(day, ["370202A001", "370202B002"], ["01000", "01A00", "02000"])
    archives = archive_frame([OFFICE], centre="370200", districts={"qingdao-shinan": "370202"})
    given = {"centre": "370200", "day": day, "archives": archives, "equivalents": {"01000": 0.1229, "02000": 0.0857}}
    pack = daily_pack(hours=hours, **given)
    assert pack == daily_pack(hours=hours.sample(fraction=1, shuffle=True, seed=1), **given)
    assert zipfile.ZipFile(io.BytesIO(pack.package)).namelist() == [
        "37020020260101/37020020260101Build.xml",
        "37020020260101/37020020260101Energy.xml",
    ]
    path = tmp_path / "day.zip"
    path.write_bytes(pack.package)
    said = read_daily_files(path, received_at=NOW, places=CATALOG.places, items=CATALOG.items)
    assert (said.centre, said.day, said.buildings) == ("370200", day, (OFFICE,))
    assert names(said.findings) == ["meter.xml.building-unknown"]
    key = ["building", "item", "start", "end", "value"]
    assert said.hours.select(key).sort(key).equals(hours.sort(key))
    assert said.hours["result_id"].n_unique() == hours.height
    assert said.hours["result_id"].str.contains(r"^370202[AB]00[12]2\d{9}$").all()
    # 6.25 kWh in the first hour of 01A00 (1.25 + 5): 6.25 × 0.1229 = 0.768125 kgce.
    first = said.hours.filter(pl.col("item") == "01A00").sort("start").row(0, named=True)
    assert (first["value"], first["equivalent"]) == (6.25, 0.77)
    folder = tmp_path / "37020020260101"
    (folder / "Accessory").mkdir(parents=True)
    (folder / "Accessory" / "370202A0010001.JPG").write_bytes(b"x")
    (folder / "37020020260101Energy.xml").write_bytes(pack.energy)
    assert read_daily_files(folder, received_at=NOW).attachments == ("Accessory/370202A0010001.JPG",)


def test_what_is_not_written() -> None:
    day = date(2026, 1, 1)
    hours = day_of_hours(day, ["370202A001"], ["01000"])
    archives = archive_frame([], centre="370200", districts={})

    def write(frame: pl.DataFrame = hours, **changed: object) -> object:
        given = {"centre": "370200", "day": day, "archives": archives, "equivalents": {"01000": 0.1229}, "hours": frame}
        return daily_pack(**(given | changed))  # type: ignore[arg-type]

    assert write()
    with pytest.raises(InputError, match="not six digits"):
        write(centre="3702")
    with pytest.raises(InputError, match="24 hours begin on another day"):
        write(day=date(2026, 1, 2))
    with pytest.raises(InputError, match="stands twice"):
        write(pl.concat([hours, hours.head(1)]))
    with pytest.raises(InputError, match="no coal equivalent of 01000"):
        write(equivalents={"02000": 1.0})
    with pytest.raises(InputError, match="no value"):
        write(hours.with_columns(value=pl.lit(None, pl.Float64)))
    with pytest.raises(InputError, match="building code"):
        write(hours.with_columns(building=pl.lit("A1")))


def test_packages_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no …Build\.xml"):
        read_daily_files(tmp_path / "empty", received_at=NOW)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("37020020260101Energy.xml", b" " * (4 << 20))
    with pytest.raises(InputError, match="beyond measure"):
        read_daily_files(path, received_at=NOW)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match="cannot be read"):
        read_daily_files(path, received_at=NOW)
    with pytest.raises(InputError, match="cannot be read"):
        read_daily_files(tmp_path / "none", received_at=NOW)


FIELDS = (
    'F_EnergyItemCode="01000" F_StartHour="2026-01-01 00:00:00" F_EndHour="2026-01-01 01:00:00" F_HourValue="12.50"'
)
FLAT = hour().replace("<F_HourResultID>370202A0012000000001", "<F_BuildID>370202A001</F_BuildID><F_HourResultID>7")


@pytest.mark.parametrize(
    "text",
    [
        f'<data><Build id="370202A001"><EnergyItemHourResult {FIELDS}/></Build></data>',
        f'<data><Build F_BuildID="370202A001">{hour()}</Build></data>',
        f'<data><build id="370202A001">{hour()}</build></data>',
        f"<data>{FLAT}</data>",
        f"<data>{hour()}</data>",
        f'<data><Build id="370202A001">{hour(code="370202A00101000")}</Build></data>',
        f'<data><Build id="370202A001">{hour(end="2026-01-01 00:59:59")}</Build></data>',
        f'<data><Build id="370202A001">{hour(start="20260101000000", end="2026/1/1 1:00")}</Build></data>',
        f'<data xmlns="urn:x"><Build><F_BuildID> 370202A001 </F_BuildID>{hour()}</Build></data>',
    ],
)
def test_ways_in_which_centres_write_an_hour(text: str) -> None:
    said = read_energy_xml(text.encode(), received_at=NOW, items=CATALOG.items)
    assert said.counts == {"buildings": 1, "hours": 1, "refused": 0}
    row = said.readings.row(0, named=True)
    assert (row["meter"], row["value"]) == ("item:370202A001:01000", 12.5)
    assert (row["at"] - row["start"]).total_seconds() == 3600


def test_thousands_and_a_state_of_its_own_are_read_and_said() -> None:
    said = read_energy_xml(energy(hour(value="1,234.50").replace("<F_State>1", "<F_State>0")), received_at=NOW)
    assert said.readings.select("value", "sent_as").row(0) == (1234.5, "0")
    assert "meter.xml.state" in names(said.findings)


def test_the_hour_that_comes_twice_is_told_apart_for_each_item() -> None:
    night = [("01", "02"), ("02", "02"), ("02", "03"), ("03", "04")]
    hours = [
        hour(code=code, start=f"2024-10-27 {a}:00:00", end=f"2024-10-27 {b}:00:00")
        for code in ("01000", "01A00")
        for a, b in night
    ]
    said = read_energy_xml(energy(*hours), received_at=NOW, zone="Europe/Berlin")
    assert said.counts["hours"] == 8
    assert (said.hours["end"] - said.hours["start"]).dt.total_seconds().unique().to_list() == [3600]


def test_archives_as_attributes_with_thousands_and_without_a_code() -> None:
    text = (
        '<data><Build><BuildBaseInfo F_BuildID="370202A001" F_BuildName="x" F_TotalArea="12,000" F_BuildYear="2005年"/></Build>'
        "<Build><F_BuildName>y</F_BuildName></Build></data>"
    )
    said = read_build_xml(text.encode())
    assert [(one.id, one.gross_area, one.built_year) for one in said.buildings] == [("370202A001", 12000.0, 2005)]
    assert names(said.findings) == ["meter.xml.building-missing"]
