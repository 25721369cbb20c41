"""The workspace folder and its facts: append-only versions under a transaction log, documents by hash, frozen runs.

Facts are Parquet files under a Delta transaction log; see ``docs/adr/0003-workspace-and-two-stores.md``.
"""

from dafeng.lake.batches import BATCHES_SCHEMA, Published
from dafeng.lake.compaction import CompactedReadings
from dafeng.lake.derived import DerivedPart, DerivedTable, EngineRows, Replaced
from dafeng.lake.engines import Engine, open_engine
from dafeng.lake.identity import content_digest
from dafeng.lake.observations import Compacted, ObservationLake
from dafeng.lake.reading_snapshot import ReadingSnapshot
from dafeng.lake.readings import ReadingLake
from dafeng.lake.registers import RegisterLake
from dafeng.lake.runs import Run, find_runs, save_run
from dafeng.lake.snapshot import Snapshot, current_facts
from dafeng.lake.vacuum import Vacuumed
from dafeng.lake.workspace import Workspace, WorkspaceSettings, find_workspace

__all__ = [
    "BATCHES_SCHEMA",
    "Compacted",
    "CompactedReadings",
    "DerivedPart",
    "DerivedTable",
    "Engine",
    "EngineRows",
    "ObservationLake",
    "Published",
    "ReadingLake",
    "ReadingSnapshot",
    "RegisterLake",
    "Replaced",
    "Run",
    "Snapshot",
    "Vacuumed",
    "Workspace",
    "WorkspaceSettings",
    "content_digest",
    "current_facts",
    "find_runs",
    "find_workspace",
    "open_engine",
    "save_run",
]
