"""How each number of the page comes about: what its `?` says, by the heading of its column."""

from __future__ import annotations

from collections.abc import Mapping

from ecg_tl.study.findings.tables import Table

_GAIN = "Macro AUROC of the arm less that of scratch on the same test patients, mean over the seeds of both"
_INTERVAL = "its 95 % interval is over test patients, seeds, and what else was repeated"
_RECORDS = "Records of that part of the split"

EXPLANATIONS: Mapping[str, str] = {
    # Comparisons, and what is made of them
    "Training records": "Records that the network was trained on.",
    "Scratch": "Test score of training from scratch, mean over the seeds.",
    "Arm": "Test score of the arm, mean over the seeds.",
    "Difference (95 % interval)": f"{_GAIN}; {_INTERVAL}.",
    "Difference": "Arm less scratch, or CNNs less RNNs where these are the columns before it.",
    "p": "Probability of a difference like this or greater if there were none; not corrected.",
    "p (Holm)": "Probability of a difference like this or greater if there were none, corrected by Holm's "
    "method for the number of those of its kind.",
    "Seeds": "Trainings of each arm that are in the number.",
    "Splits": "Divisions of the patients that were run.",
    "Splits × seeds": "Divisions of the patients, times trainings on each.",
    "Test records / patients": "That the score was measured on.",
    "Test patients": "In the test set of one split.",
    "Classes scored": "Classes of which the test set has two patients with and two without: those in the "
    "mean, of all.",
    # Scores
    "Macro AUROC (95 % interval)": "Area under the ROC curve, mean over the scored classes and the seeds; "
    "its interval is symmetric on the scale of the logit.",
    "Macro AUPRC": "Average precision, mean over the scored classes and the seeds.",
    "Weighted F1": "At thresholds chosen on validation records, weighted by the classes' test prevalence.",
    "Macro F1": "At thresholds chosen on validation records, mean over the classes.",
    "Validation score": "The score that epochs are chosen by, at the chosen epoch, mean over the seeds.",
    "Test, macro AUROC": "On test records, which nothing is chosen by.",
    "Best if redrawn": "Share of redrawn validation scores, with their noise of seeds and patients, in which "
    "it would be the best of all.",
    "Parameters": "Numbers that the network has.",
    "Trained": "Numbers of the network that are trained.",
    "Epochs to best": "Epochs until the best validation score, mean over the seeds.",
    "Training time": "Of one training, mean over the seeds.",
    # Other settings
    "Scratch changes by": "Test score of scratch at this setting less that at the default.",
    "Arm changes by": "Test score of the arm at this setting less that at the default.",
    "Gain at the default": f"{_GAIN}, at the default setting.",
    "Gain here": f"{_GAIN}, at this setting.",
    "Gain changes by": f"The gain at this setting less that at the default; {_INTERVAL}.",
    "Values tried by each": "Values that the arm and scratch were each run with.",
    # Second opinion
    "Strict, weighted F1": "Arm less scratch under the strict protocol, in the score that the paper uses.",
    "Seeds that say the opposite": "Seeds whose best epochs on the test set would have given the other "
    "verdict.",
    "Optimism, scratch / arm": "Best score over the epochs on the test set, less that of the epoch that "
    "validation chose.",
    # Training size
    "Scratch's score": "Macro AUROC of scratch with all its training records.",
    "Records the arm needs for it": "Where the arm's learning curve, made rising, crosses that score; "
    "interpolated on the logarithm of the records.",
    "Times fewer (95 % interval)": "Scratch's records over those that the arm needs; the interval by curves "
    "that are redrawn over test patients and seeds.",
    # Convergence and cost
    "Trainings": "Trainings that are in the number.",
    "Epochs, times scratch's (95 % interval)": "Epochs of the arm to a validation score that both reach, "
    "over those of scratch; geometric mean, with Student's interval over scratch trainings.",
    "Seconds, times scratch's": "As the epochs, in seconds.",
    "Faster": "Trainings that took fewer epochs than their scratch partner.",
    "Slower": "Trainings that took more epochs than their scratch partner.",
    "Same": "Trainings that took as many.",
    "Pre-training": "Seconds of the upstream's training.",
    "Scratch to the common score": "Seconds of scratch to the validation score that both reach, mean.",
    "Arm to the same": "Seconds of the arm to the same score, mean.",
    "Saved a task (95 % interval)": "Seconds of scratch less those of the arm, with Student's interval over "
    "scratch trainings.",
    "Paid after tasks": "Seconds of pre-training over those that a task saves, with what the interval's ends "
    "give.",
    "How many": "Finished runs.",
    "Time, sum": "From the start of each run to its end, pauses left out; runs at the same time count each.",
    "Device time, sum": "Seconds of processor, or of GPU times the share that a run holds.",
    "Training, mean": "Seconds of training, mean over the runs.",
    "Epochs, mean": "Over the runs.",
    "Epochs of pre-training": "Until the last probe; the upstream is that of the last epoch.",
    "Hours": "Of training and validating, without the test.",
    "Probe, first": "Macro AUROC on validation records of a ridge regression from the frozen features, after "
    "the first epoch that was probed.",
    "Probe, end": "As the first, after the last epoch.",
    "Rank of the features": "Effective rank of the validation records' features at the end: about how many "
    "directions they vary in.",
    "Memory, most": "Of the run that took most.",
    "GPU memory, most": "Of the run that took most.",
    "Energy": "Device time at the power that the study states.",
    "Cost of it": "The energy at the price that the study states.",
    # Families, transferability, calibration
    "CNNs": "Gain, mean over the CNNs of the pair.",
    "RNNs": "Gain, mean over the RNNs of the pair.",
    "Comparisons": "Comparisons that are in the correlation.",
    "Spearman's (95 % interval)": "Rank correlation of the score before training with the outcome; "
    "comparisons are taken as independent.",
    "ECE": "Expected calibration error, mean over the classes and seeds.",
    "ECE, calibrated": "The same after temperature scaling on validation records.",
    "Brier": "Mean square of probability less label, over classes and seeds.",
    "Brier, calibrated": "The same after temperature scaling on validation records.",
    "Temperature": "By which logits are divided, chosen on validation records; mean over the seeds.",
    # Data and classes
    "Training": f"{_RECORDS}; of a class, its positives.",
    "Validation": f"{_RECORDS}; of a class, its positives.",
    "Test": f"{_RECORDS}; of a class, its positives.",
    "Unusable": "Records that could not be read or are too short.",
    "Without a label": "Records without any class of the task.",
    "Positives, training": "Records of the training part that have the class.",
    "Positives, test": "Test records that have the class.",
    # Variance and power
    "Patients": "Standard deviation of a gain by which patients are tested, estimated by moments.",
    "Split": "Standard deviation of a gain by how the patients are divided.",
    "Seed": "Standard deviation of a gain by the seed of the training.",
    "Upstream": "Standard deviation of a gain by the training of the upstream.",
    "Rest": "Standard deviation of a gain by what patients and trainings do together.",
    "Trainings of the upstream": "How many were run.",
    "Smallest difference": "That is shown with a probability of 80 %: the interval's half width and t(0.8) "
    "standard errors more.",
    # Several downstreams
    "Downstreams": "That are in the number: those with a variance to judge by.",
    "Mean of these": "Plain mean of the gains at hand; it says nothing of other downstreams.",
    "Mean of their kind (95 % interval)": "Mean of a random-effects model; the interval of Hartung and "
    "Knapp.",
    "Differ by, standard deviation": "Of the true gains between downstreams, by restricted maximum "
    "likelihood.",
    "Of the variance": "Share of the variance of the gains that is between downstreams (I²).",
    "Another downstream (95 %)": "Where the true gain of another downstream of their kind would lie.",
    "Mean (95 %)": "Of the mean gain's posterior, with its interval of equal tails.",
    "Mean better": "Probability that the mean gain lies above the margin.",
    "equivalent": "Probability that the mean gain lies within the margin.",
    "worse": "Probability that the mean gain lies below the margin, a loss.",
    "Another downstream better": "Probability that another downstream's gain lies above the margin.",
    "Another equivalent": "Probability that another downstream's gain lies within the margin.",
    "Another worse": "Probability that another downstream's gain lies below the margin, a loss.",
    # Leaderboard
    "Rank": "By macro AUROC on the test records.",
    "Behind the first": "Score of the first less this one, on the same test patients and the seeds that both "
    "have.",
    # Without a sign
    "Against the same network from scratch": f"{_GAIN}; {_INTERVAL}, with the choice of network and arm.",
    "Gain (95 % interval)": f"{_GAIN}; {_INTERVAL}.",
}
"""A sentence for the heading of each column of numbers; those of single classes are named by pair and "
"network."""

CLASS_GAIN = "Gain in the class's AUROC for the pair and network of the column, mean over the seeds."


def explained(table: Table) -> list[tuple[str, str]]:
    """Give the headings of a table's numbers, each with how they come about."""
    found = []
    for column in table.columns:
        heading = column.removeprefix("#")
        if heading in EXPLANATIONS:
            found.append((heading, EXPLANATIONS[heading]))
        elif column.startswith("#") and "→" in heading:
            found.append((heading, CLASS_GAIN))
    return found
