"""What a study found: everything that its report shows, as numbers and sentences.

`ecg_tl.study.find.find` fills these from results; a report only lays them out. All are in plain Python
values. `None` stands for what could not be computed, and a text beside it says why. Scores are in [0, 1] and
greater is better unless a name says otherwise; a difference is arm less scratch, so that positive means that
the arm is better.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["win", "loss", "open"]
"""Of a difference, corrected for the number of comparisons: above 0, below 0, or neither is shown."""

ClaimVerdict = Literal["supported", "contradicted", "mixed", "open", "not tested"]

Axes = tuple[tuple[str, str], ...]
"""Value of each axis, by name, in the study's order."""


@dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % confidence interval.

    Attributes:
        estimate: None if there is nothing to estimate from.
        low: None if no interval can be given; `reason` says why.
        high: As `low`.
        p: Two-sided p-value of "no difference", where the estimate is one; before any correction.
        seeds: Trainings behind it.
        patients: Test patients behind it.
        method: How it was computed, for a footnote: `patients and seeds`, `patients only`, ...
        reason: Why there is no estimate or no interval, or what weakens it, as a sentence; else empty.
    """

    estimate: float | None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    seeds: int = 0
    patients: int = 0
    method: str = ""
    reason: str = ""


@dataclass(frozen=True)
class MetricDifference:
    """Arm against scratch in one metric.

    Attributes:
        metric: `auroc_macro`, `auprc_macro`, `f1_weighted_tuned`, ...
        scratch: Mean over the seeds.
        arm: Mean over the seeds.
        difference: Arm less scratch.
    """

    metric: str
    scratch: float | None
    arm: float | None
    difference: Interval


@dataclass(frozen=True)
class ClassChange:
    """One class's gain or loss in AUROC.

    Attributes:
        name: Of the class.
        support: Positives among the test records.
        train_support: Positives among the training records; None if not known.
        scratch: Mean AUROC over the seeds; None without positives or negatives.
        arm: As `scratch`.
        difference: Arm less scratch.
        p_holm: Corrected for the number of classes of this comparison.
        verdict: By `p_holm`. `loss` is negative transfer for this class.
    """

    name: str
    support: int
    train_support: int | None
    scratch: float | None
    arm: float | None
    difference: Interval
    p_holm: float | None
    verdict: Verdict


@dataclass(frozen=True)
class Match:
    """How long one training needed to reach the best validation score of its scratch partner.

    Attributes:
        seed: Of both trainings.
        reached: Whether it did.
        scratch_epochs: Epochs of scratch to its best.
        scratch_seconds: Seconds of it.
        epochs: None if it was not reached.
        seconds: None if it was not reached.
        epochs_trained: All that it was trained for: where it was not reached, the lower bound of `epochs`.
        seconds_trained: As `epochs_trained`.
    """

    seed: int
    reached: bool
    scratch_epochs: int
    scratch_seconds: float
    epochs: int | None
    seconds: float | None
    epochs_trained: int
    seconds_trained: float


@dataclass(frozen=True)
class Comparison:
    """One arm against training from scratch: same data, same split, same network, same seeds, paired.

    Attributes:
        key: Unique in the study, fit for an HTML id.
        label: For people: `PTB-XL → LUDB, resnet1d18, full, 500 records`.
        downstream: Name of it.
        upstream: Name of it; None for a control.
        network: As the study names it.
        family: `cnn` or `rnn`.
        head: `pooled` or `flatten`.
        arm: As the study names it.
        primary: Whether it counts for the claims: the study's primary arm at the default of all axes.
        control: Whether the arm starts from no upstream (a frozen random encoder).
        size: Training records asked for; None for all.
        train_records: Training records that there were.
        axes: Value of each axis.
        difference: Of macro AUROC; `difference.p` is uncorrected.
        p_holm: Corrected by Holm within its family: the primary comparisons, the other pretrained ones, or
            the controls.
        verdict: By `p_holm` at 0.05 and the sign.
        scratch_mean: Macro AUROC, mean over the seeds.
        arm_mean: Macro AUROC, mean over the seeds.
        seeds: Those that both arms have, in order.
        scratch_scores: Macro AUROC for each of `seeds`.
        arm_scores: Macro AUROC for each of `seeds`.
        records: Test records.
        patients: Test patients.
        classes: All.
        classes_scored: With positives and negatives in the test set: those in the mean.
        scratch_seeds_unpaired: Seeds of scratch without a partner, left out.
        arm_seeds_unpaired: Seeds of the arm without a partner, left out.
        metrics: The other metrics.
        per_class: Gain and loss by class, in the order of the targets.
        matches: One a seed; empty where no run says.
        epochs_ratio: Epochs to match over scratch's epochs, median over the seeds; below 1 is faster. Where
            the median is a training that did not match, a lower bound.
        epochs_ratio_censored: Whether `epochs_ratio` is a lower bound (`at least`).
        seconds_ratio: As `epochs_ratio`, in seconds.
        seconds_ratio_censored: As `epochs_ratio_censored`.
        melep: Of the upstream on this downstream; lower promises more.
        melep_entropy: What MELEP would be with an uninformative upstream.
        logme: Higher promises more.
        note: What weakens it, as a sentence; else empty.
    """

    key: str
    label: str
    downstream: str
    upstream: str | None
    network: str
    family: str
    head: str
    arm: str
    primary: bool
    control: bool
    size: int | None
    train_records: int
    axes: Axes
    difference: Interval
    p_holm: float | None
    verdict: Verdict
    scratch_mean: float | None
    arm_mean: float | None
    seeds: tuple[int, ...]
    scratch_scores: tuple[float, ...]
    arm_scores: tuple[float, ...]
    records: int
    patients: int
    classes: int
    classes_scored: int
    scratch_seeds_unpaired: tuple[int, ...] = ()
    arm_seeds_unpaired: tuple[int, ...] = ()
    metrics: tuple[MetricDifference, ...] = ()
    per_class: tuple[ClassChange, ...] = ()
    matches: tuple[Match, ...] = ()
    epochs_ratio: float | None = None
    epochs_ratio_censored: bool = False
    seconds_ratio: float | None = None
    seconds_ratio_censored: bool = False
    melep: float | None = None
    melep_entropy: float | None = None
    logme: float | None = None
    note: str = ""


@dataclass(frozen=True)
class ModelScore:
    """One configuration's own scores, upstream trainings included: the absolute numbers.

    Attributes:
        kind: `upstream`, `scratch`, `fine-tuned` or `control`.
        dataset: That it is trained and tested on.
        upstream: That it starts from, or None.
        network: As the study names it.
        arm: As the study names it; `upstream` for an upstream.
        size: Training records asked for; None for all.
        train_records: That there were.
        axes: Value of each axis.
        validation: What a choice may use: best value of `monitor`, mean over the seeds.
        monitor: Name of the validation score.
        auroc_macro: On the test set.
        auprc_macro: On the test set, mean over the seeds.
        f1_weighted: At thresholds tuned on validation data, mean over the seeds.
        f1_macro: At thresholds tuned on validation data, mean over the seeds.
        classes_scored: In the mean of the AUROC.
        parameters: Of the network.
        trainable_parameters: That were trained.
        seconds: Of training, mean over the seeds.
        epochs: Mean over the seeds.
        epochs_to_best: Mean over the seeds.
    """

    kind: str
    dataset: str
    upstream: str | None
    network: str
    arm: str
    size: int | None
    train_records: int
    axes: Axes
    validation: float | None
    monitor: str
    auroc_macro: Interval
    auprc_macro: float | None
    f1_weighted: float | None
    f1_macro: float | None
    classes_scored: int
    parameters: int | None
    trainable_parameters: int | None
    seconds: float
    epochs: float
    epochs_to_best: float


@dataclass(frozen=True)
class Candidate:
    """What could be recommended for a downstream.

    Attributes:
        network: As the study names it.
        arm: As the study names it.
        upstream: Name of it; None for scratch.
        validation: Mean over the seeds of the validation score that the choice is made by.
        test: Mean macro AUROC on the test set; never used to choose.
        chosen: Whether it is the recommended one.
        best_scratch: Whether it is the best of scratch by validation, which the gain is measured against.
    """

    network: str
    arm: str
    upstream: str | None
    validation: float
    test: float | None
    chosen: bool
    best_scratch: bool


@dataclass(frozen=True)
class Answer:
    """What to do for one downstream, at the default of all axes and its largest training size.

    The configuration is chosen on validation scores alone; its gain over the scratch configuration that
    validation scores prefer is then measured on the test set.

    Attributes:
        downstream: Name of it.
        action: `fine-tune`, `scratch`, or `either` where no difference could be shown.
        headline: The answer in one sentence, without the numbers of `effect`.
        explanation: One to three sentences with the numbers.
        network: Of what is recommended.
        arm: Of what is recommended.
        upstream: Of what is recommended; None for scratch.
        scratch_network: Of the scratch training that it is compared with.
        effect: Macro AUROC of the best pretrained candidate less that of the best scratch candidate, both
            chosen on validation scores.
        p_holm: Of `effect`, corrected for the number of downstreams.
        score: Macro AUROC of what is recommended, on the test set.
        certainty: `sure`, `likely` or `not sure`.
        train_records: Training records of this downstream.
        patients: Test patients.
        caveats: Sentences.
        candidates: All, best validation score first.
    """

    downstream: str
    action: Literal["fine-tune", "scratch", "either"]
    headline: str
    explanation: str
    network: str
    arm: str
    upstream: str | None
    scratch_network: str
    effect: Interval
    p_holm: float | None
    score: Interval
    certainty: Literal["sure", "likely", "not sure"]
    train_records: int
    patients: int
    caveats: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True)
class Claim:
    """One of the paper's seven claims, tested.

    Attributes:
        number: 1 to 7.
        statement: As tested.
        verdict: By `rule`.
        rule: How the verdict follows from the numbers, in words.
        effect: None where it was not tested or is no single number.
        effect_unit: What `effect` is, for an axis or a column: `macro AUROC`, `AUROC per tenfold records`.
        effect_name: What `effect` is, in words: `mean gain on small downstream sets`.
        support: Comparisons (or pairs of comparisons) that support it.
        contradict: That contradict it.
        open: That leave it open.
        unit: What is counted in `support`: `comparisons`, `size sweeps`, `downstreams`.
        explanation: One to three sentences with the numbers.
        comparisons: Keys of the comparisons that it used.
    """

    number: int
    statement: str
    verdict: ClaimVerdict
    rule: str
    effect: Interval | None
    effect_unit: str
    effect_name: str
    support: int
    contradict: int
    open: int
    unit: str
    explanation: str
    comparisons: tuple[str, ...] = ()


@dataclass(frozen=True)
class CurvePoint:
    """One training size.

    Attributes:
        size: Training records asked for; None for all.
        records: Training records.
        mean: Macro AUROC over the seeds.
        low: Of its 95 % interval; None if there is none.
        high: As `low`.
        seeds: Trainings.
        scores: Of each training.
    """

    size: int | None
    records: int
    mean: float
    low: float | None
    high: float | None
    seeds: int
    scores: tuple[float, ...]


@dataclass(frozen=True)
class Curve:
    """A learning curve: macro AUROC on the same test set against training records.

    Attributes:
        downstream: Name of it.
        network: As the study names it.
        arm: As the study names it.
        upstream: None for scratch and controls.
        axes: Value of each axis.
        points: Fewest records first; two at least.
    """

    downstream: str
    network: str
    arm: str
    upstream: str | None
    axes: Axes
    points: tuple[CurvePoint, ...]


@dataclass(frozen=True)
class GainPoint:
    """Gain at one training size.

    Attributes:
        records: Training records.
        difference: Arm less scratch, macro AUROC.
        comparison: Key of it.
    """

    records: int
    difference: Interval
    comparison: str


@dataclass(frozen=True)
class GainTrend:
    """How an arm's gain changes with the training size.

    Attributes:
        downstream: Name of it.
        network: As the study names it.
        arm: As the study names it.
        upstream: Name of it.
        axes: Value of each axis.
        points: Fewest records first; two at least.
        slope: Change of the gain for ten times as many records; negative is declining.
    """

    downstream: str
    network: str
    arm: str
    upstream: str | None
    axes: Axes
    points: tuple[GainPoint, ...]
    slope: Interval


@dataclass(frozen=True)
class LabelEfficiency:
    """How many times fewer labelled records an arm needs for the score of scratch on all of them.

    Attributes:
        downstream: Name of it.
        network: As the study names it.
        arm: As the study names it.
        upstream: Name of it.
        axes: Value of each axis.
        scratch_records: Records of scratch at its largest size.
        scratch_score: Its mean macro AUROC there.
        records_needed: Records at which the arm's curve reaches that score, interpolated in log records; None
            if it never does.
        factor: `scratch_records / records_needed`; above 1 saves labels. None if it never reaches the score.
        bound: `exact`; `at least` where the smallest size already reaches it; `at most` where the arm does
            not reach it within the sizes that were run (then `factor` is what the largest would give: its
            true value is smaller).
        low: Of the factor's 95 % interval, None if there is none.
        high: As `low`.
        reason: What weakens it, or why there is no interval.
    """

    downstream: str
    network: str
    arm: str
    upstream: str | None
    axes: Axes
    scratch_records: int
    scratch_score: float
    records_needed: float | None
    factor: float | None
    bound: Literal["exact", "at least", "at most"]
    low: float | None
    high: float | None
    reason: str = ""


@dataclass(frozen=True)
class Convergence:
    """How fast an arm gets to scratch's best validation score, over all comparisons of the arm.

    Attributes:
        arm: As the study names it.
        family: `cnn`, `rnn` or `all`.
        trainings: How many were measured.
        reached: How many got there.
        epochs_ratio: Median of epochs to match over scratch's epochs to best; below 1 is faster.
        epochs_ratio_censored: Whether `epochs_ratio` is a lower bound, because half did not get there.
        epochs_low: 25th percentile; None if it is a training that did not get there.
        epochs_high: 75th percentile; None if it is a training that did not get there.
        seconds_ratio: As `epochs_ratio`, in seconds.
        seconds_ratio_censored: As `epochs_ratio_censored`.
        faster: Trainings that needed fewer epochs.
        slower: Trainings that needed more or did not get there.
        same: The rest.
    """

    arm: str
    family: str
    trainings: int
    reached: int
    epochs_ratio: float | None
    epochs_ratio_censored: bool
    epochs_low: float | None
    epochs_high: float | None
    seconds_ratio: float | None
    seconds_ratio_censored: bool
    faster: int
    slower: int
    same: int


@dataclass(frozen=True)
class FamilyContrast:
    """Gain of CNNs less gain of RNNs, on the same pairs of upstream and downstream.

    Attributes:
        head: Which RNNs: `flatten` (the paper's: the new head holds over 90 % of the parameters), `pooled`
            (the same head as a CNN's: without that confound) or `all`.
        cnn_gain: Mean gain of CNNs over the pairs.
        rnn_gain: Mean gain of RNNs over the pairs.
        contrast: `cnn_gain` less `rnn_gain`.
        pairs: Pairs of upstream and downstream that have both.
        cnn_networks: Names.
        rnn_networks: Names.
        head_share: Largest share of an RNN's parameters that its new head holds; None if not known.
        by_pair: (upstream, downstream, gain of CNNs, gain of RNNs) for each.
        pair_verdicts: Of CNNs less RNNs for each of `by_pair`, corrected for their number.
    """

    head: Literal["flatten", "pooled", "all"]
    cnn_gain: Interval
    rnn_gain: Interval
    contrast: Interval
    pairs: int
    cnn_networks: tuple[str, ...]
    rnn_networks: tuple[str, ...]
    head_share: float | None
    by_pair: tuple[tuple[str, str, float, float], ...]
    pair_verdicts: tuple[Verdict, ...] = ()


@dataclass(frozen=True)
class BreakEven:
    """After how many downstream tasks pre-training has paid in time.

    Attributes:
        upstream: Name of it.
        network: As the study names it.
        arm: As the study names it.
        axes: Value of each axis.
        upstream_seconds: What pre-training cost.
        scratch_seconds: Scratch to its best validation score, mean over the downstreams.
        arm_seconds: The arm to the same score, mean over the downstreams; a lower bound if `censored`.
        saved_seconds: A downstream, mean; negative where the arm is slower.
        tasks: Downstream tasks after which it has paid; None: it never does.
        trainings: Behind these means.
        censored: Whether some training never got to scratch's best (its seconds are then a lower bound, and
            the savings an upper one).
        explanation: A sentence.
    """

    upstream: str
    network: str
    arm: str
    axes: Axes
    upstream_seconds: float
    scratch_seconds: float
    arm_seconds: float
    saved_seconds: float
    tasks: float | None
    trainings: int
    censored: bool
    explanation: str


@dataclass(frozen=True)
class TransferabilityCorrelation:
    """Does a score before training tell the gain that follows?

    Attributes:
        score: `melep`, `melep_entropy` (the confound: how uncertain the labels are), `melep_difference`
            (entropy less MELEP) or `logme`.
        outcome: `gain` (difference of macro AUROC) or `score` (macro AUROC of the fine-tuned network).
        expected_sign: -1 where a lower score promises more, else 1.
        correlation: Spearman's, with an interval; None below five points.
        points: (comparison's key, score, outcome) for each.
        explanation: A sentence.
    """

    score: Literal["melep", "melep_entropy", "melep_difference", "logme"]
    outcome: Literal["gain", "score"]
    expected_sign: Literal[-1, 1]
    correlation: Interval
    points: tuple[tuple[str, float, float], ...]
    explanation: str


@dataclass(frozen=True)
class CalibrationRow:
    """Calibration on the test set, before and after temperature scaling; lower is better.

    Attributes:
        downstream: Name of it.
        network: As the study names it.
        arm: As the study names it.
        upstream: None for scratch and controls.
        axes: Value of each axis.
        size: Training records asked for; None for all.
        ece: Expected calibration error, mean over the seeds.
        ece_calibrated: After temperature scaling; None if the runs do not say.
        brier: Mean over the seeds.
        brier_calibrated: As `ece_calibrated`.
        temperature: Mean over the seeds; None if the runs do not say.
        seeds: Trainings.
    """

    downstream: str
    network: str
    arm: str
    upstream: str | None
    axes: Axes
    size: int | None
    ece: float | None
    ece_calibrated: float | None
    brier: float | None
    brier_calibrated: float | None
    temperature: float | None
    seeds: int


@dataclass(frozen=True)
class AxisEffect:
    """What another value of an axis does to both arms and to the gain.

    Attributes:
        axis: Name of it.
        default: Its default value.
        value: The other value.
        downstream: Name of it.
        upstream: Name of it.
        network: As the study names it.
        arm: As the study names it.
        size: Training records asked for; None for all.
        scratch_change: Macro AUROC of scratch at `value` less at `default`.
        arm_change: Macro AUROC of the arm at `value` less at `default`.
        gain_default: Arm less scratch at `default`.
        gain_value: Arm less scratch at `value`.
        gain_change: `gain_value` less `gain_default`, with its own interval.
        sign_flips: Whether the gain's estimate changes its sign.
        verdict_default: At `default`.
        verdict_value: At `value`.
        explanation: A sentence.
    """

    axis: str
    default: str
    value: str
    downstream: str
    upstream: str | None
    network: str
    arm: str
    size: int | None
    scratch_change: Interval
    arm_change: Interval
    gain_default: Interval
    gain_value: Interval
    gain_change: Interval
    sign_flips: bool
    verdict_default: Verdict
    verdict_value: Verdict
    explanation: str


@dataclass(frozen=True)
class SecondOpinion:
    """One comparison, and what looser rules would have said of it.

    The paper's rule: the score is the greatest weighted F1 (threshold 0.5) over all epochs **on the test
    set**, of one training each, and any positive difference is a win.

    Attributes:
        comparison: Key of the comparison.
        label: Its label.
        strict_verdict: Of the comparison.
        strict: Its difference of macro AUROC.
        strict_f1: Difference of weighted F1 at thresholds tuned on validation data: the paper's metric under
            strict rules.
        peeking_f1: Difference of the greatest test F1 over epochs, first seed, same runs; None if no run
            says.
        peeking_verdict: `win`, `loss` or `tie` by the paper's rule on `peeking_f1`.
        peeking_flips: How many of the seeds would have given the opposite verdict of the first one.
        scratch_optimism: By how much the greatest test F1 over epochs exceeds the F1 at the epoch that
            validation chose, scratch, mean over the seeds.
        arm_optimism: As `scratch_optimism`, for the arm.
        recordwise_f1: The same difference from the runs on the paper's split by record; None without them.
        recordwise_verdict: By the paper's rule on `recordwise_f1`.
        shared_patients: Whether the split by record put patients into two parts; None if not known.
        agrees: Whether every verdict by the paper's rule is the strict one.
        explanation: A sentence.
    """

    comparison: str
    label: str
    strict_verdict: Verdict
    strict: Interval
    strict_f1: Interval | None
    peeking_f1: float | None
    peeking_verdict: Literal["win", "loss", "tie"] | None
    peeking_flips: int | None
    scratch_optimism: float | None
    arm_optimism: float | None
    recordwise_f1: float | None
    recordwise_verdict: Literal["win", "loss", "tie"] | None
    shared_patients: bool | None
    agrees: bool
    explanation: str


@dataclass(frozen=True)
class SecondOpinionSummary:
    """How often the two ways to judge part.

    Attributes:
        compared: Comparisons with a verdict by the paper's rule.
        strict_wins: By the strict rule.
        strict_losses: By the strict rule.
        strict_open: By the strict rule.
        peeking_wins: By the paper's rule on the same runs.
        peeking_losses: By the paper's rule on the same runs.
        recordwise_wins: By the paper's rule on the split by record.
        recordwise_losses: By the paper's rule on the split by record.
        explanation: One or two sentences.
    """

    compared: int
    strict_wins: int
    strict_losses: int
    strict_open: int
    peeking_wins: int
    peeking_losses: int
    recordwise_wins: int
    recordwise_losses: int
    explanation: str


@dataclass(frozen=True)
class ClassSupport:
    """Positives of one class in each part.

    Attributes:
        name: Of the class.
        train: Positives.
        validation: Positives.
        test: Positives.
    """

    name: str
    train: int
    validation: int
    test: int


@dataclass(frozen=True)
class DataRow:
    """One dataset as the study used it, at all its training records.

    Attributes:
        name: As the study names it.
        role: `upstream`, `downstream` or `both`.
        dataset: Name of the dataset.
        title: Its full name.
        licence: Of the dataset.
        citation: Whom to cite.
        split: `official`, `patient` or `record`.
        split_hash: Of the split.
        train: Records.
        validation: Records.
        test: Records.
        patients: In the test set.
        left_out: Records that could not be used.
        unlabelled: Records without any class of the task.
        unlabelled_dropped: Whether these were left out.
        query: Filter on the record table; empty if none.
        sampling_rate: In Hz.
        num_samples: A lead.
        normalization: In words.
        selects_on_test: Whether the epoch is chosen on test records.
        classes: Support of each.
        warnings: Sentences.
        axes: The axis values that this row holds for.
        filtered: Records that `query` left out.
    """

    name: str
    role: Literal["upstream", "downstream", "both"]
    dataset: str
    title: str
    licence: str
    citation: str
    split: str
    split_hash: str
    train: int
    validation: int
    test: int
    patients: int
    left_out: int
    unlabelled: int
    unlabelled_dropped: bool
    query: str
    sampling_rate: float | None
    num_samples: int | None
    normalization: str
    selects_on_test: bool
    classes: tuple[ClassSupport, ...]
    warnings: tuple[str, ...]
    axes: Axes
    filtered: int = 0


@dataclass(frozen=True)
class CostRow:
    """What one kind of run cost.

    Attributes:
        kind: `upstream`, `scratch`, `fine-tuned`, `control`, `second opinion` or `all`.
        network: As the study names it; empty in the row of all.
        runs: How many.
        wall_seconds: Sum.
        device_seconds: Sum; seconds of processor, or of GPU times its share.
        mean_seconds: Of training, a run.
        mean_epochs: A run.
        peak_memory_bytes: Greatest of a run; None if not known.
        peak_device_memory_bytes: Greatest of a run; None without GPU.
    """

    kind: str
    network: str
    runs: int
    wall_seconds: float
    device_seconds: float
    mean_seconds: float
    mean_epochs: float
    peak_memory_bytes: int | None
    peak_device_memory_bytes: int | None


@dataclass(frozen=True)
class Missing:
    """A run of the plan without a result.

    Attributes:
        id: Of the run.
        state: `failed` or `not finished`.
        error: One line; empty if it did not fail.
    """

    id: str
    state: Literal["failed", "not finished"]
    error: str


@dataclass(frozen=True)
class StudyRecord:
    """Every setting needed to repeat the study.

    Attributes:
        config: The study's settings as YAML.
        versions: Of each package, as the runs say; several where they differ.
        hardware: One line for each machine.
        seeds: Of downstream trainings.
        first_finished: ISO time of the first result; empty without results.
        last_finished: ISO time of the last.
        resamples: Of each bootstrap.
        methods: How the numbers come about: paragraphs of plain text.
    """

    config: str
    versions: Mapping[str, tuple[str, ...]]
    hardware: tuple[str, ...]
    seeds: tuple[int, ...]
    first_finished: str
    last_finished: str
    resamples: int
    methods: tuple[str, ...]


@dataclass(frozen=True)
class Findings:
    """All that a study's report shows.

    Attributes:
        name: Of the study.
        title: The question.
        protocol: `strict` or `paper`.
        generated: ISO time at which the findings were computed.
        runs: Finished runs.
        planned: Runs of the plan.
        warnings: Sentences that must be read before anything else (test-set selection, missing runs).
        answers: One a downstream.
        claims: Seven, in order.
        comparisons: All.
        models: Absolute scores of all configurations.
        curves: Learning curves, where two sizes or more were run.
        trends: Gain against training size, where two sizes or more were run.
        label_efficiency: Where two sizes or more of the arm were run.
        convergence: By arm and family.
        families: By kind of head; empty without both families.
        break_even: By upstream, network and arm.
        transferability: Empty where no run has such scores.
        calibration: By configuration, at the largest size.
        axis_effects: Empty without a second axis value.
        second_opinions: Empty where no run says.
        second_opinion: None where no run says.
        data: One a dataset and combination of axis values that changes it.
        costs: By kind and network; the last row is the sum.
        missing: Runs without a result.
        record: What is needed to repeat it.
    """

    name: str
    title: str
    protocol: str
    generated: str
    runs: int
    planned: int
    warnings: tuple[str, ...]
    answers: tuple[Answer, ...]
    claims: tuple[Claim, ...]
    comparisons: tuple[Comparison, ...]
    models: tuple[ModelScore, ...]
    curves: tuple[Curve, ...]
    trends: tuple[GainTrend, ...]
    label_efficiency: tuple[LabelEfficiency, ...]
    convergence: tuple[Convergence, ...]
    families: tuple[FamilyContrast, ...]
    break_even: tuple[BreakEven, ...]
    transferability: tuple[TransferabilityCorrelation, ...]
    calibration: tuple[CalibrationRow, ...]
    axis_effects: tuple[AxisEffect, ...]
    second_opinions: tuple[SecondOpinion, ...]
    second_opinion: SecondOpinionSummary | None
    data: tuple[DataRow, ...]
    costs: tuple[CostRow, ...]
    missing: tuple[Missing, ...]
    record: StudyRecord
