"""The forms of an answer, and which of them a client wants."""

from __future__ import annotations

from enum import Enum

from api.accepting import accepted, quality
from api.problems import Problem


class Form(Enum):
    JSON = "application/json"
    CSV = "text/csv"
    ARROW = "application/vnd.apache.arrow.stream"
    PARQUET = "application/vnd.apache.parquet"


def accepted_form(header: str) -> Form:
    """The form that the caller likes best; of those that it likes alike, the first in the list above.

    Raises Problem `not_acceptable`.
    """
    ranges = accepted(header)
    qualities = {form: quality(form.value, ranges) for form in Form}
    best = max(Form, key=lambda form: qualities[form])
    if qualities[best] == 0:
        forms = ", ".join(form.value for form in Form)
        raise Problem("not_acceptable", "No media type that is accepted can be given.", f"Accept one of: {forms}.")
    return best
