"""keep with a failure on what terms its source was to come in

A source that gets in at a later attempt has the readers and the dates that the first one named.

Revision: 0004, after 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ingest_failures", sa.Column("allow", sa.JSON(), nullable=True))
    op.add_column("ingest_failures", sa.Column("effective_from", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ingest_failures", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("ingest_failures", sa.Column("supersedes", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("ingest_failures") as batch_op:
        for column in ("supersedes", "expires_at", "effective_from", "allow"):
            batch_op.drop_column(column)
