"""Style sheet and font table of an official paper, after the measured recipe: 22 lines of 28 characters on a page.

225 mm hold 22 lines only at 28.95 pt (579 twips), and 156 mm hold 28 characters of 16 pt only when each is drawn 0.25 pt
closer; no character grid is set, and the size stands on the Normal style itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import quoteattr

from dafeng.reports.fonts import OFFICIAL_FONTS

__all__ = ["BODY_LINE", "WORD_NAMESPACE", "font_table_xml", "fonts_of", "styles_xml"]

WORD_NAMESPACE: Final = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
BODY_LINE: Final = 579
"""Exact line of the body text in twips."""

_OFFICIAL: Final = {font.role: font for font in OFFICIAL_FONTS}


def fonts_of(role: str, *, latin: str = "Times New Roman", hint: bool = False) -> str:
    """Return the element that names the fonts of a role: the official one for Chinese, a Latin one for digits.

    Examples
    --------
    >>> fonts_of("hei", latin="黑体")
    '<w:rFonts w:ascii="黑体" w:hAnsi="黑体" w:eastAsia="黑体" w:cs="黑体"/>'
    """
    name = _OFFICIAL[role].name
    mark = ' w:hint="eastAsia"' if hint else ""
    return f'<w:rFonts{mark} w:ascii="{latin}" w:hAnsi="{latin}" w:eastAsia="{name}" w:cs="{latin}"/>'


@dataclass(frozen=True)
class _Style:
    """A paragraph style: half-points, exact line in twips, alignment, further paragraph properties."""

    id: str
    name: str
    role: str
    size: int
    line: int
    align: str = "both"
    indent: str = '<w:ind w:firstLineChars="200" w:firstLine="640"/>'
    outline: int | None = None
    tight: bool = True
    aliases: str = ""
    latin: str = "Times New Roman"
    keep_next: bool = False


_NO_INDENT: Final = '<w:ind w:left="0" w:firstLineChars="0" w:firstLine="0"/>'

_STYLES: Final = (
    _Style("Normal", "Normal", "body", 32, BODY_LINE, aliases="公文正文"),
    _Style("DfTitle", "公文标题", "title", 44, 700, "center", _NO_INDENT, tight=False),
    _Style("DfAddressee", "公文主送", "body", 32, BODY_LINE, "left", _NO_INDENT),
    _Style("DfHeading1", "公文一级", "hei", 32, BODY_LINE, outline=0),
    _Style("DfHeading2", "公文二级", "kai", 32, BODY_LINE, outline=1),
    _Style("DfHeading3", "公文三级", "body", 32, BODY_LINE, outline=2),
    _Style("DfHeading4", "公文四级", "body", 32, BODY_LINE, outline=3),
    _Style(
        "DfAnnexList", "公文附件说明", "body", 32, BODY_LINE, "left",
        '<w:ind w:leftChars="600" w:left="1920" w:hangingChars="100" w:hanging="320"/>',
    ),
    _Style("DfSigner", "公文落款", "body", 32, BODY_LINE, "right", '<w:ind w:rightChars="200" w:right="640"/>'),
    _Style("DfDate", "公文日期", "body", 32, BODY_LINE, "right", '<w:ind w:rightChars="400" w:right="1280"/>'),
    _Style("DfAnnexMark", "公文附件标识", "hei", 32, BODY_LINE, "left", _NO_INDENT, tight=False),
    _Style("DfAnnexTitle", "公文附件标题", "title", 44, 700, "center", _NO_INDENT, outline=0, tight=False),
    _Style("DfTableHead", "公文表头", "hei", 21, 280, "center", _NO_INDENT, tight=False),
    _Style("DfTableText", "公文表文", "body", 21, 280, "left", _NO_INDENT, tight=False),
    _Style("DfTableTitle", "公文表题", "hei", 28, 440, "center", _NO_INDENT, tight=False, keep_next=True),
    _Style("DfNote", "公文说明", "body", 24, 380, "both", _NO_INDENT, tight=False),
    _Style("DfCaption", "公文图题", "hei", 24, 400, "center", _NO_INDENT, tight=False),
    _Style("DfPicture", "公文图", "body", 24, 240, "center", _NO_INDENT, tight=False, keep_next=True),
    _Style("DfPageNumber", "公文页码", "song", 28, 280, "left", _NO_INDENT, tight=False, latin="宋体"),
    _Style("DfMark", "公文页眉标记", "hei", 24, 320, "center", _NO_INDENT, tight=False),
    _Style("DfSmall", "公文分隔", "body", 2, 20, "left", _NO_INDENT, tight=False),
    _Style("DfRedHead", "公文发文机关标志", "title", 72, 1000, "center", _NO_INDENT, tight=False),
)  # fmt: skip


def styles_xml() -> str:
    """Return the styles part.

    Examples
    --------
    >>> xml = styles_xml()
    >>> '<w:spacing w:before="0" w:after="0" w:line="579" w:lineRule="exact"/>' in xml, '<w:spacing w:val="-5"/>' in xml
    (True, True)
    """
    parts = [
        f'<w:styles xmlns:w="{WORD_NAMESPACE}"><w:docDefaults><w:rPrDefault><w:rPr>{fonts_of("body")}'
        '<w:lang w:val="en-US" w:eastAsia="zh-CN"/></w:rPr></w:rPrDefault><w:pPrDefault/></w:docDefaults>'
    ]
    for style in _STYLES:
        default = ' w:default="1"' if style.id == "Normal" else ' w:customStyle="1"'
        based = "" if style.id == "Normal" else '<w:basedOn w:val="Normal"/>'
        aliases = f"<w:aliases w:val={quoteattr(style.aliases)}/>" if style.aliases else ""
        rule = "atLeast" if style.id in {"DfPicture", "DfRedHead"} else "exact"
        outline = "" if style.outline is None else f'<w:outlineLvl w:val="{style.outline}"/>'
        next_style = '<w:next w:val="Normal"/>' if style.outline is not None else ""
        keep = f'<w:keepNext w:val="{int(style.keep_next)}"/>'
        parts.append(
            f'<w:style w:type="paragraph"{default} w:styleId="{style.id}"><w:name w:val={quoteattr(style.name)}/>'
            f"{aliases}{based}{next_style}<w:qFormat/><w:pPr>{keep}"
            '<w:widowControl w:val="0"/><w:kinsoku/><w:overflowPunct/><w:autoSpaceDE w:val="0"/><w:autoSpaceDN w:val="0"/>'
            '<w:snapToGrid w:val="0"/>'
            f'<w:spacing w:before="0" w:after="0" w:line="{style.line}" w:lineRule="{rule}"/>'
            f'{style.indent}<w:jc w:val="{style.align}"/>{outline}</w:pPr>'
            f'<w:rPr>{fonts_of(style.role, latin=style.latin)}<w:b w:val="0"/><w:spacing w:val="{-5 if style.tight else 0}"/>'
            f'<w:sz w:val="{style.size}"/><w:szCs w:val="{style.size}"/></w:rPr></w:style>'
        )
    parts.append(
        '<w:style w:type="table" w:default="1" w:styleId="TableNormal"><w:name w:val="Normal Table"/><w:tblPr>'
        '<w:tblInd w:w="0" w:type="dxa"/></w:tblPr></w:style></w:styles>'
    )
    return "".join(parts)


def font_table_xml() -> str:
    """Return the font table: for each official font the other names under which a machine may have it.

    Examples
    --------
    >>> 'w:name="仿宋_GB2312"><w:altName w:val="FangSong_GB2312' in font_table_xml()
    True
    """
    entries = "".join(
        f"<w:font w:name={quoteattr(font.name)}><w:altName w:val={quoteattr(','.join(font.aliases[:3]))}/>"
        f'<w:charset w:val="86"/><w:family w:val="{font.family}"/><w:pitch w:val="fixed"/></w:font>'
        for font in OFFICIAL_FONTS
    )
    return (
        '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
        f'<w:fonts xmlns:w="{WORD_NAMESPACE}">{entries}<w:font w:name="Times New Roman"><w:charset w:val="00"/>'
        '<w:family w:val="roman"/><w:pitch w:val="variable"/></w:font></w:fonts>'
    )
