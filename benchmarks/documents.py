"""Time the reading of documents beside bare text extraction of the same file; prints a table.

`python benchmarks/documents.py` takes 20 pages and 100 times as many; a number takes another multiple.
Each step runs in a process of its own; the seconds of a step leave the imports out, because a command reads one document.
"""

import io
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PAGES = 20
WORDS = (
    "到2030年，城镇新建建筑全面执行绿色建筑标准，星级绿色建筑占比达到32%以上，新建建筑可再生能源替代率达到8.5%，"
    "新增既有建筑节能改造面积260万平方米以上，城市公共供水管网漏损率控制在8.5%以内，再生水利用率不低于25%。"
    "（责任单位：市住房城乡建设局、市发展改革委、市水务局按职责分工负责）"
)


def paragraphs(pages: int) -> list[str]:
    """Return as many paragraphs as fill these pages of 22 lines of 28 characters, roughly."""
    per_page = 22 * 28
    return [f"{number + 1}.{WORDS}" for number in range(pages * per_page // (len(WORDS) + 14))]


def make(folder: Path, pages: int) -> None:
    import docx
    import typst

    lines = paragraphs(pages)
    (folder / "plan.txt").write_text("\n".join(lines), encoding="utf-8")
    body = "".join(f"<p>　　{line}</p>\n" for line in lines)
    (folder / "plan.html").write_text(
        f"<html><body><div class=nav>首页</div><div id=zoom>{body}</div></body></html>", "utf-8"
    )
    document = docx.Document()
    parent = document.element.body
    blank = document.add_paragraph("")._p
    for line in lines:  # python-docx looks for the end of the body each time
        paragraph = document.styles.element.makeelement(blank.tag, {})
        run = paragraph.makeelement(blank.tag[:-1] + "r", {})
        text = paragraph.makeelement(blank.tag[:-1] + "t", {})
        text.text = line
        run.append(text)
        paragraph.append(run)
        parent.insert(len(parent) - 1, paragraph)
    buffer = io.BytesIO()
    document.save(buffer)
    (folder / "plan.docx").write_bytes(buffer.getvalue())
    source = (
        '#set page(paper: "a4", margin: (x: 2.8cm, y: 3.7cm), footer: context align(center)[— #counter(page).display() —])\n'
        '#set text(font: ("Noto Serif CJK SC", "Noto Sans CJK SC"), size: 16pt, lang: "zh")\n'
        "#set par(first-line-indent: (amount: 2em, all: true), justify: true, leading: 12pt, spacing: 12pt)\n"
    )
    (folder / "plan.pdf").write_bytes(
        typst.compile((source + "\n\n".join(line.replace(".", "\\.", 1) for line in lines)).encode(), format="pdf")
    )


def bare_pdf(path: Path) -> tuple[int, float]:
    import pypdfium2

    started = time.perf_counter()
    document = pypdfium2.PdfDocument(path)
    text = "".join(document[index].get_textpage().get_text_bounded() for index in range(len(document)))
    return len("".join(text.split())), time.perf_counter() - started


def bare_docx(path: Path) -> tuple[int, float]:
    import docx

    started = time.perf_counter()
    text = "".join(paragraph.text for paragraph in docx.Document(str(path)).paragraphs)
    return len("".join(text.split())), time.perf_counter() - started


def bare_html(path: Path) -> tuple[int, float]:
    from lxml import html

    started = time.perf_counter()
    text = html.document_fromstring(path.read_bytes()).text_content()
    return len("".join(text.split())), time.perf_counter() - started


def bare_txt(path: Path) -> tuple[int, float]:
    started = time.perf_counter()
    return len("".join(path.read_text(encoding="utf-8").split())), time.perf_counter() - started


def dafeng(path: Path) -> tuple[int, float]:
    from dafeng.intake import read_document

    started = time.perf_counter()
    text = read_document(path)
    length = len(text.folded)
    return length, time.perf_counter() - started


BARE = {
    "pdf": ("pypdfium2", bare_pdf),
    "docx": ("python-docx", bare_docx),
    "html": ("lxml", bare_html),
    "txt": ("str", bare_txt),
}


def measure(kind: str, who: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--step", kind, who, str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--step"]:
        kind, who, folder = arguments[1:]
        path = Path(folder, f"plan.{kind}")
        characters, seconds = (dafeng if who == "dafeng" else BARE[kind][1])(path)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"characters": characters, "seconds": seconds, "peak_mb": peak}))
        return
    if arguments[:1] == ["--make"]:
        make(Path(arguments[1]), int(arguments[2]))
        return
    multiple = int(arguments[0]) if arguments else 100
    print(f"A plan of about {PAGES} pages and one of {PAGES * multiple:,}; imports left out.\n")
    print(
        f"| format | bare | {PAGES} pages, bare | dafeng | {PAGES * multiple:,} pages, bare | dafeng | dafeng, × per page | peak MB |"
    )
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as small_place, tempfile.TemporaryDirectory() as large_place:
        small, large = Path(small_place), Path(large_place)
        for folder, pages in ((small, PAGES), (large, PAGES * multiple)):  # elsewhere: a child inherits the peak
            subprocess.run([sys.executable, __file__, "--make", str(folder), str(pages)], check=True)
        for kind, (name, _) in BARE.items():
            results = [measure(kind, who, folder) for folder in (small, large) for who in ("bare", "dafeng")]
            seconds = [result["seconds"] for result in results]
            growth = seconds[3] / seconds[1] / multiple
            cells = " | ".join(f"{value:.3f} s" for value in seconds)
            print(f"| {kind} | {name} | {cells} | {growth:.2f} | {results[3]['peak_mb']:.0f} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
