import pytest
from made_up_reliance import made_up_reliance

from selectivity_core.book.figures.morcos_tables import clamp_table, corruption_table, dropout_table, norm_table


def test_corruption_table_has_a_row_a_share_and_a_part_a_network():
    (mlp_words, mlp), (conv_words, conv) = corruption_table(made_up_reliance("morcos1", 3)).parts
    assert mlp_words.startswith("MLP: area under accuracy over the share of units clamped")
    assert conv_words.startswith("11-layer convnet: ")
    assert len(mlp.frame) == len(conv.frame) == 6
    assert mlp.frame["labels corrupted"].tolist() == ["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]
    assert set(mlp.frame["memorised"]) == {"3 of 3"}
    # the k-th share's networks drop by 0.30 + 0.02 seed + 0.03 k in a straight line: area 1 less half of that
    assert [text.split(" ")[0] for text in mlp.frame["area"]] == ["0.840", "0.825", "0.810", "0.795", "0.780", "0.765"]
    assert mlp.frame["area, not normalised"].tolist()[0] == "0.840"
    assert mlp.frame["area, chance taken off"].tolist()[0] == f"{(0.84 - 0.1) / 0.9:.3f}"
    assert mlp.frame["difference (95 % simultaneous)"].tolist()[0] == "–"
    assert mlp.frame["difference (95 % simultaneous)"].tolist()[1].startswith("−0.015")
    assert "Rank correlation with the share of corrupted labels: −1.00 (mean over 3 seeds" in mlp_words


def test_networks_that_have_not_memorised_are_left_out_of_the_table():
    ((words, table), _) = corruption_table(made_up_reliance("morcos1", 2, not_fitted=(0, 1))).parts
    assert table.frame["memorised"].tolist() == ["2 of 2", *["0 of 2"] * 5]
    assert set(table.frame["area"][1:]) == {"–"}
    assert "not known (it takes three shares that count, memorised to 0.95, in one seed)" in words


def test_noise_is_said_to_be_noise():
    ((words, _), _) = corruption_table(made_up_reliance("morcos2", 1)).parts
    assert "over noise, on its log axis" in words
    assert "mean over 1 seed)" in words


def test_clamp_table_compares_zero_with_the_mean():
    ((words, table), _) = clamp_table(made_up_reliance("morcosA1", 3)).parts
    assert words.startswith("MLP: ")
    rows = table.frame.set_index("clamped to")
    assert rows.loc["zero", "area"].startswith("0.840")
    assert rows.loc["mean", "area"].startswith("0.790")  # drops 0.1 more
    assert rows.loc["zero", "difference (95 % simultaneous)"] == "–"
    assert rows.loc["mean", "difference (95 % simultaneous)"].startswith("−0.050")
    assert "differences are taken from “clamped to: zero”" in table.caption


def test_norm_table_compares_with_and_without():
    ((words, table),) = norm_table(made_up_reliance("morcos5", 3)).parts
    assert words.startswith("11-layer convnet: ")
    rows = table.frame.set_index("batch norm")
    assert rows.loc["no", "difference (95 % simultaneous)"] == "–"
    assert rows.loc["yes", "difference (95 % simultaneous)"].startswith("+0.015")  # the variant before it drops less


def test_dropout_table_has_a_row_for_each_dropout_and_corruption():
    ((words, table),) = dropout_table(made_up_reliance("morcos5", 2)).parts
    assert words.startswith("MLP: ")
    frame = table.frame
    assert frame["dropout"].tolist() == ["0", "0", "0.1", "0.1", "0.2", "0.2", "0.3", "0.3"]
    assert frame["labels corrupted"].tolist() == ["0 %", "100 %"] * 4
    # true labels, dropout 0.1: the second variant, drops of 0.33 and 0.35; a tenth of it at a share of 0.1
    assert frame["left at that share"][2].split(" ")[0] == f"{1 - 0.034:.3f}"
    assert frame["beyond it"][2].split(" ")[0] == f"{1 - 0.34 * 0.55:.3f}"
    # random labels: four variants later, 0.12 more
    assert frame["difference to true labels"][3].split(" ")[0] == f"−{0.12 * 0.55:.3f}"
    assert set(frame["difference to true labels"][::2]) == {"–"}


@pytest.mark.parametrize(
    ("make", "figure"),
    [(corruption_table, "morcos1"), (norm_table, "morcos5"), (clamp_table, "morcosA1"), (dropout_table, "morcos5")],
)
def test_tables_without_runs_are_empty(make, figure):
    found = make(made_up_reliance(figure, 1, missing=[(0.0, 0)]))
    assert found.parts == []
    assert found._repr_html_() == ""
