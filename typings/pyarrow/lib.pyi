from typing import Any

from pyarrow import RecordBatch as RecordBatch
from pyarrow import RecordBatchReader as RecordBatchReader
from pyarrow import Schema as Schema
from pyarrow import Table as Table

def __getattr__(name: str) -> Any: ...
