"""Lists of organisations and people as XLSX or CSV, out and in: checked row by row, taken over wholly or not at all."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import polars as pl
import tablib  # type: ignore[import-untyped]
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from import_export.fields import Field
from import_export.resources import ModelResource
from import_export.results import Result, RowResult

from dafeng.base.errors import DafengError
from dafeng.intake.export import export_plain
from dafeng.intake.reading import read_sheets
from dafeng.intake.sheets import Limits
from dafeng.web.access.actions import ROLE_NAMES, Role
from dafeng.web.access.reach import Reach
from dafeng.web.access.refusal import RefusedError
from dafeng.web.audit.services import Actor
from dafeng.web.house import house
from dafeng.web.people.models import Grant, Organisation, OrganisationKind, User
from dafeng.web.people.selectors import organisations_in_reach, people_in_reach
from dafeng.web.people.services.grants import grant_give
from dafeng.web.people.services.members import check_manages, person_save
from dafeng.web.people.services.organisations import organisation_save

__all__ = ["HEADERS", "KINDS", "MOST_ROWS", "RowFate", "Taken", "export_list", "rows_of_file", "take_over"]

MOST_ROWS: Final = 2000
LARGEST: Final = 5 << 20
HEADERS: Final = {
    "organisations": ("编号", "名称", "类别", "地方", "上级单位编号", "责任单位编号"),
    "people": ("用户名", "姓名", "单位编号", "邮箱", "电话", "角色"),
}
KINDS: Final = tuple(HEADERS)
TITLES: Final = {"username": "用户名", "name": "姓名", "email": "邮箱", "phone": "电话"}
_FORMULA: Final = tuple("=+-@\t\r\n＝＋－＠")


@dataclass(frozen=True)
class RowFate:
    """What becomes of a row.

    Attributes
    ----------
    number : int
        Line of the file; the heading is line 1.
    fate : str
        new, update, same, wrong.
    says : str
        What is wrong, in words.
    cells : tuple of str
    """

    number: int
    fate: str
    says: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Taken:
    """What becomes of a file.

    Attributes
    ----------
    rows : tuple of RowFate
    done : bool
        Whether it was taken over.
    """

    rows: tuple[RowFate, ...]
    done: bool

    @property
    def wrong(self) -> int:
        """Number of rows that cannot be taken over; while there is one, none is."""
        return sum(row.fate == "wrong" for row in self.rows)

    def count(self, fate: str) -> int:
        """Return the number of rows of a fate."""
        return sum(row.fate == fate for row in self.rows)


class _Resource(ModelResource):  # type: ignore[misc]
    """Rows checked one by one; what is saved goes through the services, so that the rules and the audit log hold."""

    def __init__(self, by: Actor, reach: Reach) -> None:
        super().__init__()
        self.by, self.reach = by, reach
        self.before: Any = None

    def after_init_instance(self, instance: Any, new: bool, row: Mapping[str, Any], **_kwargs: Any) -> None:
        """Keep how a record stood before its row."""
        self.before = None if new else copy(instance)

    def skip_row(
        self, instance: Any, original: Any, row: Mapping[str, Any], import_validation_errors: Any = None
    ) -> bool:
        """Leave alone what stands as the row says."""
        if self.before is None or import_validation_errors:
            return False
        same = all(getattr(instance, name) == getattr(self.before, name) for name in self.compared)
        return same and not self.adds(instance, row)

    compared: ClassVar[tuple[str, ...]] = ()

    def adds(self, instance: Any, row: Mapping[str, str]) -> bool:
        """Return whether the row gives something that the record itself does not hold."""
        return False

    def get_instance(self, instance_loader: Any, row: Mapping[str, str]) -> Any:
        """Return the record of a row; one out of reach looks taken, not shown."""
        try:
            return super().get_instance(instance_loader, row)
        except self._meta.model.DoesNotExist:
            return None

    def do_instance_save(self, instance: Any, is_create: bool) -> None:
        """Save by the service."""
        try:
            self.keep(instance)
        except RefusedError as error:
            raise ValidationError(error.says) from error

    def keep(self, instance: Any) -> None:
        """Save a record."""
        raise NotImplementedError


def _place_id(said: str) -> str:
    tree = house().catalog.places
    if said in tree:
        return said
    named = [place.id for place in tree if place.name == said]
    if len(named) != 1:
        problem = _("没有名为“%(said)s”的地方") if not named else _("有多个地方名为“%(said)s”，请填编号")
        raise ValidationError(problem % {"said": said})
    return named[0]


class OrganisationResource(_Resource):
    """Organisations by code."""

    code = Field(attribute="code", column_name="编号")
    name = Field(attribute="name", column_name="名称")
    kind = Field(attribute="kind", column_name="类别")
    place = Field(attribute="place", column_name="地方")
    parent = Field(attribute="parent", column_name="上级单位编号")
    body = Field(attribute="body", column_name="责任单位编号")
    compared: ClassVar = ("name", "kind", "place", "parent_id", "body")

    class Meta:
        """By code."""

        model = Organisation
        import_id_fields = ("code",)
        fields = ("code", "name", "kind", "place", "parent", "body")
        skip_diff = True
        use_transactions = True
        clean_model_instances = False

    def before_import_row(self, row: dict[str, Any], **_kwargs: Any) -> None:
        """Turn words into what they stand for."""
        kinds = {str(label): value for value, label in OrganisationKind.choices}
        if not row["编号"] or not row["名称"]:
            raise ValidationError(_("编号和名称必填"))
        if (
            not all(sign.isascii() and (sign.isalnum() or sign in "-_") for sign in row["编号"])
            or len(row["编号"]) > 80
        ):
            raise ValidationError(_("编号只能用字母、数字和连字符，不超过80位"))
        if len(row["名称"]) > 120:
            raise ValidationError(_("名称不超过120字"))
        kind = row["类别"]
        row["类别"] = kinds.get(kind, kind)
        if row["类别"] not in OrganisationKind.values:
            raise ValidationError(_("类别“%(kind)s”不在：%(kinds)s") % {"kind": kind, "kinds": "、".join(kinds)})
        row["地方"] = _place_id(row["地方"])
        if not self.reach.can("people.manage", place=row["地方"]):
            raise ValidationError(_("该地方不在您的管理范围内"))
        row["上级单位编号"] = _organisation(row["上级单位编号"]) if row["上级单位编号"] else None
        if row["责任单位编号"] and row["责任单位编号"] not in house().catalog.bodies:
            raise ValidationError(_("目录中没有责任单位“%(body)s”") % {"body": row["责任单位编号"]})

    def keep(self, instance: Organisation) -> None:
        """Save by the service."""
        organisation_save(instance, by=self.by, reach=self.reach)


def _organisation(code: str) -> Organisation:
    found = Organisation.objects.filter(code=code).first()
    if found is None:
        raise ValidationError(_("没有编号为“%(code)s”的单位") % {"code": code})
    return found


class PersonResource(_Resource):
    """People by user name; a role, where one is given, over the place of the organisation from today."""

    username = Field(attribute="username", column_name="用户名")
    name = Field(attribute="name", column_name="姓名")
    organisation = Field(attribute="organisation", column_name="单位编号")
    email = Field(attribute="email", column_name="邮箱")
    phone = Field(attribute="phone", column_name="电话")
    compared: ClassVar = ("name", "organisation_id", "email", "phone")

    class Meta:
        """By user name."""

        model = User
        import_id_fields = ("username",)
        fields = ("username", "name", "organisation", "email", "phone")
        skip_diff = True
        use_transactions = True
        clean_model_instances = True

    def before_import_row(self, row: dict[str, Any], **_kwargs: Any) -> None:
        """Turn words into what they stand for."""
        if not row["用户名"] or not row["姓名"] or not row["单位编号"]:
            raise ValidationError(_("用户名、姓名和单位编号必填"))
        row["单位编号"] = _organisation(row["单位编号"])
        roles = {str(name): role for role, name in ROLE_NAMES.items()}
        if row["角色"] and row["角色"] not in roles:
            raise ValidationError(_("角色“%(role)s”不在：%(roles)s") % {"role": row["角色"], "roles": "、".join(roles)})
        row["角色"] = roles.get(row["角色"])

    def validate_instance(
        self, instance: User, import_validation_errors: Any = None, validate_unique: bool = True
    ) -> None:
        """Check the record but for its password, which it has not yet."""
        try:
            instance.full_clean(exclude=["password", "external_id"], validate_unique=False)
        except ValidationError as error:
            raise ValidationError(
                [f"{TITLES.get(name, name)}：{' '.join(said)}" for name, said in error.message_dict.items()]
            ) from error

    def adds(self, instance: User, row: Mapping[str, Any]) -> bool:
        """Return whether the row gives a role that the person has not there."""
        role, organisation = row["角色"], row["单位编号"]
        held = Grant.objects.filter(user=instance, role=role, organisation=organisation, revoked_at__isnull=True)
        return role is not None and not held.filter(place=organisation.place).exists()

    def keep(self, instance: User) -> None:
        """Save by the service."""
        person_save(instance, by=self.by, reach=self.reach)

    def after_save_instance(self, instance: User, row: Mapping[str, Any], **_kwargs: Any) -> None:
        """Give the role of the row."""
        if not self.adds(instance, row):
            return
        organisation: Organisation = row["单位编号"]
        try:
            check_manages(self.reach, instance)
            grant_give(
                user=instance,
                role=Role(row["角色"]),
                organisation=organisation,
                place=organisation.place,
                starts_on=house().today(),
                ends_on=None,
                by=self.by,
                reach=self.reach,
            )
        except RefusedError as error:
            raise ValidationError(error.says) from error


_RESOURCES: Final[dict[str, type[_Resource]]] = {"organisations": OrganisationResource, "people": PersonResource}


def rows_of_file(upload: UploadedFile[Any], kind: str) -> list[list[str]]:
    """Return the rows of an uploaded list, its columns in the order of `HEADERS`, without its heading.

    Raises
    ------
    RefusedError
        It cannot be read, is too large, or lacks a column.
    """
    if (upload.size or 0) > LARGEST:
        raise RefusedError("exchange.large", _("文件超过 5 MB。"))
    ending = ".xlsx" if (upload.name or "").lower().endswith(".xlsx") else ".csv"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"list{ending}"
        with path.open("wb") as stream:
            for chunk in upload.chunks():
                stream.write(chunk)
        try:
            sheet = read_sheets(path, limits=Limits())[0]
        except DafengError as error:
            raise RefusedError("exchange.unreadable", _("文件无法读取：%(why)s") % {"why": error.args[0]}) from error
    lines = [[_plain(cell) for cell in line] for line in sheet.frame.rows()]
    heading = lines[0]
    missing = [name for name in HEADERS[kind] if name not in heading]
    if missing:
        raise RefusedError("exchange.columns", _("第一行缺少列：%(names)s") % {"names": "、".join(missing)})
    if len(lines) - 1 > MOST_ROWS:
        raise RefusedError("exchange.rows", _("一次最多 %(most)d 行。") % {"most": MOST_ROWS})
    order = [heading.index(name) for name in HEADERS[kind]]
    return [[line[at] for at in order] for line in lines[1:] if any(line)]


def _plain(cell: object) -> str:
    """Return the text of a cell, without the mark by which an export keeps it from being a formula."""
    said = "" if cell is None else str(cell).strip()
    return said[1:] if said[:1] == "'" and said[1:2] in _FORMULA else said


def take_over(kind: str, rows: Sequence[Sequence[str]], *, by: Actor, reach: Reach, dry_run: bool) -> Taken:
    """Take rows over, wholly or not at all; or only say what would become of each.

    Parameters
    ----------
    kind : str
        organisations or people.
    rows : sequence of rows
        As `rows_of_file` gives them.
    by : Actor
    reach : Reach
    dry_run : bool
    """
    data = tablib.Dataset(*[list(row) for row in rows], headers=list(HEADERS[kind]))
    result: Result = _RESOURCES[kind](by, reach).import_data(
        data, dry_run=dry_run, raise_errors=False, use_transactions=True, rollback_on_validation_errors=True
    )
    fates = []
    seen: dict[str, int] = {}
    for at, (row, cells) in enumerate(zip(result.rows, rows, strict=True), start=2):
        fate, says = _fate(row)
        first = seen.setdefault(cells[0], at)
        if first != at:
            fate, says = "wrong", _("与第 %(line)d 行重复") % {"line": first}
        fates.append(RowFate(at, fate, says, tuple(cells)))
    taken = Taken(tuple(fates), done=False)
    return taken if dry_run or taken.wrong else Taken(taken.rows, done=True)


def _fate(row: RowResult) -> tuple[str, str]:
    if row.validation_error is not None:
        return "wrong", "；".join(row.validation_error.messages)
    if row.errors:
        return "wrong", str(row.errors[0].error)
    fates = {RowResult.IMPORT_TYPE_NEW: "new", RowResult.IMPORT_TYPE_UPDATE: "update"}
    return fates.get(row.import_type, "same"), ""


def export_list(kind: str, suffix: str, *, reach: Reach) -> bytes:
    """Return the organisations or people in reach as a file that `take_over` reads back; no cell is a formula.

    Parameters
    ----------
    kind : str
    suffix : str
        .xlsx or .csv.
    reach : Reach
    """
    rows = _organisation_rows(reach) if kind == "organisations" else _person_rows(people_in_reach(reach))
    if suffix == ".csv":
        rows = [[f"'{cell}" if cell[:1] in _FORMULA else cell for cell in row] for row in rows]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(HEADERS[kind], pl.String), orient="row")
    with tempfile.TemporaryDirectory() as folder:
        return export_plain(frame, Path(folder) / f"list{suffix}").read_bytes()


def _organisation_rows(reach: Reach) -> list[list[str]]:
    return [
        [row.code, row.name, str(row.get_kind_display()), row.place, row.parent.code if row.parent else "", row.body]
        for row in organisations_in_reach(reach)
    ]


def _person_rows(people: QuerySet[User]) -> list[list[str]]:
    return [
        [row.username, row.name, row.organisation.code if row.organisation else "", row.email, row.phone, ""]
        for row in people
    ]
