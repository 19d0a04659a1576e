"""What an installation takes on the disk: the base, and what each extra adds, from the files of the installed packages.

python -m benchmarks.install_sizes
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement


def packages_of(requirements: Iterable[Requirement]) -> dict[str, Distribution]:
    """The installed packages that some requirements bring, by name."""
    found: dict[str, Distribution] = {}
    waiting = [(one.name, frozenset(one.extras)) for one in requirements]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        try:
            package = distribution(name)
        except PackageNotFoundError:
            continue
        found[re.sub(r"[-_.]+", "-", name).lower()] = package
        for requirement in map(Requirement, package.requires or ()):
            wanted = requirement.marker is None or any(
                requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)
            )
            key = requirement.name, frozenset(requirement.extras)
            if wanted and key not in seen:
                seen.add(key)
                waiting.append(key)
    return found


def megabytes(packages: Iterable[Distribution]) -> float:
    """What the files of packages take."""
    files = (file.locate() for package in packages for file in package.files or ())
    return sum(file.stat().st_size for file in files if file.exists()) / 1e6  # type: ignore[attr-defined]


def main() -> None:
    requirements = [Requirement(one) for one in distribution("lexel").requires or ()]
    base = packages_of(one for one in requirements if one.marker is None)
    print(f"{'base':12} {megabytes(base.values()):6.0f} MB  {_largest(base)}")
    for extra in sorted(distribution("lexel").metadata.get_all("Provides-Extra") or ()):
        own = [one for one in requirements if one.marker is not None and one.marker.evaluate({"extra": extra})]
        added = {name: package for name, package in packages_of(own).items() if name not in base}
        print(f"{extra:12} {megabytes(added.values()):6.0f} MB  {_largest(added)}")


def _largest(packages: dict[str, Distribution]) -> str:
    sizes = sorted(((megabytes([package]), name) for name, package in packages.items()), reverse=True)
    return ", ".join(f"{name} {size:.0f}" for size, name in sizes[:3])


if __name__ == "__main__":
    main()
