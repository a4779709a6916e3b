"""The soak of attacks.py: pages that come, export, look at maps and photographs, and leave, often before the answer."""

import argparse
import contextlib
import json
import random
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

ABANDONED = 3  # of so many pages one leaves without waiting
GROWTH = 60.0  # MB that the server may grow in the second half
STOPPED = 3.0  # seconds until Ctrl-C has ended it


def resident(process: int) -> tuple[float, int]:
    """MB of memory and the number of threads of a process."""
    status = Path(f"/proc/{process}/status").read_text()
    found = dict(re.findall(r"^(VmRSS|Threads):\s+(\d+)", status, re.MULTILINE))
    return int(found["VmRSS"]) / 1024, int(found["Threads"])


def ask(page: ClientConnection, name: str, payload: bytes = b"", wait: bool = True, **fields: object) -> dict:
    """One request, and the header of its reply."""
    header = json.dumps({"id": 1, "request": name, **fields}).encode()
    page.send(struct.pack("<I", len(header)) + header + payload)
    if not wait:
        return {}
    reply = page.recv(timeout=120)
    assert isinstance(reply, bytes)
    return json.loads(reply[4 : 4 + struct.unpack_from("<I", reply)[0]])


def visit(port: int, token: str, choice: random.Random) -> None:
    """One page: it opens, asks for this and that, and leaves."""
    options = {
        "origin": f"http://127.0.0.1:{port}",
        "subprotocols": ["facespace.v1", token],
        "max_size": None,
    }
    with connect(f"ws://127.0.0.1:{port}/ws", **options) as page:  # type: ignore[arg-type]
        dim = ask(page, "facts")["latents"]
        z = np.random.default_rng(choice.randrange(2**31)).normal(size=(4, dim)).astype("<f4").tobytes()
        photo = bytes(choice.randrange(256) for _ in range(1024)) * (256 * 256 * 4 // 1024)
        requests = {
            "decode": (z, {}),
            "map": (b"", {"method": choice.choice(("pca", "tsne"))}),
            "detect": (photo, {"width": 256, "height": 256}),
            "export_animation": (
                z,
                {
                    "frames": 60,
                    "interpolation": "linear",
                    "fps": 30,
                    "format": choice.choice(("gif", "webp")),
                },
            ),
        }
        for name in choice.sample(list(requests), 3):
            payload, fields = requests[name]
            ask(page, name, payload, wait=choice.randrange(ABANDONED) > 0, **fields)


def soak(options: argparse.Namespace) -> list[str]:
    """Memory of the server stays flat, no thread is left, and Ctrl-C ends it."""
    words = [sys.executable, "-m", "facespace", "explore", "--port", "0"]
    server = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    assert server.stderr
    found = re.search(r":(\d+)/#token=(\S+)", server.stderr.readline())
    assert found
    port, token, choice = int(found[1]), found[2], random.Random(options.seed)
    end, rows, visits = time.monotonic() + 60 * options.minutes, [], 0
    following = time.monotonic()
    while time.monotonic() < end:
        with contextlib.suppress(ConnectionClosed, TimeoutError):
            visit(port, token, choice)
        visits += 1
        if time.monotonic() > following:
            following += 60 * options.minutes / 10
            rows.append(resident(server.pid))
            print(f"{visits} visits, {rows[-1][0]:,.0f} MB, {rows[-1][1]} threads", flush=True)
    time.sleep(2)
    rows.append(resident(server.pid))
    print(f"{visits} visits, {rows[-1][0]:,.0f} MB, {rows[-1][1]} threads", flush=True)
    start = time.monotonic()
    server.send_signal(signal.SIGINT)
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
    taken = time.monotonic() - start
    print(f"ended {taken:.1f} s after Ctrl-C, exit code {server.returncode}")
    failures = []
    if rows[-1][0] - rows[len(rows) // 2][0] > GROWTH:
        failures.append(f"memory grew from {rows[len(rows) // 2][0]:,.0f} to {rows[-1][0]:,.0f} MB")
    if taken > STOPPED or server.returncode:
        failures.append(f"Ctrl-C took {taken:.1f} s, exit code {server.returncode}")
    return failures
