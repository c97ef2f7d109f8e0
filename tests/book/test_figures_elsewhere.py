"""A page's figures at the other scales that the ledger holds."""

import sys

import pytest
from measured_study import measured_study

from selectivity_core.book import figures
from selectivity_core.book.figures import offset
from selectivity_core.book.numbers import capital
from selectivity_core.book.study import gather
from selectivity_core.runs.profiles import find_profile

elsewhere = sys.modules["selectivity_core.book.figures.elsewhere"]  # its function of the same name hides it


@pytest.fixture
def no_store(tmp_path, monkeypatch):
    """The tracked ledger, and no run beside it."""
    monkeypatch.setenv("SELECTIVITY_RUNS", str(tmp_path / "runs"))
    monkeypatch.delenv("SELECTIVITY_LEDGER")
    return monkeypatch


def test_where_nothing_is_finished_it_says_so(no_store):
    no_store.setenv("SELECTIVITY_LEDGER", "none")
    found = figures.elsewhere(gather("fig4", profile="digits", on_missing="skip"))
    assert found.figures == []
    assert "At no other scale" in found._repr_html_()
    study = gather("offset", profile="digits", on_missing="skip")
    assert "At no other scale" in figures.told_elsewhere(study, lambda other: "told").data


@pytest.mark.parametrize(("here", "there"), [("digits", "cifar10-short"), ("cifar10-short", "digits")])
def test_a_figure_is_drawn_from_the_ledger_at_every_other_scale_and_trains_nothing(here, there, no_store, tmp_path):
    found = figures.elsewhere(gather("fig4", profile=here, seeds=1, on_missing="skip"))
    shown = {f.anchor: f for f in found.figures}
    assert f"figure-4-{there}" in shown and f"figure-4-{here}" not in shown
    one = shown[f"figure-4-{there}"]
    assert one.caption.startswith("The same, ") and "Figure 4 (Leavitt & Morcos). " in one.caption
    assert "n = " in one.caption
    assert f'id="figure-4-{there}"' in found._repr_html_()
    assert not [p for p in (tmp_path / "runs").rglob("*") if p.is_file()]


def test_each_figure_of_a_page_stands_by_itself(no_store):
    studies = [gather(name, profile="cifar10-short", seeds=1, on_missing="skip") for name in ("fig1", "fig3")]
    anchors = [f.anchor for f in figures.elsewhere(*studies).figures]
    assert {"figure-1-digits", "figure-3-digits"} <= set(anchors)
    assert len(set(anchors)) == len(anchors)


def test_a_figure_of_one_setting_needs_no_other(no_store):
    anchors = [f.anchor for f in figures.elsewhere(gather("morcos7", profile="digits", on_missing="skip")).figures]
    assert "morcos-figure-7-fashion-mnist" in anchors


def test_a_page_can_draw_and_tell_in_its_own_way(no_store):
    study = gather("offset", profile="cifar10-short", seeds=1, on_missing="skip")
    shown = figures.elsewhere(study, drawn_by=offset.measures_figure).figures
    (digits,) = [one for one in shown if one.anchor.endswith("-digits")]
    assert digits.caption.startswith("The same, digits. ")
    told = figures.told_elsewhere(study, lambda other: f"{len(other.runs())} runs").data.split("\n\n")
    assert f"**Digits.** {len(gather('offset', profile='digits', on_missing='skip').runs())} runs" in told
    assert len(told) == len(shown) == len(elsewhere.other_scales(study))


def test_a_list_begins_below_its_title(no_store):
    study = gather("offset", profile="cifar10-short", seeds=1, on_missing="skip")
    told = figures.told_elsewhere(study, lambda other: "* one\n* two").data
    assert told.startswith("**Digits.**\n\n* one\n* two")
    titles = [find_profile(other.profile).title for other in elsewhere.other_scales(study)]
    assert told.split("\n\n") == [part for title in titles for part in (f"**{capital(title)}.**", "* one\n* two")]


@pytest.mark.parametrize(("finished", "compared"), [((40,), False), ((40, 80), True)])
def test_schedules_are_compared_where_there_are_two(finished, compared, monkeypatch):
    other = measured_study("schedules", (-1.0, 0.0), 1, index=lambda s: 0.5, missing=lambda s: s.epochs not in finished)
    monkeypatch.setattr(elsewhere, "gather", lambda *_, **__: other)
    study = measured_study("schedules", (-1.0, 0.0), 1, index=lambda s: 0.5)
    assert bool(elsewhere.other_scales(study)) is compared
