"""axe-core, the engine that looks for what keeps people with a screen reader or a keyboard out."""

from chromium import Browser

from selectivity_core.book.build.pages import node_modules

GRAVE = ("serious", "critical")
# (rule, selector) of what the theme's own markup causes and no style or script of ours can mend; nothing else.
EXCUSED: frozenset[tuple[str, str]] = frozenset()

_RUN = """
const done = arguments[0];
axe.run(document, {resultTypes: ["violations"]}).then(({violations}) => done(violations.flatMap(
  ({id, impact, help, nodes}) => nodes.map(({target, html}) => [impact, id, target.join(" "), help, html.slice(0, 200)])
)), (error) => done(String(error)));
"""


def source() -> str:
    """The engine's script, from npm."""
    return (node_modules() / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def findings(browser: Browser, engine: str) -> list[str]:
    """What is grave on the page that the browser has open, a line each."""
    browser.driver.set_script_timeout(120)
    browser.driver.execute_script(engine)
    found = browser.driver.execute_async_script(_RUN)
    assert isinstance(found, list), found
    return [
        f"{impact}: {rule} at {selector}: {help_} ({html})"
        for impact, rule, selector, help_, html in found
        if impact in GRAVE and (rule, selector) not in EXCUSED
    ]
