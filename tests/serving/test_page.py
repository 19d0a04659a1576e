"""The page in a real browser: what it shows, by mouse and by keyboard, and nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect, sync_playwright

from tests.evaluation.conftest import CHROMIUM, SWITCHES
from tests.serving.live import LiveServer

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")


PATIENCE_MS = 120_000
"""How long anything in the browser may take: a machine that runs other tests beside this one is slow."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """One browser for all tests of this file."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("profile"),
            executable_path=CHROMIUM,
            args=SWITCHES.split(),
            headless=True,
            locale="en-GB",
            timeout=PATIENCE_MS,
        )
        context.set_default_timeout(PATIENCE_MS)
        yield context
        context.close()


@pytest.fixture
def page(server: LiveServer, browser: BrowserContext) -> Iterator[Page]:
    """The page, open; anything that its scripts or its policy complain about is an error of the test."""
    complaints: list[str] = []
    browser.grant_permissions(["clipboard-read", "clipboard-write"], origin=server.url)
    page = browser.new_page()
    try:
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console",
            lambda said: complaints.append(said.text) if said.type == "error" and "429" not in said.text else None,
        )
        foreign: list[str] = []
        page.on(
            "request", lambda asked: None if asked.url.startswith((server.url, "data:")) else foreign.append(asked.url)
        )
        page.goto(server.url + "/")
        page.wait_for_selector("#tasks button")
        yield page
    finally:
        page.close()
    assert complaints == []
    assert [url for url in foreign if not url.startswith((server.url, "data:"))] == []


def run(page: Page, text: str) -> None:
    page.fill("#text", text)
    page.click("#run")
    expect(page.locator("#status")).to_contain_text("ms")


def test_words_and_entities_are_drawn_over_the_text(page: Page) -> None:
    run(page, "臺北市長蔣萬安昨天在市政府會見來自日本東京的訪問團。")
    assert (
        page.locator(".reading").inner_text().replace("\n", "")
        == "臺北市長蔣萬安昨天在市政府會見來自日本東京的訪問團。"
    )
    assert page.locator(".entity").count() == page.locator("#result tbody tr").count() > 0


def test_characters_beyond_the_basic_plane_do_not_shift_the_words(page: Page) -> None:
    run(page, "😀😀北京")
    assert "".join(page.locator(".word").all_inner_texts()) == "😀😀北京"


def test_a_lexicon_changes_the_words(page: Page) -> None:
    page.get_by_role("tab", name="Words", exact=True).click()
    page.fill("#lexicon", "京工")
    run(page, "他在北京工作。")
    assert "京工" in page.locator(".word").all_inner_texts()


def test_the_script_that_is_chosen_is_asked_for(page: Page) -> None:
    page.get_by_role("tab", name="Words", exact=True).click()
    page.select_option("#script", "simplified")
    with page.expect_request("**/v1/segment") as asked:
        run(page, "傅達仁今將執行安樂死。")
    assert asked.value.post_data_json["options"]["script"] == "simplified"
    assert "".join(page.locator(".word").all_inner_texts()) == "傅達仁今將執行安樂死。"


def test_scores_are_shown_on_keyboard_focus(page: Page) -> None:
    run(page, "他在北京。")
    page.locator(".word").first.focus()
    expect(page.locator(".tip")).to_contain_text("score")


def test_control_and_enter_run_and_arrows_change_the_task(page: Page) -> None:
    page.fill("#text", "好")
    page.press("#text", "Control+Enter")
    expect(page.locator(".word")).to_have_count(1)
    page.get_by_role("tab", selected=True).press("ArrowRight")
    expect(page.get_by_role("tab", selected=True)).to_have_text("Words")


def test_it_speaks_chinese_when_asked(page: Page) -> None:
    page.click("#language")
    expect(page.locator("#run")).to_have_text("运行")
    expect(page.locator("html")).to_have_attribute("lang", "zh")


def test_every_task_of_a_model_answers(page: Page) -> None:
    page.select_option("#model", "joint")
    for name, text in {
        "Classify": "天下的人",
        "Fill": "天下的[MASK]",
        "Answer": "new york live",
        "Embed": "天下",
    }.items():
        page.get_by_role("tab", name=name).click()
        run(page, text)
        assert page.locator("#result").inner_text()


def test_an_error_is_shown_as_one_line(page: Page) -> None:
    page.get_by_role("tab", name="Words", exact=True).click()
    page.route("**/v1/segment", lambda route: route.fulfill(status=429, json={"error": "too much; try again"}))
    page.click("#run")
    expect(page.locator("#status")).to_have_text("too much; try again")


def test_the_request_can_be_copied_as_curl(page: Page) -> None:
    run(page, "他在北京。")
    page.get_by_role("button", name="Copy curl").click()
    expect(page.locator("#status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith("curl -s http://127.0.0.1")


def test_nothing_is_wider_than_a_narrow_window(page: Page) -> None:
    page.set_viewport_size({"width": 360, "height": 700})
    run(page, "臺北市長蔣萬安昨天在市政府會見來自日本東京的訪問團。" * 3)
    assert width(page) <= 360
    header = page.locator("header").bounding_box()
    assert header is not None
    assert header["height"] < 80  # one row


def width(page: Page) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))


def test_the_api_is_described_without_anything_from_elsewhere(page: Page, server: LiveServer) -> None:
    page.goto(server.url + "/docs")
    page.set_viewport_size({"width": 360, "height": 700})
    tag = page.locator("details").filter(has_text="POST /v1/tag").first
    tag.locator("summary").click()
    expect(tag.locator("td").first).to_have_text("text")
    assert width(page) <= 360
    paths = server.get("/openapi.json")["paths"]
    assert page.locator("details").count() == sum(map(len, paths.values()))


def test_text_from_right_to_left_is_drawn_from_the_right(page: Page) -> None:
    run(page, "ولد أحمد في مصر")
    first, last = page.locator(".word").first.bounding_box(), page.locator(".word").last.bounding_box()
    assert first is not None
    assert last is not None
    assert first["x"] > last["x"]


def test_colours_follow_the_system_and_the_button(page: Page) -> None:
    def paper() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    page.emulate_media(color_scheme="light")
    assert paper() == "rgb(255, 255, 255)"
    page.emulate_media(color_scheme="dark")
    dark = paper()
    assert dark != "rgb(255, 255, 255)"
    page.click("#theme")
    assert paper() == "rgb(255, 255, 255)"


@pytest.mark.parametrize(("kind", "begins"), [("JSON", "{"), ("Python", "import json")])
def test_the_answer_and_a_program_can_be_copied(page: Page, kind: str, begins: str) -> None:
    run(page, "他在北京。")
    page.get_by_role("button", name=f"Copy {kind}").click()
    expect(page.locator("#status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith(begins)


def test_the_page_comes_with_a_strict_policy(server: LiveServer) -> None:
    import urllib.request

    with urllib.request.urlopen(server.url + "/") as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def describe_models(page: Page, **values: object) -> None:
    """Open the page again, with other facts of the models."""

    def changed(route: Route) -> None:
        info = route.fetch().json()
        for model in info["models"]:
            model.update(values)
        route.fulfill(json=info)

    page.route("**/info", changed)
    page.reload()
    page.wait_for_selector("#tasks button")


@pytest.mark.parametrize(
    ("languages", "script", "begins"),
    [
        (["de"], "Latn", "Angela Merkel"),
        (["ar", "en", "zh"], "Arab", "Barack Obama"),  # the page's own language, where the model reads it
        (["pt-BR", "es"], "Latn", "Gabriel"),
        (["multilingual"], "Latn", "Barack Obama"),
        ([], "Cyrl", "Юрий Гагарин"),
        ([], None, "Barack Obama"),
    ],
)
def test_the_examples_are_in_a_language_that_the_model_reads(
    page: Page, languages: list[str], script: str | None, begins: str
) -> None:
    assert page.input_value("#text").startswith("王小芳")
    describe_models(page, languages=languages, script=script)
    assert page.input_value("#text").startswith(begins)


def test_the_example_for_fill_has_the_models_own_mask(page: Page) -> None:
    describe_models(page, mask="<mask>")
    page.select_option("#model", "joint")
    page.get_by_role("tab", name="Fill").click()
    assert "<mask>" in page.input_value("#text")
    assert "[MASK]" not in page.input_value("#text")


def test_examples_follow_the_task_and_your_own_text_stays(page: Page) -> None:
    first = page.input_value("#text")
    page.get_by_role("tab", name="Words", exact=True).click()
    assert page.input_value("#text") != first
    page.fill("#text", "我自己的句子。")
    page.get_by_role("tab", name="Words & entities").click()
    assert page.input_value("#text") == "我自己的句子。"


def test_vectors_are_offered_for_models_that_were_made_for_them(page: Page) -> None:
    for model, number in (("zh", 0), ("joint", 1)):
        page.select_option("#model", model)
        expect(page.get_by_role("tab", name="Embed")).to_have_count(number)
        expect(page.get_by_role("tab", name="Similarity")).to_have_count(number)


def test_the_script_to_read_as_is_offered_for_models_that_read_chinese(page: Page) -> None:
    expect(page.locator("#script")).to_be_visible()
    describe_models(page, languages=["de"], script="Latn")
    expect(page.locator("#script")).to_be_hidden()
