"""Time the plan reader beside bare text extraction of the same file, and its growth with length; prints tables.

`python benchmarks/plan_reader.py` takes 20 pages, and 10 and 100 times as many; a number takes another largest multiple.
Each step runs in a process of its own; imports, the catalog and one small plan read before are left out.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from documents import BARE, PAGES

CLAUSES = (
    "到2027年，城镇新建建筑中星级绿色建筑占比达到{}%以上，新建建筑可再生能源替代率达到8.5%，逐步推广超低能耗建筑，完善设计、施工、验收全过程管理，"
    "加强绿色建材应用，推动装配式建造与智能建造协同发展，健全信息归集和公示制度。自2025年1月1日起，政府投资的公共建筑按照二星级及以上绿色建筑标准建设。",
    "加快老旧管网更新，城市公共供水管网漏损率控制在{}%以内，每年改造供热管网12公里，推动供热计量收费，完善运行调度平台，"
    "鼓励社会资本参与，建立项目库和动态调整机制，定期开展评估并向社会公布结果。新建城市道路慢行系统120公里以上。",
    "推进既有建筑节能改造，“十五五”期间完成改造面积{}万平方米，改造后的公共建筑整体能效提升20%以上，建立能耗监测和数据共享机制，"
    "落实公共机构率先改造，探索合同能源管理，加强从业人员培训，开展宣传教育，营造全社会共同参与的良好氛围。",
)
BODIES = "（责任单位：市住房城乡建设局、市发展改革委、市水务局、市财政局，各县（市、区）人民政府按职责分工负责）"
NUMERALS = "一二三四五六七八九十"


def paragraphs(pages: int) -> list[str]:
    """Return a plan with headings, targets, duties and lists of bodies that fills these pages of 22 lines of 28 characters."""
    lines = ["云岭市城乡建设领域碳达峰实施方案", "云建发〔2024〕17号"]
    letters, number = 0, 0
    while letters < pages * 22 * 28:
        chapter, section = divmod(number, 40)
        if section == 0:
            lines.append(f"{NUMERALS[chapter % 10]}、重点任务（第{chapter + 1}批）")
        if section % 8 == 0:
            lines.append(f"（{NUMERALS[section // 8]}）推进第{number + 1}组工作")
        clause = CLAUSES[number % len(CLAUSES)].format(5 + number % 60)
        lines.append(f"{section % 8 + 1}.推动绿色发展第{number + 1}项。{clause}{BODIES}")
        letters += len(lines[-1]) + 14
        number += 1
    return lines


def make(folder: Path, pages: int) -> None:
    import documents

    documents.paragraphs = paragraphs
    documents.make(folder, pages)


def step(kind: str, who: str, folder: Path) -> dict[str, float]:
    path = folder / f"plan.{kind}"
    if who == "bare":
        characters, seconds = BARE[kind][1](path)
        return {"characters": characters, "seconds": seconds}
    from dafeng.catalog import load_catalog
    from dafeng.intake import read_document
    from dafeng.plans.reading import read_plan

    catalog = load_catalog()
    read_plan(read_document(folder / "small.txt"), catalog)
    started, processor = time.perf_counter(), time.process_time()
    document = read_document(path)
    text = time.perf_counter()
    plan = read_plan(document, catalog)
    done = time.perf_counter()
    return {
        "characters": len(document.plain),
        "seconds": done - started,
        "document": text - started,
        "grammar": done - text,
        "processor": time.process_time() - processor,
        "targets": len(plan.targets),
        "numbers": len(plan.numbers),
    }


def measure(kind: str, who: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--step", kind, who, str(folder)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--step"]:
        result = step(arguments[1], arguments[2], Path(arguments[3]))
        result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(result))
        return
    if arguments[:1] == ["--make"]:
        make(Path(arguments[1]), int(arguments[2]))
        return
    largest = int(arguments[0]) if arguments else 100
    multiples = sorted({1, min(10, largest), largest})
    with tempfile.TemporaryDirectory() as place:
        folders = {}
        for multiple in multiples:
            folders[multiple] = Path(place, str(multiple))
            folders[multiple].mkdir()
            command = [sys.executable, __file__, "--make", str(folders[multiple]), str(PAGES * multiple)]
            subprocess.run(command, check=True)  # elsewhere: a child inherits the peak
            (folders[multiple] / "small.txt").write_text("\n".join(paragraphs(1)), encoding="utf-8")
        print(f"A plan of {PAGES} pages: document and grammar, imports and catalog left out.\n")
        print("| format | bare | | document | grammar | dafeng | × bare | targets | numbers |")
        print("|---|---|---:|---:|---:|---:|---:|---:|---:|")
        for kind, (name, _) in BARE.items():
            bare, own = (measure(kind, who, folders[1]) for who in ("bare", "dafeng"))
            cells = [bare["seconds"], own["document"], own["grammar"], own["seconds"]]
            print(
                f"| {kind} | {name} | {' | '.join(f'{value:.3f} s' for value in cells)} "
                f"| {own['seconds'] / bare['seconds']:.0f} | {own['targets']} | {own['numbers']} |",
                flush=True,
            )
        print("\nGrowth, .docx; the ratio is processor seconds per page against those of the shortest.\n")
        print("| pages | characters | targets | document | grammar | dafeng | processor | ratio | peak MB |")
        print("|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
        first = None
        for multiple in multiples:
            own = measure("docx", "dafeng", folders[multiple])
            first = first or own["processor"]
            cells = " | ".join(f"{own[name]:.2f} s" for name in ("document", "grammar", "seconds", "processor"))
            print(
                f"| {PAGES * multiple:,} | {own['characters']:,} | {own['targets']:,} | {cells} "
                f"| {own['processor'] / first / multiple:.2f} | {own['peak_mb']:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1:])
