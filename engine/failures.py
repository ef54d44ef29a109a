"""What an error of the database means: the one place that reads its text."""

from __future__ import annotations

import errno
import os

from catalog.entries import FileEntry
from catalog.errors import StorageFull
from catalog.scan import check_files
from engine.errors import EngineError, ExecutionFailed, MemoryExceeded, NumericOverflow

OUT_OF_MEMORY = "Out of Memory Error"
IO_ERROR = "IO Error"
# Of the arithmetic of aggregates: ours, DuckDB's of sums, and of whole numbers.
OVERFLOW = "a sum has too many digits"
OVERFLOWS = (OVERFLOW, "Overflow in HUGEINT addition", "out of range for the destination type INT64")
NO_SPACE = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))


def failure_of(error: Exception, files: tuple[FileEntry, ...]) -> EngineError:
    """What a database error means. Its text tells of files and SQL, so it goes no further than the log.

    Raises StorageFull where it could not spill, StorageDamaged where a file is at fault.
    """
    if IO_ERROR in str(error) and any(text in str(error) for text in NO_SPACE):
        raise StorageFull("There is no space for the temporary files of the database.") from error
    if OUT_OF_MEMORY in str(error):
        hint = "Narrow the question: name a series or a range of dates."
        return MemoryExceeded("The database needs more memory than it may use.", hint)
    if any(text in str(error) for text in OVERFLOWS):
        return NumericOverflow("A sum has more digits than a decimal holds.")
    check_files(files)
    return ExecutionFailed("The database failed to run the query.", cause=type(error).__name__)
