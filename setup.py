"""What pyproject.toml cannot say: the folder `configs/` is the package `ecg_tl.configs` in the wheel."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["ecg_tl", "ecg_tl.*"]), "ecg_tl.configs"],
    package_dir={"ecg_tl.configs": "configs"},
)
