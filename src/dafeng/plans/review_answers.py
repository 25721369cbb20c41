"""A decision written as a line of text in a comment: 修改：数值=33；期限=2030；理由：原文有更正."""

from __future__ import annotations

import re
from typing import Final

from dafeng.catalog.decision_schemas import DecisionSubject, ReadingVerdict
from dafeng.plans.review_words import FIELD_HEADS, VERDICT_WORDS, FieldError

__all__ = ["read_answer", "verdict_of"]

_VERDICTS: Final = {word: verdict for verdict, word in VERDICT_WORDS.items()} | {
    **dict.fromkeys(("同意", "接受", "通过", "accept"), ReadingVerdict.ACCEPT),
    **dict.fromkeys(("更正", "改", "correct"), ReadingVerdict.CORRECT),
    **dict.fromkeys(("不采纳", "拒绝", "reject"), ReadingVerdict.REJECT),
    **dict.fromkeys(("新增", "补充", "add"), ReadingVerdict.ADD),
}
_START: Final = re.compile(
    r"(?P<word>[一-鿿]{1,6}?|[a-z]{1,8})\s*(?:[:：，,。；;\s]+(?P<rest>.*))?", re.DOTALL | re.IGNORECASE
)
_PAIR: Final = re.compile(r"(?:改后)?(?P<head>[一-鿿]{1,5})\s*[=＝:：]\s*(?P<text>.*)", re.DOTALL)
_ALIASES: Final = {"年份": "期限", "条件": "适用条件", "比较": "比较词", "值": "数值"}
_EXTRA: Final = {
    "理由": "reason",
    "复核人": "person",
    "原文": "quote",
    "条款": "clause",
    "页": "page",
    "段": "paragraph",
}
_FIELDLESS: Final = (ReadingVerdict.ACCEPT, ReadingVerdict.REJECT)


def verdict_of(word: str) -> ReadingVerdict:
    """Return the verdict that a word means.

    Raises
    ------
    FieldError
        No such word is known.

    Examples
    --------
    >>> verdict_of("采纳").value, verdict_of("同意。").value
    ('accept', 'accept')
    """
    verdict = _VERDICTS.get(word.strip(" 。.").lower())
    if verdict is None:
        words = "、".join(VERDICT_WORDS.values())
        raise FieldError("unknown-verdict", f"不认识决定“{word.strip()[:20]}”", words)
    return verdict


def read_answer(answer: str, subject: DecisionSubject) -> dict[str, str]:
    """Return what a line of text says, by the columns of the review workbook.

    Parameters
    ----------
    answer : str
        Verdict word, then ``字段=值`` and ``理由：…`` between semicolons; of 采纳 and 驳回 the rest is the reason.
    subject : DecisionSubject

    Raises
    ------
    FieldError
        The verdict or a field is unknown.

    Examples
    --------
    >>> read_answer("修改：数值=33；年份：2030年；理由：原文有更正", DecisionSubject.TARGET)
    {'verdict': '修改', 'new_value': '33', 'new_by': '2030年', 'reason': '原文有更正'}
    >>> read_answer("驳回：不是本市的目标", DecisionSubject.TARGET)
    {'verdict': '驳回', 'reason': '不是本市的目标'}
    """
    found = _START.fullmatch(answer.strip())
    verdict = verdict_of(found["word"] if found else answer)
    assert found is not None
    texts = {"verdict": VERDICT_WORDS[verdict]}
    heads = {head: f"new_{name}" for name, head in FIELD_HEADS[subject].items()} | _EXTRA
    for part in filter(None, (part.strip() for part in re.split(r"[；;\n]+", found["rest"] or ""))):
        pair = _PAIR.fullmatch(part)
        head = _ALIASES.get(pair["head"], pair["head"]) if pair else ""
        if pair and head in heads:
            texts[heads[head]] = pair["text"].strip()
        elif verdict in _FIELDLESS:
            texts["reason"] = "；".join(filter(None, (texts.get("reason"), part)))
        else:
            named = "、".join(FIELD_HEADS[subject].values())
            raise FieldError("unknown-field", f"不认识“{part[:40]}”", f"字段=值，字段为{named}、理由")
    return {name: text for name, text in texts.items() if text}
