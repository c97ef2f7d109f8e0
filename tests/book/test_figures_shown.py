import base64
import re

import pandas as pd
import pytest
from bs4 import BeautifulSoup
from made_up_study import DATA, accuracy_of, index_of, made_up_study

from selectivity_core.book.effects import against_baseline, over_units, signs_compared
from selectivity_core.book.figures import accuracy_by_alpha, effects_table, panels, show, signs_table
from selectivity_core.book.figures.shown import Nothing, Shown, Table
from selectivity_core.errors import BookError


def drawn(study):
    figure, (axes, other) = panels(2)
    accuracy_by_alpha(axes, study.runs(study.models[0]))
    accuracy_by_alpha(other, study.runs(study.models[0]), "test_loss")
    return figure


def shown(study, **options):
    return show(drawn(study), study, **{"caption": "What it shows.", "alt": "Accuracy 0.9."} | options)


def page(thing):
    return BeautifulSoup(thing._repr_html_(), "html.parser")


def cells(table):
    rows = [[c.get_text() for c in row.find_all(["th", "td"])] for row in page(table).find_all("tr")]
    return rows[0], rows[1:]


@pytest.mark.parametrize(("figure", "number"), [("fig1", "1"), ("fig4", "4"), ("figA1", "A1")])
def test_captions_name_the_papers_figure(figure, number):
    found = shown(made_up_study(seeds=2, figure=figure))
    assert found.caption.startswith(f"Figure {number} (Leavitt & Morcos). What it shows. ")
    assert found.anchor == f"figure-{number}"
    assert f"ResNet18 on {DATA} (scaled down; the paper's is ResNet18 on Tiny ImageNet), n = 2" in found.caption


def test_a_part_has_its_own_anchor():
    found = shown(made_up_study(seeds=1), part="b")
    assert (found.anchor, found.caption[:9]) == ("figure-4b", "Figure 4b")


def test_a_figure_of_this_book_is_not_given_to_the_paper():
    assert shown(made_up_study((0.0,), seeds=1, figure="index")).caption.startswith("Figure B1 (this book). ")


def test_unequal_numbers_of_seeds_are_said():
    assert "n = 2 to 3 seeds" in shown(made_up_study(missing=[(1.0, 2)])).caption
    assert "n = 2 to 3 seeds" in shown(made_up_study(diverged=[(1.0, 2)])).caption
    assert "n = 2 (1 more at α = 0 is in no mean" in shown(made_up_study(missing=[(-1.0, 2), (1.0, 2)])).caption


def test_what_overrides_changed_stands_in_the_caption():
    found = shown(made_up_study(seeds=1, epochs=2, milestones=(1,)))
    assert "epochs 2 instead of 40, milestones (1) instead of (20, 30) (scaled down" in found.caption
    assert "instead of" not in shown(made_up_study(seeds=1)).caption


def test_the_same_figure_twice_is_the_same_bytes():
    study = made_up_study()
    first, second = shown(study), shown(study)
    assert first == second
    assert first.svg.startswith("<?xml")
    assert shown(made_up_study((-1.0, 0.0, 2.0))).svg != first.svg


@pytest.mark.parametrize("empty", [{"caption": " "}, {"alt": ""}])
def test_no_figure_without_words(empty):
    with pytest.raises(BookError, match="figure 4: caption and alternative text are both needed"):
        shown(made_up_study(seeds=1), **empty)


def test_html_is_escaped():
    html = Shown("<svg xmlns='http://www.w3.org/2000/svg'/>", 'a"b', "1 < 2 & <b>bold</b>", 'says "hi" <i>')
    parsed = page(html)
    assert parsed.figure["id"] == 'a"b'
    assert parsed.figcaption.get_text() == "1 < 2 & <b>bold</b>"
    assert parsed.img["alt"] == 'says "hi" <i>'
    assert parsed.find("b") is None
    assert parsed.find("i") is None


def test_the_picture_is_in_the_page_itself():
    found = shown(made_up_study(seeds=1))
    source = page(found).img["src"]
    assert source.startswith("data:image/svg+xml;base64,")
    assert base64.b64decode(source.split(",")[1]).decode() == found.svg


def effects_cells(study):
    means = over_units(study.table("layers", "resnet18"), "si")
    return cells(effects_table(against_baseline(study.runs("resnet18")), means))


def test_effects_table():
    head, rows = effects_cells(made_up_study())
    assert head[:4] == ["α", "n", "SI, all layers", "SI, shuffled labels"]
    assert head[4:7] == ["accuracy (%)", "difference (points)", "95 % simultaneous"]
    assert [row[0] for row in rows] == ["−1", "0", "1"]
    assert [row[1] for row in rows] == ["3", "3", "3"]
    assert [row[2] for row in rows] == [f"{index_of(a):.3f}" for a in (-1, 0, 1)]
    assert [row[3] for row in rows] == ["0.100"] * 3
    means = [sum(accuracy_of(a, s) for s in range(3)) / 3 for a in (-1, 0, 1)]
    assert [row[4] for row in rows] == [f"{100 * m:.2f}" for m in means]
    assert rows[0][5] == f"{100 * (means[0] - means[1]):.2f}"
    assert float(rows[2][5].replace("−", "-")) == pytest.approx(100 * (means[2] - means[1]), abs=0.006)
    assert rows[1][5:] == ["–"] * 5  # α = 0 is not compared with itself
    low, high = rows[0][6].split(" to ")
    assert float(low) < float(rows[0][5]) < float(high)
    for row in (rows[0], rows[2]):
        assert all(re.fullmatch(r"<\u00a00\.0001|[01]\.\d{4}", p) for p in row[7:])


def test_effects_table_of_one_seed_claims_nothing():
    _, rows = effects_cells(made_up_study(seeds=1))
    assert [row[5:] for row in rows] == [["–"] * 5] * 3


def test_signs_table():
    compared = signs_compared(made_up_study(missing=[(1.0, 2)]).runs("resnet18"))
    head, (row,) = cells(signs_table(compared))
    assert (head[0], head[-1]) == ("|α|", "0.05 within reach")
    assert row[:2] == ["1", "3,\u00a02"]
    assert row[-1] == "no"
    six = signs_compared(made_up_study(seeds=6).runs("resnet18"))
    _, (row,) = cells(signs_table(six))
    assert row[-1] == "yes"
    assert row[5] == f"{2 / 924:.4f}"


def test_a_table_escapes_what_it_holds():
    table = Table(pd.DataFrame({"a <b>": ["<script>x</script>"]}), "1 < 2")
    parsed = page(table)
    assert parsed.find("script") is None
    assert parsed.caption.get_text() == "1 < 2"
    assert parsed.td.get_text() == "<script>x</script>"
    assert parsed.div["tabindex"] == "0"  # it scrolls: the keyboard must reach it


def test_panels_that_are_left_out_are_said_with_the_reason():
    study = made_up_study(seeds=2, figure="figA1", models=["resnet20"])
    first, third = study.figure.panels[0], study.figure.panels[2]
    found = shown(study, absent=[first, third])
    assert found.lacking == (
        "Not drawn: panel a (ResNet18 was not asked for), panel c (nothing finished to draw it from).",
    )
    study = made_up_study(seeds=1, figure="fig4", profile="cifar10")
    assert shown(study, absent=study.figure.panels[:1]).lacking[0] == (
        "Not drawn: panel a (ResNet18 is not run at this scale)."
    )
    signs = made_up_study((-1.0, 0.0), seeds=1)
    assert shown(signs, absent=signs.figure.panels[:1]).lacking == (
        "Not drawn: panel a (no size of α is finished with both signs).",
    )
    lone = made_up_study(seeds=1, figure="figA15")
    assert shown(lone, absent=lone.figure.panels).lacking[0].startswith("Not drawn: the panel (")


def test_what_is_lacking_stands_under_the_caption_once():
    study = made_up_study(seeds=2, missing=[(1.0, 1)])
    found = shown(study)
    assert found.lacking == tuple(study.lacking())
    paragraphs = page(found).find_all("p", class_="selectivity-lacking")
    assert [p.get_text() for p in paragraphs] == [text.replace("`", "") for text in found.lacking]
    assert [p.code.get_text() for p in paragraphs] == [study.command()]
    assert "lacking" not in shown(made_up_study(seeds=2))._repr_html_()


def test_nothing_has_the_place_of_its_figure():
    study = made_up_study(seeds=1, figure="figA1", missing=[(a, 0) for a in (-1.0, 0.0, 1.0)])
    parsed = page(Nothing(study, study.figure.panels[:1], part="-slider"))
    assert parsed.figure["id"] == "figure-A1-slider"
    assert parsed.figcaption.get_text() == (
        "Figure A1, slider (Leavitt & Morcos). Negative α lowers selectivity. Nothing is drawn: no run is finished."
    )
    first, second = (p.get_text() for p in parsed.find_all("p"))
    assert first == "Not drawn: panel a (nothing finished to draw it from)."
    assert "selectivity sweep --profile digits --figure figA1" in second


def test_nothing_of_runs_that_are_not_enough():
    caption = Nothing(made_up_study(seeds=1)).caption
    assert "Nothing is drawn: its runs are not enough. ResNet18 on digits made up (scaled down; " in caption
    assert caption.endswith(", n = 1.")


def test_words_begin_at_the_left_and_intervals_stand_below_their_values():
    frame = pd.DataFrame(
        {
            "network": ["MLP", "–"],
            "α": ["−1", "0"],
            "area": ["−0.5 (−0.6 to ∞)", "–"],
            "n": [3, 4],
            "of": ["5 of 5", "–"],
        }
    )
    rows = BeautifulSoup(Table(frame, "areas")._repr_html_(), "html.parser").find_all("tr")
    for row in rows:
        assert ["selectivity-start" in cell.get("class", []) for cell in row.find_all(["th", "td"])] == [
            True, False, False, False, False
        ]  # fmt: skip
    area = rows[1].find_all("td")[2]
    assert area.text == "−0.5 (−0.6 to\u00a0∞)"
    assert area.small.text == "(−0.6 to\u00a0∞)"
    assert rows[2].find_all("td")[2].small is None


def test_a_table_without_columns_or_rows_is_one():
    assert "none" in Table(pd.DataFrame(), "none")._repr_html_()
    assert "none" in Table(pd.DataFrame({"a": []}), "none")._repr_html_()
