"""A page as Markdown says what the page says, in English, and no text of a file becomes markup."""

from sentiment.pages import html, markdown_of


def test_headings_paragraphs_tables_and_facts_come_over() -> None:
    page = html.page(
        "Promotion gate",
        html.box(html.facts([("version", "3"), ("model", "linear")])),
        html.section("Checks", html.paragraph("All passed."), html.table(["check", "rows"], [["macro-F1", 1234]])),
        html.box(html.folded("All metrics", html.paragraph("None."))),
        languages=True,
    )
    assert markdown_of(page).split("\n\n") == [
        "# Promotion gate",
        "- version: 3\n- model: linear",
        "## Checks",
        "All passed.",
        "| check | rows |\n| --- | --- |\n| macro-F1 | 1,234 |",
        "### All metrics",
        "None.\n",
    ]


def test_one_language_is_left_and_pictures_leave_their_captions() -> None:
    picture = html.Html(
        '<figcaption><b>Title</b>How to read it.</figcaption><svg><text lang="en">drawn</text><circle/></svg>'
    )
    page = html.page("t", html.figure(picture, "x"), html.paragraph(html.both("Yes", "예")), languages=True)
    assert markdown_of(page) == "# t\n\nTitle: How to read it.\n\nYes\n"


def test_a_text_stays_text() -> None:
    page = html.page("t", html.table(["text"], [["a|b <b>&amp; ![x](http://e.com) *c* `d`"]]))
    assert r"| a\|b &lt;b&gt;&amp;amp; ![x]\(http://e.com) \*c\* \`d\` |" in markdown_of(page)
