"""The playground: one question, several ways of answering it, side by side with their evidence and their times."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import streamlit as st

from core.types import Answer, GeneratorChoice, Style
from ui import markup
from ui.answer_view import show_answer
from ui.api_error import ApiError
from ui.client import Ask, Client
from ui.session import GENERATORS, api_url, own, session

FIRST: tuple[GeneratorChoice, ...] = ("quote", "embedded", "vllm")
"""What the columns start with, in order."""
CHOICES = tuple(GENERATORS)
MAX_VARIANTS = 3
MAX_K = 32
MAX_SHOTS = 8
AS_IS = "as set"


def page() -> None:
    """Take a question and variants, ask them all at once, and show the answers beside one another."""
    st.html('<h1 class="page-title">Playground</h1><p class="lead">One question, several ways of answering it.</p>')
    state = session()
    count = st.segmented_control("Variants", (2, MAX_VARIANTS), default=2, required=True, key=own("variant-count")) or 2
    with st.form("playground", border=False):
        question = st.text_input("Question", key=own("playground-question"))
        columns = st.columns(count)
        asks = [_variant(number, column, question, state.collection) for number, column in enumerate(columns)]
        sent = st.form_submit_button("Ask all", type="primary", icon=":material/compare:")
    if sent and question.strip():
        with st.spinner(f"Asking {count} variants; a model that is not loaded yet takes a minute …", show_time=True):
            state.compared = tuple(_ask_all(asks, state.key))
    for number, (column, result) in enumerate(zip(st.columns(count), state.compared, strict=False)):
        with column, st.container(border=True, key=f"variant-{number}"):
            if isinstance(result, Answer):
                show_answer(result)
            else:
                st.html(markup.callout_html("failed", "No answer", result))


def _variant(number: int, column: st.delta_generator.DeltaGenerator, question: str, collection: str | None) -> Ask:
    with column:
        generator = st.selectbox(
            f"Answers by {number + 1}",
            CHOICES,
            index=CHOICES.index(FIRST[number]),
            format_func=lambda choice: GENERATORS[choice],
            key=own(f"variant-{number}-by"),
        )
        k = st.number_input(f"Passages {number + 1}", 1, MAX_K, 8, key=own(f"variant-{number}-k"))
        style = _style(number)
    return Ask(question.strip(), None, collection, generator, int(k), style)


def _style(number: int) -> Style:
    """Ask how a variant's model is to be asked; what is left alone follows the settings. A quote asks no model."""
    with st.expander("Prompt, examples, task"):
        prompt = st.selectbox(f"Prompt {number + 1}", (AS_IS, "brief", "full"), key=own(f"variant-{number}-prompt"))
        shots = st.selectbox(
            f"Worked examples {number + 1}", (AS_IS, *range(MAX_SHOTS + 1)), key=own(f"variant-{number}-shots")
        )
        task = st.text_input(
            f"Task {number + 1}",
            placeholder=AS_IS,
            key=own(f"variant-{number}-task"),
            help="The name of a tuned task, or `none` for the model as it is.",
        )
    return Style(
        prompt=None if prompt == AS_IS else prompt,
        task=task.strip() or None,
        shots=None if shots == AS_IS else int(shots),
    )


def _ask_all(asks: Sequence[Ask], key: str) -> list[Answer | str]:
    """Ask all variants at the same time; a failure becomes its words."""

    def one(ask: Ask) -> Answer | str:
        try:
            with Client(api_url(), key or None) as api:
                return api.ask(ask)
        except ApiError as error:
            return str(error)

    with ThreadPoolExecutor(len(asks)) as pool:
        return list(pool.map(one, asks))
