"""What every drawn figure must say of its panels."""

import re


def letters(shown):
    """Lone letters that are written in the picture: the panels'."""
    return set(re.findall(r"<!-- ([a-p]) -->", shown.svg))


def assert_told(entry, shown):
    """Every panel of a register's entry is in the picture, its title in the caption, its numbers in the words."""
    wanted = [panel.letter for panel in entry.panels if panel.letter]
    assert letters(shown) == set(wanted)
    assert shown.lacking == ()
    parts = re.split(r"(?:^|(?<=\. ))([a-h]): ", shown.alt)
    assert parts[1::2] == wanted
    for text in parts[2::2] if wanted else parts:
        assert len(re.findall(r"\d+\.?\d*", text)) >= 2, text
    assert "nan" not in (shown.caption + shown.alt).lower()
    for panel in entry.panels:
        assert panel.title.lower() in shown.caption.lower()
