"""Small plan documents of one clause for the tests of duties and milestones."""

from dafeng.base.document import Block, DocumentText


def plan_document(*lines: str) -> DocumentText:
    """Return a document of these paragraphs."""
    return DocumentText(
        "plan.txt", "txt", "0" * 64, tuple(Block(line, number=place + 1) for place, line in enumerate(lines))
    )


def task_document(*sentences: str, title: str = "推进绿色建筑", goals: bool = False) -> DocumentText:
    """Return a plan with one task, or one clause of goals, that says these sentences."""
    head = "东川市城乡建设领域碳达峰工作方案"
    if goals:
        return plan_document(head, "一、主要目标", "".join(sentences), "二、重点任务", "（一）推进绿色建筑。加强管理。")
    return plan_document(
        head, "一、主要目标", "推进绿色低碳发展。", "二、重点任务", f"（一）{title}。{''.join(sentences)}"
    )
