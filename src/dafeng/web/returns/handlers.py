"""What the outbox does for the reporting cycle: keeps what was asked, and publishes the figures that were approved."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from dafeng.base.errors import InputError
from dafeng.base.observation import Review
from dafeng.lake import Workspace
from dafeng.web.house import house
from dafeng.web.outbox.models import OutboxItem
from dafeng.web.outbox.services import handles
from dafeng.web.returns.models import FormSheet, Issuance, Submission
from dafeng.workflow.forms import keep_issues, read_returns
from dafeng.workflow.returns import change_of_status, versions_of

__all__ = ["keep_issuance", "publish_submission"]

_Outcome = tuple[Mapping[str, Any], Callable[[Mapping[str, Any]], None] | None]


@handles("returns.issue")
def keep_issuance(item: OutboxItem) -> _Outcome:
    """Keep what was asked as a run of the workspace: from the sheets that were frozen, so that twice is once."""
    issuance = Issuance.objects.select_related("round").get(pk=item.payload["issuance"])
    sheets = FormSheet.objects.filter(issuance=issuance).order_by("id")
    run = keep_issues(
        house().setting(),
        [sheet.read() for sheet in sheets],
        plan=issuance.round.plan,
        period=issuance.round.period,
        asked_on=issuance.asked_on,
        catalog=issuance.catalog,
        form=issuance.round.form or None,
    )

    def settle(result: Mapping[str, Any]) -> None:
        Issuance.objects.filter(pk=issuance.pk).update(run=result["run"])

    return {"run": run}, settle


@handles("returns.publish")
def publish_submission(item: OutboxItem) -> _Outcome:
    """Publish the figures of a submission from its frozen workbook, recorded at the moment of the decision.

    The batch rests on the key of the item and every input of it is frozen, so that a second delivery says the same and
    changes nothing.
    """
    here = house()
    submission = Submission.objects.select_related("assignment__round", "sheet").get(pk=item.payload["submission"])
    one, issue = submission.assignment, submission.sheet.read()
    recorded_at, review = datetime.fromisoformat(item.payload["recorded_at"]), Review(item.payload["review"])
    setting = here.setting()
    assert setting.workspace is not None
    with tempfile.TemporaryDirectory(prefix="dafeng-") as folder:
        path = Path(folder) / submission.file
        shutil.copyfile(Workspace.document(setting.workspace, submission.document), path)
        (returned,) = read_returns(
            setting,
            [path],
            recorded_at=recorded_at,
            body=one.body,
            review=review,
            issues={issue.id: issue},
            key=item.key,
        )
    if not returned.read.accepted:
        raise InputError(
            "；".join(finding.sentence for finding in returned.read.findings[:3]),
            doing=f"publish the return {submission.pk}",
            expected="the form as it was sent in",
            next_step="look at the workbook in the workspace's documents",
        )
    done = returned.published
    changes = change_of_status(
        setting,
        one.round.plan,
        place=one.place,
        as_of=here.today(),
        before=recorded_at - timedelta(microseconds=1),
        after=recorded_at,
        indicators=set(returned.read.frame["indicator"]),
    )
    result = {
        "review": review.value,
        "recorded_at": recorded_at.isoformat(),
        "batch": None if done is None else done.batch,
        "appended": 0 if done is None else done.appended,
        "unchanged": 0 if done is None else done.unchanged,
        "superseded": 0 if done is None else done.superseded,
        "run": returned.run,
        "versions": versions_of(setting, returned.read.frame, recorded_at),
        "changes": [change.model_dump(mode="json") for change in changes],
    }

    def settle(said: Mapping[str, Any]) -> None:
        if review is Review.APPROVED and item.key == f"returns-publish-{submission.pk}":
            Submission.objects.filter(pk=submission.pk).update(published=dict(said))

    return result, settle
