import re

from sentiment.pages import html


def test_everything_given_as_text_is_escaped() -> None:
    attack = "<script>alert(1)</script>"
    page = html.page(
        attack,
        html.section(attack, html.paragraph(attack), html.table([attack], [[attack]]), html.badge(attack, True)),
        html.figure("", '"><script>'),
    )
    assert "<script>" not in page
    assert page.count("&lt;script&gt;alert(1)") == 7  # the title twice


def test_cells_are_shown_by_type() -> None:
    table = html.table(["a"], [[1234567], [0.123456], [None], [True], [12345.678], [html.badge("as it is", None)]])
    for shown in (
        "1,234,567",
        "0.1235",
        "–",
        '<td class="nowrap">True</td>',
        "12,346",
        '<span class="badge neutral">as it is</span>',
    ):
        assert shown in table


def test_a_page_needs_nothing_from_elsewhere() -> None:
    page = html.page("제목", html.paragraph("본문"), languages=True)
    assert not re.search(r"https?:|src=|href=(?!\"data:)|@import|url\(", page)
    assert '<meta charset="utf-8">' in page


def test_a_known_text_is_written_in_both_languages_and_stays_text() -> None:
    assert html.markup("accuracy") == '<span lang="en">accuracy</span><span lang="ko">정확도</span>'
    assert html.markup("<i>") == "&lt;i&gt;"
    assert (
        html.both("<i>", html.Html("<b>굵게</b>"))
        == '<span lang="en">&lt;i&gt;</span><span lang="ko"><b>굵게</b></span>'
    )


def test_only_numbers_stand_on_the_right() -> None:
    table = html.table(["name", "value"], [["a", "97.6%"], ["b", "+0.018"], ["12 monkeys", None]])
    assert table.count('<td class="number">') == 2
    assert '<th scope="col" class=number><span lang="en">value</span>' in table
    assert '<th scope="col">name</th>' in table
