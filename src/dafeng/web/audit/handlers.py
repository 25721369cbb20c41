"""What the worker does for the audit log: verify it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dafeng.base.listener import Listener
from dafeng.web.audit.anchors import noted_anchors
from dafeng.web.audit.models import AuditHead
from dafeng.web.audit.services import verify_chain
from dafeng.web.jobs.models import Job
from dafeng.web.jobs.services import does

__all__ = ["verify"]

_SHOWN = 100


@does("audit.verify")
def verify(arguments: Mapping[str, Any], listener: Listener, job: Job) -> Mapping[str, Any]:
    """Verify the whole chain, and the ends noted in the workspace."""
    listener("核验审计日志", 0, None)
    faults = list(verify_chain(anchors=noted_anchors()))
    head = AuditHead.objects.filter(id=1).first()
    return {
        "audit": 0 if head is None else head.number,
        "head": "" if head is None else head.digest,
        "faults": [[one.number, one.says] for one in faults[:_SHOWN]],
        "count": len(faults),
    }
