"""Whether a PDF holds text that can be trusted: scans, recognised text, fonts without code, rotated text."""

from __future__ import annotations

from typing import Final

from dafeng.base.finding import Finding
from dafeng.intake.documents.limits import document_finding, refuse
from dafeng.intake.documents.pdf_pages import PageContent

__all__ = ["check_pages"]

_FEW_LETTERS: Final = 20
"""Characters below which a page with a large image is a scan."""
_IMAGE_SHARE: Final = 0.3
_MOST_UNMAPPED: Final = 0.2


def check_pages(contents: list[PageContent], file: str) -> list[Finding]:
    """Refuse scans and texts without meaning; return the findings about single pages."""
    scanned = [
        number
        for number, content in enumerate(contents, start=1)
        if content.count < _FEW_LETTERS and content.image_share > _IMAGE_SHARE
    ]
    letters = sum(content.count for content in contents)
    if letters == 0 or (scanned and len(scanned) > len(contents) / 2 and letters < 100 * len(contents)):
        what = "a scan" if any(content.image_share > _IMAGE_SHARE for content in contents) else "without any text"
        raise refuse(
            file,
            f"the PDF of {len(contents)} pages is {what}: {len(scanned)} pages are images, {letters} characters of text",
            expected="a PDF with text, in which words can be selected and copied",
            next_step="向发文单位索取 .docx 或带文字的 PDF，或先做文字识别并校对 / ask for a .docx or a PDF with text, or recognise and proofread it first",
            name="intake.document.scan",
            pages=len(contents),
            scanned=len(scanned),
            characters=letters,
        )
    unmapped = sum(content.unmapped for content in contents)
    if unmapped > _MOST_UNMAPPED * letters:
        raise refuse(
            file,
            f"{unmapped:,} of {letters:,} characters of the PDF have a font that does not say what they are",
            expected="a PDF whose text can be copied and pasted",
            next_step="用原始文件另存为 PDF 或 .docx / save the original as PDF or .docx anew",
            name="intake.document.unmapped-font",
            unmapped=unmapped,
            characters=letters,
        )
    findings = []
    if scanned:
        findings.append(_page_finding("scanned-pages", "是图片，其中的文字未读入", scanned, file, "提供这些页的文字版"))
    recognised = [number for number, content in enumerate(contents, start=1) if content.recognised and content.count]
    if recognised:
        findings.append(
            _page_finding(
                "recognised-text",
                "的文字来自扫描件的文字识别层，数字和机构名可能有误",
                recognised,
                file,
                "逐字核对，或提供原始文件",
            )
        )
    broken = [number for number, content in enumerate(contents, start=1) if content.unmapped]
    if broken:
        findings.append(
            _page_finding(
                "unmapped-font",
                f"共有 {unmapped} 个字符无法识别（字体无编码）",
                broken,
                file,
                "核对这些页，或提供 .docx 文件",
            )
        )
    turned = [number for number, content in enumerate(contents, start=1) if content.turned]
    if turned:
        findings.append(
            _page_finding(
                "rotated-text", "有旋转的文字（如水印、竖排），未读入", turned, file, "如为正文，请提供 .docx 文件"
            )
        )
    return findings


def _page_finding(problem: str, sentence: str, pages: list[int], file: str, next_step: str) -> Finding:
    listed = "、".join(map(str, pages[:20])) + (" 等" if len(pages) > 20 else "")
    return document_finding(
        f"intake.document.{problem}",
        f"第 {listed} 页{sentence}",
        file,
        next_step=next_step,
        value=listed,
        pages=len(pages),
    )
