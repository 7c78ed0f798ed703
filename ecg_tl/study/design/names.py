"""The names that a study's blocks, axes and arms use: that each exists."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches

from ecg_tl.errors import SettingError
from ecg_tl.limits import SEED, require
from ecg_tl.study.design.pretraining import check_pretrained, is_pretrained_here, known_datasets
from ecg_tl.study.design.settings import ALL_RECORDS, Block, StudySettings, is_a_file

MOST_SPLITS = 100
MOST_WATTS = 100_000.0


def check_names(settings: StudySettings) -> None:
    """Check that what a study names exists, and that there is something to compare.

    Raises:
        SettingError: If not; it names the place and the nearest name that there is.
    """
    files = {
        name: one for name, one in settings.upstreams.items() if isinstance(one, dict) and is_a_file(one)
    }
    for what, names in (
        ("downstreams", settings.downstreams),
        ("networks", {**settings.networks, **files}),
        ("arms", settings.arms),
    ):
        if not names:
            raise SettingError(what, "none", "at least one", f"Name some under `{what}`.")
    both = [name for name in files if name in settings.networks]
    if both:
        raise SettingError(
            f"upstreams.{both[0]}",
            f"a file, and a network that is called {both[0]}",
            "two names: runs with a file are named by it in the place of a network",
            "Rename one of them.",
        )
    if not settings.seeds:
        raise SettingError("seeds", "none", "at least one", "Name some, such as `seeds: [0, 1, 2, 3, 4]`.")
    _check_repeated("seeds", settings.seeds)
    for seed in settings.seeds:
        require(SEED, seed, "seeds", remedy="Give another seed.")
    for seed in (settings.upstream_seed, *settings.upstream_seeds):
        require(SEED, seed, "upstream_seeds", remedy="Give another seed.")
    _check_repeated("upstream_seeds", settings.upstream_seeds)
    if not 1 <= settings.splits <= MOST_SPLITS:
        raise SettingError("splits", str(settings.splits), f"a number from 1 to {MOST_SPLITS}", "Correct it.")
    if settings.splits > 1 and settings.protocol == "paper":
        raise SettingError(
            "splits",
            f"{settings.splits} under protocol `paper`",
            "one, which is the paper's own",
            "Leave it out, or use the protocol `strict`.",
        )
    if settings.folds and not 3 <= settings.folds <= MOST_SPLITS:
        raise SettingError("folds", str(settings.folds), f"3 to {MOST_SPLITS}, or 0", "Correct it.")
    if settings.folds and (settings.splits > 1 or settings.protocol == "paper"):
        beside = f"{settings.splits} splits" if settings.splits > 1 else "protocol `paper`"
        raise SettingError(
            "folds",
            f"{settings.folds} beside {beside}",
            "one way to divide the patients",
            "Remove one of them.",
        )
    if not str(settings.folder).strip():
        raise SettingError("folder", "an empty name", "the study's folder", "Name one.")
    for name, value, most in (("watts", settings.watts, MOST_WATTS), ("kwh_price", settings.kwh_price, 1e6)):
        if value is not None and not 0 < value <= most:  # not a number is refused as well
            raise SettingError(name, str(value), f"above 0, {most:g} at most, or null", "Correct it.")
    if not 0 < settings.margin < 0.5:
        raise SettingError(
            "margin", str(settings.margin), "a difference of AUROC, above 0 and below 0.5", "Correct it."
        )
    for name, upstream in settings.upstreams.items():
        if is_pretrained_here(upstream):
            check_pretrained(name, upstream, known_datasets(settings))
    _check_arms(settings)
    _check_axes(settings)
    _check_tuned(settings)
    for number, block in enumerate(settings.grid):
        _check_block(f"grid[{number}]", block, settings)
    sizes = {str(size) for block in settings.grid for size in block.sizes if size != ALL_RECORDS}
    _check_known("size_settings", settings.size_settings, sorted(sizes, key=int))


def _check_arms(settings: StudySettings) -> None:
    arms = settings.arms
    if all(arm.transfer is not None for arm in arms.values()):
        raise SettingError(
            "arms",
            f"none from scratch among {', '.join(arms)}",
            "an arm without `transfer`, which the others are compared with",
            "Add `scratch: {}`.",
        )
    pretrained = [name for name, arm in arms.items() if arm.transfer is not None and arm.pretrained]
    if pretrained and not settings.upstreams:
        raise SettingError(
            "upstreams", "none", f"one at least for the arm(s) {', '.join(pretrained)}", "Name one."
        )
    for name, arm in arms.items():
        said = [key for key in ("upstream", "weights") if key in (arm.transfer or {})]
        if said:
            raise SettingError(
                f"arms.{name}.transfer",
                f"`{said[0]}`",
                "none: the study gives each run its own upstream's checkpoint",
                "Remove it; for a control on the network as initialised, write `pretrained: false`.",
            )
    if settings.primary_arm is not None:
        _check_known("primary_arm", [settings.primary_arm], pretrained)


def _check_axes(settings: StudySettings) -> None:
    for axis, values in settings.axes.items():
        if not values:
            raise SettingError(f"axes.{axis}", "no values", "at least one", "Name some, or remove the axis.")
        named = list(values)
        for number, value in enumerate(named):
            for earlier in named[:number]:
                if values[value] == values[earlier]:
                    raise SettingError(
                        f"axes.{axis}",
                        f"the same settings for {earlier} and {value}",
                        "values that differ",
                        "Correct or remove one of them.",
                    )


def _check_tuned(settings: StudySettings) -> None:
    """Refuse what would give arms budgets that differ."""
    _check_known("tuned", settings.tuned, settings.axes)
    _check_repeated("tuned", settings.tuned)
    for number, block in enumerate(settings.grid):
        for axis in settings.tuned:
            named = block.axes.get(axis)
            if named is not None and set(named) != set(settings.axes[axis]):
                raise SettingError(
                    f"grid[{number}].axes.{axis}",
                    f"{', '.join(named)} of an axis that is tuned",
                    f"all of its values for every arm: {', '.join(settings.axes[axis])}",
                    "Leave it out of the block, which then has them all.",
                )


def _check_block(where: str, block: Block, settings: StudySettings) -> None:
    for what, names, known in (
        ("upstreams", block.upstreams, settings.upstreams),
        ("downstreams", block.downstreams, settings.downstreams),
        ("networks", block.networks, settings.networks),
        ("arms", block.arms, settings.arms),
    ):
        _check_known(f"{where}.{what}", names or (), known)
    _check_known(f"{where}.axes", block.axes, settings.axes)
    for axis, values in block.axes.items():
        _check_known(f"{where}.axes.{axis}", values, settings.axes[axis])
    listed: dict[str, Sequence[object] | None] = {
        "upstreams": block.upstreams,
        "downstreams": block.downstreams,
        "networks": block.networks,
        "arms": block.arms,
        "sizes": block.sizes,
        "seeds": block.seeds,
        **{f"axes.{axis}": values for axis, values in block.axes.items()},
    }
    for what, named in listed.items():
        if named is not None and not named:
            raise SettingError(
                f"{where}.{what}",
                "an empty list",
                "at least one",
                "Name some, or leave it out, which means all.",
            )
        _check_repeated(f"{where}.{what}", named or ())
    for size in block.sizes:
        if size != ALL_RECORDS and int(size) < 1:
            raise SettingError(f"{where}.sizes", str(size), "a number from 1, or `all`", "Correct the size.")


def _check_repeated(where: str, listed: Sequence[object]) -> None:
    """Refuse what is listed twice: it would be done once, and reported as if it were more."""
    repeated = [str(one) for number, one in enumerate(listed) if one in listed[:number]]
    if repeated:
        raise SettingError(
            where,
            f"{', '.join(dict.fromkeys(repeated))} twice",
            "each once",
            "Remove what is repeated, or name what was meant.",
        )


def _check_known(where: str, names: Iterable[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            close = get_close_matches(name, list(known), n=1)
            raise SettingError(
                where,
                repr(name),
                f"one of {', '.join(known)}" if known else "none, for there are none",
                f"Did you mean {close[0]}?" if close else "Choose one of these.",
            )
