"""Several processes commit to one lake while it is merged and expired: nothing is lost, nothing is there twice, and a
receipt's state stays what it was. A Table that is shared or refreshed amid a commit is in tests/catalog/test_commit.py,
merges against single rivals in test_maintenance.py and test_merge_kinds.py beside it."""

from __future__ import annotations

import random
from pathlib import Path

from tests.reliability.scenarios import storm


def test_writers_mergers_and_expiry_at_once(tmp_path: Path) -> None:
    storm(random.Random(8), tmp_path, batches=5)
