"""The house in one picture: layers of the package, and the imports between them as the source has them."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from ...errors import BookError
from ...files import replace
from ..widgets import picture
from .imports import Imports, circle, read_imports


@dataclass(frozen=True)
class Layer:
    """Rooms (files or folders of the package) that may import each other and every layer below, never one above."""

    title: str
    rooms: tuple[str, ...]


def _layer(title: str, rooms: str) -> Layer:
    return Layer(title, tuple(rooms.split()))


# From the top down: data flow up, imports point down. A new file or folder of the package is named here.
LAYERS = (
    _layer("Commands and the book", "cli publish"),
    _layer("Figures and verdicts", "summary figures verdicts tutorials widgets"),
    _layer("What a figure asks for", "study view tasks replicates controls overrides"),
    _layer("Worked out of trained networks",
           "trained loaded derived bounds reliance representations forms rivals ledgers verification retraining"),
    _layer("Runs on disk, and many of them",
           "store migrations moving run_status workers executing sweeping planning schedulers"),
    _layer("One run", "training probes gathering run checkpoints manifests estimation costs"),
    _layer("Changing units", "perturbation ablation areas importance moments noise robustness"),
    _layer("Specs, data, networks, and the register", "spec profiles paper data models tables rows"),
    _layer("Measures and statistics",
           "units metrics information regularizer arithmetic evaluation similarity rotation orthonormal statistics "
           "correlations effects offset schedules choosing numbers"),
    _layer("Ground", "errors files locks staging reads seeds progress machine annotations parameters"),
)  # fmt: skip


def check(imports: Imports, layers: Sequence[Layer] = LAYERS) -> None:
    """Whether every room has its layer, and every import points down.

    Raises:
        BookError: what does not, a line each.
    """
    place = {room: k for k, layer in enumerate(layers) for room in layer.rooms}
    rooms = imports.rooms()
    wrong = [f"{room} is in no layer: name it in LAYERS" for room in sorted(set(rooms) - set(place))]
    wrong += [f"{room} has a layer and is not there" for room in sorted(set(place) - set(rooms))]
    for room, imported in sorted(rooms.items()):
        up = [other for other in sorted(imported) if place.get(other, 0) < place.get(room, 0) and other in place]
        wrong += [f"{room} imports {other}, which lies in a layer above it" for other in up]
    if found := circle(imports.modules):
        wrong.append(f"files import each other in a circle: {' → '.join(found)}")
    if wrong:
        raise BookError(f"the architecture of {imports.package}:\n  " + "\n  ".join(wrong))


def between(imports: Imports, layers: Sequence[Layer] = LAYERS) -> dict[tuple[int, int], int]:
    """(importing layer, imported layer) -> how many imports of files, from the top down; none within a layer."""
    place = {room: k for k, layer in enumerate(layers) for room in layer.rooms}
    found: dict[tuple[int, int], int] = {}
    for module, imported in imports.modules.items():
        for other in imported:
            if module and other:
                pair = place[module.partition(".")[0]], place[other.partition(".")[0]]
                if pair[0] != pair[1]:
                    found[pair] = found.get(pair, 0) + 1
    return dict(sorted(found.items()))


WIDTH, BOX, LINE, GAP = 500, 350, 17, 14  # pixels: the picture, its boxes, a line of text, the space between boxes
LETTERS = 52  # of a line of rooms
NEXT, FURTHER = "#1f77b4", "#b0c4d8"  # bows to the next layer, and to those below


def draw(imports: Imports, layers: Sequence[Layer] = LAYERS) -> str:
    """An SVG: a box a layer, a bow from each layer to each that it imports, wider for more imports."""
    shapes, edges, top = [], [], GAP
    for layer in layers:
        lines = textwrap.wrap(", ".join(layer.rooms), LETTERS, break_on_hyphens=False)
        height = (len(lines) + 1) * LINE + 14
        shapes.append(
            f'<rect x="8" y="{top}" width="{BOX}" height="{height}" rx="7" fill="#f4f7fa" stroke="#5b7083"/>'
            f'<text x="18" y="{top + 20}" font-weight="bold" font-size="14">{escape(layer.title)}</text>'
        )
        for k, line in enumerate(lines, 1):
            shapes.append(f'<text x="18" y="{top + 20 + k * LINE}" font-size="12.5">{escape(line)}</text>')
        edges.append((top, top + height))
        top += height + GAP
    bows = []
    for (above, below), count in between(imports, layers).items():
        start, end = edges[above][1] - 8, edges[below][0] + 8 + 1.5 * above
        reach = BOX + 8 + (WIDTH - BOX - 20) * ((below - above) / len(layers)) ** 0.6 * 1.3
        bows.append(
            f'<path d="M{BOX + 8},{start} C{reach:.0f},{start} {reach:.0f},{end:.1f} {BOX + 14},{end:.1f}" fill="none" '
            f'stroke="{NEXT if below - above == 1 else FURTHER}" stroke-width="{0.6 + count**0.5 / 3:.2f}" '
            f'marker-end="url(#tip)"><title>{escape(_bow(layers, above, below, count))}</title></path>'
        )
    tip = (
        '<marker id="tip" viewBox="0 0 6 6" refX="4" refY="3" markerWidth="9" markerHeight="9" orient="auto" '
        'markerUnits="userSpaceOnUse"><path d="M0,0 L6,3 L0,6 z" fill="#5b7083"/></marker>'
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top}" viewBox="0 0 {WIDTH} {top}" '
        f'font-family="sans-serif" fill="#1a1a1a"><defs>{tip}</defs><rect width="100%" height="100%" fill="white"/>'
        f"{''.join(bows)}{''.join(shapes)}</svg>"
    )


def _bow(layers: Sequence[Layer], above: int, below: int, count: int) -> str:
    return f"{layers[above].title} → {layers[below].title}: {count} import{'s' if count > 1 else ''}"


def in_words(imports: Imports, layers: Sequence[Layer] = LAYERS) -> str:
    """The alternative text: what lies on what."""
    pairs = between(imports, layers)
    said = []
    for k, layer in enumerate(layers):
        on = [f"{layers[b].title} ({n})" for (a, b), n in pairs.items() if a == k]
        said.append(f"{layer.title} ({', '.join(layer.rooms)}) imports {', '.join(on) if on else 'none of the others'}")
    return (
        f"{len(layers)} layers from the top down, each with its files and folders and the number of imports from each "
        f"layer below; none points up. {'. '.join(said)}."
    )


def as_html(imports: Imports, layers: Sequence[Layer] = LAYERS) -> str:
    """The picture with its caption, and what every room is for, by the first line of its docstring."""
    caption = (
        f"{len(imports.modules) - 1} files of {imports.package} in {len(layers)} layers. A bow is drawn where files of "
        "one layer import files of another, wider for more of them; within a layer imports are not drawn."
    )
    lists = "".join(
        f"<p><strong>{escape(layer.title)}</strong></p><dl>"
        + "".join(
            f"<dt><code>{escape(room)}</code>{_count(imports.files_of(room))}</dt><dd>{_marked(imports.says[room])}</dd>"
            for room in layer.rooms
        )
        + "</dl>"
        for layer in layers
    )
    return (
        f'<figure id="architecture-picture" class="selectivity-figure">'
        f"{picture(draw(imports, layers), alt=in_words(imports, layers)).data}"
        f"<figcaption>{escape(caption)}</figcaption></figure>{lists}\n"
    )


def _marked(text: str) -> str:
    """A docstring's line as HTML, names in backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _count(files: int) -> str:
    return f" ({files} files)" if files > 1 else ""


def write(package: Path, out: Path) -> None:
    """Draws a package into an HTML file that pages take in; a file that is current is left alone.

    Raises:
        BookError: an import that points up, a circle, or a room without a layer.
    """
    imports = read_imports(package)
    check(imports)
    text = as_html(imports)
    if not out.is_file() or out.read_text(encoding="utf-8") != text:
        out.parent.mkdir(parents=True, exist_ok=True)
        replace(out, text.encode())
