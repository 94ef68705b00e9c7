"""A headless Chromium that opens a page from a file, runs a script in it and tells what came of it.

Nothing is driven from outside: a copy of the page gets a script at its end, which does what a reader would (clicks,
scrolls), and leaves a JSON object in the page, which Chromium prints.
"""

from __future__ import annotations

import html
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NAMES = (os.environ.get("DISMAI_BROWSER", "chromium"), "chromium-browser", "google-chrome")
#: WebGL without a GPU.
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--no-first-run",
    "--disable-extensions",
    "--hide-scrollbars",
    "--allow-file-access-from-files",
)
#: Notes errors and requests before anything else of the page runs.
BEFORE = """<script>
window.seen = { errors: [], blocked: [] };
addEventListener("error", (event) => seen.errors.push(String(event.message)));
addEventListener("unhandledrejection", (event) => seen.errors.push(String(event.reason)));
document.addEventListener("securitypolicyviolation", (event) =>
  seen.blocked.push(event.violatedDirective + " " + event.blockedURI));
for (const level of ["error", "warn"]) {
  const own = console[level];
  console[level] = (...words) => { seen.errors.push(level + ": " + words.join(" ")); own.apply(console, words); };
}
</script>"""
AFTER = """<script>
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const until = async (test, what) => {
  for (let i = 0; i < 200; i++) { const found = test(); if (found) return found; await wait(50); }
  throw new Error("nothing came of: " + what);
};
addEventListener("load", async () => {
  let told;
  try { told = await (async () => { %s })(); } catch (error) { told = { failed: String(error.stack || error) }; }
  const note = document.createElement("pre");
  note.id = "told";
  const resources = performance.getEntriesByType("resource").map((entry) => entry.name);
  note.textContent = JSON.stringify({ ...told, ...seen, resources });
  document.body.append(note);
});
</script></body>"""


def chromium() -> str:
    """Return the browser, or skip the test."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"none of {', '.join(NAMES)} is installed (apt-get install chromium)")
    return found


def visit(page: Path, script: str, width: int = 1280, dark: bool = False, shot: Path | None = None) -> dict[str, Any]:
    """Open a copy of a page in the browser and run a script in it.

    Args:
        page: an HTML file.
        script: the body of an asynchronous function in JavaScript that returns an object.
        width: of the window, pixels.
        dark: whether the system asks for dark colours.
        shot: where a picture of the page is written; None for none.

    Returns:
        What the script returned, with ``errors`` (and warnings) of the page, ``blocked`` requests and ``resources``.
    """
    browser = chromium()
    text = page.read_text()
    copy = page.with_name(f".visited-{page.name}")
    copy.write_text(text.replace("<head>", "<head>" + BEFORE, 1).replace("</body>", AFTER % script, 1))
    height = 900 if shot is None else 6000
    command = [browser, *FLAGS, f"--window-size={width},{height}", f"--user-data-dir={page.parent / '.browser'}"]
    command += ["--blink-settings=preferredColorScheme=0"] if dark else []
    command += ["--virtual-time-budget=60000", "--timeout=90000"]
    command += [f"--screenshot={shot}"] if shot else []
    run = subprocess.run([*command, "--dump-dom", copy.resolve().as_uri()], capture_output=True, text=True, timeout=240)
    copy.unlink()
    _, found, rest = run.stdout.partition('<pre id="told">')
    assert found, run.stderr[-3000:]
    told: dict[str, Any] = json.loads(html.unescape(rest.partition("</pre>")[0]))
    return told
