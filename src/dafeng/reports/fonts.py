"""Which fonts a machine has for the roles of an official paper, and what stands in for those it lacks.

The DOCX names the official fonts and needs none here; figures and the PDF are drawn on this machine and need a Chinese
font. Nothing fails where there is none: figures then carry English labels and the PDF is left out, and the report says so.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import typst
from matplotlib import font_manager
from pydantic import Field, computed_field

from dafeng.base.record import Record

__all__ = ["OFFICIAL_FONTS", "FontReport", "FontUse", "OfficialFont", "figure_family", "find_fonts"]


@dataclass(frozen=True)
class OfficialFont:
    """The font that GB/T 9704 papers use for a role, the names it goes by, and free fonts that may stand in for it."""

    role: str
    name: str
    aliases: tuple[str, ...]
    open_fonts: tuple[str, ...]
    bold: bool = False
    family: str = "roman"


_LAST: Final = ("Noto Serif CJK SC", "Source Han Serif SC", "Noto Serif SC", "Noto Sans CJK SC", "Noto Sans SC")
_SANS: Final = ("Noto Sans CJK SC", "Source Han Sans SC", "Noto Sans SC", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei")

OFFICIAL_FONTS: Final[tuple[OfficialFont, ...]] = (
    OfficialFont(
        "title", "方正小标宋简体", ("方正小标宋_GBK", "FZXiaoBiaoSong-B05S", "FZXiaoBiaoSong-B05", "STXiaobiaosong"),
        _LAST, bold=True,
    ),
    OfficialFont(
        "body", "仿宋_GB2312", ("FangSong_GB2312", "仿宋", "FangSong", "方正仿宋_GBK", "STFangsong"),
        ("FandolFang R", "FandolFang", "Zhuque Fangsong (technical preview)", *_LAST),
    ),
    OfficialFont(
        "kai", "楷体_GB2312", ("KaiTi_GB2312", "楷体", "KaiTi", "方正楷体_GBK", "STKaiti"),
        ("FandolKai", "LXGW WenKai", "AR PL UKai CN", *_LAST),
    ),
    OfficialFont("hei", "黑体", ("SimHei", "方正黑体_GBK", "STHeiti"), ("FandolHei", *_SANS), family="swiss"),
    OfficialFont("song", "宋体", ("SimSun", "STSong", "NSimSun"), ("FandolSong", *_LAST)),
)  # fmt: skip
"""Roles of §1.4 of the bureau's rules, in the order title, body, kai, hei, song."""

_FIGURE_FONTS: Final = (*_SANS, "SimHei", "Microsoft YaHei", *_LAST)


class FontUse(Record):
    """The font that a role is drawn with on this machine."""

    role: str
    """title, body, kai, hei, song or figure."""
    wanted: str
    """Name that the paper asks for."""
    family: str
    """Family that is used."""
    file: str
    """File name."""
    sha256: str
    """Digest of the file."""
    index: int = 0
    """Face within a collection."""
    folder: str = Field(exclude=True)
    """Folder of the file; not written to manifests, since it says nothing of the result."""
    substitute: bool
    """Whether it stands in for the wanted font."""


class FontReport(Record):
    """What was found; goes into the manifest of a run and the self-check.

    Examples
    --------
    >>> FontReport().can_draw_chinese, FontReport().sentence
    (False, '未找到中文字体：图中用英文标注，不生成PDF；DOCX、XLSX和HTML不受影响')
    """

    uses: tuple[FontUse, ...] = ()
    """One entry for each role that could be filled."""
    searched: str = "system"
    """`system`, `none`, or the folders that $DAFENG_FONTS names."""

    def use(self, role: str) -> FontUse | None:
        """Return the font of a role, None where there is none."""
        return next((use for use in self.uses if use.role == role), None)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def can_draw_chinese(self) -> bool:
        """Whether figures can carry Chinese labels."""
        return self.use("figure") is not None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def can_write_pdf(self) -> bool:
        """Whether every role of a paper can be drawn."""
        return all(self.use(font.role) is not None for font in OFFICIAL_FONTS)

    @property
    def substitutions(self) -> tuple[FontUse, ...]:
        """Roles of the paper that are drawn with another font than the official one."""
        return tuple(use for use in self.uses if use.substitute and use.role != "figure")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def sentence(self) -> str:
        """Chinese sentence for the user."""
        if not self.can_draw_chinese:
            return "未找到中文字体：图中用英文标注，不生成PDF；DOCX、XLSX和HTML不受影响"
        if not self.can_write_pdf:
            return "中文字体不全：图中用中文标注，不生成PDF；DOCX、XLSX和HTML不受影响"
        if self.substitutions:
            pairs = "，".join(f"{use.wanted}以{use.family}代" for use in self.substitutions)
            return f"PDF为预览：{pairs}；正式文本用DOCX"
        return "公文字体齐全"


@dataclass(frozen=True)
class _Face:
    family: str
    weight: int
    path: Path
    index: int


def find_fonts(environment: Mapping[str, str]) -> FontReport:
    """Return the fonts that stand in for each role.

    Parameters
    ----------
    environment : mapping
        Environment variables. ``DAFENG_FONTS`` names folders (separated as in PATH) that are searched instead of the
        system's, for the same fonts on every machine; the word ``none`` stands for no fonts at all.

    Examples
    --------
    >>> find_fonts({"DAFENG_FONTS": "none"}).uses
    ()
    """
    asked = environment.get("DAFENG_FONTS", "").strip()
    if asked == "none":
        return FontReport(searched="none")
    folders = [Path(part) for part in asked.split(os.pathsep) if part]
    found = typst.Fonts(
        include_system_fonts=not folders, include_embedded_fonts=False, font_paths=[str(folder) for folder in folders]
    )
    faces = [
        _Face(font.family, font.weight, Path(font.path), font.index)
        for font in found.fonts()
        if font.path is not None and font.style.lower() == "normal"
    ]
    faces.sort(key=lambda face: (face.family, face.weight, face.path.name, face.index))
    digests: dict[Path, str] = {}
    uses = []
    for font in OFFICIAL_FONTS:
        uses.append(
            _choose(font.role, font.name, (font.name, *font.aliases), font.open_fonts, font.bold, faces, digests)
        )
    uses.append(_choose("figure", _FIGURE_FONTS[0], _FIGURE_FONTS, (), False, faces, digests))
    return FontReport(uses=tuple(use for use in uses if use is not None), searched=asked or "system")


def _choose(
    role: str,
    wanted: str,
    official: Iterable[str],
    stand_ins: Iterable[str],
    bold: bool,
    faces: list[_Face],
    digests: dict[Path, str],
) -> FontUse | None:
    for substitute, names in ((False, official), (True, stand_ins)):
        for name in names:
            fitting = [face for face in faces if face.family == name]
            if fitting:
                ideal = 900 if bold and substitute else 400
                face = min(fitting, key=lambda item: (abs(item.weight - ideal), item.path.name, item.index))
                if face.path not in digests:
                    digests[face.path] = hashlib.sha256(face.path.read_bytes()).hexdigest()
                return FontUse(
                    role=role,
                    wanted=wanted,
                    family=name,
                    file=face.path.name,
                    sha256=digests[face.path],
                    index=face.index,
                    folder=str(face.path.parent),
                    substitute=substitute,
                )
    return None


def figure_family(fonts: FontReport) -> str | None:
    """Return the family name under which matplotlib knows the figures' font, None where there is none.

    Old versions list only the first face of a collection; its name is then used instead.
    """
    use = fonts.use("figure")
    if use is None:
        return None
    path = str(Path(use.folder) / use.file)
    known = [entry for entry in font_manager.fontManager.ttflist if entry.fname == path]
    if not known:
        font_manager.fontManager.addfont(path)
        known = [entry for entry in font_manager.fontManager.ttflist if entry.fname == path]
    names = {entry.name for entry in known}
    return use.family if use.family in names else min(names, default=None)
