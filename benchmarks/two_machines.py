"""Two workers in network namespaces of their own, without a shared disk: what `prepare`, `encode` and `label` make with them
is compared, byte by byte, with what one process makes. Each worker reaches the scheduler by a virtual network alone, and sees
an empty folder where the photographs and the results lie. Linux, as root, with the extra `cluster`.

python benchmarks/two_machines.py CELEBA [--count 400] [--space faces64]"""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from distributed import Client

BRIDGE, HERE, PORT = "facespace0", "10.77.0.1", 8786
MACHINES = (2, 3)  # the last numbers of their addresses


def run(*command: object) -> None:
    subprocess.run(list(map(str, command)), check=True)


def facespace(*arguments: object) -> float:
    """Runs a command, and prints and returns how many seconds it took."""
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "facespace", *map(str, arguments)], check=True, stdout=subprocess.DEVNULL
    )
    return time.perf_counter() - start


@contextlib.contextmanager
def network() -> Iterator[None]:
    """A bridge, and a network namespace for each machine."""
    run("ip", "link", "add", BRIDGE, "type", "bridge")
    try:
        run("ip", "addr", "add", f"{HERE}/24", "dev", BRIDGE)
        run("ip", "link", "set", BRIDGE, "up")
        for machine in MACHINES:
            space, outer, inner = f"facespace{machine}", f"fs{machine}o", f"fs{machine}i"
            run("ip", "netns", "add", space)
            run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner)
            run("ip", "link", "set", outer, "master", BRIDGE, "up")
            run("ip", "link", "set", inner, "netns", space)
            inside = ("ip", "-n", space)
            run(*inside, "addr", "add", f"10.77.0.{machine}/24", "dev", inner)
            run(*inside, "link", "set", inner, "up")
            run(*inside, "link", "set", "lo", "up")
        yield
    finally:
        for machine in MACHINES:
            subprocess.run(["ip", "netns", "del", f"facespace{machine}"])
        run("ip", "link", "del", BRIDGE)


@contextlib.contextmanager
def workers(hidden: list[Path]) -> Iterator[None]:
    """A scheduler here, and a worker in each namespace, for which the hidden folders are empty."""
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [
        subprocess.Popen([*dask, "scheduler", "--host", HERE, "--port", str(PORT), "--no-dashboard"], **quiet)
    ]
    covered = "".join(f"mount -t tmpfs none '{folder}'; " for folder in hidden)
    for machine in MACHINES:
        work = f"cd /; exec {' '.join(dask)} worker tcp://{HERE}:{PORT} --nthreads 1 --no-dashboard"
        command = ["ip", "netns", "exec", f"facespace{machine}", "unshare", "-m", "sh", "-ec", covered + work]
        started.append(subprocess.Popen(command, cwd="/", env={**os.environ, "PWD": "/"}, **quiet))
    try:
        with Client(f"tcp://{HERE}:{PORT}", set_as_default=False) as client:
            client.wait_for_workers(len(MACHINES), timeout=60)
        yield
    finally:
        for process in reversed(started):
            process.terminate()
        for process in started:
            process.wait(30)


def differing(one: Path, other: Path) -> list[str]:
    """The names of files that are not the same in two folders; cards hold the time, and are left out."""
    names = {path.name for folder in (one, other) for path in folder.iterdir() if path.suffix != ".json"}
    return [name for name in sorted(names) if (one / name).read_bytes() != (other / name).read_bytes()]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("celeba", type=Path)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--space", default="faces64")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        cluster = ["--cluster", f"tcp://{HERE}:{PORT}"]
        with network(), workers([options.celeba.resolve(), folder]):
            for name, how in (("there", cluster), ("here", ["--workers", 1])):
                to, labelled = folder / name, folder / f"{name}-labelled"
                times = [
                    facespace(
                        "prepare", "celeba", options.celeba, "--to", to, "--limit", options.count, *how
                    ),
                    facespace("encode", options.space, "--data", to, "--to", folder / f"{name}.npy", *how),
                    facespace("label", to, "--to", labelled, *how),
                ]
                print(
                    f"{name}: prepare, encode and label in {', '.join(f'{seconds:.1f}' for seconds in times)} s",
                    flush=True,
                )
        found = differing(folder / "there", folder / "here")
        found += differing(folder / "there-labelled", folder / "here-labelled")
        if (folder / "there.npy").read_bytes() != (folder / "here.npy").read_bytes():
            found.append("latents")
    print(f"differing: {', '.join(found)}" if found else "the same bytes of images, tables and latents")
    raise SystemExit(bool(found))


if __name__ == "__main__":
    main()
