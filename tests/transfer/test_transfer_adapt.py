"""Other leads, another rate, other classes: what is made of an upstream's first and last layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ecg_tl.errors import CheckpointError
from ecg_tl.models import create_network
from ecg_tl.signals import LEADS
from ecg_tl.transfer.head import copy_rows, rows_by_diagnosis, rows_by_name
from ecg_tl.transfer.stem import mean_leads, resample_kernel, select_lead_weights

few = settings(max_examples=30, deadline=None)
SUBSETS = (LEADS[:2] + LEADS[6:], LEADS[:6], ("I", "II", "V2"), ("II",), LEADS)


@pytest.mark.parametrize("shape", [(4, 12, 7), (6, 12)])
@pytest.mark.parametrize("leads", SUBSETS)
def test_leads_are_selected_by_name(shape, leads):
    weight = torch.randn(shape)
    adapted = select_lead_weights(weight, LEADS, leads)
    assert adapted.tensor.shape == (shape[0], len(leads), *shape[2:])
    for position, lead in enumerate(leads):
        assert torch.equal(adapted.tensor[:, position], weight[:, LEADS.index(lead)])
    assert adapted.taken == adapted.tensor.numel()
    assert adapted.exact == (leads == LEADS)


@few
@given(order=st.permutations(LEADS))
def test_the_order_of_leads_is_the_downstreams(order):
    weight = torch.randn(3, 12, 5)
    there = select_lead_weights(weight, LEADS, order).tensor
    assert torch.equal(select_lead_weights(there, order, LEADS).tensor, weight)


@pytest.mark.parametrize("name", ["resnet1d18", "gru", "bilstm"])
@pytest.mark.parametrize("leads", SUBSETS)
def test_a_selection_answers_as_the_upstream_does_without_the_other_leads(name, leads):
    upstream = create_network(name, 5, 12, 64).eval()
    downstream = create_network(name, 5, len(leads), 64).eval()
    state = dict(upstream.state_dict())
    for weight in downstream.input_weight_names:
        state[weight] = select_lead_weights(state[weight], LEADS, leads).tensor
    downstream.load_state_dict(state)
    signal = torch.zeros(2, 12, 64)
    chosen = [LEADS.index(lead) for lead in leads]
    signal[:, chosen] = torch.randn(2, len(leads), 64)
    torch.testing.assert_close(downstream(signal[:, chosen]), upstream(signal), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet1d18", "gru"])
def test_from_one_lead_back_to_twelve_the_network_begins_as_it_was(name):
    upstream = create_network(name, 5, 1, 64).eval()
    downstream = create_network(name, 5, 12, 64).eval()
    state = dict(upstream.state_dict())
    for weight in downstream.input_weight_names:
        adapted = select_lead_weights(state[weight], ("II",), LEADS)
        assert adapted.taken == state[weight].numel()
        assert "zero for I, III" in adapted.note
        state[weight] = adapted.tensor
    downstream.load_state_dict(state)
    signal = torch.randn(2, 12, 64)
    torch.testing.assert_close(downstream(signal), upstream(signal[:, 1:2]), rtol=1e-4, atol=1e-5)


@few
@given(before=st.integers(1, 12), after=st.integers(1, 12), recurrent=st.booleans())
def test_the_mean_over_leads_keeps_what_equal_leads_sum_to(before, after, recurrent):
    weight = torch.randn((4, before) if recurrent else (4, before, 7), dtype=torch.float64)
    adapted = mean_leads(weight, after)
    assert adapted.tensor.shape[1] == after
    torch.testing.assert_close(adapted.tensor.sum(dim=1), weight.sum(dim=1))
    assert bool((adapted.tensor == adapted.tensor[:, :1]).all())


# Another rate -------------------------------------------------------------------------------------------


@few
@given(rate=st.sampled_from([100.0, 250.0, 500.0]))
def test_at_the_same_rate_kernels_stay_as_they_are(rate):
    weight = torch.randn(3, 2, 7)
    torch.testing.assert_close(resample_kernel(weight, rate, rate), weight)


@few
@given(ratio=st.sampled_from([2, 4, 5]))
def test_at_a_lower_rate_the_sum_of_a_kernel_stays(ratio):
    weight = torch.randn(3, 2, 7, dtype=torch.float64)
    lower = resample_kernel(weight, 100.0 * ratio, 100.0)
    torch.testing.assert_close(lower.sum(dim=-1), weight.sum(dim=-1))


def test_a_smooth_kernel_answers_a_slow_signal_as_before():
    """A wave of 4 Hz through a kernel of 0.24 s, at 100 Hz and at 50 Hz."""
    steps = np.arange(25) - 12
    at_100 = torch.tensor(np.exp(-((steps / 4) ** 2)))[None, None]
    at_50 = resample_kernel(at_100, 100, 50)
    answers = []
    for kernel, rate in ((at_100, 100), (at_50, 50)):
        wave = torch.tensor(np.sin(2 * np.pi * 4 * np.arange(0, 2, 1 / rate)))[None, None]
        answers.append(torch.nn.functional.conv1d(wave, kernel, padding=12)[0, 0])
    middle = slice(20, 80)
    torch.testing.assert_close(answers[1][middle], answers[0][::2][middle], rtol=0.02, atol=0.1)
    back = resample_kernel(at_50, 50, 100)
    torch.testing.assert_close(back[..., 6:19].sum(), at_50.sum(), rtol=0.1, atol=0)


# Other classes ------------------------------------------------------------------------------------------


def label_set(system: str, **codes: list[str]) -> dict[str, object]:
    return {"dataset": system, "code_system": system, "class_names": list(codes), "class_codes": codes}


CPSC2018 = label_set(
    "snomed",
    NORM=["426783006"],
    AF=["164889003"],
    IAVB=["270492004"],
    LBBB=["164909002", "733534002"],
    RBBB=["59118001", "713427006"],
    PAC=["284470004", "63593006"],
    VEB=["164884008"],
    STD=["429622005"],
    STE=["164931005"],
)
PTBXL = label_set("scp", AFIB=["AFIB"], CLBBB=["CLBBB"], LVH=["LVH"], MI=["IMI", "AMI"], PVC=["PVC"])


def test_nine_classes_from_five_share_three_diagnoses():
    rows = rows_by_diagnosis(PTBXL, CPSC2018, "upstream.ckpt")
    names = {CPSC2018["class_names"][row]: PTBXL["class_names"][other] for row, other in rows.items()}
    assert names == {"AF": "AFIB", "LBBB": "CLBBB", "VEB": "PVC"}


@pytest.mark.parametrize(
    ("upstream", "shared"),
    [
        (label_set("code", **{"1dAVb": ["1dAVb"], "SB": ["SB"], "NORM": []}), {"IAVB", "NORM"}),
        (label_set("ludb", rhythm=["Atrial fibrillation"], block=["I degree av block"]), {"AF", "IAVB"}),
        (label_set("custom", RBBB=["RBBB"], others=["others"]), {"RBBB"}),
    ],
)
def test_every_vocabulary_is_understood(upstream, shared):
    rows = rows_by_diagnosis(upstream, CPSC2018, "upstream.ckpt")
    assert {CPSC2018["class_names"][row] for row in rows} == shared


def test_without_a_shared_diagnosis_it_is_refused():
    with pytest.raises(CheckpointError, match="head: reset"):
        rows_by_diagnosis(label_set("scp", LVH=["LVH"]), CPSC2018, "upstream.ckpt")


@pytest.mark.parametrize("lacking", ["code_system", "class_codes"])
def test_without_codes_it_is_refused(lacking):
    silent = {name: value for name, value in PTBXL.items() if name != lacking}
    with pytest.raises(CheckpointError, match="codes"):
        rows_by_diagnosis(silent, CPSC2018, "upstream.ckpt")


def test_rows_are_copied_and_the_others_left():
    fresh, upstream = torch.randn(9, 4), torch.randn(5, 4)
    adapted = copy_rows(fresh, upstream, {1: 0, 3: 1, 6: 4}, "")
    for row in range(9):
        other = {1: 0, 3: 1, 6: 4}.get(row)
        assert torch.equal(adapted.tensor[row], fresh[row] if other is None else upstream[other])
    assert adapted.taken == 12
    assert not adapted.exact


def test_a_label_set_is_the_same_in_any_order():
    assert rows_by_name(["A", "B", "C"], ["C", "A", "B"], "upstream.ckpt") == {0: 2, 1: 0, 2: 1}
    with pytest.raises(CheckpointError, match="by_diagnosis"):
        rows_by_name(["A", "B"], ["A", "C"], "upstream.ckpt")
