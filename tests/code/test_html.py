import base64

from sentiment.pages import html


def test_everything_given_as_text_is_escaped() -> None:
    attack = "<script>alert(1)</script>"
    page = html.page(
        attack,
        html.section(attack, html.paragraph(attack), html.table([attack], [[attack]]), html.badge(attack, True)),
        html.figure(b"png", '"><script>'),
    )
    assert "<script>" not in page
    assert page.count("&lt;script&gt;alert(1)") == 7  # the title twice


def test_cells_are_shown_by_type() -> None:
    table = html.table(["a"], [[1234567], [0.123456], [None], [True], [12345.678], [html.badge("ok", None)]])
    for shown in ("1,234,567", "0.1235", "–", "<td>True</td>", "12,346", '<span class="badge neutral">ok</span>'):
        assert shown in table


def test_a_page_needs_nothing_from_elsewhere() -> None:
    page = html.page("제목", html.figure(b"png", "그림"))
    assert base64.b64encode(b"png").decode() in page
    assert "http" not in page
    assert '<meta charset="utf-8">' in page
