"""Pages: one file that needs nothing else, every figure of it in the JSON beside it; looked at in Chromium."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from command_line import Run, save_small_model
from keras_networks import convolutional, images
from octavo.errors import MissingDependencyError

LARGEST_BYTES = 3 << 20
WIDTHS = (320, 768, 1920)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytest.importorskip("jinja2")
pytest.importorskip("vl_convert")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the page of a small model, and of one that four bits spoil."""
    from octavo.cli import main

    folder = tmp_path_factory.mktemp("pages")
    model = save_small_model(folder)
    arguments = ["--data", str(folder / "samples.npz"), "--test", str(folder / "test.npz")]
    for name, scheme in (("small", "int8"), ("coarse", "int8x4")):
        out = str(folder / f"{name}.html")
        with pytest.raises(SystemExit) as end:
            main(["report", str(model), *arguments, "--scheme", scheme, "-o", out])
        assert not end.value.code
    return folder


def figures(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text())


@pytest.mark.parametrize("name", ["small", "coarse"])
def test_a_page_is_one_small_file_that_fetches_nothing(pages: Path, name: str) -> None:
    text = (pages / f"{name}.html").read_text()
    assert len(text.encode()) < LARGEST_BYTES
    head = text[: text.index('<script type="application/json"')]
    assert not re.findall(r"""(?:src|href)=["'](?!#|data:)""", head)
    assert "octavo report" in head


@pytest.mark.parametrize("name", ["small", "coarse"])
def test_its_charts_are_there_without_javascript_and_its_figures_in_the_json(pages: Path, name: str) -> None:
    text, content = (pages / f"{name}.html").read_text(), figures(pages, name)
    assert '<p class="interactive" hidden>' in text  # a list of layers that nothing would answer to
    assert text.count("<svg") >= len(re.findall(r'data-chart="', text)) >= 4
    for row in (row for table in content["tables"] for row in table["rows"]):
        for cell in row:
            assert f">{cell}</td>" in text or any(letter in cell for letter in "<>&'\"")
    specs = json.loads(re.search(r'id="specs">(.*?)</script>', text, re.DOTALL).group(1))  # type: ignore[union-attr]
    drawn = {(each["layer"], each["of"]): each["effect"] for each in specs["heat"]["data"]["values"]}
    told = {
        (each["layer"], kind): each[f"{kind}_effect"]
        for each in content["diagnosis"]["layers"]
        for kind in ("weights", "activations")
    }
    assert drawn == told
    assert [layer["description"] for layer in specs["layers"]] != []
    assert len(specs["layers"]) == len(content["views"])


def test_the_arena_is_the_one_that_fit_counts(pages: Path, tmp_path: Path, run: Run) -> None:
    arena = figures(pages, "small")["arena"]
    quantized = tmp_path / "q.tflite"
    model, data = pages / "small.keras", pages / "samples.npz"
    assert run("quantize", model, "--data", data, "-o", quantized).code == 0
    (row,) = run("fit", quantized, "--json").json["rows"]
    (counted,) = (way["ram"] for way in row["ways"] if way["name"] == "generated C")
    assert (arena["arena_bytes"], arena["ports_bytes"]) == (counted["arena"], counted["input and output"])
    assert arena["arena_bytes"] == max(each["offset"] + each["bytes"] for each in arena["buffers"])


@pytest.mark.parametrize(("metric", "way"), [("mae", "down"), ("accuracy", "up")])
def test_the_way_that_is_better_is_the_metrics_own(metric: str, way: str) -> None:
    from octavo.comparison.comparison import compare
    from octavo.pages.content import page_content
    from octavo.report.page.render import render

    x = images(24)
    y = np.arange(24) % 10 if way == "up" else np.eye(10, dtype=np.float32)[np.arange(24) % 10]
    table = compare(convolutional(), x, (x, y), schemes=("float32", "int8"), metric=metric, time_it=False)
    page = render(page_content("net", (), comparison=table))
    assert f"Worth against the size of the file: {way} and to the left is better." in page


def test_commands_take_a_page_to_write(run: Run, small: Path, tmp_path: Path) -> None:
    data, test = small.parent / "samples.npz", small.parent / "test.npz"
    for command in (
        ("quantize", small, "--data", data, "-o", tmp_path / "q.tflite"),
        ("compare", small, "--data", data, "--test", test, "--schemes", "float32,int8"),
        ("diagnose", small, "--data", data, "--apply", tmp_path / "mended.tflite"),
    ):
        page = tmp_path / f"{command[0]}.html"
        assert run(*command, "--report", page).code == 0
        assert f"octavo {command[0]}" in page.read_text()
        assert figures(tmp_path, command[0])["views"]
    assert (tmp_path / "mended.tflite").stat().st_size


@pytest.mark.parametrize(("flash", "code"), [("100KB", 0), ("1KB", 1)])
def test_a_search_draws_every_file_it_made(run: Run, small: Path, tmp_path: Path, flash: str, code: int) -> None:
    out, page = tmp_path / "mixed.tflite", tmp_path / "search.html"
    command = (
        "search", small, "--data", small.parent / "samples.npz", "--points", "2", "--swaps", "0", "--effort", "fast",
        "-o", out,
    )  # fmt: skip
    assert run(*command, "--flash", flash, "--report", page).code == code
    found = figures(tmp_path, "search")["search"]
    text = page.read_text()
    specs = json.loads(re.search(r'id="specs">(.*?)</script>', text, re.DOTALL).group(1))  # type: ignore[union-attr]
    drawn = [(each["flash"], each["worth"], each["file"]) for each in specs["search"]["layer"][1]["data"]["values"]]
    assert [each[:2] for each in drawn] == [(each["flash_bytes"], each["sqnr_db"]) for each in found["points"]]
    assert [each[2] for each in drawn].count("chosen") == (code == 0)
    assert ("None of the files fits." in text) == (code == 1) == (found["chosen"] is None)


def test_a_page_without_samples_to_show_is_refused_before_the_work(run: Run, small: Path, tmp_path: Path) -> None:
    ended = run(
        "quantize", small, "--scheme", "dynamic", "-o", tmp_path / "q.tflite", "--report", tmp_path / "page.html"
    )
    assert ended.code == 2
    assert "say --data samples.npz as well" in ended.err
    assert not list(tmp_path.iterdir())


def test_diagnose_says_no_by_its_exit_code_and_as_json(run: Run, small: Path) -> None:
    data = small.parent / "samples.npz"
    ended = run("diagnose", small, "--data", data, "--scheme", "int8", "--json")
    assert ended.code == 0
    assert ended.json["healthy"]
    assert {each["layer"] for each in ended.json["layers"]} >= {"conv", "scores"}
    missing = run("diagnose", small, "--data", small.parent / "none.npz")
    assert missing.code == 2


def test_a_page_that_cannot_be_written_is_refused_before_the_work(run: Run, small: Path, tmp_path: Path) -> None:
    place = tmp_path / "none" / "page.html"
    ended = run("diagnose", small, "--data", small.parent / "samples.npz", "--report", place)
    assert ended.code == 2
    assert "mkdir -p" in ended.err


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_every_chart_draws_at_every_width(browser: Any, pages: Path, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, told, fetched = context.new_page(), [], []
    page.on("console", lambda message: told.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: told.append(str(error)))
    page.on("request", lambda request: fetched.append(request.url) if request.url.startswith("http") else None)
    page.goto(f"file://{pages / 'coarse.html'}")
    page.wait_for_selector("html[data-drawn]")
    assert page.evaluate("document.documentElement.dataset.drawn") == "all"
    assert (told, fetched) == ([], [])
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = page.eval_on_selector_all("[data-chart] svg", "all => all.map(each => each.getBoundingClientRect().width)")
    assert len(boxes) == page.locator("[data-chart]").count()
    assert min(boxes) > 100
    context.close()


@pytest.mark.browser
def test_a_layer_is_chosen_by_keyboard_and_its_numbers_are_those_of_the_json(browser: Any, pages: Path) -> None:
    page, views = browser.new_page(), figures(pages, "coarse")["views"]
    page.goto(f"file://{pages / 'coarse.html'}")
    page.wait_for_selector("html[data-drawn]")
    page.focus("#choice")
    for place, view in enumerate(views):
        if place:
            page.keyboard.press("ArrowDown")
        assert page.input_value("#choice") == str(place)
        shown = page.locator("[data-view]:visible")
        assert shown.count() == 1
        text = shown.inner_text()
        assert view["layer"] in text
        for name in ("low", "scale") if view["kind"] == "activations" else ("smallest_scale", "scale"):
            assert f"{view[name]:.4g}" in text
    page.close()


@pytest.mark.browser
def test_without_javascript_the_text_and_the_charts_are_there(browser: Any, pages: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"file://{pages / 'coarse.html'}")
    assert page.locator("[data-chart] svg").count() == page.locator("[data-chart]").count()
    assert page.locator("[data-view]:visible").count() == len(figures(pages, "coarse")["views"])
    context.close()


def test_without_what_draws_them_it_says_what_to_install(
    run: Run, pages: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from octavo.report.page.render import render

    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(MissingDependencyError, match=r"fix: +pip install"):
        render(figures(pages, "small"))


def test_a_sample_that_is_an_image_becomes_a_picture_and_others_do_not() -> None:
    from octavo.pages.views import picture

    pytest.importorskip("PIL")
    assert str(picture(np.linspace(0, 1, 64).reshape(8, 8, 1))).startswith("data:image/png;base64,")
    assert picture(np.zeros(24)) is None
    assert picture(np.zeros((6, 6, 2))) is None
