"""From a study's settings to its runs: which there are, what each depends on, and what each is called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from ecg_tl import shipped
from ecg_tl.errors import SettingError
from ecg_tl.study.design.file_upstreams import file_upstreams
from ecg_tl.study.design.names import check_names
from ecg_tl.study.design.overlay import decisive, digest, layered, papers_judgement
from ecg_tl.study.design.pretraining import (
    is_pretrained_here,
    is_transductive,
    known_datasets,
    pretraining_section,
    section_of_dataset,
)
from ecg_tl.study.design.runs import Plan, Run, RunKind, Selection
from ecg_tl.study.design.settings import ALLOW_OVERLAP, Arm, Block, Overlay, StudySettings, config_of
from ecg_tl.transfer.words import TRANSFER, first_form_of_config, is_transfer, present_config

UPSTREAM_ARM = "upstream"
"""The arm of a run that trains an upstream."""

LONGEST_ID = 160
"""Characters of an id before its digest: the name of a folder, and of a lock file, has 255 bytes at most."""


def make_plan(settings: StudySettings) -> Plan:
    """List a study's runs, each after what it depends on, each once whichever blocks ask for it.

    A run's config is laid in layers, the later over the earlier: the protocol, `settings`, those of upstreams
    or downstreams, the network, the dataset, the values of the axes, the arm, the size, the seed.

    A run's id is made of what decides its numbers: its config without the settings that only say where and
    how fast it runs (folders, device, loaders; `ecg_tl.study.design.overlay.decisive`), and the id of the
    upstream that it starts from. So a study that grows keeps the runs that it has.

    Raises:
        SettingError: If a name does not exist, there is no scratch arm, or an arm has no scratch run to be
            compared with.
    """
    check_names(settings)
    planner = _Planner(settings)
    for cell in planner.cells():
        planner.add(cell)
    if settings.second_opinion and settings.protocol == "strict":
        planner.add_second_opinion()
    return Plan(tuple(planner.ordered()))


def primary_arm(settings: StudySettings) -> str | None:
    """Return the arm that claims are tested on; None if no arm starts from an upstream."""
    return settings.primary_arm or next(
        (name for name, arm in settings.arms.items() if kind_of(arm) == "fine-tuned"), None
    )


def scratch_arm(settings: StudySettings) -> str:
    """Return the arm that the others are compared with: the first that trains from scratch."""
    return next(name for name, arm in settings.arms.items() if kind_of(arm) == "scratch")


def kind_of(arm: Arm) -> RunKind:
    """Say what an arm's runs are."""
    if arm.transfer is None:
        return "scratch"
    return "fine-tuned" if arm.pretrained else "control"


def default_axes(settings: StudySettings) -> dict[str, str]:
    """Return the first value of each axis."""
    return {axis: next(iter(values)) for axis, values in settings.axes.items()}


@dataclass(frozen=True)
class _Cell:
    """One downstream run's place in the grid."""

    block: int
    downstream: str
    upstream: str | None
    network: str
    arm: str
    size: int | None
    seed: int
    axes: tuple[tuple[str, str], ...]
    split: int = 0
    turn: int = 0
    """Position of the seed among the block's, by which trainings of the upstream take turns."""


class _Planner:
    """Collects runs by id."""

    def __init__(self, settings: StudySettings) -> None:
        self.settings = settings
        self.scratch = scratch_arm(settings)
        self.files = file_upstreams(settings)
        self._runs: dict[str, Run] = {}
        self._first_block: dict[str, int] = {}
        self._upstreams: dict[tuple[object, ...], Run] = {}

    # The grid -------------------------------------------------------------------------------------------

    def cells(self) -> Iterator[_Cell]:
        settings = self.settings
        every_axis = {axis: tuple(values) for axis, values in settings.axes.items()}
        for number, block in enumerate(settings.grid or (Block(axes=every_axis),)):
            usual = {axis: (value,) for axis, value in default_axes(settings).items()}
            axes = {**usual, **{axis: every_axis[axis] for axis in settings.tuned}, **block.axes}
            seeds = settings.seeds if block.seeds is None else block.seeds
            for downstream, network, arm, size, seed, split in product(
                _named(block.downstreams, settings.downstreams),
                _named(block.networks, settings.networks),
                _named(block.arms, settings.arms),
                block.sizes,
                seeds,
                range(settings.divisions),
            ):
                upstreams: Sequence[str | None] = (None,)
                if kind_of(settings.arms[arm]) == "fine-tuned":
                    # A dataset is no upstream of itself, and a file one of its own network alone.
                    named = _named(block.upstreams, settings.upstreams)
                    upstreams = [u for u in named if u != downstream and u not in self.files]
                for upstream, values in product(upstreams, product(*(axes[axis] for axis in settings.axes))):
                    yield _Cell(
                        block=number,
                        downstream=downstream,
                        upstream=upstream,
                        network=network,
                        arm=arm,
                        size=size if isinstance(size, int) else None,
                        seed=seed,
                        axes=tuple(zip(settings.axes, values, strict=True)),
                        split=split,
                        turn=split + seeds.index(seed),
                    )

            yield from self._cells_of_files(number, block, axes)

    def _cells_of_files(
        self, number: int, block: Block, axes: Mapping[str, tuple[str, ...]]
    ) -> Iterator[_Cell]:
        """Yield the runs of each file's network: those that start from it, and those that do not."""
        settings = self.settings
        seeds = settings.seeds if block.seeds is None else block.seeds
        for downstream, upstream, arm, size, seed, split in product(
            _named(block.downstreams, settings.downstreams),
            [u for u in _named(block.upstreams, settings.upstreams) if u in self.files],
            _named(block.arms, settings.arms),
            block.sizes,
            seeds,
            range(settings.divisions),
        ):
            for values in product(*(axes[axis] for axis in settings.axes)):
                yield _Cell(
                    block=number,
                    downstream=downstream,
                    upstream=upstream if kind_of(settings.arms[arm]) == "fine-tuned" else None,
                    network=upstream,
                    arm=arm,
                    size=size if isinstance(size, int) else None,
                    seed=seed,
                    axes=tuple(zip(settings.axes, values, strict=True)),
                    split=split,
                )

    # Runs -----------------------------------------------------------------------------------------------

    def add(self, cell: _Cell, protocol: Selection | None = None) -> Run:
        """Add a downstream run and the upstream run that it needs."""
        settings = self.settings
        arm = settings.arms[cell.arm]
        needs, upstream_seed = None, None
        file = self.files.get(cell.network)
        starts_from = file if cell.upstream is not None else None
        if cell.upstream is not None and file is None:
            upstream = self._add_upstream(cell, cell.upstream)
            needs = upstream.id
            upstream_seed = upstream.seed if len(settings.upstream_seeds) > 1 else None
        transfer: Overlay = {}
        if arm.transfer is not None:
            # The path of the upstream's checkpoint is known when the run starts.
            settled = layered(arm.transfer, _transfer_allowed(settings, cell))
            callback = {"class_path": TRANSFER, "init_args": {**settled, "upstream": None}}
            transfer = {"trainer": {"callbacks": [callback]}}
        size: Overlay = {"data": {"init_args": {"split": {"train_records": cell.size}}}}
        config = layered(
            shipped.protocol(settings.protocol),
            settings.settings,
            settings.downstream_settings,
            settings.networks[cell.network] if file is None else file.model,
            settings.downstreams[cell.downstream],
            *self._axis_overlays(cell),
            {} if file is None else file.data,
            arm.settings,
            transfer,
            {} if cell.size is None else size,
            {} if cell.size is None else settings.size_settings.get(str(cell.size), {}),
            papers_judgement() if protocol == "second_opinion" else {},
            _testing_allowed(settings, cell),
            self._paths(settings.downstreams[cell.downstream]),
            {"seed_everything": cell.seed},
        )
        if (cell.split or settings.folds) and protocol != "second_opinion":
            config = layered(config, _another_split(config, cell.split, settings.folds))
        words = [cell.downstream, cell.network, cell.arm]
        words += [] if cell.upstream is None else ["from", cell.upstream]
        words += [] if cell.size is None else [f"n{cell.size}"]
        words += [f"split{cell.split}"] if cell.split else []
        words += [*self._axis_words(cell), f"s{cell.seed}"]
        words += ["second", "opinion"] if protocol == "second_opinion" else []
        # The file itself decides the numbers, and not where it lies.
        run_id = _identify(words, config, needs if starts_from is None else f"file {starts_from.digest}")
        if starts_from is not None:
            for callback in config["trainer"]["callbacks"]:
                if is_transfer(callback["class_path"]):
                    callback["init_args"] |= starts_from.transfer
        run = Run(
            id=run_id,
            kind=kind_of(arm),
            dataset=cell.downstream,
            upstream=cell.upstream,
            network=cell.network,
            arm=cell.arm,
            size=cell.size,
            seed=cell.seed,
            axes=dict(cell.axes),
            protocol=protocol or settings.protocol,
            needs=needs,
            after=None,
            config=present_config(config)[0],
            split=cell.split,
            upstream_seed=upstream_seed,
            file=None if starts_from is None else (starts_from.path, starts_from.digest),
        )
        return self._keep(run, cell.block)

    def _add_upstream(self, cell: _Cell, upstream: str) -> Run:
        """Add an upstream run, which arms, sizes and seeds share."""
        cell = replace(cell, axes=self._untuned(cell.axes))
        seeds = self.settings.upstream_seeds or (self.settings.upstream_seed,)
        seed = seeds[cell.turn % len(seeds)]
        key: tuple[object, ...] = (upstream, cell.network, cell.axes, seed)
        if is_pretrained_here(self.settings.upstreams[upstream]):
            key = (*key, cell.split)
        if key not in self._upstreams:
            self._upstreams[key] = self._make_upstream(cell, upstream, seed)
        return self._upstreams[key]

    def _make_upstream(self, cell: _Cell, upstream: str, seed: int) -> Run:
        settings = self.settings
        own = settings.upstreams[upstream]
        if is_pretrained_here(own):
            return self._make_pretraining(cell, upstream, own, seed)
        config = layered(
            shipped.protocol(settings.protocol),
            settings.settings,
            settings.upstream_settings,
            settings.networks[cell.network],
            config_of(settings.upstreams[upstream]),
            *self._axis_overlays(cell, of_upstream=True),
            self._paths(settings.upstreams[upstream]),
            {"seed_everything": seed},
        )
        return self._keep_upstream(cell, upstream, config, seed)

    def _make_pretraining(self, cell: _Cell, upstream: str, own: Overlay, seed: int) -> Run:
        """Make a run that pre-trains without labels: a training on its first dataset, and what differs."""
        settings = self.settings
        axes = self._axis_overlays(cell, of_upstream=True)
        sections = {
            name: section_of_dataset(settings, name, (*axes, self._paths(dataset)))
            for name, dataset in known_datasets(settings).items()
        }
        if cell.split or settings.folds:  # the downstreams are divided anew, and so is what is kept back
            for name in settings.downstreams:
                config: Overlay = {"data": sections[name]}
                sections[name] = layered(config, _another_split(config, cell.split, settings.folds))["data"]
        config = layered(
            shipped.protocol(settings.protocol),
            settings.settings,
            settings.upstream_settings,
            settings.networks[cell.network],
            *axes,
            {key: own[key] for key in ("trainer", "speed") if key in own},
            {"seed_everything": seed},
        )
        config["data"] = sections[own["data"][0]]
        config |= pretraining_section(settings, own, sections)
        return self._keep_upstream(cell, upstream, config, seed, cell.split)

    def _keep_upstream(self, cell: _Cell, upstream: str, config: Overlay, seed: int, split: int = 0) -> Run:
        words = [upstream, cell.network, UPSTREAM_ARM]
        words += [f"split{split}"] if split else []
        words += [*self._axis_words(cell, of_upstream=True), f"s{seed}"]
        run = Run(
            id=_identify(words, config, None),
            kind="upstream",
            dataset=upstream,
            upstream=None,
            network=cell.network,
            arm=UPSTREAM_ARM,
            size=None,
            seed=seed,
            axes=dict(cell.axes),
            protocol=self.settings.protocol,
            needs=None,
            after=None,
            config=config,
            split=split,
        )
        return self._keep(run, cell.block)

    def add_second_opinion(self) -> None:
        """Judge each pair and network once more as the paper does, from the same upstream runs."""
        settings = self.settings
        arm, axes, seed = primary_arm(settings), default_axes(settings), settings.seeds[0]
        if arm is None:
            return
        for run in list(self._runs.values()):
            if run.upstream is not None and is_pretrained_here(settings.upstreams[run.upstream]):
                continue  # the paper's test records are among those that it was fed
            if (run.arm, run.size, run.seed, run.axes, run.split) == (arm, None, seed, axes, 0):
                block = len(settings.grid)
                for name, upstream in ((self.scratch, None), (arm, run.upstream)):
                    cell = _Cell(
                        block, run.dataset, upstream, run.network, name, None, seed, tuple(axes.items())
                    )
                    self.add(cell, "second_opinion")

    def _keep(self, run: Run, block: int) -> Run:
        self._first_block.setdefault(run.id, block)
        return self._runs.setdefault(run.id, run)

    def _untuned(self, axes: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        """Give axes at which an upstream is trained: what downstream arms are tuned by is not its own."""
        usual = default_axes(self.settings)
        return tuple((axis, usual[axis] if axis in self.settings.tuned else value) for axis, value in axes)

    def _own_axes(self, cell: _Cell, of_upstream: bool) -> list[tuple[str, str]]:
        return [one for one in cell.axes if not (of_upstream and one[0] in self.settings.tuned)]

    def _axis_overlays(self, cell: _Cell, of_upstream: bool = False) -> list[Overlay]:
        return [self.settings.axes[axis][value] for axis, value in self._own_axes(cell, of_upstream)]

    def _axis_words(self, cell: _Cell, of_upstream: bool = False) -> list[str]:
        # A value that changes nothing has no word: an axis may be added, and runs as they were keep their id.
        axes = self._own_axes(cell, of_upstream)
        return [value for axis, value in axes if self.settings.axes[axis][value]]

    def _paths(self, dataset: Overlay) -> Overlay:
        """Say where files lie; none of it is part of an id."""
        settings = self.settings
        init_args: Overlay = {"store_dir": settings.store_dir or str(Path(settings.folder) / "stores")}
        root = dataset.get("data", {}).get("init_args", {}).get("root")
        if root is not None:
            init_args["root"] = str(Path(settings.data_root) / root)
        return {"data": {"init_args": init_args}}

    # Order and pairing ----------------------------------------------------------------------------------

    def ordered(self) -> list[Run]:
        """Return upstreams first, then split after split, seed after seed, in each scratch before the rest.

        So a study that is looked at before it is finished has whole comparisons, of few seeds.
        """
        seeds = {seed: number for number, seed in enumerate(self._seeds())}
        runs = sorted(
            self._runs.values(),
            key=lambda run: (
                run.kind != "upstream",
                run.protocol == "second_opinion",
                run.split,
                seeds.get(run.seed, 0) if run.kind != "upstream" else 0,
                run.arm != self.scratch,
                self._first_block[run.id],
            ),
        )
        scratch = {_pairing(run): run.id for run in runs if run.arm == self.scratch}
        return [self._paired(run, scratch) for run in runs]

    def _seeds(self) -> list[int]:
        named = [seed for block in self.settings.grid for seed in block.seeds or ()]
        return list(dict.fromkeys([*self.settings.seeds, *named]))

    def _paired(self, run: Run, scratch: dict[tuple[object, ...], str]) -> Run:
        if run.kind == "upstream" or run.arm == self.scratch:
            return run
        after = scratch.get(_pairing(run))
        if after is None:
            raise SettingError(
                f"grid[{self._first_block[run.id]}]",
                f"no run of `{self.scratch}` like {run.id.rpartition('-')[0]}",
                "for each run one from scratch with the same data, network, size, seed and axes",
                f"Add `{self.scratch}` to the block's arms, or a block that has it.",
            )
        return replace(run, after=after)


def _may_overlap(settings: StudySettings, cell: _Cell) -> bool:
    """Say whether an upstream may have been trained on, or fed, test records; results are marked with it."""
    if cell.upstream is None:
        return False
    upstream = settings.upstreams[cell.upstream]
    return is_transductive(upstream) or upstream.get(ALLOW_OVERLAP) is True


def _transfer_allowed(settings: StudySettings, cell: _Cell) -> Overlay:
    return {"match": {"allow_overlap": True}} if _may_overlap(settings, cell) else {}


def _testing_allowed(settings: StudySettings, cell: _Cell) -> Overlay:
    return {"data": {"init_args": {"allow_overlap": True}}} if _may_overlap(settings, cell) else {}


def _named(names: Sequence[str] | None, known: Iterable[str]) -> Sequence[str]:
    return tuple(known) if names is None else names


def _pairing(run: Run) -> tuple[object, ...]:
    return (run.dataset, run.network, run.size, run.seed, run.split, tuple(run.axes.items()), run.protocol)


def _another_split(config: Overlay, split: int, folds: int) -> Overlay:
    """Draw the patients anew, whatever folds the dataset has: these are its first split.

    Of a study with folds, each split is one of them, the first included.
    """
    if folds:
        return {"data": {"init_args": {"split": {"kind": "patient", "folds": folds, "fold": split}}}}
    first = config.get("data", {}).get("init_args", {}).get("split", {}).get("seed", 0)
    return {"data": {"init_args": {"split": {"kind": "patient", "seed": first + split}}}}


def _identify(words: Sequence[str], config: Overlay, needs: str | None) -> str:
    said = "-".join(re.sub(r"[^A-Za-z0-9_.]+", "_", word) for word in words)
    # A study that was begun when a transfer's settings had other names goes on.
    first = first_form_of_config(config)
    # Long names of arms and datasets are cut in the folder's name; the digest has them whole.
    return f"{said[:LONGEST_ID]}-{digest([list(words), decisive(first), needs])}"
