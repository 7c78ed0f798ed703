"""A whole model card.

Not a template: a card is tables and sentences that depend on what is known, each with a condition, and all
text in it is escaped for Markdown (`ecg_tl.markdown`), which jinja2 does for HTML alone. Of a template there
would be the seven headings.
"""

from __future__ import annotations

from ecg_tl.card.facts import CardFacts
from ecg_tl.card.judgement import calibration_section, loading_section, scores_section, use_section
from ecg_tl.card.sections import data_section, model_section, training_section
from ecg_tl.inference import NOTICE
from ecg_tl.markdown import inline


def render_card(facts: CardFacts) -> str:
    """Write the card, in Markdown."""
    title = f"{inline(facts.description.network)}, trained on {inline(facts.data.get('title'))}"
    classes = ", ".join(map(inline, facts.description.class_names))
    sections = {
        "Model": model_section(facts),
        "Training data": data_section(facts),
        "Training": training_section(facts),
        "Scores": scores_section(facts),
        "Calibration and thresholds": calibration_section(facts),
        "Intended use and limits": use_section(facts),
        "How to load it": loading_section(facts),
    }
    leads = len(facts.description.leads)
    head = f"# {title}\n\nA multi-label classifier of {leads}-lead ECGs: {classes}. **{NOTICE}**"
    return "\n\n".join([head, *(f"## {name}\n\n{text}" for name, text in sections.items())]) + "\n"
