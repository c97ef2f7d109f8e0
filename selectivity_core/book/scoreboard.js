(() => {
  const few = 12; // verdicts that are shown at once without a reader opening their groups
  const board = document.currentScript.previousElementSibling;
  const selects = [...board.querySelectorAll("select")];
  const apply = () => {
    const want = selects.map((s) => [s.dataset.filter, s.value]).filter(([, value]) => value);
    for (const part of board.querySelectorAll("[data-profile]")) {
      part.toggleAttribute("hidden", want.some(([name, value]) => part.dataset[name] !== value));
    }
    for (const claim of board.querySelectorAll(".claim")) claim.hidden = !claim.querySelector("li:not([hidden])");
    const found = board.querySelectorAll("li:not([hidden])").length;
    for (const group of board.querySelectorAll("details")) {
      const lines = [...group.querySelectorAll("li:not([hidden])")];
      group.hidden = !lines.length;
      group.open = want.length > 0 && found <= few;
      for (const chip of group.querySelectorAll("summary [data-verdict]")) {
        const count = lines.filter((line) => line.dataset.verdict === chip.dataset.verdict).length;
        chip.hidden = !count;
        chip.textContent = `${count} × ${chip.dataset.verdict}`;
      }
    }
    const total = board.querySelectorAll("li").length;
    board.querySelector("[aria-live]").textContent = found ? `${found} of ${total} verdicts` : "No verdict matches.";
  };
  selects.forEach((select) => select.addEventListener("change", apply));
  board.querySelector(".filters").hidden = false;
  apply();
})();
