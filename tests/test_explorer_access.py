"""axe looks at the scenes of the explorer's page that test_explorer_page.py does not show it: strokes on the face, edits,
photographs, the camera, tuning, the tour and banners, at four widths, light and dark."""

import sys
from pathlib import Path

import pytest
from explorer_browser import LOOKS, WAIT, Tab, address, browser  # noqa: F401

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from scenes import SCENES, leave

pytestmark = pytest.mark.slow
HEIGHT = 844
SETTLE_MS = 400
ELSEWHERE = (
    *("random", "draw", "photo", "map", "mix", "saved", "attributes", "components", "raw", "pad"),
    *("choose", "save-morph", "lesson", "lessons", "help", "export"),
)
NAMES = [name for name in SCENES if name not in ELSEWHERE]


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_axe_finds_nothing_in_any_other_scene(browser, address, width, scheme):
    axe_core = pytest.importorskip("axe_core_python.sync_playwright")
    tab = Tab(
        browser, address, viewport={"width": width, "height": HEIGHT}, color_scheme=scheme, bypass_csp=True
    )
    found = []
    try:
        tab.at(".meter b").wait_for(timeout=WAIT)
        for name in NAMES:
            SCENES[name](tab.page)
            tab.page.wait_for_timeout(SETTLE_MS)
            for one in axe_core.Axe().run(tab.page)["violations"]:
                found.append((name, one["id"], [node["html"][:160] for node in one["nodes"]]))
            leave(tab.page)
    finally:
        tab.context.close()
    assert found == []
    assert tab.errors == []
