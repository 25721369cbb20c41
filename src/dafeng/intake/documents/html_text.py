"""The article of a web page: what a reader came for, without menus, side bars, share buttons and scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from lxml import etree, html

from dafeng.base.document import Block
from dafeng.base.finding import Finding, Severity
from dafeng.intake.documents.blocks import BlockList, number_blocks
from dafeng.intake.documents.characters import clean, is_page_number
from dafeng.intake.documents.limits import DocumentLimits, document_finding, refuse_damaged, refuse_large
from dafeng.intake.documents.list_numbers import list_number

__all__ = ["read_html"]


_NEVER: Final = frozenset(
    [
        "script",
        "style",
        "noscript",
        "template",
        "iframe",
        "object",
        "embed",
        "svg",
        "canvas",
        "audio",
        "video",
        "form",
        "button",
        "input",
        "select",
        "textarea",
        "option",
        "nav",
        "aside",
        "head",
        "title",
        "link",
        "meta",
        "map",
        "area",
        "dialog",
        "menu",
    ]
)
_BLOCKS: Final = frozenset(
    [
        "address",
        "article",
        "blockquote",
        "body",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "html",
        "li",
        "main",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "ul",
        "table",
        "caption",
        "thead",
        "tbody",
        "tfoot",
        "tr",
        "td",
        "th",
    ]
)
_CHROME: Final = re.compile(
    r"(?:^|[-_\s])(?:share|bdsharebuttonbox|social|bread|breadcrumbs?|crumbs?|nav|navbar|navigation|menu|topbar|toolbar|tools?"
    r"|side|sidebar|aside|footer?|foot|bottom|copyright|related|recommend|hot|rank|qrcode|ewm|erweima|print|prints|fontsize|font-size"
    r"|ads?|advert|banner|login|search|comment|pagination|pager|pages?|prev|next|position|location|dqwz|szwz|dqwz|xgwd|xgyd|fenxiang"
    r"|sitemap|accessibility|wza|jiathis\w*|bshare\w*|gotop|backtop|float|pop|popup|modal|cookie)(?:$|[-_\s\d])",
    re.IGNORECASE,
)
_HIDDEN: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_ARTICLE: Final = re.compile(
    r"ucap-?content|trs_?editor|trs_?ueditor|article-?(?:content|body|text)|pages_content|^zoom$|^zoomcon$|news_?content"
    r"|detail-?content|content-?(?:text|body)|xxgk_?content|gkwz_?content|artibody|js_content|^article$|^main-?content$",
    re.IGNORECASE,
)
_TITLE: Final = re.compile(r"title|biaoti|headline|bt", re.IGNORECASE)
_DOCUMENT_NUMBER: Final = re.compile(r"[〔\[【(（]\s*20\d\d\s*[〕\]】)）]\s*\d+\s*号")
_SENTENCE: Final = re.compile(r"[。；：]")
_CHROME_LINE: Final = re.compile(
    r"^[\s【\[（(|]*(?:打印(?:本页|此页|文章)?|关闭(?:窗口|本页)?|收藏(?:本页)?|分享(?:到|至)?[：:]?.{0,20}|返回(?:顶部|列表|首页)?|字体[：:]?.{0,12}|字号[：:]?.{0,12}"
    r"|大\s*中\s*小|扫一扫.{0,20}|上一[篇条页][：:]?.{0,60}|下一[篇条页][：:]?.{0,60}|浏览(?:次数|量)[：:]?.{0,12}|点击(?:数|量|率)[：:]?.{0,12}"
    r"|阅读(?:次数|量)[：:]?.{0,12}|责任编辑[：:].{0,20}|(?:信息|稿件|文章)?来源[：:].{0,60}|(?:发布|发文|更新|创建)(?:时间|日期)[：:].{0,60}"
    r"|日期[：:]\s*20\d\d.{0,60}|当前位置[：:]?.{0,80}|您(?:现在|当前)?(?:所在)?的?位置[：:]?.{0,80}|首页\s*[>＞»/].{0,80}|相关(?:附件|文章|链接|解读|阅读)[：:]?"
    r"|(?:主办|承办|版权所有|网站标识码|备案序号|地址|邮编)[：:].{0,80}|.{0,8}ICP备.{0,40}|.{0,8}公网安备.{0,40})[\s】\]）)|]*$"
)
_LONGEST_CHROME: Final = 120
_SPINE: Final = 0.6
"""Share of the prose from which a single child is followed inwards."""


def read_html(text: str, file: str, limits: DocumentLimits) -> tuple[tuple[Block, ...], list[Finding]]:
    r"""Return the article of a page as blocks.

    Parameters
    ----------
    text : str
        The page, decoded.
    file : str
        Name for messages.
    limits : DocumentLimits

    Raises
    ------
    InputError
        The page is beyond the limits, or nested beyond what can be read.

    Examples
    --------
    >>> page = "<body><div class=nav><a>首页</a></div><h1>方案</h1><p>到2030年<br>达到8%。</p><ol><li>目标</ol>"
    >>> [block.text for block in read_html(page, "a.html", DocumentLimits())[0]]
    ['方案', '到2030年\n达到8%。', '1. 目标']
    """
    if len(text) > 10 * limits.characters:
        raise refuse_large(file, "the page", len(text), 10 * limits.characters, "characters")
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text.replace("\0", ""))
    parser = html.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True)
    try:
        root = html.document_fromstring(text, parser=parser)
    except etree.ParserError:  # nothing in it
        return (), []
    if any("depth" in entry.message.lower() for entry in parser.error_log):  # the parser leaves the rest out
        raise refuse_damaged(file, "HTML", "elements are nested more than 2,000 deep")
    _prune(root)
    article, aside = _article(root)
    writer = _Writer()
    writer.write(article)
    blocks, _, findings = number_blocks(writer.out.blocks, file)
    if aside or writer.dropped:
        findings.insert(
            0,
            document_finding(
                "intake.document.page-chrome",
                f"网页的导航、按钮等 {aside + writer.dropped} 处未读入",
                file,
                next_step="如有正文缺失，请把正文另存为 .docx 或 .txt",
                severity=Severity.INFO,
                places=aside + writer.dropped,
            ),
        )
    return blocks, findings


def _prune(root: html.HtmlElement) -> None:
    """Take out what no reader sees or reads, and the page headers that LibreOffice exports."""
    gone = []
    for element in root.iter(etree.Element):
        hidden = element.get("hidden") is not None or element.get("aria-hidden") == "true"
        header = element.tag == "div" and element.get("title") in ("header", "footer")
        if (
            hidden
            or header
            or _HIDDEN.search(element.get("style", ""))
            or (element.tag in _NEVER and not (element.tag == "form" and _letters_within(element) > _FORM_PROSE))
        ):
            gone.append(element)
    for element in gone:
        if element is not root and element.getparent() is not None:
            element.drop_tree()


_FORM_PROSE: Final = 60
"""Some systems wrap the whole page in a form."""


def _letters_within(element: html.HtmlElement) -> int:
    return sum(map(_letters, element.itertext()))


def _weigh(root: html.HtmlElement) -> tuple[dict[html.HtmlElement, int], dict[html.HtmlElement, int]]:
    """Return for each element how much text stands in it, and how much of that within links."""
    words: dict[html.HtmlElement, int] = {}
    links: dict[html.HtmlElement, int] = {}
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if event == "start":
            words[element] = links[element] = 0
            continue
        own = words[element] + _letters(element.text)
        words[element] = own
        if element.tag == "a" and element.get("href"):
            links[element] = own
        parent = element.getparent()
        if parent is not None and parent in words:
            words[parent] += own + _letters(element.tail)
            links[parent] += links[element]
    return words, links


def _letters(text: str | None) -> int:
    return sum(map(len, text.split())) if text else 0


def _article(root: html.HtmlElement) -> tuple[list[html.HtmlElement | str], int]:
    """Return the elements and loose texts that make up the article, and how many places were left aside."""
    body = root.find("body")
    node = body if body is not None else root
    words, links = _weigh(node)
    before: list[html.HtmlElement | str] = []
    after: list[html.HtmlElement | str] = []
    aside = 0

    def plain_words(element: html.HtmlElement) -> int:
        return words[element] - links[element]

    def wanted(element: html.HtmlElement) -> bool:
        if not words[element]:
            return False
        name = f"{element.get('class') or ''} {element.get('id') or ''}"
        if links[element] > 0.4 * words[element] or element.tag == "footer":
            return False
        text = "".join(element.itertext())
        if element.tag in ("h1", "h2", "h3") or _DOCUMENT_NUMBER.search(text[:300]):
            return not _CHROME.search(name) or element.tag == "h1"
        if _CHROME.search(name):
            return False
        if _TITLE.search(name) and words[element] < 80:
            return True
        return words[element] > 40 or _SENTENCE.search(text) is not None

    while True:
        children = [child for child in node if isinstance(child.tag, str)]
        spine = max(children, key=plain_words, default=None)
        if (
            spine is None
            or spine.tag not in _BLOCKS
            or spine.tag in ("p", "table", "tbody", "ul", "ol", "pre")
            or plain_words(spine) < _SPINE * max(plain_words(node), 1)
        ):
            break
        named = _ARTICLE.search(node.get("class") or "") or _ARTICLE.search(node.get("id") or "")
        if named and plain_words(spine) < 0.98 * plain_words(node):
            break
        position = children.index(spine)
        first = [node.text or ""] if _letters(node.text) > 40 else []
        kept_before: list[html.HtmlElement | str] = [*first, *(child for child in children[:position] if wanted(child))]
        kept_after = [child for child in children[position + 1 :] if wanted(child)]
        aside += sum(words[child] > 0 for child in children) - 1 - len(kept_before) - len(kept_after) + len(first)
        before += kept_before
        after = [*kept_after, *after]
        node = spine
    return [*_once(before, node), node, *after], aside


def _once(before: list[html.HtmlElement | str], node: html.HtmlElement) -> list[html.HtmlElement | str]:
    """Leave out a headline above the article that the article itself begins with."""
    head = "".join("".join(node.itertext()).split())[:600]
    kept: list[html.HtmlElement | str] = []
    for item in before:
        text = "".join((item if isinstance(item, str) else "".join(item.itertext())).split())
        if len(text) > 80 or text not in head:
            kept.append(item)
    return kept


@dataclass
class _Table:
    number: int
    row: int = 0
    column: int = 0
    taken: dict[int, int] = field(default_factory=dict)
    """For a column, the last row that a cell above reaches into."""


@dataclass
class _Writer:
    """Turns elements into blocks."""

    out: BlockList = field(default_factory=BlockList)
    pieces: list[str] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    tables: list[_Table] = field(default_factory=list)
    cells: list[tuple[_Table, int, int, int]] = field(default_factory=list)
    lists: list[tuple[int, str]] = field(default_factory=list)
    dropped: int = 0

    def write(self, items: list[html.HtmlElement | str]) -> None:
        for item in items:
            if isinstance(item, str):
                self.text(item)
            else:
                self._walk(item)
            self._flush()

    def text(self, text: str | None) -> None:
        if text:
            self.pieces.append(text)

    def _walk(self, top: html.HtmlElement) -> None:
        layout: set[html.HtmlElement] = set()
        skipped: html.HtmlElement | None = None
        for event, element in etree.iterwalk(top, events=("start", "end")):
            if skipped is not None:
                if event == "end" and element is skipped:
                    skipped = None
                    self.text(element.tail if element is not top else "")
                continue
            if event == "start":
                if element is not top and self._chrome(element):
                    skipped = element
                    self.dropped += 1
                    if element.tag in _BLOCKS:
                        self._break()
                    continue
                self._start(element, layout)
            else:
                self._end(element, layout)
                if element is not top:
                    self.text(element.tail)

    def _chrome(self, element: html.HtmlElement) -> bool:
        name = f"{element.get('class') or ''} {element.get('id') or ''}"
        if (
            element.tag in ("p", "span", "td", "tr", "table", "h1", "h2", "h3", "font", "strong", "b")
            or not name.strip()
        ):
            return False
        if not _CHROME.search(name):
            return False
        letters = _letters_within(element)
        return 0 < letters < _LONGEST_CHROME and not _SENTENCE.search("".join(element.itertext()))

    def _start(self, element: html.HtmlElement, layout: set[html.HtmlElement]) -> None:
        tag = element.tag if isinstance(element.tag, str) else ""
        if tag == "table" and (self.cells or not _is_layout(element)):
            self._flush_outer()
            self.tables.append(_Table(self.out.table()))
        elif tag == "table":
            layout.add(element)
            self._flush()
        elif tag in ("td", "th") and self.tables and not _laid_out(element, layout):
            self._flush()
            self._open_cell(element)
        elif tag == "tr" and self.tables and not _laid_out(element, layout):
            self.tables[-1].row += 1
            self.tables[-1].column = 0
        elif tag in _BLOCKS:
            self._break()
            self.styles.append(tag)
            if tag in ("ol", "ul"):
                self.lists.append((_integer(element.get("start"), 1), _list_style(element)))
            elif tag == "li":
                self._item(element)
        elif tag == "br":
            self.pieces.append("\v")
        self.text(_spaced(element.text, element))

    def _end(self, element: html.HtmlElement, layout: set[html.HtmlElement]) -> None:
        tag = element.tag if isinstance(element.tag, str) else ""
        if tag == "table":
            if element in layout:
                self._flush()
            elif self.tables:
                self._flush_outer()
                self.tables.pop()
        elif tag in ("td", "th") and self.cells and not _laid_out(element, layout):
            self._flush()
            self.cells.pop()
        elif tag in _BLOCKS and not (tag in ("tr", "td", "th") and self.tables and not _laid_out(element, layout)):
            self._break()
            if self.styles:
                self.styles.pop()
            if tag in ("ol", "ul") and self.lists:
                self.lists.pop()

    def _open_cell(self, element: html.HtmlElement) -> None:
        table = self.tables[-1]
        column = table.column + 1
        while table.taken.get(column, 0) >= table.row:
            column += 1
        wide, high = _integer(element.get("colspan"), 1), _integer(element.get("rowspan"), 1)
        for taken in range(column, column + wide):
            table.taken[taken] = table.row + high - 1
        table.column = column + wide - 1
        self.cells.append((table, table.row, column, len(self.out.blocks)))

    def _item(self, element: html.HtmlElement) -> None:
        if self.lists:
            number, style = self.lists[-1]
            number = _integer(element.get("value"), number)
            self.lists[-1] = (number + 1, style)
            written = list_number(number, style)
            mark = "、" if style.startswith(("cjk", "simp", "trad")) else ". "
            self.pieces.append(f"{written}{mark}" if written else "")

    def _break(self) -> None:
        """End a paragraph; within a cell only a line."""
        if self.cells and self.pieces and self.pieces[-1] != "\v":
            self.pieces.append("\v")
        elif not self.cells:
            self._flush()

    def _flush_outer(self) -> None:
        """Write what stands before a nested table."""
        self._flush()

    def _flush(self) -> None:
        raw = "".join(self.pieces)
        self.pieces = []
        text = _settle(raw)
        if not text:
            return
        if self.cells:
            table, row, column, _ = self.cells[-1]
            self.out.cell(text, table=table.number, row=row, column=column)
            return
        style = next((name for name in reversed(self.styles) if name not in ("div", "body", "section", "html")), "")
        for part in re.split(r"\n(?=\n|[\u3000\u00a0 ]{2,})", text):
            line = part.strip("\n")
            if len(line) <= _LONGEST_CHROME and (_CHROME_LINE.match(line) or is_page_number(line, bare=False)):
                self.dropped += 1
            elif line.strip():
                self.out.paragraph(line, style=style)


def _settle(raw: str) -> str:
    """Return the text of a block as a browser shows it: white space of the source folded, breaks kept."""
    text = re.sub(r"[ \t\r\n\f]+", " ", clean(raw.replace("\v", "\x85")))
    text = re.sub(r" ?\x85 ?", "\n", text)
    return text.strip(" \n") if text.strip() else ""


def _spaced(text: str | None, element: html.HtmlElement) -> str | None:
    return text.replace("\n", "\v") if text and element.tag == "pre" else text


def _is_layout(table: html.HtmlElement) -> bool:
    """Return whether a table only lays out a page: one cell a row at most, or another table within."""
    if next(table.iterdescendants("table"), None) is not None:
        return True
    return all(len(row) <= 1 for row in table.iter("tr"))


def _laid_out(element: html.HtmlElement, layout: set[html.HtmlElement]) -> bool:
    return next(_ancestors(element, "table"), None) in layout


def _ancestors(element: html.HtmlElement, tag: str) -> Iterator[html.HtmlElement]:
    return element.iterancestors(tag)  # type: ignore[no-any-return]


def _list_style(element: html.HtmlElement) -> str:
    found = re.search(r"list-style(?:-type)?\s*:\s*([a-z-]+)", element.get("style", ""))
    if found:
        return found[1]
    if element.tag == "ul":
        return "bullet"
    return {"a": "lower-alpha", "A": "upper-alpha", "i": "lower-roman", "I": "upper-roman"}.get(
        element.get("type", ""), "decimal"
    )


def _integer(text: str | None, absent: int) -> int:
    return min(max(int(text), 1), 10_000) if text and text.strip().isdigit() else absent
