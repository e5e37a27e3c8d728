"""What is in force: the guardrails' policy and the settings, as an operator or an auditor reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from ui import escape, markup
from ui.api_error import ApiError
from ui.session import client
from ui.wire import RailRow

STAGES = {"input": "question", "retrieval": "passage", "ingest": "document", "output": "answer"}
ACTIONS = {
    "allow": "let pass, score kept",
    "flag": "let pass, noted",
    "redact": "take the part out",
    "block": "stop",
}


def page() -> None:
    """Show the policy and the settings to an operator."""
    st.html(
        '<h1 class="page-title">System</h1><p class="lead">What is in force now. It is changed in the settings file of '
        "the server, by whoever runs it.</p>"
    )
    try:
        with client() as api:
            rails, settings = api.rails(), api.settings()
    except ApiError as error:
        st.html(markup.callout_html("failed", "It cannot be shown", str(error)))
        return
    st.html(f'<h2 class="section">Guardrails</h2>{rails_html(rails)}')
    st.html(f'<h2 class="section">Settings</h2>{"".join(_section_html(*item) for item in settings.items())}')


def rails_html(rails: Sequence[RailRow]) -> str:
    """Return the policy as a table: what is looked for where, and what happens then."""
    columns = ("Rail", "Looks at the", "When it fires", "From score", "When it cannot run")
    head = f"<tr>{''.join(f'<th>{column}</th>' for column in columns)}</tr>"
    body = "".join(
        f'<tr><td><span class="title">{escape.text(row.rail.replace("_", " "))}</span></td>'
        f'<td data-label="Looks at the">{escape.text(STAGES.get(row.stage, row.stage))}</td>'
        f'<td data-label="When it fires">{escape.text(_action(row))}</td>'
        f'<td data-label="From score">{row.threshold:.2f}</td>'
        f'<td data-label="When it cannot run">{"stop" if row.fail == "closed" else "let pass"}</td></tr>'
        for row in rails
    )
    return f'<table class="documents"><thead>{head}</thead><tbody>{body}</tbody></table>'


def _action(row: RailRow) -> str:
    return ACTIONS.get(row.action, row.action) if row.enabled else "off"


def _section_html(name: str, value: Any) -> str:
    """Return one section of the settings, closed."""
    facts = value.items() if isinstance(value, Mapping) else ((name, value),)
    return markup.facts_html(name, [(str(key), _shown(inner)) for key, inner in facts])


def _shown(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
