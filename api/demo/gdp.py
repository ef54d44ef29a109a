"""US real GDP growth with its three releases a quarter, as the BEA's news releases gave them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from api.row_files import CsvFile, Layout

SOURCE = "BEA"
EXTERNAL_ID = "US-REAL-GDP-GROWTH"

_FILE = Path(__file__).with_name("us_real_gdp_growth.csv")


def document() -> dict[str, Any]:
    """One bulk document: 8 quarters from 2023Q1, 24 points; dates are first days of quarters, values percent."""
    points = CsvFile(_FILE, Layout()).points()
    return {
        "source": {
            "name": SOURCE,
            "title": "U.S. Bureau of Economic Analysis",
            "description": "National accounts of the United States.",
            "url": "https://www.bea.gov",
            "license": "Public domain (work of the United States government)",
        },
        "series": [
            {
                "external_id": EXTERNAL_ID,
                "title": "US real GDP growth",
                "description": "Change from the preceding quarter: advance, second and third estimate of each quarter.",
                "units": "percent, annual rate",
                "frequency": "quarterly",
                "seasonal_adjustment": "seasonally adjusted annual rate",
            }
        ],
        "data_points": [{"external_id": EXTERNAL_ID, **point} for point in points],
    }
