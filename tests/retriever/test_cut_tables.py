"""A table that was cut over passages is known to go on where the passage behind stands under its head."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from core.db.models import ChunkRow
from core.types import OPERATOR, Evidence, Filters, Scores
from retriever.authorise import authorised_passages, tables_that_go_on

HEAD = "| Tool | Rate |"
FIRST = f"{HEAD}\n|---|---|\n| Saw | 12 € |"


@pytest.mark.parametrize(
    ("passages", "under", "goes_on"),
    [
        ([FIRST, "| Drill | 30 € |"], f"Tools\n{HEAD}", [True, False]),
        ([FIRST, "Tools are lent for a day."], "Tools", [False, False]),
        ([f"{FIRST}\n\nAll prices are net.", "| Drill | 30 € |"], f"Tools\n{HEAD}", [False, False]),
        ([FIRST], "Tools", [False]),
    ],
)
def test_a_table_goes_on_where_the_next_passage_has_its_head(
    library, passages: list[str], under: str, goes_on: list[bool]
) -> None:
    library.add("before", [FIRST])
    library.add("tools", passages)
    with library.database.write() as session:
        session.execute(update(ChunkRow).where(ChunkRow.ordinal == 1).values(heading=under))
    with library.database.read() as session:
        ids = list(session.scalars(select(ChunkRow.id).order_by(ChunkRow.id)))[1:]
        found = authorised_passages(session, ids, OPERATOR, Filters())
        evidence = [Evidence(at, found[chunk_id].scored(Scores())) for at, chunk_id in enumerate(ids, 1)]
        assert [item.goes_on for item in tables_that_go_on(session, evidence)] == goes_on
