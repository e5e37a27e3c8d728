"""find the next date of validity without reading every version

Every change of the store ends the cached permitted sets, and each new one asks when the next version comes into force
or leaves it.

Revision: 0002, after 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

COLUMNS = ("effective_from", "expires_at", "superseded_at")


def upgrade() -> None:
    for column in COLUMNS:
        op.create_index(f"ix_document_versions_{column}", "document_versions", [column], unique=False)


def downgrade() -> None:
    for column in COLUMNS:
        op.drop_index(f"ix_document_versions_{column}", "document_versions")
