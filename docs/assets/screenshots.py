"""The pictures of README, made anew: `.venv/bin/python docs/assets/screenshots.py`, about a minute.

Trains on the bundled sample and deploys, as README says, in a ZenML and a home of their own that are gone afterwards.
Chromium looks at what came out: `make browser` installs it.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

PICTURES = Path(__file__).parent
PROJECT = PICTURES.parents[1]
REVIEW = "처음엔 지루했는데 끝까지 보니 최고예요 ㅋㅋㅋ"  # boring at first, but in the end it is the best, haha


def main() -> None:
    """Train, deploy, look, and end the server."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("Chromium is not installed: make browser")
    with tempfile.TemporaryDirectory() as folder:
        state = {"SENTIMENT_HOME": f"{folder}/home", "ZENML_CONFIG_PATH": f"{folder}/zenml"}
        try:
            url = train_and_deploy(state)
            with sync_playwright() as playwright:
                # Chromium's own sandbox cannot be set up by root, who works in a container.
                browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                endpoint(browser, url)
                report(browser, f"{url}/report")
                browser.close()
        finally:
            end_servers(state["ZENML_CONFIG_PATH"])
    for name in ("endpoint.png", "gate.png"):
        print(f"{name}: {(PICTURES / name).stat().st_size / 1000:.0f} kB")


def train_and_deploy(state: dict[str, str]) -> str:
    """Run the two commands of README; the endpoint's URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    for arguments in (["train"], ["deploy", "--set", f"port={port}"]):
        command = [sys.executable, "run.py", *arguments]
        subprocess.run(command, cwd=PROJECT, env={**os.environ, **state}, check=True)
    return f"http://127.0.0.1:{port}"


def end_servers(zenml: str) -> None:
    """End what this script deployed: the processes whose Bentos are below `zenml`."""
    for process in psutil.process_iter(["environ"]):
        if str((process.info["environ"] or {}).get("BENTOML_HOME", "")).startswith(zenml):
            process.kill()


def endpoint(browser: Browser, url: str) -> None:
    """A review, its prediction and what each word did."""
    page = browser.new_page(locale="en-GB", viewport={"width": 760, "height": 690}, device_scale_factor=1.5)
    page.goto(url)
    page.locator("#text").fill(REVIEW)
    page.locator("#go").click()
    page.locator("#result .words span").first.wait_for()
    page.evaluate("Promise.all(document.getAnimations().map((each) => each.finished))")
    save(page.screenshot(), "endpoint.png")


def report(browser: Browser, url: str) -> None:
    """The report of the run: the verdict, the contenders, and every check with its reason."""
    page = browser.new_page(locale="en-GB", viewport={"width": 1000, "height": 1010}, device_scale_factor=1.25)
    page.goto(url)
    save(page.screenshot(), "gate.png")


def save(screenshot: bytes, name: str) -> None:
    """Keep a picture with 128 colours: a third of the size, and the eye sees no difference on a page of text."""
    path = PICTURES / name
    path.write_bytes(screenshot)
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(128, dither=Image.Dither.NONE)
    small.save(path, optimize=True)


if __name__ == "__main__":
    main()
