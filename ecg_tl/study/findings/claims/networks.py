"""Claim 6: which kind of network gains more."""

from __future__ import annotations

from collections.abc import Sequence

from ecg_tl.study.findings.claims.drafting import (
    AUROC,
    ON_COMBINED,
    Claim,
    ClaimVerdict,
    Draft,
    by_side,
    drafted,
    fewest_seeds,
    keys_of,
    rests_on,
)
from ecg_tl.study.findings.compared import Compared, largest
from ecg_tl.study.findings.families import FamilyContrast
from ecg_tl.study.findings.sentences import counted, effect_words, side


def cnns_gain_more(families: Sequence[FamilyContrast], primary: Sequence[Compared]) -> Draft:
    """Claim 6, on RNNs without the paper's head if there are any."""
    chosen = next((f for head in ("pooled", "flatten") for f in families if f.head == head), None)
    verdict: ClaimVerdict = "not tested"
    text = "No pair of upstream and downstream has both a CNN and an RNN."
    effect = None
    support = contradict = unclear = 0
    if chosen is not None:
        effect = chosen.contrast
        support, contradict = chosen.pair_verdicts.count("win"), chosen.pair_verdicts.count("loss")
        unclear = chosen.pairs - support - contradict
        confounded = chosen.head == "flatten"
        verdict = "open" if confounded else by_side(side(chosen.combined or effect))
        text = (
            f"On {counted(chosen.pairs, 'pair')}, CNNs gain {effect_words(chosen.cnn_gain)} and RNNs "
            f"{effect_words(chosen.rnn_gain)}: CNNs gain {effect_words(effect)} more."
        )
        if not confounded:
            text += rests_on(chosen.combined)
        if confounded:
            share = f" {chosen.head_share:.0%} of" if chosen.head_share is not None else " most of"
            text += (
                f" But the new head holds{share} these RNNs' parameters, so that little was transferred: "
                "RNNs that pool over time would have to tell the network from its head."
            )
        else:
            other = next((f for f in families if f.head == "flatten"), None)
            if other is not None:
                difference = effect_words(other.contrast)
                text += f" With the paper's RNN heads, which confound the two, it is {difference}."
    # The claim is the paper's: a transformer or a state-space model is no evidence for it or against it.
    others = {one.comparison.network: one.comparison.family for one in primary}
    neither = [f"{name} ({family})" for name, family in others.items() if family not in ("cnn", "rnn")]
    if neither:
        text += f" Neither CNN nor RNN, and so not in this: {', '.join(neither)}."
    claim = Claim(
        6,
        "CNNs gain more from transfer than RNNs.",
        verdict,
        "Mean gain of CNNs less that of RNNs on the same pairs, at the largest size. Only RNNs with a head "
        "as small as a CNN's (pooled over time) decide: supported if the 95 % interval lies above 0, "
        "contradicted below 0, otherwise open. With the paper's flattened heads alone the verdict stays "
        "open, whatever the difference. Networks of other families are not counted. Pairs are counted by "
        f"their own intervals (Holm). {ON_COMBINED}",
        effect,
        AUROC,
        "gain of CNNs less gain of RNNs",
        support,
        contradict,
        unclear,
        "pairs",
        text,
        keys_of(list(largest(primary).values())) if chosen is not None else (),
        combined=None if chosen is None else chosen.combined,
    )
    numbers = {} if chosen is None else {"CNN": len(chosen.cnn_networks), "RNN": len(chosen.rnn_networks)}
    judged_by = None if chosen is None else chosen.combined or chosen.contrast
    p = None if judged_by is None else judged_by.p
    return drafted(
        claim, p, seed=fewest_seeds(primary), pair=0 if chosen is None else chosen.pairs, **numbers
    )
