"""The documents: what can be answered from, what came in and what did not, and bringing more in."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ui import escape, markup
from ui.api_error import ApiError
from ui.client import Client
from ui.document_view import show_document
from ui.escape import label
from ui.quarantine_view import show_quarantine
from ui.run_view import run_html, upload_html
from ui.session import Session, Upload, client, own, session
from ui.wire import DocumentRow

POLL_S = 0.7
"""Between two looks at a running ingest: often enough to see it move."""
PAGE_ROWS = 25
OFFERED = 1000
"""Documents in the list to open one from; a longer list is searched first."""
STATES = {"live": "ready", "quarantined": "held for review", "deleted": "deleted"}


def page() -> None:
    """Show upload, what became of it, and the list."""
    state = session()
    st.html('<h1 class="page-title">Documents</h1>')
    _show_upload_form(state)
    if state.uploads:
        # Redraws itself while a run goes on; the rest of the page stays as it is.
        waiting = any(not upload.settled for upload in state.uploads)
        st.fragment(_show_uploads, run_every=POLL_S if waiting else None)(state)
    if state.me is not None and state.me.operator:
        show_quarantine()
    try:
        with client() as api:
            documents = api.documents(state.collection)
    except ApiError as error:
        st.html(markup.callout_html("failed", "The list cannot be shown", str(error)))
        return
    _show_list(documents)
    _show_runs()


def _show_upload_form(state: Session) -> None:
    files = st.file_uploader(
        "Add documents",
        accept_multiple_files=True,
        key=own(f"upload-{state.upload_form}"),
        help="PDF, Word, PowerPoint, Excel, mail, HTML, Markdown, text, archives and more. A file already there under "
        "the same name is replaced by its new version.",
    )
    if not files or not st.button("Add to the knowledge base", type="primary", icon=":material/upload:"):
        return
    uploads = []
    with client() as api:
        for number, file in enumerate(files):
            with st.spinner(f"Sending {label(file.name)} ({number + 1} of {len(files)}) …"):
                uploads.append(_send(api, file.name, file.getvalue(), state.collection))
    state.uploads = uploads
    state.upload_form += 1  # a new key gives the field a new, empty self
    st.rerun()


def _send(api: Client, name: str, content: bytes, collection: str | None) -> Upload:
    try:
        return Upload(name, api.upload(name, content, collection=collection))
    except ApiError as error:
        return Upload(name, None, problem=str(error))


def _show_uploads(state: Session) -> None:
    """Show where each upload stands; once all are settled, draw the whole page again."""
    was_waiting = any(not upload.settled for upload in state.uploads)
    with client() as api:
        for upload in state.uploads:
            if not upload.settled and upload.run_id is not None:
                _follow(api, upload)
    done = sum(upload.settled for upload in state.uploads)
    if done < len(state.uploads):
        share = sum(_share(upload) for upload in state.uploads) / len(state.uploads)
        st.progress(share, text=f"Reading and indexing: {done} of {len(state.uploads)} done")
    st.html(f'<ul class="uploads" role="status">{"".join(upload_html(upload) for upload in state.uploads)}</ul>')
    if was_waiting and done == len(state.uploads):
        state.documents_changed()
        st.rerun()


def _follow(api: Client, upload: Upload) -> None:
    try:
        upload.run = api.run(str(upload.run_id))
    except ApiError as error:
        if error.status:
            upload.problem = str(error)


def _share(upload: Upload) -> float:
    if upload.settled:
        return 1.0
    return upload.run.share if upload.run is not None else 0.0


def _show_list(documents: Sequence[DocumentRow]) -> None:
    wanted = st.text_input("Find by title or source", key=own("find-document"), type="search").casefold().strip()
    found = [d for d in documents if wanted in f"{d.title}\n{d.source}".casefold()]
    held = sum(d.state == "quarantined" for d in documents)
    summary = f"{len(documents)} document{'s' * (len(documents) != 1)}"
    if held:
        summary += f", {held} held for review"
    if wanted:
        summary += f", {len(found)} found"
    st.html(f'<p class="section">{summary}</p>')
    if not documents:
        st.html('<p class="empty">Nothing here yet. Add a document above, or run <code>attest ingest</code>.</p>')
        return
    if not found:
        st.html('<p class="empty">No title and no source holds these words.</p>')
        return
    _show_one(found[:OFFERED])
    pages = max(1, -(-len(found) // PAGE_ROWS))
    table = st.container()
    number = st.pagination(pages, key=own(f"documents-page-{wanted}")) if pages > 1 else 1
    shown = found[(number - 1) * PAGE_ROWS : number * PAGE_ROWS]
    table.html(_table_html(shown))


def _table_html(documents: Sequence[DocumentRow]) -> str:
    head = (
        "<tr><th>Document</th><th>Collection</th><th>State</th><th>Version</th><th>Passages</th><th>Updated</th></tr>"
    )
    body = "".join(
        f'<tr><td><span class="title">{escape.text(d.title)}</span>{markup.place_html(d.source)}'
        f'</td><td data-label="Collection">{escape.text(d.collection)}</td>'
        f'<td data-label="State"><span class="state {escape.text(d.state)}">{escape.text(STATES.get(d.state, d.state))}'
        f'</span></td><td data-label="Version">{d.version}</td><td data-label="Passages">{d.chunks}</td>'
        f'<td data-label="Updated">{escape.text(d.updated_at[:10])}</td></tr>'
        for d in documents
    )
    return f'<table class="documents"><thead>{head}</thead><tbody>{body}</tbody></table>'


def _show_runs() -> None:
    """List the latest runs with what each left out; read only once opened."""
    opened = st.expander("Latest runs", icon=":material/history:", key="runs", on_change="rerun", type="compact")
    with opened:
        if not opened.open:
            return
        try:
            with client() as api:
                runs = api.runs()
        except ApiError as error:
            st.html(markup.callout_html("failed", "The runs cannot be listed", str(error)))
            return
        st.html(f'<ul class="uploads">{"".join(run_html(run) for run in runs)}</ul>' if runs else "<p>None yet.</p>")


def _show_one(documents: Sequence[DocumentRow]) -> None:
    """Open one of the documents found, and offer to delete it."""
    with st.expander("Open a document", icon=":material/visibility:", type="compact", key="open"):
        names = {d.id: f"{d.title} · {escape.short_source(d.source)}" for d in documents}
        chosen = st.selectbox(
            "Document", list(names), index=None, format_func=lambda key: names.get(key, key), key=own("opened-document")
        )
        if chosen is None or chosen not in names:
            return
        show_document(chosen, "opened")
        if not _confirmed():
            return
        try:
            with client() as api:
                api.delete_document(chosen)
        except ApiError as error:
            st.html(markup.callout_html("failed", "Not deleted", str(error)))
            return
    session().documents_changed()
    st.toast(f"Deleted {label(names[chosen])}", icon=":material/delete:")
    st.rerun()


def _confirmed() -> bool:
    with st.popover("Delete it …", icon=":material/delete:"):
        st.caption("It stops being answered from at once. Its past answers stay on record.")
        return bool(st.button("Delete", type="primary", key="delete"))
